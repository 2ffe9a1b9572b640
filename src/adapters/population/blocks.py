"""Blocks: the rows of a population, so many at a time that what is made of them on the way stays in the cache.

A block has one bitmap for each value, 64 rows to a word. Its rows stand in the order of their weights, within pieces of
`CHUNK_ROWS`, so that the 64 weights of a word are nearly the same. A word then has a *floor*, the least of its weights,
which counts for each of its rows; and of what lies above the floors there are bit slices (P. O'Neil and D. Quass,
"Improved query performance with variant indexes", SIGMOD 1997), but only of words that have anything there. A weighted
size is then little more than one count of bits: the sum of floor times count, plus the sum of 2**b times the count of
the slices of bit b.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from adapters.population.columns import CHUNK_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from adapters.population.tables import Chunk
    from segmentation_core.catalog import Catalog, Dimension

    Bitmap: TypeAlias = NDArray[np.uint64]
    """Rows: shape (words,), the bits past the last row zero."""

CHUNKS_IN_BLOCK = 16
BLOCK_ROWS = CHUNKS_IN_BLOCK * CHUNK_ROWS
"""How many rows a block has; the last one has fewer. 128 KB to a bitmap: several fit into a core's second cache."""

DIGIT = 32
"""Bits to a digit of a weight. Sums of BLOCK_ROWS such, floors and slices, stay within 2**53, exact as doubles."""

ALIGNMENT = 64
"""Bytes: a line of the cache, and the widest register. Arrays begin, and bitmaps end, on a multiple of it."""

_WORDS_IN_LINE = ALIGNMENT // 8


class Weights:
    """What the rows of a block count, where it is not 1 each.

    `units`, shape (digits, words + slices), says it of one row: for each word its floor, and for each slice its power
    of two; a row of it for each `DIGIT` bits, lowest first. Slice i has the bits `slices[i]` of the word `sliced[i]`.
    `order` is the number that each row had in the table, within its chunk.
    """

    def __init__(
        self, units: NDArray[np.float64], sliced: NDArray[np.int64], slices: Bitmap, order: NDArray[np.uint16]
    ) -> None:
        self.units = units
        self.sliced = sliced
        self.slices = slices
        self.order = order
        self.digits: Sequence[NDArray[np.float64]] = [*units]


class Block:
    """Some of the rows. Immutable.

    `bitmaps` has shape (values + 1, words): one for each value and, as the last, one of all rows.
    """

    def __init__(self, rows: int, bitmaps: NDArray[np.uint64], weights: Weights | None = None) -> None:
        self.rows = rows
        self.bitmaps = bitmaps
        self.weights = weights
        self.words = bitmaps.shape[1]
        self.bitmap: Sequence[Bitmap] = [*bitmaps]
        self.everyone = self.bitmap[-1]
        self.counted = self.words + (len(weights.slices) if weights else 0)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The arrays that it is made of: the bitmaps and, if there are weights, theirs as they are made of them."""
        weights = self.weights
        return (self.bitmaps, *((weights.units, weights.sliced, weights.slices, weights.order) if weights else ()))

    @property
    def memory(self) -> int:
        """How many bytes its arrays take."""
        return sum(array.nbytes for array in self.arrays)


def blocks_of(catalog: Catalog, chunks: Iterable[Chunk]) -> Iterator[Block]:
    """Yield the blocks of a table, as soon as each is whole."""
    gathered: list[Chunk] = []
    for chunk in chunks:
        gathered.append(chunk)
        if len(gathered) == CHUNKS_IN_BLOCK:
            yield _block(catalog, gathered)
            gathered = []
    if gathered:
        yield _block(catalog, gathered)


def _block(catalog: Catalog, chunks: list[Chunk]) -> Block:
    values = sum(len(dimension.values) for dimension in catalog.dimensions)
    rows = sum(chunk.rows for chunk in chunks)
    # Chunks end on whole words, so that their bitmaps join end to end.
    words = -(-rows // (64 * _WORDS_IN_LINE)) * _WORDS_IN_LINE
    bitmaps = aligned((values + 1, words), np.uint64)
    bitmaps[:] = 0
    weights = []
    order = []
    for at, chunk in enumerate(chunks):
        octets = bitmaps.view(np.uint8)[:, at * CHUNK_ROWS // 8 :]
        by_weight = None if chunk.weights is None else np.argsort(chunk.weights, kind="stable")
        first = 0
        for dimension in catalog.dimensions:
            _pack(_held(dimension, chunk, by_weight), octets[first : first + len(dimension.values)])
            first += len(dimension.values)
        _pack(np.ones((1, chunk.rows), dtype=np.bool_), octets[values:])
        if chunk.weights is not None and by_weight is not None:
            weights.append(chunk.weights[by_weight])
            order.append(by_weight.astype(np.uint16))
    return Block(rows, bitmaps, _weighed(np.concatenate(weights), words, np.concatenate(order)) if weights else None)


def _held(dimension: Dimension, chunk: Chunk, order: NDArray[np.intp] | None) -> NDArray[np.bool_]:
    held: NDArray[np.bool_]
    if dimension.multi:
        held = chunk.multis[dimension.id]
        return held if order is None else held[:, order]
    positions = chunk.singles[dimension.id]
    narrow: NDArray[Any] = positions.astype(np.min_scalar_type(len(dimension.values)))
    each = np.arange(len(dimension.values), dtype=narrow.dtype)[:, np.newaxis]
    held = (narrow if order is None else narrow[order]) == each
    return held


def _pack(flags: NDArray[np.bool_], octets: NDArray[np.uint8]) -> None:
    """Pack flags of shape (bitmaps, rows), row 0 in the lowest bit of the first octet."""
    packed = np.packbits(flags, axis=1, bitorder="little")
    octets[:, : packed.shape[1]] = packed


def _weighed(weights: NDArray[np.int64], words: int, order: NDArray[np.uint16]) -> Weights:
    padded = np.full(words * 64, np.iinfo(np.int64).max)
    padded[: len(weights)] = weights
    by_word = padded.reshape(words, 64)
    floors = by_word.min(axis=1)
    above = by_word - floors[:, np.newaxis]
    filled = len(weights)
    floors[-(-filled // 64) :] = 0
    above.reshape(-1)[filled:] = 0
    bits = int(above.max()).bit_length()
    sliced = []
    slices = []
    powers = []
    for bit in range(bits):
        packed = np.packbits((above >> bit & 1).astype(np.bool_), axis=1, bitorder="little").view("<u8")[:, 0]
        where = np.flatnonzero(packed)
        sliced.append(where)
        slices.append(packed[where])
        powers.append(np.full(len(where), 1 << bit))
    none = np.empty(0, dtype=np.int64)
    counts = np.concatenate([floors, *powers])
    digits = max(-(-int(counts.max()).bit_length() // DIGIT), 1)
    units = aligned((digits, len(counts)), np.float64)
    for digit in range(digits):
        units[digit] = counts >> digit * DIGIT & ((1 << DIGIT) - 1)
    return Weights(
        units,
        np.concatenate([none, *sliced]).astype(np.int64),
        np.concatenate([none.astype(np.uint64), *slices]).astype(np.uint64),
        order,
    )


def aligned(shape: tuple[int, ...], kind: type[np.uint64 | np.float64]) -> NDArray[Any]:
    """Return an array without content whose first byte stands on a multiple of `ALIGNMENT`."""
    size = int(np.prod(shape)) * 8
    octets = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -octets.ctypes.data % ALIGNMENT
    return octets[start : start + size].view(kind).reshape(shape)
