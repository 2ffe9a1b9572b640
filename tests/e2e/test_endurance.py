"""Told to stop under load, again and again; and under load for long: nothing that was acknowledged is lost, nothing grows.

How often and how long hangs on HYPOTHESIS_PROFILE: dev is a short look, nightly is what is promised.
"""

from __future__ import annotations

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

from tests.postgres import Database, Server
from tests.served import PASSWORD, Browser, Served, data_folder, environ_of, running

if TYPE_CHECKING:
    from collections.abc import Iterator

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")
STOPS = {"dev": 2, "ci": 4, "nightly": 20}[PROFILE]
SOAK_SECONDS = {"dev": 8, "ci": 60, "nightly": 600}[PROFILE]
CLIENTS = 4
AGES = ["20-30", "30-40", "40-50", "50-60", "60-70", "70-80"]


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    server = Server(18)
    yield server.database()
    server.stop()


@pytest.fixture(scope="module")
def environ(database: Database) -> Iterator[dict[str, str]]:
    with data_folder() as data:
        yield environ_of(data) | {
            "SEGMENTATION_DEMO_PASSWORD": PASSWORD,
            "SEGMENTATION_DATABASE_URL": database.app_url,
            "SEGMENTATION_AUDIT_KEY": "pL5vN8x-2WqRzT7mKc0_YbHj4DsGfEua",
            "SEGMENTATION_PASSWORD_COST": "4",
        }


def count(database: Database, sql: str) -> int:
    with psycopg.connect(database.super_url) as connection:
        found = connection.execute(sql.encode()).fetchone()
    assert found
    return int(found[0])


def names(database: Database) -> set[str]:
    with psycopg.connect(database.super_url) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM presets")}


def test_told_to_stop_under_load_it_loses_nothing_that_it_acknowledged(
    database: Database, environ: dict[str, str]
) -> None:
    saved: list[str] = []
    builds = 0
    for stop in range(STOPS):
        with running("--demo", environ=environ) as server:
            browser = Browser(server.address)
            assert browser.sign_in("analyst").status_code == 200
            with ThreadPoolExecutor(CLIENTS) as threads:
                asking = [threads.submit(_busy, server, browser, f"{stop}/{number}") for number in range(CLIENTS)]
                time.sleep(random.uniform(0.3, 1.0))
                begun = time.monotonic()
                os.kill(server.process.pid, signal.SIGTERM)
                assert server.process.wait(10) == 0, server.log
                assert time.monotonic() - begun < 10
                for one in asking:
                    named, built = one.result()
                    saved += named
                    builds += built
    assert saved
    assert builds
    assert set(saved) <= names(database)
    assert count(database, "SELECT count(*) FROM audit_records WHERE action = 'audience built'") >= builds
    assert count(database, "SELECT count(*) FROM audit_records WHERE action = 'preset created'") == count(
        database, "SELECT count(*) FROM presets"
    )


def _busy(server: Served, signed_in: Browser, who: str) -> tuple[list[str], int]:
    """Save presets and build audiences until nobody answers; return the names and the builds that were acknowledged."""
    saved: list[str] = []
    builds = number = 0
    cookie = "; ".join(f"{name}={value}" for name, value in signed_in.http.cookies.items())
    with httpx.Client(base_url=server.address, timeout=20, headers={**signed_in.headers(), "Cookie": cookie}) as client:
        while True:
            number += 1
            body: dict[str, Any] = {"audienceFilters": {"age": [random.choice(AGES)], "policies": ["car"]}}
            try:
                answer = client.post(
                    "/api/presets", json={"preset_name": f"{who}/{number}", "preset_filter_json": body}
                )
                assert answer.status_code in {201, 503}, answer.text
                if answer.status_code == 201:
                    saved.append(f"{who}/{number}")
                answer = client.post("/api/build-audience", json=body)
                assert answer.status_code in {200, 503}, answer.text
                builds += answer.status_code == 200
            except httpx.TransportError:
                return saved, builds


def test_under_load_for_long_nothing_fails_or_grows(database: Database, environ: dict[str, str]) -> None:
    with running("--demo", environ=environ) as server:
        browser = Browser(server.address)
        browser.sign_in("analyst")
        for _ in range(200):
            _ask(browser)
        middle, files = 0, 0
        begun = time.monotonic()
        while (lasted := time.monotonic() - begun) < SOAK_SECONDS:
            before = time.monotonic()
            _ask(browser)
            time.sleep(time.monotonic() - before)  # half of what one client could ask
            if not middle and lasted > SOAK_SECONDS / 3:
                middle, files = _memory(server), _open_files(server)
        assert _memory(server) < middle * 1.05
        assert abs(_open_files(server) - files) <= 10
        used = 'segmentation_pool_connections{state="used"} 0.0'
        assert used in browser.http.get("/metrics").text
        backends = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'segmentation'"
        assert count(database, backends) <= 10
        asked = 'route="/api/build-audience",status="200"'
        assert asked in browser.http.get("/metrics").text
    assert server.process.returncode == 0
    assert "Traceback" not in server.log
    assert count(database, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'segmentation'") == 0


def _ask(browser: Browser) -> None:
    """Do what a dashboard does, with one of a few hundred filters."""
    chosen = {"age": random.sample(AGES, random.randint(1, 3)), "caravan": random.sample(["yes", "no"], 1)}
    for path in ("/api/audience/facets", "/api/build-audience"):
        assert browser.post(path, {"audienceFilters": chosen}).status_code == 200
    assert browser.get("/api/presets?limit=10").status_code == 200


def _memory(server: Served) -> int:
    """Return the resident memory of the server, in kB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def _open_files(server: Served) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
