"""A whole working day of the dashboard, over HTTP, against a real server process and PostgreSQL.

Names and statuses are those that the existing frontend relies on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.served import PASSWORD, Browser, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

USER = {"id", "username", "role", "first_name", "last_name", "company_name", "dsp"}
LISTED_USER = {
    "id", "first_name", "last_name", "company_name", "username", "role", "status", "dsp", "created_date",
    "last_login_date", "created_by_id",
}  # fmt: skip
PRESET = {
    "preset_id", "company_name", "username", "preset_name", "preset_filter_json", "created_date", "created_by_id",
    "updated_date", "version", "valid", "problems",
}  # fmt: skip
BUILT = {
    "inclusionSegments", "exclusionSegments", "audienceCount", "exact", "message", "clauses", "certificate", "metadata",
}  # fmt: skip
EVERY_FIELD = {"age": ["20-30", "30-40"], "policies": ["car"], "city_name": [], "income": [], "lifestyle": []}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


def ok(answer: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401  a document
    assert answer.status_code == status, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["error"]


def opened(address: str, username: str, password: str = PASSWORD) -> Browser:
    """Sign in as the frontend does, and look at what it is told."""
    browser = Browser(address)
    answer = browser.sign_in(username, password)
    told = ok(answer)
    assert set(told) == {"message", "user"}
    assert set(told["user"]) == USER
    cookies = {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}
    for name in ("token", "csrf_token"):
        assert "Path=/" in cookies[name]
        assert "Max-Age=28800" in cookies[name]
        assert "samesite=lax" in cookies[name].lower()
    assert "HttpOnly" in cookies["token"]
    assert "HttpOnly" not in cookies["csrf_token"]
    protected = ok(browser.get("/api/auth/protected"))
    assert set(protected) == {"message", "user_id", "user_name", "company_name", "role", "dsp"}
    assert ok(browser.get("/api/auth/me"))["user"] == told["user"]
    return browser


def made(browser: Browser, username: str, role: str, **fields: object) -> int:
    body = {"firstName": username.title(), "lastName": "Day", "username": username, "password": PASSWORD, "role": role}
    told = ok(browser.post("/api/users", {**body, **fields}), 201)
    assert set(told) == {"message", "user"}
    return int(told["user"]["id"])


def test_a_working_day(address: str) -> None:
    morning_of_the_super_admin(address)
    people = forenoon_of_the_admin(address)
    preset_id = noon_of_the_user(address)
    afternoon_of_the_manager(address, preset_id)
    of_the_buyer(address)
    evening_of_the_admin(address, people, preset_id)


def morning_of_the_super_admin(address: str) -> None:
    root = opened(address, "superadmin")
    refused(root.post("/api/users", {"firstName": "A", "lastName": "B", "username": "boss", "password": PASSWORD, "role": "Admin"}), 400)  # fmt: skip
    made(root, "boss", "Admin", companyName="Day & Night")
    users = ok(root.get("/api/get_users"))["users"]
    assert all(set(user) == LISTED_USER for user in users)
    assert next(user for user in users if user["username"] == "superadmin")["company_name"] is None
    assert {user["company_name"] for user in users} >= {"Demo", "Day & Night", None}
    ok(root.post("/api/auth/logout", {}))
    refused(root.get("/api/get_users"), 401)


def forenoon_of_the_admin(address: str) -> dict[str, int]:
    boss = opened(address, "boss")
    people = {
        "mona": made(boss, "mona", "Manager"),
        "ula": made(boss, "ula", "User", status="active", dsp=False),
        "bea": made(boss, "bea", "User", dsp=True),
        "gone": made(boss, "gone", "User"),
    }
    refused(boss.post("/api/users", {"firstName": "U", "lastName": "D", "username": "ULA", "password": PASSWORD, "role": "User"}), 409)  # fmt: skip
    refused(boss.post("/api/users", {"firstName": "R", "lastName": "D", "username": "r", "password": PASSWORD, "role": "SuperAdmin"}), 403)  # fmt: skip
    page = ok(boss.get("/api/users?page=1&per_page=2&search=&role=&status="))
    assert page["pagination"] == {"current_page": 1, "limit": 2, "total_count": 5, "total_pages": 3}
    assert [user["username"] for user in ok(boss.get("/api/users?search=MON"))["users"]] == ["mona"]
    changed = ok(boss.put(f"/api/users/{people['gone']}", {"status": "inactive", "password": ""}))
    assert {"message", "user"} == set(changed)
    assert changed["user"]["username"] == "gone"
    refused(Browser(address).sign_in("gone"), 401)
    refused(boss.put(f"/api/users/{people['gone']}", {}), 400)
    ok(boss.delete(f"/api/users/{people['gone']}"))
    refused(boss.delete(f"/api/users/{people['gone']}"), 404)
    refused(boss.delete(f"/api/users/{ok(boss.get('/api/auth/me'))['user']['id']}"), 400)
    return people


def noon_of_the_user(address: str) -> int:
    ula = opened(address, "ula")
    refused(ula.get("/api/get_users"), 403)
    catalog = ok(ula.get("/api/catalog"))
    assert {"name", "dimensions", "segments"} <= set(catalog)
    built = ok(ula.post("/api/build-audience", {"audienceFilters": EVERY_FIELD, "segments": {}, "metadata": {"a": 1}}))
    assert set(built) >= BUILT
    assert (built["audienceCount"], built["exact"]) == (795, True)
    assert (built["inclusionSegments"], built["exclusionSegments"]) == (["age_20-30", "age_30-40"], ["policy_car_no"])
    assert set(built["metadata"]) >= {"total_inclusion", "total_exclusion", "built_at", "built_by", "catalog", "fingerprint"}  # fmt: skip
    refused(ula.post("/api/build-audience", {"audienceFilters": {"boat": ["yes"]}}), 400)

    document = {"audienceFilters": EVERY_FIELD, "segments": {"inclusionSegments": built["inclusionSegments"]}}
    saved = ok(ula.post("/api/presets", {"preset_name": "100% drivers_", "preset_filter_json": document}), 201)
    assert set(saved) == {"message", "preset"}
    assert set(saved["preset"]) >= PRESET
    assert saved["preset"]["preset_filter_json"] == document
    refused(ula.post("/api/presets", {"preset_name": "100% drivers_", "preset_filter_json": document}), 409)
    refused(ula.post("/api/presets", {"preset_name": "", "preset_filter_json": document}), 400)
    refused(ula.post("/api/presets", {"preset_name": "no JSON", "preset_filter_json": "{"}), 400)
    for number in range(12):
        body = {"preset_name": f"plain {number}", "preset_filter_json": '{"audienceFilters": {"age": []}}'}
        ok(ula.post("/api/presets", body), 201)

    page = ok(ula.get("/api/presets?page=2&limit=10"))
    assert page["pagination"] == {"current_page": 2, "limit": 10, "total_count": 13, "total_pages": 2}
    assert [preset["preset_name"] for preset in page["presets"]] == ["plain 1", "plain 0", "100% drivers_"]
    found = ok(ula.get("/api/presets?search=%25%20DRIVERS_"))["presets"]
    assert [preset["preset_name"] for preset in found] == ["100% drivers_"]
    assert ok(ula.get("/api/presets?search=%25"))["pagination"]["total_count"] == 1
    refused(ula.get("/api/presets?page=0"), 400)
    names = ok(ula.get("/api/presets/list"))
    assert names["count"] == 13
    assert set(names["presets"][0]) == {"preset_id", "preset_name", "created_date"}
    assert ok(ula.get("/api/presets/user/ula"))["count"] == 13

    preset_id = int(saved["preset"]["preset_id"])
    path = f"/api/presets/{preset_id}"
    tag = ula.get(path).headers["etag"]
    edited = ok(
        ula.put(path, {"preset_name": "drivers", "preset_filter_json": {"audienceFilters": {"age": ["20-30"]}}})
    )
    assert (edited["preset"]["version"], edited["preset"]["preset_name"]) == (2, "drivers")
    refused(ula.put(path, {"preset_name": "late"}, if_match=tag), 412)
    refused(ula.put(path, {}), 400)
    refused(ula.put(path, {"preset_name": "plain 1"}), 409)
    assert [version["version"] for version in ok(ula.get(f"{path}/versions"))["versions"]] == [2, 1]
    reverted = ok(ula.post(f"{path}/revert", {"version": 1}))["preset"]
    assert (reverted["version"], reverted["preset_name"]) == (3, "100% drivers_")
    assert reverted["preset_filter_json"] == document
    ok(ula.delete(f"/api/presets/{names['presets'][0]['preset_id']}"))
    refused(ula.get(f"/api/presets/{names['presets'][0]['preset_id']}"), 404)
    ok(ula.post("/api/auth/logout", {}))
    refused(ula.get(path), 401)
    return preset_id


def afternoon_of_the_manager(address: str, preset_id: int) -> None:
    mona = opened(address, "mona")
    assert ok(mona.get(f"/api/presets/{preset_id}"))["preset"]["username"] == "ula"
    refused(mona.put(f"/api/presets/{preset_id}", {"preset_name": "mine now"}), 403)
    refused(mona.delete(f"/api/presets/{preset_id}"), 403)
    assert ok(mona.get("/api/presets"))["pagination"]["total_count"] == 12
    stranger = opened(address, "analyst")
    refused(stranger.get(f"/api/presets/{preset_id}"), 404)
    assert ok(stranger.get("/api/presets/user/ula")) == {"presets": [], "count": 0}


def of_the_buyer(address: str) -> None:
    bea = opened(address, "bea")
    built = ok(bea.post("/api/build-audience", {"audienceFilters": EVERY_FIELD}))
    assert set(built) == {"audienceCount", "message", "metadata"}
    assert built["audienceCount"] == 795
    assert "segments" not in ok(bea.get("/api/catalog"))


def evening_of_the_admin(address: str, people: dict[str, int], preset_id: int) -> None:
    boss, ula = opened(address, "boss"), opened(address, "ula")
    assert ok(boss.put(f"/api/presets/{preset_id}", {"preset_name": "by the boss"}))["preset"]["username"] == "ula"
    ok(boss.put(f"/api/users/{people['ula']}", {"role": "Manager"}))
    refused(ula.get("/api/presets"), 401)  # her role has changed: she signs in again
    assert ok(opened(address, "ula").get("/api/auth/me"))["user"]["role"] == "Manager"
    actions = {record["action"] for record in ok(boss.get("/api/audit?limit=100"))["records"]}
    assert {"preset created", "preset changed", "preset reverted", "preset deleted", "user changed"} <= actions
    ok(boss.delete(f"/api/users/{people['ula']}"))
    assert ok(boss.get(f"/api/presets/{preset_id}"))["preset"]["username"] == "ula"
    ok(boss.post("/api/auth/logout", {}))
    ok(Browser(address).post("/api/auth/logout", {}))
    refused(boss.get("/api/users"), 401)
