"""The database goes away under load, for as long as HYPOTHESIS_PROFILE says: what is asked meanwhile, and afterwards."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import httpx
import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.served import PASSWORD, Browser, Served, data_folder, environ_of, frozen_database, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

GONE_SECONDS = {"dev": 5.0, "ci": 5.0, "nightly": 10.0}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]
REQUEST_SECONDS = 3.5
"""The deadline of a request: later than a unit of work gives up waiting for a connection, so that both are seen."""

BACK_SECONDS = 5.0
CLIENTS = 6
AGES = ["20-30", "30-40", "40-50", "50-60", "60-70", "70-80"]


class Answer(NamedTuple):
    """What was answered to a request, and when it was sent and answered, in `time.monotonic`."""

    path: str
    status: int
    sent: float
    ended: float
    retry_after: str | None


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    with data_folder() as data:
        yield data


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Served]:
    environ = environ_of(data) | {
        "SEGMENTATION_DEMO_PASSWORD": PASSWORD,
        "SEGMENTATION_PASSWORD_COST": "4",
        "SEGMENTATION_REQUEST_SECONDS": str(REQUEST_SECONDS),
    }
    with running("--demo", environ=environ) as server:
        yield server
    assert not server.faults, server.faults


@contextmanager
def stopped(data: Path) -> Iterator[None]:
    """Have no server at all: connections end, and new ones are refused."""
    database = EmbeddedPostgres(data)
    database.stop()
    try:
        yield
    finally:
        database.start()
        database.release()


def _ask(client: httpx.Client, method: str, path: str, document: object = None) -> Answer:
    sent = time.monotonic()
    answer = client.request(method, path, json=document)
    return Answer(path, answer.status_code, sent, time.monotonic(), answer.headers.get("retry-after"))


class Load:
    """Clients that ask until told to stop, and what they were answered."""

    def __init__(self, server: Served, browser: Browser, name: str) -> None:
        self.asked: list[Answer] = []
        self.living: list[Answer] = []
        self.ready: list[Answer] = []
        self.saved: list[str] = []
        self._server = server
        self._browser = browser
        self._name = name
        self._done = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask meanwhile. What a client fails with is raised at the end."""
        with ThreadPoolExecutor(CLIENTS + 3) as threads:
            asking = [threads.submit(self._work, number) for number in range(CLIENTS)]
            asking.append(threads.submit(self._sign_in_again_and_again))
            asking.append(threads.submit(self._look, "/health", self.living))
            asking.append(threads.submit(self._look, "/health/ready", self.ready))
            try:
                yield
            finally:
                self._done.set()
            for one in asking:
                one.result()

    def good_for(self, seconds: float) -> bool:
        """Tell whether all answers have been good for so long."""
        since = time.monotonic() - seconds
        statuses = {answer.status for answer in (*self.asked, *self.ready) if answer.ended > since}
        return statuses == {200, 201}

    def _work(self, number: int) -> None:
        """Do what a page does."""
        cookie = "; ".join(f"{name}={value}" for name, value in self._browser.http.cookies.items())
        headers = {**self._browser.headers(), "Cookie": cookie}
        with httpx.Client(base_url=self._server.address, timeout=30, headers=headers) as client:
            for turn in count():
                name = f"{self._name}/{number}/{turn}"
                chosen = {"audienceFilters": {"age": random.sample(AGES, 2), "policies": ["car"]}}
                preset = {"preset_name": name, "preset_filter_json": chosen}
                answer = _ask(client, "POST", "/api/presets", preset)
                self.asked.append(answer)
                if answer.status == 201:
                    self.saved.append(name)
                for method, path, document in (
                    ("GET", "/api/presets?limit=5", None),
                    ("POST", "/api/build-audience", chosen),
                    ("POST", "/api/audience/size", chosen),
                    ("GET", "/api/auth/me", None),
                ):
                    if self._done.is_set():
                        return
                    self.asked.append(_ask(client, method, path, document))

    def _sign_in_again_and_again(self) -> None:
        while not self._done.wait(0.2):
            with httpx.Client(base_url=self._server.address, timeout=30) as client:
                account = {"username": "analyst", "password": PASSWORD}
                self.asked.append(_ask(client, "POST", "/api/auth/login", account))

    def _look(self, path: str, answers: list[Answer]) -> None:
        with httpx.Client(base_url=self._server.address, timeout=30) as client:
            while not self._done.wait(0.1):
                answers.append(_ask(client, "GET", path))


@pytest.mark.requirement(51, 53)
@pytest.mark.parametrize("gone", [stopped, frozen_database], ids=["stopped", "frozen"])
def test_while_the_database_is_gone_all_is_503_and_service_returns_by_itself(
    server: Served, data: Path, gone: Callable[[Path], AbstractContextManager[None]]
) -> None:
    browser = Browser(server.address)
    assert browser.sign_in("analyst").status_code == 200
    before = _recorded(data)
    load = Load(server, browser, gone.__name__)
    with load.running():
        time.sleep(1)
        with gone(data):
            went = time.monotonic()
            time.sleep(GONE_SECONDS)
            returns = time.monotonic()
        back = time.monotonic()
        while not load.good_for(1.0):
            assert time.monotonic() - back < BACK_SECONDS + 1.0
            time.sleep(0.1)
    asked, ready = load.asked, load.ready

    assert {answer.status for answer in asked} == {200, 201, 503}, Counter((a.path, a.status) for a in asked)
    for answers in (asked, ready):
        meanwhile = [answer for answer in answers if went + 0.5 < answer.ended < returns]
        assert {answer.status for answer in meanwhile} == {503}
        assert all(answer.retry_after for answer in answers if answer.status == 503)
        assert max(answer.ended - answer.sent for answer in answers) < REQUEST_SECONDS + 1.0
    assert {answer.status for answer in load.living} == {200}
    assert max(answer.ended - answer.sent for answer in load.living) < 1.0

    with psycopg.connect(EmbeddedPostgres(data).url("super")) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM presets")}
    assert set(load.saved) <= names
    builds = sum(answer.path == "/api/build-audience" and answer.status == 200 for answer in asked)
    until = time.monotonic() + 5
    while _recorded(data) - before < builds:
        assert time.monotonic() < until, "a build that was acknowledged is not in the audit trail"
        time.sleep(0.1)


def _recorded(data: Path) -> int:
    with psycopg.connect(EmbeddedPostgres(data).url("super")) as connection:
        found = connection.execute("SELECT count(*) FROM audit_records WHERE action = 'audience built'").fetchone()
    assert found
    return int(found[0])
