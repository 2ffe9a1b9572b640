"""Reading the audit trail over HTTP."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.http.conftest import ANONYMOUS, account
from tests.served import Browser

if TYPE_CHECKING:
    from collections.abc import Callable

    SignedIn = Callable[[str], Browser]

FIELDS = {"number", "action", "actor", "actor_id", "subject", "before", "after", "at", "request_id", "seal", "company"}
DOCUMENT = {"audienceFilters": {"age": ["20-30"]}, "segments": {"include": ["age_20-30"]}, "metadata": {"a": 1}}

_numbers = itertools.count()


def fresh() -> str:
    return f"audited {next(_numbers)}"


def records(browser: Browser, query: str = "") -> list[dict[str, Any]]:
    """Return all the records, however many other tests have left."""
    found: list[dict[str, Any]] = []
    for page in itertools.count(1):
        answer = browser.get(f"/api/audit?limit=100&page={page}&{query}")
        assert answer.status_code == 200, answer.text
        found += answer.json()["records"]
        if page >= answer.json()["pagination"]["total_pages"]:
            assert len(found) == answer.json()["pagination"]["total_count"]
            break
    return found


def test_every_change_has_its_record_with_what_was_and_what_is(signed_in: SignedIn) -> None:
    admin = signed_in("admin")
    made = admin.post("/api/users", account(fresh()))
    user = made.json()["user"]
    changed = admin.put(f"/api/users/{user['id']}", {"dsp": True, "password": "quite another one"})
    deleted = admin.delete(f"/api/users/{user['id']}")
    gone, altered, created = records(admin)[:3]
    for record, answer, action in (
        (gone, deleted, "user deleted"),
        (altered, changed, "user changed"),
        (created, made, "user created"),
    ):
        assert set(record) == FIELDS
        assert (record["action"], record["actor"], record["subject"]) == (action, "admin", f"user {user['id']}")
        assert record["request_id"] == answer.headers["x-request-id"]
        assert len(record["seal"]) == 64
        assert datetime.fromisoformat(record["at"]).utcoffset() == timedelta(0)
    assert [gone["number"] - 2, altered["number"] - 1] == [created["number"]] * 2
    assert created["before"] is None
    assert created["after"]["username"] == user["username"]
    assert (altered["before"]["dsp"], altered["after"]["dsp"], altered["after"]["password"]) == (False, True, "changed")
    assert gone["after"] is None


def test_signing_in_and_presets_are_recorded(signed_in: SignedIn) -> None:
    analyst, admin = signed_in("analyst"), signed_in("admin")
    preset = analyst.post("/api/presets", {"preset_name": fresh(), "preset_filter_json": DOCUMENT}).json()["preset"]
    (record,) = [one for one in records(admin) if one["subject"] == f"preset {preset['preset_id']}"]
    assert (record["action"], record["after"]["document"]) == ("preset created", DOCUMENT)
    assert "signed in" in {one["action"] for one in records(admin, "actor=analyst")}


def test_a_dsp_admin_sees_no_segments_of_presets(signed_in: SignedIn) -> None:
    analyst, blind = signed_in("analyst"), signed_in("blind admin")
    preset = analyst.post("/api/presets", {"preset_name": fresh(), "preset_filter_json": DOCUMENT}).json()["preset"]
    path = f"/api/presets/{preset['preset_id']}"
    analyst.put(path, {"preset_filter_json": DOCUMENT | {"segments": {"exclude": ["age_30-40"]}}})
    analyst.post(f"{path}/revert", {"version": 1})
    analyst.delete(path)
    found = [one for one in records(blind) if one["subject"] == path.removeprefix("/api/").replace("s/", " ")]
    assert [one["action"] for one in found] == ["preset deleted", "preset reverted", "preset changed", "preset created"]
    told = [part["document"] for one in found for part in (one["before"], one["after"]) if part]
    assert len(told) == 6
    assert all(document == {name: DOCUMENT[name] for name in ("audienceFilters", "metadata")} for document in told)
    assert "age_20-30" not in blind.get("/api/audit?limit=100").text
    assert "age_20-30" in signed_in("admin").get("/api/audit?limit=100").text


def test_a_company_sees_its_own_chain_alone_and_a_superadmin_all(signed_in: SignedIn) -> None:
    signed_in("rival").post("/api/presets", {"preset_name": "secret rival", "preset_filter_json": DOCUMENT})
    ours, theirs, all_of_them = (
        {one["company"] for one in records(signed_in(name))} for name in ("admin", "rival admin", "superadmin")
    )
    assert len(ours) == len(theirs) == 1
    assert ours != theirs
    assert all_of_them >= ours | theirs | {None}
    assert "secret rival" not in signed_in("admin").get("/api/audit?limit=100").text
    assert "secret rival" in signed_in("rival admin").get("/api/audit?limit=100").text
    numbers = [one["number"] for one in records(signed_in("rival admin"))]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] == 1


def test_what_a_superadmin_does_to_a_companys_accounts_and_presets_is_in_its_trail(signed_in: SignedIn) -> None:
    root, admin, analyst = signed_in("superadmin"), signed_in("admin"), signed_in("analyst")
    me = root.get("/api/auth/me").json()["user"]["id"]
    user = root.post("/api/users", account(fresh(), companyName="Demo")).json()["user"]
    preset = analyst.post("/api/presets", {"preset_name": fresh(), "preset_filter_json": DOCUMENT}).json()["preset"]
    root.put(f"/api/presets/{preset['preset_id']}", {"preset_name": fresh()})
    root.delete(f"/api/presets/{preset['preset_id']}")
    root.delete(f"/api/users/{user['id']}")
    own = root.post("/api/users", account(fresh(), role="SuperAdmin")).json()["user"]
    told = [(one["action"], one["actor"], one["actor_id"]) for one in records(admin)[:5]]
    actions = ("user deleted", "preset deleted", "preset changed")
    assert told[:3] == [(action, "superadmin", me) for action in actions]
    assert told[4] == ("user created", "superadmin", me)
    assert f"user {own['id']}" not in {one["subject"] for one in records(admin)}
    assert records(root)[0]["company"] is None


def test_pages_of_records(signed_in: SignedIn) -> None:
    rival, reader = signed_in("rival"), signed_in("rival admin")
    for _ in range(5):
        rival.post("/api/presets", {"preset_name": fresh(), "preset_filter_json": DOCUMENT})
    total = reader.get("/api/audit").json()["pagination"]["total_count"]
    whole = [one["number"] for one in records(reader)]
    assert len(whole) == total
    first, second = (reader.get(f"/api/audit?page={page}&limit=2").json() for page in (1, 2))
    assert [one["number"] for one in first["records"] + second["records"]] == whole[:4]
    assert second["pagination"] == {"current_page": 2, "limit": 2, "total_count": total, "total_pages": -(-total // 2)}
    assert len(reader.get("/api/audit").json()["records"]) == min(10, total)
    past = reader.get("/api/audit?page=999999999&limit=100")
    assert (past.status_code, past.json()["records"]) == (200, [])


def test_records_of_an_action_an_actor_and_a_time(signed_in: SignedIn) -> None:
    admin = signed_in("admin")
    admin.post("/api/users", account(fresh()))
    assert {one["action"] for one in records(admin, "action=user%20created")} == {"user created"}
    assert {one["actor"] for one in records(admin, "actor=analyst")} == {"analyst"}
    assert records(admin, "action=user") == records(admin, "actor=nobody") == []
    whole = records(admin)
    assert records(admin, "action=&actor=&since=&until=") == whole
    pivot = whole[1]["at"]
    later = records(admin, f"since={quote(pivot)}")
    assert [one["number"] for one in later] == [one["number"] for one in whole if one["at"] >= pivot]
    assert len(records(admin, f"until={quote(pivot)}")) == admin.get("/api/audit").json()["pagination"][
        "total_count"
    ] - len(later)
    shifted = datetime.fromisoformat(pivot).astimezone(datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo)
    assert records(admin, f"since={quote(shifted.isoformat())}") == later
    assert records(admin, "since=9999-12-31T23:59:59Z") == []
    assert records(admin, "since=0001-01-01T00:00:00%2B14:00") == whole


@pytest.mark.parametrize(
    ("query", "path"),
    [
        *((f"page={value}", "query.page") for value in ("0", "-1", "1.0", "%2B1", "1_0", "٣", "", "1000000000")),
        *((f"limit={value}", "query.limit") for value in ("0", "101", "x")),
        *((f"since={value}", "query.since") for value in ("yesterday", "2026-01-01", "2026-01-01T00:00:00", "1", "%00")),
        ("until=2026-13-01T00:00:00Z", "query.until"),
        ("until=2026-01-01T00:00:00+02:00", "query.until"),
        ("actor=%00", "query.actor"),
        (f"action={'a' * 256}", "query.action"),
        ("company=1", "query.company"),
        ("actor=a&actor=b", "query.actor"),
    ],
)  # fmt: skip
def test_a_query_at_fault_is_a_400_that_names_the_parameter(signed_in: SignedIn, query: str, path: str) -> None:
    answer = signed_in("admin").get(f"/api/audit?{query}")
    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == [path]


@pytest.mark.parametrize(
    ("username", "status"),
    [("superadmin", 200), ("admin", 200), ("blind admin", 200), ("manager", 403), ("analyst", 403), ("buyer", 403), (ANONYMOUS, 401)],
)  # fmt: skip
def test_who_reads_the_trail(signed_in: SignedIn, username: str, status: int) -> None:
    assert signed_in(username).get("/api/audit").status_code == status


@pytest.mark.requirement(50)
def test_the_trail_cannot_be_written(signed_in: SignedIn) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        root = signed_in("superadmin")
        assert root.http.request(method, "/api/audit", headers=root.headers()).status_code == 405


def test_a_page_that_the_client_has_is_not_sent_again(signed_in: SignedIn) -> None:
    admin = signed_in("admin")
    tag = admin.get("/api/audit?limit=5").headers["etag"]
    assert admin.get("/api/audit?limit=5", if_none_match=tag).status_code == 304
    admin.post("/api/presets", {"preset_name": fresh(), "preset_filter_json": DOCUMENT})
    assert admin.get("/api/audit?limit=5", if_none_match=tag).status_code == 200
