"""URLs of databases: checked before anything connects, so that no message of psycopg or libpq can show a password."""

from __future__ import annotations

import re
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from segmentation_core.errors import Problem, SettingsError, Unavailable

APP_VARIABLE: Final = "SEGMENTATION_DATABASE_URL"
OWNER_VARIABLE: Final = "SEGMENTATION_DATABASE_OWNER_URL"

_HOST: Final = re.compile(r"[\w.-]*|[0-9a-fA-F:.]+(%\w+)?")
_PORTS: Final = re.compile(r"[0-9]*(,[0-9]*)*")
_EXPECTED: Final = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, where a password has %40 for @, %2F for /, %25 for %"


def checked_url(url: str, variable: str) -> str:
    """Return the URL of a database. Raises SettingsError, which names the variable and shows nothing of the URL.

    A password with a character that ends it is read as parts of host, port and database, which messages would show.
    """
    if not _is_sound(url):
        raise SettingsError(Problem(variable, "is no URL of a PostgreSQL database", expected=_EXPECTED))
    return url


def _is_sound(url: str) -> bool:
    try:
        url.encode()
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except (psycopg.Error, UnicodeEncodeError):
        return False
    hosts = parts.get("host", "").split(",")
    return (
        all(host.startswith("/") or _HOST.fullmatch(host) for host in hosts)
        and _PORTS.fullmatch(parts.get("port", "")) is not None
        and not re.search("[@/]", parts.get("dbname", ""))
    )


def unreachable(fault: psycopg.Error, variable: str) -> Unavailable:
    """Return the error of a connection that was not made, with what the system or the server said, as one line."""
    said = " ".join(str(fault).split())
    return Unavailable(f"{variable}: the database cannot be reached: {said}")
