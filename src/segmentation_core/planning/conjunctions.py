"""What dashboards send, without a diagram: conditions on distinct dimensions, all of which hold.

What such a filter can mean as one clause is plain from its conditions. That is most filters, and so they are planned in
microseconds; `trees.py` and `shapes.py` come to the same for any wording.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmentation_core.expressions import And, HasAll, HasAny, HasNone
from segmentation_core.planning.factors import product_mask
from segmentation_core.planning.shapes import Shape
from segmentation_core.spaces import HAS, LACKS

if TYPE_CHECKING:
    from segmentation_core.expressions import Condition, Expression
    from segmentation_core.planning.factors import Factors


def shape_of_conditions(expression: Expression, factors: Factors) -> Shape | None:
    """Return the shape of an `and` of conditions on distinct dimensions, None for all else, and for more than a shape.

    The expression does not mean nobody.
    """
    if not isinstance(expression, And):
        return None
    reader = _Reader(factors)
    for part in expression.parts:
        if not isinstance(part, HasAny | HasAll | HasNone) or not reader.add(part):
            return None
    return reader.shape()


class _Reader:
    def __init__(self, factors: Factors) -> None:
        self.factors = factors
        self.space = factors.space
        self.dimensions: set[str] = set()
        self.box: dict[int, int] = {}
        self.any_of: list[int] = []
        self.direct: dict[str, tuple[str, ...]] = {}

    def add(self, condition: Condition) -> bool:
        """Take in a condition, and tell whether it fits."""
        name = condition.dimension
        if name in self.dimensions:
            return False
        self.dimensions.add(name)
        level = self.space.depth.get((name, None))
        if level is None:
            return self.add_multi(condition)
        full = self.space.full[level]
        mask = self.space.mask(name, condition.values)
        if isinstance(condition, HasNone):
            mask = full & ~mask
        if mask == full:
            return True
        if level in self.factors.direct:
            states = self.space.levels[level].states
            self.direct[name] = tuple(state for i, state in enumerate(states) if mask >> i & 1)
        else:
            self.limit(level, mask)
        return True

    def add_multi(self, condition: Condition) -> bool:
        name, values = condition.dimension, condition.values
        levels = [self.space.depth[name, value] for value in values]
        if not levels:
            return True
        if levels[0] in self.factors.direct:
            if isinstance(condition, HasNone) or (isinstance(condition, HasAll) and len(levels) > 1):
                return False
            self.direct[name] = tuple(sorted(values))
        elif isinstance(condition, HasAny) and len(levels) > 1:
            if self.any_of:
                return False
            self.any_of = levels
        else:
            state = 1 << (LACKS if isinstance(condition, HasNone) else HAS)
            for level in levels:
                self.limit(level, state)
        return True

    def limit(self, level: int, mask: int) -> None:
        """Keep only those whose state at a level is one of the mask."""
        position, states = self.of_factor(level, mask)
        self.box[position] = self.box[position] & states if position in self.box else states

    def of_factor(self, level: int, mask: int) -> tuple[int, int]:
        position = self.factors.of_level[level]
        levels = self.factors.all[position].levels
        return position, mask if len(levels) == 1 else product_mask(self.space, levels, {level: mask})

    def shape(self) -> Shape | None:
        """Return the shape of all conditions together; whoever holds none of `any_of` is its hole."""
        if any(self.factors.of_level[level] in self.box for level in self.any_of):
            return None
        hole: dict[int, int] = {}
        for level in self.any_of:
            position, states = self.of_factor(level, 1 << LACKS)
            if position in hole:
                return None
            hole[position] = states
        return Shape(self.box, (hole,) if hole else (), dict(sorted(self.direct.items())))
