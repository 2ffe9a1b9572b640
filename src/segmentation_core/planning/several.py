"""Plans of several clauses, and why there are none."""

from __future__ import annotations

from functools import reduce
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.planning import bounds, splits
from segmentation_core.planning.axes import TooManyCells
from segmentation_core.planning.cells import Cells
from segmentation_core.planning.clauses import PLAIN, Answer, Taking, lists_of
from segmentation_core.planning.partitions import Partition, Piece
from segmentation_core.planning.plan import Bound, Clause, Reason
from segmentation_core.planning.proofs import bound_in_groups, bound_of
from segmentation_core.planning.shapes import Shape
from segmentation_core.planning.trees import (
    has_links,
    region_of,
    shrunk,
    without_conditions_alone,
    without_conditions_of_all,
)
from segmentation_core.spaces import bits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segmentation_core.planning.cells import Part
    from segmentation_core.planning.factors import Factors
    from segmentation_core.planning.trees import Branch, Leaf, Tree

_MOST_SHRUNK = 1 << 12
"""Up to how many cells a tree is looked at cell by cell when all but two of each branch's conditions are held fast."""

_MOST_IMPROVED = 1 << 9
"""Up to how many cells a tree is looked at cell by cell."""

_FEW_STEPS = 3_000
"""How many steps a search for fewer clauses of what is nearly a tree may take."""

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

    def bounded(self, clauses: int, taking: Taking) -> Several:
        """Return the same plan with what is proved of its number, if it is more than was known.

        What was known of the lists holds for more clauses too, each of which includes one unless none need be.
        """
        more = clauses - self.bound.clauses
        if more <= 0:
            return self
        return msgspec.structs.replace(self, bound=Bound(clauses, self.bound.segments + more * (not taking.empty)))

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
        return Several((answer.clause,), Bound(1, answer.at_least)) if isinstance(answer, Answer) else None
    bound = _bound(tree, factors, taking)
    if bound.clauses > most:
        return Reason("too-many-clauses", TOO_MANY.format(bound.clauses, most))
    if partition.parts > most:
        return Reason("not-found", _NOT_SO_FEW.format(partition.parts, bound.clauses, most))
    found: list[Several] = []
    for pieces in map(tuple, partition.ways()):
        clauses = _said(pieces, factors, taking)
        if clauses:
            found.append(Several(clauses, bound, pieces))
    return min(found, key=lambda several: several.size, default=None)


def _bound(tree: Tree, factors: Factors, taking: Taking) -> Bound:
    if taking.groups > 1:
        return bound_in_groups(tree, taking.groups, empty=taking.empty)
    bound = bound_of(tree, factors)
    return Bound(bound.clauses, 0) if taking.empty else bound


def _said(pieces: Sequence[Piece], factors: Factors, taking: Taking) -> tuple[Clause, ...] | None:
    """Return the clauses of parts of a tree in the order of plans, None where lists cannot say one of them."""
    answers = [lists_of(shape_of_piece(piece, factors), factors, taking) for piece in pieces]
    clauses = [answer.clause for answer in answers if isinstance(answer, Answer)]
    return tuple(sorted(clauses, key=Clause.order)) if len(clauses) == len(pieces) else None


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


def improved(known: Several, tree: Branch, factors: Factors, taking: Taking = PLAIN) -> Several:
    """Return a plan of a tree, with a better bound or even fewer clauses where a search over a grid finds them.

    For platforms of one include group.
    The bound is sought first over the smaller tree that is left without conditions that stand alone, and when of each
    branch's conditions all but two are held fast: it takes no more clauses than the whole.
    """
    rest, more = without_conditions_alone(tree)
    small = shrunk(rest)
    always, core = without_conditions_of_all(tree)
    try:
        if small != core:
            cells = Cells(region_of(small, factors), factors, empty=True, most=_MOST_SHRUNK)
            (parts,) = islice(Partition(small, factors).ways(), 1)
            _, least = bounds.fewest(cells.wanted, cells_of(parts, cells), known.bound.clauses - more, cells)
            known = known.bounded(least + more, taking)
        if known.proved:
            return known
        most = _MOST_SHRUNK if has_links(core) else _MOST_IMPROVED
        cells = Cells(region_of(core, factors), factors, empty=True, most=most)
    except TooManyCells:
        return known
    better, least = bounds.fewest(cells.wanted, cells_of(known.pieces, cells), known.bound.clauses, cells)
    known = known.bounded(least, taking)
    if better is None and not known.proved and has_links(core):
        better = splits.split(cells.wanted, cells, len(known.clauses) - 1, _FEW_STEPS)
        if better:
            fewer, least = bounds.fewest(cells.wanted, [part.cells for part in better], least, cells)
            better, known = fewer or better, known.bounded(least, taking)
    if better:
        pieces = tuple(_within(piece_of(part, cells), always) for part in better)
        clauses = _said(pieces, factors, taking)
        return Several(clauses, known.bound, pieces) if clauses else known
    return known


def cells_of(pieces: Iterable[Piece], cells: Cells) -> list[int]:
    """Return the cells of each part of a tree."""
    return [
        reduce(lambda kept, hole: kept & ~cells.of_states(hole), piece.holes, cells.of_states(piece.box))
        for piece in pieces
    ]


def _within(piece: Piece, conditions: Sequence[Leaf]) -> Piece:
    return Piece(piece.box | {leaf.axis: leaf.inside for leaf in conditions}, piece.holes)


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
    piece = piece_of(part, cells)
    direct = {
        name: values
        for position, axis in enumerate(cells.axes)
        if not axis.listed and (atoms := cells.shadow(position, part.cells)) != axis.full
        for name, values in cells.allowed_values(axis, atoms).items()
    }
    return Shape(
        {axis: inside for axis, inside in piece.box.items() if axis >= 0}, piece.holes, dict(sorted(direct.items()))
    )


def piece_of(part: Part, cells: Cells) -> Piece:
    """Return what a part is on each factor, and on each level of direct dimensions that are single, in states."""
    atoms = [cells.shadow(axis, part.cells) for axis in range(len(cells.axes))]
    unwanted = cells.box(atoms) & ~part.cells
    box: dict[int, int] = {}
    hole: dict[int, int] = {}
    for position, (axis, some) in enumerate(zip(cells.axes, atoms, strict=True)):
        place = ~axis.levels[0] if axis.factor is None else axis.factor
        if some != axis.full:
            box[place] = axis.states(some)
        missed = cells.shadow(position, unwanted)
        if axis.listed and unwanted and missed != some:
            hole[place] = axis.states(missed)
    return Piece(box, (hole,) if hole else ())
