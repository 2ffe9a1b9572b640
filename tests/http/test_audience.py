"""Building audiences over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from entrypoints import demo
from segmentation_core import Catalog, parse_filter
from segmentation_core.testing import conjunctive_filter_documents
from tests.served import Browser, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    SignedIn = Callable[[str], Browser]

CATALOG = Catalog.from_json(demo.CATALOG.read_bytes())
YOUNG_DRIVERS = {"age": ["20-30", "30-40"], "policies": ["car"]}


@pytest.fixture(scope="module")
def analyst(signed_in: SignedIn) -> Browser:
    return signed_in("analyst")


def built(browser: Browser, body: dict[str, Any]) -> dict[str, Any]:
    answer = browser.post("/api/build-audience", body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_an_audience_has_its_size_and_its_lists(analyst: Browser) -> None:
    audience = built(analyst, {"audienceFilters": YOUNG_DRIVERS, "segments": {}, "metadata": {"page": 1}})
    assert audience["audienceCount"] == 795
    assert audience["inclusionSegments"] == ["age_20-30", "age_30-40"]
    assert audience["exclusionSegments"] == ["policy_car_no"]
    assert audience["exact"] is True
    assert audience["clauses"] == [
        {"include": [["age_20-30", "age_30-40"]], "exclude": ["policy_car_no"], "direct": {}, "count": 795}
    ]
    assert audience["certificate"] == {"clauses": 1, "segments": 3, "lower_bound": {"clauses": 1, "segments": 3}}
    metadata = audience["metadata"]
    assert (metadata["total_inclusion"], metadata["total_exclusion"]) == (2, 1)
    assert (metadata["built_by"], metadata["catalog"]) == ("analyst", "caravan 1")
    assert metadata["fingerprint"] == parse_filter(YOUNG_DRIVERS, CATALOG).fingerprint
    assert audience["message"] == "795 people. One ad set: include 2 lists, exclude 1."


def test_fields_of_the_frontend_that_the_catalogue_lacks_are_accepted_while_empty(analyst: Browser) -> None:
    lean = built(analyst, {"audienceFilters": YOUNG_DRIVERS})
    full = built(analyst, {"audienceFilters": YOUNG_DRIVERS | {"city_name": [], "income": [], "caravan": []}})
    assert lean["audienceCount"] == full["audienceCount"]
    assert lean["metadata"]["fingerprint"] == full["metadata"]["fingerprint"]


def test_the_full_language_is_taken_as_filter(analyst: Browser) -> None:
    audience = built(analyst, {"filter": {"and": [{"age": ["20-30", "30-40"]}, {"policies": ["car"]}]}})
    assert audience["audienceCount"] == 795


def test_nobody_is_an_exact_audience_of_no_ad_sets(analyst: Browser) -> None:
    audience = built(analyst, {"filter": {"dimension": "age", "in": []}})
    assert (audience["audienceCount"], audience["exact"], audience["clauses"]) == (0, True, [])


def test_everyone_is_included_by_the_cheapest_lists(analyst: Browser) -> None:
    audience = built(analyst, {"audienceFilters": {}})
    assert (audience["audienceCount"], len(audience["inclusionSegments"])) == (5822, 2)


def test_what_one_ad_set_cannot_say_gets_several_that_share_nobody(analyst: Browser) -> None:
    wanted = {"or": [{"age": ["20-30"], "caravan": ["yes"]}, {"age": ["70-80"], "caravan": ["no"]}]}
    audience = built(analyst, {"filter": wanted})
    assert audience["audienceCount"] > 0
    assert audience["exact"] is True
    assert audience["inclusionSegments"] == audience["exclusionSegments"] == []
    assert len(audience["clauses"]) == 2
    assert sum(clause["count"] for clause in audience["clauses"]) == audience["audienceCount"]


def test_a_plan_of_several_ad_sets_has_empty_flat_lists_since_they_could_only_mislead(tmp_path: Path) -> None:
    document = {
        "name": "two", "version": "1",
        "dimensions": [
            {"id": name, "kind": "multi", "values": [{"id": f"{name}{i}"} for i in range(2)]} for name in "ab"
        ],
        "segments": [
            {"id": f"{use}{{{name}}}", "for_each": [name], "absent": use == "no "} for name in "ab" for use in ("", "no ")
        ],
    }  # fmt: skip
    catalog, people = tmp_path / "catalog.json", tmp_path / "people.csv"
    catalog.write_text(json.dumps(document))
    people.write_text("a0,a1,b0,b1\n1,0,1,0\n1,1,1,1\n0,1,0,1\n1,0,0,0\n0,0,0,0\n")
    with serving("--catalog", str(catalog), "--data", str(people)) as (address, _):
        browser = Browser(address)
        browser.sign_in("analyst")
        audience = built(browser, {"audienceFilters": {"a": ["a0", "a1"], "b": ["b0", "b1"]}})
    assert audience["audienceCount"] == sum(clause["count"] for clause in audience["clauses"]) == 3
    assert audience["inclusionSegments"] == audience["exclusionSegments"] == []
    assert audience["exact"] is True
    assert len(audience["clauses"]) == 2
    assert audience["message"].startswith("3 people. 2 ad sets, which share nobody: one cannot say this.")
    assert audience["certificate"] == {"clauses": 2, "segments": 7, "lower_bound": {"clauses": 2, "segments": 7}}


def test_a_dsp_account_gets_the_same_size_and_no_list(signed_in: SignedIn) -> None:
    buyer = signed_in("buyer")
    answer = buyer.post("/api/build-audience", {"audienceFilters": YOUNG_DRIVERS})
    assert set(answer.json()) == {"audienceCount", "message", "metadata"}
    assert answer.json()["audienceCount"] == 795
    catalog = buyer.get("/api/catalog")
    assert "segments" not in catalog.json()
    for segment in CATALOG.segments:
        assert segment.id not in answer.text
        assert segment.id not in catalog.text


def test_the_catalogue_is_the_files_document(analyst: Browser) -> None:
    assert analyst.get("/api/catalog").json() == json.loads(demo.CATALOG.read_bytes())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(document=conjunctive_filter_documents(CATALOG))
def test_every_choice_of_the_dashboard_is_answered_exactly(analyst: Browser, document: dict[str, Any]) -> None:
    audience = built(analyst, {"audienceFilters": document})
    assert audience["exact"] is True
    assert sum(clause["count"] for clause in audience["clauses"]) == audience["audienceCount"]


@pytest.mark.parametrize(
    ("body", "path", "nearest"),
    [
        ({"audienceFilters": {"agee": ["20-30"]}}, "$.audienceFilters.agee", "age"),
        ({"audienceFilters": {"age": ["20-31"]}}, "$.audienceFilters.age[0]", "20-30"),
        ({"audienceFilters": {"age": "20-30"}}, "$.audienceFilters.age", "list"),
        ({"audienceFilters": {"age": [1]}}, "$.audienceFilters.age[0]", "20-30"),
        ({"audienceFilters": {"and": [{"age": ["20-30"]}]}}, "$.audienceFilters.and", "age"),
        ({"audienceFilters": []}, "$.audienceFilters", None),
        ({"filter": {"dimension": "age", "inn": ["20-30"]}}, "$.filter.inn", "in"),
        ({"filter": {"and": [{}, {"not": {"dimension": "age", "between": ["30-40", "20-30"]}}]}}, None, "lower end"),
        ({"filter": {"preset": 17}}, "$.filter.preset", None),
        ({}, "$", "audienceFilters"),
        ({"audienceFilters": {}, "filter": {}}, "$", "one of"),
        ({"audienceFilters": {}, "segment": {}}, "$.segment", None),
        ([], "$", None),
        (None, "$", None),
    ],
)
def test_bad_input_is_a_400_that_names_the_place(
    analyst: Browser, body: object, path: str | None, nearest: str | None
) -> None:
    answer = analyst.post("/api/build-audience", body)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["path"] == path or (path is None and error["path"] == "$.filter.and[1].not.between")
    assert nearest is None or nearest in error["expected"]
    assert error["message"] in answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"{", "not JSON at line 1"),
        (b'{"audienceFilters": {"age": ["20-30"], "age": []}}', "twice"),
        (b'{"audienceFilters": {"age": [NaN]}}', "NaN"),
        (b'{"audienceFilters": {"age": ["\\ud800"]}}', "surrogate"),
        (b'{"audienceFilters": {"age": ["\xff"]}}', "UTF-8"),
        (b'{"filter":' * 5_000 + b"{}" + b"}" * 5_000, "nested more than 32 deep"),
        (b'{"filter": {"not": ' * 40 + b"{}" + b"}}" * 40, "nested more than 32 deep"),
    ],
)
@pytest.mark.requirement(27)
def test_malformed_json_is_a_400_that_says_why(analyst: Browser, body: bytes, said: str) -> None:
    answer = analyst.post_raw("/api/build-audience", body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.requirement(31)
def test_a_body_of_10_mb_is_413(analyst: Browser) -> None:
    for body in (b"a" * 10_000_000, b'{"audienceFilters": {"age": ["' + b"a" * 10_000_000 + b'"]}}'):
        answer = analyst.post_raw("/api/build-audience", body)
        assert answer.status_code == 413
        assert "1 MB" in answer.json()["error"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=latin-1", "application/xml"])
@pytest.mark.requirement(18)
def test_other_content_types_are_415(analyst: Browser, content_type: str) -> None:
    assert analyst.post_raw("/api/build-audience", b'{"audienceFilters": {}}', content_type).status_code == 415
