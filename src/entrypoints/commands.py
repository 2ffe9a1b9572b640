"""What the commands do: each takes its options and returns the exit status."""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from adapters.profiles import load
from segmentation_core.catalog import Catalog
from segmentation_core.documents import parse_json
from segmentation_core.errors import InputError, Problem, SegmentationError
from segmentation_core.filters import parse_filter
from segmentation_core.planning import explain, plan_audience
from segmentation_core.planning.profiles import Profile
from segmentation_core.planning.text import plan_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from segmentation_core.filters import Filter

DONE, AT_FAULT, WRONG_USAGE = 0, 1, 2

_MOST_WORKERS = 64


class _UnreadableFile(InputError):
    subject = "file"


def config_show(options: argparse.Namespace) -> int:
    """Print every setting, and where it is from. Raises SettingsError, after that, for one that cannot be."""
    from entrypoints import environment  # noqa: PLC0415  the extras of the server
    from entrypoints.settings import Settings  # noqa: PLC0415

    found = environment.gathered(os.environ)
    told = [
        {"name": one.variable.name, "value": one.shown, "source": one.source or "default", "says": one.variable.says}
        for one in found
    ]
    if options.json:
        _print_json({"settings": told, "unknown": environment.unknown(os.environ)})
    else:
        for one in told:
            print(f"{one['name']:<34} {one['value'] or '-'}  ({one['source']})")
    for name in environment.unknown(os.environ):
        print(f"{name} is no setting", file=sys.stderr)
    Settings.of({one.variable.name: one.value for one in found if one.source})
    return DONE


def config_example(_: argparse.Namespace) -> int:
    """Print the text of `.env.example`."""
    from entrypoints import environment  # noqa: PLC0415  the extras of the server

    sys.stdout.write(environment.example())
    return DONE


def _gather_settings() -> None:
    """Put settings of `.env` and of files into the environment, where everything reads them."""
    from entrypoints.environment import gathered  # noqa: PLC0415  the extras of the server

    os.environ.update({one.variable.name: one.value for one in gathered(os.environ) if one.source})


def administer(name: str, options: argparse.Namespace) -> int:
    """Run a command of an operator, which `administration` has under this name."""
    from entrypoints import administration  # noqa: PLC0415  the extras of the server

    _gather_settings()
    _end_in_order()
    document, words, *whole = getattr(administration, name)(options)
    _print_json(document) if options.json else print(words)
    return DONE if all(whole) else AT_FAULT


def _end_in_order() -> None:
    """Let a SIGTERM unwind what has begun, so that an embedded database is let go of before we serve, too."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def serve(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    if (options.catalog is None) != (options.data is None):
        options.usage("--catalog and --data go together")
    if not options.demo and options.catalog is None:
        options.usage("what is to be served? --demo, or --catalog and --data")
    if not 1 <= options.workers <= _MOST_WORKERS:
        options.usage(f"--workers: 1 to {_MOST_WORKERS}")
    from entrypoints import demo  # noqa: PLC0415  the extras of the server, which the other commands do without
    from entrypoints.serve import serve  # noqa: PLC0415

    _gather_settings()
    _end_in_order()
    serve(
        partial(_catalog, options.catalog or demo.CATALOG),
        options.data or demo.CUSTOMERS,
        host=options.host,
        port=options.port,
        with_demo=options.demo,
        workers=options.workers,
    )
    return DONE


def plan(options: argparse.Namespace) -> int:
    """Print the plan of every filter."""
    catalog = _catalog(options.catalog)
    profile = _profile(options.profile)

    def answer(wanted: Filter) -> tuple[object, str]:
        plan = plan_audience(wanted, catalog, profile=profile)
        whys = explain(plan.clauses, catalog) if options.explain else ()
        return ({"plan": plan, "explanation": whys} if options.explain else plan), plan_text(plan, whys)

    return _answer_each(options, catalog, answer)


def ask(question: str, options: argparse.Namespace) -> int:
    """Print the answer to one question about every filter, or to `overlap` about all of them."""
    from entrypoints import populations  # noqa: PLC0415  numpy, which planning does without

    catalog = _catalog(options.catalog)
    index, _ = populations.load(catalog, options)
    if question != "overlap":
        return _answer_each(options, catalog, lambda wanted: populations.answer(question, index, wanted))
    read: list[Filter] = []

    def keep(wanted: Filter) -> None:
        read.append(wanted)

    if _answer_each(options, catalog, keep) == AT_FAULT:
        return AT_FAULT
    document, words = populations.overlap(index, read)
    _print_json(document) if options.json else print(words)
    return DONE


def build(options: argparse.Namespace) -> int:
    """Read data into a saved index, and print what was read."""
    from entrypoints import populations  # noqa: PLC0415  numpy

    document, words = populations.build(_catalog(options.catalog), options)
    _print_json(document) if options.json else print(words)
    return DONE


def generate(options: argparse.Namespace) -> int:
    """Write a panel and its catalogue, and print what was written."""
    from entrypoints import populations  # noqa: PLC0415  numpy

    document, words = populations.generate(options)
    _print_json(document) if options.json else print(words)
    return DONE


def infer(options: argparse.Namespace) -> int:
    """Print a catalogue that was made from data; what is doubtful in it goes to stderr."""
    from entrypoints import populations  # noqa: PLC0415  numpy

    document, notes = populations.inferred(options)
    _print_json(document) if options.json else print(json.dumps(document, ensure_ascii=False, indent=2))
    for note in notes:
        print(note, file=sys.stderr)
    return DONE


def check(options: argparse.Namespace) -> int:
    """Print what a catalogue has, and how data reads against it; warnings go to stderr."""
    catalog = _catalog(options.file)
    found: dict[str, Any] = {
        "name": catalog.name,
        "version": catalog.version,
        "dimensions": len(catalog.dimensions),
        "values": sum(len(dimension.values) for dimension in catalog.dimensions),
        "segments": len(catalog.segments),
        "warnings": catalog.warnings,
    }
    words = ""
    if options.data:
        from entrypoints import populations  # noqa: PLC0415  numpy

        read, words = populations.check(catalog, options)
        found |= read
    if options.json:
        _print_json(found)
        return DONE
    counts = ", ".join(f"{found[key]:,} {key}" for key in ("dimensions", "values", "segments"))
    print(f"{catalog.name} {catalog.version} is in order: {counts}.")
    if words:
        print(words)
    for warning in catalog.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return DONE


def _answer_each(
    options: argparse.Namespace, catalog: Catalog, answer: Callable[[Filter], tuple[object, str] | None]
) -> int:
    """Answer every filter; one at fault is told on its line, and the rest go on. None is an answer that comes later."""
    status = DONE
    for place, text in _questions(options):
        try:
            answered = answer(parse_filter(parse_json(text), catalog))
        except SegmentationError as fault:
            tell(fault, as_json=options.json, place=place)
            status = AT_FAULT
        else:
            if answered is not None:
                _print_json(answered[0]) if options.json else print(answered[1])
    return status


def _questions(options: argparse.Namespace) -> Iterator[tuple[str, bytes]]:
    if options.filter is not None:
        yield "--filter", options.filter.encode(errors="surrogateescape")
        return
    if str(options.filters) == "-" and sys.stdin is None:
        raise _UnreadableFile(Problem("stdin", "is closed"))
    if str(options.filters) == "-":
        try:
            for number, line in enumerate(sys.stdin.buffer, 1):
                yield f"stdin, line {number}", line
        except OSError as fault:
            raise _UnreadableFile(Problem("stdin", f"cannot be read: {fault.strerror}")) from fault
        return
    lines = _bytes_of(options.filters).splitlines()
    yield from ((f"{options.filters}, line {number}", line) for number, line in enumerate(lines, 1))


def _catalog(path: Path) -> Catalog:
    try:
        return Catalog.from_json(_bytes_of(path))
    except _UnreadableFile:
        raise
    except InputError as fault:
        fault.place = str(path)
        raise


def _profile(asked: str) -> Profile:
    if not asked.endswith(".json"):
        return load(asked)
    try:
        return Profile.from_json(_bytes_of(Path(asked)))
    except _UnreadableFile:
        raise
    except InputError as fault:
        fault.place = asked
        raise


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise _UnreadableFile(Problem(str(path), f"cannot be read: {fault.strerror}")) from fault


def tell(fault: SegmentationError, *, as_json: bool, place: str | None = None) -> None:
    """Say what was at fault, and where: on stderr, or as a JSON document on stdout."""
    problems = fault.problems if isinstance(fault, InputError) else ()
    place = fault.place if isinstance(fault, InputError) and fault.place else place
    where = f"{place}: " if place else ""
    if as_json:
        _print_json({"error": f"{where}{fault}", "errors": problems})
        return
    if not problems:
        print(f"{where}{fault}", file=sys.stderr)
    for problem in problems:
        print(f"{where}{problem}", file=sys.stderr)
    if isinstance(fault, InputError) and fault.unlisted:
        print(f"{where}and {fault.unlisted} more", file=sys.stderr)


def _print_json(document: object) -> None:
    """Print one line of JSON; half a character, as a file's name may have, is printed as its escape."""
    text = json.dumps(msgspec.to_builtins(document), ensure_ascii=False, separators=(",", ":"))
    sys.stdout.write(f"{text}\n")
