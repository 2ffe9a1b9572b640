"""The axes of a grid of cells: what an audience depends on, and the states of it that nothing tells apart."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.planning.factors import product_mask
from segmentation_core.spaces import bits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmentation_core.planning.factors import Factor, Factors
    from segmentation_core.regions import Region
    from segmentation_core.spaces import Space

MAX_DIRECT = 1 << 8
"""How many combinations of the values of a direct multi dimension an audience may depend on."""


class TooManyCells(Exception):
    """The audience depends on too much to be looked at cell by cell; the message says on how much."""


class Axis(msgspec.Struct, frozen=True):
    """What the audience depends on: `atoms` are sets of states of the levels, disjoint, together all of them.

    `factor` is its position, None for a direct dimension. `lists` are the atoms that each list meets. Of a direct
    dimension, `allowed` are the sets of atoms that a platform can be told, None for any.
    """

    factor: int | None
    levels: tuple[int, ...]
    atoms: tuple[int, ...]
    lists: tuple[int, ...] | None
    allowed: tuple[int, ...] | None = None

    @property
    def full(self) -> int:
        """All atoms."""
        return (1 << len(self.atoms)) - 1

    @property
    def listed(self) -> bool:
        """Whether lists speak of it, not the platform itself."""
        return self.factor is not None

    def closed(self, atoms: int) -> int:
        """Return the atoms that cannot be left out without losing one of `atoms`."""
        if self.allowed is not None:
            return reduce(int.__and__, (some for some in self.allowed if not atoms & ~some), self.full)
        if self.lists is None:
            return atoms
        return self.full & ~reduce(or_, (some for some in self.lists if not some & atoms), 0)

    def states(self, atoms: int) -> int:
        """Return the states that some atoms are."""
        return reduce(or_, (states for atom, states in enumerate(self.atoms) if atoms >> atom & 1), 0)

    def sayable(self, atoms: int) -> bool:
        """Tell whether a direct dimension can be limited to just these atoms."""
        return self.allowed is None or atoms in self.allowed


def axes_of(region: Region, factors: Factors) -> Iterator[Axis]:
    """Yield what the audience depends on. Raises TooManyCells for more than MAX_DIRECT combinations of values."""
    alike = region.alike()
    direct: dict[str, list[int]] = {}
    listed: dict[int, None] = {}
    for level in sorted(alike):
        if level in factors.direct:
            direct.setdefault(factors.space.levels[level].dimension, []).append(level)
        else:
            listed[factors.of_level[level]] = None
    for position in listed:
        yield _listed_axis(position, factors, alike)
    for levels in direct.values():
        yield _direct_axis(tuple(levels), factors, alike)


def _direct_axis(levels: tuple[int, ...], factors: Factors, alike: dict[int, list[int]]) -> Axis:
    if factors.space.levels[levels[0]].value is None:
        return Axis(None, levels, tuple(alike[levels[0]]), None)
    count = 1 << len(levels)
    if count > MAX_DIRECT:
        msg = f"The filter tells {count:,} combinations of one direct dimension apart, more than {MAX_DIRECT:,}."
        raise TooManyCells(msg)
    any_of = [sum(1 << state for state in range(count) if state & some) for some in range(1, count)]
    return Axis(None, levels, tuple(1 << state for state in range(count)), None, (*any_of, (1 << count) - 1))


def _listed_axis(position: int, factors: Factors, alike: dict[int, list[int]]) -> Axis:
    """Return the axis of a factor: its states, those together that nothing tells apart.

    Where every state has a list of its own, lists can leave out any states: then only the audience tells them apart.
    """
    factor, space = factors.all[position], factors.space
    alone = {mask for mask in factor.lists.values() if not mask & (mask - 1)}
    discrete = reduce(or_, alone, 0) == factor.full
    chosen: list[dict[int, int]] = [{}]
    for level in factor.levels:
        own = alike.get(level, [space.full[level]])
        if not discrete:
            own = _told_apart(own, level, factor, alone, space)
        chosen = [some | {level: states} for some in chosen for states in own]
    atoms = tuple(product_mask(space, factor.levels, some) for some in chosen)
    if discrete:
        return Axis(position, factor.levels, atoms, None)
    lists = {sum(1 << i for i, atom in enumerate(atoms) if atom & mask) for mask in factor.lists.values()}
    return Axis(position, factor.levels, atoms, tuple(sorted(lists)))


def _told_apart(groups: list[int], level: int, factor: Factor, alone: set[int], space: Space) -> list[int]:
    """Split groups of states of a level by the lists that hold them.

    Of a factor of one level, states that have a list of their own stay together if no other list tells them apart.
    """
    split: dict[tuple[object, ...], int] = {}
    linked = len(factor.levels) > 1
    for group, states in enumerate(groups):
        for state in bits(states):
            there = product_mask(space, factor.levels, {level: 1 << state})
            lowest = there & -there
            if linked:
                on: tuple[object, ...] = tuple((mask & there) // lowest for mask in factor.lists.values())
            else:
                on = (there in alone, *(bool(mask & there) for mask in factor.lists.values() if mask not in alone))
            split[group, *on] = split.get((group, *on), 0) | 1 << state
    return sorted(split.values(), key=lambda mask: mask & -mask)
