"""What is nearest where no plan is exact: clauses that reach more, and clauses that reach less."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from itertools import islice
from math import prod
from operator import or_
from typing import TYPE_CHECKING

from segmentation_core.planning import splits
from segmentation_core.planning.clauses import PLAIN, Answer, Taking, lists_of
from segmentation_core.planning.partitions import Partition
from segmentation_core.planning.plan import Clause, Nearest
from segmentation_core.planning.several import WORK, clauses_of, shape_of_piece, unreachable
from segmentation_core.planning.trees import Branch, Leaf, branch, has_links, leaves, parts_of, region_of
from segmentation_core.regions import Region

if TYPE_CHECKING:
    from segmentation_core.planning.cells import Cells, Part
    from segmentation_core.planning.factors import Factors
    from segmentation_core.planning.partitions import Piece
    from segmentation_core.planning.trees import Tree

_LOOKED_AT = 4_096
"""Of how many parts of a tree those are chosen that reach most of it."""


def nearest_of_tree(
    tree: Tree, factors: Factors, most: int, taking: Taking = PLAIN
) -> tuple[Nearest | None, Nearest | None]:
    """Return a superset and a subset of a tree, of at most so many clauses; None where none was found.

    The subset are those clauses of its cut that reach most, the superset one clause: the tree with one condition kept
    of every `and` within one `or`, and all other `or`s left out. Combinations are counted over the tree's conditions,
    each true or false. None where lists link two of them.
    """
    if has_links(tree) or taking.groups > 1:
        return None, None
    return _wider(tree, factors, taking), _part(tree, factors, most, taking)


def _part(tree: Tree, factors: Factors, most: int, taking: Taking) -> Nearest:
    conditions = len(leaves(tree))
    pieces = sorted(
        islice(next(Partition(tree, factors).ways()), _LOOKED_AT), key=lambda piece: -_combinations(piece, conditions)
    )
    taken: list[tuple[Piece, Clause]] = []
    missed: list[Piece] = []
    for piece in pieces:
        answer = lists_of(shape_of_piece(piece, factors), factors, taking)
        if isinstance(answer, Answer) and len(taken) < most:
            taken.append((piece, answer.clause))
        else:
            missed.append(piece)
    off = _true(tree) - sum(_combinations(piece, conditions) for piece, _ in taken)
    witness = _region_of(missed[0], factors).witness() if missed else None
    return Nearest(tuple(sorted((clause for _, clause in taken), key=Clause.order)), off, witness)


def _wider(tree: Tree, factors: Factors, taking: Taking) -> Nearest | None:
    parts = parts_of(tree, "and")
    own = [part for part in parts if isinstance(part, Leaf)]
    ors = [_one_of_each(part) for part in parts if isinstance(part, Branch)]
    joined = [branch("and", [*own, *kept]) for kept in ([], *([one] for one in ors if one))]
    wider = [(_combinations_of(some, tree), i, some) for i, some in enumerate(joined) if not isinstance(some, bool)]
    for count, _, some in sorted(wider, key=lambda one: one[:2]):
        (piece,) = next(Partition(some, factors).ways())
        answer = lists_of(shape_of_piece(piece, factors), factors, taking)
        if isinstance(answer, Answer):
            witness = (region_of(some, factors) - region_of(tree, factors)).witness()
            return Nearest((answer.clause,), count - _true(tree), witness)
    return None


def _one_of_each(tree: Branch) -> Tree | None:
    """Return an `or` of conditions that holds all of an `or`: of every `and` in it the one that fewest states meet.

    None where the platform itself targets one of them, which no clause can say beside others.
    """
    kept: list[Tree] = []
    for part in tree.parts:
        if isinstance(part, Leaf):
            kept.append(part)
            continue
        own = [leaf for leaf in part.parts if isinstance(leaf, Leaf) and leaf.listed]
        inner = [found for one in part.parts if isinstance(one, Branch) and (found := _one_of_each(one))]
        if own:
            kept.append(min(own, key=lambda leaf: (Fraction(leaf.inside.bit_count(), leaf.full.bit_count()), leaf)))
        elif inner:
            kept.append(inner[0])
        else:
            return None
    joined = branch("or", kept)
    assert not isinstance(joined, bool)  # noqa: S101  two parts or more
    return joined if all(leaf.listed for leaf in leaves(joined)) else None


def _region_of(piece: Piece, factors: Factors) -> Region:
    def box(states: dict[int, int]) -> Region:
        listed = {axis: mask for axis, mask in states.items() if axis >= 0}
        direct = {~axis: mask for axis, mask in states.items() if axis < 0}
        return factors.box(listed) & Region.box(factors.space, direct)

    return reduce(lambda kept, hole: kept - box(hole), piece.holes, box(piece.box))


def _true(tree: Tree) -> int:
    """Return how many combinations of its conditions, each true or false, a tree holds."""
    if isinstance(tree, Leaf):
        return 1
    if tree.joins == "and":
        return prod(map(_true, tree.parts))
    return (1 << len(leaves(tree))) - prod((1 << len(leaves(part))) - _true(part) for part in tree.parts)


def _combinations_of(some: Tree, whole: Tree) -> int:
    """Return how many combinations of the conditions of a whole tree one holds that has some of them."""
    return _true(some) << len(leaves(whole)) - len(leaves(some))


def _combinations(piece: Piece, conditions: int) -> int:
    """Return how many combinations a part holds: of one hole at the most, of other conditions than its box."""
    free = conditions - len(piece.box)
    return (1 << free) - sum(1 << free - len(hole) for hole in piece.holes)


def nearest_of_cells(cells: Cells, most: int, taking: Taking = PLAIN) -> tuple[Nearest | None, Nearest | None]:
    """Return a superset and a subset of the audience that plans mean exactly; None where none was found.

    Both are found greedily: they are near, and not proved nearest. Raises OutOfWork.
    """
    return _superset(cells, most, taking), _subset(cells, most, taking)


def _subset(cells: Cells, most: int, taking: Taking) -> Nearest:
    cells.allow(WORK)
    parts = splits.grown(cells.wanted, cells, most)
    return _nearest(parts, cells.wanted & ~reduce(or_, (part.cells for part in parts), 0), cells, taking)


def _superset(cells: Cells, most: int, taking: Taking) -> Nearest | None:
    """Add, for everybody no clause reaches, those of some list that reaches them who cannot be kept out: the fewest."""
    wider = cells.wanted
    while lost := unreachable(wider, cells):
        ways = [some & ~wider for some in cells.lists_round(lost & -lost)]
        if not ways:
            return None
        wider |= min(ways, key=lambda some: (some.bit_count(), some))
    parts = splits.split(wider, cells, most)
    if parts is None:
        box = cells.around(wider, cells.full)
        clause = cells.clause(box.cells) if box else None
        parts = [clause] if clause else None
    if parts is None:
        return None
    return _nearest(parts, reduce(or_, (part.cells for part in parts)) & ~cells.wanted, cells, taking)


def _nearest(parts: list[Part], off: int, cells: Cells, taking: Taking) -> Nearest:
    return Nearest(clauses_of(parts, cells, taking), off.bit_count(), cells.person(off & -off) if off else None)
