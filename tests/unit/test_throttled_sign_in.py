"""How often signing in may fail, by a clock that is moved by hand."""

from __future__ import annotations

import asyncio
import pickle
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import pytest

from adapters.memory.throttle import MemoryThrottle
from adapters.passwords import BcryptPasswords
from segmentation_core.errors import Overloaded, Throttled, Unavailable, WrongCredentials
from segmentation_core.resets import Reset, digest_of
from segmentation_core.sessions import DEVICE_LIFETIME
from segmentation_core.throttling import (
    MOST_PER_ADDRESS,
    MOST_PER_DEVICE,
    MOST_PER_NAME,
    SOON,
    UNDER_WAY,
    WITHIN,
    of_name,
)
from segmentation_core.usecases import Acting, Client, Operate
from segmentation_core.users import ALL_COMPANIES, UserChange
from tests.unit.house import PASSWORD, House

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from segmentation_core.ports import Stores
    from segmentation_core.users import Scope

    T = TypeVar("T")

pytestmark = pytest.mark.anyio

TICK = timedelta(microseconds=1)
WRONG = "not the password"
NEW = "another good password"


@pytest.fixture
async def house() -> House:
    house = House()
    root = await house.root()
    for name in ("Ana", "Bo"):
        await house.add(root, name, company="Demo")
    return house


async def fail(house: House, name: str, times: int, **client: str | None) -> None:
    for _ in range(times):
        with pytest.raises(WrongCredentials):
            await house.sign_in(name, WRONG, **client)  # type: ignore[arg-type]


async def wait_told(house: House, name: str, password: str = PASSWORD, **client: str | None) -> timedelta:
    with pytest.raises(Throttled) as told:
        await house.sign_in(name, password, **client)  # type: ignore[arg-type]
    return told.value.retry_after


@pytest.mark.parametrize("name", ["ana", "nobody at all", "\ud800"])
@pytest.mark.requirement(41)
async def test_the_tenth_wrong_password_is_heard_and_after_it_nobody_for_a_quarter_of_an_hour(
    house: House, name: str
) -> None:
    await fail(house, name, MOST_PER_NAME)
    assert await wait_told(house, name) == WITHIN
    house.clock.time += WITHIN - TICK
    assert await wait_told(house, name.upper(), address="198.51.100.7") == TICK
    house.clock.time += TICK
    await fail(house, name, MOST_PER_NAME)
    assert await wait_told(house, name) == WITHIN


async def test_each_failure_ends_by_itself(house: House) -> None:
    for _ in range(MOST_PER_NAME):
        await fail(house, "ana", 1)
        house.clock.time += timedelta(minutes=1)
    assert await wait_told(house, "ana") == timedelta(minutes=5)
    house.clock.time += timedelta(minutes=5)
    await house.sign_in("ana", PASSWORD)


@pytest.mark.requirement(41)
async def test_hammering_prolongs_nothing(house: House) -> None:
    await fail(house, "ana", MOST_PER_NAME)
    begun = house.clock.time
    for _ in range(30):
        house.clock.time += WITHIN / 30
        if house.clock.time < begun + WITHIN:
            await wait_told(house, "ana")
    await house.sign_in("ana", PASSWORD)


@pytest.mark.requirement(41)
async def test_only_failures_count(house: House) -> None:
    await fail(house, "ana", MOST_PER_NAME - 1)
    for _ in range(3 * MOST_PER_NAME):
        await house.sign_in("ana", PASSWORD)
    await fail(house, "ana", 1)
    await wait_told(house, "ana")


@pytest.mark.requirement(41)
async def test_an_address_has_a_hundred_failures_whatever_the_names(house: House) -> None:
    for number in range(MOST_PER_ADDRESS // 10):
        await fail(house, f"name {number}", 10, address="192.0.2.9")
    assert await wait_told(house, "ana", address="192.0.2.9") == WITHIN
    await house.sign_in("ana", PASSWORD, address="192.0.2.10")


async def test_names_and_addresses_are_counted_each_for_itself(house: House) -> None:
    await fail(house, "ana", MOST_PER_NAME)
    await house.sign_in("bo", PASSWORD)
    limit = of_name("Ana")
    assert limit == of_name("aNA")
    assert limit != of_name("bo")
    assert "ana" not in limit.key.casefold()


@pytest.mark.requirement(41)
async def test_a_known_device_has_a_count_of_its_own_that_strangers_do_not_fill(house: House) -> None:
    _, signed = await house.sign_in("ana", PASSWORD)
    await fail(house, "ana", MOST_PER_NAME)
    await wait_told(house, "ana")
    await fail(house, "ana", MOST_PER_DEVICE - 1, device=signed.device)
    _, again = await house.sign_in("ana", PASSWORD, device=signed.device)
    await fail(house, "ana", MOST_PER_DEVICE, device=again.device)
    assert await wait_told(house, "ana", device=signed.device) == WITHIN
    house.clock.time += WITHIN
    await house.sign_in("ana", PASSWORD, device=signed.device)


@pytest.mark.requirement(41)
async def test_all_known_devices_of_a_user_have_thirty_failures_and_one_or_two_of_them_shut_out_no_other(
    house: House,
) -> None:
    devices = [(await house.sign_in("ana", PASSWORD))[1].device for _ in range(5)]
    for stolen in devices[:2]:
        await fail(house, "ana", MOST_PER_DEVICE, device=stolen)
    await fail(house, "ana", MOST_PER_DEVICE - 1, device=devices[2])
    await house.sign_in("ana", PASSWORD, device=devices[2])
    await fail(house, "ana", 1, device=devices[2])  # a success lets this device begin anew, and not all of them
    for device in devices[2:]:
        assert await wait_told(house, "ana", device=device) == WITHIN
    await house.sign_in("ana", PASSWORD)
    _, others = await house.sign_in("bo", PASSWORD)
    await fail(house, "bo", MOST_PER_DEVICE, device=others.device)


Changed: TypeAlias = "Callable[[House, Acting, Acting], Awaitable[object]]"


async def by_oneself(house: House, _: Acting, ana: Acting) -> None:
    await house.change_password(ana, PASSWORD, NEW)


async def by_an_admin(house: House, root: Acting, ana: Acting) -> None:
    await house.users.change(root, ana.user.id, UserChange(password=NEW))


async def by_mail(house: House, _: Acting, ana: Acting) -> None:
    reset = Reset(ana.user.id, digest_of("token"), house.clock.now())
    await house.work.run(ALL_COMPANIES, lambda stores: stores.resets.begin(reset))
    await house.reset_password("token", NEW, Client("192.0.2.1"))


async def by_an_operator(house: House, _: Acting, ana: Acting) -> None:
    await Operate(house.work, house.passwords, house.clock).set_password(ana.user.username, NEW)


@pytest.mark.parametrize("changed", [by_oneself, by_an_admin, by_mail, by_an_operator])
@pytest.mark.requirement(41)
async def test_with_another_password_no_device_is_known_and_their_guesses_begin_anew(changed: Changed) -> None:
    house = House()
    root = await house.root()
    ana = await house.add(root, "ana", company="Demo")
    devices = [(await house.sign_in("ana", PASSWORD))[1].device for _ in range(4)]
    for device in devices[:3]:
        await fail(house, "ana", MOST_PER_DEVICE, device=device)
    await changed(house, root, ana)
    _, signed = await house.sign_in("ana", NEW)
    await fail(house, "ana", MOST_PER_NAME, device=devices[3])
    await wait_told(house, "ana", NEW, device=devices[0])
    await house.sign_in("ana", NEW, device=signed.device)


@pytest.mark.requirement(41)
async def test_who_changes_the_own_password_is_known_where_that_was_done(house: House) -> None:
    user, _ = await house.sign_in("ana", PASSWORD)
    signed = await house.change_password(Acting(user), PASSWORD, NEW)
    await fail(house, "ana", MOST_PER_NAME)
    await wait_told(house, "ana", NEW)
    await house.sign_in("ana", NEW, device=signed.device)


async def test_another_hash_of_the_same_password_leaves_devices_known(house: House) -> None:
    _, signed = await house.sign_in("ana", PASSWORD)
    await house.signing_in_with(BcryptPasswords(cost=5))("ana", PASSWORD, Client("192.0.2.1"))
    await fail(house, "ana", MOST_PER_NAME)
    account = await house.work.run(ALL_COMPANIES, lambda stores: stores.users.account("ana"))
    assert account
    assert not BcryptPasswords(cost=5).is_outdated(account.password_hash)
    await house.sign_in("ana", PASSWORD, device=signed.device)


async def test_failures_from_a_known_device_are_not_counted_for_the_name_or_the_address(house: House) -> None:
    _, signed = await house.sign_in("ana", PASSWORD)
    await fail(house, "ana", MOST_PER_DEVICE, device=signed.device)
    await fail(house, "ana", MOST_PER_NAME)
    for number in range(9):
        await fail(house, f"name {number}", 10)
    await wait_told(house, "bo")


async def test_a_device_is_known_for_its_user_alone_and_for_half_a_year(house: House) -> None:
    _, signed = await house.sign_in("ana", PASSWORD)
    await fail(house, "bo", MOST_PER_NAME, device=signed.device)
    await wait_told(house, "bo", device=signed.device)
    house.clock.time += DEVICE_LIFETIME - TICK
    await fail(house, "ana", MOST_PER_NAME)
    await house.sign_in("ana", PASSWORD, device=signed.device)
    house.clock.time += TICK
    await wait_told(house, "ana", device=signed.device)


async def test_a_sign_in_renews_its_device_and_keeps_its_count(house: House) -> None:
    _, first = await house.sign_in("ana", PASSWORD)
    house.clock.time += DEVICE_LIFETIME - TICK
    _, renewed = await house.sign_in("ana", PASSWORD, device=first.device)
    house.clock.time += timedelta(days=1)
    await fail(house, "ana", MOST_PER_DEVICE, device=renewed.device)
    assert renewed.device != first.device
    await wait_told(house, "ana", device=renewed.device)


async def test_of_many_at_once_no_more_than_ten_are_heard(house: House) -> None:
    outcomes = await asyncio.gather(
        *(house.sign_in("ana", WRONG, address=f"192.0.2.{number}") for number in range(25)), return_exceptions=True
    )
    assert [type(one) for one in outcomes].count(WrongCredentials) == MOST_PER_NAME
    assert [type(one) for one in outcomes].count(Throttled) == 15


@pytest.mark.requirement(43)
async def test_of_many_right_ones_at_once_those_who_find_no_place_are_let_in_seconds_later(house: House) -> None:
    waits, may_go_on = asyncio.Semaphore(0), asyncio.Event()

    class Waiting(BcryptPasswords):
        async def verify(self, password: str, password_hash: str | None, *, known: int | None = None) -> bool:
            waits.release()
            await may_go_on.wait()
            return await super().verify(password, password_hash, known=known)

    sign_in = house.signing_in_with(Waiting(cost=4))
    at_once = [asyncio.ensure_future(sign_in("ana", PASSWORD, Client("192.0.2.1"))) for _ in range(MOST_PER_NAME)]
    for _ in at_once:
        await asyncio.wait_for(waits.acquire(), 5)
    assert await wait_told(house, "ana", address="192.0.2.2") == SOON
    assert await wait_told(house, "ana", WRONG, address="192.0.2.3") == SOON
    may_go_on.set()
    assert len(await asyncio.gather(*at_once)) == MOST_PER_NAME
    await house.sign_in("ana", PASSWORD, address="192.0.2.2")


@pytest.mark.requirement(41)
async def test_a_failure_counts_although_it_cannot_be_noted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: object) -> None:
        msg = "The database is down."
        raise Unavailable(msg)

    monkeypatch.setattr(MemoryThrottle, "fail", down)
    await fail(house, "ana", MOST_PER_NAME)
    assert await wait_told(house, "ana") == SOON
    house.clock.time += UNDER_WAY
    assert await wait_told(house, "ana") == WITHIN - UNDER_WAY


class Broken(BcryptPasswords):
    """Fails with an error instead of checking."""

    def __init__(self, fault: BaseException) -> None:
        super().__init__(cost=4)
        self._fault = fault

    async def verify(self, password: str, password_hash: str | None, *, known: int | None = None) -> bool:  # noqa: ARG002
        raise self._fault


@pytest.mark.parametrize(
    "fault", [Overloaded("full"), Unavailable("down"), ValueError("a fault of ours"), asyncio.CancelledError()]
)
@pytest.mark.requirement(41)
async def test_what_is_not_the_callers_fault_does_not_count(house: House, fault: BaseException) -> None:
    for _ in range(MOST_PER_NAME + 1):
        with pytest.raises(type(fault)):
            await house.signing_in_with(Broken(fault))("ana", PASSWORD, Client("192.0.2.1"))
    await house.sign_in("ana", PASSWORD)


@pytest.mark.requirement(41)
async def test_a_sign_in_that_is_cut_off_while_its_password_waits_does_not_count(house: House) -> None:
    class Hanging(BcryptPasswords):
        async def verify(self, password: str, password_hash: str | None, *, known: int | None = None) -> bool:
            waits.set()
            await asyncio.Event().wait()
            return await super().verify(password, password_hash, known=known)

    waits = asyncio.Event()
    for _ in range(MOST_PER_NAME + 1):
        signing_in = asyncio.ensure_future(house.signing_in_with(Hanging(cost=4))("ana", PASSWORD, Client("192.0.2.1")))
        await asyncio.wait_for(waits.wait(), 5)
        waits.clear()
        signing_in.cancel()
        assert await asyncio.gather(signing_in, return_exceptions=True)
        assert signing_in.cancelled()
    assert not house.work._tables.hits


async def test_a_sign_in_holds_although_its_place_cannot_be_given_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls = house.work.run, 0

    async def down_at_last(scope: Scope, action: Callable[[Stores], Awaitable[T]]) -> T:
        nonlocal calls
        calls += 1
        if calls == 3:
            msg = "The database is down."
            raise Unavailable(msg)
        return await run(scope, action)

    monkeypatch.setattr(house.work, "run", down_at_last)
    user, signed = await house.sign_in("ana", PASSWORD)
    assert await house.who(signed) == user


async def test_failures_past_their_time_are_forgotten(house: House) -> None:
    await fail(house, "gone", 1)
    house.clock.time += WITHIN + TICK
    await house.sign_in("ana", PASSWORD)
    assert not house.work._tables.hits


async def test_a_user_who_was_deleted_has_no_device(house: House) -> None:
    user, signed = await house.sign_in("ana", PASSWORD)
    await house.work.run(ALL_COMPANIES, lambda stores: stores.users.delete(user.id))
    await fail(house, "ana", MOST_PER_NAME, device=signed.device)
    await wait_told(house, "ana", device=signed.device)


@pytest.mark.requirement(43)
def test_the_wait_is_told_in_minutes_rounded_up_and_travels_between_processes() -> None:
    assert "1 minute." in str(Throttled(TICK))
    assert "2 minutes." in str(Throttled(timedelta(seconds=61)))
    assert "at once" in str(Throttled(SOON, under_way=True))
    assert "2 seconds." in str(Throttled(SOON, under_way=True))
    for told in (Throttled(TICK), Throttled(SOON, under_way=True)):
        again = pickle.loads(pickle.dumps(told))  # noqa: S301
        assert (str(again), again.retry_after, again.under_way) == (str(told), told.retry_after, told.under_way)
