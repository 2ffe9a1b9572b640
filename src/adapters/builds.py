"""Audience builds on their way into the audit trail: gathered, and recorded together a few times a second."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from segmentation_core.errors import Overloaded, Unavailable
from segmentation_core.ports import Builds
from segmentation_core.users import ALL_COMPANIES, Scope

if TYPE_CHECKING:
    from segmentation_core.audit import Entry
    from segmentation_core.ports import Work

EVERY: Final = 0.5
"""How many seconds lie between two batches: a build is recorded within a second."""

MOST_WAITING: Final = 10_000
"""How many builds may wait to be recorded; past that none is made, since none may go unrecorded."""

_log: Final = logging.getLogger("segmentation.audit")


class BatchedBuilds(Builds):
    """Builds of one process. `run` records them until it is cancelled, and what is left then.

    What cannot be recorded because the stores are down waits for the next batch.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._waiting: list[Entry] = []

    def add(self, entry: Entry) -> None:
        """Note a build. Raises Overloaded where too many wait already."""
        if len(self._waiting) >= MOST_WAITING:
            msg = "Too many audiences wait to be recorded."
            raise Overloaded(msg)
        self._waiting.append(entry)

    async def run(self) -> None:
        """Record batches until cancelled."""
        try:
            while True:
                await asyncio.sleep(EVERY)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Record what waits, a unit of work for each company."""
        waiting, self._waiting = self._waiting, []
        companies: dict[int | None, list[Entry]] = {}
        for entry in waiting:
            companies.setdefault(entry.company_id, []).append(entry)
        for company_id, entries in companies.items():
            scope = ALL_COMPANIES if company_id is None else Scope(company_id)
            try:
                await self._work.run(scope, lambda stores, entries=entries: stores.audit.add(*entries))  # type: ignore[misc]
            except Unavailable:
                self._waiting = entries + self._waiting
                _log.warning("%d audience builds wait for the database to be recorded", len(self._waiting))


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
