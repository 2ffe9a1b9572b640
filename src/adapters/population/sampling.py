"""Some of the rows of an audience, as they stood in the table."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from adapters.population.blocks import CHUNKS_IN_BLOCK, DIGIT
from adapters.population.columns import CHUNK_ROWS
from adapters.population.running import Scratch, rows_of
from segmentation_core.population import SampledRow, sampled_positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.population.blocks import Bitmap, Block
    from adapters.population.terms import Layout, Term


def sampled(layout: Layout, term: Term, blocks: Sequence[Block], rows: int) -> tuple[SampledRow, ...]:
    """Return the rows of a term that a sample of so many shows: see `Population.sample`."""
    scratch = Scratch()
    matching: list[int] = []
    chunk_words = CHUNK_ROWS // 64
    for block in blocks:
        counts = np.bitwise_count(rows_of(term, block, scratch.fit(block).rows, scratch))
        matching += [int(counts[at : at + chunk_words].sum()) for at in range(0, -(-block.rows // 64), chunk_words)]
    ends = [*accumulate(matching)]
    chosen: dict[int, list[int]] = {}
    for position in sampled_positions(sum(matching), rows):
        chunk = bisect_right(ends, position)
        chosen.setdefault(chunk, []).append(position - ends[chunk] + matching[chunk])
    shown: list[SampledRow] = []
    for chunk, positions in chosen.items():
        block = blocks[chunk // CHUNKS_IN_BLOCK]
        found = rows_of(term, block, scratch.fit(block).rows, scratch).copy()
        places = _places(block, chunk % CHUNKS_IN_BLOCK, found)
        for place, row in (places[position] for position in positions):
            shown.append(_row(layout, block, place, chunk * CHUNK_ROWS + row))
    return tuple(shown)


def _places(block: Block, chunk: int, rows: Bitmap) -> list[tuple[int, int]]:
    """Return where each of a chunk's rows stands in the block and in the chunk of the table, in the table's order."""
    first = chunk * CHUNK_ROWS
    words = rows[first // 64 : (first + CHUNK_ROWS) // 64]
    stored = first + np.flatnonzero(np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little"))
    in_table = stored - first if block.weights is None else block.weights.order[stored].astype(np.int64)
    by_table = np.argsort(in_table)
    return list(zip(stored[by_table].tolist(), in_table[by_table].tolist(), strict=True))


def _row(layout: Layout, block: Block, stored: int, row: int) -> SampledRow:
    word, bit = divmod(stored, 64)
    person: dict[str, str | tuple[str, ...]] = {}
    for name, columns in layout.columns.items():
        held = tuple(value for value, bitmap in columns.of_value.items() if int(block.bitmap[bitmap][word]) >> bit & 1)
        person[name] = held if columns.dimension.multi else held[0]
    return SampledRow(row + 1, person, _weight(block, word, bit))


def _weight(block: Block, word: int, bit: int) -> int:
    weights = block.weights
    if weights is None:
        return 1
    slices = np.flatnonzero(weights.sliced == word)
    have = weights.slices[slices] >> np.uint64(bit) & np.uint64(1)
    counted = [word, *(block.words + slices[have == 1])]
    return sum(int(digit[counted].sum()) << place * DIGIT for place, digit in enumerate(weights.digits))
