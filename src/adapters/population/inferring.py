"""A catalogue out of a table, as a start for whoever knows what the columns mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters.population.columns import MOST_WEIGHT, text_of
from adapters.population.tables import cells_of, header_of
from segmentation_core.catalog_file import RESERVED
from segmentation_core.errors import DataError, Problem

if TYPE_CHECKING:
    import os

    from adapters.population.columns import Cell, Cells

MOST_VALUES = 300
"""A column of more distinct cells than this is no dimension that people choose from."""

_WEIGHTS = ("weight", "weights", "devices", "people", "persons", "count", "units", "population")
_YES_NO = {"0", "1", "true", "false"}


def infer(path: str | os.PathLike[str], name: str) -> tuple[dict[str, Any], list[str]]:
    """Return a catalogue's document for the columns of a `.csv` or `.parquet` file, and what was left out and why.

    A column of up to 300 distinct cells is a single dimension, ordered where they are integers. Columns of 0 and 1
    whose names begin alike, up to an underscore, are the values of a multi one. A column of integers that is called
    what weights are called is the weight. Every dimension has a list for each value. Raises DataError.
    """
    header = header_of(path)
    problems: list[Problem] = []
    found: dict[str, dict[Cell, None] | None] = {column: {} for column in dict.fromkeys(header)}
    weights: set[str] = set(found)
    for cells in cells_of(path, dict.fromkeys(found, "the catalogue"), problems):
        _gather(cells, found, weights)
    if problems:
        raise DataError(problems)
    return _document(name, found, weights)


def _gather(cells: Cells, found: dict[str, dict[Cell, None] | None], weights: set[str]) -> None:
    for column, coded in cells.columns.items():
        known = found[column]
        if column in weights and not all(map(_is_weight, coded.distinct)):
            weights.discard(column)
        if known is not None:
            known.update(dict.fromkeys(coded.distinct))
            if len(known) > MOST_VALUES:
                found[column] = None


def _document(
    name: str, found: dict[str, dict[Cell, None] | None], weights: set[str]
) -> tuple[dict[str, Any], list[str]]:
    notes = []
    weight = next((column for column in found if column in weights and column.lower() in _WEIGHTS), None)
    groups: dict[str, list[str]] = {}
    texts: dict[str, list[str]] = {}
    for column, cells in found.items():
        if column == weight:
            continue
        if cells is None:
            notes.append(f"{column!r} is left out: it has more than {MOST_VALUES} distinct cells")
            continue
        texts[column] = [*dict.fromkeys(map(text_of, sorted(cells, key=_in_order)))]
        if set(texts[column]) <= _YES_NO and "_" in column:
            groups.setdefault(column.rsplit("_", 1)[0], []).append(column)
    multi = {group: columns for group, columns in groups.items() if len(columns) > 1 and group not in texts}
    grouped = {column for columns in multi.values() for column in columns}
    dimensions = [_single(column, values) for column, values in texts.items() if column not in grouped]
    dimensions += [_multi(group, columns) for group, columns in multi.items()]
    segments: list[dict[str, Any]] = []
    for dimension in dimensions:
        field = dimension["id"]
        if "{" in field or "}" in field or "." in field or "[" in field or ":" in field or "!" in field:
            notes.append(f"{field!r} has no lists: its name cannot stand in a template")
            continue
        segments.append({"id": f"{field}_{{{field}}}", "for_each": [field]})
        if dimension["kind"] == "multi":
            segments.append({"id": f"{field}_not_{{{field}}}", "for_each": [field], "absent": True})
    document: dict[str, Any] = {"name": name, "version": "1"}
    if weight:
        document["weight"] = {"column": weight, "unit": "person"}
    return document | {"dimensions": dimensions, "segments": segments}, notes


def _single(column: str, texts: list[str]) -> dict[str, Any]:
    name = f"{column}_" if column in RESERVED or not column else column
    dimension: dict[str, Any] = {"id": name, "label": _label(column), "kind": "single"}
    if all(map(_is_integer, texts)):
        dimension["ordered"] = True
    values: list[dict[str, str]] = [{"id": text} if text else {"id": "empty", "code": ""} for text in texts]
    return dimension | {"column": column, "values": values}


def _multi(group: str, columns: list[str]) -> dict[str, Any]:
    name = f"{group}_" if group in RESERVED or not group else group
    values = [{"id": column[len(group) + 1 :] or column, "column": column} for column in columns]
    return {"id": name, "label": _label(group), "kind": "multi", "values": values}


def _label(name: str) -> str:
    return name.replace("_", " ").strip().capitalize()


def _in_order(cell: Cell) -> tuple[bool, float, str]:
    text = text_of(cell)
    return (not _is_integer(text), float(text) if _is_integer(text) else 0.0, text)


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()


def _is_weight(cell: Cell) -> bool:
    text = text_of(cell)
    return _is_integer(text) and len(text) <= len(str(MOST_WEIGHT)) and 0 <= int(text) <= MOST_WEIGHT
