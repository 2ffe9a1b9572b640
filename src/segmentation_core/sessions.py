"""Sessions: how long one lasts, and what a token must say to stand for one."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

LIFETIME = timedelta(hours=8)
"""How long a session can last."""

DEVICE_LIFETIME = timedelta(days=180)
"""How long a device is known after a sign-in."""

IDLE_LIFETIME = timedelta(minutes=60)
"""How long a session lasts without a request."""


class Session(msgspec.Struct, frozen=True):
    """A sign-in that has not ended. `id` is the token's `jti`; times are in UTC."""

    id: str
    user_id: int
    created: datetime
    seen: datetime

    @property
    def expires(self) -> datetime:
        """When it ends at the latest."""
        return self.created + LIFETIME

    def is_alive(self, now: datetime) -> bool:
        """Tell whether the session has neither passed its lifetime nor been idle for too long."""
        return now < self.expires and now < self.seen + IDLE_LIFETIME


class SignedIn(msgspec.Struct, frozen=True):
    """What a sign-in gives to the client: a signed token, and the CSRF token that is bound to its session.

    `device` is what the device is known by from now on, None where it stays as it was.
    """

    token: str
    csrf_token: str
    device: str | None = None

    def __repr__(self) -> str:
        """Leave the secrets out of logs and tracebacks."""
        return "SignedIn(…)"
