"""What every store of sessions promises."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

import pytest
from msgspec.structs import replace

from segmentation_core.ports import Stores, Work
from segmentation_core.sessions import LIFETIME, Session
from segmentation_core.users import ALL_COMPANIES, User
from tests.contract.examples import NO_IDS, NOON, add_company, add_user, begin_session, find_session

pytestmark = pytest.mark.anyio


async def test_what_was_begun_is_found_with_its_user_until_it_is_ended(work: Work) -> None:
    ana, root = await add_user(work, "ana", await add_company(work)), await add_user(work, "root", None)
    one, two = await begin_session(work, ana, "one"), await begin_session(work, ana, "two")
    of_root = await begin_session(work, root, "of root")
    assert await find_session(work, "one") == (one, ana)
    assert await find_session(work, "one", ana.scope) == (one, ana)
    await work.run(ana.scope, lambda stores: stores.sessions.end("one"))
    assert await find_session(work, "one") is None
    assert await find_session(work, "two") == (two, ana)
    assert await find_session(work, "of root") == (of_root, root)
    for session_id in ("three", "", "ONE", "two\0", "\ud800", "%"):
        assert await find_session(work, session_id) is None


async def test_a_session_is_found_expired_or_not_in_utc(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    old = await begin_session(work, ana, "old", NOON - 10 * LIFETIME)
    found = await find_session(work, "old")
    assert found == (old, ana)
    assert found
    assert found[0].created.tzinfo is UTC
    assert found[0].seen.tzinfo is UTC


@pytest.mark.requirement(11)
async def test_the_user_of_a_session_is_as_the_account_is_now(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    session = await begin_session(work, ana, "one")
    changed = replace(ana, active=False, role="Manager", dsp=True)
    await work.run(ana.scope, lambda stores: stores.users.change(changed))
    assert await find_session(work, "one") == (session, changed)


async def test_a_touch_moves_when_it_was_seen_and_nothing_else(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    session, other = await begin_session(work, ana, "one"), await begin_session(work, ana, "two")
    later = NOON + timedelta(minutes=5)
    await work.run(ana.scope, lambda stores: stores.sessions.touch("one", later))
    assert await find_session(work, "one") == (replace(session, seen=later), ana)
    assert await find_session(work, "two") == (other, ana)


async def test_ending_and_touching_what_has_ended_does_nothing(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    await begin_session(work, ana, "one")

    async def end(stores: Stores) -> None:
        for session_id in ("one", "one", "two", "\0"):
            await stores.sessions.end(session_id)
            await stores.sessions.touch(session_id, NOON)

    await work.run(ana.scope, end)
    assert await find_session(work, "one") is None


@pytest.mark.requirement(10)
async def test_all_sessions_of_a_user_end_at_once_and_no_others(work: Work) -> None:
    company = await add_company(work)
    ana, bo = await add_user(work, "ana", company), await add_user(work, "bo", company)
    for number in range(3):
        await begin_session(work, ana, f"ana {number}")
    of_bo = await begin_session(work, bo, "bo")

    async def end(stores: Stores) -> None:
        await stores.sessions.end_all(ana.id)
        for number in range(3):
            assert await stores.sessions.find(f"ana {number}") is None
        for no_id in NO_IDS:
            await stores.sessions.end_all(no_id)

    await work.run(ana.scope, end)
    assert [await find_session(work, f"ana {number}") for number in range(3)] == [None] * 3
    assert await find_session(work, "bo") == (of_bo, bo)


async def test_what_began_before_a_time_is_forgotten_in_scope_alone(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    people = {name: await add_user(work, name, home) for name, home in (("ana", acme), ("bo", other), ("root", None))}
    for name, user in people.items():
        await begin_session(work, user, f"{name} old", NOON - timedelta(microseconds=1))
        await begin_session(work, user, f"{name} new", NOON)

    async def left() -> set[str]:
        return {
            f"{name} {age}" for name in people for age in ("old", "new") if await find_session(work, f"{name} {age}")
        }

    new = {f"{name} new" for name in people}
    await work.run(people["ana"].scope, lambda stores: stores.sessions.forget(NOON))
    assert await left() == new | {"bo old", "root old"}
    await work.run(ALL_COMPANIES, lambda stores: stores.sessions.forget(NOON))
    assert await left() == new


async def test_many_that_forget_at_once_do_not_disturb_each_other(work: Work) -> None:
    company = await add_company(work)
    ana = await add_user(work, "ana", company)
    for number in range(20):
        await begin_session(work, ana, f"old {number}", NOON - LIFETIME)

    async def sign_in(number: int) -> None:
        async def begin(stores: Stores) -> None:
            await stores.sessions.forget(NOON)
            await stores.sessions.begin(Session(f"new {number}", ana.id, NOON, NOON))

        await work.run(ana.scope, begin)

    await asyncio.gather(*(sign_in(number) for number in range(10)))
    assert [await find_session(work, f"old {number}") for number in range(20)] == [None] * 20
    assert all([await find_session(work, f"new {number}") for number in range(10)])


@pytest.mark.requirement(24)
async def test_within_a_company_sessions_of_others_are_not_seen_nor_ended(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    people = [await add_user(work, name, home) for name, home in (("ana", acme), ("bo", other), ("root", None))]
    sessions = [await begin_session(work, user, user.username) for user in people]
    for mine in people[:2]:

        async def reach(stores: Stores, mine: User = mine) -> None:
            for user in people:
                if user != mine:
                    assert await stores.sessions.find(user.username) is None
                    await stores.sessions.touch(user.username, NOON + LIFETIME)
                    await stores.sessions.end(user.username)
                    await stores.sessions.end_all(user.id)

        await work.run(mine.scope, reach)
    for user, session in zip(people, sessions, strict=True):
        assert await find_session(work, user.username) == (session, user)
