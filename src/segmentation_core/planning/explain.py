"""Why each list is in a plan."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Literal

import msgspec

from segmentation_core.planning.factors import factors_of, product_mask
from segmentation_core.spaces import HAS, bits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmentation_core.catalog import Catalog
    from segmentation_core.planning.factors import Factors
    from segmentation_core.planning.plan import Clause
    from segmentation_core.spaces import Level

_SHOWN = 8
"""How many values or kinds of people one sentence names."""


class Why(msgspec.Struct, frozen=True):
    """Why a list is in a clause: `why` is for people, `use` says on which side it stands.

    `clause` counts from 1, and so does `group`, of the groups that the clause includes; it is None where it excludes.
    """

    clause: int
    use: Literal["include", "exclude"]
    group: int | None
    segment: str
    why: str


def explain(clauses: tuple[Clause, ...], catalog: Catalog) -> tuple[Why, ...]:
    """Say of every list in some clauses of this catalogue why it is there, in the order of the clauses."""
    factors = factors_of(catalog)
    return tuple(why for number, clause in enumerate(clauses, 1) for why in _Explained(clause, factors).whys(number))


class _Explained:
    def __init__(self, clause: Clause, factors: Factors) -> None:
        self.clause = clause
        self.factors = factors
        self.factor = {name: i for i, factor in enumerate(factors.all) for name in factor.lists}
        self.said: dict[tuple[int, int], str] = {}
        self.kept = {i: factors.all[i].full & ~self.on(clause.exclude, i) for i in self.of(clause.exclude)}

    def on(self, names: tuple[str, ...], position: int) -> int:
        """Return the states of a factor that are on some of the lists."""
        lists = self.factors.all[position].lists
        return reduce(or_, (lists[name] for name in names if name in lists), 0)

    def of(self, names: tuple[str, ...]) -> list[int]:
        """Return the factors that some lists speak of."""
        return sorted({self.factor[name] for name in names})

    def left(self, position: int) -> int:
        """Return the states of a factor that are not excluded."""
        return self.kept.get(position, self.factors.all[position].full)

    def whys(self, number: int) -> Iterator[Why]:
        for place, group in enumerate(self.clause.include, 1):
            why = self.included(group)
            for name in group:
                yield Why(number, "include", place, name, f"included, because {why}")
        for name in self.clause.exclude:
            position = self.factor[name]
            why = f"{self.told(position, self.kept[position])} is wanted"
            yield Why(number, "exclude", None, name, f"excluded, because {why}")

    def included(self, group: tuple[str, ...]) -> str:
        reached = {i: self.on(group, i) & self.left(i) for i in self.of(group)}
        if any(states == self.factors.all[i].full for i, states in reached.items()):
            return "an ad set includes some list, and these reach everyone"
        return " or ".join(self.told(i, states) for i, states in reached.items()) + " is wanted"

    def told(self, position: int, states: int) -> str:
        if (position, states) not in self.said:
            self.said[position, states] = self.tell(position, states)
        return self.said[position, states]

    def tell(self, position: int, states: int) -> str:
        """Tell some states of a factor: "income 1, 2 and lifestyle 3", or one by one where levels are not apart."""
        factor, space = self.factors.all[position], self.factors.space
        masks = {
            level: sum(
                1 << state
                for state in range(len(space.levels[level].states))
                if states & product_mask(space, factor.levels, {level: 1 << state})
            )
            for level in factor.levels
        }
        if product_mask(space, factor.levels, masks) == states:
            return " and ".join(
                _told(space.levels[level], mask) for level, mask in masks.items() if mask != space.full[level]
            )
        people = self.factors.people(position, states, _SHOWN)
        more = f" or {states.bit_count() - _SHOWN} more" if states.bit_count() > _SHOWN else ""
        return " or ".join(people) + more


def _told(level: Level, mask: int) -> str:
    if level.value is not None:
        return f"{level.dimension} {'with' if mask == 1 << HAS else 'without'} {level.value}"
    names = [level.states[state] for state in bits(mask)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{level.dimension} {', '.join(names[:_SHOWN])}{more}"
