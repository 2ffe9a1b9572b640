"""What can be asked of a population, and what it answers. Every answer is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import msgspec

from segmentation_core.errors import TooComplex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter
    from segmentation_core.planning import Plan

T = TypeVar("T")

MOST_OVERLAPPING = 10
"""How many filters `overlap` takes at once: each doubles the number of intersections."""

MOST_AT_ONCE = 1_000
"""How many filters a service counts in one question."""

MOST_SAMPLED = 1_000
"""How many rows `sample` shows at most."""

Counts: TypeAlias = dict[str, dict[str, int]]
"""A size for every value of every dimension, in the catalogue's order."""


class PlanSize(msgspec.Struct, frozen=True):
    """How many people each clause of a plan reaches, in the plan's order, and all of them together.

    The clauses of an exact plan are disjoint, so `total` is their sum.
    """

    clauses: tuple[int, ...]
    total: int


class Facets(msgspec.Struct, frozen=True):
    """The size of an audience, and for every value the size if it alone were chosen of its dimension.

    That is: of the filter's conditions that all must hold, those that speak of this dimension alone are dropped, and
    the value is asked for instead.
    """

    size: int
    facets: Counts


class ValueShare(msgspec.Struct, frozen=True):
    """One value in a profile: its size in the audience and in the population, and what part of each that is.

    `index` is 100 where both parts are the same, 200 where the audience has twice as large a part. A part of nobody,
    and an index over a part that is 0, are None.
    """

    size: int
    population: int
    share: float | None
    population_share: float | None
    index: float | None


class AudienceProfile(msgspec.Struct, frozen=True):
    """How an audience differs from the population, value by value."""

    size: int
    population: int
    profile: dict[str, dict[str, ValueShare]]


class Intersection(msgspec.Struct, frozen=True):
    """The people who are in all of some filters, which are told by their positions.

    `size` counts them whatever else they are in, `only` those who are in none of the other filters.
    """

    filters: tuple[int, ...]
    size: int
    only: int


class Overlap(msgspec.Struct, frozen=True):
    """How filters overlap: their sizes, that of their union, and all intersections of one filter or more.

    Intersections of fewer filters stand first, and those of as many in ascending order of positions.
    """

    sizes: tuple[int, ...]
    union: int
    intersections: tuple[Intersection, ...]


class Cost(msgspec.Struct, frozen=True):
    """What one of the conditions that all must hold costs: the size without it, and how many people that is more.

    `position` counts the conditions from 0 in the order in which the filter has them; `dimensions` are those that the
    condition speaks of, in ascending order.
    """

    position: int
    dimensions: tuple[str, ...]
    without: int
    cost: int


class Impact(msgspec.Struct, frozen=True):
    """The size of an audience, and what each of its conditions costs."""

    size: int
    conditions: tuple[Cost, ...]


class SampledRow(msgspec.Struct, frozen=True):
    """One row of the table: its number, from 1, what it holds in each dimension, and its weight."""

    row: int
    person: dict[str, str | tuple[str, ...]]
    weight: int


class Population(Protocol):
    """A table of people, or of cells that stand for many, read against one catalogue.

    Sizes are sums of weights, without rounding: people where the catalogue names no weight, otherwise its unit.
    Questions are synchronous and change nothing, so any number of threads may ask at once. A filter of another
    catalogue is a ValueError.
    """

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        ...

    def size(self, wanted: Filter) -> int:
        """Return the size of the audience: the weight of the rows that `wanted.matches`."""
        ...

    def sizes(self, wanted: Sequence[Filter]) -> tuple[int, ...]:
        """Return the size of each audience."""
        ...

    def facets(self, wanted: Filter) -> Facets:
        """Return what a checkbox shows next to each value."""
        ...

    def profile(self, wanted: Filter) -> AudienceProfile:
        """Return how the audience differs from the population."""
        ...

    def overlap(self, wanted: Sequence[Filter]) -> Overlap:
        """Return the sizes of all intersections. Raises TooComplex for more than `MOST_OVERLAPPING` filters."""
        ...

    def impact(self, wanted: Filter) -> Impact:
        """Return the size without each of the conditions that all must hold."""
        ...

    def plan_size(self, plan: Plan) -> PlanSize:
        """Return what the lists of a plan reach, counted from the lists and not from any filter.

        Clauses that overlap show: the total counts everyone once, and is less than the sum. Raises KeyError for a list
        that the catalogue does not have.
        """
        ...

    def sample(self, wanted: Filter, rows: int) -> tuple[SampledRow, ...]:
        """Return some of the audience's rows, always the same: all of them, or `rows` evenly spread over the table.

        Of m rows that match, the k that are shown are those at the positions i * m // k. Raises TooComplex for more
        than `MOST_SAMPLED`.
        """
        ...


class Answers(Protocol):
    """A population that is asked from an event loop, and may be replaced by a newer one meanwhile."""

    async def ask(self, question: Callable[[Population], T], work: int = 1) -> T:
        """Return what `question` answers: at once if it is short, otherwise on another thread while the loop goes on.

        All that the question asks is asked of one population, whatever replaces it meanwhile. `work` is about how many
        sizes it comes to. Raises what the question raises, Overloaded where too many are waiting, and Unavailable where
        the answer takes longer than it may; the question is then stopped.
        """
        ...


def profile_of(audience: Counts, population: Counts, size: int, whole: int) -> AudienceProfile:
    """Put a profile together from what the values count in an audience of `size` and in the `whole` population."""
    return AudienceProfile(
        size,
        whole,
        {
            dimension: {
                value: _value_share(count, population[dimension][value], size, whole) for value, count in counts
            }
            for dimension, counts in ((dimension, counts.items()) for dimension, counts in audience.items())
        },
    )


def overlap_of(sizes: dict[tuple[int, ...], int], filters: int) -> Overlap:
    """Put an overlap together from the `sizes` of intersections of positions; those that are left out have nobody.

    Who is in some filters and in no other follows by inclusion and exclusion, a filter at a time.
    """
    full = 1 << filters
    only = [0] * full
    for positions, size in sizes.items():
        only[sum(1 << position for position in positions)] = size
    inclusive = tuple(only)
    for position in range(filters):
        bit = 1 << position
        for members in range(full):
            if not members & bit:
                only[members] -= only[members | bit]
    groups = (tuple(i for i in range(filters) if members >> i & 1) for members in range(1, full))
    intersections = sorted(
        (Intersection(group, inclusive[members], only[members]) for members, group in enumerate(groups, 1)),
        key=lambda each: (len(each.filters), each.filters),
    )
    return Overlap(tuple(inclusive[1 << i] for i in range(filters)), sum(only[1:]), tuple(intersections))


def refuse_foreign(wanted: Filter, catalog: Catalog) -> None:
    """Raise ValueError for a filter that was read against another catalogue than the population."""
    if wanted.catalog is not catalog:
        msg = "the filter was read against another catalogue than the population"
        raise ValueError(msg)


def refuse_many_overlapping(filters: int) -> None:
    """Raise TooComplex for more filters than `overlap` takes."""
    if filters > MOST_OVERLAPPING:
        msg = f"the overlap of {filters} filters has 2**{filters} intersections; ask for {MOST_OVERLAPPING} at most"
        raise TooComplex(msg)


def sampled_positions(matching: int, rows: int) -> list[int]:
    """Return which of the rows that match are shown, counted from 0. Raises TooComplex past `MOST_SAMPLED`."""
    if rows > MOST_SAMPLED:
        msg = f"a sample of {rows} rows; ask for {MOST_SAMPLED} at most"
        raise TooComplex(msg)
    shown = min(rows, matching)
    return [i * matching // shown for i in range(shown)]


def _value_share(count: int, population: int, size: int, whole: int) -> ValueShare:
    # One division of integers is rounded once, however large they are.
    index = 100 * count * whole / (size * population) if size and population else None
    return ValueShare(count, population, count / size if size else None, population / whole if whole else None, index)
