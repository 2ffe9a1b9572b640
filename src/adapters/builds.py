"""Audience builds on their way into the audit trail: gathered, and recorded together a few times a second."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from segmentation_core.errors import Overloaded, Unavailable
from segmentation_core.ports import Builds
from segmentation_core.users import ALL_COMPANIES, Scope

if TYPE_CHECKING:
    from segmentation_core.audit import Entry
    from segmentation_core.ports import Work

EVERY: Final = 0.05
"""How many seconds lie between two batches: a build is recorded within a second, and no batch is so large that its
seals would keep requests waiting."""

WHILE_DOWN: Final = 1.0
"""How many seconds lie between two batches while the stores are down: the log has a line of each."""

MOST_WAITING: Final = 10_000
"""How many builds may wait to be recorded; past that none is made, since none may go unrecorded."""

MOST_TRIES: Final = 3
"""How often the recording of a build may fail, with the stores there, before it is given up."""

_log: Final = logging.getLogger("segmentation.audit")


class _Build:
    """A build that waits, and how often it alone could not be recorded. Two are never equal."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.failures = 0


class BatchedBuilds(Builds):
    """Builds of one process. `run` records them until it is cancelled, and what is left then.

    A build waits until it is recorded. What cannot be recorded because the stores are down waits for the next batch;
    if the connection is lost while a batch is committed, that batch may come to be there twice, and never not at all.
    What the stores refuse for another reason is tried by itself, so that it keeps nothing else from being recorded; a
    build that was refused three times is given up. What is given up, or could not be recorded before the end, is
    written to the log with all that its record would have had.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._waiting: list[_Build] = []
        self._turn = asyncio.Lock()

    def add(self, entry: Entry) -> None:
        """Note a build. Raises Overloaded where too many wait already."""
        if len(self._waiting) >= MOST_WAITING:
            msg = "Too many audiences wait to be recorded."
            raise Overloaded(msg)
        self._waiting.append(_Build(entry))

    async def run(self) -> None:
        """Record batches until cancelled; then the batch on its way ends, and what is left is the last one."""
        reached = True
        try:
            while True:
                await asyncio.sleep(EVERY if reached else WHILE_DOWN)
                batch = asyncio.create_task(self.flush())
                try:
                    reached = await asyncio.shield(batch)
                except asyncio.CancelledError:
                    await batch
                    raise
        finally:
            await self.flush()
            for build in self._waiting:
                _log.error("an audience build was not recorded before the end: %s", build.entry)

    async def flush(self) -> bool:
        """Record what waits, a unit of work for each company; while the stores are down, nothing, and tell so."""
        async with self._turn:
            companies: dict[int | None, list[_Build]] = {}
            for build in self._waiting:
                companies.setdefault(build.entry.company_id, []).append(build)
            try:
                for company_id, builds in companies.items():
                    await self._record(company_id, builds)
            except Unavailable as fault:
                _log.warning("%d audience builds wait for the database to be recorded: %s", len(self._waiting), fault)
                return False
            return True

    async def _record(self, company_id: int | None, builds: list[_Build]) -> None:
        """Record a company's builds together, or those of them that can be. Raises Unavailable."""
        try:
            await self._add(company_id, builds)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001  whatever it is, the other companies go on
            _log.exception("the audience builds of company %s cannot be recorded together", company_id)
            for build in builds:
                await self._record_alone(company_id, build)

    async def _record_alone(self, company_id: int | None, build: _Build) -> None:
        try:
            await self._add(company_id, [build])
        except Unavailable:
            raise
        except Exception as fault:  # noqa: BLE001  its traceback was told with the batch
            build.failures += 1
            if build.failures >= MOST_TRIES:
                self._forget([build])
                _log.error("an audience build cannot be recorded, and is given up: %s: %r", build.entry, fault)

    async def _add(self, company_id: int | None, builds: list[_Build]) -> None:
        scope = ALL_COMPANIES if company_id is None else Scope(company_id)
        entries = [build.entry for build in builds]
        await self._work.run(scope, lambda stores: stores.audit.add(*entries))
        self._forget(builds)

    def _forget(self, builds: list[_Build]) -> None:
        done = set(builds)
        self._waiting = [build for build in self._waiting if build not in done]


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended, however it ends; what it raised is told in the log."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and task.exception():
        _log.error("a task in the background ended by itself", exc_info=task.exception())
