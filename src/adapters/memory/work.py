"""Units of work in memory, one after another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from adapters.memory.audit import MemoryAudit
from adapters.memory.companies import MemoryCompanies
from adapters.memory.presets import MemoryPresets
from adapters.memory.resets import MemoryResets
from adapters.memory.sessions import MemorySessions
from adapters.memory.tables import Tables, Unit
from adapters.memory.throttle import MemoryThrottle
from adapters.memory.users import MemoryUsers
from segmentation_core.ports import Stores, Work
from segmentation_core.users import ALL_COMPANIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from segmentation_core.sessions import Session
    from segmentation_core.users import Scope, User

T = TypeVar("T")


class MemoryWork(Work):
    """Units of work one after another, each on a copy of the tables that becomes the tables if it ends well."""

    def __init__(self, audit_key: bytes) -> None:
        self._tables = Tables()
        self._key = audit_key
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def run(self, scope: Scope, action: Callable[[Stores], Awaitable[T]]) -> T:
        async with self._turn:
            tables = self._tables.copied()
            unit = Unit(tables, scope)
            try:
                found = await action(MemoryStores(unit, self._key))
            finally:
                unit.end()
            self._tables = tables
            return found

    async def find_sessions(self, session_ids: Collection[str]) -> dict[str, tuple[Session, User]]:
        return await self.run(ALL_COMPANIES, lambda stores: stores.sessions.find_all(session_ids))


class MemoryStores(Stores):
    """The stores of one unit of work."""

    def __init__(self, unit: Unit, key: bytes) -> None:
        self.companies = MemoryCompanies(unit)
        self.users = MemoryUsers(unit)
        self.sessions = MemorySessions(unit)
        self.presets = MemoryPresets(unit)
        self.audit = MemoryAudit(unit, key)
        self.resets = MemoryResets(unit)
        self.throttle = MemoryThrottle(unit)
