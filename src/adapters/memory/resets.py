"""Who may reset a password, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import asdict

from adapters.memory.values import require_storable
from segmentation_core.errors import NotFound
from segmentation_core.ports import Resets

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from adapters.memory.tables import Unit
    from segmentation_core.resets import Reset
    from segmentation_core.users import User


class MemoryResets(Resets):
    """The resets of one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def begin(self, reset: Reset) -> None:
        require_storable(**asdict(reset))
        account = self._unit.tables.accounts.get(reset.user_id)
        if account is None or not self._unit.sees(account.user.company_id):
            msg = "There is no such user."
            raise NotFound(msg)
        self._unit.tables.resets[reset.user_id] = reset

    async def find(self, digest: str) -> tuple[Reset, User] | None:
        seen = (one for one in self._unit.tables.resets.values() if one.digest == digest and self._in_scope(one))
        found = next(seen, None)
        return (found, self._user_of(found)) if found else None

    async def end(self, user_id: int) -> None:
        self._keep(lambda reset: reset.user_id != user_id)

    async def forget(self, before: datetime) -> None:
        self._keep(lambda reset: reset.created >= before)

    def _keep(self, kept: Callable[[Reset], bool]) -> None:
        resets = self._unit.tables.resets
        self._unit.tables.resets = {key: one for key, one in resets.items() if kept(one) or not self._in_scope(one)}

    def _in_scope(self, reset: Reset) -> bool:
        return self._unit.sees(self._user_of(reset).company_id)

    def _user_of(self, reset: Reset) -> User:
        return self._unit.tables.accounts[reset.user_id].user
