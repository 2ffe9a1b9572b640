"""How few clauses there must be.

*Critical* people: no two of them can share a clause, so there are at least as many clauses as they. Where that leaves a
gap, *dealing* gives people one after another to at most k clauses, in every way that is left: each clause must reach
those dealt to it, nobody unwanted, and nobody dealt to another. If no way is left, there are more than k clauses; if
the least clauses round those dealt are the whole audience, k are enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from segmentation_core.planning.cells import OutOfWork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmentation_core.planning.cells import Cells, Part

MAX_WORK = 4_500
"""How many steps finding critical people and dealing may take."""

_POOL = 160
"""From how many people the critical ones are chosen."""

_DEALS = 32
"""Of how many ways to deal the axes to two sides the rank is looked at, about."""

_LOOKED_AT = 8
"""How many people are looked at for the one who can be dealt in the fewest ways."""

_Groups: TypeAlias = "list[tuple[int, Part]]"


def fewest(wanted: int, parts: Sequence[int], known: int, cells: Cells) -> tuple[list[Part] | None, int]:
    """Return a split smaller than `parts`, the cells of each, None where none is found; and how few every split has.

    No split has fewer than `known`.
    """
    cells.allow(MAX_WORK)
    bound = known
    try:
        bound = max(bound, -(-_rank(wanted, cells, 2 * len(parts)) // 2))
        if bound >= len(parts):
            return None, bound
        layers = _sensitive(wanted, cells)
        apart = _critical(wanted, parts, layers, cells)
        bound = max(bound, len(apart))
        tellable = all(axis.allowed is None for axis in cells.axes)  # the least part is then one that can be told
        while bound < len(parts) and tellable:
            found = _Dealing(wanted, bound, layers, cells).deal_to(apart)
            if found is not None:
                return found, bound
            bound += 1
    except OutOfWork:
        pass
    return None, bound


def _rank(wanted: int, cells: Cells, enough: int) -> int:
    """Return the greatest rank of the audience as a matrix, over the field of two elements, in some deals of the axes.

    A row for each choice of atoms on some axes, a column for each on the others. A clause has rank 2 at the most.
    """
    deals = 1 << max(0, len(cells.axes) - 1)
    found = 0
    for deal in range(1, deals, max(1, deals // _DEALS) | 1):
        cells.spend(1)
        rows = columns = [0]
        for position, (axis, stride) in enumerate(zip(cells.axes, cells.strides, strict=True)):
            places = [atom * stride for atom in range(len(axis.atoms))]
            if deal >> position & 1:
                rows = [row + place for row in rows for place in places]
            else:
                columns = [column + place for column in columns for place in places]
        matrix = {sum(1 << i for i, column in enumerate(columns) if wanted >> row + column & 1) for row in rows}
        basis: dict[int, int] = {}
        for row in matrix:
            rest = row
            while rest and (length := rest.bit_length()) in basis:
                rest ^= basis[length]
            if rest:
                basis[rest.bit_length()] = rest
        found = max(found, len(basis))
        if found >= enough:
            break
    return found


def _sensitive(wanted: int, cells: Cells) -> list[int]:
    """Return, at k, the wanted cells that a change on at least k of the axes, one at a time, can make unwanted."""
    layers = [wanted]
    for axis in range(len(cells.axes)):
        cells.spend(len(layers))
        beside = 0
        for near in cells.neighbours(cells.full & ~wanted, axis):
            beside |= near
        layers.append(0)
        for k in range(len(layers) - 1, 0, -1):
            layers[k] |= layers[k - 1] & beside
    return [layer for layer in layers if layer]


def _critical(wanted: int, parts: Sequence[int], layers: list[int], cells: Cells) -> list[int]:
    """Return cells no two of which one clause can reach: the most that three greedy passes find."""
    each = max(3, _POOL // len(parts))
    pool = [cell for part in parts for cell in _first(part, layers, each)]
    depth = {cell: sum(bool(layer & cell) for layer in layers) for cell in pool}
    best: list[int] = []
    third = len(pool) // 3
    for order in (sorted(pool, key=lambda cell: -depth[cell]), pool[third:] + pool[:third], pool[::-1]):
        chosen: list[int] = []
        for cell in order:
            if all(cells.around(cell | other, wanted) is None for other in chosen):
                chosen.append(cell)
        best = max(best, chosen, key=len)
        if len(best) == len(parts):
            break
    return best


def _first(inside: int, layers: list[int], most: int) -> list[int]:
    """Return the most sensitive cells, from both ends in turn."""
    found: list[int] = []
    for layer in reversed(layers):
        rest = layer & inside
        while rest and len(found) < most:
            cell = 1 << rest.bit_length() - 1 if len(found) % 2 else rest & -rest
            found.append(cell)
            rest &= ~cell
            inside &= ~cell
    return found


class _Dealing:
    def __init__(self, wanted: int, most: int, layers: list[int], cells: Cells) -> None:
        self.wanted = wanted
        self.most = most
        self.layers = layers
        self.cells = cells

    def deal_to(self, seeds: list[int]) -> list[Part] | None:
        """Deal everybody; each seed, no two of which one clause reaches, has its own group. None for no way left."""
        dealt = sum(seeds)
        alone = [(seed, self.around(seed, dealt)) for seed in seeds]
        return self.deal([(seed, part) for seed, part in alone if part], dealt)

    def around(self, group: int, dealt: int) -> Part | None:
        return self.cells.around(group, self.wanted & ~dealt | group)

    def deal(self, groups: _Groups, dealt: int) -> list[Part] | None:
        once = twice = 0
        for _, part in groups:
            twice |= once & part.cells
            once |= part.cells
        missed = self.wanted & ~once
        if not missed | twice:
            return [part for _, part in groups]
        fewest_ways: list[tuple[_Groups, int]] | None = None
        for cell in _first(missed, self.layers, _LOOKED_AT) or _first(twice, self.layers, _LOOKED_AT):
            ways = self.ways(groups, dealt, cell)
            if fewest_ways is None or len(ways) < len(fewest_ways):
                fewest_ways = ways
            if len(ways) <= 1:
                break
        for way in fewest_ways or ():
            found = self.deal(*way)
            if found is not None:
                return found
        return None

    def ways(self, groups: _Groups, dealt: int, cell: int) -> list[tuple[_Groups, int]]:
        """Return what comes of dealing a cell to each group that can take it, and to a new one."""
        after = dealt | cell
        without = [(group, self.around(group, after) if part.cells & cell else part) for group, part in groups]
        found: list[tuple[_Groups, int]] = []
        for taker, (group, _) in enumerate(groups):
            others = without[:taker] + without[taker + 1 :]
            taken = self.around(group | cell, after)
            kept = [(own, part) for own, part in others if part]
            if taken and len(kept) == len(others):
                found.append(([*kept, (group | cell, taken)], after))
        kept = [(own, part) for own, part in without if part]
        alone = self.around(cell, after)
        if len(groups) < self.most and alone and len(kept) == len(without):
            found.append(([*kept, (cell, alone)], after))
        return found
