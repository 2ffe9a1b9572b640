"""What can be said on the command line: the commands, and what each takes."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.profiles import shipped
from entrypoints import commands
from segmentation_core import __version__
from segmentation_core.errors import one_of
from segmentation_core.planning.profiles import INCLUDE_EXCLUDE

if TYPE_CHECKING:
    from collections.abc import Callable

_DATA = "population: CSV, Parquet, or an index that `population build` has made"
_QUESTIONS = {
    "size": "how many people a filter means",
    "facets": "for every value, how many people it would mean if it were chosen instead",
    "profile": "for every value, its share of the audience and of the population",
    "overlap": "how all the filters overlap, as one question",
    "impact": "what each condition of a filter costs",
}


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line; `run` of what it returns is what runs the command."""
    parser = argparse.ArgumentParser(prog="segmentation", description="Exact audiences and the lists that say them.")
    parser.add_argument("--version", action="version", version=f"segmentation {__version__}")
    groups = parser.add_subparsers(metavar="COMMAND", required=True)

    serve = _command(groups, "serve", commands.serve, "serve the HTTP API")
    serve.add_argument("--demo", action="store_true", help="with demo accounts, and the demo population by default")
    serve.add_argument("--catalog", type=Path, metavar="FILE", help="catalogue file; goes with --data")
    serve.add_argument("--data", type=Path, metavar="FILE", help=f"{_DATA}; goes with --catalog")
    serve.add_argument("--host", default="127.0.0.1", metavar="H")
    serve.add_argument("--port", type=_port, default=8000, metavar="P")
    serve.add_argument("--workers", type=int, default=1, metavar="N", help="processes; SIGHUP renews them one by one")
    serve.set_defaults(usage=serve.error)

    plan = _command(groups, "plan", commands.plan, "the lists to include and to exclude that mean exactly a filter")
    _add_questions(plan)
    plan.add_argument(
        "--profile",
        type=_profile_name,
        default=INCLUDE_EXCLUDE.id,
        metavar="ID|FILE.json",
        help=f"what the platform takes: {', '.join(shipped())}, or a file (default: %(default)s)",
    )
    plan.add_argument("--explain", action="store_true", help="say of each list why it is there")

    _add_populations(groups)
    catalog = groups.add_parser("catalog", help="work on a catalogue file").add_subparsers(
        metavar="COMMAND", required=True
    )
    check = _command(catalog, "check", commands.check, "check a catalogue file, and data against it")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument("--data", type=Path, metavar="FILE", help=_DATA)
    check.add_argument("--json", action="store_true", help="one JSON document on stdout")
    infer = _command(catalog, "infer", commands.infer, "write a catalogue from data, to be edited")
    infer.add_argument("source", type=Path, metavar="DATA", help="CSV or Parquet")
    infer.add_argument("--json", action="store_true", help="the document on one line")
    _add_administration(groups)
    _add_config(groups)
    return parser


def _add_populations(groups: Any) -> None:  # noqa: ANN401  argparse does not name the type
    for question, summary in _QUESTIONS.items():
        asked = _command(groups, question, partial(commands.ask, question), summary)
        _add_questions(asked)
        asked.add_argument("--data", type=Path, required=True, metavar="FILE", help=_DATA)
    population = groups.add_parser("population", help="make populations").add_subparsers(
        metavar="COMMAND", required=True
    )
    build = _command(population, "build", commands.build, "read data into an index, which opens at once")
    build.add_argument("source", type=Path, metavar="DATA", help="CSV or Parquet")
    build.add_argument("--catalog", type=Path, required=True, metavar="FILE", help="catalogue file")
    build.add_argument("--out", type=Path, required=True, metavar="INDEX", help="replaced as a whole or not at all")
    build.add_argument("--json", action="store_true", help="one JSON document on stdout")
    generate = _command(
        population, "generate", commands.generate, "make a national panel of any size, and its catalogue"
    )
    generate.add_argument("--rows", type=_count, required=True, metavar="N")
    generate.add_argument("--out", type=Path, required=True, metavar="FILE", help=".csv or .parquet")
    generate.add_argument("--unweighted", action="store_true", help="each row is one person")
    generate.add_argument("--seed", type=_count, default=2026, metavar="N", help="other rows (default: %(default)s)")
    generate.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_administration(groups: Any) -> None:  # noqa: ANN401  argparse does not name the type
    """Add the groups of an operator. What runs them is imported when it is: they need the extras of the server."""

    def group(name: str, summary: str) -> Any:  # noqa: ANN401
        return groups.add_parser(name, help=summary, description=summary).add_subparsers(
            metavar="COMMAND", required=True
        )

    def command(of: Any, name: str, run: str, summary: str) -> argparse.ArgumentParser:  # noqa: ANN401
        added = _command(of, name, partial(commands.administer, run), summary)
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


def _add_config(groups: Any) -> None:  # noqa: ANN401  argparse does not name the type
    config = groups.add_parser("config", help="what the service is told").add_subparsers(
        metavar="COMMAND", required=True
    )
    show = _command(config, "show", commands.config_show, "every setting, and where it is from; secrets are hidden")
    show.add_argument("--json", action="store_true", help="one JSON document on stdout")
    _command(config, "example", commands.config_example, "the text of .env.example")


def _command(
    groups: Any,  # noqa: ANN401  argparse does not name the type
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = groups.add_parser(name, help=summary, description=summary)
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
