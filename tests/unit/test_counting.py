"""Counting audiences for a dashboard: each question goes to the population, with how much work it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from segmentation_core import Catalog, TooComplex, parse_filter
from segmentation_core.listed_people import ListedPeople
from segmentation_core.population import MOST_AT_ONCE, MOST_OVERLAPPING, Answers
from segmentation_core.testing import everybody
from segmentation_core.usecases import CountAudiences

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmentation_core.population import Population

pytestmark = pytest.mark.anyio
T = TypeVar("T")
CATALOG = Catalog.from_json(b"""{"name": "small", "version": "1", "dimensions": [
    {"id": "car", "kind": "single", "values": [{"id": "yes"}, {"id": "no"}]},
    {"id": "likes", "kind": "multi", "values": [{"id": "tea"}, {"id": "rum"}]}]}""")
PEOPLE = ListedPeople(CATALOG, everybody(CATALOG))
WANTED = parse_filter({"car": ["yes"], "likes": ["tea"]}, CATALOG)


class AtOnce(Answers):
    """Answers at once, and keeps how much work each question was said to be."""

    def __init__(self) -> None:
        self.work: list[int] = []

    async def ask(self, question: Callable[[Population], T], work: int = 1) -> T:
        self.work.append(work)
        return question(PEOPLE)


async def test_every_question_is_answered_by_the_population() -> None:
    answers = AtOnce()
    count = CountAudiences(CATALOG, answers)
    assert await count.size(WANTED) == 2
    assert await count.sizes([WANTED] * 3) == (2, 2, 2)
    assert await count.facets(WANTED) == PEOPLE.facets(WANTED)
    assert await count.profile(WANTED) == PEOPLE.profile(WANTED)
    assert await count.overlap([WANTED] * 2) == PEOPLE.overlap([WANTED] * 2)
    assert await count.impact(WANTED) == PEOPLE.impact(WANTED)
    assert await count.sample(WANTED, 1) == PEOPLE.sample(WANTED, 1)
    assert answers.work == [1, 3, 1, 1, 4, 3, 17]


async def test_questions_past_a_bound_are_not_asked() -> None:
    answers = AtOnce()
    count = CountAudiences(CATALOG, answers)
    with pytest.raises(TooComplex, match="1001 filters in one question; ask for 1000 at most"):
        await count.sizes([WANTED] * (MOST_AT_ONCE + 1))
    with pytest.raises(TooComplex, match="11 filters"):
        await count.overlap([WANTED] * (MOST_OVERLAPPING + 1))
    assert not answers.work
