"""How often something happened lately, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.memory.tables import Hit
from segmentation_core.ports import Throttle
from segmentation_core.throttling import UNDER_WAY, Refused, Taken

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
        ends: list[timedelta | None] = []
        for limit in limits:
            lately = sorted(hit for hit in hits.values() if hit.key == limit.key and hit.at > at - within)
            if len(lately) >= limit.most:
                failed = [hit.at for hit in lately if hit.failed or hit.at <= at - UNDER_WAY]
                ends.append(failed[-limit.most] + within - at if len(failed) >= limit.most else None)
        if ends:
            return Refused.until(ends)
        taken = {self._unit.tables.next_id(): Hit(limit.key, at) for limit in limits}
        hits.update(taken)
        return Taken(tuple(taken))

    async def give_back(self, taken: Taken) -> None:
        for hit_id in taken.ids:
            self._hits().pop(hit_id, None)

    async def fail(self, taken: Taken) -> None:
        hits = self._hits()
        hits.update({hit_id: hits[hit_id]._replace(failed=True) for hit_id in taken.ids if hit_id in hits})

    async def clear(self, key: str) -> None:
        self._keep(lambda hit: hit.key != key)

    async def forget(self, before: datetime) -> None:
        self._keep(lambda hit: hit.at >= before)

    def _keep(self, kept: Callable[[Hit], bool]) -> None:
        self._unit.tables.hits = {hit_id: hit for hit_id, hit in self._hits().items() if kept(hit)}

    def _hits(self) -> dict[int, Hit]:
        self._unit.require_in_scope(None)
        return self._unit.tables.hits
