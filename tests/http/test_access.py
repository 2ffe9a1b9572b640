"""Who may call what: the page in the docs, and the order in which a request is looked at."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.http.conftest import account

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.served import Browser

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.requirement(20)
def test_the_page_of_who_may_do_what_is_what_the_application_declares() -> None:
    assert runpy.run_path(str(DOCS / "access.py"))["text"]() == (DOCS / "access.md").read_text("utf-8"), "make docs"


@pytest.mark.requirement(20)
def test_permission_is_settled_before_a_body_is_read(signed_in: Callable[[str], Browser]) -> None:
    for body in (b"not json", b'{"unknown": 1}', b""):
        assert signed_in("analyst").post_raw("/api/users", body).status_code == 403
        assert signed_in("admin").post_raw("/api/users", body).status_code == 400
    assert signed_in("analyst").get("/api/users?unknown=1").status_code == 403
    assert signed_in("analyst").post("/api/users", account("nobody")).json()["error"].startswith("Only an Admin")


def test_a_page_of_this_service_tells_its_methods(browser: Browser) -> None:
    answer = browser.http.request("OPTIONS", "/api/users")
    assert answer.status_code == 204
    assert answer.headers["allow"] == "GET, OPTIONS, POST"
