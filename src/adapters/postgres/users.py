"""The accounts, in PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from adapters.postgres.statements import WINDOW, Statement, is_id, the_total, window
from segmentation_core.ports import Users
from segmentation_core.users import Account, User, UserQuery, folded_name

if TYPE_CHECKING:
    from adapters.postgres.statements import Transaction

_READ: Final = """
    SELECT users.id, users.username, users.role, companies.name AS company_name, users.first_name, users.last_name,
        users.dsp, users.active, users.company_id, users.created, users.created_by_id, users.last_login
    FROM users LEFT JOIN companies ON companies.id = users.company_id
    {where}
    ORDER BY users.role, users.first_name, users.id
"""
_READ_ACCOUNT: Final = _READ.replace(
    "users.last_login", "users.last_login, users.password_hash, users.password_generation"
)
_LOCK: Final = " FOR NO KEY UPDATE OF users"
"""Enough against changes, deletion and each other; it lets a session of the user begin."""

_COMPANY: Final = "users.company_id"
_BY_ID: Final = "users.id = %(id)s"
_BY_NAME: Final = "users.folded_username = %(folded_username)s"
_ASKED_FOR: Final = {
    "role": "users.role = %(role)s",
    "active": "users.active = %(active)s",
    "search": """(strpos(users.folded_username, %(search)s) > 0 OR strpos(users.folded_first_name, %(search)s) > 0
        OR strpos(users.folded_last_name, %(search)s) > 0)""",
}

BY_ID: Final = Statement(_READ, company=_COMPANY, always=_BY_ID)
BY_ID_LOCKED: Final = Statement(_READ + _LOCK, company=_COMPANY, always=_BY_ID)
ACCOUNT: Final = Statement(_READ_ACCOUNT, company=_COMPANY, always=_BY_NAME)
ACCOUNT_LOCKED: Final = Statement(_READ_ACCOUNT + _LOCK, company=_COMPANY, always=_BY_NAME)
ALL: Final = Statement(_READ, company=_COMPANY)
PAGE: Final = Statement(_READ + WINDOW, company=_COMPANY, given=_ASKED_FOR)
COUNT: Final = Statement("SELECT count(*) AS total FROM users {where}", company=_COMPANY, given=_ASKED_FOR)
ADD: Final = Statement(
    """
    INSERT INTO users (company_id, username, folded_username, role, first_name, folded_first_name, last_name,
        folded_last_name, dsp, active, password_hash, created, created_by_id, last_login)
    VALUES (%(company_id)s, %(username)s, %(folded_username)s, %(role)s, %(first_name)s, %(folded_first_name)s,
        %(last_name)s, %(folded_last_name)s, %(dsp)s, %(active)s, %(password_hash)s, %(created)s,
        %(created_by_id)s, %(last_login)s)
    RETURNING id
    """
)
CHANGE: Final = Statement(
    """
    UPDATE users SET role = %(role)s, dsp = %(dsp)s, active = %(active)s, last_login = %(last_login)s,
        first_name = %(first_name)s, folded_first_name = %(folded_first_name)s,
        last_name = %(last_name)s, folded_last_name = %(folded_last_name)s
    {where}
    """,
    company=_COMPANY,
    always=_BY_ID,
)
SET_PASSWORD_HASH: Final = Statement(
    """
    UPDATE users SET password_hash = %(password_hash)s, password_generation = password_generation + %(newer)s {where}
    """,
    company=_COMPANY,
    always=_BY_ID,
)
DELETE: Final = Statement("DELETE FROM users {where}", company=_COMPANY, always=_BY_ID)


class PostgresUsers(Users):
    """The accounts of one unit of work."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def by_id(self, user_id: int, *, lock: bool = False) -> User | None:
        return await self._transaction.row(BY_ID_LOCKED if lock else BY_ID, User, id=user_id)

    async def account(self, username: str, *, lock: bool = False) -> Account | None:
        statement = ACCOUNT_LOCKED if lock else ACCOUNT
        return await self._transaction.row(statement, _account, folded_username=folded_name(username))

    async def add(self, user: User, password_hash: str) -> User:
        user = replace(user, created=user.created or datetime.now(UTC))
        added: int = await self._transaction.store(
            ADD,
            named=user.username,
            company_id=user.company_id,
            username=user.username,
            folded_username=folded_name(user.username),
            password_hash=password_hash,
            created=user.created,
            created_by_id=user.created_by_id,
            **_changeable(user),
        )
        return replace(user, id=added)

    async def change(self, user: User) -> None:
        if is_id(user.id):
            await self._transaction.store(CHANGE, id=user.id, **_changeable(user))

    async def set_password_hash(self, user_id: int, password_hash: str, *, same: bool = False) -> None:
        await self._transaction.do(SET_PASSWORD_HASH, id=user_id, password_hash=password_hash, newer=int(not same))

    async def delete(self, user_id: int) -> None:
        await self._transaction.do(DELETE, id=user_id)

    async def all(self) -> list[User]:
        return await self._transaction.rows(ALL, User)

    async def page(self, query: UserQuery, *, offset: int, limit: int) -> tuple[list[User], int]:
        asked = {"role": query.role, "active": query.active, "search": query.search.casefold() or None}
        users = await self._transaction.rows(PAGE, User, **asked, **window(offset, limit))
        return users, await self._transaction.row(COUNT, the_total, **asked) or 0


def _account(*, password_hash: str, password_generation: int, **user: Any) -> Account:  # noqa: ANN401  columns of a row
    return Account(User(**user), password_hash, password_generation)


def _changeable(user: User) -> dict[str, Any]:
    return {
        "role": user.role,
        "dsp": user.dsp,
        "active": user.active,
        "last_login": user.last_login,
        "first_name": user.first_name,
        "folded_first_name": user.first_name.casefold(),
        "last_name": user.last_name,
        "folded_last_name": user.last_name.casefold(),
    }
