"""Audience builds on their way into the audit trail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import pytest

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

    async def run(self, scope: Scope, action: Callable[[Stores], Awaitable[T]]) -> T:
        if self.down:
            msg = "down"
            raise Unavailable(msg)
        return await super().run(scope, action)


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
