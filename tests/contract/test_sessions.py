"""What every store of sessions promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from segmentation_core.ports import Work
from segmentation_core.sessions import Session
from segmentation_core.users import ALL_COMPANIES, Scope, User

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def with_user(work: Work, name: str = "Ana", company: str = "Demo") -> User:
    async def add(stores):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        found = await stores.companies.named(company)
        return await stores.users.add(User(0, name, "User", company, company_id=found.id), "hash")

    user: User = await work.run(ALL_COMPANIES, add)
    return user


def begun(session_id: str, user: User, at: datetime = NOON) -> Session:
    return Session(session_id, user.id, created=at, seen=at)


async def begin(work: Work, *sessions: Session) -> None:
    for session in sessions:
        await work.run(ALL_COMPANIES, lambda stores, session=session: stores.sessions.begin(session))  # type: ignore[misc]


async def found(work: Work, session_id: str, scope: Scope = ALL_COMPANIES) -> tuple[Session, User] | None:
    return await work.run(scope, lambda stores: stores.sessions.find(session_id))


async def test_what_was_begun_is_found_with_its_user_until_it_is_ended(work: Work) -> None:
    ana = await with_user(work)
    one, two = begun("one", ana), begun("two", ana)
    await begin(work, one, two)
    assert await found(work, "one") == (one, ana)
    await work.run(ana.scope, lambda stores: stores.sessions.end("one"))
    await work.run(ana.scope, lambda stores: stores.sessions.end("one"))
    assert await found(work, "one") is None
    assert await found(work, "two") == (two, ana)
    assert await found(work, "three") is None


async def test_a_touch_moves_when_it_was_seen_and_nothing_else(work: Work) -> None:
    ana = await with_user(work)
    one = begun("one", ana)
    await begin(work, one)
    later = NOON + timedelta(minutes=5)
    await work.run(ana.scope, lambda stores: stores.sessions.touch("one", later))
    await work.run(ana.scope, lambda stores: stores.sessions.touch("none", later))
    assert await found(work, "one") == (replace(one, seen=later), ana)


async def test_all_sessions_of_one_user_end_and_no_others(work: Work) -> None:
    ana, bo = await with_user(work), await with_user(work, "Bo")
    await begin(work, begun("one", ana), begun("two", ana), begun("three", bo))
    await work.run(ana.scope, lambda stores: stores.sessions.end_all(ana.id))
    assert [await found(work, name) is not None for name in ("one", "two", "three")] == [False, False, True]


async def test_old_sessions_are_forgotten(work: Work) -> None:
    ana = await with_user(work)
    await begin(work, begun("old", ana), begun("new", ana, NOON + timedelta(hours=1)))
    await work.run(ALL_COMPANIES, lambda stores: stores.sessions.forget(NOON + timedelta(minutes=1)))
    assert await found(work, "old") is None
    assert await found(work, "new")


async def test_a_company_neither_sees_nor_ends_anothers_sessions(work: Work) -> None:
    ana, eve = await with_user(work), await with_user(work, "Eve", "Other")
    await begin(work, begun("one", ana))
    assert await found(work, "one", eve.scope) is None
    await work.run(eve.scope, lambda stores: stores.sessions.end("one"))
    await work.run(eve.scope, lambda stores: stores.sessions.end_all(ana.id))
    await work.run(eve.scope, lambda stores: stores.sessions.forget(NOON + timedelta(days=1)))
    assert await found(work, "one")
