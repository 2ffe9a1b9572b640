"""One open `Work` for every test of a port: over memory, PostgreSQL 18 and PostgreSQL 15."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters.memory import MemoryWork
from adapters.postgres import PostgresWork
from segmentation_core.ports import Work
from tests.contract.examples import AUDIT_KEY
from tests.contract.tenants import Populated
from tests.postgres import VERSIONS, Database, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[int], Server]]:
    """Return the server of a version, one for all tests of this process."""
    running: dict[int, Server] = {}

    def of_version(version: int) -> Server:
        if version not in running:
            running[version] = Server(version)
        return running[version]

    yield of_version
    for one in running.values():
        one.stop()


@pytest.fixture(params=VERSIONS)
def database(request: pytest.FixtureRequest, server: Callable[[int], Server]) -> Iterator[Database]:
    """Return a fresh database with all migrations."""
    running = server(request.param)
    made = running.database()
    yield made
    running.drop(made)


@pytest.fixture
async def postgres(database: Database) -> AsyncIterator[PostgresWork]:
    """Return open units of work over PostgreSQL, for what memory cannot do."""
    work = PostgresWork(database.app_url, AUDIT_KEY, min_connections=1)
    await work.open()
    yield work
    await work.close()


@pytest.fixture
async def populated(postgres: PostgresWork, database: Database) -> Populated:
    """Return two companies, and none, in a database."""
    made = Populated(postgres, database)
    await made.fill()
    return made


@pytest.fixture(params=[pytest.param(None, id="memory"), *VERSIONS])
async def work(request: pytest.FixtureRequest, server: Callable[[int], Server]) -> AsyncIterator[Work]:
    """Return open units of work."""
    if request.param is None:
        yield MemoryWork(AUDIT_KEY)
        return
    running = server(request.param)
    made = running.database()
    opened = PostgresWork(made.app_url, AUDIT_KEY, min_connections=1)
    await opened.open()
    yield opened
    await opened.close()
    running.drop(made)
