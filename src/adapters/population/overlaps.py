"""How filters overlap: what all the intersections weigh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapters.population.running import rows_of, weight_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapters.population.blocks import Bitmap, Piece
    from adapters.population.running import Scratch
    from adapters.population.terms import Term


def intersections(terms: Sequence[Term], piece: Piece, scratch: Scratch) -> dict[tuple[int, ...], int]:
    """Return what the intersections weigh in a piece, by ascending positions. Those that nobody is in are left out."""
    held = []
    for term in terms:
        buffer = scratch.take()
        np.copyto(buffer, rows_of(term, piece, scratch.rows, scratch))
        held.append(buffer)
    found = dict(_within(piece.everyone, (), held, piece, scratch))
    scratch.give(*held)
    return found


def _within(
    rows: Bitmap, positions: tuple[int, ...], held: Sequence[Bitmap], piece: Piece, scratch: Scratch
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the intersections of `rows` with one or more of those after the last of its positions."""
    both = scratch.take()
    for position in range(positions[-1] + 1 if positions else 0, len(held)):
        np.bitwise_and(rows, held[position], both)
        if both.any():
            yield (*positions, position), weight_of(both, piece, scratch)
            yield from _within(both, (*positions, position), held, piece, scratch)
    scratch.give(both)
