"""What is asked of the population over HTTP: it answers as the library does, to every account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from adapters.population import BitmapIndex
from entrypoints import demo
from segmentation_core import Catalog, parse_filter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.served import Browser

    SignedIn = Callable[[str], Browser]

CATALOG = Catalog.from_json(demo.CATALOG.read_bytes())
YOUNG_DRIVERS: dict[str, Any] = {"age": ["20-30", "30-40"], "policies": ["car"]}


def as_json(answer: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(answer))


@pytest.fixture(scope="module")
def people() -> BitmapIndex:
    return BitmapIndex.load(CATALOG, demo.CUSTOMERS)


@pytest.mark.parametrize("username", ["analyst", "buyer"])
@pytest.mark.parametrize("question", ["size", "facets", "profile", "impact"])
@pytest.mark.parametrize(
    "document",
    [YOUNG_DRIVERS, {}, {"age": []}, {"and": [YOUNG_DRIVERS, {"not": {"caravan": ["yes"]}}]}],
    ids=["compact", "everyone", "no constraint", "full"],
)
def test_a_question_is_answered_as_by_the_library(
    signed_in: SignedIn, people: BitmapIndex, username: str, question: str, document: dict[str, Any]
) -> None:
    answer = signed_in(username).post(f"/api/audience/{question}", {"filter": document})
    assert answer.status_code == 200, answer.text
    answered = getattr(people, question)(parse_filter(document, CATALOG))
    assert answer.json() == as_json({"size": answered} if question == "size" else answered)


@pytest.mark.parametrize("question", ["size", "facets", "profile", "impact"])
def test_the_dashboards_form_is_taken_with_all_of_its_fields(signed_in: SignedIn, question: str) -> None:
    analyst = signed_in("analyst")
    compact = {"audienceFilters": {**YOUNG_DRIVERS, "unknown": []}, "segments": {}, "metadata": {"page": 1}}
    answer = analyst.post(f"/api/audience/{question}", compact)
    assert answer.json() == analyst.post(f"/api/audience/{question}", {"filter": YOUNG_DRIVERS}).json()
    assert answer.json()["size"] == 795


def test_overlaps_are_answered_as_by_the_library(signed_in: SignedIn, people: BitmapIndex) -> None:
    documents = [{"age": ["20-30"]}, YOUNG_DRIVERS, {"caravan": ["yes"]}]
    for username in ("analyst", "buyer"):
        answer = signed_in(username).post("/api/audience/overlap", {"filters": documents})
        assert answer.json() == as_json(people.overlap([parse_filter(one, CATALOG) for one in documents]))


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("size", {"filter": {"agee": []}}, "$.filter.agee"),
        ("facets", {"audienceFilters": {"age": ["x"]}}, "$.audienceFilters.age[0]"),
        ("profile", {}, "$"),
        ("impact", {"filter": {}, "profile": "meta"}, "$.profile"),
        ("overlap", {"filters": []}, "$.filters"),
        ("overlap", {"filters": [{}] * 11}, "$.filters"),
        ("overlap", {"filters": [{}, {"or": [{"age": ["x"]}]}]}, "$.filters[1].or[0].age[0]"),
        ("overlap", {"filters": [{}, {"preset": 999_999}]}, "$.filters[1].preset"),
    ],
)
def test_bad_questions_are_a_400_that_names_the_place(
    signed_in: SignedIn, path: str, body: dict[str, Any], place: str
) -> None:
    answer = signed_in("analyst").post(f"/api/audience/{path}", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"] == place


def test_presets_may_stand_in_every_question(signed_in: SignedIn) -> None:
    analyst = signed_in("analyst")
    body = {"preset_name": "for questions", "preset_filter_json": {"audienceFilters": YOUNG_DRIVERS}}
    saved = {"preset": analyst.post("/api/presets", body).json()["preset"]["preset_id"]}
    for question in ("size", "facets", "profile", "impact"):
        assert analyst.post(f"/api/audience/{question}", {"filter": saved}).json()["size"] == 795
    assert analyst.post("/api/audience/overlap", {"filters": [saved, {}]}).json()["sizes"] == [795, 5822]
