"""The command `segmentation`.

Results go to stdout, with `--json` one document a line and nothing else; what people should know goes to stderr. Exit 0
means done, 1 that the input was at fault (the path and place are told), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from adapters.profiles import load, shipped
from segmentation_core import __version__
from segmentation_core.catalog import Catalog
from segmentation_core.documents import parse_json
from segmentation_core.errors import InputError, Problem, SegmentationError, one_of
from segmentation_core.filters import parse_filter
from segmentation_core.planning import explain, plan_audience
from segmentation_core.planning.profiles import INCLUDE_EXCLUDE, Profile
from segmentation_core.planning.text import plan_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from segmentation_core.filters import Filter

DONE, AT_FAULT, WRONG_USAGE = 0, 1, 2

_MOST_WORKERS = 64

_DATA = "population: CSV, Parquet, or an index that `population build` has made"
_QUESTIONS = {
    "size": "how many people a filter means",
    "facets": "for every value, how many people it would mean if it were chosen instead",
    "profile": "for every value, its share of the audience and of the population",
    "overlap": "how all the filters overlap, as one question",
    "impact": "what each condition of a filter costs",
}


class _UnreadableFile(InputError):
    subject = "file"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        status = int(options.run(options))
        sys.stdout.flush()
    except SegmentationError as fault:
        _tell(fault, as_json=getattr(options, "json", False))
        return AT_FAULT
    except ModuleNotFoundError as missing:
        print(f"segmentation: {_extra_for(missing)}", file=sys.stderr)
        return WRONG_USAGE
    except BrokenPipeError:
        sys.stderr.close()
        return AT_FAULT
    except OSError as fault:
        print(f"segmentation: cannot write: {fault.strerror}", file=sys.stderr)
        sys.stdout = io.StringIO()
        return AT_FAULT
    except KeyboardInterrupt:
        return 130
    else:
        return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="segmentation", description="Exact audiences and the lists that say them.")
    parser.add_argument("--version", action="version", version=f"segmentation {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    serve = _command(commands, "serve", _serve, "serve the HTTP API")
    serve.add_argument("--demo", action="store_true", help="with demo accounts, and the demo population by default")
    serve.add_argument("--catalog", type=Path, metavar="FILE", help="catalogue file; goes with --data")
    serve.add_argument("--data", type=Path, metavar="FILE", help=f"{_DATA}; goes with --catalog")
    serve.add_argument("--host", default="127.0.0.1", metavar="H")
    serve.add_argument("--port", type=_port, default=8000, metavar="P")
    serve.add_argument("--workers", type=int, default=1, metavar="N", help="processes; SIGHUP renews them one by one")
    serve.set_defaults(usage=serve.error)

    plan = _command(commands, "plan", _plan, "the lists to include and to exclude that mean exactly a filter")
    _add_questions(plan)
    plan.add_argument(
        "--profile",
        type=_profile_name,
        default=INCLUDE_EXCLUDE.id,
        metavar="ID|FILE.json",
        help=f"what the platform takes: {', '.join(shipped())}, or a file (default: %(default)s)",
    )
    plan.add_argument("--explain", action="store_true", help="say of each list why it is there")

    _add_populations(commands)
    catalog = commands.add_parser("catalog", help="work on a catalogue file").add_subparsers(
        metavar="COMMAND", required=True
    )
    check = _command(catalog, "check", _check, "check a catalogue file, and data against it")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument("--data", type=Path, metavar="FILE", help=_DATA)
    check.add_argument("--json", action="store_true", help="one JSON document on stdout")
    infer = _command(catalog, "infer", _infer, "write a catalogue from data, to be edited")
    infer.add_argument("source", type=Path, metavar="DATA", help="CSV or Parquet")
    infer.add_argument("--json", action="store_true", help="the document on one line")
    _add_administration(commands)
    _add_config(commands)
    return parser


def _add_populations(commands: Any) -> None:  # noqa: ANN401  argparse does not name the type
    for question, summary in _QUESTIONS.items():
        asked = _command(commands, question, partial(_ask, question), summary)
        _add_questions(asked)
        asked.add_argument("--data", type=Path, required=True, metavar="FILE", help=_DATA)
    population = commands.add_parser("population", help="make populations").add_subparsers(
        metavar="COMMAND", required=True
    )
    build = _command(population, "build", _build, "read data into an index, which opens at once")
    build.add_argument("source", type=Path, metavar="DATA", help="CSV or Parquet")
    build.add_argument("--catalog", type=Path, required=True, metavar="FILE", help="catalogue file")
    build.add_argument("--out", type=Path, required=True, metavar="INDEX", help="replaced as a whole or not at all")
    build.add_argument("--json", action="store_true", help="one JSON document on stdout")
    generate = _command(population, "generate", _generate, "make a national panel of any size, and its catalogue")
    generate.add_argument("--rows", type=_count, required=True, metavar="N")
    generate.add_argument("--out", type=Path, required=True, metavar="FILE", help=".csv or .parquet")
    generate.add_argument("--unweighted", action="store_true", help="each row is one person")
    generate.add_argument("--seed", type=_count, default=2026, metavar="N", help="other rows (default: %(default)s)")
    generate.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_administration(commands: Any) -> None:  # noqa: ANN401  argparse does not name the type
    """Add the commands of an operator. What runs them is imported when it is: they need the extras of the server."""

    def group(name: str, summary: str) -> Any:  # noqa: ANN401
        return commands.add_parser(name, help=summary, description=summary).add_subparsers(
            metavar="COMMAND", required=True
        )

    def command(of: Any, name: str, run: str, summary: str) -> argparse.ArgumentParser:  # noqa: ANN401
        added = _command(of, name, partial(_administer, run), summary)
        added.add_argument("--json", action="store_true", help="one JSON document on stdout")
        return added

    database = group("db", "the database: of SEGMENTATION_DATABASE_URL, or the embedded one")
    command(database, "migrate", "db_migrate", "apply what is missing of the schema")
    command(database, "status", "db_status", "which database it is, and how far its schema is")
    command(database, "stop", "db_stop", "stop the embedded server")
    command(database, "reset", "db_reset", "delete the embedded database with all that is in it")

    users = group("users", "accounts, from the machine itself; passwords are read from stdin")
    create = command(users, "create", "users_create", "make an account")
    create.add_argument("--username", required=True, metavar="U")
    create.add_argument("--role", required=True, choices=("SuperAdmin", "Admin", "Manager", "User"))
    create.add_argument("--company", metavar="C", help="made if need be; for all but a SuperAdmin")
    create.add_argument("--dsp", action="store_true", help="sizes only, no lists")
    password = command(users, "set-password", "users_set_password", "set a password, and end the account's sessions")
    password.add_argument("username", metavar="U")

    audit = group("audit", "the audit trail")
    verify = command(audit, "verify", "audit_verify", "whether the trail is whole; --json prints its ends")
    verify.add_argument("--head", type=Path, metavar="FILE", help="ends that were printed before, to find a cut tail")


def _add_config(commands: Any) -> None:  # noqa: ANN401  argparse does not name the type
    config = commands.add_parser("config", help="what the service is told").add_subparsers(
        metavar="COMMAND", required=True
    )
    show = _command(config, "show", _config_show, "every setting, and where it is from; secrets are hidden")
    show.add_argument("--json", action="store_true", help="one JSON document on stdout")
    _command(config, "example", _config_example, "the text of .env.example")


def _config_show(options: argparse.Namespace) -> int:
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


def _config_example(_: argparse.Namespace) -> int:
    from entrypoints import environment  # noqa: PLC0415  the extras of the server

    sys.stdout.write(environment.example())
    return DONE


def _gather_settings() -> None:
    """Put settings of `.env` and of files into the environment, where everything reads them."""
    from entrypoints.environment import gathered  # noqa: PLC0415  the extras of the server

    os.environ.update({one.variable.name: one.value for one in gathered(os.environ) if one.source})


def _administer(name: str, options: argparse.Namespace) -> int:
    from entrypoints import administration  # noqa: PLC0415  the extras of the server

    _gather_settings()
    _end_in_order()
    document, words, *whole = getattr(administration, name)(options)
    _print_json(document) if options.json else print(words)
    return DONE if all(whole) else AT_FAULT


def _command(
    commands: Any,  # noqa: ANN401  argparse does not name the type
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(run=run)
    return command


def _add_questions(command: argparse.ArgumentParser) -> None:
    command.add_argument("--catalog", type=Path, required=True, metavar="FILE", help="catalogue file")
    asked = command.add_mutually_exclusive_group(required=True)
    asked.add_argument("--filter", metavar="JSON", help="one filter")
    asked.add_argument("--filters", type=Path, metavar="FILE.jsonl", help="one filter a line; - reads stdin")
    command.add_argument("--json", action="store_true", help="one JSON document a line on stdout")


def _profile_name(text: str) -> str:
    if not text.endswith(".json") and text not in shipped():
        msg = f"there is no profile {text!r}; expected a file, or {one_of(text, shipped())}"
        raise argparse.ArgumentTypeError(msg)
    return text


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:  # noqa: PLR2004
        msg = f"{text!r} is not a port (0 to 65535)"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 12:  # noqa: PLR2004
        msg = f"{text!r} is not a number of rows"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _end_in_order() -> None:
    """Let a SIGTERM unwind what has begun, so that an embedded database is let go of before we serve, too."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _serve(options: argparse.Namespace) -> int:
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


def _plan(options: argparse.Namespace) -> int:
    catalog = _catalog(options.catalog)
    profile = _profile(options.profile)

    def answer(wanted: Filter) -> tuple[object, str]:
        plan = plan_audience(wanted, catalog, profile=profile)
        whys = explain(plan.clauses, catalog) if options.explain else ()
        return ({"plan": plan, "explanation": whys} if options.explain else plan), plan_text(plan, whys)

    return _answer_each(options, catalog, answer)


def _ask(question: str, options: argparse.Namespace) -> int:
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


def _build(options: argparse.Namespace) -> int:
    from entrypoints import populations  # noqa: PLC0415  numpy

    document, words = populations.build(_catalog(options.catalog), options)
    _print_json(document) if options.json else print(words)
    return DONE


def _generate(options: argparse.Namespace) -> int:
    from entrypoints import populations  # noqa: PLC0415  numpy

    document, words = populations.generate(options)
    _print_json(document) if options.json else print(words)
    return DONE


def _infer(options: argparse.Namespace) -> int:
    from entrypoints import populations  # noqa: PLC0415  numpy

    document, notes = populations.inferred(options)
    _print_json(document) if options.json else print(json.dumps(document, ensure_ascii=False, indent=2))
    for note in notes:
        print(note, file=sys.stderr)
    return DONE


def _check(options: argparse.Namespace) -> int:
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
            _tell(fault, as_json=options.json, place=place)
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


def _tell(fault: SegmentationError, *, as_json: bool, place: str | None = None) -> None:
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


def _extra_for(missing: ModuleNotFoundError) -> str:
    extras = {"numpy": "population", "pyarrow": "population", "sentry_sdk": "sentry"}
    extra = extras.get(missing.name or "", "server")
    return f"{missing.name} is not installed; pip install 'segmentation-core[{extra}]'"
