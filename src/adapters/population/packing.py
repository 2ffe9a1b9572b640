"""Packing the rows of a table into blocks, as it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from adapters.population.blocks import ALIGNMENT, DIGIT, Block, Weights, aligned
from adapters.population.tables import Chunk
from adapters.population.terms import clustering

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from segmentation_core.catalog import Catalog

CHUNKS_IN_BLOCK = 64
"""How many chunks a block has, the last one fewer: 4,194,304 rows."""

WORDS_TO_A_RUN = 128
"""How many words the runs must have on the average for a block to be clustered: `docs/performance.md`."""

_BITS_IN_LINE = ALIGNMENT * 8
_NOBODY = np.iinfo(np.int64).max


def blocks_of(catalog: Catalog, chunks: Iterable[Chunk]) -> Iterator[Block]:
    """Yield the blocks of a table, as soon as each is whole."""
    gathered: list[Chunk] = []
    for chunk in chunks:
        gathered.append(_narrow(catalog, chunk))
        if len(gathered) == CHUNKS_IN_BLOCK:
            yield _block(catalog, gathered)
            gathered = []
    if gathered:
        yield _block(catalog, gathered)


def _narrow(catalog: Catalog, chunk: Chunk) -> Chunk:
    """Keep positions in as many bytes as they need, with one more position for nobody."""
    singles: dict[str, NDArray[Any]] = {
        name: positions.astype(np.min_scalar_type(len(catalog.dimension[name].values)))
        for name, positions in chunk.singles.items()
    }
    return Chunk(chunk.rows, singles, chunk.multis, chunk.weights)


def _block(catalog: Catalog, chunks: list[Chunk]) -> Block:
    rows = sum(chunk.rows for chunk in chunks)
    weights = None if chunks[0].weights is None else np.concatenate([chunk.weights for chunk in chunks])
    cluster = clustering(catalog)
    clustered = cluster is not None and rows >= WORDS_TO_A_RUN * 64 * len(cluster.values)
    order = None if weights is None else np.argsort(weights, kind="stable")
    counts = np.array([rows])
    if cluster is not None and clustered:
        held = np.concatenate([chunk.singles[cluster.id] for chunk in chunks])
        counts = np.bincount(held, minlength=len(cluster.values))
        by_run = np.argsort(held if order is None else held[order], kind="stable")
        order = by_run if order is None else order[by_run]
    lines = -(-counts // _BITS_IN_LINE)
    ends = np.concatenate([[0], np.cumsum(lines)]) * _BITS_IN_LINE
    places = None
    if order is not None:
        # As many bits further as the runs before have bits of nobody.
        places = np.empty(rows, dtype=np.uint32)
        places[order] = np.arange(rows) + np.repeat(ends[:-1] - (np.cumsum(counts) - counts), counts)
    bits = int(ends[-1])
    bitmaps = _packed(catalog, chunks, bits, places, without=cluster.id if cluster is not None and clustered else None)
    weighed = None
    if weights is not None and places is not None:
        stored = np.full(bits, _NOBODY)
        stored[places] = weights
        weighed = _weighed(stored.reshape(-1, 64))
    return Block(rows, bitmaps, (ends // 64).tolist() if clustered else (), places, weighed)


def _packed(
    catalog: Catalog, chunks: list[Chunk], bits: int, places: NDArray[np.uint32] | None, without: str | None
) -> NDArray[np.uint64]:
    """Return the bitmaps of all values, in the order of their numbers, but for those of the dimension `without`."""
    cluster = clustering(catalog)
    dimensions = [each for each in catalog.dimensions if each is not cluster]
    dimensions += [cluster] if cluster is not None and cluster.id != without else []
    rows = sum(chunk.rows for chunk in chunks)
    bitmaps: NDArray[np.uint64] = aligned((sum(len(each.values) for each in dimensions) + 1, bits // 64), np.uint64)
    octets = iter(bitmaps.view(np.uint8))
    stored = np.zeros(bits, dtype=np.bool_)
    where = slice(rows) if places is None else places
    for dimension in dimensions:
        if dimension.multi:
            for value in range(len(dimension.values)):
                stored[where] = np.concatenate([chunk.multis[dimension.id][value] for chunk in chunks])
                next(octets)[:] = np.packbits(stored, bitorder="little")
        else:
            narrow = np.concatenate([chunk.singles[dimension.id] for chunk in chunks])
            positions = np.full(bits, len(dimension.values), dtype=narrow.dtype)
            positions[where] = narrow
            for value in range(len(dimension.values)):
                next(octets)[:] = np.packbits(positions == value, bitorder="little")
    stored[where] = True
    next(octets)[:] = np.packbits(stored, bitorder="little")
    return bitmaps


def _weighed(by_word: NDArray[np.int64]) -> Weights:
    """Make the weights of bits, shape (words, 64), of which those of nobody are `_NOBODY`."""
    somebody = by_word != _NOBODY
    floors = np.where(somebody[:, 0], by_word.min(axis=1), 0)
    above = np.where(somebody, by_word - floors[:, np.newaxis], 0)
    uneven = np.flatnonzero(above.any(axis=1))
    above = above[uneven]
    sliced = [np.empty(0, dtype=np.int64)]
    slices = [np.empty(0, dtype=np.uint64)]
    powers = [np.empty(0, dtype=np.int64)]
    for bit in range(int(above.max(initial=0)).bit_length()):
        packed = np.packbits((above >> bit & 1).astype(np.bool_), axis=1, bitorder="little").view("<u8")[:, 0]
        where = np.flatnonzero(packed)
        sliced.append(uneven[where])
        slices.append(packed[where].astype(np.uint64))
        powers.append(np.full(len(where), 1 << bit))
    by_words = np.argsort(np.concatenate(sliced), kind="stable")
    counts = np.concatenate([floors, np.concatenate(powers)[by_words]])
    digits = max(-(-int(counts.max()).bit_length() // DIGIT), 1)
    units = aligned((digits, len(counts)), np.float64)
    for digit in range(digits):
        units[digit] = counts >> digit * DIGIT & ((1 << DIGIT) - 1)
    return Weights(units, np.concatenate(sliced)[by_words], np.concatenate(slices)[by_words])
