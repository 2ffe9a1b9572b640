"""Saved filters over HTTP."""

from __future__ import annotations

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from entrypoints.http.entity_tags import _tags
from tests.http.conftest import ANONYMOUS, account
from tests.served import Browser

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    SignedIn = Callable[[str], Browser]

FIELDS = {
    "preset_id", "company_name", "username", "preset_name", "preset_filter_json", "created_date", "created_by_id",
    "updated_date", "version", "valid", "problems",
}  # fmt: skip
YOUNG: dict[str, Any] = {"audienceFilters": {"age": ["20-30"], "city_name": []}}
OLD: dict[str, Any] = {"audienceFilters": {"age": ["70-80"]}, "segments": {"include": ["age_70-80"]}, "metadata": {"z": [1, None]}}  # fmt: skip
MISSING = 987_654_321

_numbers = itertools.count()


def fresh() -> str:
    return f"preset {next(_numbers)}"


def saved(browser: Browser, document: object = None, name: str | None = None) -> dict[str, Any]:
    """Save a filter, by itself one that means nothing to the catalogue, so that no other is the same."""
    sent = document or {"audienceFilters": {"nonsense": [fresh()]}}
    answer = browser.post("/api/presets", {"preset_name": name or fresh(), "preset_filter_json": sent})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["preset"])


def path_of(preset: dict[str, Any]) -> str:
    return f"/api/presets/{preset['preset_id']}"


def without_same(preset: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in preset.items() if name != "same_as"}


def paths(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 400, answer.text
    return [error["path"] for error in answer.json()["errors"]]


@pytest.fixture(scope="module")
def analyst(signed_in: SignedIn) -> Browser:
    return signed_in("analyst")


def test_a_preset_is_kept_and_returned_unchanged(analyst: Browser) -> None:
    name = fresh()
    answer = analyst.post("/api/presets", {"preset_name": name, "preset_filter_json": OLD})
    assert answer.status_code == 201
    assert set(answer.json()) == {"message", "preset"}
    preset = answer.json()["preset"]
    assert set(preset) == FIELDS | {"same_as"}
    assert (preset["preset_name"], preset["username"], preset["company_name"]) == (name, "analyst", "Demo")
    assert preset["created_by_id"] == analyst.get("/api/auth/me").json()["user"]["id"]
    assert json.dumps(preset["preset_filter_json"]) == json.dumps(OLD)
    assert (preset["version"], preset["valid"], preset["problems"]) == (1, True, [])
    assert preset["created_date"] == preset["updated_date"]
    assert datetime.now(UTC) - datetime.fromisoformat(preset["created_date"]) < timedelta(minutes=5)
    assert answer.headers["etag"] == f'"{preset["preset_id"]}-1"'
    alone = analyst.get(path_of(preset))
    assert (alone.status_code, alone.json()) == (200, {"preset": preset})
    assert alone.headers["etag"] == answer.headers["etag"]
    everywhere = (
        analyst.get("/api/presets").json()["presets"],
        analyst.get("/api/presets/user/analyst").json()["presets"],
        analyst.get("/api/presets/user/ANALYST").json()["presets"],
    )
    for presets in everywhere:
        assert presets[0] == without_same(preset)


def test_a_text_that_holds_the_filter_is_returned_as_an_object(analyst: Browser) -> None:
    assert saved(analyst, json.dumps(OLD))["preset_filter_json"] == OLD
    preset = saved(analyst)
    changed = analyst.put(path_of(preset), {"preset_filter_json": json.dumps(YOUNG)})
    assert changed.json()["preset"]["preset_filter_json"] == YOUNG


WHOLE = {"preset_name": "never saved", "preset_filter_json": YOUNG}
NAMED: dict[str, Any] = {"preset_name": "never saved"}
DOCUMENT = "$.preset_filter_json"
NO_DOCUMENTS: list[object] = [
    None, "", " ", {}, [], "[]", "null", "1", '"text"', 1, True, "not JSON", "{", "{'a': 1}", '{"filter": NaN}',
    '{"filter": {}, "filter": {}}', {"segments": {}}, {"audienceFilters": {}, "filter": {}}, '{"segments": {}}',
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "$.preset_name"),
        ({"preset_filter_json": YOUNG}, "$.preset_name"),
        (NAMED, DOCUMENT),
        (WHOLE | {"preset_name": ""}, "$.preset_name"),
        (WHOLE | {"preset_name": " \t"}, "$.preset_name"),
        (WHOLE | {"preset_name": None}, "$.preset_name"),
        (WHOLE | {"preset_name": 1}, "$.preset_name"),
        (WHOLE | {"preset_name": "a\0b"}, "$.preset_name"),
        (WHOLE | {"preset_name": "x" * 256}, "$.preset_name"),
        *((WHOLE | {"preset_filter_json": sent}, DOCUMENT) for sent in NO_DOCUMENTS),
        (WHOLE | {"preset_filter_json": {"audienceFilters": []}}, f"{DOCUMENT}.audienceFilters"),
        (WHOLE | {"preset_filter_json": {"audienceFilters": None}}, f"{DOCUMENT}.audienceFilters"),
        (WHOLE | {"preset_filter_json": '{"filter": 1}'}, f"{DOCUMENT}.filter"),
        (WHOLE | {"preset_filter_json": YOUNG | {"segments": []}}, f"{DOCUMENT}.segments"),
        (WHOLE | {"preset_filter_json": YOUNG | {"metadata": "x"}}, f"{DOCUMENT}.metadata"),
        (WHOLE | {"preset_filter_json": YOUNG | {"extra": {}}}, f"{DOCUMENT}.extra"),
        (WHOLE | {"preset_id": 1}, "$.preset_id"),
        (WHOLE | {"company_name": "Rival"}, "$.company_name"),
        (WHOLE | {"username": "admin"}, "$.username"),
        ([], "$"),
        (None, "$"),
    ],
)  # fmt: skip
def test_what_is_no_preset_is_a_400_that_names_the_place(analyst: Browser, body: object, place: str) -> None:
    assert place in paths(analyst.post("/api/presets", body))
    assert analyst.get("/api/presets?search=never%20saved").json()["pagination"]["total_count"] == 0


def test_a_change_at_fault_is_a_400_that_names_the_place(analyst: Browser) -> None:
    preset = saved(analyst)
    for body, place in (
        ({}, "$"),
        ({"preset_name": ""}, "$.preset_name"),
        ({"preset_name": None}, "$.preset_name"),
        ({"preset_name": "x" * 256}, "$.preset_name"),
        ({"preset_name": "\0"}, "$.preset_name"),
        ({"preset_filter_json": None}, DOCUMENT),
        ({"preset_filter_json": {}}, DOCUMENT),
        ({"preset_filter_json": "x"}, DOCUMENT),
        ({"preset_name": "good", "preset_filter_json": {"filter": []}}, f"{DOCUMENT}.filter"),
        ({"version": 1}, "$.version"),
    ):
        assert place in paths(analyst.put(path_of(preset), body))
    assert analyst.get(path_of(preset)).json()["preset"] == preset


def test_what_the_catalogue_does_not_know_is_stored_and_told(analyst: Browser) -> None:
    preset = saved(analyst, {"audienceFilters": {"age": ["20-31"], "boat": ["yes"]}})
    assert preset["valid"] is False
    assert {problem["path"] for problem in preset["problems"]} == {"$.audienceFilters.age[0]", "$.audienceFilters.boat"}
    assert all(problem["message"] for problem in preset["problems"])
    assert analyst.get(path_of(preset)).json()["preset"] == preset


def test_one_user_has_one_preset_of_a_name(signed_in: SignedIn, analyst: Browser) -> None:
    first, second = saved(analyst), saved(analyst)
    again = analyst.post("/api/presets", {"preset_name": first["preset_name"], "preset_filter_json": OLD})
    renamed = analyst.put(path_of(second), {"preset_name": first["preset_name"]})
    for answer in (again, renamed):
        assert answer.status_code == 409
        assert "already" in answer.json()["error"]
    assert analyst.put(path_of(second), {"preset_name": second["preset_name"]}).status_code == 200
    for other in ("colleague", "rival", "admin"):
        saved(signed_in(other), name=first["preset_name"])


@pytest.mark.requirement(35)
def test_of_twenty_that_save_one_name_at_once_one_succeeds(analyst: Browser) -> None:
    body = {"preset_name": fresh(), "preset_filter_json": YOUNG}
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(
            answer.status_code for answer in pool.map(lambda _: analyst.post("/api/presets", body), range(20))
        )
    assert statuses == [201] + [409] * 19


def test_presets_that_mean_the_same_are_told_in_words(signed_in: SignedIn) -> None:
    manager, colleague = signed_in("manager"), signed_in("colleague")
    wanted = {"audienceFilters": {"age": ["40-50"], "policies": ["fire"]}}
    worded = {"filter": {"and": [{"policies": ["fire"]}, {"age": ["40-50"]}]}}
    first = saved(colleague, wanted, "fire at forty")
    assert first["same_as"] == []
    assert colleague.get(path_of(first)).json()["preset"]["same_as"] == []
    answer = manager.post("/api/presets", {"preset_name": "forty, fire", "preset_filter_json": worded})
    second = answer.json()["preset"]
    assert second["same_as"] == [{"preset_id": first["preset_id"], "preset_name": "fire at forty"}]
    assert answer.json()["message"] == "The preset is saved. It means the same people as “fire at forty”."
    assert manager.get(path_of(first)).json()["preset"]["same_as"] == [
        {"preset_id": second["preset_id"], "preset_name": "forty, fire"}
    ]
    assert colleague.get(path_of(first)).json()["preset"]["same_as"] == [], "a User is not told of others' presets"
    third = saved(manager, YOUNG, "another thing")
    changed = manager.put(path_of(third), {"preset_filter_json": wanted})
    assert changed.json()["message"] == (
        "The preset is changed. It means the same people as “fire at forty” and “forty, fire”."
    )
    assert [one["preset_name"] for one in changed.json()["preset"]["same_as"]] == ["fire at forty", "forty, fire"]
    lists = (manager.get("/api/presets").json()["presets"], manager.get("/api/presets/user/manager").json()["presets"])
    assert all("same_as" not in one for presets in lists for one in presets)
    rival = signed_in("rival").post("/api/presets", {"preset_name": "x", "preset_filter_json": wanted}).json()
    assert (rival["preset"]["same_as"], "same people" in rival["message"]) == ([], False)


NAMES = [
    'O\'Brien "the" 100%_x\\',
    "'; drop table presets; --",
    "%",
    "_",
    "\u202eשלם\u200f 👩🏽\u200d🚀",
    "a/b?c#d&e=f+g",
    "  spaces  ",
    "<script>alert(1)</script>",
    "line\r\nbreak\t\x1b[31m",
    "é" * 255,
    "e\u0301",
    "\u00e9",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_kept_exactly_and_found_by_any_part(signed_in: SignedIn, name: str) -> None:
    browser = signed_in("colleague")
    preset = saved(browser, name=name)
    assert preset["preset_name"] == name
    assert browser.get(path_of(preset)).json()["preset"]["preset_name"] == name
    for part in (name, name[-1], name.upper() if name.upper().casefold() == name.casefold() else name):
        found = browser.get(f"/api/presets?limit=100&search={quote(part, safe='')}").json()["presets"]
        assert preset["preset_id"] in [one["preset_id"] for one in found]
        assert all(part.casefold() in one["preset_name"].casefold() for one in found)
    browser.delete(path_of(preset))


@pytest.mark.parametrize(
    "username", ["a/b", "/lead/", "100% _ ? # & +", "\u202eשלם 👩🏽", "list", "versions", "o'neill\""]
)
def test_the_presets_of_a_user_of_whatever_name(signed_in: SignedIn, username: str) -> None:
    admin, address = signed_in("admin"), f"/api/presets/user/{quote(username, safe='')}"
    assert admin.get(address).json() == {"presets": [], "count": 0}
    made = admin.post("/api/users", account("Named") | {"username": username})
    assert made.status_code == 201
    browser = Browser(str(admin.http.base_url))
    browser.sign_in(username)
    preset = saved(browser)
    assert admin.get(address).json() == browser.get(address).json() == {"presets": [without_same(preset)], "count": 1}
    assert admin.delete(f"/api/users/{made.json()['user']['id']}").status_code == 200
    assert admin.get(address).json()["count"] == 1, "the presets stay with the company's Admins"
    assert admin.delete(path_of(preset)).status_code == 200


@pytest.mark.parametrize("username", ["%00", "a%00b", "x" * 256, "%ff", "%ED%A0%80"])
def test_what_no_username_can_be_is_a_400(analyst: Browser, username: str) -> None:
    assert paths(analyst.get(f"/api/presets/user/{username}")) == ["path.username"]


def nested(depth: int) -> dict[str, Any]:
    """Return a filter document that nests this deep."""
    return {"audienceFilters": {}, "metadata": json.loads('{"x":' * (depth - 1) + "0" + "}" * (depth - 1))}


@pytest.mark.requirement(27)
def test_a_body_nests_32_deep_and_no_deeper(analyst: Browser) -> None:
    assert saved(analyst, nested(31))["preset_filter_json"] == nested(31), "with the body around it that is 32"
    answer = analyst.post("/api/presets", {"preset_name": fresh(), "preset_filter_json": nested(32)})
    assert (answer.status_code, "32 deep" in answer.json()["error"]) == (400, True)
    text = saved(analyst, json.dumps(nested(32)))
    assert text["preset_filter_json"] == nested(32), "a text is a document of its own"
    answer = analyst.post("/api/presets", {"preset_name": fresh(), "preset_filter_json": json.dumps(nested(33))})
    assert (paths(answer), "32 deep" in answer.json()["error"]) == ([DOCUMENT], True)


@pytest.mark.requirement(31)
def test_a_document_of_nearly_1_mb_is_kept_and_a_larger_one_is_413(signed_in: SignedIn) -> None:
    rival = signed_in("rival")
    large: dict[str, Any] = {
        "audienceFilters": {"age": ["20-30"], "city_name": []},
        "metadata": {"x": ['é"\\\n' * 9] * 12_000},
    }
    body = json.dumps({"preset_name": "large", "preset_filter_json": large}, ensure_ascii=False).encode()
    assert 900_000 < len(body) < 1_000_000
    answer = rival.post_raw("/api/presets", body)
    assert answer.status_code == 201
    preset = answer.json()["preset"]
    assert rival.get(path_of(preset)).json()["preset"]["preset_filter_json"] == large
    assert rival.delete(path_of(preset)).status_code == 200
    large["metadata"]["y"] = "x" * 150_000
    answer = rival.post("/api/presets", {"preset_name": "larger", "preset_filter_json": large})
    assert answer.status_code == 413


def test_pages_are_the_newest_first(signed_in: SignedIn) -> None:
    colleague = signed_in("colleague")
    ids = [saved(colleague, name=f"paged {number}")["preset_id"] for number in range(5)][::-1]

    def page(query: str) -> tuple[list[int], dict[str, int]]:
        answer = colleague.get(f"/api/presets?search=PAGED&{query}")
        assert answer.status_code == 200
        assert set(answer.json()) == {"presets", "pagination"}
        assert all(set(preset) == FIELDS for preset in answer.json()["presets"])
        return [preset["preset_id"] for preset in answer.json()["presets"]], answer.json()["pagination"]

    assert page("page=1&limit=2") == (ids[:2], {"current_page": 1, "limit": 2, "total_count": 5, "total_pages": 3})
    assert page("page=3&limit=2") == (ids[4:], {"current_page": 3, "limit": 2, "total_count": 5, "total_pages": 3})
    assert page("page=4&limit=2") == ([], {"current_page": 4, "limit": 2, "total_count": 5, "total_pages": 3})
    assert page("page=999999999&limit=100")[0] == []
    assert page("") == (ids, {"current_page": 1, "limit": 10, "total_count": 5, "total_pages": 1})
    assert colleague.get("/api/presets?search=nothing%20has%20this").json() == {
        "presets": [],
        "pagination": {"current_page": 1, "limit": 10, "total_count": 0, "total_pages": 0},
    }
    listed = colleague.get("/api/presets/list").json()
    assert set(listed) == {"presets", "count"}
    assert listed["count"] == len(listed["presets"]) >= 5
    assert all(set(preset) == {"preset_id", "preset_name", "created_date"} for preset in listed["presets"])
    assert [preset["preset_id"] for preset in listed["presets"]][:5] == ids


@pytest.mark.parametrize(
    ("query", "place"),
    [
        *((f"page={value}", "query.page") for value in ("0", "-1", "1.0", "%2B1", "1_0", "٣", "", "%201", "1e2", "1000000000", "9" * 40)),
        *((f"limit={value}", "query.limit") for value in ("0", "101", "-1", "1.0", "ten", "")),
        ("search=%00", "query.search"),
        (f"search={'x' * 256}", "query.search"),
        ("search=%ff", "query"),
        ("per_page=3", "query.per_page"),
        ("limit=3&limit=3", "query.limit"),
    ],
)  # fmt: skip
@pytest.mark.requirement(29)
def test_a_query_out_of_range_is_a_400_that_names_the_parameter(analyst: Browser, query: str, place: str) -> None:
    assert paths(analyst.get(f"/api/presets?{query}")) == [place]


@pytest.mark.parametrize(
    "path", ["/api/presets/list", "/api/presets/1", "/api/presets/user/x", "/api/presets/1/versions"]
)
@pytest.mark.requirement(29)
def test_where_no_parameter_is_read_none_is_taken(analyst: Browser, path: str) -> None:
    assert paths(analyst.get(f"{path}?page=1")) == ["query.page"]


def test_changes_are_versions_and_can_be_reverted(signed_in: SignedIn, analyst: Browser) -> None:
    preset = saved(analyst, OLD)
    name = preset["preset_name"]
    changed = analyst.put(path_of(preset), {"preset_name": f"{name} b"})
    assert set(changed.json()) == {"message", "preset"}
    told = changed.json()["preset"]
    assert (told["version"], told["preset_name"], told["preset_filter_json"]) == (2, f"{name} b", OLD)
    assert told["created_date"] == preset["created_date"] < told["updated_date"]
    assert changed.headers["etag"] == f'"{preset["preset_id"]}-2"'
    assert signed_in("admin").put(path_of(preset), {"preset_filter_json": YOUNG}).status_code == 200
    answer = analyst.get(f"{path_of(preset)}/versions")
    assert set(answer.json()) == {"versions", "count"}
    assert answer.json()["count"] == 3
    fields = ("version", "preset_name", "preset_filter_json", "changed_by")
    assert [tuple(one[field] for field in fields) for one in answer.json()["versions"]] == [
        (3, f"{name} b", YOUNG, "admin"),
        (2, f"{name} b", OLD, "analyst"),
        (1, name, OLD, "analyst"),
    ]
    assert [one["changed_date"] for one in answer.json()["versions"]][1:] == [
        told["updated_date"],
        told["created_date"],
    ]
    back = analyst.post(f"{path_of(preset)}/revert", {"version": 1})
    assert back.status_code == 200
    assert set(back.json()) == {"message", "preset"}
    told = back.json()["preset"]
    assert (told["version"], told["preset_name"], told["preset_filter_json"]) == (4, name, OLD)
    assert back.headers["etag"] == f'"{preset["preset_id"]}-4"'
    assert analyst.get(path_of(preset)).json()["preset"] == told


@pytest.mark.parametrize("version", [0, -1, 1.5, "1", None, True, 2**63, [1]])
def test_what_is_no_version_is_a_400(analyst: Browser, version: object) -> None:
    assert paths(analyst.post(f"{path_of(saved(analyst))}/revert", {"version": version})) == ["$.version"]


def test_a_version_that_never_was_is_404(analyst: Browser) -> None:
    preset = saved(analyst)
    for version in (2, 2**63 - 1):
        assert analyst.post(f"{path_of(preset)}/revert", {"version": version}).status_code == 404
    assert paths(analyst.post(f"{path_of(preset)}/revert", {})) == ["$.version"]


ACTS: dict[str, Callable[..., httpx.Response]] = {
    "put": lambda browser, path, **headers: browser.put(path, {"preset_filter_json": OLD}, **headers),
    "revert": lambda browser, path, **headers: browser.post(f"{path}/revert", {"version": 1}, **headers),
    "delete": lambda browser, path, **headers: browser.delete(path, **headers),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.requirement(34)
def test_if_match_lets_nothing_be_overwritten(analyst: Browser, act: str) -> None:
    preset = saved(analyst)
    path, number = path_of(preset), preset["preset_id"]
    stale = analyst.get(path).headers["etag"]
    present = analyst.put(path, {"preset_filter_json": YOUNG}).headers["etag"]
    others = (
        f'"{number}-3"',
        f'"{number}-{"9" * 30}"',
        f'"{number + 1}-2"',
        f"W/{present}",
        '"x"',
        '""',
        f'"{number}-+2"',
    )
    for tag in (stale, *others):
        answer = ACTS[act](analyst, path, if_match=tag)
        assert answer.status_code == 412, tag
        said = answer.json()["error"]
        assert "version 2 by now" in said
        if tag in others[2:]:
            assert said.endswith("by now, and no version of it was named.")
    for malformed in ("", ",", "x", present[1:-1], f"{present} {present}", f"*, {present}", '"', "2", '"a b"'):
        assert paths(ACTS[act](analyst, path, if_match=malformed)) == ["header.If-Match"]
    assert analyst.get(path).headers["etag"] == present, "nothing has changed"
    assert ACTS[act](analyst, path, if_match=present).status_code == 200
    assert ACTS[act](analyst, path, if_match=present).status_code == (404 if act == "delete" else 412)


def test_if_match_takes_any_of_several_tags_in_one_line_or_more(analyst: Browser) -> None:
    path = path_of(saved(analyst))
    present, other = analyst.get(path).headers["etag"], '"a,\\b"'
    stale = present
    for lines in (["OTHER, ETAG"], ["ETAG,OTHER"], [", OTHER ,, W/ETAG ,ETAG,"], ["OTHER", "ETAG"], ["ETAG", "ETAG"]):
        tags = [line.replace("ETAG", present).replace("OTHER", other) for line in lines]
        headers = [*analyst.headers().items(), *(("If-Match", line) for line in tags)]
        answer = analyst.http.put(path, json={"preset_filter_json": YOUNG}, headers=headers)
        assert answer.status_code == 200, (lines, answer.text)
        stale, present = present, answer.headers["etag"]
        assert stale != present
    for lines in ([f"{other}, W/{present}"], [other, '"1-1"'], [stale, other]):
        headers = [*analyst.headers().items(), *(("If-Match", line) for line in lines)]
        answer = analyst.http.put(path, json={"preset_filter_json": YOUNG}, headers=headers)
        assert answer.status_code == 412, lines


def test_an_if_match_of_many_blanks_takes_no_time(analyst: Browser) -> None:
    headers = {**analyst.headers(), "If-Match": f'"a",{" " * 20_000}x'}
    begun = time.process_time()
    assert _tags(headers["If-Match"]) == []
    assert time.process_time() - begun < 0.1
    answer = analyst.http.delete(f"/api/presets/{MISSING}", headers=headers)
    assert paths(answer) == ["header.If-Match"]


@pytest.mark.parametrize("act", ACTS)
def test_if_match_any_is_whichever_version_there_is(analyst: Browser, act: str) -> None:
    preset = saved(analyst)
    assert ACTS[act](analyst, path_of(preset), if_match="*").status_code == 200
    assert ACTS[act](analyst, f"/api/presets/{MISSING}", if_match="*").status_code == 404
    assert ACTS[act](analyst, f"/api/presets/{MISSING}", if_match=f'"{MISSING}-1"').status_code == 404


@pytest.mark.requirement(34)
def test_of_concurrent_changes_with_if_match_none_is_lost(analyst: Browser) -> None:
    path = path_of(saved(analyst, {"audienceFilters": {}, "metadata": {"count": 0}}))

    def add_one(_: int) -> None:
        while True:
            read = analyst.get(path)
            document = read.json()["preset"]["preset_filter_json"]
            document["metadata"]["count"] += 1
            answer = analyst.put(path, {"preset_filter_json": document}, if_match=read.headers["etag"])
            if answer.status_code == 200:
                return
            assert answer.status_code == 412

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_one, range(12)))
    preset = analyst.get(path).json()["preset"]
    assert (preset["preset_filter_json"]["metadata"]["count"], preset["version"]) == (12, 13)


def test_a_dsp_account_gets_no_segments_of_presets_nor_of_versions(signed_in: SignedIn, analyst: Browser) -> None:
    shown = {name: part for name, part in OLD.items() if name != "segments"}
    blind, buyer = signed_in("blind admin"), signed_in("buyer")
    preset = saved(analyst, OLD, "listed")
    answers = [
        blind.get(path_of(preset)),
        blind.get("/api/presets?search=listed"),
        blind.get("/api/presets/user/analyst"),
        blind.put(path_of(preset), {"preset_name": "listed too"}),
        blind.get(f"{path_of(preset)}/versions"),
        blind.post(f"{path_of(preset)}/revert", {"version": 1}),
        buyer.post("/api/presets", {"preset_name": "own lists", "preset_filter_json": OLD}),
    ]
    own = path_of(answers[-1].json()["preset"])
    answers += [buyer.get(own), buyer.get(f"{own}/versions"), buyer.get("/api/presets?search=own%20lists")]
    for answer in answers:
        assert answer.status_code in (200, 201)
        assert "age_70-80" not in answer.text
        assert "70-80" in answer.text
    written = blind.put(path_of(preset), {"preset_filter_json": shown | {"metadata": {"by": "blind"}}})
    assert "age_70-80" not in written.text
    assert analyst.get(path_of(preset)).json()["preset"]["preset_filter_json"]["segments"] == OLD["segments"]
    analyst.put(path_of(preset), {"preset_filter_json": OLD})
    assert answers[0].json()["preset"]["preset_filter_json"] == shown
    assert {json.dumps(one["preset_filter_json"]) for one in answers[4].json()["versions"]} == {json.dumps(shown)}
    assert analyst.get(path_of(preset)).json()["preset"]["preset_filter_json"] == OLD, "nothing was lost of it"


NO_IDS = ["0", "-1", "+1", "01", "1_000", "1.0", "1e3", "٣", "\uff11", "%201", "1%00", "0x1", "x", str(2**63), "9" * 40]


@pytest.mark.parametrize("text", [*NO_IDS, str(2**63 - 1)])
@pytest.mark.requirement(28)
def test_what_is_no_id_is_answered_like_one_that_is_not_there(analyst: Browser, text: str) -> None:
    missing = analyst.get(f"/api/presets/{MISSING}")
    answers = [act(analyst, f"/api/presets/{text}") for act in ACTS.values()]
    answers += [analyst.get(f"/api/presets/{text}"), analyst.get(f"/api/presets/{text}/versions")]
    for answer in answers:
        assert (answer.status_code, answer.content) == (404, missing.content)


# Who may do what with whose preset.

ROLES = ["superadmin", "admin", "manager", "colleague", "buyer", ANONYMOUS]
READ = {
    #           superadmin admin manager colleague buyer anonymous
    "self":     [200, 200, 200, 200, 200, 401],
    "company":  [200, 200, 200, 404, 404, 401],
    "foreign":  [200, 404, 404, 404, 404, 401],
    "missing":  [404, 404, 404, 404, 404, 401],
}  # fmt: skip
WRITE = READ | {"company": [200, 200, 403, 404, 404, 401]}
TABLE = {
    "GET /api/presets/{preset_id}": READ,
    "GET /api/presets/{preset_id}/versions": READ,
    "PUT /api/presets/{preset_id}": WRITE,
    "POST /api/presets/{preset_id}/revert": WRITE,
    "DELETE /api/presets/{preset_id}": WRITE,
}
OF_NO_PRESET = {
    "GET /api/presets": [200] * 5 + [401],
    "GET /api/presets/list": [200] * 5 + [401],
    "GET /api/presets/user/{username}": [200] * 5 + [401],
    "POST /api/presets": [201] * 5 + [401],
}
BODIES = {"PUT": {"preset_filter_json": OLD}, "POST": {"version": 1}}
OWNERS = {"company": "analyst", "foreign": "rival"}


@pytest.mark.parametrize("whose", READ)
@pytest.mark.parametrize("operation", TABLE)
def test_who_may_do_what(signed_in: SignedIn, operation: str, whose: str) -> None:
    method, path = operation.split()
    statuses, refusals = [], set()
    for role in ROLES:
        browser = signed_in(role)
        owner = "analyst" if role == ANONYMOUS else OWNERS.get(whose, role)
        preset_id = MISSING if whose == "missing" else saved(signed_in(owner))["preset_id"]
        answer = browser.http.request(
            method, path.replace("{preset_id}", str(preset_id)), headers=browser.headers(), json=BODIES.get(method)
        )
        statuses.append(answer.status_code)
        refusals |= {answer.content} if answer.status_code == 404 else set()
    assert statuses == TABLE[operation][whose]
    assert refusals <= {signed_in("analyst").get(f"/api/presets/{MISSING}").content}, "foreign and missing look alike"


@pytest.mark.parametrize("operation", OF_NO_PRESET)
def test_who_may_list_and_save(signed_in: SignedIn, operation: str) -> None:
    method, path = operation.split()
    statuses = []
    for role in ROLES:
        browser = signed_in(role)
        body = {"preset_name": fresh(), "preset_filter_json": YOUNG} if method == "POST" else None
        answer = browser.http.request(
            method, path.replace("{username}", "analyst"), headers=browser.headers(), json=body
        )
        statuses.append(answer.status_code)
    assert statuses == OF_NO_PRESET[operation]


def test_the_tables_have_every_operation(browser: Browser) -> None:
    document = browser.http.get("/schema/openapi.json").json()["paths"]
    operations = {
        f"{method.upper()} {path}" for path in document for method in document[path] if path.startswith("/api/presets")
    }
    assert operations == {*TABLE, *OF_NO_PRESET}


def test_lists_have_what_the_caller_may_read_and_nothing_else(signed_in: SignedIn) -> None:
    mark = fresh()
    owners = ("superadmin", "admin", "manager", "colleague", "buyer", "analyst", "rival")
    ids = {owner: saved(signed_in(owner), name=f"{mark} of {owner}")["preset_id"] for owner in owners}
    company = {"admin", "manager", "colleague", "buyer", "analyst"}
    for role, readable in (
        ("superadmin", set(owners)),
        ("admin", company),
        ("manager", company),
        ("colleague", {"colleague"}),
        ("buyer", {"buyer"}),
        ("rival", {"rival"}),
        ("rival admin", {"rival"}),
    ):
        browser, seen = signed_in(role), {ids[owner] for owner in readable}
        paged = browser.get(f"/api/presets?limit=100&search={mark}%20").json()["presets"]
        listed = browser.get("/api/presets/list").json()["presets"]
        named = [preset for owner in owners for preset in browser.get(f"/api/presets/user/{owner}").json()["presets"]]
        for found in (paged, listed, named):
            assert {preset["preset_id"] for preset in found} & set(ids.values()) == seen, role
    (of_root,) = [one for one in signed_in("superadmin").get("/api/presets/user/superadmin").json()["presets"] if one["preset_id"] == ids["superadmin"]]  # fmt: skip
    assert of_root["company_name"] is None


def test_deleting_takes_the_history_too_and_says_so(analyst: Browser) -> None:
    preset = saved(analyst)
    answer = analyst.delete(path_of(preset))
    assert (answer.status_code, set(answer.json())) == (200, {"message"})
    for again in (
        analyst.get(path_of(preset)),
        analyst.get(f"{path_of(preset)}/versions"),
        analyst.delete(path_of(preset)),
    ):
        assert again.status_code == 404
    assert saved(analyst, name=preset["preset_name"])["preset_id"] != preset["preset_id"]


def test_a_list_that_the_client_has_is_not_sent_again(analyst: Browser) -> None:
    preset = saved(analyst)
    lists = ["/api/presets?limit=1", "/api/presets/list", "/api/presets/user/analyst", f"{path_of(preset)}/versions"]
    tags = {path: analyst.get(path).headers["etag"] for path in lists}
    for path, tag in tags.items():
        again = analyst.get(path, if_none_match=tag)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "no-store"
        assert analyst.get(path, if_none_match='"other"').status_code == 200
    analyst.put(path_of(preset), {"preset_name": fresh()})
    for path, tag in tags.items():
        assert analyst.get(path, if_none_match=tag).status_code == 200, path


def test_a_refused_caller_is_not_told_that_a_list_is_the_same(signed_in: SignedIn, browser: Browser) -> None:
    tag = signed_in("analyst").get("/api/presets").headers["etag"]
    assert browser.http.get("/api/presets", headers={"If-None-Match": tag}).status_code == 401
    assert signed_in("rival").get("/api/presets", if_none_match=tag).status_code == 200
