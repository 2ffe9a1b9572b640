"""Questions that leave one condition out: facets, profiles, and what each condition costs.

The rows of all conditions but one are a product of those before it and of those after it, so that for n conditions
there are about 3 n products to make, and not n * n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adapters.population.running import rows_of, weight_of, weights_by_run, weights_of
from adapters.population.terms import EVERYONE, Term
from segmentation_core import expressions
from segmentation_core.expressions import And

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.population.blocks import Bitmap, Piece
    from adapters.population.running import Scratch
    from adapters.population.terms import Layout
    from segmentation_core.expressions import Expression


class Conditions(msgspec.Struct, frozen=True):
    """The conditions that all must hold: `own` those that speak of one dimension alone, by its id, and the `others`."""

    own: dict[str, Term]
    others: Term

    @property
    def none(self) -> bool:
        """Whether everyone is asked for."""
        return not self.own and self.others == EVERYONE


def conditions_of(layout: Layout, expression: Expression) -> Conditions:
    """Return the conditions of an expression, as facets need them."""
    own: dict[str, list[Expression]] = {}
    others: list[Expression] = []
    for condition in expressions.top_level(expression):
        spoken_of = expressions.dimensions_of(condition)
        (own.setdefault(spoken_of.pop(), []) if len(spoken_of) == 1 else others).append(condition)
    return Conditions(
        {dimension: layout.term(And(tuple(parts))) for dimension, parts in own.items()},
        layout.term(And(tuple(others))),
    )


def counts(layout: Layout, conditions: Conditions, piece: Piece, scratch: Scratch) -> list[int]:
    """Return the size of the audience in a piece, and then for every value the size if it stood for its dimension."""
    rows, without = _all_but_one([*conditions.own.values()], conditions.others, piece, scratch)
    of_dimension = dict(zip(conditions.own, without, strict=True))
    size = weight_of(rows, piece, scratch)
    found = [size]
    in_runs = [columns for columns in layout.columns.values() if columns.clusters and piece.runs]
    shared = [
        number
        for name, columns in layout.columns.items()
        if name not in of_dimension and columns not in in_runs
        for number in columns.weighed
    ]
    counted = dict(zip(shared, weights_of(shared, rows, piece, scratch), strict=True))
    for name, columns in layout.columns.items():
        choice = of_dimension.get(name, rows)
        if columns in in_runs:
            found += weights_by_run(choice, piece, len(columns.bitmaps), scratch)
            continue
        of_each = counted
        whole = size
        if name in of_dimension:
            whole = weight_of(choice, piece, scratch)
            of_each = dict(zip(columns.weighed, weights_of(columns.weighed, choice, piece, scratch), strict=True))
        weights = [of_each[number] for number in columns.weighed]
        if len(weights) < len(columns.bitmaps):
            weights.append(whole - sum(weights))
        found += weights
    scratch.give(rows, *without)
    return found


def costs(conditions: Sequence[Term], piece: Piece, scratch: Scratch) -> list[int]:
    """Return the size of the audience in a piece, and then what it is without each of the conditions."""
    rows, without = _all_but_one(conditions, EVERYONE, piece, scratch)
    found = [weight_of(each, piece, scratch) for each in (rows, *without)]
    scratch.give(rows, *without)
    return found


def _all_but_one(
    conditions: Sequence[Term], others: Term, piece: Piece, scratch: Scratch
) -> tuple[Bitmap, list[Bitmap]]:
    """Return the rows of all conditions, and for each those of all but it, in buffers that the caller gives back."""
    rows = scratch.take()
    np.copyto(rows, rows_of(others, piece, scratch.rows, scratch))
    alone = []
    without = []
    for condition in conditions:
        before = scratch.take()
        np.copyto(before, rows)
        without.append(before)
        beside = scratch.take()
        held = rows_of(condition, piece, beside, scratch)
        alone.append((held, beside))
        np.bitwise_and(rows, held, rows)
    after = scratch.take()
    np.copyto(after, piece.everyone)
    for (held, beside), before in zip(reversed(alone), reversed(without), strict=True):
        np.bitwise_and(before, after, before)
        np.bitwise_and(after, held, after)
        scratch.give(beside)
    scratch.give(after)
    return rows, without
