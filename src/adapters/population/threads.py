"""Going through pieces on as many threads as there are processors: numpy lets them run side by side."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from adapters.population.blocks import PIECE_WORDS
from adapters.population.running import Scratch
from segmentation_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from adapters.population.blocks import Piece

T = TypeVar("T")

WORTH_A_THREAD = 2 * PIECE_WORDS
"""Of no more words than these one thread has done its share before another has started."""

FEWEST_WORDS = PIECE_WORDS // 4
"""Where pieces have fewer on the average, threads wait for each other between the calls that they make."""

stopping: ContextVar[Event | None] = ContextVar("stopping", default=None)
"""What is set when nobody waits for the answer any more."""


def processors() -> int:
    """Return how many threads this process can run side by side."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each_piece(ask: Callable[[Piece, Scratch], T], pieces: Sequence[Piece], spare: list[Scratch]) -> list[T]:
    """Return what `ask` answers for each piece; `spare` lends each thread a scratch.

    Raises Unavailable where the question is stopped before its end, between two pieces.
    """
    stop = stopping.get()
    answers: dict[int, T] = {}
    numbers = iter(range(len(pieces)))

    def work() -> None:
        scratch = spare.pop() if spare else Scratch()
        for number in numbers:
            if stop is not None and number and stop.is_set():
                break
            piece = pieces[number]
            answers[number] = ask(piece, scratch.fit(piece))
        spare.append(scratch)

    words = sum(piece.words for piece in pieces)
    others = min(processors(), len(pieces)) - 1
    if others > 0 and words > WORTH_A_THREAD and words >= FEWEST_WORDS * len(pieces):
        with ThreadPoolExecutor(others) as pool:
            running = [pool.submit(work) for _ in range(others)]
            work()
            for future in running:
                future.result()
    else:
        work()
    if len(answers) < len(pieces):
        refuse_stopped()
    return [answers[number] for number in range(len(pieces))]


def refuse_stopped() -> None:
    """Raise Unavailable where nobody waits for the answer any more."""
    stop = stopping.get()
    if stop is not None and stop.is_set():
        message = "the question was stopped before its end: it takes longer than it may"
        raise Unavailable(message)
