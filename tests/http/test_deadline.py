"""A database that hangs, and one that is gone: answers come in time, and service resumes by itself."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING

import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.served import PASSWORD, Browser, data_folder, environ_of, frozen_database, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.served import Served

SECONDS = 2.0


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    with data_folder() as data:
        yield data


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Served]:
    environ = environ_of(data) | {"SEGMENTATION_DEMO_PASSWORD": PASSWORD, "SEGMENTATION_REQUEST_SECONDS": str(SECONDS)}
    with running("--demo", environ=environ) as server:
        yield server


def _timed(browser: Browser, path: str) -> tuple[int, float, str | None]:
    begun = time.monotonic()
    answer = browser.get(path)
    return answer.status_code, time.monotonic() - begun, answer.headers.get("retry-after")


@pytest.mark.requirement(37, 38, 51, 53)
def test_a_frozen_database_is_answered_in_time_and_service_resumes(server: Served, data: Path) -> None:
    browsers = [Browser(server.address) for _ in range(15)]
    for browser in browsers[:2]:
        assert browser.sign_in("analyst").status_code == 200
    for browser in browsers[2:]:
        browser.http.cookies = browsers[0].http.cookies
    answers: list[tuple[int, float, str | None]] = []

    def ask(browser: Browser) -> None:
        answers.append(_timed(browser, "/api/presets"))

    with frozen_database(data):
        for _ in range(2):
            threads = [threading.Thread(target=ask, args=[browser]) for browser in browsers]
            for thread in threads:
                thread.start()
            time.sleep(0.2)
            health = _timed(Browser(server.address), "/health")
            assert health[0] == 200
            assert health[1] < 0.5
            for thread in threads:
                thread.join()
        ready = _timed(Browser(server.address), "/health/ready")
        assert ready[0] == 503
        assert ready[1] < 2.5
        assert ready[2]
    resumed = time.monotonic()
    assert {status for status, _, _ in answers} == {503}
    assert max(seconds for _, seconds, _ in answers) < SECONDS + 1
    assert all(wait for _, _, wait in answers)
    while _timed(browsers[0], "/api/presets")[0] != 200:
        assert time.monotonic() - resumed < 5
        time.sleep(0.1)
    assert time.monotonic() - resumed < 5
    assert _timed(Browser(server.address), "/health/ready")[0] == 200
    assert not server.faults
    told = re.findall(r"\[warning *\] request (\w+): .*\n {4}Traceback", server.log)
    assert len(told) == len(set(told)) == len(answers) + 1, "each has one traceback"
    access = re.findall(r"\[segmentation.access\] .*request_id=(\w+) .*status=503", server.log)
    assert set(told) <= set(access)
    assert len(access) == len(set(access))


@pytest.mark.requirement(51, 53)
def test_a_database_that_is_gone_is_told_and_service_resumes_when_it_is_back(server: Served, data: Path) -> None:
    browser = Browser(server.address)
    assert browser.sign_in("analyst").status_code == 200
    database = EmbeddedPostgres(data)
    database.stop()
    try:
        status, seconds, wait = _timed(browser, "/api/presets")
        assert (status, bool(wait)) == (503, True)
        assert seconds < SECONDS + 1
        answer = browser.get("/health/ready")
        assert answer.status_code == 503
        assert "database" in answer.json()["error"]
        assert browser.get("/health").status_code == 200
    finally:
        database.start()
    back = time.monotonic()
    while _timed(browser, "/api/presets")[0] != 200:
        assert time.monotonic() - back < 5
        time.sleep(0.1)
    database.release()
