"""Who may sign in, and the rules for passwords."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from segmentation_core.errors import PasswordRefused, Problem

Role: TypeAlias = Literal["SuperAdmin", "Admin", "Manager", "User"]

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 64
"""In characters, not bytes."""


class User(msgspec.Struct, frozen=True):
    """An account. `company_name` is None for a SuperAdmin alone; `dsp` accounts see sizes, never segment lists."""

    id: int
    username: str
    role: Role
    company_name: str | None
    first_name: str = ""
    last_name: str = ""
    dsp: bool = False
    active: bool = True

    @property
    def may_see_lists(self) -> bool:
        """Whether plans, catalogue and presets show segment ids to this account."""
        return not self.dsp


class Account(msgspec.Struct, frozen=True):
    """What a store keeps of a user: the user, and the hash of the password, which never leaves the server."""

    user: User
    password_hash: str

    def __repr__(self) -> str:
        """Leave the hash out of logs and tracebacks."""
        return f"Account(user={self.user!r})"


def folded_name(username: str) -> str:
    """Return what decides whether two usernames are the same: they are, whatever their case."""
    return username.casefold()


def check_password(password: str, *, path: str = "$.password") -> None:
    """Raise PasswordRefused unless the password has 8 to 64 characters (OWASP ASVS 5.0, 6.2), all of them whole."""
    try:
        password.encode()
    except UnicodeEncodeError as fault:
        raise PasswordRefused(Problem(path, "is not text in UTF-8")) from fault
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        expected = f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
        raise PasswordRefused(Problem(path, f"a password of {len(password)} characters", expected=expected))
