"""Changing one's own password, over the stores in memory."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from adapters.clock import SystemSecrets
from adapters.passwords import BcryptPasswords
from segmentation_core.errors import NotSignedIn, Overloaded, PasswordRefused, RequestError, Throttled, WrongCredentials
from segmentation_core.ports import Stores
from segmentation_core.resets import Reset, digest_of
from segmentation_core.throttling import MOST_PER_PASSWORD_CHANGE, WITHIN
from segmentation_core.usecases import Acting, ChangePassword
from segmentation_core.users import ALL_COMPANIES
from tests.unit.house import PASSWORD, House

pytestmark = pytest.mark.anyio

NEW = "another good password"


@pytest.fixture
async def house() -> House:
    return House()


@pytest.fixture
async def ana(house: House) -> Acting:
    return await house.add(await house.root(), "ana", company="Demo")


async def refuse(house: House, by: Acting, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(RequestError) as refused:
            await house.change_password(by, "not the password", NEW)
        assert [problem.path for problem in refused.value.problems] == ["$.current_password"]


@pytest.mark.requirement(6, 10)
async def test_all_sessions_end_and_the_caller_has_a_new_one(house: House, ana: Acting) -> None:
    _, here = await house.sign_in("ana", PASSWORD)
    _, there = await house.sign_in("ana", PASSWORD)
    signed = await house.change_password(ana, PASSWORD, NEW)
    assert (await house.who(signed)).id == ana.user.id
    assert signed.device
    for old in (here, there):
        with pytest.raises(NotSignedIn):
            await house.who(old)
    with pytest.raises(WrongCredentials):
        await house.sign_in("ana", PASSWORD)
    await house.sign_in("ana", NEW)
    entry = (await house.records(ana.user.company_id))[-2].entry
    assert (entry.action, entry.actor, entry.request_id) == ("password changed", "ana", "a request")


async def test_a_token_that_was_mailed_before_is_good_no_more(house: House, ana: Acting) -> None:
    reset = Reset(ana.user.id, digest_of("token"), house.clock.now())
    await house.work.run(ALL_COMPANIES, lambda stores: stores.resets.begin(reset))
    await house.change_password(ana, PASSWORD, NEW)
    assert await house.work.run(ALL_COMPANIES, lambda stores: stores.resets.find(reset.digest)) is None


@pytest.mark.parametrize("new", ["short", "a" * 65, "Password123", "PASSWORD123", "\udcff" * 8])
@pytest.mark.requirement(1)
async def test_the_new_password_keeps_the_rules(house: House, ana: Acting, new: str) -> None:
    with pytest.raises(PasswordRefused) as refused:
        await house.change_password(ana, PASSWORD, new)
    assert [problem.path for problem in refused.value.problems] == ["$.new_password"]


async def test_nobody_takes_the_own_name_for_a_password(house: House) -> None:
    long = await house.add(await house.root(), "ana.maria@example.com", company="Demo")
    with pytest.raises(PasswordRefused, match="is the username"):
        await house.change_password(long, PASSWORD, "ANA.maria@example.com")


@pytest.mark.requirement(6)
async def test_the_present_one_may_be_wrong_ten_times(house: House, ana: Acting) -> None:
    await refuse(house, ana, MOST_PER_PASSWORD_CHANGE)
    with pytest.raises(Throttled) as told:
        await house.change_password(ana, PASSWORD, NEW)
    assert told.value.retry_after == WITHIN
    await house.sign_in("ana", PASSWORD)
    house.clock.time += WITHIN - timedelta(microseconds=1)
    with pytest.raises(Throttled):
        await house.change_password(ana, PASSWORD, NEW)
    house.clock.time += timedelta(microseconds=1)
    await house.change_password(ana, PASSWORD, NEW)


async def test_a_right_one_clears_the_count(house: House, ana: Acting) -> None:
    await refuse(house, ana, MOST_PER_PASSWORD_CHANGE - 1)
    await house.change_password(ana, PASSWORD, PASSWORD)
    await refuse(house, ana, MOST_PER_PASSWORD_CHANGE)


FAULTS = {"full": Overloaded("full"), "fault": ValueError("a fault of ours"), "late": asyncio.CancelledError()}


class Meanwhile(BcryptPasswords):
    """Something happens while a password is checked."""

    def __init__(self, house: House, by: Acting, happens: str) -> None:
        super().__init__(cost=4)
        self._house, self._by, self._happens = house, by, happens

    async def verify(self, password: str, password_hash: str | None, *, known: int | None = None) -> bool:
        async def happen(stores: Stores) -> None:
            if self._happens == "deleted":
                await stores.users.delete(self._by.user.id)
            elif self._happens == "disabled":
                await stores.users.change(replace(self._by.user, active=False))
            elif self._happens == "promoted":
                await stores.users.change(replace(self._by.user, role="Admin"))
            elif self._happens == "changed":
                await stores.users.set_password_hash(self._by.user.id, "another")

        await self._house.work.run(ALL_COMPANIES, happen)
        if self._happens in FAULTS:
            raise FAULTS[self._happens]
        return await super().verify(password, password_hash, known=known)


@pytest.mark.parametrize("happens", ["deleted", "disabled", "promoted", "changed"])
async def test_what_happens_meanwhile_counts(house: House, ana: Acting, happens: str) -> None:
    passwords = Meanwhile(house, ana, happens)
    change = ChangePassword(house.work, passwords, house.tokens, house.devices, house.clock, SystemSecrets())
    with pytest.raises(NotSignedIn):
        await change(ana, PASSWORD, NEW)
    if happens in {"deleted", "disabled"}:
        with pytest.raises(NotSignedIn):
            await house.change_password(ana, PASSWORD, NEW)


@pytest.mark.parametrize("happens", FAULTS)
@pytest.mark.requirement(41)
async def test_what_is_not_the_callers_fault_does_not_count(house: House, ana: Acting, happens: str) -> None:
    passwords = Meanwhile(house, ana, happens)
    change = ChangePassword(house.work, passwords, house.tokens, house.devices, house.clock, SystemSecrets())
    for _ in range(MOST_PER_PASSWORD_CHANGE + 1):
        with pytest.raises(type(FAULTS[happens])):
            await change(ana, PASSWORD, NEW)
    await house.change_password(ana, PASSWORD, NEW)
