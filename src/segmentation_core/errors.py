"""Every error that the core raises.

::

    SegmentationError
    ├── InputError                what was handed in is at fault; carries `problems`, each with its place
    │   ├── DocumentError         text that is not the JSON we read
    │   ├── CatalogError          a catalogue file
    │   ├── FilterError           a filter document
    │   ├── ProfileError          a platform's profile
    │   ├── PersonError           a person that a filter cannot be asked about
    │   ├── DataError             a population's table
    │   ├── RequestError          the body or parameters of a request
    │   ├── PasswordRefused       a password outside the rules
    │   └── SettingsError         the settings that a program was started with
    ├── TooComplex                a question past a stated bound
    ├── NotSignedIn               nobody is signed in, or no longer
    │   └── WrongCredentials      a sign-in that failed, for whatever reason
    ├── Forbidden                 signed in, but not allowed
    │   └── CsrfMismatch          the request does not prove that the session's own page sent it
    ├── NotFound                  it is not there, or not the caller's to see
    ├── Conflict                  it exists already, or what exists forbids it
    │   └── Stale                 it has changed since the caller read it
    ├── Throttled                 too many attempts failed lately; carries `retry_after`
    ├── Overloaded                too much of one kind of work is waiting; later it will go
    ├── Unavailable               something that we depend on is down
    └── PlanMismatch              a plan called exact selects another number of people than its filter: our fault
"""

from __future__ import annotations

import difflib
import math
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_PROBLEMS = 50
"""How many problems one error lists; the rest are counted."""

_LONGEST_FOUND = 120


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong, and where.

    `path` is a JSON path (`$.and[2].in[0]`) or a place in a file (`people.csv, line 4, column 'age'`); `found` is what
    stood there, shortened; `expected` says what may stand there, with the nearest known name first where there is one.
    """

    path: str
    message: str
    found: str | None = None
    expected: str | None = None

    def __str__(self) -> str:
        """Give the problem as one line."""
        said = f"{self.path}: {self.message}"
        return f"{said}; expected {self.expected}" if self.expected else said


class SegmentationError(Exception):
    """The root: whatever the core raises on purpose is one of these."""


class InputError(SegmentationError):
    """What was handed in is at fault. `problems` has every fault that was found, `unlisted` counts those past 50."""

    subject = "input"

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        """Keep the problems; the message is the first of them, and how many more there are."""
        found = (problems,) if isinstance(problems, Problem) else tuple(problems)
        self.problems = found[:MOST_PROBLEMS]
        self.unlisted = len(found) - len(self.problems)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        self.place: str | None = None
        """The file or line that the input came from, where a reader of several knows it."""
        super().__init__(f"{self.subject}: {self.problems[0]}{more}")

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Problem, ...]], dict[str, object]]:
        """Let the error travel between processes."""
        return type(self), (self.problems,), {"unlisted": self.unlisted, "place": self.place}


class DocumentError(InputError):
    """Text that is not JSON, or JSON that we refuse to read: too deep, a key twice, NaN, half a character."""

    subject = "document"


class CatalogError(InputError):
    """A catalogue file that contradicts itself or the rules of the format."""

    subject = "catalogue"


class FilterError(InputError):
    """A filter that is malformed, too large, or names what the catalogue does not have."""

    subject = "filter"


class ProfileError(InputError):
    """A platform's profile that is malformed, or has a figure without its source."""

    subject = "profile"


class PersonError(InputError):
    """A person that lacks what the filter asks about, or has a value that the catalogue does not know."""

    subject = "person"


class DataError(InputError):
    """A population table that cannot be read exactly."""

    subject = "data"


class RequestError(InputError):
    """A request whose body or parameters do not have the documented form."""

    subject = "request"


class PasswordRefused(InputError):
    """A password that the rules do not allow."""

    subject = "password"


class SettingsError(InputError):
    """Settings that a program cannot, or must not, start with."""

    subject = "settings"


class TooComplex(SegmentationError):
    """A question past a stated bound; the message names the bound."""


class NotSignedIn(SegmentationError):
    """Nobody is signed in with what the request carries."""


class WrongCredentials(NotSignedIn):
    """A sign-in that failed; which part was wrong is not told."""


class Forbidden(SegmentationError):
    """The account may not do this."""


class CsrfMismatch(Forbidden):
    """The CSRF header is not the cookie's, or not this session's."""


class NotFound(SegmentationError):
    """It is not there, or it is not the caller's to see: which of the two is not told."""


class Conflict(SegmentationError):
    """Something of that name exists already, or what exists forbids the change."""


class Stale(Conflict):
    """It has changed since the caller read it: the version that was given is not the present one."""


class Throttled(SegmentationError):
    """Too many attempts failed lately. After `retry_after` the next is let through; trying before prolongs nothing.

    Where it is not that they failed, but that too many are `under_way` at once, the next may be let through then.
    """

    def __init__(self, retry_after: timedelta, under_way: bool = False) -> None:  # noqa: FBT001, FBT002  to be pickled
        """Keep how long to wait."""
        self.retry_after = retry_after
        self.under_way = under_way
        minutes = math.ceil(retry_after / timedelta(minutes=1))
        super().__init__(
            f"Too many attempts are made at once. Please try again in {math.ceil(retry_after.total_seconds())} seconds."
            if under_way
            else f"Too many attempts failed. Please try again in {minutes} minute{'' if minutes == 1 else 's'}."
        )

    def __reduce__(self) -> tuple[type[Throttled], tuple[timedelta, bool]]:
        """Let the error travel between processes."""
        return type(self), (self.retry_after, self.under_way)


class Overloaded(SegmentationError):
    """Too many expensive requests are waiting; the caller may try again shortly."""


class Unavailable(SegmentationError):
    """Something that we depend on is down or does not answer in time; the caller may try again shortly."""


class PlanMismatch(SegmentationError):
    """A plan called exact selects another number of people than its filter.

    This is never the caller's fault. It is logged, and the plan is not handed out.
    """


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name most like `name`, or None where none is near."""
    known = list(known)
    text = name if isinstance(name, str) else excerpt(name)
    folded = {candidate.casefold(): candidate for candidate in reversed(known)}
    if text.casefold() in folded:
        return folded[text.casefold()]
    close = difflib.get_close_matches(text, known, n=1)
    return close[0] if close else None


def one_of(name: object, known: Iterable[str], *, noun: str = "one of") -> str:
    """Say what may stand in the place of `name`: the nearest known name first, then the first few of them."""
    known = list(known)
    shown = ", ".join(known[:8]) + (f", … ({len(known)} in all)" if len(known) > 8 else "")  # noqa: PLR2004
    guess = nearest(name, known)
    return (f"perhaps {guess}; " if guess else "") + f"{noun} {shown}"


def excerpt(value: object) -> str:
    """Show what was found, in one short line."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        text = repr(type(value))
    return text if len(text) <= _LONGEST_FOUND else text[: _LONGEST_FOUND - 1] + "…"
