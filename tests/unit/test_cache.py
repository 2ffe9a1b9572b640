"""The cache of built audiences: bounded, counted, and never of another meaning."""

from __future__ import annotations

from threading import Thread

import pytest
from msgspec.structs import replace

from adapters.cache import LruAnswers
from adapters.population import BitmapIndex
from adapters.thinking import InlineThinking
from segmentation_core import INCLUDE_EXCLUDE, parse_filter
from segmentation_core.planning import Plan
from segmentation_core.population import PlanSize
from segmentation_core.testing import everybody
from segmentation_core.usecases import BuildAudience, Reading
from tests.unit.house import HandClock
from tests.unit.test_audiences import ANA, CATALOG, Noted

pytestmark = pytest.mark.anyio


class _Counting(BitmapIndex):
    """Counts how often plans are counted."""

    asked = 0

    def plan_size(self, plan: Plan) -> PlanSize:
        type(self).asked += 1
        return super().plan_size(plan)


def test_it_keeps_the_last_used_ones() -> None:
    kept = LruAnswers(2)
    kept.put(("a",), 1)
    kept.put(("b",), 2)
    assert kept.get(("a",)) == 1
    kept.put(("c",), 3)
    assert (kept.get(("a",)), kept.get(("b",)), kept.get(("c",)), len(kept)) == (1, None, 3, 2)
    assert (kept.hits, kept.misses) == (3, 1)


def test_one_of_no_room_keeps_nothing() -> None:
    kept = LruAnswers(0)
    kept.put(("a",), 1)
    assert (kept.get(("a",)), len(kept)) == (None, 0)


def test_threads_may_share_it() -> None:
    kept = LruAnswers(50)

    def use() -> None:
        for number in range(3_000):
            kept.put((str(number % 100),), number)
            kept.get((str(number % 77),))

    threads = [Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept) == 50
    assert kept.hits + kept.misses == 12_000


async def test_the_same_meaning_is_built_once_and_each_build_is_recorded() -> None:
    _Counting.asked = 0
    noted, kept = Noted(), LruAnswers(10)
    people = _Counting.from_people(CATALOG, everybody(CATALOG))
    profiles = dict.fromkeys(("include-exclude", "other"), INCLUDE_EXCLUDE)
    build = BuildAudience(CATALOG, people, InlineThinking(), HandClock(), noted, profiles, kept)
    first = await build(ANA, Reading(lambda: parse_filter({"car": ["yes"]}, CATALOG)))
    again = await build(ANA, Reading(lambda: parse_filter({"not": {"car": ["no"]}}, CATALOG)))
    assert (first.plan, first.count, first.plan_size) == (again.plan, again.count, again.plan_size)
    assert (_Counting.asked, kept.hits, kept.misses) == (1, 1, 1)
    assert len(noted.entries) == 2
    assert (await build(ANA, Reading(lambda: parse_filter({"car": ["no"]}, CATALOG)))).plan != first.plan
    assert _Counting.asked == 2


async def test_another_platform_is_another_answer() -> None:
    kept = LruAnswers(10)
    profiles = {name: replace(INCLUDE_EXCLUDE, id=name) for name in ("include-exclude", "other")}
    people = BitmapIndex.from_people(CATALOG, everybody(CATALOG))
    build = BuildAudience(CATALOG, people, InlineThinking(), HandClock(), Noted(), profiles, kept)
    wanted = parse_filter({"car": ["yes"]}, CATALOG)
    plans = [(await build(ANA, Reading(lambda: wanted), profile)).plan for profile in ("include-exclude", "other")]
    assert [plan.profile for plan in plans if plan] == ["include-exclude", "other"]
    assert kept.misses == 2
