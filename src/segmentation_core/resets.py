"""Forgotten passwords: a token that is mailed, resets a password once, and is kept as a digest only."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from typing import Final

import msgspec

RESET_LIFETIME: Final = timedelta(minutes=30)
"""How long a token is good for."""

_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*"
)
_LONGEST_ADDRESS: Final = 254
"""In characters (RFC 5321, 4.5.3.1.3, less the brackets)."""


class Reset(msgspec.Struct, frozen=True):
    """That a user may reset the password: by whoever has the text of which `digest` is the digest."""

    user_id: int
    digest: str
    created: datetime

    def is_alive(self, now: datetime) -> bool:
        """Tell whether it has not passed its lifetime."""
        return now < self.created + RESET_LIFETIME


class AskedReset(msgspec.Struct, frozen=True):
    """That somebody says to have forgotten the password of a name. `address` is as limits count it."""

    username: str
    address: str
    request_id: str | None = None


def digest_of(token: str) -> str:
    """Return what is kept of a token. It is random and long, so that a plain digest tells nothing of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def is_mail_address(name: str) -> bool:
    """Tell whether a username is an address that mail can be sent to: a plain one of RFC 5322, in ASCII."""
    return len(name) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(name) is not None


def mail_of(username: str, public_url: str, token: str) -> str:
    """Return the text of the mail.

    The token is in the fragment of the address, which browsers send to no server: it is in no log and no `Referer`.
    """
    return (
        f"Somebody, hopefully you, has asked to reset the password of {username}.\n\n"
        f"To choose a new one, open this page within {RESET_LIFETIME // timedelta(minutes=1)} minutes:\n\n"
        f"{public_url}/reset-password#token={token}\n\n"
        "If it was not you, do nothing: your password stays as it is.\n"
    )
