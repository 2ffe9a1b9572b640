"""What every store of accounts promises, and every unit of work."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from segmentation_core.errors import Conflict
from segmentation_core.ports import Stores, Work
from segmentation_core.users import ALL_COMPANIES, Account, User

pytestmark = pytest.mark.anyio
ANA = User(0, "Ana", "User", "Demo", "Ana", "Analyst", dsp=True, company_id=1)


async def add(work: Work, user: User = ANA) -> User:
    return await work.run(ALL_COMPANIES, lambda stores: stores.users.add(user, "hash"))


async def account(work: Work, name: str) -> Account | None:
    return await work.run(ALL_COMPANIES, lambda stores: stores.users.account(name))


async def test_what_was_added_is_found_by_id_and_by_name_in_any_case(work: Work) -> None:
    ana = await add(work)
    assert ana == replace(ANA, id=ana.id)
    assert await work.run(ana.scope, lambda stores: stores.users.by_id(ana.id)) == ana
    for name in ("Ana", "ana", "ANA"):
        assert await account(work, name) == Account(ana, "hash")
    for name in ("An", ""):
        assert await account(work, name) is None


async def test_a_taken_name_is_a_conflict_whatever_its_case_and_company(work: Work) -> None:
    ana = await add(work)
    with pytest.raises(Conflict, match="ANA"):
        await add(work, replace(ANA, username="ANA", company_name="Other", company_id=2))
    assert await account(work, "ana") == Account(ana, "hash")


async def test_of_many_that_add_one_name_at_once_one_succeeds(work: Work) -> None:
    outcomes = await asyncio.gather(*(add(work) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(outcome, User) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 9


async def test_a_hash_is_replaced_and_nothing_else_changes(work: Work) -> None:
    ana = await add(work)
    await work.run(ana.scope, lambda stores: stores.users.set_password_hash(ana.id, "new hash"))
    await work.run(ana.scope, lambda stores: stores.users.set_password_hash(10**9, "of nobody"))
    assert await account(work, "ana") == Account(ana, "new hash")


async def test_a_company_neither_sees_nor_changes_anothers_accounts(work: Work) -> None:
    ana = await add(work)
    eve = await add(work, replace(ANA, username="Eve", company_name="Other", company_id=2))

    async def attack(stores: Stores) -> None:
        assert await stores.users.by_id(ana.id) is None
        assert await stores.users.account("ana") is None
        assert await stores.users.all() == [eve]
        await stores.users.change(replace(ana, role="Admin"))
        await stores.users.set_password_hash(ana.id, "mine")
        await stores.users.delete(ana.id)

    await work.run(eve.scope, attack)
    assert await account(work, "ana") == Account(ana, "hash")


async def test_a_unit_of_work_that_fails_keeps_nothing(work: Work) -> None:
    async def fail(stores: Stores) -> None:
        await stores.users.add(ANA, "hash")
        await stores.companies.named("Demo")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work.run(ALL_COMPANIES, fail)
    assert await account(work, "ana") is None
    await work.open()
    await work.close()
