"""Tables: what each cell means, and for every fault the place, what was found there and what may stand there."""

from __future__ import annotations

import json
import os
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from adapters.population import BitmapIndex, arrow_tables, csv_table
from adapters.population.tables import read_table
from segmentation_core import Catalog, DataError, Problem, parse_filter

if TYPE_CHECKING:
    from pathlib import Path

CATALOG = Catalog.from_json(
    json.dumps(
        {
            "name": "test",
            "version": "1",
            "weight": {"column": "devices"},
            "dimensions": [
                {
                    "id": "age",
                    "kind": "single",
                    "ordered": True,
                    "values": [{"id": "young", "code": 1}, {"id": "old", "code": 2}],
                },
                {
                    "id": "city",
                    "kind": "single",
                    "column": "town",
                    "other": "elsewhere",
                    "values": [{"id": "Pune"}, {"id": "elsewhere", "code": "none"}],
                },
                {
                    "id": "cars",
                    "kind": "multi",
                    "values": [{"id": "hatch", "column": "car_1"}, {"id": "sedan"}],
                },
            ],
        }
    )
)
HEADER = "age,town,car_1,sedan,devices"
GOOD = {"age": [1, 2, 1], "town": ["Pune", "x", None], "car_1": [0, 1, 7], "sedan": [1, 0, 0], "devices": [10, 0, 5]}
ALL_OF_MULTI = "a number: above 0 the person has it, 0 not"
A_WEIGHT = "an integer from 0 to 9007199254740992"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places show the path as it was given: a plain name, from within the folder."""
    monkeypatch.chdir(tmp_path)


def csv_of(tmp_path: Path, *rows: str, header: str = HEADER) -> str:
    (tmp_path / "people.csv").write_bytes("".join(f"{row}\n" for row in (header, *rows)).encode())
    return "people.csv"


def parquet_of(tmp_path: Path, **columns: object) -> str:
    parquet.write_table(pa.table({**GOOD, **columns}), tmp_path / "people.parquet")
    return "people.parquet"


def problems(path: str, catalog: Catalog = CATALOG) -> tuple[Problem, ...]:
    with pytest.raises(DataError) as refused:
        BitmapIndex.load(catalog, path)
    return refused.value.problems


def sizes(index: BitmapIndex) -> list[int]:
    asked: tuple[dict[str, list[str]], ...] = (
        {},
        {"age": ["young"]},
        {"city": ["Pune"]},
        {"cars": ["hatch"]},
        {"cars": ["sedan"]},
    )
    return [index.size(parse_filter(document, index.catalog)) for document in asked]


def test_a_table_is_read_by_codes_and_columns(tmp_path: Path) -> None:
    path = csv_of(tmp_path, "1,Pune,0,1,10", "2,x,1,0,0", "1,,7,0,5")
    assert sizes(BitmapIndex.load(CATALOG, path)) == [15, 15, 10, 5, 10]
    assert sizes(BitmapIndex.load(CATALOG, tmp_path / path)) == [15, 15, 10, 5, 10]
    assert sizes(BitmapIndex.load(CATALOG, parquet_of(tmp_path))) == [15, 15, 10, 5, 10]


def test_a_byte_order_mark_quotes_and_blank_last_lines_are_no_matter(tmp_path: Path) -> None:
    text = f'{HEADER},"a\nnote"\r\n1,"Pune",0,1,10,"x\n""y"""\r\n2,x,1,0,0,\r\n"1","",7,0,5,z\r\n\r\n\r\n'
    (tmp_path / "PEOPLE.CSV").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert sizes(BitmapIndex.load(CATALOG, "PEOPLE.CSV")) == [15, 15, 10, 5, 10]


@pytest.mark.parametrize(
    ("text", "held"),
    [("1", 1), ("0", 0), ("2.5", 1), ("0.0", 0), ("-0", 0), ("+3", 1), ("1e-400", 1), ("0e5", 0), (".5", 1), ("00", 0)],
)
def test_a_number_above_0_means_that_the_person_has_it(tmp_path: Path, text: str, held: int) -> None:
    assert sizes(BitmapIndex.load(CATALOG, csv_of(tmp_path, f"1,x,{text},0,1")))[3] == held


@pytest.mark.parametrize(
    ("text", "weight"), [("3", 3), ("3.0", 3), ("003.", 3), ("-0", 0), ("9007199254740992", 2**53)]
)
def test_a_weight_is_an_integer_however_it_is_written(tmp_path: Path, text: str, weight: int) -> None:
    assert sizes(BitmapIndex.load(CATALOG, csv_of(tmp_path, f"1,x,0,0,{text}")))[0] == weight


@pytest.mark.parametrize(
    "columns",
    [
        {"age": [1.0, 2.0, 1.0]},
        {"age": ["1", "2", "1"]},
        {"age": pa.array(["1", "2", "1"]).dictionary_encode()},
        {"age": pa.array([1, 2, 1], pa.uint8())},
        {"car_1": [False, True, True], "sedan": [0.5, 0.0, -0.0]},
        {"car_1": ["0", "1", "7"]},
        {"devices": [10.0, 0.0, 5.0]},
        {"devices": pa.array([10, 0, 5], pa.float32())},
        {"town": pa.array(["Pune", None, "x"], pa.large_string())},
        {"unread": [[1], [2], [3]]},
    ],
)
def test_parquet_says_the_same_in_many_types(tmp_path: Path, columns: dict[str, Any]) -> None:
    assert sizes(BitmapIndex.load(CATALOG, parquet_of(tmp_path, **columns))) == [15, 15, 10, 5, 10]


@pytest.mark.parametrize(
    ("cells", "codes"),
    [
        ([True, False], ["true", "false"]),
        (pa.array([0.1, 2], pa.float32()), ["0.1", 2]),
        (pa.array([1.5, 2], pa.float16()), ["1.5", 2]),
        ([0.25, None], ["0.25", ""]),
        (pa.nulls(2), ["", "x"]),
    ],
)
def test_parquet_cells_have_one_text_each(tmp_path: Path, cells: Any, codes: list[Any]) -> None:  # noqa: ANN401
    values = [{"id": f"v{i}", "code": code} for i, code in enumerate(codes)]
    dimension = {"id": "d", "kind": "single", "values": values}
    catalog = Catalog.from_json(json.dumps({"name": "test", "version": "1", "dimensions": [dimension]}))
    parquet.write_table(pa.table({"d": cells}), tmp_path / "people.parquet")
    index = BitmapIndex.load(catalog, "people.parquet")
    expected = 2 if isinstance(cells, pa.NullArray) else 1
    assert index.size(parse_filter({"d": ["v0"]}, catalog)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("gone.csv", Problem("gone.csv", "the file cannot be read: No such file or directory")),
        ("gone.parquet", Problem("gone.parquet", "the file cannot be read: No such file or directory")),
        ("folder.csv", Problem("folder.csv", "the file cannot be read: Is a directory")),
        ("folder.parquet", Problem("folder.parquet", "the file cannot be read: Is a directory")),
        ("loop.csv", Problem("loop.csv", "the file cannot be read: Too many levels of symbolic links")),
        ("pipe.csv", Problem("pipe.csv", "the file cannot be read: Is no file, but a pipe or a device")),
        ("pipe.parquet", Problem("pipe.parquet", "the file cannot be read: Is no file, but a pipe or a device")),
        ("endless.csv", Problem("endless.csv", "the file cannot be read: Is no file, but a pipe or a device")),
        ("empty.csv", Problem("empty.csv", "the file is empty", None, "a header, and a row for each person")),
        ("mark.csv", Problem("mark.csv", "the file is empty", None, "a header, and a row for each person")),
        ("empty.parquet", Problem("empty.parquet", "the file is empty", None, "a Parquet file")),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, path: str, expected: Problem) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(tmp_path / "pipe.parquet")
    (tmp_path / "endless.csv").symlink_to("/dev/zero")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "mark.csv").write_bytes(b"\xef\xbb\xbf")
    (tmp_path / "empty.parquet").touch()
    assert problems(path) == (expected,)


@pytest.mark.parametrize(("path", "ending"), [("people.xlsx", ".xlsx"), ("people.csv.gz", ".gz"), ("people", "")])
def test_another_ending_is_told_what_is_taken(path: str, ending: str) -> None:
    message = "the name does not tell what the file holds"
    assert problems(path) == (Problem(path, message, f'"{ending}"', "a name that ends in .csv or .parquet"),)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    expected = ("the table has no rows", None, "a row for each person")
    assert problems(csv_of(tmp_path)) == (Problem("people.csv", *expected),)
    path = parquet_of(tmp_path)
    parquet.write_table(parquet.read_table(path).slice(0, 0), path)
    assert problems(path) == (Problem("people.parquet", *expected),)


@pytest.mark.parametrize(
    ("content", "place", "message", "found", "expected"),
    [
        (b"1,Pune,0,1,10\n1,\xff,0,1,10\n", 3, "the byte 0xff at offset 45 is not UTF-8", "0xff", "text in UTF-8"),
        (b"1,Pune,0,1,10\n1,P\0,0,1,10\n", 3, "the line holds a NUL byte", '"1,P\\u0000,0,1,10\\n"', "text in UTF-8"),
        (b"1,Pune,0,1\n", 2, "the row has 4 cells where the header has 5", "4", "5 cells"),
        (b"1,Pune,0,1,9\n1,Pune,0,1,9,\n", 3, "the row has 6 cells where the header has 5", "6", "5 cells"),
        (b'1,"a\nb",0,1,9\n1\n', 4, "the row has 1 cell where the header has 5", "1", "5 cells"),
        (b"1,x,0,1,9\n\n\n1,x,0,1,9\n", 3, "the row has 0 cells where the header has 5", "0", "5 cells"),
        (
            b'1,x,0,1,9\n1,"x,0,1,9\n1,x,0,1,9\n',
            3,
            "a quote that opens in this row is never closed",
            None,
            "a closing quote",
        ),
        (
            b'1,"x,0,1,9\n' + b"1,x,0,1,9\n" * 20_000,
            2,
            "a cell of more than 131072 characters",
            None,
            "a shorter cell; perhaps a quote is never closed",
        ),
        (b'1,"x"y,0,1,9\n', 2, "the row cannot be read: ',' expected after '\"'", None, None),
    ],
)
def test_a_broken_line_is_pointed_at(  # noqa: PLR0913, PLR0917  a fault has four parts
    tmp_path: Path, content: bytes, place: int, message: str, found: str | None, expected: str | None
) -> None:
    (tmp_path / "people.csv").write_bytes(HEADER.encode() + b"\n" + content)
    assert problems("people.csv") == (Problem(f"people.csv, line {place}", message, found, expected),)


def test_a_row_without_end_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "LONGEST_ROW", 1_000)
    longest = b'1,"' + b"x" * 991 + b'",0,1\n'
    assert len(longest) == 1_000
    (tmp_path / "people.csv").write_bytes(b"a,b,c,d\n" + longest * 3)
    assert sum(len(cells.numbers) for cells in csv_table.read_csv("people.csv", {}, [])) == 3
    (tmp_path / "people.csv").write_bytes(HEADER.encode() + b"\n1,Pune,0,1,10\n" + b"x" * 3_000)
    message = "the row has more than 1,000 characters"
    assert problems("people.csv") == (Problem("people.csv, line 3", message, None, "a row in each line"),)
    (tmp_path / "people.csv").write_bytes(HEADER.encode() + b"\n1,Pune,0,1,10\n" + b'"x\n",' * 300)
    assert problems("people.csv") == (Problem("people.csv, line 3", message, None, "a row in each line"),)
    (tmp_path / "people.csv").write_bytes(HEADER.encode() + b"\n" + b"x" * 2_500 + b"\xff")
    assert problems("people.csv")[0].path == "people.csv, line 2"


def test_cells_that_nobody_asks_for_are_not_held_in_memory(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("a" + ",b" * 2_000 + "\n" + ("1" + ",xx" * 2_000 + "\n") * 200, "utf-8")
    tracemalloc.start()
    try:
        (cells,) = csv_table.read_csv("people.csv", {"a": "a number"}, [])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cells.columns["a"].distinct == ("1",)
    assert most < 2**21  # all cells are 20 MB


def test_lines_and_bytes_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_bytes(
        b"\xef\xbb\xbf" + HEADER.encode() + "\r\n1,Poona é,0,1,10\r1,é".encode() + b"\xe9"
    )
    message = "the byte 0xe9 at offset 55 is not UTF-8"
    assert problems("people.csv") == (Problem("people.csv, line 3", message, "0xe9", "text in UTF-8"),)


def test_missing_and_repeated_columns_are_all_named(tmp_path: Path) -> None:
    header = ["Age", "town", "town", "car_1", "car_1", "other", "other"]
    known = ", ".join(header)
    expected = [
        Problem(
            ", line 1", "there is no column 'age', which the dimension 'age' is read from", None, "perhaps Age; one of "
        ),
        Problem(
            ", line 1, column 'town'", "the column stands 2 times in the header", '"town"', "each needed column once"
        ),
        Problem(
            ", line 1, column 'car_1'", "the column stands 2 times in the header", '"car_1"', "each needed column once"
        ),
        Problem(
            ", line 1", "there is no column 'sedan', which the value 'sedan' of 'cars' is read from", None, "one of "
        ),
        Problem(", line 1", "there is no column 'devices', which the weight is read from", None, "one of "),
    ]

    def at(file: str, problem: Problem) -> Problem:
        expects = (problem.expected or "") + (known if problem.message.startswith("there is") else "")
        return Problem(file + problem.path, problem.message, problem.found, expects)

    path = csv_of(tmp_path, "1,x,x,0,0,x,x", header=",".join(header))
    assert problems(path) == tuple(at("people.csv", problem) for problem in expected)
    arrow = pa.Table.from_arrays([pa.array([1])] * len(header), names=header)
    parquet.write_table(arrow, tmp_path / "people.parquet")
    without_line = [
        Problem(problem.path.removeprefix(", line 1"), problem.message, problem.found, problem.expected)
        for problem in expected
    ]
    assert problems("people.parquet") == tuple(at("people.parquet", problem) for problem in without_line)


def test_every_column_at_fault_is_told_once_over_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.population.csv_table.CHUNK_ROWS", 2)
    rows = ["1,x,0,0,1", "7,x,,0,2.5", "8,x,-1,0,", "7,x,yes,0,-3", "2,x,,nan,1"]
    assert problems(csv_of(tmp_path, *rows)) == (
        Problem(
            "people.csv, line 3, column 'age'",
            'there is no value with the code: "7" (2 rows), "8" (1 row)',
            '"7"',
            "one of 1, 2",
        ),
        Problem(
            "people.csv, line 3, column 'car_1'",
            'does not say whether a person has it: "" (2 rows), "-1" (1 row), "yes" (1 row)',
            '""',
            ALL_OF_MULTI,
        ),
        Problem(
            "people.csv, line 6, column 'sedan'",
            'does not say whether a person has it: "nan" (1 row)',
            '"nan"',
            ALL_OF_MULTI,
        ),
        Problem(
            "people.csv, line 3, column 'devices'",
            'is not a weight: "2.5" (1 row), "" (1 row), "-3" (1 row)',
            '"2.5"',
            A_WEIGHT,
        ),
    )


def test_nothing_is_handed_on_after_the_first_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.population.csv_table.CHUNK_ROWS", 2)
    chunks = read_table(CATALOG, csv_of(tmp_path, *["1,x,0,0,1"] * 2, *["9,x,0,0,1"] * 2, *["1,x,0,0,1"] * 2))
    assert next(chunks).rows == 2
    with pytest.raises(DataError):
        next(chunks)


def test_parquet_rows_are_counted_through_all_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.population.arrow_tables.CHUNK_ROWS", 2)
    (problem,) = problems(parquet_of(tmp_path, devices=[1, 1, -1]))
    assert problem.path == "people.parquet, row 3, column 'devices'"


def test_batches_of_any_length_are_cut_to_whole_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_tables, "CHUNK_ROWS", 64)
    batches = pa.table({"row": range(200)}).to_batches(max_chunksize=50)
    cut = [chunk.column("row").to_pylist() for chunk in arrow_tables._chunks(batches)]
    assert [len(rows) for rows in cut] == [64, 64, 64, 8]
    assert [row for rows in cut for row in rows] == list(range(200))


def test_a_missing_column_does_not_hide_the_other_columns(tmp_path: Path) -> None:
    found = problems(csv_of(tmp_path, "9,x,0,1", header="age,town,car_1,sedan"))
    assert [problem.path for problem in found] == ["people.csv, line 1", "people.csv, line 2, column 'age'"]


def test_ten_unknown_codes_are_named_and_the_others_counted(tmp_path: Path) -> None:
    (problem,) = problems(csv_of(tmp_path, *(f"{code},x,0,0,1" for code in [*range(1, 31), 30, 30, 3])))
    named = ", ".join(f'"{code}" ({"2 rows" if code == 3 else "1 row"})' for code in range(3, 13))
    assert problem.message == f"there is no value with the code: {named} and others (20 rows)"
    assert problem.path == "people.csv, line 4, column 'age'"


def test_a_quoted_line_break_moves_the_lines_below_it(tmp_path: Path) -> None:
    (problem,) = problems(csv_of(tmp_path, '1,"a\nb",0,0,1', "9,x,0,0,1"))
    assert problem.path == "people.csv, line 4, column 'age'"


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "yes", "true", "-1", "-0.1", "nan", "inf", "1_000", "1,5", "0x1", "\u0661", "."]
)
def test_a_cell_that_is_no_number_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = problems(csv_of(tmp_path, f'1,x,"{text}",0,1'))
    said = json.dumps(text, ensure_ascii=False)
    assert problem.path == "people.csv, line 2, column 'car_1'"
    assert (problem.found, problem.expected) == (said, ALL_OF_MULTI)


@pytest.mark.parametrize(
    "text", ["", "2.5", "-1", "1e3", "nan", "inf", "x", "9007199254740993", "9" * 5000, "1_0", " 1", "1.0.0"]
)
def test_a_cell_that_is_no_weight_is_refused(tmp_path: Path, text: str) -> None:
    (problem,) = problems(csv_of(tmp_path, f"1,x,0,0,{text}"))
    assert (problem.path, problem.expected) == ("people.csv, line 2, column 'devices'", A_WEIGHT)
    assert problem.found in {json.dumps(text), f'"{"9" * 118}…'}


@pytest.mark.parametrize(
    ("column", "cells", "row", "found"),
    [
        ("age", [1, 2, 3], 3, "3"),
        ("age", [1, None, 2], 2, "null"),
        ("age", [1.0, float("nan"), 2.0], 2, "nan"),
        ("age", [True, True, True], 1, "true"),
        ("car_1", [0.0, None, 1.0], 2, "null"),
        ("car_1", [0.0, 1.0, float("nan")], 3, "nan"),
        ("car_1", [0.0, float("inf"), 1.0], 2, "inf"),
        ("car_1", [0, -1, -1], 2, "-1"),
        ("car_1", ["0", "true", "1"], 2, '"true"'),
        ("devices", [1.0, 2.5, 3.0], 2, "2.5"),
        ("devices", [1, 2, None], 3, "null"),
        ("devices", [1, 2**53 + 1, 1], 2, "9007199254740993"),
        ("devices", [1.0, 1.0, float("inf")], 3, "inf"),
        ("devices", [True, True, True], 1, "true"),
        ("devices", ["1", "two", "3"], 2, '"two"'),
    ],
)
def test_a_parquet_cell_at_fault_is_pointed_at(
    tmp_path: Path, column: str, cells: list[Any], row: int, found: str
) -> None:
    (problem,) = problems(parquet_of(tmp_path, **{column: cells}))
    assert problem.path == f"people.parquet, row {row}, column '{column}'"
    expected = {"age": "one of 1, 2", "car_1": ALL_OF_MULTI, "devices": A_WEIGHT}[column]
    assert found in problem.message
    assert (problem.found, problem.expected) == (found, expected)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([[1], [2], [1]], "list<element: int64>"),
        ([{"a": 1}] * 3, "struct<a: int64>"),
        (pa.array([0, 1, 2], pa.timestamp("s")), "timestamp[ms]"),
        ([b"1"] * 3, "binary"),
        (pa.array([b"1"] * 3).dictionary_encode(), "dictionary<values=binary, indices=int32, ordered=0>"),
    ],
)
def test_a_type_that_cannot_be_read_is_named(tmp_path: Path, cells: Any, kind: str) -> None:  # noqa: ANN401
    expected = "a boolean, integer, float or string column"
    assert problems(parquet_of(tmp_path, age=cells, devices=[1, 1, -1])) == (
        Problem("people.parquet, column 'age'", f"a column of type {kind} cannot be read", kind, expected),
        Problem("people.parquet, row 3, column 'devices'", "is not a weight: -1 (1 row)", "-1", A_WEIGHT),
    )


@pytest.mark.parametrize("damage", ["text", "cut", "footer", "pages", "name"])
def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path, damage: str) -> None:
    whole = (tmp_path / parquet_of(tmp_path)).read_bytes()
    contents = {
        "text": HEADER.encode() * 10,
        "cut": whole[: len(whole) // 2],
        "footer": whole[:-40] + b"\xff" * 32 + whole[-8:],
        "pages": whole[:4] + b"\xff" * 300 + whole[304:],
        "name": whole.replace(b"town", b"t\xffwn"),
    }
    (tmp_path / "people.parquet").write_bytes(contents[damage])
    (problem,) = problems("people.parquet")
    assert problem.path == "people.parquet"
    assert problem.message.startswith("is not a Parquet file, or a damaged one: ")
    assert "\n" not in problem.message
    assert problem.expected == "a Parquet file"


def test_a_parquet_string_that_is_not_utf_8_is_pointed_at(tmp_path: Path) -> None:
    broken = pa.array([b"Pune", b"x", b"\xff"]).cast(pa.string(), safe=False)
    expected = Problem("people.parquet, row 3, column 'town'", "the string is not UTF-8", None, "text in UTF-8")
    assert problems(parquet_of(tmp_path, town=broken)) == (expected,)


def test_a_long_cell_that_a_small_file_says_very_often_is_held_once(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    town = pa.DictionaryArray.from_arrays(pa.array([0] * 499 + [None], pa.int32()), pa.array(["x" * 2**20]))
    table = pa.table({"town": town, "n": pa.array(range(500))})
    parquet.write_table(table, path, compression="zstd", dictionary_pagesize_limit=2**30, store_schema=False)
    del town, table
    assert path.stat().st_size < 10_000
    before = pa.default_memory_pool()
    ours = pa.proxy_memory_pool(before)
    pa.set_memory_pool(ours)
    try:
        (cells,) = arrow_tables.read_parquet(str(path), {"town": "a town"}, [])
    finally:
        pa.set_memory_pool(before)
    coded = cells.columns["town"]
    assert [coded.distinct[code] for code in coded.codes[498:]] == ["x" * 2**20, None]
    assert (ours.max_memory() or 0) < 50 * 2**20


def test_without_pyarrow_csv_is_read_and_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = parquet_of(tmp_path)
    monkeypatch.delitem(sys.modules, "adapters.population.arrow_tables", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'segmentation-core\[population\]'"):
        BitmapIndex.load(CATALOG, path)
    assert BitmapIndex.load(CATALOG, csv_of(tmp_path, "1,x,0,0,1")).rows == 1
