"""Reading the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from entrypoints.http.access import access
from entrypoints.http.csv_tables import csv_table, rows_of, wants_csv
from entrypoints.http.entity_tags import IfNoneMatch, listed
from entrypoints.http.pages import PageNumber, PageOf10, Pagination, asked_page
from entrypoints.http.requests import ApiRequest, asked_text, asked_time
from segmentation_core.audit import AuditQuery, Record
from segmentation_core.permissions import READ_AUDIT
from segmentation_core.usecases import ReadAudit

Action = Annotated[str, QueryParameter(description="Records of this action alone; empty for any.")]
Actor = Annotated[str, QueryParameter(description="What this username did; empty for anybody.")]
Since = Annotated[str, QueryParameter(description="Not before this time (RFC 3339).", format="date-time")]
Until = Annotated[str, QueryParameter(description="Before this time (RFC 3339).", format="date-time")]


class AuditRecord(msgspec.Struct, frozen=True):
    """What happened: the `number`-th record in the chain of a company (its id), or in that of no company (null).

    `actor` did `action` to `subject`, which was `before` and is `after`. The company is the one that the subject
    belongs to: the actor may be a SuperAdmin, who is of none.
    """

    number: int
    action: str
    actor: str
    actor_id: int | None
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    at: datetime
    request_id: str | None
    seal: str
    company: int | None

    @classmethod
    def of(cls, record: Record) -> AuditRecord:
        """Return what is told of a record."""
        entry = record.entry
        return cls(
            number=record.number,
            action=entry.action,
            actor=entry.actor,
            actor_id=entry.actor_id,
            subject=entry.subject,
            before=entry.before,
            after=entry.after,
            at=entry.at,
            request_id=entry.request_id,
            seal=record.seal,
            company=entry.company_id,
        )


class AuditPage(msgspec.Struct, frozen=True):
    """A page of the audit trail, the newest first."""

    records: tuple[AuditRecord, ...]
    pagination: Pagination


@get(
    "/api/audit",
    opt={**access(READ_AUDIT, "company"), "query": ("page", "limit", "action", "actor", "since", "until")},
    operation_id="readAudit",
    summary="Who did what",
)
async def read_trail(  # noqa: PLR0913, PLR0917  what the query has
    request: ApiRequest,
    read_audit: NamedDependency[SkipValidation[ReadAudit]],
    page: PageNumber = "1",
    limit: PageOf10 = "10",
    action: Action = "",
    actor: Actor = "",
    since: Since = "",
    until: Until = "",
    if_none_match: IfNoneMatch = "",
) -> Response[AuditPage]:
    """Return a page of what was done to what is the caller's company's, by whomever, the newest first.

    For a SuperAdmin it is what was done anywhere.

    `action` and `actor` are whole names; what is empty is not asked for.
    """
    asked = asked_page(page, limit)
    query = AuditQuery(
        action=asked_text("action", action) or None,
        actor=asked_text("actor", actor) or None,
        since=asked_time("since", since),
        until=asked_time("until", until),
    )
    records, total = await read_audit(request.acting, query, offset=asked.offset, limit=asked.limit)
    told = tuple(map(AuditRecord.of, records))
    if wants_csv(request):
        return await request.aside(lambda: csv_table(rows_of(told, AuditRecord), "audit"))
    found = AuditPage(told, asked.of(total))
    return await request.aside(lambda: listed(found, if_none_match))
