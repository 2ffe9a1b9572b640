"""The demo's accounts, which no real account may become."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from adapters.clock import SystemClock
from adapters.passwords import BcryptPasswords
from entrypoints import demo
from segmentation_core.audit import AuditQuery
from segmentation_core.errors import SettingsError
from segmentation_core.users import ALL_COMPANIES, Account, Role
from tests.contract.examples import add_company, add_user

if TYPE_CHECKING:
    from segmentation_core.audit import Record
    from segmentation_core.ports import Stores, Work

pytestmark = pytest.mark.anyio

PASSWORDS = BcryptPasswords(cost=4)


async def start(work: Work) -> None:
    await demo.add_accounts(work, PASSWORDS, SystemClock(), "a good password")


async def state(work: Work) -> tuple[list[Account | None], tuple[list[Record], int]]:
    async def read(stores: Stores) -> tuple[list[Account | None], tuple[list[Record], int]]:
        users = await stores.users.all()
        accounts = [await stores.users.account(user.username) for user in users]
        return accounts, await stores.audit.page(AuditQuery(), offset=0, limit=100)

    return await work.run(ALL_COMPANIES, read)


async def test_each_start_puts_the_four_accounts_right(work: Work) -> None:
    await start(work)
    accounts, _ = await state(work)
    first = [account.user for account in accounts if account]
    assert sorted(user.username for user in first) == ["admin", "analyst", "buyer", "superadmin"]
    for user in first:
        changed = replace(user, active=False, role=user.role if user.company_id is None else "Manager", dsp=False)
        await work.run(ALL_COMPANIES, lambda stores, changed=changed: stores.users.change(changed))  # type: ignore[misc]
    await start(work)
    assert [account.user for account in (await state(work))[0] if account] == first
    await work.run(ALL_COMPANIES, lambda stores: stores.users.delete(first[-1].id))
    await start(work)
    assert len((await state(work))[0]) == 4


@pytest.mark.parametrize(("username", "role"), [("Admin", "Admin"), ("BUYER", "User"), ("superadmin", "Manager")])
async def test_an_account_of_another_company_is_never_taken(work: Work, username: str, role: Role) -> None:
    acme = await add_company(work, "Acme")
    await add_user(work, username, acme, role=role)
    before = await state(work)
    with pytest.raises(SettingsError, match="somebody's account"):
        await start(work)
    assert await state(work) == before


async def test_a_superadmin_of_a_database_that_is_no_demo_is_never_taken(work: Work) -> None:
    await add_user(work, "SuperAdmin", None)
    before = await state(work)
    with pytest.raises(SettingsError, match="SuperAdmin"):
        await start(work)
    assert await state(work) == before


async def test_in_a_demo_an_account_of_another_company_is_not_taken_either(work: Work) -> None:
    await start(work)
    accounts, _ = await state(work)
    buyer = next(account.user for account in accounts if account and account.user.username == "buyer")
    await work.run(ALL_COMPANIES, lambda stores: stores.users.delete(buyer.id))
    await add_user(work, "buyer", await add_company(work, "Acme"))
    before = await state(work)
    with pytest.raises(SettingsError, match="buyer"):
        await start(work)
    assert await state(work) == before


async def test_a_company_named_demo_without_accounts_makes_no_demo(work: Work) -> None:
    await add_company(work, "Demo")
    await add_user(work, "superadmin", None)
    with pytest.raises(SettingsError, match="superadmin"):
        await start(work)


async def test_two_starts_at_once_both_succeed(work: Work) -> None:
    await asyncio.gather(*(start(work) for _ in range(4)))
    assert len((await state(work))[0]) == 4
