"""What every store of accounts promises."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from adapters.memory import MemoryUsers
from segmentation_core.errors import Conflict
from segmentation_core.ports import Users
from segmentation_core.users import User

pytestmark = pytest.mark.anyio
ANA = User(0, "Ana", "User", "Demo", "Ana", "Analyst", dsp=True)


@pytest.fixture(params=[MemoryUsers])
def users(request: pytest.FixtureRequest) -> Users:
    made: Users = request.param()
    return made


async def test_what_was_added_is_found_by_id_and_by_name_in_any_case(users: Users) -> None:
    ana = await users.add(ANA, "hash")
    assert ana == replace(ANA, id=ana.id)
    assert await users.by_id(ana.id) == ana
    for name in ("Ana", "ana", "ANA"):
        account = await users.account(name)
        assert account
        assert (account.user, account.password_hash) == (ana, "hash")


async def test_what_was_not_added_is_not_found(users: Users) -> None:
    await users.add(ANA, "hash")
    assert await users.by_id(0) is None
    assert await users.by_id(10**9) is None
    assert await users.account("An") is None
    assert await users.account("") is None


async def test_ids_are_distinct(users: Users) -> None:
    added = [await users.add(replace(ANA, username=f"u{i}"), "hash") for i in range(5)]
    assert len({user.id for user in added}) == 5


async def test_a_taken_name_is_a_conflict_whatever_its_case_and_company(users: Users) -> None:
    ana = await users.add(ANA, "hash")
    with pytest.raises(Conflict, match="ANA"):
        await users.add(replace(ANA, username="ANA", company_name="Other"), "other")
    assert await users.by_id(ana.id) == ana


async def test_of_many_that_add_one_name_at_once_one_succeeds(users: Users) -> None:
    outcomes = await asyncio.gather(*(users.add(ANA, f"hash {i}") for i in range(10)), return_exceptions=True)
    assert sum(isinstance(outcome, User) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 9


async def test_a_hash_is_replaced_and_nothing_else_changes(users: Users) -> None:
    ana = await users.add(ANA, "hash")
    await users.set_password_hash(ana.id, "new hash")
    await users.set_password_hash(10**9, "of nobody")
    account = await users.account("ana")
    assert account
    assert (account.user, account.password_hash) == (ana, "new hash")
