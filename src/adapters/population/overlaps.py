"""How filters overlap: what all the intersections weigh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapters.population.running import rows_of, weight_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapters.population.blocks import Bitmap, Block
    from adapters.population.running import Scratch
    from adapters.population.terms import Term


def intersections(terms: Sequence[Term], block: Block, scratch: Scratch) -> dict[tuple[int, ...], int]:
    """Return what the intersections weigh in a block, by ascending positions. Those that nobody is in are left out."""
    held = []
    for term in terms:
        buffer = scratch.take()
        np.copyto(buffer, rows_of(term, block, scratch.rows, scratch))
        held.append(buffer)
    found = dict(_within(block.everyone, (), held, block, scratch))
    scratch.give(*held)
    return found


def _within(
    rows: Bitmap, positions: tuple[int, ...], held: Sequence[Bitmap], block: Block, scratch: Scratch
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the intersections of `rows` with one or more of those after the last of its positions."""
    both = scratch.take()
    for position in range(positions[-1] + 1 if positions else 0, len(held)):
        np.bitwise_and(rows, held[position], both)
        if both.any():
            yield (*positions, position), weight_of(both, block, scratch)
            yield from _within(both, (*positions, position), held, block, scratch)
    scratch.give(both)
