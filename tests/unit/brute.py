"""What filters, lists and clauses mean, by going through everybody: slow, short, and what the core is tested against.

A set of people is an integer: bit i for the i-th of `everyone(catalog)`.
"""

from __future__ import annotations

from functools import cache, lru_cache, partial
from itertools import chain, combinations, product
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st

from segmentation_core import Clause
from segmentation_core.regions import Region
from segmentation_core.testing import FullPerson, everybody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from segmentation_core import Catalog, Filter, Segment

T = TypeVar("T")


@st.composite
def shuffled(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """Draw a catalogue file that says the same in another order."""
    dimensions = [
        dimension if dimension.get("ordered") else dimension | {"values": draw(st.permutations(dimension["values"]))}
        for dimension in draw(st.permutations(document["dimensions"]))
    ]
    return document | {"dimensions": dimensions, "segments": draw(st.permutations(document["segments"]))}


@lru_cache(maxsize=4)
def everyone(catalog: Catalog) -> tuple[FullPerson, ...]:
    return tuple(everybody(catalog))


def those(catalog: Catalog, belongs: Callable[[FullPerson], bool]) -> int:
    return sum(1 << i for i, person in enumerate(everyone(catalog)) if belongs(person))


def audience(wanted: Filter) -> int:
    return those(wanted.catalog, wanted.matches)


def members(region: Region, catalog: Catalog) -> int:
    return those(catalog, lambda person: not (region & alone(person, catalog)).is_empty())


def alone(person: FullPerson, catalog: Catalog) -> Region:
    """Return the region that this person is in and nobody else."""
    space = catalog.space
    return Region.box(space, {depth: 1 << state_of(person, depth, catalog) for depth in range(len(space.levels))})


def state_of(person: FullPerson, depth: int, catalog: Catalog) -> int:
    level = catalog.space.levels[depth]
    held = person[level.dimension]
    return int(level.value in held) if level.value is not None else level.states.index(str(held))


def is_on(segment: Segment, person: FullPerson) -> bool:
    for trace in segment.traces:
        held = person[trace.dimension]
        holds = held in trace.values if isinstance(held, str) else not set(held).isdisjoint(trace.values)
        if holds == trace.absent:
            return False
    return True


def is_targeted(direct: dict[str, tuple[str, ...]], person: FullPerson) -> bool:
    for name, allowed in direct.items():
        held = person[name]
        if not (held in allowed if isinstance(held, str) else set(held) & set(allowed)):
            return False
    return True


def is_reached(clause: Clause, catalog: Catalog, person: FullPerson) -> bool:
    return (
        all(any(is_on(catalog.segment[name], person) for name in group) for group in clause.include)
        and not any(is_on(catalog.segment[name], person) for name in clause.exclude)
        and is_targeted(clause.direct, person)
    )


def reached(clause: Clause, catalog: Catalog) -> int:
    return those(catalog, lambda person: is_reached(clause, catalog, person))


def order(clause: Clause) -> tuple[int, tuple[str, ...], tuple[str, ...]]:
    (include,) = clause.include
    return clause.segments, include, clause.exclude


def first_exact_clause(wanted: int, catalog: Catalog) -> Clause | None:
    """Try every choice of lists to include, lists to exclude and direct values, and return the first by `order`.

    A choice that already misses somebody wanted is not combined further.
    """
    on = {segment.id: those(catalog, partial(is_on, segment)) for segment in catalog.segments}
    unions = [(names, union(on[name] for name in names)) for names in subsets(sorted(on))]
    includes = [(names, people) for names, people in unions if names and not wanted & ~people]
    excludes = [(names, people) for names, people in unions if not wanted & people]
    targets = [(direct, those(catalog, partial(is_targeted, direct))) for direct in direct_choices(catalog)]
    exact = [
        Clause((include,), exclude, direct)
        for direct, targeted in targets
        if not wanted & ~targeted
        for include, inside in includes
        for exclude, outside in excludes
        if inside & ~outside & targeted == wanted
    ]
    return min(exact, key=order, default=None)


def cheapest(
    wanted: int,
    catalog: Catalog,
    groups: int = 1,
    *,
    empty: bool = False,
    takes: Callable[[Sequence[int], int], bool] = lambda _included, _excluded: True,
) -> dict[int, int]:
    """Return the fewest lists for all that one clause can reach of `wanted`, over every choice of lists and values.

    Each list is included in some of the groups, or excluded, or neither; `empty` tells whether none need be included,
    and `takes` whether a clause may include so many lists in each group, and exclude so many.
    """
    on = {segment.id: those(catalog, partial(is_on, segment)) for segment in catalog.segments}
    targets = [those(catalog, partial(is_targeted, direct)) for direct in direct_choices(catalog)]
    best: dict[int, int] = {}
    for uses in product(range(-1, 2**groups), repeat=len(on)):
        included = [
            union(o for o, use in zip(on.values(), uses, strict=True) if use > 0 and use >> g & 1)
            for g in range(groups)
        ]
        sizes = [sum(use > 0 and use >> g & 1 for use in uses) for g in range(groups)]
        if not takes(sizes, sum(use < 0 for use in uses)):
            continue
        inside = [some for g, some in enumerate(included) if any(use > 0 and use >> g & 1 for use in uses)]
        reached = ~union(o for o, use in zip(on.values(), uses, strict=True) if use < 0)
        for some in inside:
            reached &= some
        lists = sum(1 if use < 0 else use.bit_count() for use in uses)
        for target in targets if inside or empty else ():
            region = reached & target
            if region and not region & ~wanted:
                best[region] = min(best.get(region, lists), lists)
    return best


def smallest(wanted: int, options: dict[int, int]) -> tuple[int, int] | None:
    """Return how few of the options, disjoint, come to `wanted`, and with how few lists; None for no way."""

    @cache
    def lists(rest: int, clauses: int) -> int | None:
        if clauses == 1:
            return options.get(rest)
        lowest = rest & -rest
        found = [
            more + own
            for region, own in options.items()
            if region & lowest and not region & ~rest and (more := lists(rest & ~region, clauses - 1)) is not None
        ]
        return min(found, default=None)

    if not wanted:
        return 0, 0
    for clauses in range(1, wanted.bit_count() + 1):
        found = lists(wanted, clauses)
        if found is not None:
            return clauses, found
    return None


def direct_choices(catalog: Catalog) -> Iterator[dict[str, tuple[str, ...]]]:
    """Yield what a clause can say of the direct dimensions; naming all values of a single one is saying nothing."""
    choices: list[list[tuple[str, tuple[str, ...] | None]]] = []
    for dimension in catalog.dimensions:
        if dimension.direct:
            names = sorted(value.id for value in dimension.values)
            allowed = [some for some in subsets(names) if some and (dimension.multi or len(some) < len(names))]
            choices.append([(dimension.id, some) for some in (None, *allowed)])
    for chosen in product(*choices):
        yield {name: some for name, some in chosen if some is not None}


def subsets(things: Sequence[T]) -> Iterator[tuple[T, ...]]:
    return chain.from_iterable(combinations(things, count) for count in range(len(things) + 1))


def union(sets: Iterable[int]) -> int:
    together = 0
    for some in sets:
        together |= some
    return together
