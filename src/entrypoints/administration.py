"""The commands of an operator: the database, accounts, and the audit trail."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from adapters.clock import SystemClock
from adapters.passwords import BcryptPasswords
from adapters.postgres import PostgresWork, migrate, migration_status
from entrypoints.database import DATA_DIR, audit_key, data_dir, database, embedded, is_named
from segmentation_core.audit import Head
from segmentation_core.errors import InputError, Problem, SettingsError
from segmentation_core.usecases import Operate

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from adapters.postgres.embedded import EmbeddedStatus
    from entrypoints.database import Database

T = TypeVar("T")

LONGEST_PASSWORD_LINE = 4_096
"""In characters: more than that on stdin is no password."""


class UnreadableInput(InputError):
    """A file or stdin that does not hold what a command needs."""

    subject = "input"


class Heads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ends of all chains, as `audit verify --json` prints them and `--head` reads them."""

    heads: tuple[Head, ...]
    problems: tuple[Problem, ...] = ()


def db_migrate(_: argparse.Namespace) -> tuple[object, str]:
    """Apply what is missing of the schema."""
    with database(os.environ, may_be_embedded=True) as found:
        applied = migrate(found.owner_url) if found.named else [*found.applied]
        whole = [one.name for one in migration_status(found.owner_url)]
    said = f"Applied {', '.join(applied)}." if applied else f"Nothing to apply: all {len(whole)} migrations are there."
    return {"applied": applied, "migrations": whole}, said


def db_status(_: argparse.Namespace) -> tuple[object, str]:
    """Tell which database is in use, and how far its schema is; the embedded one is not started for that."""
    if is_named(os.environ):
        with database(os.environ, may_be_embedded=False) as found:
            steps = migration_status(found.owner_url)
        lines = [f"{one.name}: {one.applied or 'missing'}" for one in steps]
        return {"embedded": None, "migrations": steps}, "\n".join(["A database of its own.", *lines])
    status = embedded(os.environ).status()
    return {"embedded": status, "migrations": None}, _told(status)


def db_stop(_: argparse.Namespace) -> tuple[object, str]:
    """Stop the embedded server, whoever needs it."""
    embedded(os.environ).stop()
    return {"stopped": True}, "The embedded PostgreSQL is stopped."


def db_reset(_: argparse.Namespace) -> tuple[object, str]:
    """Delete the embedded database with all that is in it."""
    server, folder = embedded(os.environ), data_dir(os.environ)
    if not server.is_there():
        expected = f"the folder of an embedded database, in {DATA_DIR}"
        raise SettingsError(
            Problem(str(folder), "has no embedded database, and nothing was deleted", expected=expected)
        )
    server.reset()
    return {"reset": True}, f"The embedded PostgreSQL of {folder} is deleted, with all that was in it."


def users_create(options: argparse.Namespace) -> tuple[object, str]:
    """Make an account; its password is read from stdin."""
    password = _password()
    user = _operate(
        lambda operate: operate.create_user(options.username, password, options.role, options.company, dsp=options.dsp)
    )
    of = f" of {user.company_name}" if user.company_name else ""
    document = {"id": user.id, "username": user.username, "role": user.role, "company_name": user.company_name}
    return document, f"{user.username} is there: {user.role}{of}, number {user.id}."


def users_set_password(options: argparse.Namespace) -> tuple[object, str]:
    """Set the password of an account to what stdin holds."""
    password = _password()
    user = _operate(lambda operate: operate.set_password(options.username, password))
    return {"id": user.id, "username": user.username}, f"{user.username} has the new password; its sessions have ended."


def audit_verify(options: argparse.Namespace) -> tuple[object, str, bool]:
    """Tell whether the audit trail is whole, and its ends; the last of what is returned is whether it is."""
    exported = _exported(options.head) if options.head else ()
    heads, problems = _operate(lambda operate: operate.verify(audit_key(os.environ), exported))
    records = sum(head.number for head in heads)
    said = f"{records:,} records in {len(heads)} chains"
    lines = [f"{said}: whole." if not problems else f"{said}, and {len(problems)} faults:", *map(str, problems)]
    return Heads(tuple(heads), tuple(problems)), "\n".join(lines), not problems


def _operate(action: Callable[[Operate], Awaitable[T]]) -> T:
    """Return what is done over the database in use."""

    async def run(found: Database) -> T:
        work = PostgresWork(found.url, key, min_connections=1)
        await work.check()
        await work.open()
        try:
            return await action(Operate(work, BcryptPasswords(), SystemClock()))
        finally:
            await work.close()

    key = audit_key(os.environ)
    with database(os.environ, may_be_embedded=True) as found:
        return asyncio.run(run(found))


def _password() -> str:
    """Return the first line of stdin."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UnreadableInput(Problem("stdin", "the password is read from it", expected="echo ... | segmentation ..."))
    try:
        line = sys.stdin.readline(LONGEST_PASSWORD_LINE)
    except UnicodeDecodeError as fault:
        raise UnreadableInput(Problem("stdin", "is not text in UTF-8")) from fault
    return line.removeprefix("\ufeff").rstrip("\r\n")


def _exported(file: Path) -> tuple[Head, ...]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Heads).heads
    except OSError as fault:
        raise UnreadableInput(Problem(str(file), f"cannot be read: {fault.strerror}")) from fault
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        expected = "what `segmentation audit verify --json` printed"
        raise UnreadableInput(
            Problem(str(file), f"does not hold the ends of chains: {fault}", expected=expected)
        ) from fault


def _told(status: EmbeddedStatus) -> str:
    if status.version is None:
        return "An embedded PostgreSQL, not made yet: `serve --demo` or `db migrate` makes it."
    running = f"running as {status.user}, process {status.pid}" if status.running else "stopped"
    owners = f", needed by {', '.join(map(str, status.owners))}" if status.owners else ""
    return "\n".join(
        (
            f"An embedded PostgreSQL {status.version}, {running}{owners}.",
            f"Its files are in {status.cluster}, its log is {status.log}.",
        )
    )
