"""The fewest sets that cover another: exact within a budget, with a bound that is proved either way.

Sets are integers, one bit an element. Set cover is NP-hard (Karp 1972); what catalogues ask is mostly disjoint
families, answered at once, and small mixtures, answered by branch and bound with iterative deepening.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_STEPS = 20_000
"""How many branches one search may open before it settles for a greedy cover."""


class Cover(msgspec.Struct, frozen=True):
    """`names` in ascending order cover; no cover has fewer than `at_least` sets."""

    names: tuple[str, ...]
    at_least: int


class _OutOfBudget(Exception):
    pass


def smallest_cover(universe: int, sets: Mapping[str, int]) -> Cover | None:
    """Return a smallest choice of `sets` whose union holds `universe`, None where there is none.

    Of several smallest the first by ascending names is taken. Past the budget it is a greedy cover, and `at_least`
    lies below its size.
    """
    useful: dict[int, str] = {}
    for name in sorted(sets):
        if inside := sets[name] & universe:
            useful.setdefault(inside, name)
    reach = total = 0
    for mask in useful:
        reach |= mask
        total += mask.bit_count()
    if reach != universe:
        return None
    if total == universe.bit_count():
        return Cover(tuple(sorted(useful.values())), len(useful))
    return _Search(universe, useful).smallest()


class _Search:
    def __init__(self, universe: int, named: dict[int, str]) -> None:
        self.universe = universe
        self.by_name = sorted((name, mask) for mask, name in named.items())
        self.maximal = _maximal(named)
        self.widest = max(mask.bit_count() for mask in self.maximal)
        self.steps = 0
        self.infeasible: dict[int, int] = {}

    def smallest(self) -> Cover:
        size = self.bound(self.universe)
        try:
            while (found := self.covering(self.universe, size)) is None:
                size += 1
        except _OutOfBudget:
            return Cover(self.greedy(), size)
        self.steps = 0
        try:
            return Cover(self.first_of(size), size)
        except _OutOfBudget:
            names = {mask: name for name, mask in self.by_name}
            return Cover(tuple(sorted(names[mask] for mask in found)), size)

    def bound(self, rest: int) -> int:
        """Elements of which no set holds two need a set each; and no set holds more than the widest does."""
        apart = 0
        left = rest
        while left:
            element = left & -left
            apart += 1
            for mask in self.maximal:
                if mask & element:
                    left &= ~mask
        return max(apart, -(-rest.bit_count() // self.widest))

    def covering(self, rest: int, size: int) -> tuple[int, ...] | None:
        """Return at most `size` sets that cover `rest`, or None where there are none."""
        if not rest:
            return ()
        if self.infeasible.get(rest, -1) >= size or self.bound(rest) > size:
            return None
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _OutOfBudget
        for mask in self.branches(rest):
            if (others := self.covering(rest & ~mask, size - 1)) is not None:
                return (mask, *others)
        self.infeasible[rest] = size
        return None

    def branches(self, rest: int) -> Sequence[int]:
        """Return the sets that hold the element which the fewest sets hold, the widest first."""
        left, fewest = rest, self.maximal
        while left:
            element = left & -left
            left ^= element
            holders = [mask for mask in self.maximal if mask & element]
            if len(holders) < len(fewest) or fewest is self.maximal:
                fewest = holders
        return sorted(fewest, key=lambda mask: (-(mask & rest).bit_count(), mask))

    def first_of(self, size: int) -> tuple[str, ...]:
        """Return the first cover of `size` sets by ascending names."""
        rest, chosen = self.universe, list[str]()
        for name, mask in self.by_name:
            left = size - len(chosen) - 1
            if mask & rest and self.covering(rest & ~mask, left) is not None:
                chosen.append(name)
                rest &= ~mask
        return tuple(chosen)

    def greedy(self) -> tuple[str, ...]:
        """Take the set that covers most of what is left, until nothing is (Chvátal 1979)."""
        rest, chosen = self.universe, list[str]()
        while rest:
            name, mask = max(self.by_name, key=lambda entry: (entry[1] & rest).bit_count())
            chosen.append(name)
            rest &= ~mask
        return tuple(sorted(chosen))


def _maximal(masks: Mapping[int, str]) -> list[int]:
    widest_first = sorted(masks, key=lambda mask: (-mask.bit_count(), mask))
    kept: list[int] = []
    for mask in widest_first:
        if not any(mask | other == other for other in kept):
            kept.append(mask)
    return kept
