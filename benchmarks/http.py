"""The service's speed, beside what its framework, server and database allow: `make bench-http`.

A build of an audience is compared with bare handlers (`benchmarks/bare.py`): distinct filters, so that no answer is
kept, over the national panel of 92,850 cells. A page of 20 of 10,000 presets is compared with its query through the
same pool: with one worker, and with as many as there are cores, on either side. Everything runs on this machine, so
only what is compared within one run says anything.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import httpx
import jwt
import psycopg

from adapters.postgres import PostgresWork
from adapters.postgres.embedded import EmbeddedPostgres
from benchmarks.bare import STATEMENT, UNIT
from benchmarks.filters import SEED, dashboard
from benchmarks.load import CONNECTIONS, Load, load
from segmentation_core import Catalog
from segmentation_core.users import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

CELLS: Final = 92_850
FILTERS: Final = 30_000
PRESETS: Final = 10_000
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "8"))
ROUNDS: Final = 3
CORES: Final = len(os.sched_getaffinity(0))
WORKERS: Final = (1, min(CORES, CONNECTIONS))
PASSWORD: Final = "a benchmark's own"  # noqa: S105  of a service that lives for a minute
COMMAND: Final = str(Path(sys.executable).parent / "segmentation")

_FILL: Final = """
    INSERT INTO presets (company_id, owner_id, created_by_id, username, folded_username, name, folded_name, document,
        created, updated, version, catalog, fingerprint)
    SELECT users.company_id, users.id, users.id, users.username, users.folded_username, 'preset ' || n, 'preset ' || n,
        '{"audienceFilters": {"income": ["1", "2"], "age": ["1"], "lifestyle": []}, "segments": {}}'::json,
        now() - n * interval '1 second', now(), 1, %s, md5(n::text)
    FROM users, generate_series(1, %s) AS n WHERE users.username = 'analyst'
"""


def main() -> None:
    """Measure, and print both comparisons."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=_ground()) as folder:
        here = Path(folder)
        catalog, index = here / "panel.catalog.json", here / "panel.index"
        _run("population", "generate", "--rows", str(CELLS), "--out", str(here / "panel.parquet"))
        _run("population", "build", str(here / "panel.parquet"), "--catalog", str(catalog), "--out", str(index))
        environ = {k: v for k, v in os.environ.items() if not k.startswith("SEGMENTATION_")} | {
            "SEGMENTATION_DATA_DIR": str(here / "data"),
            "SEGMENTATION_DEMO_PASSWORD": PASSWORD,
            "SEGMENTATION_CACHED_ANSWERS": "0",
        }
        try:
            for workers in dict.fromkeys(WORKERS):
                print(f"{workers} {'worker' if workers == 1 else 'workers'} on {CORES} cores")
                _measure(here / "data", catalog, index, workers, environ)
        finally:
            EmbeddedPostgres(here / "data").reset()


def _measure(data: Path, catalog: Path, index: Path, workers: int, environ: dict[str, str]) -> None:
    command = [COMMAND, "serve", "--demo", "--port", "0", "--catalog", str(catalog), "--data", str(index)]
    with _serving([*command, "--workers", str(workers)], environ) as service:
        headers, session_id = _signed_in(service.address, "analyst")
        url = EmbeddedPostgres(data).url("app")
        bare = [sys.executable, "-m", "benchmarks.bare", url, session_id, str(workers)]
        with _serving(bare, environ) as other:
            _builds(service, other, headers)
        _presets(data, service, Catalog.from_json(catalog.read_bytes()).title, workers)


def _builds(service: Server, other: Server, headers: dict[str, str]) -> None:
    draw = random.Random(SEED)
    bodies = [{"audienceFilters": dashboard(draw)} for _ in range(FILTERS)]
    sides = ((other, UNIT), (other, STATEMENT), (service, "/api/build-audience"))
    seen: list[list[tuple[Load, float]]] = [[] for _ in sides]
    start = asked = 0
    for number in range(ROUNDS + 1):
        for (server, path), loads in zip(sides, seen, strict=True):
            before = server.cpu_seconds
            one = load(server.address, path, headers, bodies, SECONDS / ROUNDS, start=start)
            asked = one.requests
            if number:  # all have warmed up
                loads.append((one, (server.cpu_seconds - before) / asked))
        start = (start + asked) % FILTERS
    unit, statement, ours = seen
    _told("a bare handler", unit)
    _told("by one statement", statement)
    _told("build-audience", ours)
    shares = [sum(one.rate for one, _ in ours) / sum(one.rate for one, _ in bare) for bare in (unit, statement)]
    print(
        f"build-audience reaches {shares[0]:.0%} of the bare handler that reads its session in a unit of work, "
        f"{shares[1]:.0%} of that by one statement; wanted: 60%, p99 below 10 ms"
    )


def _presets(data: Path, service: Server, title: str, workers: int) -> None:
    server = EmbeddedPostgres(data)
    with psycopg.connect(server.url("super"), autocommit=True) as connection:
        connection.execute("DELETE FROM presets")
        connection.execute(_FILL, [title, PRESETS])
        connection.execute("VACUUM ANALYZE presets")
        found = connection.execute("SELECT company_id FROM users WHERE username = 'analyst'").fetchone()
    assert found
    headers, _ = _signed_in(service.address, "admin")
    load(service.address, "/api/presets?limit=20", headers, [], 1)
    ask = partial(_bare_pages, server.url("app"), found[0], SECONDS / 2)
    shares = [len(range(number, CONNECTIONS, workers)) for number in range(workers)]
    with ProcessPoolExecutor(workers, get_context("spawn")) as processes:
        bare = sum(asked.result() for asked in [processes.submit(ask, share) for share in shares])
    before = service.cpu_seconds
    served = load(service.address, "/api/presets?limit=20", headers, [], SECONDS / 2)
    cpu = (service.cpu_seconds - before) / served.requests
    print(f"the bare query     {bare:7,.0f}/s through the same pool, {CONNECTIONS} at once")
    _told("GET /api/presets", [(served, cpu)])
    print(f"a page of presets reaches {served.rate / bare:.0%} of the bare query; wanted: 60%, or 1,000/s")


def _bare_pages(url: str, company_id: int, seconds: float, at_once: int) -> float:
    """Return how many pages of presets a second the stores give, without HTTP and without a session."""
    return asyncio.run(_pages(url, company_id, seconds, at_once))


async def _pages(url: str, company_id: int, seconds: float, at_once: int) -> float:
    work = PostgresWork(url, b"a" * 32)
    await work.open()
    done, begun = 0, perf_counter()

    async def ask() -> None:
        nonlocal done
        while perf_counter() < begun + seconds:
            await work.run(
                Scope(company_id), lambda stores: stores.presets.page(owner=None, search="", offset=0, limit=20)
            )
            done += 1

    await asyncio.gather(*(ask() for _ in range(at_once)))
    rate = done / (perf_counter() - begun)
    await work.close()
    return rate


def _signed_in(address: str, username: str) -> tuple[dict[str, str], str]:
    """Return the headers of who is signed in, and the id of the session."""
    with httpx.Client(base_url=address) as client:
        client.post("/api/auth/login", json={"username": username, "password": PASSWORD}).raise_for_status()
        cookies = dict(client.cookies)
    claims: dict[str, Any] = jwt.decode(cookies["token"], options={"verify_signature": False})
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return {"Cookie": cookie, "X-CSRF-TOKEN": cookies["csrf_token"]}, str(claims["jti"])


def _told(what: str, loads: list[tuple[Load, float]]) -> None:
    seen = [one for one, _ in loads]
    rate = sum(one.rate for one in seen) / len(seen)
    p50, p99 = (sorted(getattr(one, name) for one in seen)[len(seen) // 2] * 1000 for name in ("p50", "p99"))
    cpu = 1000 * sum(one for _, one in loads) / len(loads)
    failed = sum(one.failed for one in seen)
    print(
        f"{what:<18} {rate:7,.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {cpu:.2f} ms of the server's CPU each, "
        f"{failed} failed (by {seen[0].by})"
    )


class Server:
    """A server process and its address."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.address = address
        self._pid = process.pid

    @property
    def cpu_seconds(self) -> float:
        """How long it and its workers have computed so far: it says more than the clock where others compute too."""
        workers = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text("ascii").split()
        return sum(map(_cpu_seconds, [str(self._pid), *workers]))


def _cpu_seconds(pid: str) -> float:
    spent = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _serving(command: list[str], environ: dict[str, str]) -> Iterator[Server]:
    """Run a server until done with it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ)
    try:
        assert process.stdout
        printed = ""
        while "Ctrl-C" not in printed:
            line = process.stdout.readline()
            assert line, "the server ended"
            printed += line
        address = re.search(r"http://\S+", printed)
        assert address
        yield Server(process, address.group())
    finally:
        process.terminate()
        process.wait(30)


def _run(*arguments: str) -> None:
    subprocess.run([COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL)


def _ground() -> str | None:
    """Return where the database lives: in memory where there is room, so that a disk is not what is measured."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  a folder of its own in it


if __name__ == "__main__":
    main()
