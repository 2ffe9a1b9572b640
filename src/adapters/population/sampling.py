"""Some of the rows of an audience, as they stood in the table."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from adapters.population.blocks import DIGIT
from adapters.population.running import Scratch, rows_of
from adapters.population.threads import refuse_stopped
from segmentation_core.population import SampledRow, sampled_positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapters.population.blocks import Bitmap, Block
    from adapters.population.terms import Layout, Term


def sampled(layout: Layout, term: Term, blocks: Sequence[Block], rows: int) -> tuple[SampledRow, ...]:
    """Return the rows of a term that a sample of so many shows: see `Population.sample`.

    Raises Unavailable where the question is stopped before its end, between two blocks.
    """
    scratch = Scratch()
    matching = [int(np.bitwise_count(_rows(term, block, scratch)).sum()) for block in blocks]
    ends = [*accumulate(matching)]
    chosen: dict[int, list[int]] = {}
    for position in sampled_positions(sum(matching), rows):
        number = bisect_right(ends, position)
        chosen.setdefault(number, []).append(position - ends[number] + matching[number])
    before = [0, *accumulate(block.rows for block in blocks)]
    shown: list[SampledRow] = []
    for number, positions in chosen.items():
        refuse_stopped()
        block = blocks[number]
        in_table = _in_table(_rows(term, block, scratch), block)[positions]
        places = in_table if block.places is None else block.places[in_table]
        for row, place in zip(in_table.tolist(), places.tolist(), strict=True):
            shown.append(_row(layout, block, place, before[number] + row))
    return tuple(shown)


def _rows(term: Term, block: Block, scratch: Scratch) -> Bitmap:
    return np.concatenate([rows_of(term, each, scratch.fit(each).rows, scratch).copy() for each in block.pieces])


def _in_table(rows: Bitmap, block: Block) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the numbers that the rows had in the table, counted from the block's first one, in ascending order."""
    matching = np.unpackbits(rows.astype("<u8").view(np.uint8), bitorder="little")
    return np.flatnonzero(matching if block.places is None else matching[block.places])


def _row(layout: Layout, block: Block, place: int, row: int) -> SampledRow:
    word, bit = divmod(place, 64)
    person: dict[str, str | tuple[str, ...]] = {}
    for dimension in layout.catalog.dimensions:
        columns = layout.columns[dimension.id]
        if columns.clusters and block.runs:
            person[dimension.id] = dimension.values[bisect_right(block.runs, word) - 1].id
            continue
        held = tuple(value for value, number in columns.of_value.items() if int(block.bitmaps[number, word]) >> bit & 1)
        person[dimension.id] = held if dimension.multi else held[0]
    return SampledRow(row + 1, person, _weight(block, word, bit))


def _weight(block: Block, word: int, bit: int) -> int:
    weights = block.weights
    if weights is None:
        return 1
    slices = np.arange(*weights.sliced.searchsorted((word, word + 1)))
    have = weights.slices[slices] >> np.uint64(bit) & np.uint64(1)
    counted = [word, *(block.words + slices[have == 1])]
    return sum(int(digit[counted].sum()) << place * DIGIT for place, digit in enumerate(weights.digits))
