"""The bitmap index: for every value of every dimension one bitmap of the rows that hold it, 64 rows to a word.

A filter is then a few wide operations on words, and a size is a count of bits, block by block (`blocks.py`).
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from adapters.population.blocks import PIECE_WORDS
from adapters.population.boxes import Boxes
from adapters.population.facets import Conditions, conditions_of, costs, counts
from adapters.population.overlaps import intersections
from adapters.population.packing import blocks_of
from adapters.population.people import read_people
from adapters.population.running import Scratch, rows_of, weight_of
from adapters.population.sampling import sampled
from adapters.population.saved import is_saved, open_saved, save
from adapters.population.tables import read_table
from adapters.population.terms import EVERYONE, Layout, narrowed, union
from adapters.population.threads import each_piece
from segmentation_core import expressions
from segmentation_core.population import (
    Cost,
    Facets,
    Impact,
    PlanSize,
    Population,
    overlap_of,
    profile_of,
    refuse_foreign,
    refuse_many_overlapping,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from adapters.population.arrow_tables import ArrowTable
    from adapters.population.blocks import Block, Piece
    from adapters.population.tables import Reading
    from adapters.population.terms import Term
    from segmentation_core.catalog import Catalog
    from segmentation_core.expressions import Expression, Person
    from segmentation_core.filters import Filter
    from segmentation_core.planning import Clause, Plan
    from segmentation_core.population import AudienceProfile, Counts, Overlap, SampledRow

T = TypeVar("T")


class BitmapIndex(Population):
    """A population in memory. It never changes, so that any number of threads may ask at once."""

    def __init__(self, catalog: Catalog, blocks: Sequence[Block]) -> None:
        """Take the packed rows; `load`, `from_people` and `open` make them."""
        self.catalog = catalog
        self.blocks = blocks
        self._layout = Layout(catalog, clustered=any(block.runs for block in blocks))
        self._rows = sum(block.rows for block in blocks)
        self._spare: list[Scratch] = []
        self._boxes = Boxes(catalog)
        self._last: tuple[Expression, int] | None = None
        # The only piece, where there is no other and no question can be asked of less.
        few = len(blocks) == 1 and blocks[0].words <= PIECE_WORDS and not blocks[0].runs
        self._whole = blocks[0].pieces[0] if few else None

    @classmethod
    def load(
        cls, catalog: Catalog, table: str | os.PathLike[str] | ArrowTable, reading: Reading | None = None
    ) -> BitmapIndex:
        """Read a `.csv` or `.parquet` file, or a table with the Arrow stream interface; or open a saved index.

        Tables are pandas and Polars frames, DuckDB relations, pyarrow tables and readers. `reading` tells what was read
        of a table. Raises DataError with every fault, each with file, line or row, and column. Raises ImportError for
        Parquet and Arrow where pyarrow is not installed.
        """
        if isinstance(table, str | os.PathLike) and is_saved(table):
            return cls.open(catalog, table)
        return cls(catalog, [*blocks_of(catalog, read_table(catalog, table, reading))])

    @classmethod
    def open(cls, catalog: Catalog, path: str | os.PathLike[str]) -> BitmapIndex:
        """Map a saved index into memory. Raises DataError: see `open_saved`."""
        return cls(catalog, open_saved(path, catalog))

    @classmethod
    def build(
        cls,
        catalog: Catalog,
        table: str | os.PathLike[str] | ArrowTable,
        path: str | os.PathLike[str],
        reading: Reading | None = None,
    ) -> BitmapIndex:
        """Read a table into a saved index, a block in memory at a time, and open it. Raises DataError."""
        save(path, catalog, blocks_of(catalog, read_table(catalog, table, reading)))
        return cls.open(catalog, path)

    @classmethod
    def from_people(
        cls, catalog: Catalog, people: Iterable[Person], weights: Iterable[int] | None = None
    ) -> BitmapIndex:
        """Read people who are in memory, with their weights exactly where the catalogue names a weight.

        Raises PersonError with every fault of the first person at fault, and ValueError for weights that are missing,
        not asked for, or not as many as the people.
        """
        return cls(catalog, [*blocks_of(catalog, read_people(catalog, people, weights))])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to a file, which replaces what is there at once or not at all. Raises DataError."""
        save(path, self.catalog, self.blocks)

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        return self._rows

    @property
    def memory(self) -> int:
        """How many bytes the index takes."""
        return sum(block.memory for block in self.blocks)

    def size(self, wanted: Filter) -> int:
        refuse_foreign(wanted, self.catalog)
        size = self._weight(self._layout.term(wanted.expression))
        self._last = wanted.expression, size
        return size

    def sizes(self, wanted: Sequence[Filter]) -> tuple[int, ...]:
        for each in wanted:
            refuse_foreign(each, self.catalog)
        return tuple([self._weight(self._layout.term(each.expression)) for each in wanted])

    def facets(self, wanted: Filter) -> Facets:
        refuse_foreign(wanted, self.catalog)
        conditions = conditions_of(self._layout, wanted.expression)
        size, *found = self._everyone if conditions.none else self._counts(conditions)
        return Facets(size, self._by_value(found))

    def profile(self, wanted: Filter) -> AudienceProfile:
        refuse_foreign(wanted, self.catalog)
        size, *found = self._counts(Conditions({}, self._layout.term(wanted.expression)))
        whole, *of_everyone = self._everyone
        return profile_of(self._by_value(found), self._by_value(of_everyone), size, whole)

    def overlap(self, wanted: Sequence[Filter]) -> Overlap:
        refuse_many_overlapping(len(wanted))
        for each in wanted:
            refuse_foreign(each, self.catalog)
        terms = [self._layout.term(each.expression) for each in wanted]
        sizes: dict[tuple[int, ...], int] = {}
        for found in self._ask(lambda piece, scratch: intersections(terms, piece, scratch)):
            for positions, size in found.items():
                sizes[positions] = sizes.get(positions, 0) + size
        return overlap_of(sizes, len(terms))

    def impact(self, wanted: Filter) -> Impact:
        refuse_foreign(wanted, self.catalog)
        conditions = expressions.top_level(wanted.expression)
        terms = [self._layout.term(condition) for condition in conditions]
        size, *without = self._added(lambda piece, scratch: costs(terms, piece, scratch), 1 + len(terms))
        return Impact(
            size,
            tuple(
                Cost(position, tuple(sorted(expressions.dimensions_of(condition))), each, each - size)
                for position, (condition, each) in enumerate(zip(conditions, without, strict=True))
            ),
        )

    def plan_size(self, plan: Plan) -> PlanSize:
        same = self._size_of_the_same(plan.clauses[0]) if len(plan.clauses) == 1 else None
        if same is not None:
            return PlanSize((same,), same)
        reached = [self._layout.reached(clause) for clause in plan.clauses]
        clauses = tuple([self._weight(term) for term in reached])
        return PlanSize(clauses, clauses[0] if len(clauses) == 1 else self._weight(union(reached)))

    def sample(self, wanted: Filter, rows: int) -> tuple[SampledRow, ...]:
        refuse_foreign(wanted, self.catalog)
        return sampled(self._layout, self._layout.term(wanted.expression), self.blocks, rows)

    def _size_of_the_same(self, clause: Clause) -> int | None:
        """Return how many an ad set reaches where it leaves out just what the filter did whose size was asked last."""
        last, box = self._last, self._boxes.of_clause(clause)
        if last is None or box is None or self._boxes.of_filter(last[0]) != box:
            return None
        return last[1]

    @cached_property
    def _everyone(self) -> list[int]:
        """The size of the population, and then of everyone who holds a value, by bitmap."""
        return self._counts(Conditions({}, EVERYONE))

    def _counts(self, conditions: Conditions) -> list[int]:
        layout = self._layout
        return self._added(lambda piece, scratch: counts(layout, conditions, piece, scratch), 1 + layout.bitmaps)

    def _by_value(self, found: list[int]) -> Counts:
        columns = self._layout.columns
        return {
            dimension.id: {value: found[number] for value, number in columns[dimension.id].of_value.items()}
            for dimension in self.catalog.dimensions
        }

    def _weight(self, term: Term) -> int:
        piece = self._whole
        if piece is not None:
            scratch = self._spare.pop() if self._spare else Scratch().fit(piece)
            weight = weight_of(rows_of(term, piece, scratch.rows, scratch), piece, scratch)
            self._spare.append(scratch)
            return weight
        runs, rest = narrowed(term)
        if runs is None:
            return self._summed(term, self._pieces)
        first = runs.dimension.start
        values = [number - first for number in runs.numbers]
        in_runs = [piece for block in self.blocks if block.runs for piece in block.within(values)]
        others = [piece for block in self.blocks if not block.runs for piece in block.pieces]
        return self._summed(rest, in_runs) + (self._summed(term, others) if others else 0)

    def _summed(self, term: Term, pieces: Sequence[Piece]) -> int:
        def weight(piece: Piece, scratch: Scratch) -> int:
            return weight_of(rows_of(term, piece, scratch.rows, scratch), piece, scratch)

        return sum(each_piece(weight, pieces, self._spare))

    def _added(self, ask: Callable[[Piece, Scratch], list[int]], answers: int) -> list[int]:
        """Return the answers of a piece, added up over all of them."""
        found = self._ask(ask)
        return [sum(each) for each in zip(*found, strict=True)] if found else [0] * answers

    def _ask(self, ask: Callable[[Piece, Scratch], T]) -> list[T]:
        return each_piece(ask, self._pieces, self._spare)

    @cached_property
    def _pieces(self) -> Sequence[Piece]:
        return [piece for block in self.blocks for piece in block.pieces]
