"""What an ad platform takes, as data: how many groups, lists and ad sets, and what an empty include means.

A profile is a JSON file (`docs/profiles.md`), so that a figure can be corrected without code. Every figure carries
where it is from and when it was read; one that is not known is null, and every plan that leans on it says so.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from segmentation_core.documents import parse_json
from segmentation_core.errors import Problem, ProfileError, excerpt, one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmentation_core.planning.plan import Clause

_PLACE = re.compile(r" - at `(\$[^`]*)`\Z")
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `([^`]*)`")


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A figure: a number, "unlimited", or None where it is not known; `source` and `date` say where and when read."""

    value: int | Literal["unlimited"] | None
    source: str
    date: str
    note: str = ""


class Fact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A yes or no, None where it is not known; `source` and `date` say where and when it was read."""

    value: bool | None
    source: str
    date: str
    note: str = ""


class Remark(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A text, None where it is not known; `source` and `date` say where and when it was read."""

    value: str | None
    source: str
    date: str
    note: str = ""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one platform takes of an ad set, the `clause` of a plan.

    `include_groups`: of how many groups of lists somebody must be on one list each. `lists_per_group`: lists in one of
    these. `include_lists`, `exclude_lists`: lists that an ad set includes, in all groups together, and excludes.
    `clauses`: ad sets of one plan. `lists`: different lists of one plan. `minimum_size`: people that an ad set reaches
    at the least. `shared_lists`: whether an ad set may include and exclude one list. `empty_include_is_everyone`:
    whether an ad set that includes no list reaches everyone; else nobody, and one is always included. `united_with`:
    whom the platform adds to those included, "nobody" for none. `id_key`: under which name a list's `external_ids` has
    its id.
    """

    id: str
    name: str
    version: str
    include_groups: Limit
    lists_per_group: Limit
    include_lists: Limit
    exclude_lists: Limit
    clauses: Limit
    lists: Limit
    minimum_size: Limit
    shared_lists: Fact
    empty_include_is_everyone: Fact
    united_with: Remark
    id_key: str = ""

    @classmethod
    def from_json(cls, text: str | bytes) -> Profile:
        """Read a profile. Raises ProfileError with the path of every fault found, DocumentError for what is no JSON."""
        document = parse_json(text)
        try:
            profile = msgspec.convert(document, cls)
        except msgspec.ValidationError as fault:
            raise ProfileError(_problem(str(fault))) from fault
        problems = [*_problems(profile)]
        if problems:
            raise ProfileError(problems)
        return profile

    def limit(self, name: str) -> int | None:
        """Return a figure by its name, None where there is no limit or none is known."""
        value = getattr(self, name).value
        return value if isinstance(value, int) else None

    @property
    def groups(self) -> int | None:
        """How many include groups a plan may use: one where the figure is not known, None for no limit."""
        value = self.include_groups.value
        return None if value == "unlimited" else value or 1

    def unknown(self) -> tuple[str, ...]:
        """Return the names of the figures that are not known."""
        return tuple(name for name in FIGURES if getattr(self, name).value is None)

    def notes(self, clauses: Sequence[Clause]) -> tuple[str, ...]:
        """Say on which figures that are not known a plan of these clauses leans, and whom the platform adds."""
        several = len(clauses) > 1
        largest = max((len(group) for clause in clauses for group in clause.include), default=0)
        leans = {
            "include_groups": bool(clauses),
            "lists_per_group": largest > 1,
            "include_lists": any(sum(map(len, clause.include)) > 1 for clause in clauses),
            "exclude_lists": any(clause.exclude for clause in clauses),
            "clauses": several,
            "lists": bool(clauses),
            "minimum_size": bool(clauses),
            "united_with": bool(clauses),
        }
        notes = [f"{self.name}: {_WORDS[name]} is not known." for name in self.unknown() if leans.get(name)]
        united = self.united_with.value
        if clauses and united not in (None, "nobody"):
            notes.append(f"{self.name} unites those included with {united}: leave these empty.")
        least = self.limit("minimum_size")
        if clauses and least:
            notes.append(f"{self.name} takes ad sets of {least} people or more.")
        return tuple(notes)


_WORDS: Final = {
    "include_groups": "how many groups of lists an ad set may include (planned with one)",
    "lists_per_group": "how many lists a group may have",
    "include_lists": "how many lists an ad set may include",
    "exclude_lists": "how many lists an ad set may exclude",
    "clauses": "how many ad sets there may be",
    "lists": "how many lists there may be",
    "minimum_size": "how many people an ad set must reach",
    "united_with": "whom else an ad set reaches",
}

LIMITS: Final = (
    "include_groups",
    "lists_per_group",
    "include_lists",
    "exclude_lists",
    "clauses",
    "lists",
    "minimum_size",
)
FIGURES: Final = (*LIMITS, "shared_lists", "empty_include_is_everyone", "united_with")


def _problem(fault: str) -> Problem:
    """Return what msgspec found, at its place."""
    place = _PLACE.search(fault)
    path, message = (place[1] if place else "$"), _PLACE.sub("", fault)
    unknown = _UNKNOWN_FIELD.match(message)
    if unknown:
        known = Profile.__struct_fields__ if path == "$" else Limit.__struct_fields__
        return Problem(
            f"{path}.{unknown[1]}", "there is no such member", excerpt(unknown[1]), one_of(unknown[1], known)
        )
    return Problem(path, message)


def _problems(profile: Profile) -> list[Problem]:
    problems = [Problem(f"$.{name}", "is empty") for name in ("id", "name", "version") if not getattr(profile, name)]
    for name in FIGURES:
        figure: Any = getattr(profile, name)
        least = 0 if name in ("exclude_lists", "minimum_size") else 1
        if isinstance(figure.value, int) and not isinstance(figure.value, bool) and figure.value < least:
            found, expected = excerpt(figure.value), f'{least} or more, "unlimited" or null'
            problems.append(Problem(f"$.{name}.value", "is too little", found, expected))
        if not figure.source:
            problems.append(
                Problem(f"$.{name}.source", "is empty", expected="where the figure, or its absence, was read")
            )
        if not _is_date(figure.date):
            problems.append(Problem(f"$.{name}.date", "is no date", excerpt(figure.date), "a date such as 2026-01-31"))
    return problems


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _ours(value: int | Literal["unlimited"]) -> Limit:
    return Limit(value, "the plain form of include and exclude lists, docs/planning.md", "2026-11-24")


INCLUDE_EXCLUDE: Final = Profile(
    id="include-exclude",
    name="Include and exclude",
    version="1",
    include_groups=_ours(1),
    lists_per_group=_ours("unlimited"),
    include_lists=_ours("unlimited"),
    exclude_lists=_ours("unlimited"),
    clauses=_ours("unlimited"),
    lists=_ours("unlimited"),
    minimum_size=_ours(0),
    shared_lists=Fact(True, _ours(1).source, _ours(1).date),  # noqa: FBT003
    empty_include_is_everyone=Fact(False, _ours(1).source, _ours(1).date),  # noqa: FBT003
    united_with=Remark("nobody", _ours(1).source, _ours(1).date),
)
"""The default: one group of lists to include, any number of lists to exclude, no limits."""
