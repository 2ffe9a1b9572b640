"""Tables that hand themselves over as Arrow streams: they count like the same rows in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pyarrow as pa
import pytest

from adapters.population import BitmapIndex
from adapters.population.tables import Reading
from segmentation_core import Catalog, DataError, Problem, parse_filter

if TYPE_CHECKING:
    from collections.abc import Callable

CATALOG = Catalog.from_json(b"""{"name": "test", "version": "1", "weight": {"column": "devices"}, "dimensions": [
    {"id": "city", "kind": "single", "other": "rest", "values": [{"id": "Pune"}, {"id": "rest", "code": "none"}]},
    {"id": "age", "kind": "single", "ordered": true, "values": [{"id": "young", "code": 1}, {"id": "old", "code": 2}]},
    {"id": "cars", "kind": "multi", "values": [{"id": "hatch"}, {"id": "sedan"}]}]}""")
COLUMNS: dict[str, list[Any]] = {
    "city": ["Pune", "Surat", None, "Pune"] * 50,
    "age": [1, 2, 2, 1] * 50,
    "hatch": [True, False, True, False] * 50,
    "sedan": [0, 1, 7, 0] * 50,
    "devices": [*range(200)],
    "aside": [1.5] * 200,
}
ARROW = pa.table(COLUMNS)
FRAME = pd.DataFrame(COLUMNS)
POLARS = pl.DataFrame(COLUMNS)


def relation(query: str) -> duckdb.DuckDBPyRelation:
    connection = duckdb.connect()
    connection.register("people", ARROW)
    return connection.sql(query)


FORMS: dict[str, Callable[[], Any]] = {
    "pyarrow": lambda: ARROW,
    "pyarrow, dictionaries of strings": lambda: ARROW.set_column(0, "city", ARROW["city"].dictionary_encode()),
    "pyarrow, batches": lambda: pa.RecordBatchReader.from_batches(ARROW.schema, ARROW.to_batches(max_chunksize=7)),
    "pandas": lambda: FRAME,
    "pandas, categories": lambda: FRAME.astype({"city": "category", "age": "category"}),
    "Polars": lambda: POLARS,
    "Polars, categories": lambda: POLARS.with_columns(pl.col("city").cast(pl.Categorical)),
    "Polars, enums": lambda: POLARS.with_columns(pl.col("city").cast(pl.Enum(["Surat", "Pune"]))),
    "DuckDB": lambda: relation("FROM people"),
    "DuckDB, sums": lambda: relation(
        "SELECT city, age, hatch, sedan, sum(devices) AS devices, 1 AS aside FROM people GROUP BY ALL"
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_counts_like_its_rows(form: str) -> None:
    reading = Reading()
    index = BitmapIndex.load(CATALOG, FORMS[form](), reading)
    asked: list[dict[str, list[str]]] = [
        {},
        {"city": ["Pune"]},
        {"age": ["old"]},
        {"cars": ["hatch"]},
        {"cars": ["sedan"]},
    ]
    rows = list(zip(*COLUMNS.values(), strict=True))
    assert [index.size(parse_filter(each, CATALOG)) for each in asked] == [
        sum(row[4] for row in rows),
        sum(row[4] for row in rows if row[0] == "Pune"),
        sum(row[4] for row in rows if row[1] == 2),
        sum(row[4] for row in rows if row[2]),
        sum(row[4] for row in rows if row[3]),
    ]
    assert (reading.rows, reading.size) == (index.rows, sum(range(200)))
    assert reading.unread == ["aside"]
    assert reading.rest == {"city": index.rows // 2}


def problems(table: Any) -> tuple[Problem, ...]:  # noqa: ANN401  whatever has a stream
    with pytest.raises(DataError) as refused:
        BitmapIndex.load(CATALOG, table)
    return refused.value.problems


@pytest.mark.parametrize(
    ("column", "cells", "path", "message"),
    [
        ("age", [1, 2, 9, 1] * 50, "table, row 3, column 'age'", "there is no value with the code: 9 (50 rows)"),
        (
            "hatch",
            [None, True] * 100,
            "table, row 1, column 'hatch'",
            "does not say whether a person has it: null (100 rows)",
        ),
        ("devices", [1] * 199 + [-5], "table, row 200, column 'devices'", "is not a weight: -5 (1 row)"),
        ("devices", [1.0] * 199 + [0.5], "table, row 200, column 'devices'", "is not a weight: 0.5 (1 row)"),
        ("devices", [[1]] * 200, "table, column 'devices'", "a column of type list<item: int64> cannot be read"),
    ],
)
def test_a_cell_at_fault_is_pointed_at(column: str, cells: list[Any], path: str, message: str) -> None:
    (problem,) = problems(pa.table(COLUMNS | {column: cells}))
    assert (problem.path, problem.message.replace("element", "item")) == (path, message)


def test_a_table_of_other_columns_or_without_rows_is_refused() -> None:
    (problem,) = problems(ARROW.drop_columns(["age"]))
    assert problem.message == "there is no column 'age', which the dimension 'age' is read from"
    assert problems(ARROW.slice(0, 0)) == (Problem("table", "the table has no rows", None, "a row for each person"),)


def test_a_stream_that_breaks_off_is_told() -> None:
    def batches() -> Any:  # noqa: ANN401  a generator of batches
        yield ARROW.to_batches()[0]
        message = "the network is down"
        raise OSError(message)

    (problem,) = problems(pa.RecordBatchReader.from_batches(ARROW.schema, batches()))
    assert problem.path == "table"
    assert problem.message.startswith("cannot be read to its end: ")
    assert "the network is down" in problem.message


def test_a_name_of_a_column_that_is_not_utf_8_is_told() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, ARROW.schema) as writer:
        writer.write_table(ARROW)
    broken = sink.getvalue().to_pybytes().replace(b"aside", b"\xffside")
    (problem,) = problems(pa.ipc.open_stream(broken))
    assert problem.message.startswith("cannot be read to its end: 'utf-8' codec can't decode byte 0xff")


def test_whoever_watches_sees_how_far_it_is() -> None:
    seen: list[tuple[int, float | None]] = []
    BitmapIndex.load(CATALOG, ARROW, Reading(lambda rows, share: seen.append((rows, share))))
    assert seen == [(200, None)]
