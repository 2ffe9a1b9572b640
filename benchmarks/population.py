"""The population engine against others, in one run: `python -m benchmarks.population [ROWS ...] [--json]`.

Makes the panel (`segmentation population generate`), builds the index, and asks all engines the same questions, on the
same machine at the same time: in each round every engine is asked all filters, one engine after the other. So each has
its own code and data in the processor's caches, as a user's own has. Times are medians over the filters of the medians
over the rounds. The floor is one pass of AND over as many bytes as the bitmaps and weights that a filter names have, a
bitmap for each value, whether or not the index reads one: one call of numpy, or one for each processor where there are
many bytes. Every answer is compared; the exit status is 1 if one differs.

From 50 million rows on, each is a person with the weight 1, and the other engines, which would not fit, are left out:
100,000,000 people take 2.2 GB of memory and 5 GB on the disk.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from pyarrow import parquet

from adapters.population import BitmapIndex
from adapters.population.generated import generate
from adapters.population.panel import panel_document
from benchmarks.engines import PROCESSORS, DuckDB, Pandas, Polars
from benchmarks.filters import dashboards_of_seven
from benchmarks.plot import document as svg
from benchmarks.plot import plot, width_of
from segmentation_core import Catalog, parse_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.engines import Engine
    from benchmarks.filters import Document
    from segmentation_core import Filter

SIZES = (92_850, 10_000_000)
LARGE = 1_000_000
HUGE = 50_000_000
FILTERS = 50
SLOW = 0.2
"""Seconds to an answer, from which on fewer filters and rounds have to do."""

QUICK = 0.02
"""Seconds to an answer, up to which it matters what is in the caches."""

PLOTTED = (10_000, 100_000, 1_000_000, 10_000_000)


class Target(msgspec.Struct, frozen=True):
    """What a population of so many rows should reach: at least so many times quicker than, or at most so much."""

    rows: int
    measure: str
    value: float
    unit: str = "times"

    @property
    def least(self) -> bool:
        """Whether more is better."""
        return " than " in self.measure

    def reached(self, found: float) -> bool:
        """Tell whether what was found is as good."""
        return found >= self.value if self.least else found <= self.value


TARGETS = (
    Target(92_850, "size: quicker than pandas", 150),
    Target(92_850, "size: quicker than DuckDB", 20),
    Target(92_850, "size: quicker than Polars", 20),
    Target(92_850, "size: of the floor", 4),
    Target(92_850, "facets: quicker than DuckDB", 15),
    Target(92_850, "open", 20, "ms"),
    Target(10_000_000, "size: quicker than pandas", 300),
    Target(10_000_000, "size: quicker than DuckDB", 12),
    Target(10_000_000, "size: quicker than Polars", 12),
    Target(10_000_000, "size: of the floor", 3),
    Target(10_000_000, "facets: quicker than DuckDB", 8),
    Target(10_000_000, "open", 200, "ms"),
    Target(100_000_000, "size: of the floor", 2.5),
    Target(100_000_000, "open", 1000, "ms"),
    Target(100_000_000, "memory of the index", 3, "GB"),
    Target(100_000_000, "memory of the build, at its peak", 6, "GB"),
)


class Measured(msgspec.Struct):
    """What was found of one size: microseconds by question and engine, and what they come to."""

    rows: int
    microseconds: dict[str, float]
    figures: dict[str, float]
    disagreements: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all sizes asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.population", description="The engine against others.")
    parser.add_argument("rows", nargs="*", type=int, default=[*SIZES], help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each filter is asked (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path("dist/bench"), help="where panels are kept")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw cost against rows and values, and end")
    parser.add_argument("--build", type=int, metavar="ROWS", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="one JSON document a line")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.build:
        return _build(options.folder, options.build)
    if options.plot:
        options.plot.write_text(_plotted(options.folder), "utf-8")
        return 0
    status = 0
    for rows in options.rows:
        measured = measure(options.folder, rows, options.rounds)
        status |= bool(measured.disagreements)
        print(json.dumps(msgspec.to_builtins(measured)) if options.json else _shown(measured))
    return status


def measure(folder: Path, rows: int, rounds: int) -> Measured:
    """Ask every engine, in turn, and the floor."""
    figures = _built(folder, rows)
    catalog, path = _panel(folder, rows)
    opened = [_seconds(lambda _: BitmapIndex.open(catalog, path.with_suffix(".index")), 0) for _ in range(5)]
    figures["open"] = median(opened) * 1e3
    index = BitmapIndex.open(catalog, path.with_suffix(".index"))
    figures["memory of the index"] = index.memory / 1e9
    documents = dashboards_of_seven(FILTERS)
    filters = [parse_filter(document, catalog) for document in documents]
    engines: list[Engine] = (
        [] if rows >= HUGE else [Pandas(catalog, path), Polars(catalog, path), DuckDB(catalog, path)]
    )
    disagreements = _disagreements(index, filters, documents, engines)
    asked: dict[str, Callable[[int], object]] = {
        "size: index": lambda i: index.size(filters[i]),
        "facets: index": lambda i: index.facets(filters[i]),
    }
    for engine in engines:
        asked[f"size: {engine.name}"] = lambda i, engine=engine: engine.size(documents[i])  # type: ignore[misc]
        if isinstance(engine, DuckDB):
            asked["facets: DuckDB"] = lambda i, engine=engine: engine.facets(documents[i])  # type: ignore[misc]
    floor = Floor(index, documents)
    asked["size: floor"] = floor.pass_once
    microseconds = {name: seconds * 1e6 for name, seconds in _timed(asked, rounds).items()}
    for engine in engines:
        figures[f"size: quicker than {engine.name}"] = (
            microseconds[f"size: {engine.name}"] / microseconds["size: index"]
        )
    if engines:
        figures["facets: quicker than DuckDB"] = microseconds["facets: DuckDB"] / microseconds["facets: index"]
    figures["size: of the floor"] = microseconds["size: index"] / microseconds["size: floor"]
    return Measured(rows, microseconds, figures, disagreements)


class Floor:
    """One pass of AND over the bytes that filters name: two halves of them, into a third place half as large."""

    def __init__(self, index: BitmapIndex, documents: Sequence[Document]) -> None:
        """Take as many bytes as the bitmaps named would have, and the weights of the words."""
        words = sum(-(-block.rows // 512) * 8 for block in index.blocks)
        weights = sum(block.weights.units.nbytes for block in index.blocks if block.weights) // 8
        self._halves = [(sum(map(len, each.values())) * words + weights) // 2 for each in documents]
        most = max(self._halves)
        self._words = np.random.default_rng(0).integers(0, 2**63, 2 * most, dtype=np.uint64)
        self._out = np.zeros(most, dtype=np.uint64)
        self._pool = ThreadPoolExecutor(PROCESSORS)

    def pass_once(self, i: int) -> None:
        """Make the pass for filter i."""
        half = self._halves[i]
        if half < LARGE:
            np.bitwise_and(self._words[:half], self._words[half : 2 * half], self._out[:half])
            return
        ends = np.linspace(0, half, PROCESSORS + 1).astype(int)
        parts = [(slice(a, b), slice(half + a, half + b)) for a, b in pairwise(ends)]
        list(
            self._pool.map(
                lambda each: np.bitwise_and(self._words[each[0]], self._words[each[1]], self._out[each[0]]), parts
            )
        )


def _timed(asked: dict[str, Callable[[int], object]], rounds: int) -> dict[str, float]:
    """Return by name the median seconds over the filters of the medians over the rounds.

    In a round each is asked all filters, and those of microseconds once before without the clock: another engine has
    just had the caches, and the floor's bytes are in them too.
    """
    seconds: dict[str, list[list[float]]] = {name: [[] for _ in range(FILTERS)] for name in asked}
    few = {name for name, ask in asked.items() if _seconds(ask, 0) > SLOW}
    quick = {name: _seconds(ask, 0) < QUICK for name, ask in asked.items()}
    for number in range(rounds):
        for name, ask in asked.items():
            if name not in few:
                for i in range(FILTERS if quick[name] else 1):
                    ask(i)
            elif number:
                continue
            for i in range(FILTERS // 5 if name in few else FILTERS):
                seconds[name][i].append(_seconds(ask, i))
    return {name: median(median(each) for each in found if each) for name, found in seconds.items()}


def _seconds(ask: Callable[[int], object], i: int) -> float:
    begun = perf_counter()
    ask(i)
    return perf_counter() - begun


def _disagreements(
    index: BitmapIndex, filters: Sequence[Filter], documents: Sequence[Document], engines: Sequence[Engine]
) -> int:
    """Count the answers that are not the index's: sizes of all filters, facets of the first five."""
    wrong = 0
    sizes = index.sizes(filters)
    for engine in engines:
        checked = documents if index.rows < LARGE else documents[:10]
        wrong += sum(engine.size(document) != size for document, size in zip(checked, sizes, strict=False))
        if isinstance(engine, DuckDB):
            wrong += sum(engine.facets(documents[i]) != index.facets(filters[i]).facets for i in range(5))
    return wrong


def _panel(folder: Path, rows: int) -> tuple[Catalog, Path]:
    path = folder / f"panel-{rows}.parquet"
    if not path.exists() and rows >= HUGE:
        _repeat(_panel(folder, max(SIZES))[1], path, rows)
    elif not path.exists():
        generate(path, rows)
    return Catalog.from_json(path.with_suffix(".catalog.json").read_bytes()), path


def _repeat(panel: Path, path: Path, rows: int) -> None:
    """Write the rows of a panel over and over, each of them a person: quicker than to draw so many."""
    path.with_suffix(".catalog.json").write_text(json.dumps(panel_document()), "utf-8")
    part = path.with_suffix(".part")
    with parquet.ParquetFile(panel) as source:
        columns = [name for name in source.schema_arrow.names if name != "devices"]
        with parquet.ParquetWriter(part, source.schema_arrow.remove(len(columns))) as writer:
            left = rows
            while left:
                for batch in source.iter_batches(2**20, columns=columns):
                    writer.write_batch(batch.slice(0, left))
                    left -= min(left, batch.num_rows)
    part.rename(path)


def _built(folder: Path, rows: int) -> dict[str, float]:
    """Build the index in a process of its own, and return how long that takes and how much memory at its peak."""
    _panel(folder, rows)
    command = [sys.executable, "-m", "benchmarks.population", "--build", str(rows), "--folder", str(folder)]
    told = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    built: dict[str, float] = json.loads(told)
    return built


def _build(folder: Path, rows: int) -> int:
    import resource  # noqa: PLC0415  of Unix alone

    catalog, path = _panel(folder, rows)
    begun = perf_counter()
    BitmapIndex.build(catalog, path, path.with_suffix(".index"))
    took = perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({"build, seconds": took, "memory of the build, at its peak": peak}))
    return 0


def _plotted(folder: Path) -> str:
    """Draw how the cost grows with the rows, and with the values that are asked."""
    by_rows: dict[str, list[tuple[float, float]]] = {"size": [], "facets": []}
    for rows in PLOTTED:
        catalog, path = _panel(folder, rows)
        saved = path.with_suffix(".index")
        index = BitmapIndex.open(catalog, saved) if saved.exists() else BitmapIndex.build(catalog, path, saved)
        filters = [parse_filter(each, catalog) for each in dashboards_of_seven(FILTERS)]
        asked: dict[str, Callable[[int], object]] = {
            "size": lambda i, index=index, filters=filters: index.size(filters[i]),  # type: ignore[misc]
            "facets": lambda i, index=index, filters=filters: index.facets(filters[i]),  # type: ignore[misc]
        }
        for name, seconds in _timed(asked, 3).items():
            by_rows[name].append((rows, seconds * 1e3))
    catalog, path = _panel(folder, LARGE)
    index = BitmapIndex.open(catalog, path.with_suffix(".index"))
    cities = [value.id for value in catalog.dimension["city"].values]
    by_values = []
    rng = random.Random(0)
    for count in (1, 2, 4, 8, 16, 32, 52):
        chosen = [parse_filter({"city": rng.sample(cities, count)}, catalog) for _ in range(FILTERS)]
        seconds = _timed({"size": lambda i, chosen=chosen: index.size(chosen[i])}, 5)["size"]  # type: ignore[misc]
        by_values.append((count, seconds * 1e3))
    return svg(
        [
            plot("50 filters of seven dimensions", "rows", "ms", [*by_rows.items()]),
            plot(f"any of so many cities, {LARGE:,} rows", "values", "ms", [("size", by_values)], width_of(1)),
        ]
    )


def _shown(measured: Measured) -> str:
    lines = [f"{measured.rows:,} rows"]
    lines += [f"  {name:40} {value:14,.1f} us" for name, value in measured.microseconds.items()]
    targets = {target.measure: target for target in TARGETS if target.rows == measured.rows}
    for name, value in measured.figures.items():
        target = targets.get(name)
        told = ""
        if target:
            sign = ">=" if target.least else "<="
            told = f"target {sign} {target.value:g} {target.unit}: {'reached' if target.reached(value) else 'MISSED'}"
        lines.append(f"  {name:40} {value:14,.2f}    {told}".rstrip())
    lines.append("  all answers agree" if not measured.disagreements else f"  {measured.disagreements} ANSWERS DIFFER")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
