"""The roles, and the tables by numbered migrations, each applied once and never changed after."""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import msgspec
import psycopg

from adapters.postgres.errors import translated
from adapters.postgres.urls import OWNER_VARIABLE, checked_url, unreachable
from segmentation_core.errors import Problem, SettingsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

OLDEST_VERSION: Final = 150_000
"""PostgreSQL 15, as the server counts."""

_FILES: Final = resources.files(__package__) / "migrations"
_NAME: Final = re.compile(r"(\d{4})_\w+\.sql")
_CONNECT_SECONDS: Final = 5
_LOCK: Final = b"SELECT pg_advisory_lock(6007126, 3)"
_TABLE: Final = b"""
    CREATE TABLE IF NOT EXISTS migrations (
        name text COLLATE "C" PRIMARY KEY,
        checksum text NOT NULL,
        applied timestamptz NOT NULL DEFAULT now()
    )
"""
_HAS_TABLE: Final = b"SELECT to_regclass('public.migrations') IS NOT NULL"
_APPLIED: Final = b"SELECT name, checksum, applied FROM migrations ORDER BY name"
_APPLY: Final = b"INSERT INTO migrations (name, checksum) VALUES (%s, %s)"


class Migration(msgspec.Struct, frozen=True):
    """A step of the schema, and when it was applied: None where it has yet to be."""

    name: str
    applied: datetime | None


class _Step(msgspec.Struct, frozen=True):
    """A migration's file."""

    name: str
    sql: bytes

    @property
    def checksum(self) -> str:
        """What tells whether the file was changed; how its lines end does not matter."""
        return hashlib.sha256(self.sql.replace(b"\r\n", b"\n")).hexdigest()


def prepare_roles(super_url: str) -> None:
    """Make the roles of a server, or put them right, as a superuser.

    Raises SettingsError where the URL's role may not, and Unavailable where the server does not answer.
    """
    with _connected(super_url, "the superuser's URL") as connection, _failures_told("roles.sql"):
        connection.execute((_FILES / "roles.sql").read_bytes())


def migrate(owner_url: str) -> list[str]:
    """Apply the migrations that are missing, each in its transaction, and return their names.

    Of two that migrate at once one waits. Raises SettingsError where the database's migrations are not the beginning of
    ours, where one was changed since, or where one fails: then nothing of it is kept. Raises Unavailable where the
    database does not answer.
    """
    with _connected(owner_url) as connection:
        connection.execute(_LOCK)
        _check_server(connection)
        connection.execute(_TABLE)
        steps, applied = _steps(), _applied(connection)
        _check(steps, applied)
        missing = steps[len(applied) :]
        for step in missing:
            with _failures_told(step.name), connection.transaction():
                connection.execute(step.sql)
                connection.execute(_APPLY, [step.name, step.checksum])
        return [step.name for step in missing]


def migration_status(owner_url: str) -> list[Migration]:
    """Return all migrations, applied or not, in their order. Raises as `migrate` does."""
    with _connected(owner_url) as connection:
        steps, applied = _steps(), _applied(connection)
        _check(steps, applied)
        times = {name: time.astimezone(UTC) for name, _, time in applied}
        return [Migration(step.name, times.get(step.name)) for step in steps]


def _steps() -> list[_Step]:
    files = sorted((file for file in _FILES.iterdir() if _NAME.fullmatch(file.name)), key=_name_of)
    return [_Step(file.name.removesuffix(".sql"), file.read_bytes()) for file in files]


def _name_of(file: Traversable) -> str:
    return file.name


def _applied(connection: psycopg.Connection[Any]) -> list[tuple[str, str, datetime]]:
    found = connection.execute(_HAS_TABLE).fetchone()
    return connection.execute(_APPLIED).fetchall() if found and found[0] else []


def _check(steps: list[_Step], applied: list[tuple[str, str, datetime]]) -> None:
    problems = []
    known = {step.name: step for step in steps}
    for (name, checksum, _), expected in zip(applied, [*steps, *[None] * len(applied)], strict=False):
        if name not in known:
            problems.append(Problem(name, "was applied to the database, and this version does not know it"))
        elif known[name].checksum != checksum:
            problems.append(Problem(name, "was changed after it was applied to the database"))
        elif expected and expected.name != name:
            problems.append(Problem(expected.name, "was never applied to the database, though later ones were"))
            break
    if problems:
        raise SettingsError(problems)


def _check_server(connection: psycopg.Connection[Any]) -> None:
    version, encoding = connection.info.server_version, connection.info.parameter_status("server_encoding")
    if version < OLDEST_VERSION:
        raise SettingsError(Problem("server", "is too old", str(version // 10_000), "PostgreSQL 15 or later"))
    if encoding != "UTF8":
        raise SettingsError(Problem("database", "keeps text in an encoding that lacks characters", encoding, "UTF8"))


@contextmanager
def _connected(url: str, variable: str = OWNER_VARIABLE) -> Iterator[psycopg.Connection[Any]]:
    try:
        connection = psycopg.connect(checked_url(url, variable), autocommit=True, connect_timeout=_CONNECT_SECONDS)
    except psycopg.Error as fault:
        raise unreachable(fault, variable) from fault
    with _failures_told("database"), connection:
        yield connection


@contextmanager
def _failures_told(place: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as fault:
        error = translated(fault)
        # What a statement names and is not there is a fault of the migration here, not of the database.
        if isinstance(error, Unavailable) and not (fault.sqlstate or "").startswith("42"):
            raise error from fault
        raise SettingsError(Problem(place, f"PostgreSQL refuses it: {fault.diag.message_primary or fault}")) from fault
