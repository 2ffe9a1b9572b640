"""The bitmap index: for every value of every dimension one bitmap of the rows that hold it, 64 rows to a word.

A filter is then a few wide operations on words, and a size is a count of bits. Weights are bit slices: slice b says
which rows have the bit b in their weight, so a weighted size is the sum of 2**b times the count of slice b
(P. O'Neil and D. Quass, "Improved query performance with variant indexes", SIGMOD 1997).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from adapters.population.people import read_people
from adapters.population.tables import read_table
from segmentation_core.expressions import And, HasAll, HasAny, HasNone, Not, Or
from segmentation_core.population import PlanSize, Population

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from adapters.population.tables import Chunk
    from segmentation_core.catalog import Catalog, Dimension, Trace
    from segmentation_core.expressions import Expression, Person
    from segmentation_core.filters import Filter
    from segmentation_core.planning import Clause, Plan

    _Bitmap: TypeAlias = NDArray[np.uint64]
    """Rows: shape (words,), the bits past the last row zero. Or several such: shape (bitmaps, words)."""


class BitmapIndex(Population):
    """A population in memory. Immutable, so that any number of threads may ask at once."""

    def __init__(self, catalog: Catalog, rows: int, bitmaps: _Bitmap, weights: _Bitmap | None) -> None:
        """Take the packed rows; `load` and `from_people` make them.

        `bitmaps` has one row per value, dimension after dimension in the catalogue's order, shape (values, words);
        `weights` has one row per bit of the largest weight, lowest first, or is None where each row counts 1.
        """
        self.catalog = catalog
        self._rows = rows
        self._bitmaps = bitmaps
        self._weights = weights
        self._everyone: _Bitmap = _packed(np.ones((1, rows), dtype=np.bool_))[0]
        self._first: dict[str, int] = {}
        first = 0
        for dimension in catalog.dimensions:
            self._first[dimension.id] = first
            first += len(dimension.values)

    @classmethod
    def load(cls, catalog: Catalog, path: str | os.PathLike[str]) -> BitmapIndex:
        """Read a `.csv` or `.parquet` file.

        Raises DataError with every fault, each with file, line or row, and column. Raises ImportError for a Parquet
        file where pyarrow is not installed.
        """
        return cls._of(catalog, read_table(catalog, path))

    @classmethod
    def from_people(
        cls, catalog: Catalog, people: Iterable[Person], weights: Iterable[int] | None = None
    ) -> BitmapIndex:
        """Read people who are in memory, with their weights exactly where the catalogue names a weight.

        Raises PersonError with every fault of the first person at fault, and ValueError for weights that are missing,
        not asked for, or not as many as the people.
        """
        return cls._of(catalog, read_people(catalog, people, weights))

    @classmethod
    def _of(cls, catalog: Catalog, chunks: Iterable[Chunk]) -> BitmapIndex:
        rows = 0
        bitmaps: list[_Bitmap] = [_packed(np.empty((sum(len(d.values) for d in catalog.dimensions), 0), np.bool_))]
        slices: list[_Bitmap] = []
        for chunk in chunks:
            rows += chunk.rows
            bitmaps.append(np.concatenate([_held(dimension, chunk) for dimension in catalog.dimensions]))
            if chunk.weights is not None:
                slices.append(_sliced(chunk.weights))
        bits = max(map(len, slices), default=0)
        # Chunks end on whole words, so that their bitmaps join end to end.
        weights = [np.pad(part, ((0, bits - len(part)), (0, 0))) for part in slices]
        none = np.empty((bits, 0), dtype=np.uint64)
        joined = np.concatenate([none, *weights], axis=1) if catalog.weight else None
        return cls(catalog, rows, np.concatenate(bitmaps, axis=1), joined)

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        return self._rows

    @property
    def memory(self) -> int:
        """How many bytes the bitmaps take."""
        return self._bitmaps.nbytes + self._everyone.nbytes + (0 if self._weights is None else self._weights.nbytes)

    def size(self, wanted: Filter) -> int:
        """Return the size of the audience. Raises ValueError for a filter of another catalogue."""
        if wanted.catalog is not self.catalog:
            message = "the filter was read against another catalogue than the population"
            raise ValueError(message)
        return self._weigh(self._meant(wanted.expression))

    def plan_size(self, plan: Plan) -> PlanSize:
        """Return what the lists of a plan reach. Raises KeyError for a list that the catalogue does not have.

        Clauses that overlap show: the total counts everyone once, and is less than the sum.
        """
        reached = [self._reached(clause) for clause in plan.clauses]
        return PlanSize(tuple(map(self._weigh, reached)), self._weigh(self._union(reached)))

    def _meant(self, expression: Expression) -> _Bitmap:
        """Return the rows that an expression means, in an array of its own."""
        match expression:
            case And(parts):
                return self._intersection(map(self._meant, parts))
            case Or(parts):
                return self._union(map(self._meant, parts))
            case Not(part):
                return self._others(self._meant(part))
            case HasAny(dimension, values):
                return self._holding_any(dimension, values)
            case HasNone(dimension, values):
                return self._others(self._holding_any(dimension, values))
            case HasAll(dimension, values):
                return self._intersection(self._bitmaps[self._positions(dimension, values)])

    def _reached(self, clause: Clause) -> _Bitmap:
        """Return the rows that one ad set reaches: on a list of every group, on no excluded list, and allowed."""
        rows = self._intersection(self._union(map(self._listed, group)) for group in clause.include)
        rows &= self._others(self._union(map(self._listed, clause.exclude)))
        rows &= self._intersection(self._holding_any(name, values) for name, values in clause.direct.items())
        return rows

    def _listed(self, segment: str) -> _Bitmap:
        return self._intersection(map(self._traced, self.catalog.segment[segment].traces))

    def _traced(self, trace: Trace) -> _Bitmap:
        holding = self._holding_any(trace.dimension, trace.values)
        return self._others(holding) if trace.absent else holding

    def _holding_any(self, dimension: str, values: Iterable[str]) -> _Bitmap:
        rows: _Bitmap = np.bitwise_or.reduce(self._bitmaps[self._positions(dimension, values)], axis=0)
        return rows

    def _positions(self, dimension: str, values: Iterable[str]) -> list[int]:
        first = self._first[dimension]
        positions = self.catalog.dimension[dimension].positions
        return [first + positions[value] for value in values]

    def _intersection(self, parts: Iterable[_Bitmap]) -> _Bitmap:
        rows = self._everyone.copy()
        for part in parts:
            rows &= part
        return rows

    def _union(self, parts: Iterable[_Bitmap]) -> _Bitmap:
        rows = np.zeros_like(self._everyone)
        for part in parts:
            rows |= part
        return rows

    def _others(self, rows: _Bitmap) -> _Bitmap:
        """Complement rows in place. Against everyone, not with `~`: the bits past the last row stay zero."""
        rows ^= self._everyone
        return rows

    def _weigh(self, rows: _Bitmap) -> int:
        if self._weights is None:
            return _count(rows)
        return sum(_count(rows & have) << bit for bit, have in enumerate(self._weights))


def _held(dimension: Dimension, chunk: Chunk) -> _Bitmap:
    if dimension.multi:
        return _packed(chunk.multis[dimension.id])
    return _packed(chunk.singles[dimension.id] == np.arange(len(dimension.values))[:, np.newaxis])


def _sliced(weights: NDArray[np.int64]) -> _Bitmap:
    bits = int(weights.max()).bit_length()
    return _packed(weights >> np.arange(bits)[:, np.newaxis] & 1)


def _packed(flags: NDArray[np.bool_ | np.int64]) -> _Bitmap:
    """Pack flags of shape (bitmaps, rows) to words, row 0 in the lowest bit; the tail of the last word is zero."""
    octets = np.packbits(flags, axis=1, bitorder="little")
    whole = np.pad(octets, ((0, 0), (0, -octets.shape[1] % 8)))
    return whole.view("<u8").astype(np.uint64, copy=False)


def _count(rows: _Bitmap) -> int:
    return int(np.bitwise_count(rows).sum(dtype=np.int64))
