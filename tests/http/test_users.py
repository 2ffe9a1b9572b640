"""Managing accounts over HTTP."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from entrypoints.http.requests import NO_ID, path_id
from tests.http.conftest import ANONYMOUS, account
from tests.served import PASSWORD, Browser

if TYPE_CHECKING:
    from collections.abc import Callable

    SignedIn = Callable[[str], Browser]

FIELDS = {
    "id", "first_name", "last_name", "company_name", "username", "role", "status", "dsp",
    "created_date", "last_login_date", "created_by_id",
}  # fmt: skip
HASH_MARKS = ("$2b$", "$2a$", "bcrypt", "hash", "password")

_numbers = itertools.count()


def fresh(role: str = "User") -> str:
    return f"{role.lower()} {next(_numbers)}"


def made(by: Browser, username: str | None = None, **fields: object) -> dict[str, Any]:
    answer = by.post("/api/users", account(username or fresh(), **fields))
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["user"])


def id_of(browser: Browser) -> int:
    return int(browser.get("/api/auth/me").json()["user"]["id"])


@pytest.fixture(scope="module")
def admin(signed_in: SignedIn) -> Browser:
    return signed_in("admin")


@pytest.fixture(scope="module")
def target(admin: Browser) -> dict[str, Any]:
    """Return an account to try changes on that are refused, or change nothing."""
    return made(admin)


def test_all_accounts_of_the_company_by_role_then_first_name(signed_in: SignedIn) -> None:
    signed_in("rival")
    answer = signed_in("admin").get("/api/get_users")
    assert answer.status_code == 200
    assert set(answer.json()) == {"users"}
    users = answer.json()["users"]
    assert all(set(user) == FIELDS for user in users)
    assert {user["company_name"] for user in users} == {"Demo"}
    assert [(user["role"], user["first_name"]) for user in users] == sorted(
        (user["role"], user["first_name"]) for user in users
    )
    assert {"admin", "analyst", "buyer"} <= {user["username"] for user in users}
    (analyst,) = [user for user in users if user["username"] == "analyst"]
    assert (analyst["role"], analyst["status"], analyst["dsp"], analyst["created_by_id"]) == (
        "User",
        "active",
        False,
        None,
    )
    (ada,) = [user for user in users if user["username"] == "admin"]
    for day in ("created_date", "last_login_date"):
        assert datetime.now(UTC) - datetime.fromisoformat(ada[day]) < timedelta(minutes=10)


def test_a_superadmin_sees_all_companies_and_belongs_to_none(signed_in: SignedIn) -> None:
    signed_in("rival")
    users = signed_in("superadmin").get("/api/get_users").json()["users"]
    assert {user["company_name"] for user in users} >= {None, "Demo", "Rival"}
    assert {user["role"] for user in users if user["company_name"] is None} == {"SuperAdmin"}


@pytest.mark.requirement(22)
def test_no_password_hash_anywhere(signed_in: SignedIn, target: dict[str, Any]) -> None:
    for username in ("admin", "superadmin"):
        browser = signed_in(username)
        changed = browser.put(f"/api/users/{target['id']}", {"password": "another long password"})
        assert changed.status_code == 200
        for answer in (
            browser.get("/api/get_users"),
            browser.get("/api/users?per_page=100"),
            browser.get("/api/audit?limit=100&action=user%20changed"),
            browser.post("/api/users", account(fresh(), companyName="Demo" if username == "superadmin" else None)),
            changed,
        ):
            assert answer.status_code < 300
            told = answer.text.replace('"password":"changed"', "").replace("password changed", "")
            assert not [mark for mark in HASH_MARKS if mark in told]
            assert PASSWORD not in told


def test_pages_of_accounts(admin: Browser) -> None:
    mark = fresh("paged")
    for number in range(5):
        made(admin, f"{mark} {number}", firstName=f"{'edcba'[number]} first", role="Manager" if number == 0 else "User")

    def page(query: str) -> tuple[list[str], dict[str, int]]:
        answer = admin.get(f"/api/users?search={mark}&{query}")
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"users", "pagination"}
        return [user["username"][-1] for user in answer.json()["users"]], answer.json()["pagination"]

    assert page("page=1&per_page=2") == (
        ["0", "4"],
        {"current_page": 1, "limit": 2, "total_count": 5, "total_pages": 3},
    )
    assert page("page=3&per_page=2")[0] == ["1"]
    assert page("page=4&per_page=2") == ([], {"current_page": 4, "limit": 2, "total_count": 5, "total_pages": 3})
    assert page("") == (["0", "4", "3", "2", "1"], {"current_page": 1, "limit": 20, "total_count": 5, "total_pages": 1})
    assert page("role=Manager")[0] == ["0"]
    assert page("role=&status=active")[1]["total_count"] == 5
    assert page("status=inactive") == ([], {"current_page": 1, "limit": 20, "total_count": 0, "total_pages": 0})
    assert admin.get("/api/users?search=C%20FIRST").json()["users"][0]["first_name"] == "c first"


@pytest.mark.parametrize(
    ("query", "path"),
    [
        *((f"page={value}", "query.page") for value in ("0", "-1", "1.0", "%2B1", "1_0", "٣", "", "%201", "1e2", "9" * 30, "x")),
        *((f"per_page={value}", "query.per_page") for value in ("0", "101", "-5", "2.0", "")),
        ("role=Boss", "query.role"),
        ("status=gone", "query.status"),
        ("search=%00", "query.search"),
        (f"search={'x' * 256}", "query.search"),
        ("search=%ff", "query"),
        ("limit=5", "query.limit"),
        ("page=1&page=2", "query.page"),
    ],
)  # fmt: skip
def test_a_query_out_of_range_is_a_400_that_names_the_parameter(admin: Browser, query: str, path: str) -> None:
    answer = admin.get(f"/api/users?{query}")
    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == [path]


def test_an_admins_users_join_the_admins_company(admin: Browser) -> None:
    body = account(fresh(), role="Manager", status="inactive", dsp=True, firstName="Mo", lastName="Moe")
    answer = admin.post("/api/users", body)
    assert answer.status_code == 201
    assert set(answer.json()) == {"message", "user"}
    user = answer.json()["user"]
    assert set(user) == FIELDS
    assert {
        "first_name": "Mo", "last_name": "Moe", "username": body["username"], "company_name": "Demo",
        "role": "Manager", "status": "inactive", "dsp": True, "created_by_id": id_of(admin), "last_login_date": None,
    }.items() <= user.items()  # fmt: skip
    assert user in admin.get("/api/get_users").json()["users"]


def test_a_superadmin_names_the_company_which_comes_to_be(signed_in: SignedIn) -> None:
    root = signed_in("superadmin")
    assert made(root, companyName="Brand New Ltd")["company_name"] == "Brand New Ltd"
    assert made(root, companyName="BRAND new ltd")["company_name"] == "Brand New Ltd"
    for company in ({"companyName": ""}, {"companyName": None}, {}):
        answer = root.post("/api/users", account(fresh(), **company))
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["path"] == "$.companyName"
    assert made(root, role="SuperAdmin")["company_name"] is None
    assert made(root, role="SuperAdmin", companyName="")["company_name"] is None
    assert root.post("/api/users", account(fresh(), role="SuperAdmin", companyName="Demo")).status_code == 400


def test_a_superadmin_that_was_made_can_be_deleted_by_another(signed_in: SignedIn) -> None:
    root = signed_in("superadmin")
    second = made(root, role="SuperAdmin")
    assert root.delete(f"/api/users/{second['id']}").status_code == 200


@pytest.mark.requirement(23)
def test_only_a_superadmin_gives_a_company_or_makes_a_superadmin(admin: Browser) -> None:
    answer = admin.post("/api/users", account(fresh(), companyName="Rival"))
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "$.companyName")
    assert made(admin, companyName="")["company_name"] == "Demo"
    assert admin.post("/api/users", account(fresh(), role="SuperAdmin")).status_code == 403


@pytest.mark.requirement(26, 35)
def test_a_username_is_taken_whatever_its_case_and_company(signed_in: SignedIn, admin: Browser) -> None:
    signed_in("rival")
    for taken in ("ANALYST", "Rival", "superadmin"):
        answer = admin.post("/api/users", account(taken))
        assert answer.status_code == 409
        assert "taken" in answer.json()["error"]


@pytest.mark.parametrize("field", ["firstName", "lastName", "username", "password", "role"])
def test_a_field_that_is_missing_or_empty_is_a_400_that_names_it(admin: Browser, field: str) -> None:
    whole = account("incomplete")
    without = {name: value for name, value in whole.items() if name != field}
    for body in (without, without | {field: ""}, without | {field: None}, without | {field: 1}):
        answer = admin.post("/api/users", body)
        assert answer.status_code == 400
        assert [error["path"] for error in answer.json()["errors"]] == [f"$.{field}"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"role": "admin"}, "$.role"),
        ({"role": "Owner"}, "$.role"),
        ({"status": "disabled"}, "$.status"),
        ({"dsp": 1}, "$.dsp"),
        ({"dsp": "true"}, "$.dsp"),
        ({"password": "short"}, "$.password"),
        ({"password": "x" * 65}, "$.password"),
        ({"username": "a\0b"}, "$.username"),
        ({"firstName": "\0"}, "$.firstName"),
        ({"username": "u" * 256}, "$.username"),
        ({"lastName": "l" * 256}, "$.lastName"),
        ({"username": "   "}, "$.username"),
        ({"id": 1}, "$.id"),
        ({"company_id": 1}, "$.company_id"),
        ({"created_by_id": 1}, "$.created_by_id"),
    ],
)
@pytest.mark.requirement(22, 29)
def test_a_field_at_fault_is_a_400_that_names_it(admin: Browser, fields: dict[str, Any], path: str) -> None:
    answer = admin.post("/api/users", account("at fault") | fields)
    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == [path]


NAMES = ['O\'Brien "the" 100%_x\\', "\u202eשלם\u200f 👩🏽\u200d🚀", "é" * 255]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_kept_exactly(signed_in: SignedIn, browser: Browser, name: str) -> None:
    root = signed_in("superadmin")
    user = made(root, name, firstName=name, lastName=name, companyName=name)
    assert [user[field] for field in ("username", "first_name", "last_name", "company_name")] == [name] * 4
    assert browser.sign_in(name).json()["user"]["username"] == name
    found = root.http.get("/api/users", params={"search": name}, headers=root.headers()).json()["users"]
    assert [one["username"] for one in found] == [name]


def test_changing_any_field_answers_with_the_account_as_it_is(admin: Browser) -> None:
    user = made(admin)
    path = f"/api/users/{user['id']}"
    for sent, told in (
        ({"dsp": True}, {"dsp": True}),
        ({"status": "inactive"}, {"status": "inactive"}),
        ({"status": "active", "role": "Manager"}, {"status": "active", "role": "Manager"}),
        ({"firstName": "New", "lastName": "Name"}, {"first_name": "New", "last_name": "Name"}),
        ({"firstName": "New"}, {}),
        ({"dsp": True, "role": "Manager", "status": "active"}, {}),
        ({"password": "", "lastName": "Name"}, {}),
        ({"password": ""}, {}),
    ):
        answer = admin.put(path, sent)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"message", "user"}
        user |= told
        assert answer.json()["user"] == user
    assert user in admin.get("/api/get_users").json()["users"]


def test_an_empty_password_means_unchanged_and_another_one_ends_the_sessions(admin: Browser, browser: Browser) -> None:
    user = made(admin)
    assert browser.sign_in(user["username"]).status_code == 200
    assert admin.put(f"/api/users/{user['id']}", {"password": "", "dsp": True}).status_code == 200
    assert browser.get("/api/auth/me").json()["user"]["dsp"] is True
    assert admin.put(f"/api/users/{user['id']}", {"password": "quite another one"}).status_code == 200
    assert browser.get("/api/auth/me").status_code == 401
    assert browser.sign_in(user["username"]).status_code == 401
    assert browser.sign_in(user["username"], "quite another one").status_code == 200


@pytest.mark.parametrize("change", [{"status": "inactive"}, {"role": "Manager"}, None])
@pytest.mark.requirement(10, 11)
def test_whoever_is_shut_out_given_another_role_or_deleted_is_signed_out_at_once(
    admin: Browser, browser: Browser, change: dict[str, str] | None
) -> None:
    user = made(admin)
    browser.sign_in(user["username"])
    path = f"/api/users/{user['id']}"
    assert (admin.put(path, change) if change else admin.delete(path)).status_code == 200
    assert browser.get("/api/auth/me").status_code == 401
    again = browser.sign_in(user["username"]).status_code
    assert again == (200 if change == {"role": "Manager"} else 401)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$"),
        ({"username": "other"}, "$.username"),
        ({"first_name": "x"}, "$.first_name"),
        ({"companyName": "Rival"}, "$.companyName"),
        ({"password": "short"}, "$.password"),
        ({"password": None}, "$.password"),
        ({"firstName": ""}, "$.firstName"),
        ({"lastName": "\0"}, "$.lastName"),
        ({"role": "User", "status": "off"}, "$.status"),
        ({"dsp": 0}, "$.dsp"),
        ([], "$"),
    ],
)
def test_a_change_at_fault_is_a_400_that_names_the_place(
    admin: Browser, target: dict[str, Any], body: object, path: str
) -> None:
    answer = admin.put(f"/api/users/{target['id']}", body)
    assert answer.status_code == 400
    assert [error["path"] for error in answer.json()["errors"]] == [path]


@pytest.mark.requirement(23)
def test_nobody_deletes_or_shuts_out_himself(signed_in: SignedIn) -> None:
    for username in ("admin", "superadmin"):
        browser = signed_in(username)
        path = f"/api/users/{id_of(browser)}"
        assert browser.delete(path).status_code == 400
        assert browser.put(path, {"status": "inactive"}).status_code == 400
        assert browser.put(path, {"status": "active"}).status_code == 200
    assert signed_in("admin").put(f"/api/users/{id_of(signed_in('admin'))}", {"role": "SuperAdmin"}).status_code == 403


def test_a_deleted_name_is_free_again(admin: Browser) -> None:
    user = made(admin)
    assert set(admin.delete(f"/api/users/{user['id']}").json()) == {"message"}
    assert made(admin, user["username"])["id"] != user["id"]


NO_IDS = [
    "0",
    "-1",
    "+1",
    "01",
    "1_000",
    "1.0",
    "1e3",
    "٣",
    "\uff11",
    "%201",
    "1%00",
    "0x1",
    "x",
    str(2**63),
    "9" * 40,
    "null",
]


@pytest.mark.parametrize("text", [*NO_IDS, str(2**63 - 1), "999999999"])
@pytest.mark.requirement(28)
def test_what_is_no_id_is_answered_like_one_that_is_not_there(admin: Browser, text: str) -> None:
    for answer, missing in (
        (admin.delete(f"/api/users/{text}"), admin.delete("/api/users/987654321")),
        (admin.put(f"/api/users/{text}", {"dsp": True}), admin.put("/api/users/987654321", {"dsp": True})),
    ):
        assert answer.status_code == missing.status_code == 404
        assert answer.content == missing.content


@pytest.mark.requirement(28)
def test_no_store_is_asked_for_a_number_that_no_id_can_be() -> None:
    assert [path_id(text) for text in ("1", str(2**63 - 1))] == [1, 2**63 - 1]
    assert {path_id(text) for text in ("", "1\n", str(2**63), *map(unquote, NO_IDS))} == {NO_ID}


# Who may do what: 200 to 204 are the operation's own; a foreign account and a missing one answer alike.

ROLES = ["superadmin", "admin", "manager", "analyst", "buyer", ANONYMOUS]

TABLE: dict[tuple[str, str], list[int]] = {
    #                                superadmin admin manager analyst buyer anonymous
    ("GET /api/get_users", ""):           [200, 200, 403, 403, 403, 401],
    ("GET /api/users", ""):               [200, 200, 403, 403, 403, 401],
    ("POST /api/users", "own"):           [201, 201, 403, 403, 403, 401],
    ("POST /api/users", "foreign"):       [201, 400, 403, 403, 403, 401],
    ("PUT /api/users/{user_id}", "own"):       [200, 200, 403, 403, 403, 401],
    ("PUT /api/users/{user_id}", "foreign"):   [200, 404, 403, 403, 403, 401],
    ("PUT /api/users/{user_id}", "missing"):   [404, 404, 403, 403, 403, 401],
    ("DELETE /api/users/{user_id}", "own"):    [200, 200, 403, 403, 403, 401],
    ("DELETE /api/users/{user_id}", "foreign"): [200, 404, 403, 403, 403, 401],
    ("DELETE /api/users/{user_id}", "missing"): [404, 404, 403, 403, 403, 401],
}  # fmt: skip


@pytest.mark.parametrize(("operation", "whose"), TABLE)
@pytest.mark.requirement(20)
def test_who_may_do_what(signed_in: SignedIn, operation: str, whose: str) -> None:
    method, path = operation.split()
    makers = {"own": signed_in("admin"), "foreign": signed_in("rival admin")}
    victim = made(makers[whose])["id"] if whose in makers and method != "POST" else 987_654_321
    answers = {}
    for role in reversed(ROLES):  # the mightiest last, since it may take the account away
        if (role, whose, method) == ("superadmin", "own", "DELETE"):
            victim = made(makers[whose])["id"]
        company = "Demo" if whose == "own" else "Rival"
        named = {"companyName": company} if role == "superadmin" or whose == "foreign" else {}
        body = {"POST": account(fresh(), **named), "PUT": {"dsp": True}}.get(method)
        browser = signed_in(role)
        answers[role] = browser.http.request(
            method, path.replace("{user_id}", str(victim)), headers=browser.headers(), json=body
        )
    assert [answers[role].status_code for role in ROLES] == TABLE[operation, whose]


def test_the_table_has_every_operation(browser: Browser) -> None:
    paths = browser.http.get("/schema/openapi.json").json()["paths"]
    operations = {
        f"{method.upper()} {path}" for path in paths for method in paths[path] if path.startswith(("/api/users", "/api/get_users"))
    }  # fmt: skip
    assert operations == {operation for operation, _ in TABLE}


@pytest.mark.requirement(21)
def test_a_foreign_account_and_a_missing_one_answer_alike(signed_in: SignedIn, admin: Browser) -> None:
    foreign = id_of(signed_in("rival"))
    changes = [admin.put(f"/api/users/{one}", {"dsp": True}).content for one in (foreign, 987_654_321)]
    deletions = [admin.delete(f"/api/users/{one}").content for one in (foreign, 987_654_321)]
    assert len({*changes, *deletions}) == 1
    assert admin.get("/api/users?search=rival").json()["users"] == []
    assert signed_in("rival").get("/api/auth/me").status_code == 200


@pytest.mark.parametrize("path", ["/api/get_users", "/api/users?per_page=3"])
def test_a_list_that_the_client_has_is_not_sent_again(admin: Browser, path: str) -> None:
    first = admin.get(path)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-store"
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = admin.get(path, if_none_match=sent)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    for sent in ('"other"', tag[1:-1], tag[:-2] + '"', ""):
        assert admin.get(path, if_none_match=sent).status_code == 200
    made(admin, firstName="A", role="Admin")
    assert admin.get(path, if_none_match=tag).status_code == 200
