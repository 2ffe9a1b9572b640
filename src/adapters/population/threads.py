"""Going through blocks on as many threads as there are processors: numpy lets them run side by side."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

from adapters.population.running import Scratch
from segmentation_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from adapters.population.blocks import Block

T = TypeVar("T")

FEWEST_BLOCKS = 3
"""Of fewer blocks one thread has done its share before another has started."""

stopping: ContextVar[Event | None] = ContextVar("stopping", default=None)
"""What is set when nobody waits for the answer any more."""


def processors() -> int:
    """Return how many threads this process can run side by side."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each_block(ask: Callable[[Block, Scratch], T], blocks: Sequence[Block], spare: list[Scratch]) -> list[T]:
    """Return what `ask` answers for each block; `spare` lends each thread a scratch.

    Raises Unavailable where the question is stopped before its end, between two blocks.
    """
    if len(blocks) == 1:
        scratch = spare.pop() if spare else Scratch()
        answer = ask(blocks[0], scratch.fit(blocks[0]))
        spare.append(scratch)
        return [answer]
    stop = stopping.get()
    answers: dict[int, T] = {}
    numbers = iter(range(len(blocks)))

    def work() -> None:
        scratch = spare.pop() if spare else Scratch()
        for number in numbers:
            if stop is not None and stop.is_set():
                break
            block = blocks[number]
            answers[number] = ask(block, scratch.fit(block))
        spare.append(scratch)

    others = min(processors(), len(blocks)) - 1 if len(blocks) >= FEWEST_BLOCKS else 0
    if others > 0:
        with ThreadPoolExecutor(others) as pool:
            running = [pool.submit(work) for _ in range(others)]
            work()
            for future in running:
                future.result()
    else:
        work()
    if len(answers) < len(blocks):
        message = "the question was stopped before its end: it takes longer than it may"
        raise Unavailable(message)
    return [answers[number] for number in range(len(blocks))]
