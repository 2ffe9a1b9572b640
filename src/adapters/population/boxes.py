"""Filters and ad sets that are boxes: each level of the catalogue is in some of its states, whatever the others are.

Nearly every filter of a dashboard is one, and so is the plan of it, said by other bitmaps. A box is told here by the
states that it leaves out, as the bits of one integer; so two that are equal mean the same rows, and are counted once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmentation_core.expressions import And, HasAll, HasAny, HasNone
from segmentation_core.spaces import HAS, LACKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmentation_core.catalog import Catalog, Segment
    from segmentation_core.expressions import Expression
    from segmentation_core.planning import Clause


class Boxes:
    """The boxes over one catalogue."""

    def __init__(self, catalog: Catalog) -> None:
        self._single: dict[str, tuple[int, dict[str, int]]] = {}
        self._multi: dict[str, dict[str, tuple[int, int]]] = {}
        offset = 0
        for level in catalog.space.levels:
            full = level.full << offset
            if level.value is None:
                bits = {state: 1 << offset + position for position, state in enumerate(level.states)}
                self._single[level.dimension] = full, bits
            else:
                self._multi.setdefault(level.dimension, {})[level.value] = 1 << offset + LACKS, 1 << offset + HAS
            offset += len(level.states)
        self._lists = {segment.id: self._of_list(segment) for segment in catalog.segments}

    def of_filter(self, expression: Expression) -> int | None:
        """Return what a filter leaves out, None where it is not plain that it is a box."""
        left_out = 0
        for part in expression.parts if isinstance(expression, And) else (expression,):
            if isinstance(part, HasNone):
                missed = self._held(part.dimension, part.values)
            elif isinstance(part, HasAny | HasAll) and (len(part.values) == 1 or part.dimension in self._single):
                missed = self._missed(part.dimension, part.values)
            else:
                return None
            left_out |= missed
        return left_out

    def of_clause(self, clause: Clause) -> int | None:
        """Return whom an ad set leaves out, None where it is not plain that it reaches a box."""
        left_out = 0
        for group in clause.include:
            asked = held = 0
            for name in group:
                level, states = self._lists[name]
                if not level or asked not in (0, level):
                    return None
                asked, held = level, held | states
            left_out |= asked & ~held
        for name in clause.exclude:
            level, states = self._lists[name]
            if not level:
                return None
            left_out |= states
        for dimension, values in clause.direct.items():
            if len(values) != 1 and dimension not in self._single:
                return None
            left_out |= self._missed(dimension, values)
        return left_out

    def _of_list(self, segment: Segment) -> tuple[int, int]:
        """Return the level that a list asks about, and the states there of those who are on it; 0 for any more."""
        if len(segment.traces) != 1:
            return 0, 0
        (trace,) = segment.traces
        held, missed = self._held(trace.dimension, trace.values), self._missed(trace.dimension, trace.values)
        if trace.dimension in self._multi and len(trace.values) != 1:
            return 0, 0
        return held | missed, missed if trace.absent else held

    def _held(self, dimension: str, values: Sequence[str]) -> int:
        """Return the states of those who hold any of some values."""
        single = self._single.get(dimension)
        states = 0
        if single:
            for value in values:
                states |= single[1][value]
        else:
            for value in values:
                states |= self._multi[dimension][value][1]
        return states

    def _missed(self, dimension: str, values: Sequence[str]) -> int:
        """Return the states of those who lack some: of a single dimension any of them, of a multi one all."""
        single = self._single.get(dimension)
        if single:
            missed, bits = single
            for value in values:
                missed &= ~bits[value]
            return missed
        missed = 0
        for value in values:
            missed |= self._multi[dimension][value][0]
        return missed
