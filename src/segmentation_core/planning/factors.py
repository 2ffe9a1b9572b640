"""The catalogue as a planner sees it: a product of factors, with the lists that speak of each.

Levels that one list links (income and lifestyle, of a list for each pair) belong to one factor, whose states are the
combinations of theirs. So every list speaks of one factor, and its trace there is an integer, one bit a state.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final

import msgspec

from segmentation_core.errors import TooComplex
from segmentation_core.regions import Region
from segmentation_core.spaces import HAS, LACKS, Space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmentation_core.catalog import Catalog, Segment

MAX_STATES = 1 << 16
"""How many combinations the levels that lists link may come to."""


class Factor(msgspec.Struct, frozen=True, eq=False, dict=True):
    """Linked `levels` (positions in the space, ascending), `size` combinations of their states, and the lists there.

    The combination (s_1, ..., s_k) is the bit that it has in `itertools.product`. Lists of everyone are a factor of no
    levels, hence one state.
    """

    levels: tuple[int, ...]
    size: int
    lists: dict[str, int]

    @cached_property
    def full(self) -> int:
        """All states."""
        return (1 << self.size) - 1


class Factors:
    """The factors of one catalogue, by position; `of_level` says which one a level belongs to.

    Levels of direct dimensions are in none: no list speaks of them. Raises TooComplex where lists link too much.
    """

    def __init__(self, catalog: Catalog) -> None:
        self.space: Final[Space] = catalog.space
        self.direct: Final = {
            depth for depth, level in enumerate(self.space.levels) if catalog.dimension[level.dimension].direct
        }
        speaks = [(segment, _masks(segment, self.space)) for segment in catalog.segments]
        group = _linked(len(self.space.levels), [sorted(masks) for _, masks in speaks])
        members: dict[int, list[int]] = {}
        for depth, root in enumerate(group):
            if depth not in self.direct:
                members.setdefault(root, []).append(depth)
        factors = [self._factor(levels) for levels in members.values()]
        self.of_level: Final = {level: i for i, factor in enumerate(factors) for level in factor.levels}
        everyone = Factor((), 1, {})
        for segment, masks in speaks:
            factor = factors[self.of_level[next(iter(masks))]] if masks else everyone
            factor.lists[segment.id] = product_mask(self.space, factor.levels, masks)
        self.all: Final = (*factors, everyone)

    def _factor(self, levels: Sequence[int]) -> Factor:
        size = prod(len(self.space.levels[level].states) for level in levels)
        if size > MAX_STATES:
            names = ", ".join(dict.fromkeys(self.space.levels[level].dimension for level in levels))
            msg = f"the lists link {names} into {size} combinations, more than {MAX_STATES}"
            raise TooComplex(msg)
        return Factor(tuple(levels), size, {})

    def shadows(self, region: Region) -> dict[int, int]:
        """Return, for each factor that the region limits, the states of it that occur in the region."""
        touched = sorted({self.of_level[level] for level in region.shadows if level not in self.direct})
        masks: dict[int, int] = {}
        for position in touched:
            factor = self.all[position]
            if region.is_box():
                masks[position] = product_mask(self.space, factor.levels, region.shadows)
            elif len(factor.levels) == 1:
                masks[position] = region.shadows[factor.levels[0]]
            else:
                masks[position] = region.onto(factor.levels).combinations(factor.levels)
        return {position: mask for position, mask in masks.items() if mask != self.all[position].full}

    def people(self, position: int, states: int, most: int) -> list[str]:
        """Tell the people of the first `most` of some states of a factor: "income 1 and automobile without sedan"."""
        levels = [self.space.levels[level] for level in self.all[position].levels]
        told: list[str] = []
        for i, chosen in enumerate(product(*(range(len(level.states)) for level in levels))):
            if len(told) == most:
                break
            if states >> i & 1:
                words = (
                    f"{level.dimension} {level.states[state]}"
                    if level.value is None
                    else f"{level.dimension} {'with' if state == HAS else 'without'} {level.value}"
                    for level, state in zip(levels, chosen, strict=True)
                )
                told.append(" and ".join(words))
        return told

    def box(self, masks: dict[int, int]) -> Region:
        """Return the people whose state in each factor named lies in the set given for it."""
        levels = {position: self.all[position].levels for position in masks}
        region = Region.box(self.space, {levels[i][0]: mask for i, mask in masks.items() if len(levels[i]) == 1})
        for i, mask in masks.items():
            if len(levels[i]) > 1:
                region &= Region.of_combinations(self.space, levels[i], mask)
        return region


@lru_cache(maxsize=16)
def factors_of(catalog: Catalog) -> Factors:
    """Return the factors of a catalogue."""
    return Factors(catalog)


def product_mask(space: Space, levels: Sequence[int], masks: dict[int, int]) -> int:
    """Return the combinations of `levels` whose state at each level lies in its mask; no mask is no constraint."""
    product, size = 1, 1
    for level in reversed(levels):
        full = space.full[level]
        mask = masks.get(level, full)
        product = sum(product << state * size for state in range(full.bit_length()) if mask >> state & 1)
        size *= full.bit_length()
    return product


def _masks(segment: Segment, space: Space) -> dict[int, int]:
    """Return what a segment asks of each level; a trace that holds every value asks nothing."""
    masks: dict[int, int] = {}
    for trace in segment.traces:
        if (level := space.depth.get((trace.dimension, None))) is not None:
            mask = space.mask(trace.dimension, trace.values)
            if mask != space.full[level]:
                masks[level] = mask
        else:
            (value,) = trace.values
            masks[space.depth[trace.dimension, value]] = 1 << (LACKS if trace.absent else HAS)
    return masks


def _linked(count: int, links: Sequence[Sequence[int]]) -> list[int]:
    """Return for each of `count` things the least of those that `links` connect it with."""
    least = list(range(count))

    def find(thing: int) -> int:
        while least[thing] != thing:
            least[thing] = least[least[thing]]
            thing = least[thing]
        return thing

    for linked in links:
        for thing in linked[1:]:
            low, high = sorted((find(linked[0]), find(thing)))
            least[high] = low
    return [find(thing) for thing in range(count)]
