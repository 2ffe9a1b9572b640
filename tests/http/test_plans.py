"""Plans for a platform, why each list is in one, and filters that refer to presets, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapters.profiles import shipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.served import Browser

    SignedIn = Callable[[str], Browser]

YOUNG_DRIVERS: dict[str, Any] = {"age": ["20-30", "30-40"], "policies": ["car"]}


@pytest.fixture(scope="module")
def analyst(signed_in: SignedIn) -> Browser:
    return signed_in("analyst")


def test_explain_says_of_each_list_why_it_is_there(analyst: Browser) -> None:
    answer = analyst.post("/api/audience/explain", {"audienceFilters": YOUNG_DRIVERS})
    assert answer.status_code == 200
    plan, whys = answer.json()["plan"], answer.json()["explanation"]
    (clause,) = plan["clauses"]
    assert [why["segment"] for why in whys] == [*clause["include"][0], *clause["exclude"]]
    assert whys[-1] == {
        "clause": 1,
        "use": "exclude",
        "group": None,
        "segment": "policy_car_no",
        "why": "excluded, because policies with car is wanted",
    }


def test_a_dsp_account_is_told_no_lists_by_explain(signed_in: SignedIn) -> None:
    answer = signed_in("buyer").post("/api/audience/explain", {"audienceFilters": YOUNG_DRIVERS})
    assert answer.status_code == 403
    assert "policy_car_no" not in answer.text


def test_a_profile_names_the_platform_that_is_planned_for(analyst: Browser) -> None:
    built = analyst.post("/api/build-audience", {"audienceFilters": YOUNG_DRIVERS, "profile": "meta"}).json()
    assert built["profile"] == "meta"
    assert built["audienceCount"] == 795
    assert any("Meta" in note for note in built["notes"])
    explained = analyst.post("/api/audience/explain", {"audienceFilters": YOUNG_DRIVERS, "profile": "meta"}).json()
    assert explained["plan"]["profile"] == "meta"
    default = analyst.post("/api/build-audience", {"audienceFilters": YOUNG_DRIVERS}).json()
    assert (default["profile"], default["notes"]) == ("include-exclude", [])


@pytest.mark.parametrize("path", ["/api/build-audience", "/api/audience/explain"])
def test_an_unknown_profile_is_a_400_that_tells_the_nearest(analyst: Browser, path: str) -> None:
    answer = analyst.post(path, {"audienceFilters": {}, "profile": "mete"})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["path"] == "$.profile"
    assert "perhaps meta" in error["expected"]


def test_the_platforms_are_listed_with_the_source_and_date_of_each_figure(analyst: Browser) -> None:
    answer = analyst.get("/api/platform-profiles")
    listed = answer.json()
    assert [profile["id"] for profile in listed["profiles"]] == list(shipped())
    assert listed["count"] == len(shipped())
    for profile in listed["profiles"]:
        assert profile["include_groups"].keys() >= {"value", "source", "date"}
    assert analyst.get("/api/platform-profiles", if_none_match=answer.headers["etag"]).status_code == 304


def test_a_preset_stands_for_its_filter_in_every_question(analyst: Browser) -> None:
    saved = analyst.post(
        "/api/presets", {"preset_name": "young drivers", "preset_filter_json": {"audienceFilters": YOUNG_DRIVERS}}
    ).json()["preset"]
    wanted = {"filter": {"and": [{"preset": saved["preset_id"]}, {}]}}
    assert analyst.post("/api/build-audience", wanted).json()["audienceCount"] == 795
    assert analyst.post("/api/audience/explain", wanted).json()["plan"]["clauses"]
    outer = analyst.post("/api/presets", {"preset_name": "outer", "preset_filter_json": wanted}).json()["preset"]
    assert (outer["valid"], outer["same_as"]) == (True, [])
    assert analyst.delete(f"/api/presets/{saved['preset_id']}").status_code == 200
    broken = analyst.get(f"/api/presets/{outer['preset_id']}").json()["preset"]
    assert broken["valid"] is False
    assert broken["problems"] == [
        {"path": "$.filter.and[0].preset", "message": "there is no such preset", "found": str(saved["preset_id"])}
    ]
    refused = analyst.post("/api/build-audience", wanted)
    assert (refused.status_code, refused.json()["errors"]) == (400, broken["problems"])


def test_a_colleagues_preset_is_told_as_one_that_does_not_exist(analyst: Browser, signed_in: SignedIn) -> None:
    body = {"preset_name": "a rival's", "preset_filter_json": {"audienceFilters": YOUNG_DRIVERS}}
    foreign = signed_in("rival").post("/api/presets", body).json()["preset"]["preset_id"]
    for preset_id in (foreign, 2**62):
        answer = analyst.post("/api/build-audience", {"filter": {"preset": preset_id}})
        assert answer.status_code == 400
        assert answer.json()["error"] == "$.filter.preset: there is no such preset."
