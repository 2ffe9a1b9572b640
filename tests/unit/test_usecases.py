"""What people do, over the real stores in memory."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from adapters.clock import SystemSecrets
from adapters.memory import MemorySessions, MemoryUsers
from adapters.passwords import BcryptPasswords
from adapters.population import BitmapIndex
from adapters.tokens import JwtTokens
from segmentation_core import Catalog, Filter, Nearest, PlanMismatch, parse_filter, plan_text
from segmentation_core.errors import CsrfMismatch, NotSignedIn, WrongCredentials
from segmentation_core.planning import Plan
from segmentation_core.population import PlanSize
from segmentation_core.ports import Clock
from segmentation_core.sessions import IDLE_LIFETIME, LIFETIME, SignedIn
from segmentation_core.testing import everybody
from segmentation_core.usecases import Authenticate, BuildAudience, SignIn, SignOut
from segmentation_core.users import User

pytestmark = pytest.mark.anyio
PASSWORD = "one good password"


class HandClock(Clock):
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class House:
    """The use cases of signing in over one set of stores, with one user."""

    def __init__(self) -> None:
        self.users, self.sessions, self.clock = MemoryUsers(), MemorySessions(), HandClock()
        self.passwords = BcryptPasswords(cost=4)
        self.tokens = JwtTokens({"a": "k" * 32}, "c" * 32)
        self.sign_in = SignIn(self.users, self.sessions, self.passwords, self.tokens, self.clock, SystemSecrets())
        self.authenticate = Authenticate(self.users, self.sessions, self.tokens, self.clock)
        self.sign_out = SignOut(self.sessions, self.tokens, self.clock)

    async def add(self, user: User) -> User:
        return await self.users.add(user, await self.passwords.hashed(PASSWORD))

    async def who(self, signed: SignedIn) -> User:
        return await self.authenticate(signed.token, signed.csrf_token, signed.csrf_token)


@pytest.fixture
def house() -> House:
    return House()


ANA = User(0, "Ana", "User", "Demo")


async def test_who_signs_in_is_known_until_signing_out(house: House) -> None:
    ana = await house.add(ANA)
    user, signed = await house.sign_in("ana", PASSWORD)
    assert user == ana == await house.who(signed)
    await house.sign_out(signed.token)
    with pytest.raises(NotSignedIn):
        await house.who(signed)


async def test_nobody_signs_in_with_a_wrong_name_or_password_or_to_a_disabled_account(house: House) -> None:
    await house.add(ANA)
    await house.add(replace(ANA, username="Bo", active=False))
    for name, password in (("ana", PASSWORD + "x"), ("ann", PASSWORD), ("bo", PASSWORD)):
        with pytest.raises(WrongCredentials, match="The username or the password is wrong"):
            await house.sign_in(name, password)


async def test_a_session_ends_when_idle_and_at_the_latest_after_its_lifetime(house: House) -> None:
    await house.add(ANA)
    _, signed = await house.sign_in("ana", PASSWORD)
    house.clock.time += IDLE_LIFETIME - timedelta(seconds=1)
    await house.who(signed)
    house.clock.time += IDLE_LIFETIME
    with pytest.raises(NotSignedIn):
        await house.who(signed)
    _, signed = await house.sign_in("ana", PASSWORD)
    begun = house.clock.time
    while house.clock.time < begun + LIFETIME - timedelta(minutes=30):
        house.clock.time += timedelta(minutes=30)
        await house.who(signed)
    house.clock.time = begun + LIFETIME
    with pytest.raises(NotSignedIn):
        await house.who(signed)


async def test_a_session_of_a_user_who_is_gone_or_disabled_has_ended(house: House) -> None:
    bo = await house.add(replace(ANA, username="Bo"))
    _, signed = await house.sign_in("bo", PASSWORD)
    account = await house.users.account("bo")
    assert account
    house.users._accounts[bo.id] = replace(account, user=replace(bo, active=False))
    with pytest.raises(NotSignedIn):
        await house.who(signed)
    del house.users._accounts[bo.id]
    with pytest.raises(NotSignedIn):
        await house.who(signed)


async def test_the_csrf_token_must_be_sent_twice_alike_and_be_this_sessions(house: House) -> None:
    await house.add(ANA)
    _, signed = await house.sign_in("ana", PASSWORD)
    _, other = await house.sign_in("ana", PASSWORD)
    for cookie, header in (
        (signed.csrf_token, other.csrf_token),
        (other.csrf_token, other.csrf_token),
        ("ü", "ü"),
        (signed.csrf_token, signed.csrf_token + "x"),
    ):
        with pytest.raises(CsrfMismatch):
            await house.authenticate(signed.token, cookie, header)
    for proofs in ((None, "x", "x"), (signed.token, None, "x"), (signed.token, "x", "")):
        with pytest.raises(NotSignedIn):
            await house.authenticate(*proofs)


async def test_a_hash_of_an_older_cost_is_renewed_when_its_owner_signs_in(house: House) -> None:
    old = await BcryptPasswords(cost=4).hashed(PASSWORD)
    house.passwords = BcryptPasswords(cost=5)
    sign_in = SignIn(house.users, house.sessions, house.passwords, house.tokens, house.clock, SystemSecrets())
    await house.users.add(ANA, old)
    await sign_in("ana", PASSWORD)
    account = await house.users.account("ana")
    assert account
    assert account.password_hash != old
    assert not house.passwords.is_outdated(account.password_hash)
    await sign_in("ana", PASSWORD)


async def test_signing_out_without_a_session_does_nothing(house: House) -> None:
    await house.sign_out(None)
    await house.sign_out("not a token")


def test_secrets_stay_out_of_representations() -> None:
    assert "secret" not in repr(SignedIn("secret", "secret"))


CATALOG = Catalog.from_json(b"""{"name": "small", "version": "1",
    "dimensions": [{"id": "car", "kind": "single", "values": [{"id": "yes"}, {"id": "no"}]}],
    "segments": [{"id": "car_{car}", "for_each": ["car"]}]}""")


class _Overlapping(BitmapIndex):
    """Counts someone twice in a plan, as overlapping clauses would."""

    def plan_size(self, plan: Plan) -> PlanSize:
        right = super().plan_size(plan)
        return PlanSize((*right.clauses, 1), right.total)


class _Short(BitmapIndex):
    def size(self, wanted: Filter) -> int:
        return super().size(wanted) - 1


@pytest.mark.parametrize("population", [_Overlapping, _Short])
async def test_an_exact_plan_that_reaches_another_number_is_not_handed_out(population: type[BitmapIndex]) -> None:
    build = BuildAudience(CATALOG, population.from_people(CATALOG, everybody(CATALOG)), HandClock())
    with pytest.raises(PlanMismatch):
        await build(ANA, parse_filter({"car": ["yes"]}, CATALOG))


async def test_an_account_that_may_not_see_lists_gets_the_size_alone() -> None:
    build = BuildAudience(CATALOG, BitmapIndex.from_people(CATALOG, everybody(CATALOG)), HandClock())
    wanted = parse_filter({"car": ["yes"]}, CATALOG)
    seen, blind = await build(ANA, wanted), await build(replace(ANA, dsp=True), wanted)
    assert seen.plan
    assert seen.plan_size == PlanSize((1,), 1)
    assert (blind.count, blind.plan, blind.plan_size) == (1, None, None)


async def test_what_is_near_is_counted_in_people() -> None:
    dimensions = [
        {"id": name, "kind": "single", "values": [{"id": value} for value in "012"]} | direct
        for name, direct in (("a", {}), ("b", {"activation": "direct"}))
    ]
    segments = [{"id": "a0 or a1", "where": {"a": ["0", "1"]}}]
    catalog = Catalog.from_json(
        json.dumps({"name": "near", "version": "1", "dimensions": dimensions, "segments": segments})
    )
    build = BuildAudience(catalog, BitmapIndex.from_people(catalog, everybody(catalog)), HandClock())
    built = await build(ANA, parse_filter({"or": [{"a": ["0"]}, {"a": ["1"], "b": ["0"]}]}, catalog))
    assert built.plan
    assert built.plan.reason
    superset, subset = built.plan.superset, built.plan.subset
    assert isinstance(superset, Nearest)
    assert isinstance(subset, Nearest)
    assert (built.count, superset.people, subset.people) == (4, 2, 2)
    assert "Reaches all of it, and 2 people in 1 combination more" in plan_text(built.plan)
