"""The engines that the bitmap index is measured against, each as its own users would write it, tuned for the machine.

All hold the same table in memory: dimensions as categories or small integers, yes/no columns as booleans, weights as
integers. They read the same filters: for each dimension, the values of which any is wanted.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
from pyarrow import parquet

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.filters import Document
    from segmentation_core import Catalog
    from segmentation_core.population import Counts

PROCESSORS = len(os.sched_getaffinity(0))


class Engine(Protocol):
    """A table in memory that is asked for sizes."""

    name: str

    def size(self, wanted: Document) -> int:
        """Return the size of the audience."""
        ...


class Pandas(Engine):
    """Boolean masks over categoricals, and the sum of the weights under the mask."""

    name = "pandas"

    def __init__(self, catalog: Catalog, path: Path) -> None:
        """Read a panel's Parquet file."""
        kinds: dict[str, str] = dict.fromkeys(_flags(catalog), "bool")
        kinds |= {dimension.id: "category" for dimension in catalog.dimensions if not dimension.multi}
        self._frame: Any = pd.read_parquet(path).astype(kinds)
        self._catalog = catalog
        self._weight = catalog.weight.column if catalog.weight else None

    def size(self, wanted: Document) -> int:
        mask: Any = True
        for name, values in wanted.items():
            if self._catalog.dimension[name].multi:
                held = self._frame[f"{name}_{values[0]}"]
                for value in values[1:]:
                    held = held | self._frame[f"{name}_{value}"]
            else:
                held = self._frame[name].isin([int(value) for value in values])
            mask = held if mask is True else mask & held
        return int(self._frame[self._weight].array[mask.array].sum() if self._weight else mask.sum())


class Polars(Engine):
    """A lazy query over a frame in one piece."""

    name = "Polars"

    def __init__(self, catalog: Catalog, path: Path) -> None:
        """Read a panel's Parquet file."""
        self._frame = pl.read_parquet(path).with_columns(pl.col(_flags(catalog)).cast(pl.Boolean)).rechunk()
        self._catalog = catalog
        self._measure = pl.col(catalog.weight.column).sum() if catalog.weight else pl.len()

    def size(self, wanted: Document) -> int:
        conditions = [
            pl.any_horizontal([pl.col(f"{name}_{value}") for value in values])
            if self._catalog.dimension[name].multi
            else pl.col(name).is_in([int(value) for value in values])
            for name, values in wanted.items()
        ]
        return int(self._frame.lazy().filter(*conditions).select(self._measure).collect().item())


class DuckDB(Engine):
    """A table of an in-memory database, on all processors."""

    name = "DuckDB"

    def __init__(self, catalog: Catalog, path: Path) -> None:
        """Read a panel's Parquet file."""
        self._connection = duckdb.connect(config={"threads": PROCESSORS})
        flags = set(_flags(catalog))
        columns = ", ".join(
            f'"{name}"::BOOLEAN AS "{name}"' if name in flags else f'"{name}"'
            for name in parquet.read_schema(path).names
        )
        self._connection.execute(f"CREATE TABLE panel AS SELECT {columns} FROM read_parquet('{path}')")
        self._catalog = catalog
        self._measure = f"sum({catalog.weight.column})" if catalog.weight else "count(*)"

    def size(self, wanted: Document) -> int:
        ((size,),) = self._rows(f"SELECT {self._measure} FROM panel WHERE {self._where(wanted)}")
        return int(size or 0)

    def facets(self, wanted: Document) -> Counts:
        """Return disjunctive facets.

        One query with grouping sets, and one with filtered sums, answer for all dimensions that the filter leaves free;
        each of the others needs one of its own, without its own condition.
        """
        found: Counts = {each.id: dict.fromkeys(each.positions, 0) for each in self._catalog.dimensions}
        self._count([name for name in found if name not in wanted], wanted, found)
        for name in wanted:
            self._count([name], {other: values for other, values in wanted.items() if other != name}, found)
        return found

    def _count(self, names: list[str], wanted: Document, found: Counts) -> None:
        singles = [name for name in names if not self._catalog.dimension[name].multi]
        multis = [(name, value) for name in names if name not in singles for value in found[name]]
        where = self._where(wanted)
        if singles:
            columns, sets = ", ".join(f'"{name}"' for name in singles), ", ".join(f'("{name}")' for name in singles)
            query = f"SELECT {columns}, {self._measure} FROM panel WHERE {where} GROUP BY GROUPING SETS ({sets})"
            for *values, size in self._rows(query):
                name, value = next(
                    (name, value) for name, value in zip(singles, values, strict=True) if value is not None
                )
                found[name][str(value)] = int(size)
        if multis:
            sums = ", ".join(f'{self._measure} FILTER (WHERE "{name}_{value}")' for name, value in multis)
            ((*sizes,),) = self._rows(f"SELECT {sums} FROM panel WHERE {where}")
            for (name, value), size in zip(multis, sizes, strict=True):
                found[name][value] = int(size or 0)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    def _where(self, wanted: Document) -> str:
        conditions = (
            "(" + " OR ".join(f'"{name}_{value}"' for value in values) + ")"
            if self._catalog.dimension[name].multi
            else f'"{name}" IN ({", ".join(values)})'
            for name, values in wanted.items()
        )
        return " AND ".join(conditions) or "true"


def _flags(catalog: Catalog) -> list[str]:
    return [value.column or value.id for each in catalog.dimensions if each.multi for value in each.values]
