"""What a plan says. These types are also its wire shape."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

ReasonKind: TypeAlias = Literal["several-clauses", "too-many-clauses", "no-list"]


class Clause(msgspec.Struct, frozen=True):
    """What one ad set can say: everyone on a list of each group of `include`, but nobody on a list of `exclude`.

    `direct` gives, for each direct dimension that is limited, the values allowed: of a multi one, any of them.
    All ids stand in ascending order.
    """

    include: tuple[tuple[str, ...], ...]
    exclude: tuple[str, ...]
    direct: dict[str, tuple[str, ...]]

    @property
    def segments(self) -> int:
        """How many lists the clause refers to."""
        return sum(map(len, self.include)) + len(self.exclude)


class Bound(msgspec.Struct, frozen=True):
    """A proved bound: no exact plan lies below (clauses, segments), compared in that order."""

    clauses: int
    segments: int


class Certificate(msgspec.Struct, frozen=True):
    """The size of a plan, and the bound that is proved. Where the two are equal, no plan is smaller."""

    clauses: int
    segments: int
    lower_bound: Bound

    @property
    def fewest(self) -> bool:
        """Whether it is proved that no exact plan has fewer clauses, or as many with fewer lists."""
        return (self.clauses, self.segments) == (self.lower_bound.clauses, self.lower_bound.segments)


class Reason(msgspec.Struct, frozen=True):
    """Why there is no exact plan to give.

    `several-clauses`: no one clause can mean the filter, whatever the lists, and no plan of several was found.
    `too-many-clauses`: it takes more than a plan may have. `no-list`: the lists that the plan would need are not in the
    catalogue. `message` is a sentence for people.
    """

    kind: ReasonKind
    message: str


class Plan(msgspec.Struct, frozen=True):
    """Pairwise disjoint clauses whose union is the audience: exactly, or `exact` is false and `reason` says why.

    Nobody at all is an exact plan of no clauses. `certificate` is None where no plan could be made. `fingerprint` is
    the filter's. `superset` and `subset` are the nearest plans that reach more and fewer people, where they are known.
    """

    exact: bool
    clauses: tuple[Clause, ...]
    certificate: Certificate | None
    fingerprint: str
    reason: Reason | None = None
    superset: Plan | msgspec.UnsetType | None = msgspec.UNSET
    subset: Plan | msgspec.UnsetType | None = msgspec.UNSET
