"""Blocks: the rows of a population, a few million at a time, and the pieces of them that questions go through.

A block has one bitmap for each value, 64 rows to a word. Where it has rows enough, they stand in the order of what they
hold in the catalogue's widest single dimension: each of its values then has a *run* of words, and needs no bitmap (a
clustered index whose column is run-length encoded: D. Abadi, S. Madden and M. Ferreira, "Integrating compression and
execution in column-oriented database systems", SIGMOD 2006). Runs end on whole lines of the cache, with bits of nobody.

Within a run, or the block, the rows stand in the order of their weights, so that the 64 weights of a word are nearly
the same. A word then has a *floor*, the least of its weights, which counts for each of its rows; and of what lies above
the floors there are bit slices (P. O'Neil and D. Quass, "Improved query performance with variant indexes", SIGMOD
1997), but only of words that have anything there. A weighted size is then little more than one count of bits: the sum
of floor times count, plus the sum of 2**b times the count of the slices of bit b.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Bitmap: TypeAlias = NDArray[np.uint64]
    """Rows: shape (words,), the bits that are nobody's zero."""

PIECE_WORDS = 2**14
"""How many words a piece has at most: 128 KB to a bitmap, of which several fit into a core's second cache."""

DIGIT = 32
"""Bits to a digit of a weight. Sums over a piece, floors and slices, stay within 2**53, exact as doubles."""

ALIGNMENT = 64
"""Bytes: a line of the cache, and the widest register. Arrays begin, and bitmaps and runs end, on a multiple of it."""


class Weights:
    """What rows count, where it is not 1 each.

    `units`, shape (digits, words + slices), says it of one row: for each word its floor, and for each slice its power
    of two; a row of it for each `DIGIT` bits, lowest first. Slice i has bits of the word `sliced[i]`, which ascend.
    """

    def __init__(self, units: NDArray[np.float64], sliced: NDArray[np.int64], slices: Bitmap) -> None:
        self.units = units
        self.sliced = sliced
        self.slices = slices
        self.digits: Sequence[NDArray[np.float64]] = [*units]

    def part(self, first: int, end: int) -> Weights:
        """Return the weights of the words `first` to `end`, which count from `first` on."""
        words = self.units.shape[1] - len(self.slices)
        low, high = self.sliced.searchsorted((first, end)).tolist()
        units = self.units
        if end - first < words:
            units = np.concatenate((units[:, first:end], units[:, words + low : words + high]), axis=1)
        # A new array even of all words: `take` copies, each time, indices that may not be written to.
        return Weights(units, self.sliced[low:high] - first, self.slices[low:high])


class Piece:
    """Words of a block that a question looks at together: views of its arrays, beginning with its word `first`.

    `bitmap` gives a bitmap by its number, and the last one is of everyone.
    """

    def __init__(
        self, block: Block, first: int, bitmap: Sequence[Bitmap] | NDArray[np.uint64], weights: Weights | None
    ) -> None:
        self.first = first
        self.bitmap = bitmap
        self.everyone = bitmap[-1]
        self.weights = weights
        self.words = len(self.everyone)
        self.counted = self.words + (len(weights.slices) if weights else 0)
        self._block_runs = block.runs

    @cached_property
    def runs(self) -> Sequence[int]:
        """The runs of the clustering dimension: value v has the words `runs[v]` to `runs[v + 1]` of the piece.

        Empty where it has bitmaps, as the other dimensions have.
        """
        end = self.first + self.words
        return [min(max(each, self.first), end) - self.first for each in self._block_runs]

    @cached_property
    def starts(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The values that have words here, and where the run of each begins."""
        runs = np.array(self.runs)
        values = np.flatnonzero(runs[1:] > runs[:-1])
        return values, runs[values]


class Block:
    """Some of the rows. Immutable.

    `bitmaps` has shape (bitmaps + 1, words): the last one is of all rows. `runs` are the words at which the runs of the
    clustering dimension begin, and at last where they end; or empty. `places`, shape (rows,), says in the table's order
    where each row stands, in bits from the block's first one; or is None, where they stand in the table's order.
    """

    def __init__(
        self,
        rows: int,
        bitmaps: NDArray[np.uint64],
        runs: Sequence[int] = (),
        places: NDArray[np.uint32] | None = None,
        weights: Weights | None = None,
    ) -> None:
        self.rows = rows
        self.bitmaps = bitmaps
        self.runs = runs
        self.places = places
        self.weights = weights
        self.words = bitmaps.shape[1]
        # The pieces of single runs, once they have been asked for: to make them takes as long as to look at them.
        self._run: dict[tuple[int, int], list[Piece] | None] = dict.fromkeys(pairwise(runs))

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The arrays that it is made of: the bitmaps, the places and the weights, as far as there are any."""
        weights = self.weights
        places = () if self.places is None else (self.places,)
        return (self.bitmaps, *places, *((weights.units, weights.sliced, weights.slices) if weights else ()))

    @property
    def memory(self) -> int:
        """How many bytes its arrays take."""
        return sum(array.nbytes for array in self.arrays)

    @cached_property
    def pieces(self) -> Sequence[Piece]:
        """All of the block, piece by piece."""
        return [
            Piece(self, first, [*self.bitmaps[:, first:end]], self._weights(first, end))
            for first, end in _cut(0, self.words)
        ]

    def within(self, values: Sequence[int]) -> list[Piece]:
        """Return the runs of values of the clustering dimension, which ascend; those that adjoin as one."""
        found = []
        for span in spans(values, self.runs):
            pieces = self._run.get(span)
            if pieces is None:
                pieces = [
                    Piece(self, first, self.bitmaps[:, first:end], self._weights(first, end))
                    for first, end in _cut(*span)
                ]
                if span in self._run:
                    self._run[span] = pieces
            found += pieces
        return found

    def _weights(self, first: int, end: int) -> Weights | None:
        return self.weights.part(first, end) if self.weights else None


def spans(values: Sequence[int], runs: Sequence[int]) -> list[tuple[int, int]]:
    """Return the words that the runs of values have, which ascend: as first and end, where runs adjoin as one."""
    found: list[tuple[int, int]] = []
    begun = ended = 0
    for value in values:
        if runs[value] != ended:
            if begun < ended:
                found.append((begun, ended))
            begun = runs[value]
        ended = runs[value + 1]
    if begun < ended:
        found.append((begun, ended))
    return found


def _cut(first: int, end: int) -> list[tuple[int, int]]:
    return [(at, min(at + PIECE_WORDS, end)) for at in range(first, end, PIECE_WORDS)]


def aligned(shape: tuple[int, ...], kind: type[np.uint64 | np.float64]) -> NDArray[Any]:
    """Return an array without content whose first byte stands on a multiple of `ALIGNMENT`."""
    size = int(np.prod(shape)) * 8
    octets = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -octets.ctypes.data % ALIGNMENT
    return octets[start : start + size].view(kind).reshape(shape)
