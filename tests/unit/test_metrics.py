"""What is counted where the service itself is at fault, or refuses."""

from __future__ import annotations

import pytest

from adapters.cache import LruAnswers
from adapters.thinking import InlineThinking
from entrypoints.metrics import CountedBuilds, Metrics, TimedPopulation
from segmentation_core import INCLUDE_EXCLUDE, PlanMismatch, parse_filter
from segmentation_core.testing import everybody
from segmentation_core.usecases import Reading
from tests.unit.house import HandClock
from tests.unit.test_audiences import ANA, CATALOG, Noted, _Short

pytestmark = pytest.mark.anyio


async def test_plans_that_reach_another_number_are_counted() -> None:
    metrics = Metrics(LruAnswers(0))
    build = CountedBuilds(
        metrics,
        catalog=CATALOG,
        population=TimedPopulation(_Short.from_people(CATALOG, everybody(CATALOG)), metrics),
        thinking=InlineThinking(),
        clock=HandClock(),
        builds=Noted(),
        profiles={"include-exclude": INCLUDE_EXCLUDE},
    )
    for times in (1, 2):
        with pytest.raises(PlanMismatch):
            await build(ANA, Reading(lambda: parse_filter({"car": ["yes"]}, CATALOG)))
        assert metrics.registry.get_sample_value("segmentation_plan_mismatches_total") == times


def test_throttled_sign_ins_are_counted() -> None:
    metrics = Metrics(LruAnswers(0))
    for route, status in (("/api/auth/login", 429), ("/api/auth/login", 401), ("/api/users", 429)):
        metrics.answered("POST", route, status, 0.01)
    assert metrics.registry.get_sample_value("segmentation_throttled_sign_ins_total") == 1
