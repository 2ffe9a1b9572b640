"""Where the errors of psycopg and PostgreSQL become the core's. No other module translates one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psycopg
import psycopg_pool
from psycopg import errors

from segmentation_core.errors import (
    Conflict,
    Forbidden,
    Problem,
    RequestError,
    SegmentationError,
    Unavailable,
    excerpt,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRIED: Final = (errors.SerializationFailure, errors.DeadlockDetected)
"""What PostgreSQL asks to try again: of the transaction nothing was kept."""

OUTSIDE: Final = "This is outside of what may be written here."

_CHECK_OF_ROWS: Final = "ExecWithCheckOptions"
"""Where PostgreSQL refuses a row that row-level security keeps out; a missing grant has the same SQLSTATE."""

_TAKEN: Final = {
    "users_username_unique": "The username {!r} is taken.",
    "presets_name_unique": "There is a preset named {!r} already.",
}

_TOLD: Final[dict[str, tuple[type[SegmentationError], str]]] = {
    "08": (Unavailable, "The database cannot be reached."),
    "22": (RequestError, "a value is out of what the database can hold"),
    "23503": (Conflict, "What this belongs to has just been deleted."),
    "23514": (RequestError, "a value is not one that may be stored"),
    "25006": (Unavailable, "The database takes no changes at present."),
    "25P03": (Unavailable, "The database gave up waiting for us."),
    "25P04": (Unavailable, "The transaction took too long."),
    "28": (Unavailable, "The database does not let us in."),
    "3D": (Unavailable, "The database does not exist."),
    "40": (Unavailable, "Too many changes at once; none of this one was kept."),
    "42501": (Unavailable, "The database does not let the service do its work: a grant is missing, see roles.sql."),
    "42P01": (Unavailable, "The database is not migrated."),
    "42703": (Unavailable, "The database is not migrated."),
    "53": (Unavailable, "The database has no room for more."),
    "54": (RequestError, "a value is too large for the database"),
    "55P03": (Unavailable, "Others hold what this would change."),
    "57": (Unavailable, "The database stopped this; it was too slow, or is shutting down."),
    "58": (Unavailable, "The database's disk fails."),
}
"""By SQLSTATE, or its class: https://www.postgresql.org/docs/current/errcodes-appendix.html."""


def translated(fault: psycopg.Error) -> SegmentationError | None:
    """Return the core's error for one of psycopg's, None where it is a fault of ours that should be seen as such."""
    if isinstance(fault, psycopg_pool.PoolTimeout | psycopg_pool.TooManyRequests):
        return Unavailable("All connections to the database are busy, or it cannot be reached.")
    code = fault.sqlstate
    if code is None:
        lost = isinstance(fault, psycopg.OperationalError | psycopg.InterfaceError)
        return Unavailable("The connection to the database was lost.") if lost else None
    if fault.diag.source_function == _CHECK_OF_ROWS:
        return Forbidden(OUTSIDE)
    kind, message = _TOLD.get(code) or _TOLD.get(code[:2]) or (None, "")
    if kind is None:
        return None
    return RequestError(Problem("$", message)) if issubclass(kind, RequestError) else kind(message)


def is_lost(fault: psycopg.Error) -> bool:
    """Tell whether a statement failed because its connection was dead."""
    if isinstance(fault, psycopg_pool.PoolTimeout | psycopg_pool.PoolClosed | psycopg_pool.TooManyRequests):
        return False
    return isinstance(fault, psycopg.OperationalError) and fault.sqlstate in (None, "57P01", "57P02")


@contextmanager
def conflict(name: str) -> Iterator[None]:
    """Raise Conflict where the name of a user or a preset is taken."""
    try:
        yield
    except errors.UniqueViolation as fault:
        message = _TAKEN.get(fault.diag.constraint_name or "")
        if message is None:
            raise
        raise Conflict(message.format(name)) from fault


def cannot_be_stored(name: str, value: object) -> Problem:
    """Return the problem of a value that no column can hold."""
    if isinstance(value, str):
        return Problem(f"$.{name}", "contains NUL or half a character, which cannot be stored", excerpt(value))
    return Problem(f"$.{name}", "is out of range", excerpt(value))
