"""How often something happened lately, in PostgreSQL: one count for all replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.postgres.statements import Statement, the_total
from segmentation_core.ports import Throttle

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from adapters.postgres.statements import Transaction

LOCK: Final = Statement("SELECT pg_advisory_xact_lock(6007127, hashtext(%(key)s))::text AS id")
"""Of two hits at once the second is counted after the first, in whatever process."""

HIT: Final = Statement("INSERT INTO throttle_hits (key, at) VALUES (%(key)s, %(at)s) RETURNING id")
COUNT: Final = Statement(
    "SELECT count(*) AS total FROM throttle_hits {where}",
    always="key = %(key)s AND at > %(since)s AND at <= %(at)s",
)
CLEAR: Final = Statement("DELETE FROM throttle_hits {where}", always="key = %(key)s")
FORGET: Final = Statement("DELETE FROM throttle_hits {where}", always="at < %(before)s")


class PostgresThrottle(Throttle):
    """The counts of one unit of work."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def hit(self, key: str, at: datetime, within: timedelta) -> int:
        await self._transaction.store(LOCK, key=key)
        await self._transaction.store(HIT, key=key, at=at)
        return await self.count(key, at, within)

    async def count(self, key: str, at: datetime, within: timedelta) -> int:
        return await self._transaction.row(COUNT, the_total, key=key, at=at, since=at - within) or 0

    async def clear(self, key: str) -> None:
        await self._transaction.do(CLEAR, key=key)

    async def forget(self, before: datetime) -> None:
        await self._transaction.do(FORGET, before=before)
