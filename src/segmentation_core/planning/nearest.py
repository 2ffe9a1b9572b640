"""What is nearest where no plan is exact: clauses that reach more, and clauses that reach less."""

from __future__ import annotations

from functools import reduce
from heapq import nlargest
from math import prod
from operator import or_
from typing import TYPE_CHECKING, TypeAlias

from segmentation_core.planning import splits
from segmentation_core.planning.cells import OutOfWork
from segmentation_core.planning.clauses import PLAIN, Answer, Taking, lists_of
from segmentation_core.planning.exhaustive import TooMany, best_subset
from segmentation_core.planning.partitions import Partition
from segmentation_core.planning.plan import Clause, Nearest
from segmentation_core.planning.proofs import bound_in_groups
from segmentation_core.planning.several import WORK, Several, clauses_of, of_tree, shape_of_piece, unreachable
from segmentation_core.planning.shapes import Shape
from segmentation_core.planning.trees import Branch, Leaf, branch, may_be_a_clause, parts_of, region_of
from segmentation_core.regions import Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segmentation_core.planning.cells import Cells, Part
    from segmentation_core.planning.factors import Factors
    from segmentation_core.planning.partitions import Piece
    from segmentation_core.planning.trees import Found, Tree

_Place: TypeAlias = tuple[int, ...]
"""Where a part stands in a tree: which part of which part."""

_SPARE = 8
"""How many more parts than there may be clauses are counted, since lists may not say all of them."""

_MOST_WIDENED = 100
"""How many ways of reaching more people are looked at."""

_MOST_PLACES = 100
"""In how many places of a tree parts are left out one by one: the work grows with the cube of them."""

_LOOKED_AT = 4_096
"""Of how many parts of a tree those are chosen that reach most of it."""


def nearest_of_tree(
    tree: Tree, region: Region, factors: Factors, most: int, taking: Taking = PLAIN
) -> tuple[Nearest | None, Nearest | None]:
    """Return a superset and a subset of a region that a tree means, of at most so many clauses; None for none found.

    The subset are those clauses of its cut that reach most. The superset is what is left when parts of its `and`s are
    left out, one after another, each time that which adds least, until so few clauses mean it. Combinations are those
    of what the region tells apart.
    """
    return _wider(tree, region, factors, most, taking), _part(tree, region, factors, most, taking)


def _part(tree: Tree, region: Region, factors: Factors, most: int, taking: Taking) -> Nearest:
    alike = region.alike()
    pieces = [*next(Partition(tree, factors, taking.groups).ways(_LOOKED_AT))]
    likely = nlargest(most + _SPARE, pieces, key=_reach)
    counts = [_region_of(piece, factors).count(alike) for piece in likely]
    taken: list[Clause] = []
    off = region.count(alike)
    for count, piece in sorted(zip(counts, likely, strict=True), key=lambda one: -one[0]):
        answer = lists_of(shape_of_piece(piece, factors), factors, taking)
        if isinstance(answer, Answer) and len(taken) < most and _fits(answer.clause, taking):
            taken.append(answer.clause)
            off -= count
            pieces.remove(piece)
    witness = _region_of(pieces[0], factors).witness() if pieces else None
    return Nearest(tuple(sorted(taken, key=Clause.order)), off, witness)


def _reach(piece: Piece) -> float:
    """Return about what share of all combinations a part of a tree holds: the fewer conditions the more."""
    return reduce(lambda kept, hole: kept - 0.5 ** len(hole), piece.holes, 1.0) * 0.5 ** len(piece.box)


def _wider(tree: Tree, region: Region, factors: Factors, most: int, taking: Taking) -> Nearest | None:
    is_large = len([*_places(tree, ())]) > _MOST_PLACES
    some, clauses = (_without_unsaid if is_large else _without_least)(tree, factors, most, taking)
    if clauses is None:
        return None
    wider = region_of(some, factors) if isinstance(some, Leaf | Branch) else Region.everyone(factors.space)
    alike = region.alike()
    return Nearest(clauses, wider.count(alike) - region.count(alike), (wider - region).witness())


def _without_unsaid(tree: Tree, factors: Factors, most: int, taking: Taking) -> tuple[Found, tuple[Clause, ...] | None]:
    """Leave out of an `and` what no clauses mean by itself, or else all."""
    said = [part for part in parts_of(tree, "and") if _clauses_of(part, factors, most, taking)]
    some = branch("and", said) if len(said) < len(parts_of(tree, "and")) else True
    clauses = _clauses_of(some, factors, most, taking)
    return (some, clauses) if clauses else (True, _clauses_of(True, factors, most, taking))  # noqa: FBT003  everyone


def _without_least(tree: Tree, factors: Factors, most: int, taking: Taking) -> tuple[Found, tuple[Clause, ...] | None]:
    """Leave parts out until so few clauses mean the rest, then put back what does no harm."""
    left_out: list[_Place] = []
    some: Found = tree
    clauses = None
    while clauses is None and isinstance(some, Leaf | Branch):
        out = left_out
        left_out = [*out, min(_places(tree, out), key=lambda place: _share(_without(tree, [*out, place])))]
        some = _without(tree, left_out)
        clauses = _clauses_of(some, factors, most, taking)
    if clauses is None:
        return some, None
    for place in left_out[-2::-1]:
        more = [other for other in left_out if other != place]
        better = _without(tree, more)
        fewer = _clauses_of(better, factors, most, taking)
        if fewer:
            left_out, some, clauses = more, better, fewer
    return some, clauses


def _places(tree: Tree, left_out: Sequence[_Place], here: _Place = ()) -> Iterator[_Place]:
    """Yield the places of the parts of a tree's `and`s that are not left out yet, the last first, and of the whole."""
    if not here:
        yield here
    if isinstance(tree, Branch):
        for i in reversed(range(len(tree.parts))):
            place = (*here, i)
            if place not in left_out:
                if tree.joins == "and":
                    yield place
                yield from _places(tree.parts[i], left_out, place)


def _without(tree: Tree, left_out: Sequence[_Place], here: _Place = ()) -> Tree | bool:
    """Return what is left of a tree without the parts at some places: everyone where that is nothing."""
    if here in left_out:
        return True
    if isinstance(tree, Leaf):
        return tree
    return branch(tree.joins, [_without(part, left_out, (*here, i)) for i, part in enumerate(tree.parts)])


def _clauses_of(tree: Found, factors: Factors, most: int, taking: Taking) -> tuple[Clause, ...] | None:
    """Return at most so many clauses that mean a tree, or everyone; None where that is not to be had."""
    if not isinstance(tree, Leaf | Branch):
        answer = lists_of(Shape({}, (), {}), factors, taking)
        return (answer.clause,) if isinstance(answer, Answer) and _fits(answer.clause, taking) else None
    if not may_be_a_clause(tree) and bound_in_groups(tree, taking.groups, empty=taking.empty).clauses > most:
        return None
    several = of_tree(tree, factors, most, taking)
    if not isinstance(several, Several) or not all(_fits(clause, taking) for clause in several.clauses):
        return None
    return several.clauses


def _fits(clause: Clause, taking: Taking) -> bool:
    return taking.takes(clause.include, clause.exclude)


def _share(tree: Found) -> float:
    """Return the share of people that a tree holds, if each condition were met by those of its states."""
    if isinstance(tree, Leaf):
        return tree.inside.bit_count() / tree.full.bit_count()
    if not isinstance(tree, Branch):
        return 1.0
    if tree.joins == "and":
        return prod(map(_share, tree.parts))
    return 1 - prod(1 - _share(part) for part in tree.parts)


def _region_of(piece: Piece, factors: Factors) -> Region:
    def box(states: dict[int, int]) -> Region:
        listed = {axis: mask for axis, mask in states.items() if axis >= 0}
        direct = {~axis: mask for axis, mask in states.items() if axis < 0}
        return factors.box(listed) & Region.box(factors.space, direct)

    return reduce(lambda kept, hole: kept - box(hole), piece.holes, box(piece.box))


def best_of_few_lists(region: Region, factors: Factors, taking: Taking, most: int) -> Nearest | None:
    """Return the subset that reaches most people where the catalogue is so small that all are looked at; else None.

    `cells` counts the combinations of which somebody is missed.
    """
    try:
        clauses, missed = best_subset(region, factors, taking, most)
    except TooMany:
        return None
    return Nearest(clauses, missed.onto([*region.alike()]).count(region.alike()), missed.witness())


def nearest_of_cells(cells: Cells, most: int, taking: Taking = PLAIN) -> tuple[Nearest | None, Nearest]:
    """Return a superset, None where none was found, and a subset of the audience that plans mean exactly.

    They are near, and not proved nearest, but for a subset of everybody whom any clause reaches.
    """
    subset = _subset(cells, most, taking)
    try:
        return _superset(cells, most, taking), subset
    except OutOfWork:
        return None, subset


def _subset(cells: Cells, most: int, taking: Taking) -> Nearest:
    """Return everybody whom any clause reaches, if disjoint clauses can say that; else clauses that grow one by one."""
    cells.allow(WORK)
    found = [splits.grown(cells.wanted, cells, most)]
    try:
        reachable = cells.wanted & ~unreachable(cells.wanted, cells)
        found += [parts] if (parts := splits.split(reachable, cells, most)) else []
    except OutOfWork:
        pass
    missed = [cells.wanted & ~reduce(or_, (part.cells for part in parts), 0) for parts in found]
    off, parts = min(zip(missed, found, strict=True), key=lambda one: (one[0].bit_count(), len(one[1])))
    return _nearest(parts, off, cells, taking)


def _superset(cells: Cells, most: int, taking: Taking) -> Nearest | None:
    wider = _widened(cells)
    if wider is None:
        return None
    parts = splits.split(wider, cells, most)
    if parts is None:
        cells.allow(WORK)
        box = cells.around(wider, cells.full)
        clause = cells.clause(box.cells) if box else None
        parts = [clause] if clause else None
    if parts is None:
        return None
    return _nearest(parts, reduce(or_, (part.cells for part in parts)) & ~cells.wanted, cells, taking)


def _widened(cells: Cells) -> int | None:
    """Return the least that holds the audience and that clauses reach all of, None where there is none.

    For everybody no clause reaches, those of some list that reaches them who cannot be kept out are added. Each list is
    tried, the one that adds fewest first, as far as the budget goes.
    """
    best: int | None = None
    waiting = [cells.wanted]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_WIDENED:
        wider = waiting.pop()
        if wider in seen or (best is not None and wider.bit_count() >= best.bit_count()):
            continue
        seen.add(wider)
        lost = unreachable(wider, cells)
        if not lost:
            best = wider
            continue
        ways = {wider | some for some in cells.lists_round(lost & -lost)}
        waiting += sorted(ways, key=lambda some: (-some.bit_count(), some))
    return best


def _nearest(parts: list[Part], off: int, cells: Cells, taking: Taking) -> Nearest:
    return Nearest(clauses_of(parts, cells, taking), off.bit_count(), cells.person(off & -off) if off else None)
