"""Sessions, in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from adapters.postgres.statements import Statement, is_storable
from segmentation_core.errors import NotFound
from segmentation_core.ports import Sessions
from segmentation_core.sessions import Session
from segmentation_core.users import User

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from adapters.postgres.statements import Transaction

_COMPANY: Final = "sessions.company_id"
_BY_ID: Final = "sessions.id = %(id)s"

BEGIN: Final = Statement(
    """
    INSERT INTO sessions (id, user_id, company_id, created, seen)
    SELECT %(id)s, users.id, users.company_id, %(created)s, %(seen)s FROM users {where} RETURNING id
    """,
    company="users.company_id",
    always="users.id = %(user_id)s",
)
FIND: Final = Statement(
    """
    SELECT sessions.id AS session_id, sessions.created AS began, sessions.seen, users.id, users.username, users.role,
        companies.name AS company_name, users.first_name, users.last_name, users.dsp, users.active, users.company_id,
        users.created, users.created_by_id, users.last_login
    FROM sessions JOIN users ON users.id = sessions.user_id LEFT JOIN companies ON companies.id = users.company_id
    {where}
    """,
    company=_COMPANY,
    always="sessions.id = ANY(%(ids)s)",
)
TOUCH: Final = Statement("UPDATE sessions SET seen = %(seen)s {where}", company=_COMPANY, always=_BY_ID)
END: Final = Statement("DELETE FROM sessions {where}", company=_COMPANY, always=_BY_ID)
END_ALL: Final = Statement("DELETE FROM sessions {where}", company=_COMPANY, always="sessions.user_id = %(user_id)s")
FORGET: Final = Statement(
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions {where} ORDER BY id FOR UPDATE)",
    company=_COMPANY,
    always="sessions.created < %(before)s",
)
"""In the order of ids: of two that forget at once neither waits for the other in turn."""


class PostgresSessions(Sessions):
    """The sessions of one unit of work."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def begin(self, session: Session) -> None:
        begun = await self._transaction.store(
            BEGIN, id=session.id, user_id=session.user_id, created=session.created, seen=session.seen
        )
        if begun is None:
            msg = "There is no such user."
            raise NotFound(msg)

    async def find(self, session_id: str) -> tuple[Session, User] | None:
        return (await self.find_all([session_id])).get(session_id)

    async def find_all(self, session_ids: Collection[str]) -> dict[str, tuple[Session, User]]:
        ids = list(filter(is_storable, session_ids))
        found = await self._transaction.rows(FIND, _signed_in, ids=ids) if ids else []
        return {session.id: (session, user) for session, user in found}

    async def touch(self, session_id: str, seen: datetime) -> None:
        await self._transaction.do(TOUCH, id=session_id, seen=seen)

    async def end(self, session_id: str) -> None:
        await self._transaction.do(END, id=session_id)

    async def end_all(self, user_id: int) -> None:
        await self._transaction.do(END_ALL, user_id=user_id)

    async def forget(self, before: datetime) -> None:
        await self._transaction.do(FORGET, before=before)


def _signed_in(*, session_id: str, began: datetime, seen: datetime, **user: Any) -> tuple[Session, User]:  # noqa: ANN401
    return Session(session_id, user["id"], created=began, seen=seen), User(**user)
