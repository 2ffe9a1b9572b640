"""Sessions are read with nearly every request: those that requests ask for at the same time are read together."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Final

from segmentation_core.errors import Unavailable
from segmentation_core.ports import SessionReads
from segmentation_core.users import ALL_COMPANIES

if TYPE_CHECKING:
    from segmentation_core.ports import Work
    from segmentation_core.sessions import Session
    from segmentation_core.users import User

MOST_AT_ONCE: Final = 4
"""How many reads may be under way at once: a second one begins only where the first is slow."""

SLOW: Final = 0.05
"""After how many seconds a read is slow. What is asked for before is the next one's."""

SECONDS: Final = 6.0
"""How long a read may take: past what the database gives a statement, so only a connection that hangs takes it all."""


class GatheredReads(SessionReads):
    """Reads of one process. Each begins after all that it answers was asked, so none tells what had ended before."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._asked: dict[str, asyncio.Future[tuple[Session, User] | None]] = {}
        self._reading = 0
        self._began = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def find(self, session_id: str) -> tuple[Session, User] | None:
        """Return a session as `Sessions.find` does. Raises Unavailable."""
        asked = self._asked.get(session_id)
        if asked is None:
            asked = self._asked[session_id] = asyncio.get_running_loop().create_future()
            is_slow = asyncio.get_running_loop().time() > self._began + SLOW
            if not self._reading or (is_slow and self._reading < MOST_AT_ONCE):
                self._reading += 1
                reading = asyncio.get_running_loop().create_task(self._read_on(), context=Context())  # no one request's
                self._tasks.add(reading)
                reading.add_done_callback(self._tasks.discard)
        return await asyncio.shield(asked)

    async def _read_on(self) -> None:
        """Read what is asked for, until nothing is."""
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                self._began = asyncio.get_running_loop().time()
                await self._answer(asked)
        finally:
            self._reading -= 1  # in the step that saw that nothing is asked: later, what is asked meanwhile would wait

    async def _answer(self, asked: dict[str, asyncio.Future[tuple[Session, User] | None]]) -> None:
        found: dict[str, tuple[Session, User]] = {}
        fault: Exception | None = None
        try:
            async with asyncio.timeout(SECONDS):
                found = await self._work.run(ALL_COMPANIES, lambda stores: stores.sessions.find_all(asked))
        except TimeoutError:
            fault = Unavailable("The database does not answer.")
        except Exception as raised:  # noqa: BLE001  those who asked raise it
            fault = raised
        except asyncio.CancelledError:
            fault = Unavailable("The service is stopping.")
            raise
        finally:
            for session_id, future in asked.items():
                if fault is None:
                    future.set_result(found.get(session_id))
                else:
                    future.set_exception(fault)
                    future.exception()  # looked at, lest asyncio complain where nobody waits any more
