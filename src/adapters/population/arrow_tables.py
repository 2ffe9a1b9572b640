"""Reading Parquet, and whatever hands itself over as an Arrow stream, through pyarrow.

pyarrow is imported with this module, once such a table is read.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import numpy as np
import pyarrow as pa
from pyarrow import parquet, types

from adapters.population.columns import CHUNK_ROWS, Cells, Coded, usable
from adapters.population.files import regular
from segmentation_core.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_PLAIN = (
    types.is_boolean,
    types.is_integer,
    types.is_floating,
    types.is_string,
    types.is_large_string,
    types.is_string_view,
    types.is_decimal,
    types.is_null,
)
_TYPES = "a boolean, integer, float or string column"


class ArrowTable(Protocol):
    """What has the Arrow PyCapsule interface: a pandas or Polars frame, a DuckDB relation, a pyarrow table or reader.

    https://arrow.apache.org/docs/format/CDataInterface/PyCapsuleInterface.html
    """

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return the stream, in a capsule."""
        ...


class Source(NamedTuple):
    """Where batches come from: the name that errors give, the columns that are left aside, the rows where known."""

    name: str
    unread: Sequence[str]
    rows: int | None


def read_parquet(path: str, needed: Mapping[str, str], problems: list[Problem]) -> Iterator[Cells]:
    """Yield the cells of the needed columns (name -> purpose), `CHUNK_ROWS` rows at a time.

    Columns that are missing, stand twice or are of a type that says nothing, and a table without rows, go to
    `problems`; columns at fault are left out of what is yielded. Raises DataError for a file that is empty, damaged or
    not Parquet, and for strings that are not UTF-8. Raises OSError.
    """
    with _opened(path) as table:
        schema = table.metadata.schema.to_arrow_schema()  # as it was written
        columns = _readable(schema, usable(schema.names, needed, path, problems), path, problems)
        if table.metadata.num_rows == 0:
            problems.append(Problem(path, "the table has no rows", expected="a row for each person"))
        unread = [name for name in schema.names if name not in columns]
        batches = table.iter_batches(CHUNK_ROWS, columns=columns) if columns else ()
        yield from _read(batches, columns, Source(path, unread, table.metadata.num_rows))


def parquet_header(path: str) -> list[str]:
    """Return the names of the columns. Raises DataError and OSError, as `read_parquet` does."""
    with _opened(path) as table:
        return table.schema_arrow.names


@contextmanager
def _opened(path: str) -> Iterator[parquet.ParquetFile]:
    with open(path, "rb", opener=regular) as file:
        if not file.read(1):
            raise DataError(Problem(path, "the file is empty", expected="a Parquet file"))
    try:
        with pa.OSFile(path, "rb") as source:
            metadata = parquet.read_metadata(source)
            # Strings stay in the dictionaries that they are stored in: a few bytes may say one long cell very often.
            names = [metadata.schema.column(at).path for at in range(metadata.num_columns)]
            with parquet.ParquetFile(source, metadata=metadata, read_dictionary=names) as table:
                yield table
    except (pa.ArrowException, OSError, UnicodeDecodeError) as fault:  # names of columns may be any bytes
        said = (str(fault).splitlines() or [""])[0]
        message = f"is not a Parquet file, or a damaged one: {said}"
        raise DataError(Problem(path, message, expected="a Parquet file")) from fault


def read_stream(table: ArrowTable, needed: Mapping[str, str], problems: list[Problem]) -> Iterator[Cells]:
    """Yield the cells of the needed columns, as `read_parquet` does, of a table that is in memory or comes in batches.

    Its faults are those of the file `table`. Raises DataError where its owner fails to hand it over.
    """
    path = "table"
    try:
        with pa.RecordBatchReader.from_stream(table) as reader:
            schema = reader.schema
            columns = _readable(schema, usable(schema.names, needed, path, problems), path, problems)
            unread = [name for name in schema.names if name not in columns]
            batches = (batch.select(columns) for batch in reader) if columns else iter(())
            rows = 0
            for cells in _read(batches, columns, Source(path, unread, None)):
                rows += len(cells.numbers)
                yield cells
            if not rows and columns:
                problems.append(Problem(path, "the table has no rows", expected="a row for each person"))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as fault:  # names of columns may be any bytes
        said = (str(fault).splitlines() or [""])[0]
        raise DataError(Problem(path, f"cannot be read to its end: {said}")) from fault


def _readable(schema: pa.Schema, columns: list[str], path: str, problems: list[Problem]) -> list[str]:
    readable = []
    for name in columns:
        kind = schema.field(name).type
        if _is_plain(kind):
            readable.append(name)
        else:
            message = f"a column of type {kind} cannot be read"
            problems.append(Problem(f"{path}, column {name!r}", message, str(kind), _TYPES))
    return readable


def _is_plain(kind: pa.DataType) -> bool:
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    return any(is_of(kind) for is_of in _PLAIN)


def _chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Cut anew what comes in batches: some of Parquet end early, with a row group, and streams have any length."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= CHUNK_ROWS:
            table = pa.Table.from_batches(held)
            whole = rows // CHUNK_ROWS * CHUNK_ROWS
            for first in range(0, whole, CHUNK_ROWS):
                yield table.slice(first, CHUNK_ROWS)
            rest = table.slice(whole)
            held, rows = rest.to_batches(), rest.num_rows
    if rows:
        yield pa.Table.from_batches(held)


def _read(batches: Iterable[pa.RecordBatch], columns: list[str], source: Source) -> Iterator[Cells]:
    first = 1
    for chunk in _chunks(batches):
        coded = {}
        for name in columns:
            column = chunk.column(name)
            try:
                coded[name] = _coded(column)
            except UnicodeDecodeError as fault:
                row = next(row for row, cell in enumerate(column, first) if not _is_text(cell))
                place = f"{source.name}, row {row}, column {name!r}"
                raise DataError(Problem(place, "the string is not UTF-8", expected="text in UTF-8")) from fault
        last = first + chunk.num_rows - 1
        share = last / source.rows if source.rows else None
        yield Cells(coded, source.name, "row", range(first, last + 1), source.unread, share)
        first = last + 1


def _coded(column: pa.ChunkedArray[Any]) -> Coded:
    kind = column.type
    if types.is_dictionary(kind):
        kind = kind.value_type
        distinct, codes = _joined(column)
    else:
        encoded = pa.concat_arrays([_string(part) for part in column.chunks]).dictionary_encode(null_encoding="encode")
        distinct, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    if types.is_decimal(kind):
        distinct = [cell if cell is None else int(cell) if cell == int(cell) else float(cell) for cell in distinct]
    elif types.is_floating(kind) and kind.bit_width < 64:  # noqa: PLR2004  a double is exact as it is
        # 0.1 in 32 bits is 0.10000000149 as a double; the shortest text that means it is what was written.
        narrow = np.float16 if types.is_float16(kind) else np.float32
        distinct = [cell if cell is None or cell.is_integer() else float(str(narrow(cell))) for cell in distinct]
    return Coded(distinct, codes)


def _joined(column: pa.ChunkedArray[Any]) -> tuple[list[Any], NDArray[np.integer[Any]]]:
    """Return the distinct cells and the codes of batches that have a dictionary each, in which a cell may stand twice.

    Only the cells that are used are looked at, and none is written out for each of its rows: it may be long.
    """
    positions: dict[Any, int] = {}
    codes = []
    for part in cast("list[pa.DictionaryArray[Any, Any]]", column.chunks):
        used = part.indices.dictionary_encode(null_encoding="encode")
        cells = _string(part.dictionary).take(used.dictionary).to_pylist()
        joined = np.array([positions.setdefault(cell, len(positions)) for cell in cells], dtype=np.int64)
        codes.append(joined[used.indices.to_numpy()])
    return [*positions], np.concatenate(codes)


def _string(cells: pa.Array[Any]) -> pa.Array[Any]:
    """Return views of strings as strings, which alone can be coded without losing the nulls."""
    return cells.cast(pa.large_string()) if types.is_string_view(cells.type) else cells


def _is_text(cell: pa.Scalar[Any]) -> bool:
    try:
        cell.as_py()
    except UnicodeDecodeError:
        return False
    return True
