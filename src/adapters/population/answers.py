"""A population for an event loop: short questions are answered in passing, long ones beside it, so many at a time."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from adapters.population.threads import stopping
from segmentation_core.errors import Overloaded, Unavailable
from segmentation_core.population import Answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmentation_core.population import Population

T = TypeVar("T")

SECONDS_TO_A_SIZE = 50e-6
SECONDS_TO_A_ROW = 3e-10
"""What a size takes, about: `docs/performance.md`."""

SHORT = 0.002
"""Seconds for which a question may hold up the loop."""


class PopulationAnswers(Answers):
    """Answers from a population that can be replaced. Long questions run on the threads of the loop's executor.

    At most `running` run at once and `waiting` wait for them; each has `deadline` seconds, with its time in the queue.
    """

    def __init__(
        self,
        population: Population,
        *,
        running: int = 2,
        waiting: int = 32,
        deadline: float = 10.0,
        short: float = SHORT,
    ) -> None:
        self._population = population
        self._free = asyncio.Semaphore(running)
        self._room = waiting
        self._deadline = deadline
        self._short = short

    @property
    def population(self) -> Population:
        """The present population."""
        return self._population

    def replace(self, population: Population) -> None:
        """Answer from another population from now on; what has been asked already is answered from the one before."""
        self._population = population

    async def ask(self, question: Callable[[Population], T], work: int = 1) -> T:
        population = self._population
        if work * (SECONDS_TO_A_SIZE + population.rows * SECONDS_TO_A_ROW) <= self._short:
            return question(population)
        try:
            async with asyncio.timeout(self._deadline):
                await self._turn()
                return await self._aside(question, population)
        except TimeoutError as fault:
            msg = f"the population does not answer within {self._deadline:g} seconds"
            raise Unavailable(msg) from fault

    async def _turn(self) -> None:
        if self._free.locked() and not self._room:
            msg = "Too many long questions at once; please try again in a moment."
            raise Overloaded(msg)
        self._room -= 1
        try:
            await self._free.acquire()
        finally:
            self._room += 1

    async def _aside(self, question: Callable[[Population], T], population: Population) -> T:
        """Run the question on another thread. If nobody waits any more it is stopped, and has its place until it is."""
        stop = Event()
        context = copy_context()
        context.run(stopping.set, stop)
        running = asyncio.get_running_loop().run_in_executor(None, lambda: context.run(question, population))
        running.add_done_callback(self._ended)
        try:
            return await asyncio.shield(running)
        finally:
            stop.set()

    def _ended(self, running: asyncio.Future[T]) -> None:
        self._free.release()
        if not running.cancelled():
            running.exception()  # nobody may be left to hear of it
