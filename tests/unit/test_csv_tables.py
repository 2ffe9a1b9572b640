"""Answers as CSV: what a spreadsheet reads, and nothing that it would run."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import msgspec
import pytest

from entrypoints.http.csv_tables import csv_text, rows_of


class Thing(msgspec.Struct):
    name: str
    made: datetime | None
    parts: dict[str, list[int]]
    is_new: bool
    extra: int | msgspec.UnsetType = msgspec.UNSET


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def test_a_table_has_a_column_for_each_field_that_all_have() -> None:
    things = [Thing('ä, "b"\nc', datetime(2026, 1, 2, tzinfo=UTC), {"é": [1]}, is_new=True), Thing("", None, {}, is_new=False, extra=1)]  # fmt: skip
    text = csv_text(rows_of(things, Thing))
    assert read(text) == [
        ["name", "made", "parts", "is_new"],
        ['ä, "b"\nc', "2026-01-02T00:00:00+00:00", '{"é": [1]}', "true"],
        ["", "", "{}", "false"],
    ]
    assert text.endswith("false\r\n")
    assert read(csv_text(rows_of([], Thing))) == [["name", "made", "parts", "is_new"]]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_what_a_spreadsheet_would_run_has_an_apostrophe_before_it(start: str) -> None:
    assert read(csv_text([[f"{start}1+1", f" {start}"]])) == [[f"'{start}1+1", f" {start}"]]


def test_numbers_stay_numbers() -> None:
    assert csv_text([[-1, 2.5, None]]) == "-1,2.5,\r\n"
