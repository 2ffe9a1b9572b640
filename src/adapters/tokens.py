"""Session tokens (JWT, RFC 7519, HS256 and nothing else) and the CSRF tokens bound to them.

A CSRF token is `random.mac`: the MAC, under a key of its own, of the session's id and the random part (OWASP CSRF
Cheat Sheet, "Signed Double-Submit Cookie").
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import jwt
import msgspec

from segmentation_core.ports import Tokens
from segmentation_core.sessions import LIFETIME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from segmentation_core.sessions import Session
    from segmentation_core.users import User

_ISSUER: Final = "segmentation"
_AUDIENCE: Final = "segmentation-api"
_LONGEST_TOKEN: Final = 5_120
"""What two names of 255 characters can come to. Unless they are full of control characters, it is below 4,096: browsers
keep no longer cookies."""
_LONGEST_CSRF_TOKEN: Final = 128
_MOST_KEPT: Final = 4096
"""Of how many tokens of each kind it is kept what they come to; longer ones than ours are not among them."""

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){2}")
"""The only text of a token (RFC 7515, 3.1): PyJWT reads a padded one too."""


class _Claims(msgspec.Struct, frozen=True):
    """What every token of ours says; one that says less, or says it in another type, is none of ours."""

    user_id: int
    username: str
    company_name: str | None
    role: str
    dsp: bool
    jti: str
    iat: int
    exp: int
    aud: str
    iss: str


class _Utf8(json.JSONEncoder):
    """Text as it is, where `json` by itself would write six characters or twelve for each that is not ASCII."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  those of `json.dumps`
        super().__init__(**options | {"ensure_ascii": False})


class JwtTokens(Tokens):
    """Signs with the newest key of a ring and reads what any of its keys signed."""

    def __init__(self, keys: Mapping[str, str], csrf_key: str) -> None:
        """Take the ring, key id -> secret of at least 32 bytes, the newest last, and the CSRF key."""
        self._keys = {name: secret.encode() for name, secret in keys.items()}
        self._newest = [*self._keys][-1]
        self._csrf_key = csrf_key.encode()
        # A page sends the same tokens with each of its requests. What one says is kept; whether it is over is looked at
        # anew.
        self._claims = lru_cache(_MOST_KEPT)(self._read)
        self._csrf_mac = lru_cache(_MOST_KEPT)(self._mac)

    def sign(self, session: Session, user: User) -> str:
        issued = int(session.created.timestamp())
        claims = _Claims(
            user_id=user.id,
            username=user.username,
            company_name=user.company_name,
            role=user.role,
            dsp=user.dsp,
            jti=session.id,
            iat=issued,
            exp=issued + int(LIFETIME.total_seconds()),
            aud=_AUDIENCE,
            iss=_ISSUER,
        )
        return jwt.encode(
            msgspec.to_builtins(claims),
            self._keys[self._newest],
            algorithm="HS256",
            headers={"kid": self._newest},
            json_encoder=_Utf8,
        )

    def session_id(self, token: str, now: datetime) -> str | None:
        claims = self._claims(token) if len(token) <= _LONGEST_TOKEN else None
        if claims is None or claims.exp - claims.iat != LIFETIME.total_seconds():
            return None
        return claims.jti if claims.iat <= now.timestamp() + 1 and now.timestamp() < claims.exp else None

    def csrf_token(self, session_id: str) -> str:
        drawn = secrets.token_urlsafe(16)
        return f"{drawn}.{self._mac(session_id, drawn)}"

    def is_csrf_token(self, csrf_token: str, session_id: str) -> bool:
        if len(csrf_token) > _LONGEST_CSRF_TOKEN:
            return False
        drawn, _, mac = csrf_token.partition(".")
        return hmac.compare_digest(mac.encode(), self._csrf_mac(session_id, drawn).encode())

    def _mac(self, session_id: str, drawn: str) -> str:
        return hmac.digest(self._csrf_key, f"{session_id}.{drawn}".encode(), "sha256").hex()

    def _read(self, token: str) -> _Claims | None:
        """Return what a token that one of our keys signed says. The times in it are ours to check: see `session_id`."""
        if not _COMPACT.fullmatch(token):
            return None
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            said = jwt.decode(
                token,
                key,
                algorithms=["HS256"],
                options={"verify_exp": False, "verify_iat": False, "verify_aud": False, "verify_iss": False},
            )
            claims = msgspec.convert(said, _Claims)
        except (jwt.InvalidTokenError, jwt.InvalidKeyError, msgspec.ValidationError, KeyError, TypeError, ValueError):
            return None
        return claims if (claims.aud, claims.iss) == (_AUDIENCE, _ISSUER) else None
