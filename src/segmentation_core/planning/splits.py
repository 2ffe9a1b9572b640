"""From an audience to disjoint parts that one clause each can mean.

*Guillotine* cuts along one axis, again and again, until each part is a clause, and merges parts whose union is one.
*Growing* takes the least clause round a cell, widens it as far as goes, and goes on with what is left; it is for where
the first ends nowhere, and of small grids the better of both is kept.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from segmentation_core.planning.cells import OutOfWork

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segmentation_core.planning.cells import Cells, Part

MAX_WORK = 20_000
"""How many steps each construction may take."""

_BOTH = 1 << 10
"""Up to how many cells both constructions are tried."""


def split(wanted: int, cells: Cells, most: int, work: int | None = None) -> list[Part] | None:
    """Return at most so many disjoint clauses whose union is `wanted`, None where none were found.

    Each of two constructions may take `work` steps, MAX_WORK where it is not said.
    """
    work = MAX_WORK if work is None else work
    cells.allow(work)
    cut = _cut(wanted, cells, most)
    if cut is not None and cells.full.bit_length() > _BOTH:
        return cut
    cells.allow(work)
    found = [parts for parts in (_grown(wanted, cells, most), cut) if parts is not None]
    return min(found, key=len, default=None)


def _cut(wanted: int, cells: Cells, most: int) -> list[Part] | None:
    try:
        return _Guillotine(cells, most).parts(wanted)
    except OutOfWork:
        return None


class _Guillotine:
    def __init__(self, cells: Cells, most: int) -> None:
        self.cells = cells
        self.most = most

    def parts(self, wanted: int) -> list[Part] | None:
        """Cut along the axis after which least is guessed to remain; along the next where that ends nowhere."""
        self.cells.spend(1)
        clause = self.cells.clause(wanted)
        if clause:
            return [clause]
        ways = sorted((sum(map(self.guess, pieces)), len(pieces), axis, pieces) for axis, pieces in self.cuts(wanted))
        return next((parts for _, _, _, pieces in ways if (parts := self.together(pieces)) is not None), None)

    def together(self, pieces: list[int]) -> list[Part] | None:
        found = [self.parts(piece) for piece in pieces]
        parts = merged([part for some in found if some for part in some], self.cells)
        return parts if None not in found and len(parts) <= self.most else None

    def cuts(self, wanted: int) -> Iterable[tuple[int, list[int]]]:
        """Yield, for every axis that matters, the pieces that remain alike along it."""
        for axis, told in enumerate(self.cells.axes):
            if told.allowed is None:
                groups = self.cells.cofactors(wanted, axis)
                pieces = [wanted & self.cells.slab(axis, atoms) for cofactor, atoms in groups.items() if cofactor]
                if len(pieces) > 1:
                    yield axis, pieces

    def guess(self, wanted: int) -> int:
        """Guess how many parts a piece takes, by looking one cut ahead."""
        if self.cells.clause(wanted):
            return 1
        ahead = (sum(1 if self.cells.clause(piece) else 3 for piece in pieces) for _, pieces in self.cuts(wanted))
        return min(ahead, default=1 << 30)


def merged(parts: Sequence[Part], cells: Cells) -> list[Part]:
    """Merge pairs of parts whose union is a clause, as long as there are any."""
    kept: list[Part] = []
    waiting = [*parts]
    while waiting:
        part = waiting.pop(0)
        for other in kept:
            union = cells.clause(part.cells | other.cells)
            if union:
                kept.remove(other)
                waiting.insert(0, union)
                break
        else:
            kept.append(part)
    return kept


def _grown(wanted: int, cells: Cells, most: int) -> list[Part] | None:
    parts = grown(wanted, cells, most)
    covered = reduce(or_, (part.cells for part in parts), 0)
    return parts if covered == wanted else None


def grown(wanted: int, cells: Cells, most: int) -> list[Part]:
    """Return disjoint clauses within `wanted`, each widened as far as goes: as many as the budget of steps finds."""
    parts: list[Part] = []
    rest = reachable = wanted
    try:
        while reachable and len(parts) < most:
            seed = _loneliest(reachable, cells)
            part = cells.around(seed, rest)
            clause = cells.clause(_widened(part, rest, cells).cells) if part else None
            if clause is None:
                reachable &= ~seed
                continue
            parts.append(clause)
            rest &= ~clause.cells
            reachable &= ~clause.cells
        return merged(parts, cells)
    except OutOfWork:
        return parts


def _loneliest(rest: int, cells: Cells) -> int:
    """Return a cell in the rarest atom of one axis after another."""
    while True:
        slabs = [(rest & slab).bit_count() or 1 << 62 for slabs in cells.slabs for slab in slabs]
        total = rest.bit_count()
        rarest = min(slabs, default=total)
        if total == 1 or rarest >= total:
            return rest & -rest
        rest &= [slab for slabs in cells.slabs for slab in slabs][slabs.index(rarest)]


def _widened(part: Part, rest: int, cells: Cells) -> Part:
    """Add the neighbours on one atom of one axis, those that make it widest, as long as there are any."""
    while True:
        wider = [
            around
            for axis in range(len(cells.axes))
            for near in cells.neighbours(part.cells, axis)
            if (more := near & rest & ~part.cells) and (around := cells.around(part.cells | more, rest))
        ]
        if not wider:
            return part
        part = max(wider, key=lambda around: around.cells.bit_count())
