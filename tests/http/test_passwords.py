"""Changing one's own password, and resetting a forgotten one with the token of a mail."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.http.conftest import account
from tests.served import PASSWORD, Browser, data_folder, environ_of, running, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

NEW = "another good password"
ANA = "ana@example.com"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Path]]:
    """Give the address of a server that nobody else uses, and the folder of its mail."""
    with data_folder() as data, serving(data=data, SEGMENTATION_PASSWORD_COST="4") as (address, _):
        root = Browser(address)
        root.sign_in("superadmin")
        for name in (ANA, "bo@example.com", "carl"):
            assert root.post("/api/users", account(name, companyName="Demo")).status_code == 201
        yield address, data / "mail"


@pytest.fixture
def fresh(served: tuple[str, Path]) -> Callable[[], Browser]:
    return lambda: Browser(served[0])


def forgot(browser: Browser, name: str) -> httpx.Response:
    return browser.post("/api/auth/forgot-password", {"username": name})


def reset(browser: Browser, token: str, new: str = NEW) -> httpx.Response:
    return browser.post("/api/auth/reset-password", {"token": token, "new_password": new})


def mail_to(name: str, folder: Path) -> list[str]:
    texts = [path.read_text() for path in sorted(folder.glob("*.eml"))]
    return [text for text in texts if f"To: {name}\n" in text]


def token_of_ana(browser: Browser, folder: Path) -> str:
    known = len(mail_to(ANA, folder))
    assert forgot(browser, ANA.upper()).status_code == 200
    waited_until = time.monotonic() + 10
    while len(mail_to(ANA, folder)) == known:
        assert time.monotonic() < waited_until
        time.sleep(0.02)
    found = re.search(r"http://127\.0\.0\.1:\d+/reset-password#token=(\S+)", mail_to(ANA, folder)[-1])
    assert found
    return found[1]


@pytest.mark.requirement(6, 10)
def test_a_changed_password_ends_all_sessions_and_renews_the_callers_cookies(fresh: Callable[[], Browser]) -> None:
    here, there = fresh(), fresh()
    for browser in (here, there):
        assert browser.sign_in("carl").status_code == 200
    old = dict(here.http.cookies)
    answer = here.post("/api/auth/change-password", {"current_password": PASSWORD, "new_password": NEW})
    assert (answer.status_code, set(answer.json())) == (200, {"message"})
    assert {header.partition("=")[0] for header in answer.headers.get_list("set-cookie")} == {
        "token",
        "csrf_token",
        "device",
    }
    assert here.http.cookies["token"] != old["token"]
    assert here.get("/api/auth/me").status_code == 200
    assert there.get("/api/auth/me").status_code == 401
    assert fresh().sign_in("carl").status_code == 401
    assert fresh().sign_in("carl", NEW).status_code == 200


def test_a_wrong_present_password_is_told_with_its_place_and_throttled(fresh: Callable[[], Browser]) -> None:
    browser = fresh()
    browser.sign_in("bo@example.com")
    body = {"current_password": "not the password", "new_password": NEW}
    for _ in range(10):
        answer = browser.post("/api/auth/change-password", body)
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "$.current_password")
        assert "set-cookie" not in answer.headers
    answer = browser.post("/api/auth/change-password", body)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert browser.get("/api/auth/me").status_code == 200


def test_changing_a_password_needs_a_session_and_a_good_new_one(fresh: Callable[[], Browser]) -> None:
    browser = fresh()
    body = {"current_password": PASSWORD, "new_password": "password1"}
    assert browser.post("/api/auth/change-password", body).status_code == 401
    browser.sign_in("bo@example.com")
    for new in ("password1", "short", "x" * 65):
        answer = browser.post("/api/auth/change-password", {**body, "new_password": new})
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (400, "$.new_password")


@pytest.mark.requirement(7)
def test_a_forgotten_password_is_reset_once_with_the_token_of_the_mail(
    served: tuple[str, Path], fresh: Callable[[], Browser]
) -> None:
    signed_in, browser = fresh(), fresh()
    signed_in.sign_in(ANA)
    token = token_of_ana(browser, served[1])
    refused = reset(browser, token, "password1")
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (400, "$.new_password")
    assert reset(browser, token).status_code == 200
    assert signed_in.get("/api/auth/me").status_code == 401
    assert browser.sign_in(ANA).status_code == 401
    assert fresh().sign_in(ANA, NEW).status_code == 200
    again = reset(browser, token)
    assert (again.status_code, again.json()["errors"][0]["path"]) == (400, "$.token")


@pytest.mark.requirement(4, 7)
def test_forgetting_is_answered_alike_for_every_name(fresh: Callable[[], Browser], served: tuple[str, Path]) -> None:
    answers = [forgot(fresh(), name) for name in (ANA, "carl", "nobody@example.com", "x" * 7_000, "\0", " ")]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert all("set-cookie" not in answer.headers for answer in answers)
    time.sleep(0.5)
    assert not mail_to("carl", served[1])
    assert not mail_to("nobody@example.com", served[1])


@pytest.mark.parametrize("path", ["/api/auth/forgot-password", "/api/auth/reset-password"])
@pytest.mark.requirement(19)
def test_a_page_of_another_site_is_refused(fresh: Callable[[], Browser], path: str) -> None:
    body = {"username": "nobody@example.com"} if "forgot" in path else {"token": "x", "new_password": NEW}
    browser = fresh()
    answer = browser.http.post(path, json=body, headers={"Origin": "https://evil.test"})
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["change-password", "forgot-password", "reset-password"])
def test_an_incomplete_body_is_refused_with_the_place(fresh: Callable[[], Browser], path: str) -> None:
    browser = fresh()
    browser.sign_in("bo@example.com")
    for body in (
        {},
        {"username": ""},
        {"token": 1, "new_password": NEW},
        {"current_password": "", "new_password": NEW},
    ):
        answer = browser.post(f"/api/auth/{path}", body)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["path"].startswith("$")


@pytest.mark.requirement(12, 48)
def test_no_secret_of_signing_in_is_in_the_log_or_the_trail() -> None:
    with data_folder() as data:
        environ = environ_of(data) | {"SEGMENTATION_DEMO_PASSWORD": PASSWORD, "SEGMENTATION_PASSWORD_COST": "4"}
        with running("--demo", environ=environ) as server:
            root, ana = Browser(server.address), Browser(server.address)
            root.sign_in("superadmin")
            root.post("/api/users", account(ANA, companyName="Demo"))
            ana.sign_in(ANA, "a wrong password")
            ana.sign_in(ANA)
            secrets = [cookie.value for cookie in ana.http.cookies.jar]
            ana.post("/api/auth/change-password", {"current_password": "a wrong present", "new_password": NEW})
            ana.post("/api/auth/change-password", {"current_password": PASSWORD, "new_password": NEW})
            secrets += [cookie.value for cookie in ana.http.cookies.jar]
            token = token_of_ana(ana, data / "mail")
            reset(ana, token + "x", "the last password")
            assert reset(ana, token, "the last password").status_code == 200
            secrets += [PASSWORD, NEW, token, "a wrong password", "a wrong present", "the last password"]
            trail = root.get("/api/audit?limit=100").text
            assert "password reset" in trail
            assert "password changed" in trail
        told = server.log + trail
    assert len(secrets) >= 11
    assert not [secret for secret in secrets if secret and secret in told]
