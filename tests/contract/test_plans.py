"""Queries stay fast as tables grow: within a company no table is read from end to end, whatever is asked."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Self

import psycopg
import pytest
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus
from psycopg.sql import SQL, Composed, Literal

from adapters.postgres import audit, presets, sessions, users
from adapters.postgres.statements import Statement
from adapters.postgres.work import _adapters
from segmentation_core.users import ALL_COMPANIES, Scope
from tests.contract.examples import NOON
from tests.postgres import VERSIONS, Database, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILL = """
    INSERT INTO companies (name, folded_name) SELECT n, n FROM generate_series(1, 100) AS n;
    INSERT INTO users (company_id, username, folded_username, role, first_name, folded_first_name, last_name,
            folded_last_name, dsp, active, password_hash, created)
        SELECT 1 + n % 100, n, n, 'User', 'first ' || n, 'first ' || n, 'last', 'last', false, true, '', now()
        FROM generate_series(1, 1000) AS n;
    INSERT INTO sessions (id, user_id, company_id, created, seen)
        SELECT 'session ' || n || id, id, company_id, now(), now() FROM users, generate_series(1, 10) AS n;
    INSERT INTO presets (company_id, owner_id, created_by_id, username, folded_username, name, folded_name, document,
            created, updated, version, catalog, fingerprint)
        SELECT users.company_id, users.id, users.id, username, username, 'preset ' || n, 'preset ' || n,
            json_build_object('filter', json_build_object('income', repeat('x', 300))),
            timestamptz '2026-01-01' + n * interval '1 second', now(), 1, 'demo', n % 5000
        FROM generate_series(1, 100000) AS n JOIN users ON users.id = 1 + n / 7 % 1000;
    INSERT INTO preset_versions SELECT id, 1, company_id, name, document, created, username FROM presets;
    INSERT INTO audit_heads (company_id, number, seal) SELECT id, 1000, repeat('0', 64) FROM companies;
    INSERT INTO audit_records (company_id, number, action, actor, subject, at, seal)
        SELECT 1 + n % 100, 1 + n / 100, 'did', 'user ' || n % 50, '',
            timestamptz '2026-01-01' + n * interval '1 second', repeat('0', 64)
        FROM generate_series(0, 99999) AS n;
"""

VALUES: dict[str, Any] = {
    "id": 4711, "ids": [4711, 4712, 4713], "user_id": 470, "scope": 8, "company_id": 8, "folded_username": "471",
    "owner": 470, "search": "preset 1", "role": "User", "active": True, "version": 1, "fingerprint": "17",
    "before": NOON - timedelta(days=9), "seen": NOON, "offset": 900, "limit": 20, "chain": 8, "after": 900,
    "action": "did", "actor": "user 7", "since": NOON - timedelta(days=1), "until": NOON + timedelta(days=9),
    "password_hash": "x", "newer": 1, "number": 9, "seal": "x", "changed_by": "x", "name": "x", "folded_name": "x",
    "created": NOON,
    "document": "{}", "updated": NOON, "catalog": "x", "dsp": True, "first_name": "x", "folded_first_name": "x",
    "last_name": "x", "folded_last_name": "x", "last_login": NOON,
}  # fmt: skip

SMALL = ("companies", "audit_heads", "preset_counts")
"""Tables of a row for each company."""

STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": statement
    for module in (users, sessions, presets, audit)
    for name, statement in vars(module).items()
    if isinstance(statement, Statement) and "{where}" in statement.text
}


@pytest.fixture(scope="module", params=VERSIONS)
def filled(request: pytest.FixtureRequest, server: Callable[[int], Server]) -> Iterator[Database]:
    running = server(request.param)
    database = running.database()
    with psycopg.connect(database.super_url, autocommit=True) as connection:
        connection.execute(FILL.encode())
        connection.execute("VACUUM ANALYZE")
    yield database
    running.drop(database)


class Asked:
    """One session of the service in a scope, which prepares statements as the pool's connections do, and explains them.

    A statement is prepared with the types that its values travel as; so a generic plan is one that knows no values.
    """

    def __init__(self, database: Database, scope: Scope, mode: str = "auto") -> None:
        self.scope = scope
        self._connection = psycopg.connect(database.app_url, context=_adapters())
        self._set("TimeZone", "UTC")
        self._set("plan_cache_mode", mode)
        if scope.company_id is None:
            self._connection.execute("SET LOCAL ROLE segmentation_all")
        else:
            self._set("segmentation.company_id", str(scope.company_id))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _set(self, name: str, value: str) -> None:
        self._connection.execute("SELECT set_config(%s, %s, true)", [name, value])

    def explained(self, statement: Statement, values: dict[str, Any], *, run: int = 0) -> dict[str, Any]:
        """Return the plan of a statement, having run it so often; the times it took are in `took`, in seconds."""
        values = values | {"scope": self.scope.company_id}
        sql = statement.sql(self.scope, values)
        given = [values[name] for name in dict.fromkeys(re.findall(r"%\((\w+)\)s", sql))]
        self._prepare(sql, given)
        execute = SQL("EXECUTE asked") + (
            SQL("(") + SQL(", ").join(map(Literal, given)) + SQL(")") if given else SQL("")
        )
        took = []
        for _ in range(run):
            plan = self._plan(SQL("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ") + execute)
            took.append((plan["Planning Time"] + plan["Execution Time"]) / 1_000)
        plan = self._plan(SQL("EXPLAIN (FORMAT JSON) ") + execute)
        self._connection.execute("DEALLOCATE asked")
        return {**plan["Plan"], "took": took}

    def rows(self, statement: Statement, values: dict[str, Any]) -> list[Any]:
        """Return the first column of what a statement finds."""
        values = values | {"scope": self.scope.company_id}
        found = self._connection.execute(statement.sql(self.scope, values).encode(), values).fetchall()
        return [row[0] for row in found]

    def _plan(self, explain: Composed) -> dict[str, Any]:
        (plan,) = self._connection.execute(explain).fetchall()[0][0]
        return dict(plan)

    def _prepare(self, sql: str, given: list[Any]) -> None:
        numbers = count(1)
        numbered: dict[str, str] = defaultdict(lambda: f"${next(numbers)}")
        types = Transformer.from_context(self._connection)
        types.dump_sequence(given, [PyFormat.AUTO] * len(given))
        text = re.sub(r"%\((\w+)\)s", lambda found: numbered[found[1]], sql)
        prepared = self._connection.pgconn.prepare(b"asked", text.encode(), types.types)
        assert prepared.status == ExecStatus.COMMAND_OK, prepared.error_message


def parts(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(part for below in plan.get("Plans", ()) for part in parts(below))]


def test_a_generic_plan_is_one_that_knows_no_values(filled: Database) -> None:
    conditions = {}
    for mode in ("force_custom_plan", "force_generic_plan"):
        with Asked(filled, Scope(8), mode) as asked:
            plan = asked.explained(presets.BY_ID, VALUES)
            conditions[mode] = " ".join(str(part.get("Index Cond")) for part in parts(plan))
    assert "$1" in conditions["force_generic_plan"]
    assert "4711" in conditions["force_custom_plan"]
    assert "$" not in conditions["force_custom_plan"]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_within_a_company_no_large_table_is_read_from_end_to_end(filled: Database, mode: str) -> None:
    assert len(STATEMENTS) > 30
    read = []
    with Asked(filled, Scope(8), mode) as asked:
        for name, statement in STATEMENTS.items():
            optional: list[dict[str, Any]] = [{}, dict.fromkeys(statement.given)]
            optional += [dict.fromkeys(set(statement.given) - {one}) for one in statement.given]
            for absent in optional:
                of_session = {"id": "session 1470", "ids": ["session 1470"]} if name.startswith("sessions") else {}
                values = VALUES | absent | of_session
                read += [
                    (name, part["Relation Name"], absent)
                    for part in parts(asked.explained(statement, values))
                    if part["Node Type"] == "Seq Scan" and part["Relation Name"] not in SMALL
                ]
    assert not read


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_pages_are_passed_over_and_counted_in_an_index_alone(filled: Database, mode: str) -> None:
    with Asked(filled, Scope(8), mode) as asked:
        for statement in (presets.PAGE, presets.COUNT, audit.PAGE, audit.COUNT):
            for owner in (None, 470):
                plan = asked.explained(statement, VALUES | {"owner": owner})
                scans = {part["Node Type"] for part in parts(plan) if "Relation Name" in part}
                assert scans == {"Index Only Scan"}, (statement.text, owner)


NOTHING_ASKED = dict.fromkeys(("owner", "search", "role", "active", "action", "actor", "since", "until"))
QUESTIONS: dict[str, tuple[tuple[Statement, ...], dict[str, Any]]] = {
    "presets": ((presets.PAGE_OF_ALL,), {}),
    "presets of one": ((presets.COUNTED_PAGE,), {"owner": 470}),
    "search": ((presets.COUNTED_PAGE,), {"search": "set 1"}),
    "users": ((users.PAGE, users.COUNT), {"search": "i"}),
    "audit": ((audit.PAGE, audit.BY_IDS, audit.COUNT), {}),
    "audit of an actor": ((audit.PAGE, audit.BY_IDS, audit.COUNT), {"action": "did", "actor": "user 8"}),
    "session": ((sessions.FIND,), {}),
}
"""What the API asks for a page, a search and a count, in the words of the stores."""


def median_of(asked: Asked, statements: tuple[Statement, ...], values: dict[str, Any]) -> float:
    """Return how long the statements take together, in seconds, as the server says."""
    took: list[list[float]] = [asked.explained(statement, values, run=9)["took"] for statement in statements]
    return statistics.median(map(sum, zip(*took, strict=True)))


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan"])
@pytest.mark.parametrize(
    ("scope", "farthest", "allowed"), [(Scope(8), 980, 0.01), (ALL_COMPANIES, 99_980, 0.1)], ids=["company", "all"]
)
def test_pages_searches_and_counts_are_quick_at_the_database_however_far(
    filled: Database, scope: Scope, farthest: int, allowed: float, mode: str
) -> None:
    """The issue's bounds: 10 ms within a company and 100 ms over all, as medians of what the server says it took."""
    slow = []
    with Asked(filled, scope, mode) as asked:
        for name, (statements, given) in QUESTIONS.items():
            for offset in (0, farthest):
                values = VALUES | NOTHING_ASKED | given | {"offset": offset, "limit": 20}
                values["ids"] = asked.rows(statements[0], values) if len(statements) == 3 else ["session 1470"]
                medians = (median_of(asked, statements, values) for _ in range(5))
                # Again where it was slow: what else the machine did meanwhile is not the database's.
                if not any(median < allowed for median in medians):
                    slow.append((name, offset))
    assert not slow
