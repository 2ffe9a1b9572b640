"""A service for all tests of safety that do not spoil it, and databases for the others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.postgres import Server
from tests.security.stand import Stand, standing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Database


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server(18)
    yield server
    server.stop()


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    database = server.database()
    yield database
    server.drop(database)


@pytest.fixture(scope="session")
def stand(server: Server) -> Iterator[Stand]:
    with standing(server.database(), TRUSTED_PROXIES="127.0.0.1") as stand:
        yield stand


@pytest.fixture(scope="session")
def profile() -> str:
    """How much is tried: dev, ci or nightly."""
    return os.environ.get("HYPOTHESIS_PROFILE", "dev")
