"""Sessions are read with nearly every request: those that requests ask for at the same time are read together."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from segmentation_core.errors import Unavailable
from segmentation_core.ports import SessionReads

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from segmentation_core.ports import Work
    from segmentation_core.sessions import Session
    from segmentation_core.users import User

T = TypeVar("T")

_Answer: TypeAlias = "asyncio.Future[tuple[Session, User] | None]"
_Asked: TypeAlias = dict[str, list[_Answer]]

MOST_AT_ONCE: Final = 4
"""How many reads may be under way at once: a second one begins only where the first is slow."""

SLOW: Final = 0.05
"""After how many seconds a read is slow. What is asked for by then is read beside it."""

SECONDS: Final = 6.0
"""How long a read may take: past what the database gives a statement, so only a connection that hangs takes it all."""


class GatheredReads(SessionReads):
    """Reads of one process. Each begins after all that it answers was asked, so none tells what had ended before."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._asked: _Asked = {}
        self._reading = 0
        self._began = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def find(self, session_id: str) -> tuple[Session, User] | None:
        """Return a session as `Sessions.find` does. Raises Unavailable."""
        if not self._asked:
            if self._reading:
                asyncio.get_running_loop().call_at(self._began + SLOW, self._begin, self._asked)
            else:
                self._begin(self._asked)
        answer: _Answer = asyncio.get_running_loop().create_future()
        self._asked.setdefault(session_id, []).append(answer)
        return await answer

    def _begin(self, asked: _Asked) -> None:
        """Begin to read, unless what is asked for is read already, or too many reads are slow."""
        if asked is self._asked and self._reading < MOST_AT_ONCE:
            self._reading += 1
            self._task(self._read_on())

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work, context=Context())  # no one request's
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _read_on(self) -> None:
        """Read what is asked for, until nothing is."""
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                self._began = asyncio.get_running_loop().time()
                await self._answer(asked)
        finally:
            self._reading -= 1  # in the step that saw that nothing is asked: later, what is asked meanwhile would wait

    async def _answer(self, asked: _Asked) -> None:
        read = self._task(self._work.find_sessions(asked))
        read.add_done_callback(_looked_at)
        try:
            await asyncio.wait([read], timeout=SECONDS)
        finally:
            fault = _fault_of(read)
            for session_id, answers in asked.items():
                for answer in answers:
                    if answer.done():  # who asked went away
                        continue
                    if fault is None:
                        answer.set_result(read.result().get(session_id))
                    else:
                        answer.set_exception(fault)
                        answer.exception()  # looked at, lest asyncio complain where who asked goes away just then
            read.cancel()  # and not waited for: of a connection that hangs psycopg takes leave for 10 s


def _looked_at(read: asyncio.Task[Any]) -> None:
    """Look at how a read ended, lest asyncio complain: of one that was given up nobody waits for it."""
    if not read.cancelled():
        read.exception()


def _fault_of(read: asyncio.Task[Any]) -> BaseException | None:
    if not read.done() or read.cancelled():
        return Unavailable("The database does not answer.")
    return read.exception()
