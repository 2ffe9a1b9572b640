"""Which database the program works on: the one that is named, or an embedded one in a data folder."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from platformdirs import user_data_path

from adapters.postgres import APP_VARIABLE, OWNER_VARIABLE, checked_url, migrate, prepare_roles
from adapters.postgres.embedded import EmbeddedPostgres
from segmentation_core.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DATA_DIR: Final = "SEGMENTATION_DATA_DIR"
AUDIT_KEY: Final = "SEGMENTATION_AUDIT_KEY"
KEY_FILE: Final = "audit.key"
"""In the data folder."""

SHORTEST_KEY: Final = 32
"""In bytes."""


class Database(msgspec.Struct, frozen=True):
    """Where the stores are, for the service's bare role and for the owner: a database may be named for one of them.

    `named` tells whether it was named by the environment; else it is the embedded one, to which `applied` migrations
    were applied now.
    """

    app: str | None
    owner: str | None
    named: bool
    applied: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Leave the passwords out."""
        return f"Database(named={self.named})"

    @property
    def url(self) -> str:
        """The URL for the service's bare role. Raises SettingsError where none is named."""
        if self.app is None:
            raise SettingsError(Problem(APP_VARIABLE, "is not set", expected="the database's URL for segmentation_app"))
        return self.app

    @property
    def owner_url(self) -> str:
        """The URL for migrations. Raises SettingsError where none is named."""
        if self.owner is None:
            expected = "the database's URL for segmentation_owner"
            raise SettingsError(Problem(OWNER_VARIABLE, "is not set", expected=expected))
        return self.owner


def is_named(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment names a database, be it for one of the two roles."""
    return bool(environ.get(APP_VARIABLE) or environ.get(OWNER_VARIABLE))


def data_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of what is kept between runs: the one that is named, or the platform's user data folder."""
    return Path(environ.get(DATA_DIR) or user_data_path("segmentation", appauthor=False)).absolute()


def embedded(environ: Mapping[str, str]) -> EmbeddedPostgres:
    """Return the embedded server of the data folder, running or not.

    Raises SettingsError where another database is named, and in production, which has no embedded one.
    """
    for variable in (APP_VARIABLE, OWNER_VARIABLE):
        if environ.get(variable):
            raise SettingsError(Problem(variable, "names a database, so the embedded one is not the one in use"))
    if environ.get("SEGMENTATION_ENVIRONMENT") == "production":
        problem, expected = "there is no database", "one of a server of your own: production has no embedded one"
        raise SettingsError(Problem(APP_VARIABLE, problem, expected=expected))
    return EmbeddedPostgres(data_dir(environ))


@contextmanager
def database(environ: Mapping[str, str], *, may_be_embedded: bool) -> Iterator[Database]:
    """Give the database to work on. The embedded one is started, migrated, and let go of at the end.

    Raises SettingsError where none is named and none may be embedded, or the named one cannot be used; Unavailable
    where the embedded one cannot be started.
    """
    if is_named(environ):
        app, owner = (
            checked_url(environ[variable], variable) if environ.get(variable) else None
            for variable in (APP_VARIABLE, OWNER_VARIABLE)
        )
        yield Database(app, owner, named=True)
        return
    if not may_be_embedded:
        expected = f"a database in {APP_VARIABLE}, or `serve --demo`, which brings its own (its folder is {DATA_DIR})"
        raise SettingsError(Problem(APP_VARIABLE, "there is no database", expected=expected))
    server = embedded(environ)
    server.start()
    try:
        prepare_roles(server.url("super"))
        applied = migrate(server.url("owner"))
        yield Database(server.url("app"), server.url("owner"), named=False, applied=tuple(applied))
    finally:
        server.release()


def audit_key(environ: Mapping[str, str]) -> bytes:
    """Return the key of the audit trail: the one in the environment, or the data folder's, drawn when first asked for.

    Records stay valid for as long as their key is kept, so that a named database has no key that is kept in a folder.
    Raises SettingsError where there is none, or it is short or no text in UTF-8.
    """
    given = environ.get(AUDIT_KEY)
    if not given and is_named(environ):
        expected = (
            f"the key of the database's audit trail, of at least {SHORTEST_KEY} bytes, kept as long as the records"
        )
        raise SettingsError(Problem(AUDIT_KEY, "is not set", expected=expected))
    key = os.fsencode(given) if given else embedded(environ).secret(KEY_FILE)
    place = AUDIT_KEY if given else str(data_dir(environ) / KEY_FILE)
    mended = "" if given else f"; put back the key that was there, or {AUDIT_KEY}"
    if len(key) < SHORTEST_KEY:
        expected = f"at least {SHORTEST_KEY}{mended}"
        raise SettingsError(Problem(place, f"the key has {len(key)} bytes", expected=expected))
    try:
        key.decode()
    except UnicodeDecodeError as fault:
        raise SettingsError(Problem(place, "the key is not text in UTF-8", expected=f"such a text{mended}")) from fault
    return key
