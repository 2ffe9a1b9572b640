"""What diagrams ask about: the levels of a catalogue, in the order of their ids, and sets of their states."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segmentation_core.catalog import Catalog

MAX_TOLD = 1 << 14
"""How many sets of states a space remembers the names of."""

LACKS, HAS = 0, 1
"""The two states of a level that is one value of a multi dimension."""


class Level(msgspec.Struct, frozen=True):
    """What a diagram asks about at one depth.

    `value` is None for a single dimension, whose `states` are the ids of its values; for one value of a multi
    dimension the states are "lacks" and "has". A set of states is an integer, bit i for `states[i]`.
    """

    dimension: str
    value: str | None
    states: tuple[str, ...]

    @property
    def full(self) -> int:
        """The set of all states."""
        return (1 << len(self.states)) - 1


class Space:
    """The levels of one catalogue, in the order of their ids."""

    def __init__(self, catalog: Catalog) -> None:
        levels: list[Level] = []
        for dimension in sorted(catalog.dimensions, key=lambda dimension: dimension.id):
            names = tuple(sorted(value.id for value in dimension.values))
            if dimension.multi:
                levels += [Level(dimension.id, name, ("lacks", "has")) for name in names]
            else:
                levels.append(Level(dimension.id, None, names))
        self.levels: Final = tuple(levels)
        self.full: Final = tuple(level.full for level in levels)
        self.depth: Final = {(level.dimension, level.value): depth for depth, level in enumerate(levels)}
        self.bit: Final = {
            (level.dimension, state): 1 << position
            for level in levels
            if level.value is None
            for position, state in enumerate(level.states)
        }

        self.names: Final = tuple(json.dumps([level.dimension, level.value]) for level in levels)
        self._told: dict[tuple[int, int], str] = {}

        self.most_steps: int | None = None
        """What takes the place of MAX_STEPS, where many ask and each is to wait for no one long."""

    def mask(self, dimension: str, values: Iterable[str]) -> int:
        """Return the set of states of a single dimension that `values` name."""
        mask = 0
        for value in values:
            mask |= self.bit[dimension, value]
        return mask

    def told(self, level: int, mask: int) -> str:
        """Return a set of states of a level as the JSON of their names; what was told before is remembered."""
        found = self._told.get((level, mask))
        if found is None:
            if len(self._told) >= MAX_TOLD:
                self._told.clear()
            states = self.levels[level].states
            found = self._told[level, mask] = json.dumps([states[state] for state in bits(mask)])
        return found


def bits(mask: int) -> Iterator[int]:
    """Yield the positions of the bits that are set, ascending."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
