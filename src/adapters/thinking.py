"""Where long questions are worked out: on two threads, so that the event loop goes on, each with one at a time.

One thread plans filters, so that the planner is never in two at once; the other reads and writes large texts, which
then do not wait for filters. On each, accounts have their turns: whoever asks much waits longer, nobody else does.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from segmentation_core.errors import Overloaded
from segmentation_core.ports import Thinking

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MOST_WAITING: Final = 256
"""How many questions may be asked at once, on each thread."""

MOST_OF_ONE: Final = 24
"""How many of them may be one account's. Others have their turns between them, so it need not be few."""


class ThreadedThinking(Thinking):
    """A thread for filters and one for texts, each of which starts with its first question."""

    def __init__(self, *, waiting: int = MOST_WAITING, of_one: int = MOST_OF_ONE) -> None:
        self._filters = _Lane("planning", waiting, of_one)
        self._texts = _Lane("texts", waiting, of_one)

    async def answer(self, question: Callable[[], T], *, by: int, short: bool = False) -> T:
        if short and self._filters.is_idle:
            return question()
        return await self._filters.answer(question, by, aside=not short)

    async def read(self, question: Callable[[], T], *, by: int) -> T:
        return await self._texts.answer(question, by)


class _Lane:
    """A thread, and who waits for it."""

    def __init__(self, name: str, waiting: int, of_one: int) -> None:
        self._most = waiting
        self._most_of_one = of_one
        self._thread = ThreadPoolExecutor(1, name)
        self._asking: Counter[int] = Counter()
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}
        self._serves: int | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked."""
        return not self._asking

    async def answer(self, question: Callable[[], T], by: int, *, aside: bool = True) -> T:
        """Work out a question when it is its turn: on the thread, or in passing where it is too short for that."""
        if self._asking[by] >= self._most_of_one or self._asking.total() >= self._most:
            msg = "Too many requests of this kind wait to be worked out; please try again in a moment."
            raise Overloaded(msg)
        self._asking[by] += 1
        try:
            await self._turn(by)
        except asyncio.CancelledError:
            self._forget(by)
            raise
        if not aside:
            try:
                return question()
            finally:
                self._forget(by)
                self._serve_next()
        asked = asyncio.get_running_loop().run_in_executor(self._thread, question)
        # Counted until it ends, not until nobody waits for it any more: what has begun goes on.
        asked.add_done_callback(lambda ended: self._end(by, ended))
        return await asyncio.shield(asked)

    async def _turn(self, by: int) -> None:
        """Return when it is an account's turn. A question that nobody waits for any more then has none."""
        if self._serves is None:
            self._serves = by
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(by, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had just come
                self._serve_next()
            raise

    def _serve_next(self) -> None:
        """Let the account that has waited longest have its turn, and stand behind all others with what is left."""
        served, self._serves = self._serves, None
        while self._serves is None and self._waiting:
            first, *others = self._waiting
            by = others[0] if others and first == served else first
            turns = self._waiting.pop(by)
            turn = turns.popleft()
            if turns:
                self._waiting[by] = turns
            if not turn.cancelled():
                self._serves = by
                turn.set_result(None)

    def _end(self, by: int, ended: asyncio.Future[T]) -> None:
        if not ended.cancelled():
            ended.exception()  # looked at, lest asyncio complain where nobody waited for it
        self._forget(by)
        self._serve_next()

    def _forget(self, by: int) -> None:
        self._asking[by] -= 1
        if not self._asking[by]:
            del self._asking[by]


class InlineThinking(Thinking):
    """Works out each question where it is asked: for a library's users, and single commands."""

    async def answer(self, question: Callable[[], T], *, by: int, short: bool = False) -> T:  # noqa: ARG002
        return question()

    async def read(self, question: Callable[[], T], *, by: int) -> T:  # noqa: ARG002  as above
        return question()
