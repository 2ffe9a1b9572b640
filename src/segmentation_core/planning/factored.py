"""Audiences that are nearly trees: they ask about few levels in several places, and about the others once.

What remains for each state of such a level is a tree (`trees.py`). These trees are woven into one again, by what they
have in common: parts that speak of the same levels are told by the level's state once, as deep inside as can be. The
result is a factored form in the sense of Brayton, "Factoring logic functions" (IBM Journal of Research and Development,
1987), and depends on the region alone, not on its wording.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.planning.partitions import Partition
from segmentation_core.planning.trees import JOINS, Branch, Leaf, Reader, branch, by_factor, leaves, parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segmentation_core.planning.factors import Factors
    from segmentation_core.planning.trees import Found, Joins, Tree
    from segmentation_core.regions import Region

MAX_WORK = 30_000
"""How many nodes of diagrams may be read."""


_LARGEST = 5_000
"""How many nodes a diagram has at the most that is read more than once."""


def factored(region: Region, factors: Factors, groups: int) -> Tree | None:
    """Return a tree that a region means in which few levels stand in several places: that of the fewest clauses.

    None where none was found. Values of a direct multi dimension are in none.
    """
    if len(region) > _LARGEST:
        return None
    alike = region.alike()
    told = sorted(alike, key=lambda level: (-len(alike[level]), level))
    repeated = [level for level in told if len(alike[level]) > 2]  # noqa: PLR2004  a condition holds or not
    choices = [combinations(told, 1), combinations(told, 2), [tuple(repeated)], [tuple(told)]]
    reading = _Reading(region, alike)
    for some in choices:
        found = [
            tree
            for levels in some
            if reading.left > 0 and isinstance(read := reading.over(levels, {}), Leaf | Branch)
            if (tree := by_factor(read, factors))
        ]
        if found:
            return min(found, key=lambda tree: (Partition(tree, factors, groups).parts, len(leaves(tree))))
    return None


class _Reading:
    def __init__(self, region: Region, alike: Mapping[int, list[int]]) -> None:
        self.region = region
        self.alike = alike
        self.left = MAX_WORK

    def over(self, levels: Sequence[int], held: Mapping[int, int]) -> Found:
        """Return the tree of a region in which some levels are held; where it is none, the next may be repeated."""
        if self.left <= 0:
            return None
        self.left -= len(self.region)
        nobody: Found = False
        read = self.region.gathered(Reader(self.region, held).node, nobody=nobody, everyone=True)
        if read is not None or not levels:
            return read
        level, *others = levels
        told: dict[Tree | bool, int] = {}
        for states in self.alike[level]:
            remains = self.over(others, {**held, level: states})
            if remains is None:
                return None
            told[remains] = told.get(remains, 0) | states
        return _Weaving(level, self.region.space.full[level]).woven(told)


class _Weaving(msgspec.Struct, frozen=True):
    """Weaves trees into one by the states of a level."""

    level: int
    full: int

    def woven(self, told: Mapping[Tree | bool, int]) -> Tree | bool:
        """Return a tree from what remains in which states; in states that are told nothing of, anything may remain."""
        if len(told) == 1:
            return next(iter(told))
        for joins in JOINS:
            settled = joins == "or"
            if settled in told:
                rest = {tree: states for tree, states in told.items() if tree is not settled}
                states = told[settled] if settled else self.full & ~told[settled]
                return branch(joins, [Leaf(self.level, states, self.full), self.woven(rest)])
        apart = [found for joins in JOINS if (found := self.apart(told, joins)) is not None]
        return min(apart or [self.one_by_one(told, joins) for joins in JOINS], key=_conditions)

    def apart(self, told: Mapping[Tree | bool, int], joins: Joins) -> Tree | bool | None:
        """Weave parts that speak of the same levels, each such cluster by itself; None where there is one alone."""
        clusters: list[tuple[set[int], set[Tree]]] = []
        for part in dict.fromkeys(part for tree in told for part in _parts(tree, joins)):
            own, parts = {leaf.axis for leaf in leaves(part)}, {part}
            for cluster in [cluster for cluster in clusters if cluster[0] & own]:
                clusters.remove(cluster)
                own |= cluster[0]
                parts |= cluster[1]
            clusters.append((own, parts))
        if len(clusters) == 1:
            return None
        woven: list[Tree | bool] = []
        for _, parts in clusters:
            remains: dict[Tree | bool, int] = {}
            for tree, states in told.items():
                left = branch(joins, [part for part in _parts(tree, joins) if part in parts])
                remains[left] = remains.get(left, 0) | states
            woven.append(self.woven(remains))
        return branch(joins, woven)

    def one_by_one(self, told: Mapping[Tree | bool, int], joins: Joins) -> Tree | bool:
        """Weave every part by itself: it is there in its states, and in others what makes no difference."""
        together: dict[Tree, int] = {}
        for tree, states in told.items():
            for part in _parts(tree, joins):
                together[part] = together.get(part, 0) | states
        everywhere = sum(told.values())
        neutral = joins == "and"
        return branch(
            joins,
            [
                self.woven({part: states, neutral: everywhere & ~states} if everywhere & ~states else {part: states})
                for part, states in together.items()
            ],
        )


def _parts(tree: Found, joins: Joins) -> tuple[Tree, ...]:
    return parts_of(tree, joins) if isinstance(tree, Leaf | Branch) else ()


def _conditions(tree: Found) -> int:
    return len(leaves(tree)) if isinstance(tree, Leaf | Branch) else 0
