"""Where settings come from: the environment, a file `.env` beside it, and files that hold secrets.

::

    SEGMENTATION_CSRF_KEY=...                   the environment goes before .env
    SEGMENTATION_CSRF_KEY_FILE=/run/secrets/x   a secret may stand in a file of its own; its last line break is cut off

`VARIABLES` names all that there are. Main gathers them once, before anything reads one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from dotenv import dotenv_values

from entrypoints.settings import Settings
from segmentation_core.errors import Problem, SettingsError, nearest, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX: Final = "SEGMENTATION_"
_FILE: Final = "_FILE"
_DOTENV: Final = Path(".env")
HIDDEN: Final = "***"


class Variable(msgspec.Struct, frozen=True):
    """A setting: what it says, whether nobody may see it, and the field of `Settings` that it becomes, if any.

    `default` is told where it is not the field's.
    """

    name: str
    says: str
    field: str | None = None
    secret: bool = False
    default: str = ""
    example: str = ""

    @property
    def told_default(self) -> str:
        """What holds where it is not set."""
        if self.default or self.field is None:
            return self.default
        defaults = dict(zip(reversed(Settings.__struct_fields__), reversed(Settings.__struct_defaults__), strict=False))
        value = defaults.get(self.field, "")
        return " ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}" if value else str(value)


def _variable(name: str, says: str, field: str | None = None, **more: str | bool) -> Variable:
    return msgspec.convert({"name": PREFIX + name, "says": says, "field": field, **more}, Variable)


VARIABLES: Final = (
    _variable(
        "ENVIRONMENT",
        "production, development or testing; in production cookies travel over HTTPS alone, and no database is made",
        "environment",
        default="production",
    ),
    _variable(
        "DATABASE_URL",
        "the database, for the role segmentation_app",
        secret=True,
        default="the embedded one, but in production",
        example="postgresql://segmentation_app:...@db/segmentation",
    ),
    _variable(
        "DATABASE_OWNER_URL",
        "the same for segmentation_owner; only `db migrate` and `db status` use it",
        secret=True,
        example="postgresql://segmentation_owner:...@db/segmentation",
    ),
    _variable("DATA_DIR", "the folder of an embedded database", default="the platform's user data folder"),
    _variable(
        "TOKEN_KEYS",
        "keys of sessions, as id:secret, several with commas between: the newest, which signs, stands last",
        "token_keys",
        secret=True,
        example="2026-11:...",
    ),
    _variable("CSRF_KEY", "a secret of 32 bytes or more, another one", "csrf_key", secret=True),
    _variable(
        "AUDIT_KEY",
        "a third one, which seals the audit trail: keep it as long as the records",
        "audit_key",
        secret=True,
        default="drawn and kept in the data folder, for a demo",
    ),
    _variable("HOSTS", "the names that the service answers to", "hosts", example="audience.example.com"),
    _variable(
        "CORS_ORIGINS",
        "origins whose pages may call the API with cookies",
        "cors_origins",
        example="https://audience.example.com",
    ),
    _variable("TRUSTED_PROXIES", "networks of proxies whose word about the client counts", "trusted_proxies"),
    _variable("PASSWORD_COST", "log2 of bcrypt's rounds: 12 or more in production", "password_cost"),
    _variable("REQUEST_SECONDS", "the deadline of each request", "request_seconds"),
    _variable(
        "DRAIN_SECONDS",
        "how long it still listens once it is told to stop",
        "drain_seconds",
        default="3 in production, else 0",
    ),
    _variable("CACHED_ANSWERS", "how many built audiences are kept; 0 keeps none", "cached_answers"),
    _variable("DEBUG", "set for nothing; in production it stops the start, as other switches for debugging do"),
    _variable("MAIL", "where mail goes: smtp://, smtps:// or, but in production, folder:PATH", "mail", secret=True),
    _variable("MAIL_FROM", "who mail is from", "mail_from", example="audience@example.com"),
    _variable(
        "PUBLIC_URL",
        "where people open the page that mail leads to",
        "public_url",
        example="https://audience.example.com",
    ),
    _variable(
        "SENTRY_DSN", "where faults of ours are reported to; needs the extra `sentry`", "sentry_dsn", secret=True
    ),
    _variable(
        "DEMO_PASSWORD", "the password of a demo's accounts", secret=True, default="a fresh one, which is printed"
    ),
)
"""Every setting, in the order in which they are told."""


class Found(msgspec.Struct, frozen=True):
    """A setting as it was found: `source` says where, None where its default holds."""

    variable: Variable
    value: str
    source: str | None

    @property
    def shown(self) -> str:
        """What may be told of it."""
        if self.source is None:
            return self.variable.told_default
        return HIDDEN if self.variable.secret and self.value else self.value


def gathered(environ: Mapping[str, str], dotenv: Path = _DOTENV) -> list[Found]:
    """Return every setting as the environment, `.env` and the files of secrets have it.

    Raises SettingsError for a name in `.env` that is no setting, a file that cannot be read, and a setting that is
    given twice, itself and by a file.
    """
    written = {name: value or "" for name, value in dotenv_values(dotenv, interpolate=False).items()}
    known = {variable.name for variable in VARIABLES}
    files = {variable.name + _FILE for variable in VARIABLES if variable.secret}
    problems = [
        Problem(f"{dotenv}: {name}", "there is no such setting", expected=one_of(name, sorted(known)))
        for name in written
        if name not in known | files
    ]
    found = []
    for variable in VARIABLES:
        try:
            found.append(_found(variable, environ, written, str(dotenv)))
        except SettingsError as fault:
            problems += fault.problems
    if problems:
        raise SettingsError(problems)
    return found


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Return the names in the environment that look like settings and are none."""
    known = {name for variable in VARIABLES for name in (variable.name, variable.name + _FILE)}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def unread(environ: Mapping[str, str]) -> Iterator[str]:
    """Say of each variable with our prefix that nothing reads it, and which one may be meant.

    It stops nothing: a cluster sets variables of its own for a service of our name.
    """
    names = [variable.name.removeprefix(PREFIX) for variable in VARIABLES]
    for name in unknown(environ):
        meant = nearest(name.removeprefix(PREFIX), names)
        perhaps = f"; perhaps {PREFIX}{meant} is meant" if meant else ""
        yield f"{name} is set, and nothing reads it{perhaps}"


def example() -> str:
    """Return the text of `.env.example`."""
    return "\n".join(_example_lines()) + "\n"


def _found(variable: Variable, environ: Mapping[str, str], written: Mapping[str, str], dotenv: str) -> Found:
    for values, where in ((environ, "environment"), (written, dotenv)):
        file = values.get(variable.name + _FILE) if variable.secret else None
        if file and values.get(variable.name):
            raise SettingsError(Problem(variable.name, f"is given twice, with {variable.name}{_FILE} too"))
        if file:
            return Found(variable, _secret(variable.name + _FILE, Path(file)), f"{where}, in {file}")
        if variable.name in values:
            return Found(variable, values[variable.name], where)
    return Found(variable, "", None)


def _secret(name: str, file: Path) -> str:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        said = fault.strerror if isinstance(fault, OSError) else "it is not UTF-8"
        raise SettingsError(Problem(name, f"the file {file} cannot be read: {said}")) from fault
    return text.removesuffix("\n").removesuffix("\r")


def _example_lines() -> Iterator[str]:
    yield "# Settings of the service: copy this to .env, where it is started; the environment goes before it."
    yield "# Made by `make env-example`. A secret may stand in a file of its own, which NAME_FILE then names."
    for variable in VARIABLES:
        default = f" (default: {variable.told_default})" if variable.told_default else ""
        yield ""
        yield f"# {variable.says[0].upper()}{variable.says[1:]}{default}."
        yield f"#{variable.name}={variable.example}"
