"""Where filters are planned: one thread, so that the event loop goes on, and the planner is never in two at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from segmentation_core.errors import Overloaded
from segmentation_core.ports import Thinking

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MOST_WAITING: Final = 64
"""How many questions may be asked at once."""

MOST_OF_ONE: Final = 8
"""How many of them may be one account's: others wait for so many of its worst questions, and no more."""


class ThreadedThinking(Thinking):
    """A thread of its own, which starts with the first question."""

    def __init__(self, *, waiting: int = MOST_WAITING, of_one: int = MOST_OF_ONE) -> None:
        self._most = waiting
        self._most_of_one = of_one
        self._thread = ThreadPoolExecutor(1, "planning")
        self._asking: Counter[int] = Counter()

    async def answer(self, question: Callable[[], T], *, by: int, short: bool = False) -> T:
        if short and not self._asking:
            return question()
        if self._asking[by] >= self._most_of_one or self._asking.total() >= self._most:
            msg = "Too many filters wait to be worked out; please try again in a moment."
            raise Overloaded(msg)
        asked = asyncio.get_running_loop().run_in_executor(self._thread, question)
        self._asking[by] += 1
        # Counted until it ends, not until nobody waits for it any more: what has begun goes on.
        asked.add_done_callback(lambda ended: self._forget(by, ended))
        return await asyncio.shield(asked)

    def _forget(self, by: int, ended: asyncio.Future[T]) -> None:
        if not ended.cancelled():
            ended.exception()  # looked at, lest asyncio complain where nobody waited for it
        self._asking[by] -= 1
        if not self._asking[by]:
            del self._asking[by]


class InlineThinking(Thinking):
    """Works out each question where it is asked: for a library's users, and single commands."""

    async def answer(self, question: Callable[[], T], *, by: int, short: bool = False) -> T:  # noqa: ARG002
        return question()
