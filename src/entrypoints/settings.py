"""What a service is told when it starts: one typed struct, read by main and by nothing else."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

import msgspec

from segmentation_core.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

Environment: TypeAlias = Literal["development", "production", "testing"]

SHORTEST_KEY = 32
"""In bytes."""

_ORIGIN = re.compile(r"https?://[^\s/*,]+")


class Settings(msgspec.Struct, frozen=True):
    """Settings of the HTTP service.

    `token_keys` is the ring of session keys, key id -> secret, the newest last; `audit_key` seals the audit trail;
    `password_cost` is log2 of bcrypt's rounds; `cors_origins` the origins whose pages may call the API with cookies.
    """

    environment: Environment
    token_keys: dict[str, str]
    csrf_key: str
    audit_key: str
    cors_origins: tuple[str, ...] = ()
    password_cost: int = 12

    def __post_init__(self) -> None:
        """Refuse keys that are short or used twice."""
        keys = [
            ("SEGMENTATION_CSRF_KEY", self.csrf_key),
            ("SEGMENTATION_AUDIT_KEY", self.audit_key),
            *(("SEGMENTATION_TOKEN_KEYS", k) for k in self.token_keys.values()),
        ]
        problems = [
            Problem(name, f"the key has {len(key.encode())} bytes", expected=f"at least {SHORTEST_KEY}")
            for name, key in keys
            if len(key.encode()) < SHORTEST_KEY
        ]
        if not self.token_keys:
            problems.append(Problem("SEGMENTATION_TOKEN_KEYS", "there is no key to sign sessions with"))
        if len({key for _, key in keys}) != len(keys):
            problems.append(Problem("SEGMENTATION_CSRF_KEY", "two keys are equal", expected="a key for each purpose"))
        problems += [
            Problem("SEGMENTATION_CORS_ORIGINS", "is no origin", origin, "scheme://host or scheme://host:port")
            for origin in self.cors_origins
            if not _ORIGIN.fullmatch(origin)
        ]
        if problems:
            raise SettingsError(problems)

    def __repr__(self) -> str:
        """Leave the keys out."""
        return f"Settings(environment={self.environment!r}, cors_origins={self.cors_origins!r})"

    @property
    def secure_cookies(self) -> bool:
        """Whether cookies travel over HTTPS alone."""
        return self.environment == "production"

    @classmethod
    def for_demo(cls, environ: Mapping[str, str], audit_key: bytes) -> Settings:
        """Return settings for a demo on this machine: keys drawn afresh, so sessions end with the process."""
        return cls(
            environment="development",
            token_keys={"demo": secrets.token_urlsafe(SHORTEST_KEY)},
            csrf_key=secrets.token_urlsafe(SHORTEST_KEY),
            audit_key=audit_key.decode("latin-1"),
            cors_origins=_origins(environ),
        )

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings that the environment holds; it is production unless said otherwise.

        SEGMENTATION_TOKEN_KEYS is `id:secret`, several with commas between, the newest last. Raises SettingsError with
        all that is missing or wrong.
        """
        environment = environ.get("SEGMENTATION_ENVIRONMENT", "production")
        if environment not in get_args(Environment):
            expected = f"one of {', '.join(get_args(Environment))}"
            raise SettingsError(Problem("SEGMENTATION_ENVIRONMENT", "is not known", environment, expected))
        pairs = [pair.strip().partition(":") for pair in environ.get("SEGMENTATION_TOKEN_KEYS", "").split(",")]
        return cls(
            environment=cast("Environment", environment),
            token_keys={name: secret for name, _, secret in pairs if name and secret},
            csrf_key=environ.get("SEGMENTATION_CSRF_KEY", ""),
            audit_key=environ.get("SEGMENTATION_AUDIT_KEY", ""),
            cors_origins=_origins(environ),
        )


def _origins(environ: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(environ.get("SEGMENTATION_CORS_ORIGINS", "").replace(",", " ").split())
