"""Reading CSV: RFC 4180 with commas, UTF-8 with or without a byte order mark, a header in the first line."""

from __future__ import annotations

import csv
import os
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from adapters.population.columns import CHUNK_ROWS, Cells, Coded, usable
from adapters.population.files import regular
from segmentation_core.errors import DataError, Problem, excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

LONGEST_ROW = 2**24
"""In characters, of all its lines. A row is held in memory as a whole, and a file of something else may be one."""

_UNREADABLE = {
    "unexpected end of data": ("a quote that opens in this row is never closed", "a closing quote"),
    f"field larger than field limit ({csv.field_size_limit()})": (
        f"a cell of more than {csv.field_size_limit()} characters",
        "a shorter cell; perhaps a quote is never closed",
    ),
}


def read_csv(path: str, needed: Mapping[str, str], problems: list[Problem]) -> Iterator[Cells]:
    """Yield the cells of the needed columns (name -> purpose), `CHUNK_ROWS` rows at a time.

    Columns that are missing or stand twice, and a table without rows, go to `problems`; columns at fault are left out
    of what is yielded. Raises DataError at the first fault of structure: a file that is empty, not UTF-8 or has NUL
    bytes, quotes that do not close, a row past `LONGEST_ROW`, a row with more or fewer cells than the header. Raises
    OSError.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="", opener=regular) as file:
            rows = _numbered_rows(file, path)
            _, header = next(rows, (1, None))
            if header is None:
                raise DataError(Problem(path, "the file is empty", expected="a header, and a row for each person"))
            columns = {name: header.index(name) for name in usable(header, needed, f"{path}, line 1", problems)}
            unread = [name for name in header if name not in columns]
            length = os.fstat(file.fileno()).st_size or 1
            any_rows = False
            for numbers, chunk in _chunks(rows, len(header), [*columns.values()], path):
                any_rows = True
                coded = {name: _coded(cells) for name, cells in zip(columns, zip(*chunk, strict=True), strict=True)}
                yield Cells(coded, path, "line", numbers, unread, os.lseek(file.fileno(), 0, os.SEEK_CUR) / length)
            if not any_rows:
                problems.append(Problem(path, "the table has no rows", expected="a row for each person"))
    except UnicodeDecodeError as fault:
        raise DataError(_wrong_byte(path)) from fault


def _numbered_rows(file: TextIO, path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line in which it starts, as an editor counts them: a quoted cell may hold line breaks."""
    number, length = 1, 0

    def lines() -> Iterator[str]:
        nonlocal length
        for at, line in enumerate(iter(partial(file.readline, LONGEST_ROW + 1), ""), 1):
            length += len(line)
            if length > LONGEST_ROW:
                message = f"the row has more than {LONGEST_ROW:,} characters"
                raise DataError(Problem(f"{path}, line {number}", message, expected="a row in each line"))
            if "\0" in line:
                message = "the line holds a NUL byte"
                raise DataError(Problem(f"{path}, line {at}", message, excerpt(line), "text in UTF-8"))
            yield line

    reader = csv.reader(lines(), strict=True)
    try:
        for row in reader:
            yield number, row
            number, length = reader.line_num + 1, 0
    except csv.Error as fault:
        message, expected = _UNREADABLE.get(str(fault), (f"the row cannot be read: {fault}", None))
        raise DataError(Problem(f"{path}, line {number}", message, expected=expected)) from fault


def _chunks(
    rows: Iterator[tuple[int, list[str]]], width: int, needed: Sequence[int], path: str
) -> Iterator[tuple[list[int], list[list[str]]]]:
    """Yield rows with their lines: of their cells the needed ones, because the others may be any number."""
    numbers: list[int] = []
    chunk: list[list[str]] = []
    blank: int | None = None
    for number, row in rows:
        if not row:
            # Editors leave blank lines at the end of a file. Anywhere else a blank line is a row without its cells.
            blank = blank or number
            continue
        if blank or len(row) != width:
            have = 0 if blank else len(row)
            message = f"the row has {have} cell{'' if have == 1 else 's'} where the header has {width}"
            raise DataError(Problem(f"{path}, line {blank or number}", message, str(have), f"{width} cells"))
        numbers.append(number)
        chunk.append([row[at] for at in needed])
        if len(chunk) == CHUNK_ROWS:
            yield numbers, chunk
            numbers, chunk = [], []
    if chunk:
        yield numbers, chunk


def _coded(cells: Sequence[str]) -> Coded:
    distinct = tuple(dict.fromkeys(cells))
    positions = {cell: position for position, cell in enumerate(distinct)}
    return Coded(distinct, np.fromiter(map(positions.__getitem__, cells), dtype=np.int32, count=len(cells)))


def _wrong_byte(path: str) -> Problem:
    """Find the first byte that is not UTF-8: the decoder only knows where it stood in a buffer."""
    offset, number = 0, 1
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:  # noqa: PTH123  the path as given
        for line in iter(partial(file.readline, LONGEST_ROW), ""):
            try:
                offset += len(line.encode())
            except UnicodeEncodeError as fault:
                offset += len(line[: fault.start].encode())
                byte = f"0x{ord(line[fault.start]) - 0xDC00:02x}"
                message = f"the byte {byte} at offset {offset} is not UTF-8"
                return Problem(f"{path}, line {number}", message, byte, "text in UTF-8")
            number += line.endswith(("\n", "\r"))
    return Problem(path, "the file changed while it was read")
