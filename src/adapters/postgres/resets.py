"""Who may reset a password, in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from adapters.postgres.statements import Statement
from segmentation_core.errors import NotFound
from segmentation_core.ports import Resets
from segmentation_core.resets import Reset
from segmentation_core.users import User

if TYPE_CHECKING:
    from datetime import datetime

    from adapters.postgres.statements import Transaction

_COMPANY: Final = "password_resets.company_id"

BEGIN: Final = Statement(
    """
    INSERT INTO password_resets (user_id, company_id, digest, created)
    SELECT users.id, users.company_id, %(digest)s, %(created)s FROM users {where}
    ON CONFLICT (user_id) DO UPDATE SET digest = excluded.digest, created = excluded.created RETURNING user_id AS id
    """,
    company="users.company_id",
    always="users.id = %(user_id)s",
)
FIND: Final = Statement(
    """
    SELECT password_resets.digest, password_resets.created AS began, users.id, users.username, users.role,
        companies.name AS company_name, users.first_name, users.last_name, users.dsp, users.active, users.company_id,
        users.created, users.created_by_id, users.last_login
    FROM password_resets
        JOIN users ON users.id = password_resets.user_id LEFT JOIN companies ON companies.id = users.company_id
    {where}
    """,
    company=_COMPANY,
    always="password_resets.digest = %(digest)s",
)
END: Final = Statement(
    "DELETE FROM password_resets {where}", company=_COMPANY, always="password_resets.user_id = %(user_id)s"
)
FORGET: Final = Statement(
    "DELETE FROM password_resets WHERE user_id IN (SELECT user_id FROM password_resets {where} FOR UPDATE SKIP LOCKED)",
    company=_COMPANY,
    always="password_resets.created < %(before)s",
)


class PostgresResets(Resets):
    """The resets of one unit of work."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def begin(self, reset: Reset) -> None:
        begun = await self._transaction.store(BEGIN, user_id=reset.user_id, digest=reset.digest, created=reset.created)
        if begun is None:
            msg = "There is no such user."
            raise NotFound(msg)

    async def find(self, digest: str) -> tuple[Reset, User] | None:
        return await self._transaction.row(FIND, _resetting, digest=digest)

    async def end(self, user_id: int) -> None:
        await self._transaction.do(END, user_id=user_id)

    async def forget(self, before: datetime) -> None:
        await self._transaction.do(FORGET, before=before)


def _resetting(*, digest: str, began: datetime, **user: Any) -> tuple[Reset, User]:  # noqa: ANN401
    return Reset(user["id"], digest, began), User(**user)
