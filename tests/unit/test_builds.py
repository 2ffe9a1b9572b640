"""Audience builds on their way into the audit trail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest
from msgspec.structs import replace

from adapters import builds
from adapters.builds import BatchedBuilds, cancelled
from adapters.memory import MemoryWork
from segmentation_core.audit import AuditQuery, Entry
from segmentation_core.errors import Overloaded, Unavailable
from segmentation_core.ports import Stores
from segmentation_core.usecases import Acting
from segmentation_core.users import ALL_COMPANIES, Scope, User
from tests.unit.house import AUDIT_KEY, HandClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio
T = TypeVar("T")
CLOCK = HandClock()


def build(company_id: int | None) -> Entry:
    user = User(1, "ana", "User" if company_id else "SuperAdmin", None, company_id=company_id)
    return Acting(user).entry("audience built", "audience x", CLOCK.now())


class Shaky(MemoryWork):
    """Stores that can be switched off."""

    down = False
    asked = 0

    async def run(self, scope: Scope, action: Callable[[Stores], Awaitable[T]]) -> T:
        self.asked += 1
        if self.down:
            msg = "down"
            raise Unavailable(msg)
        return await super().run(scope, action)


class Slow(MemoryWork):
    """Stores that take a while, and refuse what a company called poisonous does."""

    begun: asyncio.Event
    poison: tuple[str, ...] = ()
    runs = 0

    async def run(self, scope: Scope, action: Callable[[Stores], Awaitable[T]]) -> T:
        self.runs += 1
        self.begun.set()
        await asyncio.sleep(0.05)

        async def checked(stores: Stores) -> T:
            done = await action(stores)
            records, _ = await stores.audit.page(AuditQuery(), offset=0, limit=100)
            if any(record.entry.subject in self.poison for record in records):
                raise ZeroDivisionError
            return done

        return await super().run(scope, checked)


async def recorded(work: MemoryWork) -> int:
    _, total = await work.run(ALL_COMPANIES, lambda stores: stores.audit.page(AuditQuery(), offset=0, limit=1))
    return total


async def test_builds_are_recorded_within_a_second_and_the_last_ones_at_the_end() -> None:
    work = MemoryWork(AUDIT_KEY)
    batched = BatchedBuilds(work)
    running = asyncio.create_task(batched.run())
    for company_id in (1, 2, None, 1):
        batched.add(build(company_id))
    await asyncio.sleep(1)
    assert await recorded(work) == 4
    batched.add(build(1))
    await cancelled(running)
    assert await recorded(work) == 5


async def test_what_cannot_be_recorded_waits_and_too_much_of_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Shaky(AUDIT_KEY)
    batched = BatchedBuilds(work)
    monkeypatch.setattr(builds, "MOST_WAITING", 2)
    work.down = True
    batched.add(build(1))
    batched.add(build(2))
    await batched.flush()
    with pytest.raises(Overloaded):
        batched.add(build(1))
    work.down = False
    await batched.flush()
    assert await recorded(work) == 2


def slow() -> Slow:
    work = Slow(AUDIT_KEY)
    work.begun = asyncio.Event()
    return work


async def test_no_build_is_lost_or_recorded_twice_when_the_end_comes_during_a_batch() -> None:
    work = slow()
    batched = BatchedBuilds(work)
    running = asyncio.create_task(batched.run())
    for company_id in (1, 2, None, 1, 2):
        batched.add(build(company_id))
    await work.begun.wait()
    batched.add(build(3))
    await cancelled(running)
    assert await recorded(work) == 6


async def test_two_that_record_at_once_record_nothing_twice() -> None:
    work = slow()
    batched = BatchedBuilds(work)
    batched.add(build(1))
    await asyncio.gather(batched.flush(), batched.flush())
    assert await recorded(work) == 1


async def test_what_is_refused_keeps_nothing_else_and_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    work = slow()
    work.poison = ("audience bad",)
    batched = BatchedBuilds(work)
    for company_id, subject in ((1, "good 1"), (1, "bad"), (1, "good 2"), (2, "good 3")):
        batched.add(replace(build(company_id), subject=f"audience {subject}"))
    await batched.flush()
    assert await recorded(work) == 3
    batched.add(build(1))
    for _ in range(5):
        await batched.flush()
    assert await recorded(work) == 4
    given_up = [one.getMessage() for one in caplog.records if "given up" in one.getMessage()]
    assert len(given_up) == 1
    assert "audience bad" in given_up[0]
    assert "ana" in given_up[0]
    assert len([one for one in caplog.records if one.exc_info]) == builds.MOST_TRIES
    work.runs = 0
    await batched.flush()
    assert work.runs == 0, "what was given up is tried no more"


async def test_while_the_stores_are_down_they_are_asked_once_a_batch(caplog: pytest.LogCaptureFixture) -> None:
    work = Shaky(AUDIT_KEY)
    work.down = True
    batched = BatchedBuilds(work)
    for company_id in range(1, 30):
        batched.add(build(company_id))
    await batched.flush()
    assert len(caplog.records) == work.asked == 1
    running = asyncio.create_task(batched.run())
    await asyncio.sleep(0)
    caplog.clear()
    await cancelled(running)
    left = [one for one in caplog.records if "not recorded before the end" in one.getMessage()]
    assert len(left) == 29


async def test_the_end_of_a_task_that_failed_is_told_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await cancelled(task)
    assert "ended by itself" in caplog.text


async def test_while_the_stores_are_down_the_log_is_not_filled(caplog: pytest.LogCaptureFixture) -> None:
    work = Shaky(AUDIT_KEY)
    waiting = BatchedBuilds(work)
    waiting.add(build(None))
    work.down = True
    running = asyncio.create_task(waiting.run())
    await asyncio.sleep(10 * builds.EVERY)
    assert len(caplog.records) == work.asked == 1
    work.down = False
    await cancelled(running)
    assert await recorded(work) == 1
