"""The columns that a catalogue names: what their cells mean, and what is wrong with those that mean nothing.

A file reader hands over raw cells, in `Cells`; a `Column` turns them into numbers. Both work on the distinct cells of
a column, not on each cell, because there are few of them.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from segmentation_core.errors import Problem, excerpt, one_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from segmentation_core.catalog import Dimension, Value, Weight

Cell: TypeAlias = str | int | float | bool | None
"""What a table holds in one row of one column. CSV has text only; None is Parquet's null."""

CHUNK_ROWS = 65_536
"""How many rows are read at a time. All chunks but the last have exactly as many: whole words of a bitmap."""

MOST_WEIGHT = 2**53
"""The largest weight of a row: every integer up to it is exact as a double, which is what many tools write."""

_MOST_NAMED = 10
_WEIGHT = re.compile(r"([+-]?)0*([0-9]{1,16})(?:\.0*)?")
_NUMBER = re.compile(r"([+-]?)([0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Coded:
    """The cells of one column: the distinct ones, and for each row the position of its own among them."""

    distinct: Sequence[Cell]
    codes: NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Cells:
    """Some rows of a file: the cells by column, and the number by which people find each row (`line 4`, `row 3`).

    `unread` names the file's other columns. `share` is how much of the file has been read with these, None where that
    is not known.
    """

    columns: Mapping[str, Coded]
    file: str
    unit: str
    numbers: Sequence[int]
    unread: Sequence[str] = ()
    share: float | None = None

    def place(self, row: int, column: str) -> str:
        """Say where the cell of a row stands; rows count from 0 within these cells."""
        return f"{self.file}, {self.unit} {self.numbers[row]}, column {column!r}"


class Column(ABC):
    """One column that the catalogue reads. Faults gather over all the cells read; `problem` tells them as one."""

    def __init__(self, name: str, purpose: str) -> None:
        """Name the column, and what it is read for."""
        self.name = name
        self.purpose = purpose
        self.wrong_rows = 0
        self._named: dict[str, int] = {}
        self._first: tuple[str, Cell] = ("", None)

    def read(self, cells: Cells) -> NDArray[np.int64]:
        """Return the meaning of each row's cell; 0 for those that have none, which are counted as faults."""
        coded = cells.columns[self.name]
        meanings = [self.meaning(cell) for cell in coded.distinct]
        wrong = [position for position, meaning in enumerate(meanings) if meaning is None]
        if wrong:
            self._note(cells, wrong)
        of_each_row: NDArray[np.int64] = np.array([meaning or 0 for meaning in meanings], dtype=np.int64)[coded.codes]
        return of_each_row

    def problem(self) -> Problem | None:
        """Return what is wrong with the cells read: the first place, and the first ten faults with their rows."""
        if not self.wrong_rows:
            return None
        place, cell = self._first
        faults = ", ".join(f"{shown} ({_rows(count)})" for shown, count in self._named.items())
        unnamed = self.wrong_rows - sum(self._named.values())
        faults += f" and others ({_rows(unnamed)})" if unnamed else ""
        return Problem(place, f"{self.complaint}: {faults}", _shown(cell), self.expected(cell))

    @property
    @abstractmethod
    def complaint(self) -> str:
        """What is said of cells without a meaning."""

    @abstractmethod
    def expected(self, cell: Cell) -> str:
        """Say what may stand in the place of `cell`."""

    @abstractmethod
    def meaning(self, cell: Cell) -> int | None:
        """Return what a cell says, or None where it says nothing."""

    def _note(self, cells: Cells, wrong: list[int]) -> None:
        coded = cells.columns[self.name]
        counts = np.bincount(coded.codes, minlength=len(coded.distinct))
        if not self.wrong_rows:
            row = int(np.flatnonzero(np.isin(coded.codes, wrong))[0])
            self._first = (cells.place(row, self.name), coded.distinct[int(coded.codes[row])])
        for position in wrong:
            shown, count = _shown(coded.distinct[position]), int(counts[position])
            self.wrong_rows += count
            if shown in self._named or len(self._named) < _MOST_NAMED:
                self._named[shown] = self._named.get(shown, 0) + count


class SingleColumn(Column):
    """The column of a single dimension. A cell means the position of the value that has its text as the code."""

    complaint = "there is no value with the code"

    def __init__(self, dimension: Dimension) -> None:
        """Take the codes, and the value for the rest where there is one, from the dimension."""
        super().__init__(dimension.column or dimension.id, f"the dimension {dimension.id!r}")
        codes = (value.id if value.code is None else value.code for value in dimension.values)
        self._positions = {str(code): position for position, code in enumerate(codes)}
        self._other = None if dimension.other is None else dimension.positions[dimension.other]
        self.rest_rows = 0
        """How many rows the value that takes the rest has taken, of codes that no value has."""

    def read(self, cells: Cells) -> NDArray[np.int64]:
        """Return the position of each row's value, and count those whose code no value has."""
        coded = cells.columns[self.name]
        if self._other is not None:
            unknown = [at for at, cell in enumerate(coded.distinct) if text_of(cell) not in self._positions]
            self.rest_rows += int(np.bincount(coded.codes, minlength=len(coded.distinct))[unknown].sum())
        return super().read(cells)

    def expected(self, cell: Cell) -> str:
        """Say the nearest code and the first few."""
        return one_of(text_of(cell), self._positions)

    def meaning(self, cell: Cell) -> int | None:
        """Return the position of the value."""
        return self._positions.get(text_of(cell), self._other)


class MultiColumn(Column):
    """The column of one value of a multi dimension. A cell means 1 where the person holds it, 0 where not."""

    complaint = "does not say whether a person has it"

    def __init__(self, dimension: Dimension, value: Value) -> None:
        """Take the column from the value."""
        super().__init__(value.column or value.id, f"the value {value.id!r} of {dimension.id!r}")

    def expected(self, cell: Cell) -> str:  # noqa: ARG002  whatever stood there, the same may stand there
        """Say what a number means."""
        return "a number: above 0 the person has it, 0 not"

    def meaning(self, cell: Cell) -> int | None:
        """Return whether a number, or Parquet's boolean, says yes. Exact for text, however small the number."""
        if isinstance(cell, str):
            number = _NUMBER.fullmatch(cell)
            if number is None:
                return None
            above = any(digit in "123456789" for digit in number[2])
            return None if above and number[1] == "-" else int(above)
        return None if cell is None or not 0 <= cell < math.inf else int(cell > 0)


class WeightColumn(Column):
    """The column of the weights. A cell means the units that its row stands for."""

    complaint = "is not a weight"

    def __init__(self, weight: Weight) -> None:
        """Take the column from the weight."""
        super().__init__(weight.column, "the weight")

    def expected(self, cell: Cell) -> str:  # noqa: ARG002  whatever stood there, the same may stand there
        """Say the range."""
        return f"an integer from 0 to {MOST_WEIGHT}"

    def meaning(self, cell: Cell) -> int | None:
        """Return the weight, from an integer however it is written: 3, 3.0."""
        number: int | None = None
        if isinstance(cell, str):
            digits = _WEIGHT.fullmatch(cell)
            number = int(digits[1] + digits[2]) if digits else None
        elif (isinstance(cell, float) and cell.is_integer()) or (isinstance(cell, int) and not isinstance(cell, bool)):
            number = int(cell)
        return number if number is not None and 0 <= number <= MOST_WEIGHT else None


def usable(header: Sequence[str], needed: Mapping[str, str], place: str, problems: list[Problem]) -> list[str]:
    """Return the needed columns (name -> purpose) that the header has once; the others are added to `problems`."""
    for column, purpose in needed.items():
        count = header.count(column)
        if count == 0:
            message = f"there is no column {column!r}, which {purpose} is read from"
            problems.append(Problem(place, message, expected=one_of(column, header)))
        elif count > 1:
            message = f"the column stands {count} times in the header"
            problems.append(Problem(f"{place}, column {column!r}", message, excerpt(column), "each needed column once"))
    return [column for column in needed if header.count(column) == 1]


def text_of(cell: Cell) -> str:
    """Return the text by which codes are compared: 3.0 is 3, and nothing is the empty text."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


def _shown(cell: Cell) -> str:
    return repr(cell) if isinstance(cell, float) else excerpt(cell)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
