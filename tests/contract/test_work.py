"""What every `Work` promises: a unit of work is there as a whole, or not at all."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from segmentation_core.errors import Conflict
from segmentation_core.ports import Stores, Work
from segmentation_core.users import ALL_COMPANIES, UserQuery
from tests.contract.examples import NOON, a_preset, add_company, add_user, an_entry, inside, somebody

pytestmark = pytest.mark.anyio


class Fault(Exception):
    """Something that goes wrong in the middle."""


async def test_what_the_action_returns_is_returned(work: Work) -> None:
    company = await add_company(work)

    async def nothing(_: Stores) -> list[str]:
        return ["returned"]

    assert await work.run(ALL_COMPANIES, nothing) == ["returned"]
    assert await work.run(inside(company), nothing) == ["returned"]


async def test_what_an_action_changes_it_sees_itself(work: Work) -> None:
    async def change(stores: Stores) -> None:
        company = await stores.companies.named("Acme")
        ana = await stores.users.add(somebody("ana", company), "hash")
        preset = await stores.presets.add(a_preset(ana))
        assert await stores.users.by_id(ana.id) == ana
        assert await stores.presets.by_id(preset.id) == preset
        await stores.users.delete(ana.id)
        assert await stores.users.by_id(ana.id) is None
        assert await stores.presets.by_id(preset.id) == replace(preset, owner_id=None)

    await work.run(ALL_COMPANIES, change)


@pytest.mark.requirement(36)
async def test_of_an_action_that_raises_nothing_is_kept_and_its_error_goes_on(work: Work) -> None:
    kept = await add_user(work, "kept", await add_company(work))
    fault = Fault()

    async def change(stores: Stores) -> None:
        company = await stores.companies.named("Other")
        ana = await stores.users.add(somebody("ana", company), "hash")
        await stores.users.change(replace(kept, first_name="Changed"))
        await stores.presets.add(a_preset(ana))
        await stores.audit.add(an_entry(company))
        await stores.users.delete(kept.id)
        raise fault

    with pytest.raises(Fault) as raised:
        await work.run(ALL_COMPANIES, change)
    assert raised.value is fault

    async def look(stores: Stores) -> None:
        assert await stores.users.all() == [kept]
        assert await stores.presets.all(owner=None) == []
        assert await stores.audit.ends() == []

    await work.run(ALL_COMPANIES, look)


async def test_after_a_conflict_that_is_dealt_with_the_rest_goes_on(work: Work) -> None:
    company = await add_company(work)
    ana = await add_user(work, "ana", company)

    async def change(stores: Stores) -> None:
        await stores.users.change(replace(ana, first_name="Ana"))
        with pytest.raises(Conflict):
            await stores.users.add(somebody("ANA", company), "hash")
        one = await stores.presets.add(a_preset(ana, "one"))
        with pytest.raises(Conflict):
            await stores.presets.add(a_preset(ana, "one"))
        await stores.presets.add(a_preset(ana, "two"))
        with pytest.raises(Conflict):
            await stores.presets.change(replace(one, name="two", version=2), "ana")
        await stores.audit.add(an_entry(company))

    await work.run(ALL_COMPANIES, change)

    async def look(stores: Stores) -> None:
        assert await stores.users.all() == [replace(ana, first_name="Ana")]
        assert {(one.name, one.version) for one in await stores.presets.all(owner=None)} == {("one", 1), ("two", 1)}
        assert len(await stores.audit.ends()) == 1

    await work.run(ALL_COMPANIES, look)


async def test_no_unit_of_work_sees_a_part_of_another(work: Work) -> None:
    company = await add_company(work)

    async def change(stores: Stores) -> None:
        await stores.users.add(somebody("ana", company), "hash")
        await asyncio.sleep(0.02)
        await stores.audit.add(an_entry(company))

    async def count(stores: Stores) -> tuple[int, int]:
        # In this order: what comes to be between the two reads may be seen by the second alone.
        heads = len(await stores.audit.ends())
        return len(await stores.users.all()), heads

    changing = asyncio.create_task(work.run(ALL_COMPANIES, change))
    while not changing.done():
        users, heads = await work.run(ALL_COMPANIES, count)
        assert users >= heads
        await asyncio.sleep(0)
    assert await work.run(ALL_COMPANIES, count) == (1, 1)


async def test_of_changes_at_once_to_a_locked_account_none_is_lost(work: Work) -> None:
    company = await add_company(work)
    ana = await add_user(work, "ana", company, first_name="")

    async def grow(stores: Stores) -> None:
        present = await stores.users.by_id(ana.id, lock=True)
        assert present
        await stores.users.change(replace(present, first_name=present.first_name + "x"))

    await asyncio.gather(*(work.run(inside(company), grow) for _ in range(16)))
    after = await work.run(inside(company), lambda stores: stores.users.by_id(ana.id))
    assert after == replace(ana, first_name="x" * 16)


@pytest.mark.requirement(36)
async def test_of_a_cancelled_unit_of_work_nothing_is_kept_and_the_next_one_runs(work: Work) -> None:
    company = await add_company(work)
    started = asyncio.Event()

    async def change(stores: Stores) -> None:
        await stores.users.add(somebody("ana", company), "hash")
        started.set()
        await asyncio.sleep(60)

    for _ in range(12):
        started.clear()
        task = asyncio.create_task(work.run(inside(company), change))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    found = await work.run(ALL_COMPANIES, lambda stores: stores.users.page(UserQuery(), offset=0, limit=10))
    assert found == ([], 0)
    assert (await add_user(work, "ana", company)).created == NOON
