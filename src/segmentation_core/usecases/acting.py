"""Who acts, in which request: what every change and every record of it needs to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from segmentation_core.audit import Entry
from segmentation_core.errors import NotSignedIn
from segmentation_core.users import User

if TYPE_CHECKING:
    from datetime import datetime


class Client(msgspec.Struct, frozen=True):
    """Where a request comes from that nobody is signed in for.

    `address` is as limits count it: of an IPv6 one, its /64. `device` is what the device says that it is known by.
    """

    address: str
    device: str | None = None
    request_id: str | None = None

    def __repr__(self) -> str:
        """Leave the device's secret out of logs and tracebacks."""
        return f"Client({self.address!r}, request_id={self.request_id!r})"


class Acting(msgspec.Struct, frozen=True):
    """An account as it is now, and the id of the request that it acts in."""

    user: User
    request_id: str | None = None

    def require_unchanged(self, now: User | None) -> None:
        """Raise NotSignedIn unless this account, as a store has it now, may still do what it could do.

        A request may have waited long since it was let in, as for the hash of a password.
        """
        known = self.user
        same = now and (now.role, now.company_id, now.dsp) == (known.role, known.company_id, known.dsp)
        if now is None or not now.active or not same:
            msg = "Your account has changed since this began, and nothing was done: sign in again."
            raise NotSignedIn(msg)

    def entry(  # noqa: PLR0913  what an entry says
        self,
        action: str,
        subject: str,
        at: datetime,
        *,
        company_id: int | msgspec.UnsetType | None = msgspec.UNSET,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> Entry:
        """Return the audit entry of something that this account did to `subject`.

        It is for the chain of the company that the subject belongs to, None for that of none; unset, the account's own.
        """
        return Entry(
            action=action,
            actor_id=self.user.id,
            actor=self.user.username,
            company_id=self.user.company_id if company_id is msgspec.UNSET else company_id,
            subject=subject,
            at=at,
            before=before,
            after=after,
            request_id=self.request_id,
        )
