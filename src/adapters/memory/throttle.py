"""How often something happened lately, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.memory.tables import Hit
from segmentation_core.ports import Throttle
from segmentation_core.throttling import Refused, Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from adapters.memory.tables import Unit
    from segmentation_core.throttling import Limit


class MemoryThrottle(Throttle):
    """The counts of one unit of work; in a company's scope there are none."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def take(self, limits: Sequence[Limit], at: datetime, within: timedelta) -> Taken | Refused:
        hits = self._hits()
        full: list[datetime] = []
        for limit in limits:
            lately = sorted(hit.at for hit in hits.values() if hit.key == limit.key and hit.at > at - within)
            full += lately[-limit.most :][:1] if len(lately) >= limit.most else []
        if full:
            return Refused(max(full) + within - at)
        taken = {self._unit.tables.next_id(): Hit(limit.key, at) for limit in limits}
        hits.update(taken)
        return Taken(tuple(taken))

    async def give_back(self, taken: Taken) -> None:
        for hit_id in taken.ids:
            self._hits().pop(hit_id, None)

    async def clear(self, key: str) -> None:
        self._keep(lambda hit: hit.key != key)

    async def forget(self, before: datetime) -> None:
        self._keep(lambda hit: hit.at >= before)

    def _keep(self, kept: Callable[[Hit], bool]) -> None:
        self._unit.tables.hits = {hit_id: hit for hit_id, hit in self._hits().items() if kept(hit)}

    def _hits(self) -> dict[int, Hit]:
        self._unit.require_in_scope(None)
        return self._unit.tables.hits
