"""Running terms over a block: which rows they mean, and how much these weigh.

Each step is one call of numpy over the words of a block, which lets other threads go on meanwhile. Buffers are used
again and again, so that they stay in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapters.population.blocks import DIGIT, aligned
from adapters.population.terms import Held, Intersection, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapters.population.blocks import Bitmap, Block
    from adapters.population.terms import Term

SPARSE = 3
"""Where fewer than one word in so many has a row of the audience, the words that have are gathered."""

ONE_THREADED = 8_192
"""OpenBLAS makes a dot product of more than 10,000 elements on several threads (kernel/x86_64/ddot.c)."""

WORTH_GATHERING = 4
"""How many bitmaps must be asked of the same rows for gathering to be worth its while."""

_and, _or, _xor, _count, _sum = np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.bitwise_count, np.add.reduce


class Scratch:
    """Buffers for one thread at a time."""

    def __init__(self) -> None:
        self._block: Block | None = None
        self._spare: list[Bitmap] = []
        self._masked = np.empty(0, dtype=np.uint64)
        self._counts = np.empty(0, dtype=np.uint8)
        self._weighed = np.empty(0, dtype=np.float64)
        self.rows = self.rest = self.masked = self._masked
        self.counts = self._counts
        self.weighed = self._weighed

    def fit(self, block: Block) -> Scratch:
        """Make the buffers as long as a block: `rows` its words, `rest` its slices, the others both of them."""
        if block is self._block:
            return self
        if block.counted > len(self._masked):
            self._masked = aligned((block.counted,), np.uint64)
            self._counts = np.empty(block.counted, dtype=np.uint8)
            self._weighed = aligned((block.counted,), np.float64)
        if self._block is None or block.words != self._block.words:
            self._spare = []
        self._block = block
        self.masked = self._masked[: block.counted]
        self.rows = self._masked[: block.words]
        self.rest = self._masked[block.words : block.counted]
        self.counts = self._counts[: block.counted]
        self.weighed = self._weighed[: block.counted]
        return self

    def take(self) -> Bitmap:
        """Return a buffer of a block's words, which nobody else has until it is given back."""
        return self._spare.pop() if self._spare else aligned((len(self.rows),), np.uint64)

    def give(self, *buffers: Bitmap) -> None:
        """Give back what `take` returned."""
        self._spare.extend(buffers)


def rows_of(term: Term, block: Block, out: Bitmap, scratch: Scratch) -> Bitmap:
    """Return the rows that a term means: in `out`, or one of the block's own bitmaps, which nobody may write to."""
    if isinstance(term, Held):
        return _held(term, block, out)
    if isinstance(term, Intersection):
        return _intersection(term, block, out, scratch)
    if isinstance(term, Union):
        return _union(term, block, out, scratch)
    # Against everyone, not with `~`: the bits past the last row stay zero.
    return _xor(block.everyone, rows_of(term.part, block, out, scratch), out)


def _held(term: Held, block: Block, out: Bitmap) -> Bitmap:
    bitmaps = term.bitmaps
    if not bitmaps:
        if term.others:
            return block.everyone
        out.fill(0)
        return out
    rows = _any(bitmaps, block.bitmap, out)
    return _xor(block.everyone, rows, out) if term.others else rows


def _any(bitmaps: Sequence[int], bitmap: Sequence[Bitmap], out: Bitmap) -> Bitmap:
    numbers = iter(bitmaps)
    rows = bitmap[next(numbers)]
    for number in numbers:
        rows = _or(rows, bitmap[number], out)
    return rows


def _intersection(term: Intersection, block: Block, out: Bitmap, scratch: Scratch) -> Bitmap:
    beside = scratch.take()
    bitmap = block.bitmap
    rows: Bitmap | None = None
    for part in term.parts:
        into = out if rows is None else beside
        if isinstance(part, Held) and part.bitmaps:
            # As `_any`, written out: it is where the time goes.
            numbers = iter(part.bitmaps)
            held = bitmap[next(numbers)]
            for number in numbers:
                held = _or(held, bitmap[number], into)
            if part.others:
                # What both have, taken from the first.
                rows = block.everyone if rows is None else rows
                rows = _xor(rows, _and(rows, held, beside), out)
                continue
        else:
            held = rows_of(part, block, into, scratch)
        rows = held if rows is None else _and(rows, held, out)
    scratch.give(beside)
    return block.everyone if rows is None else rows


def _union(term: Union, block: Block, out: Bitmap, scratch: Scratch) -> Bitmap:
    parts = iter(term.parts)
    rows = rows_of(next(parts), block, out, scratch)
    beside = scratch.take()
    for part in parts:
        rows = _or(rows, rows_of(part, block, beside, scratch), out)
    scratch.give(beside)
    return rows


def weight_of(rows: Bitmap, block: Block, scratch: Scratch) -> int:
    """Return what rows weigh, exactly. `rows` are of this block; quickest where they stand in `scratch.rows`."""
    weights = block.weights
    if weights is None:
        return int(_sum(_count(rows, scratch.counts), dtype=np.uint32))
    if rows is not scratch.rows:
        np.copyto(scratch.rows, rows)
    rest = rows.take(weights.sliced, None, scratch.rest, "clip")
    _and(rest, weights.slices, rest)
    return _weighed(scratch.masked, weights.digits, scratch.counts, scratch.weighed)


def weights_of(bitmaps: Sequence[int], rows: Bitmap, block: Block, scratch: Scratch) -> list[int]:
    """Return, for each of the bitmaps, what those of the `rows` weigh that are in it, exactly."""
    if len(bitmaps) >= WORTH_GATHERING and np.count_nonzero(rows) * SPARSE < block.words:
        return _weights_gathered(bitmaps, rows, block)
    out = scratch.rows
    kept = scratch.take()
    np.copyto(kept, rows)
    weights = [weight_of(_and(block.bitmap[number], kept, out), block, scratch) for number in bitmaps]
    scratch.give(kept)
    return weights


def _weights_gathered(bitmaps: Sequence[int], rows: Bitmap, block: Block) -> list[int]:
    """Gather the words, and the slices, that have any of the rows, and look at these alone."""
    where = np.flatnonzero(rows)
    masked = rows[where]
    digits: Sequence[NDArray[np.float64]] = ()
    if block.weights is not None:
        rest = rows[block.weights.sliced] & block.weights.slices
        hit = np.flatnonzero(rest)
        masked = np.concatenate([masked, rest[hit]])
        counted = np.concatenate([where, block.words + hit])
        where = np.concatenate([where, block.weights.sliced[hit]])
        digits = [digit[counted] for digit in block.weights.digits]
    held = np.empty_like(masked)
    counts = np.empty(len(masked), dtype=np.uint8)
    weighed = np.empty(len(masked), dtype=np.float64)
    weights = []
    for number in bitmaps:
        block.bitmap[number].take(where, None, held, "clip")
        _and(held, masked, held)
        weights.append(_weighed(held, digits, counts, weighed))
    return weights


def _weighed(
    rows: Bitmap, digits: Sequence[NDArray[np.float64]], counts: NDArray[np.uint8], weighed: NDArray[np.float64]
) -> int:
    _count(rows, counts)
    if not digits:
        return int(_sum(counts, dtype=np.uint32))
    np.copyto(weighed, counts)
    return sum([_dot(digit, weighed) << place * DIGIT for place, digit in enumerate(digits)])


def _dot(units: NDArray[np.float64], counts: NDArray[np.float64]) -> int:
    """Return the sum of units times counts, in pieces that OpenBLAS does not spread over threads of its own.

    Those would wait for ours, up to a hundred times as long as the product takes.
    """
    if len(units) <= ONE_THREADED:
        return int(units.dot(counts))
    starts = range(0, len(units), ONE_THREADED)
    return sum([int(units[at : at + ONE_THREADED].dot(counts[at : at + ONE_THREADED])) for at in starts])
