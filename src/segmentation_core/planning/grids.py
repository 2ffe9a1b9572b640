"""Any of several values of several multi dimensions at once: what no one clause can mean.

Take people who hold exactly one chosen value of each such dimension: the points of a grid. Two that differ in two
dimensions never share a clause. For what a clause leaves out lies, as a box, between any two people that it reaches
(`shapes.py`), and someone who holds the one's value of the first dimension and none of the second, or none of the first
and the other's value of the second, is not wanted: a box that holds all of these holds both people. So each clause
covers points of one line of the grid, and there are at least as many clauses as lines of the longest dimension, which
is how many these make: a clause for each choice of a first value held in every other dimension.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from math import comb, prod
from operator import and_
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.planning.pivots import guard
from segmentation_core.planning.plan import Bound
from segmentation_core.regions import HAS, LACKS, Region

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmentation_core.planning.factors import Factors


class Grid(msgspec.Struct, frozen=True):
    """Everyone in `box` who holds at least one of the chosen values of every dimension.

    `chosen` has the levels of those values, two or more for each dimension, two or more dimensions; the box limits none
    of them.
    """

    box: Region
    chosen: tuple[tuple[int, ...], ...]

    def longest(self) -> list[int]:
        """Return the dimensions, by position, of which most values are chosen."""
        most = max(map(len, self.chosen))
        return [position for position, levels in enumerate(self.chosen) if len(levels) == most]

    def parts(self, along: int) -> Iterator[Region]:
        """Yield disjoint parts that are the whole, one for each line along a dimension.

        In every other dimension a part holds one value and none of those before it.
        """
        held = [
            [dict.fromkeys(levels[:i], 1 << LACKS) | {level: 1 << HAS} for i, level in enumerate(levels)]
            for position, levels in enumerate(self.chosen)
            if position != along
        ]
        whole = self.box & _any_of(self.box, self.chosen[along])
        for choice in product(*held):
            yield whole & Region.box(self.box.space, reduce(lambda one, other: one | other, choice))


def grid_of(region: Region, factors: Factors) -> Grid | None:
    """Return the grid that a region is, None where it is none."""
    space, shadows = region.space, region.shadows
    levels: dict[str, list[int]] = {}
    for level, mask in shadows.items():
        if mask == space.full[level] and space.levels[level].value is not None and level not in factors.direct:
            levels.setdefault(space.levels[level].dimension, []).append(level)
    chosen = tuple(tuple(own) for own in levels.values() if len(own) > 1 and region.onto(own) == _any_of(region, own))
    if len(chosen) < 2:  # noqa: PLR2004  with one such dimension it is a hole, not a grid
        return None
    grid_levels = {level for own in chosen for level in own}
    box = region.onto([level for level in shadows if level not in grid_levels])
    whole = reduce(and_, (_any_of(region, own) for own in chosen), box)
    return Grid(box, chosen) if whole == region else None


def bound_of(grid: Grid, factors: Factors) -> Bound:
    """Return what every plan of a grid takes at the least.

    The lists are counted where the chosen values have no lists but their own yes and no lists, and the box is one.
    A clause then covers a whole line, and to reach its people but not those with none of the line's values it includes
    the yes-lists of all of these, and excludes the no-list of the value it holds in each other dimension, and what the
    box leaves out. If one dimension is the longest, all lines lie along it; two whose values differ in one dimension
    alone must keep those who hold both values apart, which takes a yes-list, excluded by one of the two.
    """
    lengths = sorted(map(len, grid.chosen))
    clauses = prod(lengths[:-1])
    limited = factors.shadows(grid.box)
    guards = [guard(factors.all[i], mask) for i, mask in limited.items()]
    own = {factors.of_level[level] for levels in grid.chosen for level in levels}
    if not grid.box.is_box() or own & limited.keys() or any(len(factors.all[i].levels) > 1 for i in own):
        return Bound(clauses, clauses)
    lists = clauses * (lengths[-1] + len(lengths) - 1 + sum(share.at_least for share in guards if share))
    if len(lengths) == 2 or lengths[-2] < lengths[-1]:  # noqa: PLR2004  two dimensions: all lines lie one way
        lists += sum(clauses // length * comb(length, 2) for length in lengths[:-1])
    return Bound(clauses, lists)


def _any_of(region: Region, levels: tuple[int, ...] | list[int]) -> Region:
    return ~Region.box(region.space, dict.fromkeys(levels, 1 << LACKS))
