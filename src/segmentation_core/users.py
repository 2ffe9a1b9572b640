"""Accounts and companies: who may sign in, who may manage whom, and the rules for names and passwords."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from segmentation_core.errors import Forbidden, PasswordRefused, Problem, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

Role: TypeAlias = Literal["SuperAdmin", "Admin", "Manager", "User"]
Status: TypeAlias = Literal["active", "inactive"]

_RANK: Final[dict[Role, int]] = {"User": 0, "Manager": 1, "Admin": 2, "SuperAdmin": 3}

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 64
"""In characters, not bytes."""

_RARER: Final = "another one, such as four words that have nothing to do with each other"

LONGEST_NAME = 255
"""Of a user, a company or a preset, in characters."""


class Company(msgspec.Struct, frozen=True):
    """A tenant. Names are unique whatever their case, and kept as first typed."""

    id: int
    name: str


class User(msgspec.Struct, frozen=True):
    """An account. A SuperAdmin alone belongs to no company; `dsp` accounts see sizes, never segment lists.

    Times are in UTC; `created` is None only before a store has the account.
    """

    id: int
    username: str
    role: Role
    company_name: str | None
    first_name: str = ""
    last_name: str = ""
    dsp: bool = False
    active: bool = True
    company_id: int | None = None
    created: datetime | None = None
    created_by_id: int | None = None
    last_login: datetime | None = None

    @property
    def may_see_lists(self) -> bool:
        """Whether plans, catalogue and presets show segment ids to this account."""
        return not self.dsp

    @property
    def status(self) -> Status:
        """Whether the account may sign in, as clients are told."""
        return "active" if self.active else "inactive"

    @property
    def scope(self) -> Scope:
        """What this account's requests may touch in a store."""
        return ALL_COMPANIES if self.role == "SuperAdmin" else Scope(self.company_id)


class Scope(msgspec.Struct, frozen=True):
    """What one unit of work may see and change: one company's things, or everything where `company_id` is None."""

    company_id: int | None


ALL_COMPANIES: Final = Scope(None)


class Account(msgspec.Struct, frozen=True):
    """What a store keeps of a user: the user, and the hash of the password, which never leaves the server.

    `generation` counts how often the password was replaced by another one.
    """

    user: User
    password_hash: str
    generation: int = 0

    def __repr__(self) -> str:
        """Leave the hash out of logs and tracebacks."""
        return f"Account(user={self.user!r})"


class UserQuery(msgspec.Struct, frozen=True):
    """Which accounts are asked for: `search` is a part of username, first or last name, whatever its case."""

    search: str = ""
    role: Role | None = None
    active: bool | None = None


class UserChange(msgspec.Struct, frozen=True):
    """What is to change of an account; UNSET is left as it is, and an empty password too."""

    role: Role | msgspec.UnsetType = msgspec.UNSET
    status: Status | msgspec.UnsetType = msgspec.UNSET
    dsp: bool | msgspec.UnsetType = msgspec.UNSET
    first_name: str | msgspec.UnsetType = msgspec.UNSET
    last_name: str | msgspec.UnsetType = msgspec.UNSET
    password: str | msgspec.UnsetType = msgspec.UNSET

    def __repr__(self) -> str:
        """Leave the password out of logs and tracebacks."""
        return "UserChange(...)"

    @property
    def new_password(self) -> str | None:
        """The password to set, None for none."""
        return self.password or None if isinstance(self.password, str) else None

    def applied(self, user: User) -> User:
        """Return the account as it is after the change."""
        changed = {
            name: given
            for name, given in (
                ("role", self.role),
                ("dsp", self.dsp),
                ("first_name", self.first_name),
                ("last_name", self.last_name),
                ("active", msgspec.UNSET if self.status is msgspec.UNSET else self.status == "active"),
            )
            if given is not msgspec.UNSET
        }
        return replace(user, **changed)


def told(user: User) -> dict[str, Any]:
    """Return what the audit trail keeps of an account."""
    return {
        "username": user.username,
        "role": user.role,
        "company_name": user.company_name,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "dsp": user.dsp,
        "status": user.status,
    }


def require_may_give(actor: User, role: Role, *, dsp: bool) -> None:
    """Raise Forbidden where a role, or seeing lists, is more than the actor has: nobody makes more than what he is."""
    if _RANK[role] > _RANK[actor.role]:
        msg = f"Only a {role} makes a {role}."
        raise Forbidden(msg)
    if actor.dsp and not dsp:
        msg = "An account that sees sizes only (dsp) has no say over accounts that see lists."
        raise Forbidden(msg)


def require_may_change(actor: User, target: User, after: User) -> None:
    """Raise Forbidden or RequestError where `actor` may not turn the account `target` into `after`.

    Nobody acts on an account above himself, raises one above himself, or shuts himself out; an account that sees lists
    is above one that does not. A SuperAdmin belongs to no company, so an account keeps its side of that line.
    """
    if _RANK[target.role] > _RANK[actor.role]:
        msg = f"Only a {target.role} changes a {target.role}."
        raise Forbidden(msg)
    require_may_give(actor, after.role, dsp=target.dsp and after.dsp)
    if (target.role == "SuperAdmin") != (after.role == "SuperAdmin"):
        expected = "SuperAdmin" if target.role == "SuperAdmin" else "one of Admin, Manager, User"
        raise RequestError(
            Problem("$.role", "a SuperAdmin belongs to no company, the others to one", after.role, expected)
        )
    if actor.id == target.id and not after.active:
        raise RequestError(Problem("$.status", "nobody shuts himself out", "inactive", "active"))


def folded_name(name: str) -> str:
    """Return what decides whether two names of users or companies are the same: they are, whatever their case."""
    return name.casefold()


def check_name(name: str, *, path: str, may_be_empty: bool = False) -> None:
    """Raise RequestError unless a name is at most 255 characters of text, not blank, without the character NUL."""
    if not name.strip() and not may_be_empty:
        raise RequestError(Problem(path, "is missing or empty"))
    if len(name) > LONGEST_NAME:
        expected = f"at most {LONGEST_NAME}"
        raise RequestError(Problem(path, f"has {len(name)} characters", expected=expected))
    if "\0" in name:
        raise RequestError(Problem(path, "contains the character NUL, which no name may"))


def folded_password(password: str) -> str:
    """Return what decides whether a password is one of the common ones: whatever its case, or how it is written."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", password).casefold())


def check_password(password: str, is_common: Callable[[str], bool], *, path: str = "$.password") -> None:
    """Raise PasswordRefused unless a password has 8 to 64 characters, all of them whole, and is no common one.

    Nothing else is asked of it: no rule on which characters (OWASP ASVS 5.0, 6.2). `is_common` is of `Passwords`.
    """
    try:
        password.encode()
    except UnicodeEncodeError as fault:
        raise PasswordRefused(Problem(path, "is not text in UTF-8")) from fault
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        expected = f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
        raise PasswordRefused(Problem(path, f"a password of {len(password)} characters", expected=expected))
    if is_common(password):
        raise PasswordRefused(Problem(path, "is one of the passwords that are guessed first", expected=_RARER))


def check_password_of(username: str, password: str, *, path: str = "$.password") -> None:
    """Raise PasswordRefused where the password is the account's own name."""
    if folded_password(password) == folded_password(username):
        raise PasswordRefused(Problem(path, "is the username", expected=_RARER))
