"""What a service is told when it starts: one typed struct, read by main and by nothing else."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Literal, TypeAlias

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
    def for_demo(cls, environ: Mapping[str, str]) -> Settings:
        """Return settings for a demo on this machine: keys drawn afresh, so sessions end with the process."""
        return cls(
            environment="development",
            token_keys={"demo": secrets.token_urlsafe(SHORTEST_KEY)},
            csrf_key=secrets.token_urlsafe(SHORTEST_KEY),
            audit_key=environ.get("SEGMENTATION_AUDIT_KEY") or secrets.token_urlsafe(SHORTEST_KEY),
            cors_origins=tuple(environ.get("SEGMENTATION_CORS_ORIGINS", "").replace(",", " ").split()),
        )
