"""The audit trail, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from adapters.memory.tables import Log, window
from adapters.memory.values import copied, require_storable
from segmentation_core.audit import AuditQuery, ChainEnd, Entry, Record, head_of, sealed
from segmentation_core.ports import Audit

if TYPE_CHECKING:
    from adapters.memory.tables import Unit


class MemoryAudit(Audit):
    """The audit trail, sealed as in a database."""

    def __init__(self, unit: Unit, key: bytes) -> None:
        self._unit = unit
        self._key = key

    async def add(self, *entries: Entry) -> None:
        for entry in entries:
            require_storable(**asdict(entry))
            self._unit.require_in_scope(entry.company_id)
        chains = self._unit.tables.chains
        for entry in map(_entry_copied, entries):
            chain = chains.get(entry.company_id) or Log[Record]([], 0)
            record = sealed(entry, head_of(chain.last) if chain.last else None, self._key)
            chains[entry.company_id] = chain.with_one_more(record)

    async def page(self, query: AuditQuery, *, offset: int, limit: int) -> tuple[list[Record], int]:
        found = [record for chain in self._seen() for record in chain.all() if _asks_for(query, record.entry)]
        found.sort(key=lambda record: (record.entry.at, record.entry.company_id or 0, record.number), reverse=True)
        return [_record_read(record) for record in window(found, offset, limit)], len(found)

    async def ends(self) -> list[ChainEnd]:
        heads = [head_of(chain.last) for chain in self._seen() if chain.last]
        return [ChainEnd(head.company_id, head, head) for head in heads]

    async def chain(self, company_id: int | None, *, after: int | None, limit: int) -> list[Record]:
        chain = self._unit.tables.chains.get(company_id)
        found = chain.part(after or 0, limit) if chain and self._unit.sees(company_id) else []
        return [_record_read(record) for record in found]

    def _seen(self) -> list[Log[Record]]:
        chains = sorted(self._unit.tables.chains.items(), key=lambda one: one[0] or 0)
        return [chain for company_id, chain in chains if self._unit.sees(company_id)]


def _asks_for(query: AuditQuery, entry: Entry) -> bool:
    return (
        query.action in (None, entry.action)
        and query.actor in (None, entry.actor)
        and (query.since is None or entry.at >= query.since)
        and (query.until is None or entry.at < query.until)
    )


def _entry_copied(entry: Entry) -> Entry:
    before, after = (None if one is None else copied(one) for one in (entry.before, entry.after))
    return replace(entry, before=before, after=after)


def _record_read(record: Record) -> Record:
    return replace(record, entry=_entry_copied(record.entry))
