"""Populations of any size with the shape of a national device panel (`panel.py`), for tests of scale.

Everybody has a few hidden traits, such as means and age; every answer leans on some of them, so that the columns are
correlated as those of a real panel are. Cities are as unequal as Zipf says, and weights have a heavy tail. The same
seed makes the same rows, however many there are.
"""

from __future__ import annotations

import json
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from adapters.population.panel import panel_document
from adapters.population.replacing import replacing
from segmentation_core.catalog import Catalog
from segmentation_core.errors import DataError, Problem, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from segmentation_core.catalog import Dimension

ROWS_AT_ONCE = 2**16
SEED = 2026

_TRAITS = 4
_LEANING = 0.8
_MOST_DEVICES = 1_000_000


def generate(
    path: Path, rows: int, *, weighted: bool = True, seed: int = SEED, watch: Callable[[int], None] = lambda _: None
) -> Path:
    """Write a panel of so many rows to a `.csv` or `.parquet` file, and beside it its catalogue; return where that is.

    If `weighted`, each row is a cell that stands for some devices, otherwise one person. `watch` is called with the
    number of rows written. Raises DataError where a file cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in {".csv", ".parquet"}:
        expected = "a name that ends in .csv or .parquet"
        raise DataError(Problem(str(path), "the name does not tell what to write", excerpt(path.suffix), expected))
    beside = path.with_suffix(".catalog.json")
    with replacing(beside) as file:
        file.write(json.dumps(panel_document(weighted=weighted), ensure_ascii=False, indent=1).encode())
    done = 0
    with replacing(path) as file:
        tables = panel_tables(rows, weighted=weighted, seed=seed)
        first = next(tables)
        writer: Any = (
            csv.CSVWriter(file, first.schema) if ending == ".csv" else parquet.ParquetWriter(file, first.schema)
        )
        with writer:
            for table in _chained(first, tables):
                writer.write_table(table)
                done += table.num_rows
                watch(done)
    return beside


def panel_tables(rows: int, *, weighted: bool = True, seed: int = SEED) -> Iterator[pa.Table]:
    """Yield the panel as tables of up to `ROWS_AT_ONCE` rows: at least one, which may be empty."""
    catalog = Catalog.from_json(json.dumps(panel_document(weighted=weighted)))
    shapes = np.random.default_rng(seed)
    lean = {dimension.id: shapes.normal(size=(len(dimension.values), _TRAITS)) for dimension in catalog.dimensions}
    for number, first in enumerate(range(0, max(rows, 1), ROWS_AT_ONCE)):
        random = np.random.default_rng([seed, number])
        # All rows are drawn, even those that the last table leaves out, so that more rows begin with the same ones.
        traits = random.standard_normal((_TRAITS, ROWS_AT_ONCE), np.float32)
        columns: dict[str, NDArray[Any]] = {}
        for dimension in catalog.dimensions:
            columns |= _columns(dimension, lean[dimension.id], traits, random)
        if catalog.weight:
            tail = random.pareto(1.2, size=ROWS_AT_ONCE) * np.exp(traits[0] * 0.5)
            columns[catalog.weight.column] = np.minimum(1 + 4 * tail, _MOST_DEVICES).astype(np.int32)
        yield pa.table(columns).slice(0, min(rows - first, ROWS_AT_ONCE))


def _columns(
    dimension: Dimension, lean: NDArray[np.float64], traits: NDArray[np.float32], random: np.random.Generator
) -> dict[str, NDArray[np.int8]]:
    if dimension.multi:
        # From one person in twenty-five to every other one has it.
        edges = 0.1 + 1.7 * np.arange(len(dimension.values)) / len(dimension.values)
        noise = random.standard_normal((len(lean), traits.shape[1]), np.float32)
        held = _scored(lean, traits) * _LEANING + noise * (1 - _LEANING) > edges[:, np.newaxis]
        return {
            value.column or value.id: row.astype(np.int8) for value, row in zip(dimension.values, held, strict=True)
        }
    count = len(dimension.values)
    noise = random.standard_normal((traits.shape[1],), np.float32)
    score = _scored(lean[:1], traits)[0] * _LEANING + noise * (1 - _LEANING)
    # The larger of two values is as much larger as the dimension has it: Zipf for cities, mildly so for the others.
    parts = 1 / np.arange(1, count + 1) ** (1.0 if dimension.direct else 0.4)
    scored = NormalDist(0, float(np.hypot(_LEANING, 1 - _LEANING)))
    ends = [scored.inv_cdf(part) for part in np.cumsum(parts)[:-1] / parts.sum()]
    return {dimension.column or dimension.id: np.searchsorted(ends, score).astype(np.int8) + np.int8(1)}


def _scored(lean: NDArray[np.float64], traits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sums of traits, normal with a deviation of 1, shape (rows of `lean`, people)."""
    weights = lean / np.linalg.norm(lean, axis=1, keepdims=True)
    scored: NDArray[np.float32] = weights.astype(np.float32) @ traits
    return scored


def _chained(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest
