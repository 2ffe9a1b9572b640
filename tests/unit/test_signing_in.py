"""Signing in and out, over the stores in memory."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from adapters.passwords import BcryptPasswords
from segmentation_core.errors import CsrfMismatch, NotSignedIn, WrongCredentials
from segmentation_core.ports import Stores
from segmentation_core.sessions import IDLE_LIFETIME, LIFETIME, SignedIn
from segmentation_core.usecases import Acting, Client
from segmentation_core.users import ALL_COMPANIES, Account, User, UserChange
from tests.unit.house import PASSWORD, House

pytestmark = pytest.mark.anyio

HERE = Client("192.0.2.1")


@pytest.fixture
async def house() -> House:
    house = House()
    await house.add(await house.root(), "Ana", company="Demo")
    return house


async def account_of(house: House, username: str) -> Account:
    account = await house.work.run(ALL_COMPANIES, lambda stores: stores.users.account(username))
    assert account
    return account


async def test_who_signs_in_is_known_until_signing_out(house: House) -> None:
    user, signed = await house.sign_in("ana", PASSWORD, "a request")
    assert user == await house.who(signed)
    assert (user.username, user.last_login) == ("Ana", house.clock.time)
    await house.sign_out(signed.token, "another")
    with pytest.raises(NotSignedIn):
        await house.who(signed)
    await house.sign_out(signed.token)
    told = [(record.entry.action, record.entry.request_id) for record in await house.records(user.company_id)]
    assert told == [("user created", None), ("signed in", "a request"), ("signed out", "another")]


@pytest.mark.requirement(4)
async def test_nobody_signs_in_with_a_wrong_name_or_password_or_to_a_disabled_account(house: House) -> None:
    root = Acting((await account_of(house, "root")).user)
    await house.add(root, "Bo", company="Demo", status="inactive")
    for name, password in (("ana", PASSWORD + "x"), ("ann", PASSWORD), ("bo", PASSWORD)):
        with pytest.raises(WrongCredentials, match="The username or the password is wrong"):
            await house.sign_in(name, password)


@pytest.mark.parametrize("change", ["password", "inactive", "deleted"])
@pytest.mark.requirement(10)
async def test_what_changes_while_a_password_is_checked_counts(house: House, change: str) -> None:
    ana = (await account_of(house, "ana")).user

    class Meanwhile(BcryptPasswords):
        async def verify(self, password: str, password_hash: str | None, *, known: int | None = None) -> bool:
            right = await super().verify(password, password_hash, known=known)

            async def happens(stores: Stores) -> None:
                if change == "deleted":
                    await stores.users.delete(ana.id)
                elif change == "inactive":
                    await stores.users.change(replace(ana, active=False))
                else:
                    await stores.users.set_password_hash(ana.id, "another")

            await house.work.run(ALL_COMPANIES, happens)
            return right

    with pytest.raises(WrongCredentials):
        await house.signing_in_with(Meanwhile(cost=4))("ana", PASSWORD, HERE)


@pytest.mark.requirement(14)
async def test_a_session_ends_when_idle_and_at_the_latest_after_its_lifetime(house: House) -> None:
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


async def test_sessions_past_their_lifetime_are_forgotten_when_another_begins(house: House) -> None:
    _, old = await house.sign_in("ana", PASSWORD)
    old_id = house.tokens.session_id(old.token, house.clock.now())
    assert old_id
    house.clock.time += LIFETIME + timedelta(seconds=1)
    await house.sign_in("ana", PASSWORD)
    assert await house.work.run(ALL_COMPANIES, lambda stores: stores.sessions.find(old_id)) is None


@pytest.mark.requirement(10, 11)
async def test_a_session_of_a_user_who_is_gone_or_disabled_has_ended(house: House) -> None:
    ana = (await account_of(house, "ana")).user
    _, signed = await house.sign_in("ana", PASSWORD)
    await house.work.run(ALL_COMPANIES, lambda stores: stores.users.change(replace(ana, active=False)))
    with pytest.raises(NotSignedIn):
        await house.who(signed)
    await house.work.run(ALL_COMPANIES, lambda stores: stores.users.change(ana))
    await house.who(signed)
    await house.work.run(ALL_COMPANIES, lambda stores: stores.users.delete(ana.id))
    with pytest.raises(NotSignedIn):
        await house.who(signed)


@pytest.mark.requirement(15, 16)
async def test_the_csrf_token_must_be_sent_twice_alike_and_be_this_sessions(house: House) -> None:
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


@pytest.mark.requirement(3)
async def test_a_hash_of_an_older_cost_is_renewed_when_its_owner_signs_in(house: House) -> None:
    old = (await account_of(house, "ana")).password_hash
    dearer = BcryptPasswords(cost=5)
    await house.signing_in_with(dearer)("ana", PASSWORD, HERE)
    renewed = (await account_of(house, "ana")).password_hash
    assert renewed != old
    assert not dearer.is_outdated(renewed)
    await house.signing_in_with(dearer)("ana", PASSWORD, HERE)
    assert (await account_of(house, "ana")).password_hash == renewed


async def test_signing_out_without_a_session_does_nothing(house: House) -> None:
    await house.sign_out(None)
    await house.sign_out("not a token")


@pytest.mark.requirement(48)
def test_secrets_stay_out_of_representations() -> None:
    assert "secret" not in repr(SignedIn("secret", "secret", "secret"))
    assert "secret" not in repr(Client("192.0.2.1", "secret"))
    assert "secret" not in repr(UserChange(password="secret"))
    assert "secret" not in repr(Account(User(1, "a", "User", "Demo"), "secret"))
