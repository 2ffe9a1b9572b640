"""How often something happened lately, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.memory.values import require_storable
from segmentation_core.ports import Throttle

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from adapters.memory.tables import Unit


class MemoryThrottle(Throttle):
    """The counts of one unit of work; in a company's scope there are none."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def hit(self, key: str, at: datetime, within: timedelta) -> int:
        require_storable(key=key)
        hits = self._hits()
        hits[key] = (*hits.get(key, ()), at)
        return await self.count(key, at, within)

    async def count(self, key: str, at: datetime, within: timedelta) -> int:
        return sum(at - within < hit <= at for hit in self._hits().get(key, ()))

    async def clear(self, key: str) -> None:
        self._hits().pop(key, None)

    async def forget(self, before: datetime) -> None:
        kept = {key: tuple(hit for hit in hits if hit >= before) for key, hits in self._hits().items()}
        self._unit.tables.hits = {key: hits for key, hits in kept.items() if hits}

    def _hits(self) -> dict[str, tuple[datetime, ...]]:
        self._unit.require_in_scope(None)
        return self._unit.tables.hits
