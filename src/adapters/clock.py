"""The machine's clock and its source of randomness."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from segmentation_core.ports import Clock, Secrets


class SystemClock(Clock):
    """The wall clock of this machine."""

    def now(self) -> datetime:
        """Return the present time in UTC."""
        return datetime.now(UTC)


class SystemSecrets(Secrets):
    """The operating system's cryptographic randomness."""

    def token(self) -> str:
        """Return 256 random bits as 43 characters fit for URLs."""
        return secrets.token_urlsafe(32)
