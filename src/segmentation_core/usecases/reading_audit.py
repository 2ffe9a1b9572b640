"""Reading the audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmentation_core.permissions import READ_AUDIT, require

if TYPE_CHECKING:
    from segmentation_core.audit import AuditQuery, Record
    from segmentation_core.ports import Work
    from segmentation_core.usecases.acting import Acting


class ReadAudit:
    """What was done in the caller's company, or anywhere."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def __call__(self, by: Acting, query: AuditQuery, *, offset: int, limit: int) -> tuple[list[Record], int]:
        """Return some of the records that a query asks for, the newest first, and how many there are.

        Raises Forbidden below an Admin.
        """
        require(READ_AUDIT, by.user)
        return await self._work.run(by.user.scope, lambda stores: stores.audit.page(query, offset=offset, limit=limit))
