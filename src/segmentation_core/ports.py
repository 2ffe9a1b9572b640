"""What the core needs from outside, each with its contract.

An adapter subclasses the Protocol that it implements, so that the type checker sees where the two drift apart. Stores
are asynchronous; what only computes is not. `Population` stands in `population.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from segmentation_core.sessions import Session
    from segmentation_core.users import Account, User


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present time, in UTC and aware of it."""
        ...


class Secrets(Protocol):
    """Draws what nobody can guess."""

    def token(self) -> str:
        """Return a fresh text of at least 128 random bits, fit for URLs and cookies."""
        ...


class Users(Protocol):
    """The accounts of all companies. Usernames are unique whatever their case, and kept as typed."""

    async def by_id(self, user_id: int) -> User | None:
        """Return the user, None where there is none."""
        ...

    async def account(self, username: str) -> Account | None:
        """Return the account of that name, whatever its case, None where there is none."""
        ...

    async def add(self, user: User, password_hash: str) -> User:
        """Store a new account and return it with the id that it was given; `user.id` is ignored.

        Raises Conflict where the name is taken. Of two that add one name at once, one succeeds.
        """
        ...

    async def set_password_hash(self, user_id: int, password_hash: str) -> None:
        """Replace the hash of an account; nothing happens where there is none."""
        ...


class Sessions(Protocol):
    """Sessions that have not been ended. What one call has ended, no later call returns."""

    async def begin(self, session: Session) -> None:
        """Store a new session. Its id is fresh."""
        ...

    async def find(self, session_id: str) -> Session | None:
        """Return the session, expired or not, None where it was ended or never begun."""
        ...

    async def touch(self, session_id: str, seen: datetime) -> None:
        """Note a request; nothing happens where the session has ended."""
        ...

    async def end(self, session_id: str) -> None:
        """End a session; nothing happens where it has ended."""
        ...


class Passwords(Protocol):
    """Hashes passwords, off the event loop and a bounded number at a time; Overloaded where too many wait."""

    async def hashed(self, password: str) -> str:
        """Return a salted hash, which names its scheme and cost."""
        ...

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Tell whether the password is the hash's. With no hash, do the same work and say no."""
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash should be replaced, being of an older scheme or cost."""
        ...


class Tokens(Protocol):
    """Signs and reads what a client carries to prove its session."""

    def sign(self, session: Session, user: User) -> str:
        """Return a signed token of the session, which ends with it."""
        ...

    def session_id(self, token: str, now: datetime) -> str | None:
        """Return the id of the session that the token is for; None for every token not signed here, or expired."""
        ...

    def csrf_token(self, session_id: str) -> str:
        """Return a fresh CSRF token bound to the session."""
        ...

    def is_csrf_token(self, csrf_token: str, session_id: str) -> bool:
        """Tell, in constant time, whether the CSRF token is one of this session's."""
        ...
