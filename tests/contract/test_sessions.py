"""What every store of sessions promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.memory import MemorySessions
from segmentation_core.ports import Sessions
from segmentation_core.sessions import LIFETIME, Session

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(params=[MemorySessions])
def sessions(request: pytest.FixtureRequest) -> Sessions:
    made: Sessions = request.param()
    return made


def begun(session_id: str, at: datetime = NOON) -> Session:
    return Session(session_id, 7, created=at, seen=at)


async def test_what_was_begun_is_found_until_it_is_ended(sessions: Sessions) -> None:
    await sessions.begin(begun("one"))
    await sessions.begin(begun("two"))
    assert await sessions.find("one") == begun("one")
    await sessions.end("one")
    assert await sessions.find("one") is None
    assert await sessions.find("two") == begun("two")
    assert await sessions.find("three") is None


async def test_a_touch_moves_when_it_was_seen_and_nothing_else(sessions: Sessions) -> None:
    await sessions.begin(begun("one"))
    await sessions.touch("one", NOON + timedelta(minutes=5))
    assert await sessions.find("one") == Session("one", 7, created=NOON, seen=NOON + timedelta(minutes=5))


async def test_ending_and_touching_what_has_ended_does_nothing(sessions: Sessions) -> None:
    await sessions.begin(begun("one"))
    await sessions.end("one")
    await sessions.end("one")
    await sessions.touch("one", NOON)
    assert await sessions.find("one") is None


async def test_a_new_session_leaves_those_that_are_alive(sessions: Sessions) -> None:
    await sessions.begin(begun("old"))
    await sessions.begin(begun("alive", NOON + LIFETIME))
    await sessions.begin(begun("new", NOON + LIFETIME))
    assert await sessions.find("alive") is not None
