"""Queries stay fast as tables grow: within a company no table is read from end to end, whatever is asked."""

from __future__ import annotations

import statistics
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from adapters.postgres import PostgresWork, audit, presets, sessions, users
from adapters.postgres.statements import Statement
from segmentation_core.audit import AuditQuery
from segmentation_core.users import ALL_COMPANIES, Scope, UserQuery
from tests.contract.examples import AUDIT_KEY, NOON
from tests.postgres import VERSIONS, Database, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

pytestmark = pytest.mark.anyio

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
    "password_hash": "x", "number": 9, "seal": "x", "changed_by": "x", "name": "x", "folded_name": "x", "created": NOON,
    "document": "{}", "updated": NOON, "catalog": "x", "dsp": True, "first_name": "x", "folded_first_name": "x",
    "last_name": "x", "folded_last_name": "x", "last_login": NOON,
}  # fmt: skip

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


@pytest.fixture
async def work(filled: Database) -> AsyncIterator[PostgresWork]:
    opened = PostgresWork(filled.app_url, AUDIT_KEY, min_connections=1)
    await opened.open()
    yield opened
    await opened.close()


def parts(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(part for below in plan.get("Plans", ()) for part in parts(below))]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_within_a_company_no_large_table_is_read_from_end_to_end(filled: Database, mode: str) -> None:
    assert len(STATEMENTS) > 30
    read = []
    with psycopg.connect(filled.app_url) as connection:
        connection.execute(
            "SELECT set_config('segmentation.company_id', '8', true), set_config('plan_cache_mode', %s, true)", [mode]
        )
        for name, statement in STATEMENTS.items():
            optional: list[dict[str, Any]] = [{}, dict.fromkeys(statement.given)]
            optional += [dict.fromkeys(set(statement.given) - {one}) for one in statement.given]
            for absent in optional:
                values = VALUES | absent | {"id": "session 1470" if name.startswith("sessions") else VALUES["id"]}
                sql = statement.sql(Scope(8), values)
                plan = connection.execute(f"EXPLAIN (FORMAT JSON) {sql}".encode(), values).fetchall()[0][0][0]["Plan"]
                read += [
                    (name, part["Relation Name"], sql)
                    for part in parts(plan)
                    if part["Node Type"] == "Seq Scan" and part["Relation Name"] not in ("companies", "audit_heads")
                ]
    assert not read


def test_pages_are_passed_over_and_counted_in_an_index_alone(filled: Database) -> None:
    with psycopg.connect(filled.app_url) as connection:
        connection.execute("SELECT set_config('segmentation.company_id', '8', true)")
        for statement in (presets.PAGE, presets.COUNT, audit.PAGE, audit.COUNT):
            for owner in (None, 470):
                values = VALUES | {"owner": owner}
                sql = statement.sql(Scope(8), values)
                plan = connection.execute(f"EXPLAIN (FORMAT JSON) {sql}".encode(), values).fetchall()[0][0][0]["Plan"]
                scans = {part["Node Type"] for part in parts(plan) if "Relation Name" in part}
                assert scans == {"Index Only Scan"}, sql


async def test_pages_searches_and_counts_are_quick_however_far(work: PostgresWork) -> None:
    questions: dict[str, Callable[..., Awaitable[object]]] = {
        "presets": lambda stores, offset: stores.presets.page(owner=None, search="", offset=offset, limit=20),
        "search": lambda stores, offset: stores.presets.page(owner=None, search="SET 1", offset=offset, limit=20),
        "users": lambda stores, offset: stores.users.page(UserQuery(search="i"), offset=offset, limit=20),
        "audit": lambda stores, offset: stores.audit.page(AuditQuery(), offset=offset, limit=20),
        "session": lambda stores, offset: stores.sessions.find(f"session 1{470 + offset % 500}"),
    }
    for scope, farthest, allowed in ((Scope(8), 980, 0.01), (ALL_COMPANIES, 99_980, 0.1)):
        for name, ask in questions.items():
            for offset in (0, farthest):
                took = []
                for _ in range(9):
                    began = time.perf_counter()
                    await work.run(scope, partial(ask, offset=offset))
                    took.append(time.perf_counter() - began)
                assert statistics.median(took) < allowed * 3, (name, scope, offset)  # three times: two busy cores
