"""Reading the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from segmentation_core.permissions import READ_AUDIT, require
from segmentation_core.presets import shown_to

if TYPE_CHECKING:
    from segmentation_core.audit import AuditQuery, Record
    from segmentation_core.ports import Work
    from segmentation_core.usecases.acting import Acting
    from segmentation_core.users import User


class ReadAudit:
    """What was done to what is the caller's company's, by whomever; for a SuperAdmin, what was done at all."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def __call__(self, by: Acting, query: AuditQuery, *, offset: int, limit: int) -> tuple[list[Record], int]:
        """Return some of the records that a query asks for, the newest first, and how many there are.

        A dsp account sees no segment lists in them. Raises Forbidden below an Admin.
        """
        require(READ_AUDIT, by.user)
        records, total = await self._work.run(
            by.user.scope, lambda stores: stores.audit.page(query, offset=offset, limit=limit)
        )
        return [_shown(by.user, record) for record in records], total


def _shown(reader: User, record: Record) -> Record:
    entry = record.entry
    before, after = (_without_lists(reader, told) for told in (entry.before, entry.after))
    return replace(record, entry=replace(entry, before=before, after=after))


def _without_lists(reader: User, told: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what a record keeps of something, without segment lists where the reader may not see them."""
    if told is None or not isinstance(told.get("document"), dict):
        return told
    return told | {"document": shown_to(reader, told["document"])}
