"""Sessions, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from adapters.memory.values import require_storable
from segmentation_core.errors import NotFound
from segmentation_core.ports import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from adapters.memory.tables import Unit
    from segmentation_core.sessions import Session
    from segmentation_core.users import User


class MemorySessions(Sessions):
    """The sessions of one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def begin(self, session: Session) -> None:
        require_storable(**asdict(session))
        account = self._unit.tables.accounts.get(session.user_id)
        if account is None or not self._unit.sees(account.user.company_id):
            msg = "There is no such user."
            raise NotFound(msg)
        self._unit.tables.sessions[session.id] = session

    async def find(self, session_id: str) -> tuple[Session, User] | None:
        session = self._unit.tables.sessions.get(session_id)
        return (session, self._user_of(session)) if session and self._in_scope(session) else None

    async def find_all(self, session_ids: Collection[str]) -> dict[str, tuple[Session, User]]:
        found = {session_id: await self.find(session_id) for session_id in session_ids}
        return {session_id: one for session_id, one in found.items() if one}

    async def touch(self, session_id: str, seen: datetime) -> None:
        found = await self.find(session_id)
        if found:
            self._unit.tables.sessions[session_id] = replace(found[0], seen=seen)

    async def end(self, session_id: str) -> None:
        if await self.find(session_id):
            del self._unit.tables.sessions[session_id]

    async def end_all(self, user_id: int) -> None:
        self._keep(lambda session: session.user_id != user_id)

    async def forget(self, before: datetime) -> None:
        self._keep(lambda session: session.created >= before)

    def _keep(self, kept: Callable[[Session], bool]) -> None:
        sessions = self._unit.tables.sessions
        self._unit.tables.sessions = {key: one for key, one in sessions.items() if kept(one) or not self._in_scope(one)}

    def _in_scope(self, session: Session) -> bool:
        return self._unit.sees(self._user_of(session).company_id)

    def _user_of(self, session: Session) -> User:
        return self._unit.tables.accounts[session.user_id].user
