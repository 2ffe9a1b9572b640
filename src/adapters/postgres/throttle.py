"""How often something happened lately, in PostgreSQL: one count for all replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.postgres.statements import Statement, the_id
from segmentation_core.errors import Forbidden
from segmentation_core.ports import Throttle
from segmentation_core.throttling import UNDER_WAY, Refused, Taken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from adapters.postgres.statements import Transaction
    from segmentation_core.throttling import Limit

LOCK: Final = Statement(
    """
    SELECT count(pg_advisory_xact_lock(6007127, lock))::text AS id
    FROM (SELECT DISTINCT hashtext(key) AS lock FROM unnest(%(keys)s::text[]) AS key ORDER BY lock) AS locks
    """
)
"""Of two at once the second counts what the first took, in whatever process. All lock in one order, so that none waits
for another that waits for it."""

FULL: Final = Statement(
    """
    SELECT failed.at FROM unnest(%(keys)s::text[], %(most)s::int[]) AS limits (key, most) CROSS JOIN LATERAL (
        SELECT at FROM throttle_hits WHERE key = limits.key AND at > %(since)s ORDER BY at DESC
        OFFSET limits.most - 1 LIMIT 1
    ) AS hit LEFT JOIN LATERAL (
        SELECT at FROM throttle_hits
        WHERE key = limits.key AND at > %(since)s AND (failed OR at <= %(under_way_since)s) ORDER BY at DESC
        OFFSET limits.most - 1 LIMIT 1
    ) AS failed ON true
    """
)
"""Of each key that has no place free the failed one whose end will free one: the newest but `most` - 1, or NULL."""

TAKE: Final = Statement("INSERT INTO throttle_hits (key, at) SELECT unnest(%(keys)s::text[]), %(at)s RETURNING id")
GIVE_BACK: Final = Statement("DELETE FROM throttle_hits {where}", always="id = ANY(%(ids)s::bigint[])")
FAIL: Final = Statement("UPDATE throttle_hits SET failed = true {where}", always="id = ANY(%(ids)s::bigint[])")
CLEAR: Final = Statement("DELETE FROM throttle_hits {where}", always="key = %(key)s")
FORGET: Final = Statement(
    "DELETE FROM throttle_hits WHERE id IN (SELECT id FROM throttle_hits {where} FOR UPDATE SKIP LOCKED)",
    always="at < %(before)s",
)


class PostgresThrottle(Throttle):
    """The counts of one unit of work; in a company's scope there are none."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def take(self, limits: Sequence[Limit], at: datetime, within: timedelta) -> Taken | Refused:
        self._require_no_company()
        keys = [limit.key for limit in limits]
        await self._transaction.store(LOCK, keys=keys)
        most = [limit.most for limit in limits]
        times = {"since": at - within, "under_way_since": at - UNDER_WAY}
        full = await self._transaction.rows(FULL, _time, keys=keys, most=most, **times)
        if full:
            return Refused.until([None if failed is None else failed + within - at for failed in full])
        return Taken(tuple(await self._transaction.rows(TAKE, the_id, keys=keys, at=at)))

    async def give_back(self, taken: Taken) -> None:
        self._require_no_company()
        await self._transaction.do(GIVE_BACK, ids=[*taken.ids])

    async def fail(self, taken: Taken) -> None:
        self._require_no_company()
        await self._transaction.do(FAIL, ids=[*taken.ids])

    async def clear(self, key: str) -> None:
        self._require_no_company()
        await self._transaction.do(CLEAR, key=key)

    async def forget(self, before: datetime) -> None:
        self._require_no_company()
        await self._transaction.do(FORGET, before=before)

    def _require_no_company(self) -> None:
        if self._transaction.scope.company_id is not None:
            msg = "This is outside of what may be seen here."
            raise Forbidden(msg)


def _time(*, at: datetime | None) -> datetime | None:
    return at
