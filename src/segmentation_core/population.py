"""What can be asked of a population, and what it answers. Every answer is exact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from segmentation_core.filters import Filter
    from segmentation_core.planning import Plan


class PlanSize(msgspec.Struct, frozen=True):
    """How many people each clause of a plan reaches, in the plan's order, and all of them together.

    The clauses of an exact plan are disjoint, so `total` is their sum.
    """

    clauses: tuple[int, ...]
    total: int


class Population(Protocol):
    """A table of people, or of cells that stand for many, read against one catalogue.

    Sizes are sums of weights, without rounding: people where the catalogue names no weight, otherwise its unit.
    Questions are synchronous and change nothing. A filter of another catalogue is a ValueError.
    """

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        ...

    def size(self, wanted: Filter) -> int:
        """Return the size of the audience: the weight of the rows that `wanted.matches`."""
        ...

    def plan_size(self, plan: Plan) -> PlanSize:
        """Return what the lists of a plan reach, counted from the lists and not from any filter.

        Raises KeyError for a list that the catalogue does not have.
        """
        ...
