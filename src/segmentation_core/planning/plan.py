"""What a plan says. These types are also its wire shape."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

ReasonKind: TypeAlias = Literal[
    "unreached",
    "indistinguishable",
    "only-overlapping",
    "too-many-clauses",
    "past-a-limit",
    "too-large",
    "not-found",
]


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

    def order(self) -> tuple[object, ...]:
        """Return what clauses are sorted by: include ids, exclude ids, direct values."""
        return (self.include, self.exclude, sorted(self.direct.items()))


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

    `unreached`: no list reaches some wanted people, or none that does can be kept from reaching unwanted ones.
    `indistinguishable`: some wanted people are on just the lists that some unwanted ones are on. Both are proved, and
    `witness` is somebody wanted whom they are about. `only-overlapping`: clauses mean it, but no disjoint ones, proved.
    `too-many-clauses`: it takes more than a plan may have, proved.
    `past-a-limit`: the plan that was found takes more lists than the platform does. `too-large`: the filter depends on
    more than the planner looks at. `not-found`: a search ended without a plan. These three do not prove that there is
    none. `message` is a sentence for people.
    """

    kind: ReasonKind
    message: str
    witness: dict[str, str | tuple[str, ...]] | None = None


class Nearest(msgspec.Struct, frozen=True):
    """Clauses that reach nearly the audience, disjoint: all of it and more, or less.

    `cells` counts the combinations of what the filter tells apart that are reached too many or too few, and `witness`
    is somebody of them; None where the clauses reach just the audience. `people` is how large those are, in the unit of
    the population, where one was asked.
    """

    clauses: tuple[Clause, ...]
    cells: int
    witness: dict[str, str | tuple[str, ...]] | None
    people: int | msgspec.UnsetType = msgspec.UNSET


class Plan(msgspec.Struct, frozen=True):
    """Pairwise disjoint clauses whose union is the audience: exactly, or `exact` is false and `reason` says why.

    Nobody at all is an exact plan of no clauses. `certificate` is None where no plan could be made. `fingerprint` is
    the filter's. `superset` and `subset` are near it, from both sides, where they are known. `profile` is the id of the
    platform's profile, and `notes` say on which unknown figures of it the plan leans.
    """

    exact: bool
    clauses: tuple[Clause, ...]
    certificate: Certificate | None
    fingerprint: str
    reason: Reason | None = None
    superset: Nearest | msgspec.UnsetType | None = msgspec.UNSET
    subset: Nearest | msgspec.UnsetType | None = msgspec.UNSET
    profile: str = "include-exclude"
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """Show the plan in a notebook."""
        from segmentation_core.planning.text import plan_html  # noqa: PLC0415  words need the types above

        return plan_html(self)
