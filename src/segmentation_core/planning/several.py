"""Plans of several clauses, and why there are none."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.planning import bounds, splits
from segmentation_core.planning.cells import Cells, TooManyCells
from segmentation_core.planning.clauses import PLAIN, Answer, Taking, lists_of
from segmentation_core.planning.partitions import Partition, Piece
from segmentation_core.planning.plan import Bound, Clause, Reason
from segmentation_core.planning.proofs import bound_in_groups, bound_of
from segmentation_core.planning.shapes import Shape
from segmentation_core.planning.trees import region_of, shrunk
from segmentation_core.regions import bits

if TYPE_CHECKING:
    from segmentation_core.planning.cells import Part
    from segmentation_core.planning.factors import Factors
    from segmentation_core.planning.trees import Branch, Tree

_MOST_SHRUNK = 1 << 12
"""Up to how many cells a tree is looked at cell by cell when all but two of each branch's conditions are held fast."""

_MOST_IMPROVED = 1 << 9
"""Up to how many cells a tree is looked at cell by cell."""

WORK = 60_000
"""How many steps telling whom no clause reaches, and what is nearest, may take each."""


class Several(msgspec.Struct, frozen=True):
    """Disjoint clauses that mean the audience together, ordered by ids, and what is proved of their number.

    `pieces` are what they mean, in whatever order, where they come of a tree.
    """

    clauses: tuple[Clause, ...]
    bound: Bound
    pieces: tuple[Piece, ...] = ()

    @property
    def size(self) -> tuple[object, ...]:
        """What plans are compared by: clauses, lists, ids."""
        segments = sum(clause.segments for clause in self.clauses)
        return (len(self.clauses), segments, [clause.order() for clause in self.clauses])

    @property
    def proved(self) -> bool:
        """Whether it is proved that no plan has fewer clauses."""
        return len(self.clauses) == self.bound.clauses


def of_tree(tree: Tree, factors: Factors, most: int, taking: Taking = PLAIN) -> Several | Reason | None:
    """Return at most so many clauses that mean a tree; None where this way finds none."""
    partition = Partition(tree, factors, taking.groups)
    if partition.parts == 1:
        (piece,) = next(partition.ways())
        answer = lists_of(shape_of_piece(piece, factors), factors, taking)
        return answer if isinstance(answer, Reason) else Several((answer.clause,), Bound(1, answer.at_least))
    bound = bound_of(tree, factors) if taking == PLAIN else bound_in_groups(tree, taking.groups, empty=taking.empty)
    if bound.clauses > most:
        return Reason("too-many-clauses", TOO_MANY.format(bound.clauses, most))
    if partition.parts > most:
        return Reason("not-found", _NOT_SO_FEW.format(partition.parts, bound.clauses, most))
    found: list[Several] = []
    for pieces in map(tuple, partition.ways()):
        answers = [lists_of(shape_of_piece(piece, factors), factors, taking) for piece in pieces]
        clauses = [answer.clause for answer in answers if isinstance(answer, Answer)]
        if len(clauses) == len(pieces):
            found.append(Several(tuple(sorted(clauses, key=Clause.order)), bound, pieces))
    return min(found, key=lambda several: several.size, default=None)


TOO_MANY = "This takes at least {} ad sets, more than the {} that a plan may have."
_NOT_SO_FEW = "The least that was found is {} ad sets, and at least {} it must be; a plan may have {}."


def shape_of_piece(piece: Piece, factors: Factors) -> Shape:
    """Return what a part of a tree is on each factor and direct dimension."""
    levels = factors.space.levels
    box = {axis: inside for axis, inside in sorted(piece.box.items()) if axis >= 0}
    direct = {
        levels[~axis].dimension: tuple(levels[~axis].states[state] for state in bits(inside))
        for axis, inside in sorted(piece.box.items(), reverse=True)
        if axis < 0
    }
    holes = tuple(
        {axis: missed & box.get(axis, factors.all[axis].full) for axis, missed in sorted(hole.items())}
        for hole in piece.holes
    )
    return Shape(box, holes, direct)


def of_cells(cells: Cells, most: int, taking: Taking = PLAIN) -> Several | Reason:
    """Return at most so many clauses that mean the audience, or why there are none. Raises OutOfWork.

    The clauses are of one include group; that none reaches somebody is proved for these alone.
    """
    wanted = cells.wanted
    lost = unreachable(wanted, cells)
    if lost:
        why = _nobody_reaches(lost & -lost, cells)
        return NOT_FOUND if taking.groups > 1 and why.kind == "unreached" else why
    parts = splits.split(wanted, cells, most)
    if parts is None:
        return NOT_FOUND
    if taking.groups > 1:
        return Several(clauses_of(parts, cells, taking), Bound(1, 1))
    better, bound = bounds.fewest(wanted, [part.cells for part in parts], min(2, len(parts)), cells)
    return Several(clauses_of(better or parts, cells, taking), Bound(bound, 0 if taking.empty else bound))


def improved(known: Several, tree: Branch, factors: Factors) -> Several:
    """Return a plan of a tree, with a better bound or even fewer clauses where dealing finds them.

    The bound is sought over the smaller tree that is left when all but two of each branch's conditions are held fast:
    it takes no more clauses than the whole.
    """
    small = shrunk(tree)
    for some in dict.fromkeys((small, tree)):
        try:
            cells = Cells(region_of(some, factors), factors)
        except TooManyCells:
            break
        if cells.full.bit_length() > (_MOST_IMPROVED if some == tree else _MOST_SHRUNK):
            break
        pieces = tuple(next(Partition(some, factors).ways())) if some != tree else known.pieces
        parts = [
            reduce(lambda kept, hole: kept & ~cells.of_states(hole), piece.holes, cells.of_states(piece.box))
            for piece in pieces
        ]
        better, least = bounds.fewest(cells.wanted, parts, known.bound.clauses, cells)
        if better and some == tree:
            return Several(clauses_of(better, cells), Bound(least, least))
        if least > known.bound.clauses:
            known = Several(known.clauses, Bound(least, least), known.pieces)
        if known.proved:
            break
    return known


NOT_FOUND = Reason(
    "not-found",
    "No plan of disjoint ad sets was found within the bounds of the search, which does not prove that there is none.",
)


def unreachable(wanted: int, cells: Cells) -> int:
    """Return the wanted cells that no clause reaches without reaching somebody unwanted."""
    if cells.reached_by_others and all(axis.lists is None and axis.allowed is None for axis in cells.axes):
        return 0  # whatever lists can leave out on every axis makes each cell a clause of its own
    cells.allow(WORK)
    lost, rest = 0, wanted
    while rest:
        cell = rest & -rest
        part = cells.around(cell, wanted)
        if part is None:
            lost |= cell
            rest &= ~cell
        else:
            rest &= ~part.cells
    return lost


def _nobody_reaches(cell: int, cells: Cells) -> Reason:
    person = cells.person(cell)
    alike = cells.alike(cell)
    if alike & ~cells.wanted:
        return Reason("indistinguishable", "No list tells some wanted people from others who are not wanted.", person)
    return Reason("unreached", UNREACHED, person)


UNREACHED = "No list reaches some wanted people without reaching others who are not wanted."


def clauses_of(parts: list[Part], cells: Cells, taking: Taking = PLAIN) -> tuple[Clause, ...]:
    """Return the clauses that parts of a grid are, in the order of plans."""
    answers = [lists_of(_shape(part, cells), cells.factors, taking) for part in parts]
    clauses = [answer.clause for answer in answers if isinstance(answer, Answer)]
    assert len(clauses) == len(parts)  # noqa: S101  what is a clause of cells is one of lists: docs/planning.md
    return tuple(sorted(clauses, key=Clause.order))


def _shape(part: Part, cells: Cells) -> Shape:
    """Return what a part is on each factor and direct dimension, in states."""
    atoms = [cells.shadow(axis, part.cells) for axis in range(len(cells.axes))]
    unwanted = cells.box(atoms) & ~part.cells
    box: dict[int, int] = {}
    hole: dict[int, int] = {}
    direct: dict[str, tuple[str, ...]] = {}
    for position, (axis, some) in enumerate(zip(cells.axes, atoms, strict=True)):
        if axis.factor is None:
            if some != axis.full:
                direct |= cells.allowed_values(axis, some)
            continue
        if some != axis.full:
            box[axis.factor] = axis.states(some)
        missed = cells.shadow(position, unwanted)
        if unwanted and missed != some:
            hole[axis.factor] = axis.states(missed)
    return Shape(box, (hole,) if hole else (), dict(sorted(direct.items())))
