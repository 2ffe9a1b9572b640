"""What every store of resets promises."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

import pytest
from msgspec.structs import replace

from segmentation_core.errors import NotFound
from segmentation_core.ports import Work
from segmentation_core.resets import Reset
from segmentation_core.users import ALL_COMPANIES, Scope, User
from tests.contract.examples import NO_IDS, NOON, add_company, add_user, begin_reset, delete_user, inside

pytestmark = pytest.mark.anyio


async def find(work: Work, digest: str, scope: Scope = ALL_COMPANIES) -> tuple[Reset, User] | None:
    return await work.run(scope, lambda stores: stores.resets.find(digest))


async def test_what_was_begun_is_found_with_its_user_as_the_account_is_now(work: Work) -> None:
    ana, root = await add_user(work, "ana", await add_company(work)), await add_user(work, "root", None)
    one, of_root = await begin_reset(work, ana, "one"), await begin_reset(work, root, "of root")
    changed = replace(ana, active=False, role="Manager")
    await work.run(ana.scope, lambda stores: stores.users.change(changed))
    found = await find(work, "one")
    assert found == (one, changed)
    assert found
    assert found[0].created.tzinfo is UTC
    assert await find(work, "one", ana.scope) == (one, changed)
    assert await find(work, "of root") == (of_root, root)
    for digest in ("two", "", "ONE", "one\0", "\ud800", "%"):
        assert await find(work, digest) is None


@pytest.mark.requirement(7)
async def test_a_user_has_the_newest_one_alone(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    await begin_reset(work, ana, "one")
    two = await begin_reset(work, ana, "two", NOON + timedelta(minutes=1))
    assert await find(work, "one") is None
    assert await find(work, "two") == (two, ana)


async def test_of_many_that_are_begun_at_once_one_is_left(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    await asyncio.gather(*(begin_reset(work, ana, f"digest {number}") for number in range(16)))
    assert sum([await find(work, f"digest {number}") is not None for number in range(16)]) == 1


@pytest.mark.requirement(7)
async def test_ending_and_forgetting(work: Work) -> None:
    company = await add_company(work)
    ana, bo, root = (
        await add_user(work, "ana", company),
        await add_user(work, "bo", company),
        await add_user(work, "root", None),
    )
    for user in (ana, bo, root):
        await begin_reset(work, user, f"of {user.username}")
    for _ in range(2):
        await work.run(ana.scope, lambda stores: stores.resets.end(ana.id))
    assert await find(work, "of ana") is None
    assert await find(work, "of bo")
    await begin_reset(work, ana, "later", NOON + timedelta(minutes=1))
    await work.run(inside(company), lambda stores: stores.resets.forget(NOON + timedelta(minutes=1)))
    assert await find(work, "of bo") is None
    assert await find(work, "later")
    assert await find(work, "of root")


async def test_a_user_who_is_gone_or_of_another_company_resets_nothing(work: Work) -> None:
    company, other = await add_company(work), await add_company(work, "Other")
    ana, stranger = await add_user(work, "ana", company), await add_user(work, "stranger", other)
    await begin_reset(work, ana, "one")
    await begin_reset(work, stranger, "strange")
    assert await find(work, "strange", ana.scope) is None
    await work.run(ana.scope, lambda stores: stores.resets.end(stranger.id))
    await work.run(ana.scope, lambda stores: stores.resets.forget(NOON + timedelta(days=1)))
    assert await find(work, "strange")
    with pytest.raises(NotFound):
        await work.run(ana.scope, lambda stores: stores.resets.begin(Reset(stranger.id, "new", NOON)))
    await delete_user(work, stranger)
    assert await find(work, "strange") is None
    for user_id in (*NO_IDS, stranger.id):
        await work.run(ALL_COMPANIES, lambda stores, user_id=user_id: stores.resets.end(user_id))  # type: ignore[misc]
