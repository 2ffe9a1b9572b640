"""The accounts, in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

from msgspec.structs import replace

from adapters.memory.tables import GONE, window
from adapters.memory.values import REFUSED, columns, is_storable, require_storable
from segmentation_core.errors import Conflict, RequestError
from segmentation_core.ports import Users
from segmentation_core.users import Account, Role, User, UserQuery, folded_name

if TYPE_CHECKING:
    from adapters.memory.tables import Unit


class MemoryUsers(Users):
    """The accounts of one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def by_id(self, user_id: int, *, lock: bool = False) -> User | None:  # noqa: ARG002  work is serial here
        account = self._visible(user_id)
        return account.user if account else None

    async def account(self, username: str, *, lock: bool = False) -> Account | None:  # noqa: ARG002
        known = self._named(username)
        return known if known and self._unit.sees(known.user.company_id) else None

    async def add(self, user: User, password_hash: str) -> User:
        require_storable(**columns(user), password_hash=password_hash)
        self._unit.require_in_scope(user.company_id)
        _require_role(user)
        if self._named(user.username):
            msg = f"The username {user.username!r} is taken."
            raise Conflict(msg)
        tables = self._unit.tables
        if user.company_id is not None and user.company_id not in tables.companies:
            raise Conflict(GONE)
        user = replace(user, id=tables.next_id(), created=user.created or datetime.now(UTC))
        tables.accounts[user.id] = Account(user, password_hash)
        return user

    async def change(self, user: User) -> None:
        account = self._visible(user.id)
        if account is None:
            return
        changed = replace(
            account.user,
            role=user.role,
            dsp=user.dsp,
            active=user.active,
            first_name=user.first_name,
            last_name=user.last_name,
            last_login=user.last_login,
        )
        require_storable(**columns(changed))
        _require_role(changed)
        self._unit.tables.accounts[user.id] = replace(account, user=changed)

    async def set_password_hash(self, user_id: int, password_hash: str, *, same: bool = False) -> None:
        account = self._visible(user_id)
        if account and is_storable(password_hash):
            generation = account.generation + (not same)
            self._unit.tables.accounts[user_id] = replace(account, password_hash=password_hash, generation=generation)

    async def delete(self, user_id: int) -> None:
        if not self._visible(user_id):
            return
        tables = self._unit.tables
        del tables.accounts[user_id]
        tables.sessions = {key: one for key, one in tables.sessions.items() if one.user_id != user_id}
        tables.resets.pop(user_id, None)
        orphans = {key: replace(one, owner_id=None) for key, one in tables.presets.items() if one.owner_id == user_id}
        tables.presets |= orphans

    async def all(self) -> list[User]:
        users = [account.user for account in self._unit.tables.accounts.values()]
        seen = [user for user in users if self._unit.sees(user.company_id)]
        return sorted(seen, key=lambda user: (user.role, user.first_name, user.id))

    async def page(self, query: UserQuery, *, offset: int, limit: int) -> tuple[list[User], int]:
        found = [user for user in await self.all() if _is_asked_for(user, query)]
        return window(found, offset, limit), len(found)

    def _visible(self, user_id: int) -> Account | None:
        account = self._unit.tables.accounts.get(user_id)
        return account if account and self._unit.sees(account.user.company_id) else None

    def _named(self, username: str) -> Account | None:
        name, accounts = folded_name(username), self._unit.tables.accounts.values()
        return next((one for one in accounts if folded_name(one.user.username) == name), None)


def _require_role(user: User) -> None:
    if user.role not in get_args(Role) or (user.role == "SuperAdmin") != (user.company_id is None):
        raise RequestError(REFUSED)


def _is_asked_for(user: User, query: UserQuery) -> bool:
    names = (user.username, user.first_name, user.last_name)
    return (
        any(query.search.casefold() in name.casefold() for name in names)
        and query.role in (None, user.role)
        and query.active in (None, user.active)
    )
