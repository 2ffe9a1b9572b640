"""Reading a population's table against a catalogue: from cells to values, exactly or with every fault named."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adapters.population.columns import Column, MultiColumn, SingleColumn, WeightColumn
from adapters.population.csv_table import read_csv
from segmentation_core.errors import DataError, Problem, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from adapters.population.arrow_tables import ArrowTable
    from adapters.population.columns import Cells
    from segmentation_core.catalog import Catalog


@dataclass(frozen=True)
class Chunk:
    """Some rows of a population, in the catalogue's terms.

    `singles` gives by dimension the position of each row's value, shape (rows,); `multis` gives by dimension who
    holds which value, shape (values, rows); `weights` has shape (rows,), or is None where every row counts 1.
    """

    rows: int
    singles: Mapping[str, NDArray[np.int64]]
    multis: Mapping[str, NDArray[np.bool_]]
    weights: NDArray[np.int64] | None


class _ArrowReaders(NamedTuple):
    read_parquet: Callable[[str, Mapping[str, str], list[Problem]], Iterator[Cells]]
    read_stream: Callable[[ArrowTable, Mapping[str, str], list[Problem]], Iterator[Cells]]
    parquet_header: Callable[[str], list[str]]


@dataclass
class Reading:
    """What was read of a table so far: told when it is done, and to whoever watches meanwhile.

    `size` is the sum of the weights. `rest` counts by dimension the rows that its value for the rest has taken, and
    `unread` names the columns that the catalogue does not ask for. `watch` is called after each chunk with the number
    of rows, and the share of the table that this is, where it is known.
    """

    watch: Callable[[int, float | None], None] = lambda _rows, _share: None
    rows: int = 0
    size: int = 0
    rest: dict[str, int] = field(default_factory=dict)
    unread: Sequence[str] = ()


def read_table(
    catalog: Catalog, table: str | os.PathLike[str] | ArrowTable, reading: Reading | None = None
) -> Iterator[Chunk]:
    """Yield the rows of a `.csv` or `.parquet` file or an Arrow stream, in chunks of `CHUNK_ROWS`, the last shorter.

    Raises DataError, after the last chunk, with every fault of every column that the catalogue names; or at once for a
    file that has no such structure. Chunks stop at the first fault, so what came before an error is not the table.
    Raises ImportError for a Parquet file or an Arrow stream where pyarrow is not installed.
    """
    reading = reading or Reading()
    layout = _Layout(catalog)
    problems: list[Problem] = []
    needed = {column.name: column.purpose for column in layout.columns}
    name = os.fspath(table) if isinstance(table, str | os.PathLike) else "table"
    try:
        for cells in cells_of(table, needed, problems):
            if (chunk := layout.chunk(cells)) is not None:
                reading.rows += chunk.rows
                reading.size += chunk.rows if chunk.weights is None else exact_sum(chunk.weights)
                reading.rest = layout.rest_rows()
                reading.unread = cells.unread
                reading.watch(reading.rows, cells.share)
                yield chunk
    except OSError as fault:
        raise DataError(Problem(name, f"the file cannot be read: {fault.strerror or fault}")) from fault
    problems += filter(None, (column.problem() for column in layout.columns))
    if problems:
        raise DataError(problems)


def exact_sum(weights: NDArray[np.int64]) -> int:
    """Return the sum of the weights of a chunk, which may be more than 64 bits hold."""
    return (int((weights >> 32).sum()) << 32) + int((weights & 0xFFFFFFFF).sum())


def header_of(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of the columns of a `.csv` or `.parquet` file. Raises DataError, as `read_table` does."""
    file = os.fspath(path)
    try:
        if file.lower().endswith(".parquet"):
            return _arrow_readers().parquet_header(file)
        return [name for cells in islice(cells_of(file, {}, []), 1) for name in cells.unread]
    except OSError as fault:
        raise DataError(Problem(file, f"the file cannot be read: {fault.strerror or fault}")) from fault


def cells_of(
    table: str | os.PathLike[str] | ArrowTable, needed: Mapping[str, str], problems: list[Problem]
) -> Iterator[Cells]:
    """Yield the cells of the needed columns (name -> purpose) of a table; see `read_csv`."""
    if not isinstance(table, str | os.PathLike):
        return _arrow_readers().read_stream(table, needed, problems)
    file = os.fspath(table)
    ending = os.path.splitext(file)[1]  # noqa: PTH122  the path is shown as it was given
    match ending.lower():
        case ".csv":
            return read_csv(file, needed, problems)
        case ".parquet":
            return _arrow_readers().read_parquet(file, needed, problems)
        case _:
            expected = "a name that ends in .csv or .parquet"
            raise DataError(Problem(file, "the name does not tell what the file holds", excerpt(ending), expected))


def _arrow_readers() -> _ArrowReaders:
    try:
        from adapters.population.arrow_tables import (  # noqa: PLC0415  pyarrow may be absent
            parquet_header,
            read_parquet,
            read_stream,
        )
    except ImportError as fault:
        message = "reading Parquet and Arrow needs pyarrow: pip install 'segmentation-core[population]'"
        raise ImportError(message) from fault
    return _ArrowReaders(read_parquet, read_stream, parquet_header)


class _Layout:
    """The columns of a catalogue, over one reading."""

    def __init__(self, catalog: Catalog) -> None:
        self._singles = {d.id: SingleColumn(d) for d in catalog.dimensions if not d.multi}
        self._multis = {d.id: [MultiColumn(d, value) for value in d.values] for d in catalog.dimensions if d.multi}
        self._weight = WeightColumn(catalog.weight) if catalog.weight else None
        self.columns: list[Column] = [
            *self._singles.values(),
            *(column for columns in self._multis.values() for column in columns),
            *([self._weight] if self._weight else []),
        ]

    def rest_rows(self) -> dict[str, int]:
        """Return by dimension how many rows its value for the rest has taken, where it took any."""
        return {name: column.rest_rows for name, column in self._singles.items() if column.rest_rows}

    def chunk(self, cells: Cells) -> Chunk | None:
        """Read the cells; where any column is at fault there is no chunk, but the others are checked all the same."""
        read = {column: column.read(cells) for column in self.columns if column.name in cells.columns}
        if len(read) < len(self.columns) or any(column.wrong_rows for column in self.columns):
            return None
        return Chunk(
            rows=len(cells.numbers),
            singles={name: read[column] for name, column in self._singles.items()},
            multis={
                name: np.array([read[column] for column in columns], dtype=np.bool_)
                for name, columns in self._multis.items()
            },
            weights=read[self._weight] if self._weight else None,
        )
