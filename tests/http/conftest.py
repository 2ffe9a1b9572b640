"""One server process for the tests of the HTTP API, and two companies in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.served import PASSWORD, Browser, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANONYMOUS = "anonymous"

MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "manager": ("admin", {"role": "Manager"}),
    "colleague": ("admin", {"role": "User"}),
    "blind admin": ("admin", {"role": "Admin", "dsp": True}),
    "rival admin": ("superadmin", {"role": "Admin", "companyName": "Rival"}),
    "rival": ("rival admin", {"role": "User"}),
}
"""Accounts that tests make through the API, beside the demo's four: by whom, and as what."""


def account(username: str, **fields: object) -> dict[str, object]:
    """Return the body that makes an account."""
    whole = {"firstName": username.title(), "lastName": "Tester", "username": username, "password": PASSWORD}
    return {**whole, "role": "User", **fields}


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with serving(SEGMENTATION_PASSWORD_COST="4") as (address, _):
        yield address


@pytest.fixture
def browser(address: str) -> Browser:
    """Return a browser that nobody has signed in with."""
    return Browser(address)


@pytest.fixture(scope="session")
def signed_in(address: str) -> Callable[[str], Browser]:
    """Return browsers by the user who is signed in with them; accounts of `MADE` are made when first asked for."""
    browsers: dict[str, Browser] = {}

    def browser_of(username: str) -> Browser:
        if username not in browsers:
            if username in MADE:
                by, fields = MADE[username]
                assert browser_of(by).post("/api/users", account(username, **fields)).status_code == 201
            browsers[username] = Browser(address)
            if username != ANONYMOUS:
                assert browsers[username].sign_in(username).status_code == 200
        return browsers[username]

    return browser_of
