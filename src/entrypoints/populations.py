"""The commands that read, make and ask populations. They need the extra `population`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec

from adapters.population import BitmapIndex
from adapters.population.inferring import infer
from adapters.population.saved import is_saved, verify
from adapters.population.tables import Reading
from segmentation_core.filters import parse_filter

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter

_BAR = 30
_REDRAWN = 0.1
"""Seconds between two states of a progress bar."""


class Progress:
    """A bar on stderr, where that is a terminal; nothing where it is not."""

    def __init__(self, verb: str, whole: int | None = None) -> None:
        """Take the word before the bar, and the number of rows there will be, if it is known."""
        self._verb = verb
        self._whole = whole
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        self._next = 0.0

    def __call__(self, rows: int, share: float | None = None) -> None:
        """Show how far it is."""
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + _REDRAWN
            part = rows / self._whole if self._whole else share
            filled = int(min(part or 0, 1) * _BAR)
            bar = "" if part is None else f" [{'#' * filled}{'.' * (_BAR - filled)}] {min(part, 1):4.0%}"
            sys.stderr.write(f"\r{self._verb}{bar} {rows:,} rows\033[K")
            sys.stderr.flush()

    def end(self) -> None:
        """Wipe the bar away."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def load(catalog: Catalog, options: argparse.Namespace) -> tuple[BitmapIndex, Reading]:
    """Load what `--data` names, with a progress bar."""
    progress = Progress(f"reading {options.data}")
    reading = Reading(progress)
    try:
        return BitmapIndex.load(catalog, options.data, reading), reading
    finally:
        progress.end()


def build(catalog: Catalog, options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Read a table into a saved index, and report what was read."""
    progress = Progress(f"reading {options.source}")
    reading = Reading(progress)
    try:
        index = BitmapIndex.build(catalog, options.source, options.out, reading)
    finally:
        progress.end()
    found = report(index, reading) | {"index": str(options.out), "bytes": options.out.stat().st_size}
    return found, f"{words_of(found, catalog)}\n{options.out}: {found['bytes']:,} bytes"


def generate(options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Write a population of any size, and its catalogue beside it."""
    from adapters.population.generated import generate as write  # noqa: PLC0415  pyarrow, which CSV does without

    progress = Progress(f"writing {options.out}", options.rows)
    try:
        beside = write(options.out, options.rows, weighted=not options.unweighted, seed=options.seed, watch=progress)
    finally:
        progress.end()
    found = {"rows": options.rows, "data": str(options.out), "catalog": str(beside)}
    return found, f"{options.rows:,} rows in {options.out}; their catalogue is {beside}"


def check(catalog: Catalog, options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Read data against a catalogue; all of it, where it is a saved index."""
    index, reading = load(catalog, options)
    if is_saved(options.data):
        verify(options.data)
        reading = Reading(rows=index.rows, size=index.size(parse_filter({}, catalog)))
    found = report(index, reading)
    return found, words_of(found, catalog)


def report(index: BitmapIndex, reading: Reading) -> dict[str, Any]:
    """Say what was read: rows, their size, whom nobody is, what the values for the rest took, and what was not read."""
    everyone = index.facets(parse_filter({}, index.catalog)).facets
    unheld = {name: [value for value, size in sizes.items() if not size] for name, sizes in everyone.items()}
    return {
        "rows": reading.rows,
        "size": reading.size,
        "unheld": {name: values for name, values in unheld.items() if values},
        "rest": reading.rest,
        "unread": list(reading.unread),
    }


def words_of(found: dict[str, Any], catalog: Catalog) -> str:
    """Say the same in sentences."""
    unit = f" {catalog.weight.unit}s" if catalog.weight else " people"
    lines = [f"{found['rows']:,} rows, {found['size']:,}{unit}."]
    lines += [f"Nobody has {', '.join(values)} of {name!r}." for name, values in found["unheld"].items()]
    lines += [f"The value for the rest of {name!r} took {rows:,} rows." for name, rows in found["rest"].items()]
    if found["unread"]:
        lines.append(f"Columns that the catalogue does not read: {', '.join(found['unread'])}.")
    return "\n".join(lines)


def inferred(options: argparse.Namespace) -> tuple[dict[str, Any], Sequence[str]]:
    """Return a catalogue's document for a table, and what was left out."""
    return infer(options.source, options.source.stem)


def answer(question: str, index: BitmapIndex, wanted: Filter) -> tuple[object, str]:
    """Return what a population answers to one filter, as a document and in words."""
    found = getattr(index, question)(wanted)
    if question == "size":
        return {"size": found}, f"{found:,}"
    lines = [f"{found.size:,}"]
    if question == "facets":
        lines += [f"{name}: {value} {size:,}" for name, sizes in found.facets.items() for value, size in sizes.items()]
    elif question == "profile":
        lines += [
            f"{name}: {value} {each.size:,}, index {'-' if each.index is None else round(each.index)}"
            for name, values in found.profile.items()
            for value, each in values.items()
        ]
    else:
        lines += [
            f"without condition {each.position + 1} ({', '.join(each.dimensions) or 'of nothing'}): {each.without:,}"
            for each in found.conditions
        ]
    return msgspec.to_builtins(found), "\n".join(lines)


def overlap(index: BitmapIndex, wanted: Sequence[Filter]) -> tuple[object, str]:
    """Return how filters overlap, as a document and in words."""
    found = index.overlap(wanted)
    lines = [f"in any: {found.union:,}"]
    lines += [
        f"in {' and '.join(str(position + 1) for position in each.filters)}: {each.size:,}, in no other: {each.only:,}"
        for each in found.intersections
    ]
    return msgspec.to_builtins(found), "\n".join(lines)
