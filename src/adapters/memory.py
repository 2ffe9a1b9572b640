"""Every store in memory: for the demo, for tests, for users of the library. They live as long as their process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from segmentation_core.errors import Conflict
from segmentation_core.ports import Sessions, Users
from segmentation_core.users import Account, User, folded_name

if TYPE_CHECKING:
    from datetime import datetime

    from segmentation_core.sessions import Session


class MemoryUsers(Users):
    """Accounts in a dict. No method awaits, so each is atomic on an event loop."""

    def __init__(self) -> None:
        self._accounts: dict[int, Account] = {}
        self._ids: dict[str, int] = {}
        self._last_id = 0

    async def by_id(self, user_id: int) -> User | None:
        account = self._accounts.get(user_id)
        return account.user if account else None

    async def account(self, username: str) -> Account | None:
        return self._accounts.get(self._ids.get(folded_name(username), 0))

    async def add(self, user: User, password_hash: str) -> User:
        if folded_name(user.username) in self._ids:
            msg = f"The username {user.username!r} is taken."
            raise Conflict(msg)
        self._last_id += 1
        user = replace(user, id=self._last_id)
        self._ids[folded_name(user.username)] = user.id
        self._accounts[user.id] = Account(user, password_hash)
        return user

    async def set_password_hash(self, user_id: int, password_hash: str) -> None:
        if user_id in self._accounts:
            self._accounts[user_id] = replace(self._accounts[user_id], password_hash=password_hash)


class MemorySessions(Sessions):
    """Sessions in a dict. Those past their lifetime are dropped when a new one begins."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    async def begin(self, session: Session) -> None:
        ended = [known.id for known in self._sessions.values() if not known.is_alive(session.created)]
        for session_id in ended:
            del self._sessions[session_id]
        self._sessions[session.id] = session

    async def find(self, session_id: str) -> Session | None:
        return self._sessions.get(session_id)

    async def touch(self, session_id: str, seen: datetime) -> None:
        if session_id in self._sessions:
            self._sessions[session_id] = replace(self._sessions[session_id], seen=seen)

    async def end(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)
