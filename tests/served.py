"""A real server process for tests, and a browser-like client of it."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import weakref
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from adapters.postgres.embedded import EmbeddedPostgres
from entrypoints import demo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PASSWORD = "grüße an alle 123"
COMMAND = str(Path(sys.executable).parent / "segmentation")
KEYS = {
    "SEGMENTATION_TOKEN_KEYS": "old:deObt7qYTYakv0MDkswTOr7k43n4K6fqTEUn4q1N9ug,new:5ffxIjlwNSzpZVBZPekM107LGw9l-modnXVy6Bx8GLU",
    "SEGMENTATION_CSRF_KEY": "bAZFo3W3zJIia62qw8mbIcwkxmTA3INOJQ2gJsYZS4A",
    "SEGMENTATION_AUDIT_KEY": "qwdCNjRLigTxBIKW-myYdagQ0yIjIE8BmN9lSsQ4ttI",
}
"""What every replica signs with."""
_WARNING = re.compile(r"\S+ \[warning *\]|\{.*\"level\": \"warning\"")
_TLS = ssl.create_default_context()  # never used, and dear to make for each client


def environ_of(data: Path) -> dict[str, str]:
    """Return the environment of a command that keeps its data in a folder, and is told nothing else."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("SEGMENTATION_")}
    return environ | {"SEGMENTATION_DATA_DIR": str(data)}


@contextmanager
def data_folder() -> Iterator[Path]:
    """Give a fresh data folder; nothing of it, nor of a database in it, is left."""
    with tempfile.TemporaryDirectory(prefix="segmentation-data-") as folder:
        data = Path(folder) / "data"
        try:
            yield data
        finally:
            EmbeddedPostgres(data).reset()


@contextmanager
def serving(
    *arguments: str, password: str | None = PASSWORD, data: Path | None = None, **settings: str
) -> Iterator[tuple[str, str]]:
    """Run `segmentation serve --demo` on a free port, with data of its own; give its address and what it printed."""
    if data is None:
        with data_folder() as fresh, serving(*arguments, password=password, data=fresh, **settings) as served:
            yield served
        return
    environ = environ_of(data) | settings
    if password:
        environ["SEGMENTATION_DEMO_PASSWORD"] = password
    with running("--demo", *arguments, environ=environ) as server:
        yield server.address, server.printed
    assert_ended_well(server)


@contextmanager
def replicas(database_url: str, count: int = 1, **settings: str) -> Iterator[tuple[str, ...]]:
    """Run so many processes of one service on one database, with the demo's population; give their addresses.

    They have the keys of `KEYS` and are quick to hash (cost 4); further settings are named without SEGMENTATION_.
    """
    environ = {key: value for key, value in os.environ.items() if not key.startswith("SEGMENTATION_")}
    environ |= KEYS | {
        "SEGMENTATION_ENVIRONMENT": "testing",
        "SEGMENTATION_DATABASE_URL": database_url,
        "SEGMENTATION_PASSWORD_COST": "4",
    }
    environ |= {f"SEGMENTATION_{name}": value for name, value in settings.items()}
    files = ("--catalog", str(demo.CATALOG), "--data", str(demo.CUSTOMERS))
    with ExitStack() as stack:
        servers = [stack.enter_context(running(*files, environ=environ)) for _ in range(count)]
        yield tuple(server.address for server in servers)
    for server in servers:
        assert_ended_well(server)


def assert_ended_well(server: Served) -> None:
    """Fail where a server that has ended failed, or logged a traceback of what is no warning."""
    assert not server.faults, server.faults
    assert server.process.returncode == 0, server.log[-5_000:]


class Served:
    """A server process: its address, what it printed, and what it has logged so far."""

    def __init__(self, process: subprocess.Popen[str], address: str, printed: str, log: Path) -> None:
        self.process = process
        self.address = address
        self.printed = printed
        self._file = log
        self._last: str | None = None

    @property
    def log(self) -> str:
        return self._file.read_text("utf-8") if self._last is None else self._last

    @property
    def faults(self) -> list[str]:
        """The tracebacks that were logged, but those of warnings: a 503 has one too."""
        entries = re.split(r"\n(?! )", self.log)
        return [one for one in entries if "Traceback" in one and not _WARNING.match(one.partition("\n")[0])]

    def ended(self) -> None:
        """Keep the log, whose file is about to go."""
        self._last = self.log


@contextmanager
def running(*arguments: str, environ: dict[str, str], stdin: int = subprocess.DEVNULL) -> Iterator[Served]:
    """Run `segmentation serve` on a free port until it is told to stop, or has ended; its log goes to a file."""
    with tempfile.TemporaryDirectory(prefix="segmentation-log-") as folder:
        log = Path(folder) / "log"
        with log.open("w", encoding="utf-8") as stderr:
            process = subprocess.Popen(
                [COMMAND, "serve", "--port", "0", *arguments],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=environ,
            )
        try:
            assert process.stdout
            printed = ""
            while "Ctrl-C" not in printed:
                line = process.stdout.readline()
                assert line, f"the server ended: {log.read_text('utf-8')}"
                printed += line
            address = re.search(r"http://\S+", printed)
            assert address
            server = Served(process, address.group(), printed, log)
            yield server
        finally:
            process.terminate()
            process.communicate(timeout=20)
        server.ended()


@contextmanager
def standing_still(pids: Iterable[int]) -> Iterator[None]:
    """Have processes that do nothing, and then go on."""
    stopped = []
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def frozen_database(data: Path) -> Iterator[None]:
    """Have a server that says nothing, as one behind a network that swallows everything."""
    first = EmbeddedPostgres(data).status().pid
    assert first
    with standing_still([first]):  # first, so that it makes no more of them
        children = Path(f"/proc/{first}/task/{first}/children").read_text("ascii").split()
        with standing_still(map(int, children)):
            yield


class Browser:
    """Keeps cookies and sends the CSRF header, as the frontend does. Its connections go with it.

    Further headers are named with underscores: `if_match` is If-Match.
    """

    def __init__(self, address: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=20, verify=_TLS)
        weakref.finalize(self, self.http.close)

    def sign_in(self, username: str, password: str = PASSWORD) -> httpx.Response:
        return self.http.post("/api/auth/login", json={"username": username, "password": password})

    def headers(self) -> dict[str, str]:
        """Return what a signed-in page sends: nothing before anybody has signed in."""
        return {"X-CSRF-TOKEN": self.http.cookies["csrf_token"]} if "csrf_token" in self.http.cookies else {}

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.http.get(path, headers={**self.headers(), **_dashed(headers)})

    def post(self, path: str, document: object, **headers: str) -> httpx.Response:
        return self.http.post(path, json=document, headers={**self.headers(), **_dashed(headers)})

    def put(self, path: str, document: object, **headers: str) -> httpx.Response:
        return self.http.put(path, json=document, headers={**self.headers(), **_dashed(headers)})

    def delete(self, path: str, **headers: str) -> httpx.Response:
        return self.http.delete(path, headers={**self.headers(), **_dashed(headers)})

    def post_raw(self, path: str, body: bytes, content_type: str = "application/json") -> httpx.Response:
        return self.http.post(path, content=body, headers={**self.headers(), "Content-Type": content_type})


def _dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
