"""A population that is asked from an event loop: short questions at once, long ones aside, bounded in number and time."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

import pytest

from adapters.population import BitmapIndex, PopulationAnswers, threads
from segmentation_core import Catalog, parse_filter
from segmentation_core.errors import Overloaded, Unavailable
from tests.contract.test_population import small_blocks

if TYPE_CHECKING:
    from segmentation_core.population import Population

pytestmark = pytest.mark.anyio
LONG = 10**9
DIMENSION = {"id": "d", "kind": "single", "values": [{"id": "a"}, {"id": "b"}]}
CATALOG = Catalog.from_json(json.dumps({"name": "test", "version": "1", "dimensions": [DIMENSION]}))
EVERYONE = parse_filter({}, CATALOG)


def people(rows: int) -> BitmapIndex:
    return BitmapIndex.from_people(CATALOG, [{"d": "a"}] * rows)


def size(population: Population) -> tuple[int, bool]:
    return population.size(EVERYONE), threading.current_thread() is threading.main_thread()


async def test_short_questions_are_answered_in_passing_and_long_ones_aside() -> None:
    answers = PopulationAnswers(people(3))
    assert await answers.ask(size) == (3, True)
    assert await answers.ask(size, LONG) == (3, False)


async def test_the_loop_goes_on_during_a_long_question() -> None:
    answers = PopulationAnswers(people(3))
    begun, go_on = threading.Event(), threading.Event()

    def wait(population: Population) -> int:
        begun.set()
        assert go_on.wait(10)
        return population.size(EVERYONE)

    asked = asyncio.create_task(answers.ask(wait, LONG))
    assert await asyncio.to_thread(begun.wait, 10)
    assert await answers.ask(size) == (3, True)
    go_on.set()
    assert await asked == 3


async def test_so_many_run_so_many_wait_and_the_rest_are_turned_away() -> None:
    answers = PopulationAnswers(people(3), running=2, waiting=1)
    begun, go_on = threading.Semaphore(0), threading.Event()
    now: list[int] = []
    most: list[int] = []

    def wait(population: Population) -> int:
        now.append(1)
        most.append(len(now))
        begun.release()
        assert go_on.wait(10)
        now.pop()
        return population.rows

    asked = [asyncio.create_task(answers.ask(wait, LONG)) for _ in range(3)]
    for _ in range(2):
        assert await asyncio.to_thread(begun.acquire, timeout=10)
    with pytest.raises(Overloaded, match="try again"):
        await answers.ask(wait, LONG)
    assert await answers.ask(size) == (3, True)
    go_on.set()
    assert await asyncio.gather(*asked) == [3, 3, 3]
    assert max(most) == 2
    assert await answers.ask(size, LONG) == (3, False)


async def test_a_question_past_its_deadline_is_unavailable_and_is_stopped() -> None:
    answers = PopulationAnswers(people(3), running=1, deadline=0.05)
    stopped = threading.Event()

    def run(_: Population) -> None:
        stop = threads.stopping.get()
        assert stop
        if stop.wait(10):
            stopped.set()

    with pytest.raises(Unavailable, match=r"within 0\.05 seconds"):
        await answers.ask(run, LONG)
    assert await asyncio.to_thread(stopped.wait, 10)
    assert await PopulationAnswers(people(3)).ask(size, LONG) == (3, False)
    assert await answers.ask(size, LONG) == (3, False)


async def test_whoever_goes_away_stops_the_question() -> None:
    answers = PopulationAnswers(people(3))
    begun, stopped = threading.Event(), threading.Event()

    def run(_: Population) -> None:
        stop = threads.stopping.get()
        assert stop
        begun.set()
        assert stop.wait(10)
        stopped.set()

    asked = asyncio.create_task(answers.ask(run, LONG))
    assert await asyncio.to_thread(begun.wait, 10)
    asked.cancel()
    assert await asyncio.to_thread(stopped.wait, 10)
    with pytest.raises(asyncio.CancelledError):
        await asked


def test_a_stopped_question_ends_between_two_blocks() -> None:
    stop = threading.Event()
    token = threads.stopping.set(stop)
    try:
        with small_blocks():
            index = people(1000)
            assert len(index.blocks) == 8
            assert index.size(EVERYONE) == 1000
            stop.set()
            for ask in (index.size, lambda wanted: index.sample(wanted, 8)):
                with pytest.raises(Unavailable, match="stopped before its end"):
                    ask(EVERYONE)
    finally:
        threads.stopping.reset(token)


async def test_errors_of_a_question_are_its_callers() -> None:
    answers = PopulationAnswers(people(3))

    def fail(_: Population) -> None:
        message = "a fault"
        raise ValueError(message)

    for work in (1, LONG):
        with pytest.raises(ValueError, match="a fault"):
            await answers.ask(fail, work)


async def test_a_population_is_replaced_between_questions_and_not_within_one() -> None:
    answers = PopulationAnswers(people(3))
    begun, go_on = threading.Event(), threading.Event()

    def twice(population: Population) -> tuple[int, int]:
        before = population.size(EVERYONE)
        begun.set()
        assert go_on.wait(10)
        return before, population.size(EVERYONE)

    asked = asyncio.create_task(answers.ask(twice, LONG))
    assert await asyncio.to_thread(begun.wait, 10)
    newer = people(5)
    answers.replace(newer)
    assert answers.population is newer
    assert await answers.ask(size) == (5, True)
    go_on.set()
    assert await asked == (3, 3)
