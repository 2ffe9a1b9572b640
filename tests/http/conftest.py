"""One server process for the tests of the HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.served import Browser, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with serving() as (address, _):
        yield address


@pytest.fixture
def browser(address: str) -> Browser:
    """Return a browser that nobody has signed in with."""
    return Browser(address)


@pytest.fixture(scope="session")
def signed_in(address: str) -> Callable[[str], Browser]:
    """Return browsers by the user who is signed in with them."""
    browsers: dict[str, Browser] = {}

    def browser_of(username: str) -> Browser:
        if username not in browsers:
            browsers[username] = Browser(address)
            assert browsers[username].sign_in(username).status_code == 200
        return browsers[username]

    return browser_of
