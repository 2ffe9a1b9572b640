"""Reading a population's table against a catalogue: from cells to values, exactly or with every fault named."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from adapters.population.columns import Cells, Column, MultiColumn, SingleColumn, WeightColumn
from adapters.population.csv_table import read_csv
from segmentation_core.errors import DataError, Problem, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from segmentation_core.catalog import Catalog

    _Reader: TypeAlias = Callable[[str, Mapping[str, str], list[Problem]], Iterator[Cells]]


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


def read_table(catalog: Catalog, path: str | os.PathLike[str]) -> Iterator[Chunk]:
    """Yield the rows of a `.csv` or `.parquet` file, in chunks of `CHUNK_ROWS` with a shorter one at the end.

    Raises DataError, after the last chunk, with every fault of every column that the catalogue names; or at once for a
    file that has no such structure. Chunks stop at the first fault, so what came before an error is not the table.
    Raises ImportError for a Parquet file where pyarrow is not installed.
    """
    file = os.fspath(path)
    read = _reader(file)
    layout = _Layout(catalog)
    problems: list[Problem] = []
    try:
        for cells in read(file, {column.name: column.purpose for column in layout.columns}, problems):
            if (chunk := layout.chunk(cells)) is not None:
                yield chunk
    except OSError as fault:
        raise DataError(Problem(file, f"the file cannot be read: {fault.strerror or fault}")) from fault
    problems += filter(None, (column.problem() for column in layout.columns))
    if problems:
        raise DataError(problems)


def _reader(file: str) -> _Reader:
    ending = os.path.splitext(file)[1]  # noqa: PTH122  the path is shown as it was given
    match ending.lower():
        case ".csv":
            return read_csv
        case ".parquet":
            try:
                from adapters.population.parquet_table import read_parquet  # noqa: PLC0415  pyarrow may be absent
            except ImportError as fault:
                message = "reading Parquet needs pyarrow: pip install 'segmentation-core[population]'"
                raise ImportError(message) from fault
            return read_parquet
        case _:
            expected = "a name that ends in .csv or .parquet"
            raise DataError(Problem(file, "the name does not tell what the file holds", excerpt(ending), expected))


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
