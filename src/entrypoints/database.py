"""Which database the program works on: the one that is named, or an embedded one in a data folder."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from platformdirs import user_data_path

from adapters.postgres import migrate, prepare_roles
from adapters.postgres.embedded import EmbeddedPostgres
from segmentation_core.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

URL: Final = "SEGMENTATION_DATABASE_URL"
OWNER_URL: Final = "SEGMENTATION_DATABASE_OWNER_URL"
DATA_DIR: Final = "SEGMENTATION_DATA_DIR"
AUDIT_KEY: Final = "SEGMENTATION_AUDIT_KEY"


class Database(msgspec.Struct, frozen=True):
    """Where the stores are: `url` for the service's bare role, `owner_url` for migrations where it is known.

    `named` tells whether it was named by the environment; else it is the embedded one, to which `applied` migrations
    were applied now.
    """

    url: str
    owner_url: str | None
    named: bool
    applied: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Leave the passwords out."""
        return f"Database(named={self.named})"


def data_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of what is kept between runs: the one that is named, or the platform's user data folder."""
    return Path(environ.get(DATA_DIR) or user_data_path("segmentation", appauthor=False)).absolute()


def embedded(environ: Mapping[str, str]) -> EmbeddedPostgres:
    """Return the embedded server of the data folder, running or not. Raises SettingsError where another is named."""
    if environ.get(URL):
        raise SettingsError(Problem(URL, "names a database, so the embedded one is not the one in use"))
    return EmbeddedPostgres(data_dir(environ))


@contextmanager
def database(environ: Mapping[str, str], *, may_be_embedded: bool) -> Iterator[Database]:
    """Give the database to work on. The embedded one is started, migrated, and let go of at the end.

    Raises SettingsError where none is named and none may be embedded, or the named one cannot be used; Unavailable
    where the embedded one cannot be started.
    """
    if environ.get(URL):
        yield Database(environ[URL], environ.get(OWNER_URL) or None, named=True)
        return
    if not may_be_embedded:
        expected = f"a database in {URL}, or `serve --demo`, which brings its own (its folder is {DATA_DIR})"
        raise SettingsError(Problem(URL, "there is no database", expected=expected))
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

    Records stay valid for as long as their key is kept.
    """
    given = environ.get(AUDIT_KEY)
    if given:
        return given.encode()
    file = data_dir(environ) / "audit.key"
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            drawn = file.with_name(f"audit.key.{secrets.token_hex(4)}")
            drawn.touch(mode=0o600)
            drawn.write_text(secrets.token_urlsafe(48), "ascii")
            try:
                drawn.hardlink_to(file)
            except OSError:
                drawn.rename(file)
        return file.read_bytes()
    except OSError as fault:
        raise SettingsError(Problem(str(file), f"cannot be kept: {fault.strerror}", expected=AUDIT_KEY)) from fault
