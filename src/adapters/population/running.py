"""Running terms over a piece: which rows they mean, and how much these weigh.

Each step is one call of numpy over the words of a piece, which lets other threads go on meanwhile. Buffers are used
again and again, so that they stay in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapters.population.blocks import DIGIT, aligned, spans
from adapters.population.terms import Held, InRuns, Intersection, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapters.population.blocks import Bitmap, Piece, Weights
    from adapters.population.terms import Term

SPARSE = 3
"""Where fewer than one word in so many has a row of the audience, the words that have are gathered."""

ONE_THREADED = 8_192
"""OpenBLAS makes a dot product of more than 10,000 elements on several threads (kernel/x86_64/ddot.c)."""

WORTH_GATHERING = 4
"""How many bitmaps must be asked of the same rows for gathering to be worth its while."""

_and, _or, _xor, _count, _sum = np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.bitwise_count, np.add.reduce


class Scratch:
    """Buffers for one thread at a time. `spare` are those that `take` and `give` go through."""

    def __init__(self) -> None:
        self._piece: Piece | None = None
        self._taken: list[Bitmap] = []
        self.spare: list[Bitmap] = []
        self._masked = np.empty(0, dtype=np.uint64)
        self._counts = np.empty(0, dtype=np.uint8)
        self._weighed = np.empty(0, dtype=np.float64)
        self.rows = self.rest = self.masked = self._masked
        self.counts = self._counts
        self.weighed = self._weighed

    def fit(self, piece: Piece) -> Scratch:
        """Make the buffers as long as a piece: `rows` its words, `rest` its slices, the others both of them."""
        if piece is self._piece:
            return self
        words, counted = piece.words, piece.counted
        if counted > len(self._masked):
            self._masked = aligned((counted,), np.uint64)
            self._counts = np.empty(counted, dtype=np.uint8)
            self._weighed = aligned((counted,), np.float64)
            self._taken = []
        self.spare = [each[:words] for each in self._taken]
        self._piece = piece
        self.masked = self._masked[:counted]
        self.rows = self._masked[:words]
        self.rest = self._masked[words:counted]
        self.counts = self._counts[:counted]
        self.weighed = self._weighed[:counted]
        return self

    def take(self) -> Bitmap:
        """Return a buffer of a piece's words, which nobody else has until it is given back."""
        if self.spare:
            return self.spare.pop()
        buffer = aligned((len(self._masked),), np.uint64)
        self._taken.append(buffer)
        return buffer[: len(self.rows)]

    def give(self, *buffers: Bitmap) -> None:
        """Give back what `take` returned."""
        self.spare.extend(buffers)


def rows_of(term: Term, piece: Piece, out: Bitmap, scratch: Scratch) -> Bitmap:
    """Return the rows that a term means: in `out`, or one of the piece's own bitmaps, which nobody may write to."""
    if isinstance(term, Intersection):
        return _intersection(term, piece, out, scratch)
    if isinstance(term, Held):
        return _held(term, piece, out)
    if isinstance(term, InRuns):
        return _in_runs(term, piece, out)
    if isinstance(term, Union):
        return _union(term, piece, out, scratch)
    # Against everyone, not with `~`: the bits of nobody stay zero.
    return _xor(piece.everyone, rows_of(term.part, piece, out, scratch), out)


def _held(term: Held, piece: Piece, out: Bitmap) -> Bitmap:
    bitmaps = term.bitmaps
    if not bitmaps:
        if term.others:
            return piece.everyone
        out.fill(0)
        return out
    rows = _any(bitmaps, piece.bitmap, out)
    return _xor(piece.everyone, rows, out) if term.others else rows


def _any(bitmaps: Sequence[int], bitmap: Sequence[Bitmap] | NDArray[np.uint64], out: Bitmap) -> Bitmap:
    numbers = iter(bitmaps)
    rows: Bitmap = bitmap[next(numbers)]
    for number in numbers:
        rows = _or(rows, bitmap[number], out)
    return rows


def _in_runs(term: InRuns, piece: Piece, out: Bitmap) -> Bitmap:
    if not piece.runs:
        return _any(term.numbers, piece.bitmap, out)
    out.fill(0)
    first = term.dimension.start
    for begun, ended in spans([number - first for number in term.numbers], piece.runs):
        out[begun:ended] = piece.everyone[begun:ended]
    return out


def _intersection(term: Intersection, piece: Piece, out: Bitmap, scratch: Scratch) -> Bitmap:
    beside = scratch.spare.pop() if scratch.spare else scratch.take()
    bitmap = piece.bitmap
    rows: Bitmap | None = None
    into = out
    for bitmaps in term.kept:
        # As `_any`, written out: it is where the time goes.
        numbers = iter(bitmaps)
        held = bitmap[next(numbers)]
        for number in numbers:
            held = _or(held, bitmap[number], into)
        rows = held if rows is None else _and(rows, held, out)
        into = beside
    for part in term.parts:
        held = rows_of(part, piece, into, scratch)
        rows = held if rows is None else _and(rows, held, out)
        into = beside
    if term.taken:
        # All that are taken away are taken at once: what is left has none of them.
        held = _any(term.taken, bitmap, beside)
        rows = _xor(piece.everyone, held, out) if rows is None else _xor(_or(rows, held, out), held, out)
    scratch.spare.append(beside)
    return piece.everyone if rows is None else rows


def _union(term: Union, piece: Piece, out: Bitmap, scratch: Scratch) -> Bitmap:
    parts = iter(term.parts)
    rows = rows_of(next(parts), piece, out, scratch)
    beside = scratch.take()
    for part in parts:
        rows = _or(rows, rows_of(part, piece, beside, scratch), out)
    scratch.give(beside)
    return rows


def weight_of(rows: Bitmap, piece: Piece, scratch: Scratch) -> int:
    """Return what rows weigh, exactly. `rows` are of this piece; quickest where they stand in `scratch.rows`."""
    weights = piece.weights
    if weights is None:
        return int(_sum(_count(rows, scratch.counts), dtype=np.uint32))
    return _summed(weights.digits, _counted(rows, weights, scratch))


def _counted(rows: Bitmap, weights: Weights, scratch: Scratch) -> NDArray[np.float64]:
    """Return how many of the rows each unit of the weights counts for."""
    if rows is not scratch.rows:
        np.copyto(scratch.rows, rows)
    rest = rows.take(weights.sliced, None, scratch.rest, "clip")
    _and(rest, weights.slices, rest)
    weighed = scratch.weighed
    weighed[...] = _count(scratch.masked, scratch.counts)
    return weighed


def weights_of(bitmaps: Sequence[int], rows: Bitmap, piece: Piece, scratch: Scratch) -> list[int]:
    """Return, for each of the bitmaps, what those of the rows weigh that are in it. They are not in `scratch.rows`."""
    if len(bitmaps) >= WORTH_GATHERING and np.count_nonzero(rows) * SPARSE < piece.words:
        return _weights_gathered(bitmaps, rows, piece)
    return [weight_of(_and(piece.bitmap[number], rows, scratch.rows), piece, scratch) for number in bitmaps]


def weights_by_run(rows: Bitmap, piece: Piece, values: int, scratch: Scratch) -> list[int]:
    """Return what the rows weigh that are in the run of each of the clustering dimension's values, exactly."""
    held, starts = piece.starts
    weights = piece.weights
    sums = np.zeros(values, dtype=np.int64)
    if weights is None:
        sums[held] = np.add.reduceat(_count(rows, scratch.counts), starts, dtype=np.int64)
        return sums.tolist()
    counted = _counted(rows, weights, scratch)
    of_slices = starts.searchsorted(weights.sliced, "right") - 1
    found = [0] * values
    for place, digit in enumerate(weights.digits):
        each = digit * counted
        by_run = np.add.reduceat(each[: piece.words], starts)
        by_run += np.bincount(of_slices, each[piece.words :], len(starts))
        sums[held] = by_run
        found = [sum(pair) for pair in zip(found, [each << place * DIGIT for each in sums.tolist()], strict=True)]
    return found


def _weights_gathered(bitmaps: Sequence[int], rows: Bitmap, piece: Piece) -> list[int]:
    """Gather the words, and the slices, that have any of the rows, and look at these alone."""
    where = np.flatnonzero(rows)
    masked = rows[where]
    digits: Sequence[NDArray[np.float64]] = ()
    if piece.weights is not None:
        rest = rows[piece.weights.sliced] & piece.weights.slices
        hit = np.flatnonzero(rest)
        masked = np.concatenate([masked, rest[hit]])
        counted = np.concatenate([where, piece.words + hit])
        where = np.concatenate([where, piece.weights.sliced[hit]])
        digits = [digit[counted] for digit in piece.weights.digits]
    held = np.empty_like(masked)
    counts = np.empty(len(masked), dtype=np.uint8)
    weighed = np.empty(len(masked), dtype=np.float64)
    weights = []
    for number in bitmaps:
        piece.bitmap[number].take(where, None, held, "clip")
        _and(held, masked, held)
        weights.append(_weighed(held, digits, counts, weighed))
    return weights


def _weighed(
    rows: Bitmap, digits: Sequence[NDArray[np.float64]], counts: NDArray[np.uint8], weighed: NDArray[np.float64]
) -> int:
    _count(rows, counts)
    if not digits:
        return int(_sum(counts, dtype=np.uint32))
    weighed[...] = counts
    return _summed(digits, weighed)


def _summed(digits: Sequence[NDArray[np.float64]], counts: NDArray[np.float64]) -> int:
    if len(digits) == 1 and len(counts) <= ONE_THREADED:
        return int(digits[0].dot(counts))
    return sum([_dot(digit, counts) << place * DIGIT for place, digit in enumerate(digits)])


def _dot(units: NDArray[np.float64], counts: NDArray[np.float64]) -> int:
    """Return the sum of units times counts, in pieces that OpenBLAS does not spread over threads of its own.

    Those would wait for ours, up to a hundred times as long as the product takes.
    """
    if len(units) <= ONE_THREADED:
        return int(units.dot(counts))
    starts = range(0, len(units), ONE_THREADED)
    return sum([int(units[at : at + ONE_THREADED].dot(counts[at : at + ONE_THREADED])) for at in starts])
