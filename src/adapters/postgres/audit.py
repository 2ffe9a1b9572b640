"""The audit trail, in PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from adapters.postgres.documents import written
from adapters.postgres.statements import FARTHEST, SMALLEST, WINDOW, Statement, the_id, the_total, window
from segmentation_core.audit import AuditQuery, ChainEnd, Entry, Head, Record, head_of, sealed
from segmentation_core.ports import Audit

if TYPE_CHECKING:
    from adapters.postgres.statements import Transaction

_READ: Final = """
    SELECT records.number, records.seal, records.action, records.actor_id, records.actor, records.company_id,
        records.subject, records.at, records.before, records.after, records.request_id
    FROM audit_records AS records
    {where}
"""
_IDS: Final = "SELECT records.id FROM audit_records AS records {where}"
_NEWEST_FIRST: Final = " ORDER BY records.at DESC, records.chain DESC, records.number DESC"
_COMPANY: Final = "records.company_id"
_ASKED_FOR: Final = {
    "action": "records.action = %(action)s",
    "actor": "records.actor = %(actor)s",
    "since": "records.at >= %(since)s",
    "until": "records.at < %(until)s",
}

PAGE: Final = Statement(
    _IDS + _NEWEST_FIRST + WINDOW,
    company=_COMPANY,
    given=_ASKED_FOR,
)
"""Ids alone, for the reason that pages of presets have."""

COUNT: Final = Statement(
    "SELECT count(*) AS total FROM audit_records AS records {where}", company=_COMPANY, given=_ASKED_FOR
)
BY_IDS: Final = Statement(_READ + _NEWEST_FIRST, company=_COMPANY, always="records.id = ANY(%(ids)s)")
CHAIN: Final = Statement(
    _READ + " ORDER BY records.number LIMIT %(limit)s",
    company=_COMPANY,
    always="records.chain = %(chain)s",
    given={"after": "records.number > %(after)s"},
)
ADD: Final = Statement(
    """
    INSERT INTO audit_records (company_id, number, action, actor_id, actor, subject, at, before, after, request_id,
        seal)
    SELECT company_id, number, action, actor_id, actor, subject, at, before::json, after::json, request_id, seal
    FROM json_to_recordset(%(rows)s::json) AS rows (company_id bigint, number bigint, action text, actor_id bigint,
        actor text, subject text, at timestamptz, before text, after text, request_id text, seal text)
    """
)
"""All rows at once: a statement for each took half the time of recording builds. The two documents are texts in it,
since PostgreSQL reads no \\u0000 there."""

ENDS: Final = Statement(
    """
    WITH RECURSIVE with_records (chain) AS (
        (SELECT min(records.chain) FROM audit_records AS records)
        UNION ALL
        SELECT (SELECT min(records.chain) FROM audit_records AS records WHERE records.chain > with_records.chain)
        FROM with_records WHERE with_records.chain IS NOT NULL
    )
    SELECT chains.chain, heads.number AS head_number, heads.seal AS head_seal, last.number, last.seal
    FROM (
        SELECT chain FROM with_records WHERE chain IS NOT NULL UNION SELECT heads.chain FROM audit_heads AS heads
    ) AS chains
    LEFT JOIN audit_heads AS heads ON heads.chain = chains.chain
    LEFT JOIN LATERAL (
        SELECT records.number, records.seal FROM audit_records AS records WHERE records.chain = chains.chain
        ORDER BY records.number DESC LIMIT 1
    ) AS last ON true
    {where}
    ORDER BY chains.chain
    """,
    company="chains.chain",
)
"""Each chain is one step in the index of chains and numbers, however many records it has."""

HEAD_LOCKED: Final = Statement(
    "SELECT heads.company_id, heads.number, heads.seal FROM audit_heads AS heads {where} FOR NO KEY UPDATE",
    company="heads.company_id",
    always="heads.chain = %(chain)s",
)
BEGIN_CHAIN: Final = Statement(
    "INSERT INTO audit_heads (company_id, number, seal) VALUES (%(company_id)s, 0, '') ON CONFLICT (chain) DO NOTHING"
)
MOVE_HEAD: Final = Statement(
    "UPDATE audit_heads AS heads SET number = %(number)s, seal = %(seal)s {where}",
    company="heads.company_id",
    always="heads.chain = %(chain)s",
)


_AT_A_TIME: Final = 16
"""How many records are sealed before others have their turn: it takes a quarter of a millisecond."""


_STORED_AT_ONCE: Final = 1_000
"""How many one statement stores: however many there are, none takes long."""


class PostgresAudit(Audit):
    """The audit trail of one unit of work. Who adds to a chain holds its head until the work ends."""

    def __init__(self, transaction: Transaction, key: bytes) -> None:
        self._transaction = transaction
        self._key = key

    async def add(self, *entries: Entry) -> None:
        # In one order, so that of two that add to several chains at once neither waits for the other in turn.
        for company_id in sorted({entry.company_id for entry in entries}, key=_number_of):
            head = await self._locked_head(company_id)
            records = []
            for entry in entries:
                if entry.company_id == company_id:
                    record = sealed(entry, head if head.number else None, self._key)
                    head = head_of(record)
                    records.append(_columns(record))
                    if len(records) % _AT_A_TIME == 0:
                        await asyncio.sleep(0)
            for start in range(0, len(records), _STORED_AT_ONCE):
                await self._transaction.store_all(ADD, records[start : start + _STORED_AT_ONCE])
            await self._transaction.store(MOVE_HEAD, chain=_number_of(company_id), number=head.number, seal=head.seal)

    async def page(self, query: AuditQuery, *, offset: int, limit: int) -> tuple[list[Record], int]:
        asked = {"action": query.action, "actor": query.actor, "since": query.since, "until": query.until}
        ids = await self._transaction.rows(PAGE, the_id, **asked, **window(offset, limit))
        found = await self._transaction.rows(BY_IDS, _record, ids=ids) if ids else []
        return found, await self._transaction.row(COUNT, the_total, **asked) or 0

    async def ends(self) -> list[ChainEnd]:
        return await self._transaction.rows(ENDS, _end)

    async def chain(self, company_id: int | None, *, after: int | None, limit: int) -> list[Record]:
        from_first = after is None or after < SMALLEST
        return await self._transaction.rows(
            CHAIN,
            _record,
            chain=_number_of(company_id),
            after=None if from_first else after,
            limit=min(limit, FARTHEST),
        )

    async def _locked_head(self, company_id: int | None) -> Head:
        chain = _number_of(company_id)
        head = await self._transaction.row(HEAD_LOCKED, Head, chain=chain)
        while head is None:
            # Of two that begin a chain at once the second waits for the first, adds nothing, and then finds it.
            await self._transaction.store(BEGIN_CHAIN, company_id=company_id)
            head = await self._transaction.row(HEAD_LOCKED, Head, chain=chain)
        return head


def _number_of(company_id: int | None) -> int:
    return company_id or 0


def _end(
    *, chain: int, head_number: int | None, head_seal: str | None, number: int | None, seal: str | None
) -> ChainEnd:
    company_id = chain or None
    head = None if head_number is None or head_seal is None else Head(company_id, head_number, head_seal)
    last = None if number is None or seal is None else Head(company_id, number, seal)
    return ChainEnd(company_id, head, last)


def _record(*, number: int, seal: str, **entry: Any) -> Record:  # noqa: ANN401  columns of a row
    return Record(number, Entry(**entry), seal)


def _columns(record: Record) -> dict[str, Any]:
    entry = record.entry
    return {
        "company_id": entry.company_id,
        "number": record.number,
        "action": entry.action,
        "actor_id": entry.actor_id,
        "actor": entry.actor,
        "subject": entry.subject,
        "at": entry.at,
        "before": None if entry.before is None else written(entry.before),
        "after": None if entry.after is None else written(entry.after),
        "request_id": entry.request_id,
        "seal": record.seal,
    }
