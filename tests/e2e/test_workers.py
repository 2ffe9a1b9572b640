"""Several processes on one port: all serve, leave in order, are replaced when they die, and renewed without a break."""

from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import httpx
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from entrypoints import demo
from tests.served import PASSWORD, Browser, Served, data_folder, environ_of, running, standing_still

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKERS = 3


@contextmanager
def several(*arguments: str, workers: int = WORKERS) -> Iterator[Served]:
    with data_folder() as data:
        environ = environ_of(data) | {"SEGMENTATION_DEMO_PASSWORD": PASSWORD}
        with running("--demo", "--workers", str(workers), *arguments, environ=environ) as server:
            yield server
        assert server.process.returncode == 0, server.log
        assert "Traceback" not in server.log


def children(server: Served) -> set[int]:
    """Return the workers of a server: its children that serve."""
    found = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return {int(pid) for pid in found if b"serve" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def until(seconds: float, what: str, check: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def counted(server: Served, sample: str) -> float:
    """Return what /metrics says of a sample, 0 where it says nothing."""
    text = httpx.get(f"{server.address}/metrics").text
    return sum(map(float, re.findall(rf"^{re.escape(sample)} (\S+)", text, re.MULTILINE)))


CATALOGS = 'segmentation_requests_total{method="GET",route="/api/catalog",status="401"}'


def test_each_worker_tells_what_all_have_counted_the_gone_ones_too() -> None:
    with several() as server:
        workers = children(server)
        for times, worker in enumerate(sorted(workers), 1):
            with standing_still(workers - {worker}):
                for _ in range(times):
                    assert httpx.get(f"{server.address}/api/catalog").status_code == 401
        asked = sum(range(WORKERS + 1))
        # A request is counted once its answer has been sent, so a worker that stands still may have yet to do so.
        until(20, "not all are counted", lambda: counted(server, CATALOGS) == asked)
        for worker in workers:
            with standing_still(workers - {worker}):
                assert counted(server, CATALOGS) == asked
        text = httpx.get(f"{server.address}/metrics").text
        assert 'segmentation_pool_connections{state="most"} 54.0' in text
        assert len(re.findall(r"^process_start_time_seconds\{worker=", text, re.MULTILINE)) == WORKERS
        os.kill(server.process.pid, signal.SIGHUP)
        until(60, "they are not renewed", lambda: "workers are new" in server.log)
        os.kill(min(children(server)), signal.SIGKILL)
        until(20, "it is not replaced", lambda: counted(server, 'process_start_time_seconds{worker="2"}') > 0)
        assert counted(server, CATALOGS) == asked


def test_all_serve_one_session_everywhere_and_leave_in_order() -> None:
    with several() as server:
        workers = children(server)
        assert len(workers) == WORKERS
        browser = Browser(server.address)
        assert browser.sign_in("analyst").status_code == 200
        for worker in workers:
            with standing_still(workers - {worker}):
                again = Browser(server.address)
                again.http.cookies = browser.http.cookies
                assert again.get("/api/auth/me").status_code == 200
        for _ in range(20):
            again = Browser(server.address)
            again.http.cookies = browser.http.cookies
            assert again.get("/api/auth/me").status_code == 200
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.process.wait(20) == 0
        for worker in workers:
            assert not Path(f"/proc/{worker}").exists()


def test_connections_that_come_at_once_are_spread_over_all_workers() -> None:
    with several() as server:
        host, port = server.address.removeprefix("http://").split(":")
        workers = sorted(children(server))

        def spread(count: int) -> list[int]:
            """Return how many of some connections that are opened at once each worker has."""
            before = sockets_of(workers)

            def taken() -> list[int]:
                return [now - then for now, then in zip(sockets_of(workers), before, strict=True)]

            with ExitStack() as opened:
                for _ in range(count):
                    connection = opened.enter_context(socket.socket())
                    connection.settimeout(0)
                    connection.connect_ex((host, int(port)))
                until(20, "not all are taken", lambda: sum(taken()) >= count)
                found = taken()
            until(20, "not all are closed", lambda: sum(taken()) <= 0)
            return found

        seen = [spread(10 * WORKERS) for _ in range(5)]
        # Where others keep the processors busy, a worker may once not wake in time. Without a turn for each it never does.
        assert median(map(min, seen)) >= 5, seen


def sockets_of(workers: list[int]) -> list[int]:
    """Return how many sockets each of some processes has open."""
    found = []
    for pid in workers:
        found.append(0)
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                found[-1] += str(file.readlink()).startswith("socket:")
    return found


def test_one_that_dies_is_replaced() -> None:
    with several() as server:
        before = children(server)
        os.kill(min(before), signal.SIGKILL)
        until(20, "it is not replaced", lambda: len(children(server) - {min(before)}) == WORKERS)
        assert httpx.get(f"{server.address}/health").status_code == 200
        assert "has ended by itself" in server.log


@pytest.mark.parametrize(
    ("workers", "broken"),
    [(WORKERS, False), (WORKERS, True), (1, False)],
    ids=["a larger file", "a broken file", "one process"],
)
def test_a_new_population_is_taken_over_without_a_request_lost(tmp_path: Path, workers: int, broken: bool) -> None:  # noqa: FBT001
    people = tmp_path / "people.csv"
    shutil.copy(demo.CUSTOMERS, people)
    lines = people.read_text("utf-8").splitlines()
    with several("--catalog", str(demo.CATALOG), "--data", str(people), workers=workers) as server:
        before = children(server)
        browser = Browser(server.address)
        browser.sign_in("analyst")
        headers = {**browser.headers(), "Cookie": "; ".join(f"{k}={v}" for k, v in browser.http.cookies.items())}
        done = False

        def ask() -> list[int]:
            sizes = []
            while not done:
                answer = httpx.post(
                    f"{server.address}/api/audience/size", json={"filter": {}}, headers=headers, timeout=30
                )
                assert answer.status_code == 200, answer.text
                sizes.append(answer.json()["size"])
            return sizes

        def replace_by(text: str, until_told: str) -> None:
            new = people.with_suffix(".new")
            new.write_text(text, "utf-8")
            new.replace(people)
            os.kill(server.process.pid, signal.SIGHUP)
            until(60, "nothing is told", lambda: until_told in server.log)

        larger = "\n".join([*lines, lines[-1]]) + "\n"
        with ThreadPoolExecutor(2) as threads:
            asking = [threads.submit(ask) for _ in range(2)]
            try:
                time.sleep(0.3)
                if broken or workers == 1:
                    replace_by("no such column\n", "the old ones stay")
                    assert size_of_everybody(server, headers) == 5822
                if not broken:
                    replace_by(larger, "workers are new" if workers > 1 else "are served as they are now")
            finally:
                done = True
            sizes = [size for one in asking for size in one.result()]
        if broken:
            assert set(sizes) == {5822}
            assert children(server) == before
        else:
            assert {5822, 5823} == {*sizes, size_of_everybody(server, headers)}
            assert size_of_everybody(server, headers) == 5823
            assert not before & children(server)


def size_of_everybody(server: Served, headers: dict[str, str]) -> int:
    answer = httpx.post(f"{server.address}/api/audience/size", json={"filter": {}}, headers=headers)
    return int(answer.json()["size"])


def test_one_process_renews_itself_at_a_terminal_and_leaves_once_that_is_closed() -> None:
    ours, its = pty.openpty()
    with data_folder() as data:
        environ = environ_of(data) | {"SEGMENTATION_DEMO_PASSWORD": PASSWORD}
        with running("--demo", environ=environ, stdin=its) as server:
            os.close(its)
            os.kill(server.process.pid, signal.SIGHUP)
            until(60, "nothing is told", lambda: "are served as they are now" in server.log)
            assert httpx.get(f"{server.address}/health").status_code == 200
            os.close(ours)
            os.kill(server.process.pid, signal.SIGHUP)
            server.process.wait(20)
            assert not EmbeddedPostgres(data).status().running
            assert "Traceback" not in server.log
