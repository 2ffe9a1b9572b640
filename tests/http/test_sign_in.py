"""Signing in, staying signed in, and being refused."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING

import jwt
import pytest

from entrypoints.http.auth import cleared_cookies, session_cookies
from segmentation_core.sessions import SignedIn
from tests.http.conftest import account
from tests.served import PASSWORD, Browser

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

JWT = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
PROTECTED = ["/api/auth/protected", "/api/auth/me", "/api/catalog"]


def cookies_of(response: httpx.Response) -> dict[str, dict[str, str]]:
    parsed: dict[str, dict[str, str]] = {}
    for header in response.headers.get_list("set-cookie"):
        for name, morsel in SimpleCookie(header).items():
            parsed[name] = {"value": morsel.value, **{key: value for key, value in morsel.items() if value}}
    return parsed


@pytest.mark.requirement(12)
def test_sign_in_answers_with_the_user_and_two_cookies(browser: Browser) -> None:
    answer = browser.sign_in("analyst")
    assert answer.status_code == 200
    assert set(answer.json()) == {"message", "user"}
    user = answer.json()["user"]
    assert set(user) == {"id", "username", "role", "first_name", "last_name", "company_name", "dsp"}
    assert (user["username"], user["role"], user["company_name"], user["dsp"]) == ("analyst", "User", "Demo", False)
    cookies = cookies_of(answer)
    assert set(cookies) == {"token", "csrf_token", "device"}
    device = cookies.pop("device")
    assert (device["path"], device["samesite"].lower(), device["max-age"]) == ("/api/auth/login", "lax", "15552000")
    assert device.get("httponly")
    for cookie in cookies.values():
        assert (cookie["path"], cookie["samesite"].lower(), cookie["max-age"]) == ("/", "lax", "28800")
        assert "secure" not in cookie
    assert cookies["token"].get("httponly")
    assert not cookies["csrf_token"].get("httponly")


@pytest.mark.requirement(12)
def test_the_token_leaves_in_one_cookie_and_nowhere_else(browser: Browser) -> None:
    answers = [browser.sign_in("analyst")]
    token = browser.http.cookies["token"]
    assert [header.partition("=")[0] for header in answers[0].headers.get_list("set-cookie") if token in header] == [
        "token"
    ]
    answers += [browser.get(path) for path in (*PROTECTED, "/api/presets", "/api/get_users", "/api/presets/17")]
    answers.append(browser.post("/api/build-audience", {"audienceFilters": {}}))
    answers.append(browser.post("/api/auth/logout", None))
    for answer in answers:
        path = answer.request.url.path
        told = [f"{name}: {value}" for name, value in answer.headers.multi_items()]
        in_headers = [said for said in told if not said.lower().startswith("set-cookie: token=")]
        assert not [said for said in [*in_headers, answer.text] if JWT.search(said)], path
    changed = browser.sign_in("analyst")
    assert JWT.search(changed.headers["set-cookie"])  # what is looked for is what a token looks like


@pytest.mark.requirement(8)
def test_the_token_says_what_the_contract_names(browser: Browser) -> None:
    browser.sign_in("buyer")
    claims = jwt.decode(browser.http.cookies["token"], options={"verify_signature": False})
    assert claims.keys() >= {"user_id", "username", "company_name", "role", "dsp", "exp", "iat", "jti", "aud", "iss"}
    assert claims["exp"] - claims["iat"] == 28_800
    assert claims["dsp"] is True


def test_names_are_taken_whatever_their_case(browser: Browser) -> None:
    assert browser.sign_in("ANALYST").json()["user"]["username"] == "analyst"


@pytest.mark.requirement(4)
def test_wrong_password_and_unknown_name_are_answered_alike(browser: Browser) -> None:
    wrong = browser.sign_in("analyst", "not the password")
    unknown = browser.sign_in("nobody at all", PASSWORD)
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.content == unknown.content
    assert not browser.http.cookies


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "analyst"},
        {"password": PASSWORD},
        {"username": "", "password": PASSWORD},
        {"username": "analyst", "password": ""},
        {"username": 1, "password": PASSWORD},
        {"username": "analyst", "password": PASSWORD, "role": "Admin"},
        [],
    ],
)
def test_an_incomplete_sign_in_is_refused_with_the_place(browser: Browser, body: object) -> None:
    answer = browser.http.post("/api/auth/login", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"].startswith("$")
    assert answer.json()["error"]


def test_who_am_i(browser: Browser) -> None:
    browser.sign_in("superadmin")
    flat = browser.get("/api/auth/protected").json()
    assert set(flat) == {"message", "user_id", "user_name", "company_name", "role", "dsp"}
    assert (flat["user_name"], flat["company_name"], flat["role"]) == ("superadmin", None, "SuperAdmin")
    assert browser.get("/api/auth/me").json()["user"]["username"] == "superadmin"


@pytest.mark.parametrize("path", PROTECTED)
@pytest.mark.parametrize("missing", ["token", "csrf_token", "header"])
@pytest.mark.requirement(16)
def test_a_missing_proof_is_401_and_changes_no_cookie(browser: Browser, path: str, missing: str) -> None:
    browser.sign_in("analyst")
    headers = browser.headers() if missing != "header" else {}
    if missing != "header":
        browser.http.cookies.delete(missing)
    answer = browser.http.get(path, headers=headers)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.requirement(16, 17)
def test_a_header_that_is_not_the_cookies_text_is_403(browser: Browser) -> None:
    browser.sign_in("analyst")
    for header in ("x", browser.http.cookies["csrf_token"] + "x", "ü", "x" * 60_000):
        answer = browser.http.get("/api/auth/me", headers={b"X-CSRF-TOKEN": header.encode()})
        assert answer.status_code in (400, 403, 431), header[:10]  # 400: it came in pieces, to the parser
        assert "set-cookie" not in answer.headers


@pytest.mark.requirement(15)
def test_the_csrf_token_of_another_session_is_403(browser: Browser, address: str) -> None:
    browser.sign_in("analyst")
    other = Browser(address)
    other.sign_in("analyst")
    browser.http.cookies.delete("csrf_token")
    browser.http.cookies.set("csrf_token", other.http.cookies["csrf_token"])
    assert browser.get("/api/auth/me").status_code == 403


@pytest.mark.parametrize("name", ["token", "csrf_token"])
@pytest.mark.requirement(13)
def test_a_cookie_sent_twice_is_401(browser: Browser, name: str) -> None:
    browser.sign_in("analyst")
    pairs = [f"{key}={value}" for key, value in browser.http.cookies.items()]
    doubled = "; ".join([*pairs, f"{name}={browser.http.cookies[name]}"])
    headers = {**browser.headers(), "Cookie": doubled}
    browser.http.cookies.clear()
    assert browser.http.get("/api/auth/me", headers=headers).status_code == 401


@pytest.mark.parametrize("spoil", ["x", "=", "", ".."])
@pytest.mark.requirement(8)
def test_a_changed_token_is_401(browser: Browser, spoil: str) -> None:
    browser.sign_in("analyst")
    token = browser.http.cookies["token"]
    browser.http.cookies.delete("token")
    browser.http.cookies.set("token", token[:-4] + spoil)
    assert browser.get("/api/auth/me").status_code == 401


@pytest.mark.requirement(10)
def test_signing_out_ends_the_session_and_clears_the_cookies(browser: Browser) -> None:
    browser.sign_in("analyst")
    kept, headers = dict(browser.http.cookies), browser.headers()
    answer = browser.http.post("/api/auth/logout")
    assert answer.status_code == 200
    assert answer.json()["message"]
    assert {name: cookie["max-age"] for name, cookie in cookies_of(answer).items()} == {"token": "0", "csrf_token": "0"}
    browser.http.cookies.clear()
    browser.http.cookies.update(kept)
    assert browser.http.get("/api/auth/me", headers=headers).status_code == 401


def test_signing_out_works_without_a_session(browser: Browser) -> None:
    assert browser.http.post("/api/auth/logout").status_code == 200
    answer = browser.http.post("/api/auth/logout", headers={"Cookie": "token=a; token=b"})
    assert answer.status_code == 200
    assert {cookie["max-age"] for cookie in cookies_of(answer).values()} == {"0"}


@pytest.mark.requirement(4, 41, 43)
def test_a_name_that_nobody_has_is_throttled_with_the_time_to_wait(browser: Browser) -> None:
    for _ in range(10):
        assert browser.sign_in("nobody to throttle").status_code == 401
    refused = browser.sign_in("Nobody To Throttle")
    assert refused.status_code == 429
    assert refused.headers["content-type"].startswith("application/problem+json")
    assert 800 < int(refused.headers["retry-after"]) <= 900
    assert refused.json()["error"].startswith("Too many attempts failed.")
    assert "set-cookie" not in refused.headers


@pytest.mark.requirement(41)
def test_a_device_that_is_known_signs_in_where_strangers_are_throttled(
    browser: Browser, address: str, signed_in: Callable[[str], Browser]
) -> None:
    signed_in("superadmin").post("/api/users", account("attacked", companyName="Demo"))
    assert browser.sign_in("attacked").status_code == 200
    stranger = Browser(address)
    statuses = [stranger.sign_in("attacked", "not the password").status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429]
    assert stranger.sign_in("attacked").status_code == 429
    assert browser.sign_in("attacked").status_code == 200
    for spoiled in ("x", "a" * 5_000, "v1.1.x.1.x"):
        assert (
            browser.http.post(
                "/api/auth/login",
                json={"username": "attacked", "password": PASSWORD},
                headers={"Cookie": f"device={spoiled}"},
            ).status_code
            == 429
        )
    twice = "; ".join(f"device={cookie.value}" for cookie in browser.http.cookies.jar if cookie.name == "device")
    stranger = Browser(address)
    answer = stranger.http.post(
        "/api/auth/login",
        json={"username": "attacked", "password": PASSWORD},
        headers={"Cookie": f"{twice}; {twice}"},
    )
    assert answer.status_code == 429


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "{own}"}, 200),
        ({"Origin": "{own}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "{own}.evil.test"}, 403),
        ({"Origin": "file://"}, 403),
        ({"Origin": "{own}/evil"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "{own}", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
@pytest.mark.requirement(19)
def test_a_page_of_another_site_signs_nobody_in(
    browser: Browser, address: str, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.format(own=address) for name, value in headers.items()}
    body = {"username": "analyst", "password": PASSWORD}
    answer = browser.http.post("/api/auth/login", json=body, headers=sent)
    assert answer.status_code == status
    assert ("set-cookie" in answer.headers) == (status == 200)
    if status == 403:
        assert answer.json()["error"] == "This request comes from a page of another site."
    browser.sign_in("analyst")
    gone = browser.http.post("/api/auth/logout", headers=sent)
    assert gone.status_code == status
    assert ("set-cookie" in gone.headers) == (status == 200)
    assert browser.get("/api/auth/me").status_code == (401 if status == 200 else 200)


@pytest.mark.requirement(12)
def test_in_production_every_cookie_travels_over_https_alone() -> None:
    cookies = [*session_cookies(SignedIn("a", "b", "c"), secure=True), *cleared_cookies(secure=True)]
    assert [cookie.key for cookie in cookies] == ["token", "csrf_token", "device", "token", "csrf_token"]
    assert all(cookie.secure and cookie.samesite == "lax" for cookie in cookies)
    assert {cookie.key for cookie in cookies if cookie.httponly} == {"token", "device"}


@pytest.mark.requirement(10)
def test_signing_in_again_ends_the_session_that_the_browser_had(browser: Browser) -> None:
    browser.sign_in("analyst")
    old = {name: browser.http.cookies[name] for name in ("token", "csrf_token")}
    assert browser.sign_in("analyst", "wrong").status_code == 401
    assert browser.get("/api/auth/me").status_code == 200
    assert browser.sign_in("admin").status_code == 200
    assert browser.get("/api/auth/me").json()["user"]["username"] == "admin"
    other = Browser(str(browser.http.base_url))
    other.http.cookies.update(old)
    assert other.get("/api/auth/me").status_code == 401
