"""Companies are kept apart by the database itself, under a role that cannot get around it."""

# ruff: noqa: S608  the tables are named here

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from msgspec.structs import replace

from adapters.postgres import PostgresWork, prepare_roles
from adapters.postgres.statements import Statement, Transaction
from segmentation_core.audit import AuditQuery
from segmentation_core.errors import Forbidden, NotFound, SegmentationError
from segmentation_core.ports import Stores
from segmentation_core.presets import Preset
from segmentation_core.resets import Reset
from segmentation_core.sessions import Session
from segmentation_core.users import ALL_COMPANIES, Scope, User, UserQuery
from tests.contract.examples import (
    NOON,
    a_preset,
    add_company,
    an_entry,
    inside,
)
from tests.contract.tenants import TABLES, Action, Populated
from tests.postgres import Database

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

pytestmark = pytest.mark.anyio

SEE_OWN = "nullif(current_setting('segmentation.company_id'::text, true), ''::text))::bigint"


async def as_service(database: Database, setting: str | None) -> psycopg.AsyncConnection[Any]:
    connection = await psycopg.AsyncConnection.connect(database.app_url)
    if setting is not None:
        await connection.execute("SELECT set_config('segmentation.company_id', %s, true)", [setting])
    return connection


@pytest.mark.requirement(24)
def test_every_table_of_a_tenant_is_under_two_plain_policies_that_its_owner_cannot_get_around(
    database: Database,
) -> None:
    with psycopg.connect(database.super_url) as connection:
        tables = connection.execute(
            "SELECT relname, relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner) FROM pg_class"
            " WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname NOT IN ('migrations', 'throttle_hits')"
        ).fetchall()
        policies = connection.execute(
            "SELECT tablename, policyname, permissive, roles, cmd, lower(qual), lower(with_check) FROM pg_policies"
        ).fetchall()
    assert sorted(tables) == sorted((table, True, True, "segmentation_owner") for table in TABLES)
    expected = []
    for table in TABLES:
        company = f"({'id' if table == 'companies' else 'company_id'} = ({SEE_OWN})"
        expected += [
            (table, "own_company", "PERMISSIVE", ["segmentation_app"], "ALL", company, company),
            (table, "all_companies", "PERMISSIVE", ["segmentation_all"], "ALL", "true", "true"),
        ]
    assert sorted(policies) == sorted(expected)


@pytest.mark.parametrize("role", ["segmentation_app", "segmentation_all"])
@pytest.mark.requirement(24)
def test_no_role_of_the_service_can_get_around_a_policy(database: Database, role: str) -> None:
    with psycopg.connect(database.super_url) as connection:
        prepare_roles(database.super_url)
        flags = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin"
            " FROM pg_roles WHERE rolname = %s",
            [role],
        ).fetchone()
        assert flags == (False, False, False, False, False, False, role == "segmentation_app")
        memberships = connection.execute(
            "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole", [role]
        ).fetchall()
        assert memberships == ([("segmentation_all",)] if role == "segmentation_app" else [])
        owned = connection.execute("SELECT count(*) FROM pg_class WHERE relowner = %s::regrole", [role]).fetchone()
        assert owned == (0,)
        row = connection.execute("SELECT pg_has_role('segmentation_app', 'segmentation_all', 'USAGE')").fetchone()
        assert row == (False,)


@pytest.mark.requirement(24, 50)
def test_the_service_may_do_no_more_to_a_table_than_it_needs(database: Database) -> None:
    allowed = {
        "companies": {"SELECT"},
        "users": {"SELECT", "INSERT", "DELETE"},
        "sessions": {"SELECT", "INSERT", "DELETE"},
        "password_resets": {"SELECT", "INSERT", "DELETE"},
        "presets": {"SELECT", "INSERT", "DELETE"},
        "preset_versions": {"SELECT", "INSERT"},
        "preset_counts": {"SELECT", "INSERT"},
        "audit_heads": {"SELECT", "INSERT"},
        "audit_records": {"SELECT", "INSERT"},
        "migrations": set(),
    }
    rights = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    with psycopg.connect(database.super_url) as connection:
        for role in ("segmentation_app", "segmentation_all"):
            for table, expected in allowed.items():
                more = {"INSERT"} if (role, table) == ("segmentation_all", "companies") else set()
                found = {
                    right
                    for right in rights
                    if connection.execute(
                        "SELECT has_table_privilege(%s, %s, %s)", [role, f"public.{table}", right]
                    ).fetchone()
                    == (True,)
                }
                assert found == expected | more, (role, table)
            fixed = connection.execute(
                "SELECT table_name FROM information_schema.column_privileges"
                " WHERE grantee = %s AND privilege_type = 'UPDATE' AND column_name IN ('id', 'company_id', 'user_id', 'chain')",
                [role],
            ).fetchall()
            assert fixed == []


@pytest.mark.requirement(24)
async def test_a_bare_statement_reaches_no_foreign_row(populated: Populated) -> None:
    before = populated.rows()
    mine = populated.mine
    async with await as_service(populated.database, str(mine.id)) as connection:
        for table, plain in TABLES.items():
            key = "id" if table == "companies" else "company_id"
            found = await (await connection.execute(f"SELECT {key} FROM {table}".encode())).fetchall()
            assert found == [(mine.id,)]
            for statement in (
                f"UPDATE {table} SET {plain} = {plain}",
                f"DELETE FROM {table}",
                f"SELECT 1 FROM {table} FOR UPDATE",
                f"TRUNCATE {table}",
            ):
                with suppress(psycopg.errors.InsufficientPrivilege):
                    async with connection.transaction(force_rollback=True):
                        cursor = await connection.execute(statement.encode())
                        assert cursor.rowcount == 1, statement
    assert populated.rows() == before


async def test_without_a_company_there_are_no_rows_and_no_error(populated: Populated) -> None:
    for setting in (None, "", "0", "-1", "9223372036854775807"):
        async with await as_service(populated.database, setting) as connection:
            for table in TABLES:
                cursor = await connection.execute(f"SELECT count(*) FROM {table}".encode())
                assert await cursor.fetchone() == (0,)


def without_conditions(_: Statement, __: Scope, ___: Mapping[str, Any]) -> list[str]:
    return []


def of(action: Callable[[Stores, User, Preset], Awaitable[Any]], user: User, preset: Preset) -> Action:
    return lambda stores: action(stores, user, preset)


FOREIGN_READS: dict[str, Callable[[Stores, User, Preset], Awaitable[Any]]] = {
    "users.by_id": lambda stores, user, _: stores.users.by_id(user.id),
    "users.by_id locked": lambda stores, user, _: stores.users.by_id(user.id, lock=True),
    "users.account": lambda stores, user, _: stores.users.account(user.username),
    "users.account locked": lambda stores, user, _: stores.users.account(user.username, lock=True),
    "users.all": lambda stores, _, __: stores.users.all(),
    "users.page": lambda stores, _, __: stores.users.page(UserQuery(search="person"), offset=0, limit=9),
    "sessions.find": lambda stores, _, __: stores.sessions.find("session 1"),
    "resets.find": lambda stores, _, __: stores.resets.find("digest 1"),
    "presets.by_id": lambda stores, _, preset: stores.presets.by_id(preset.id),
    "presets.by_id locked": lambda stores, _, preset: stores.presets.by_id(preset.id, lock=True),
    "presets.page": lambda stores, _, __: stores.presets.page(owner=None, search="preset", offset=0, limit=9),
    "presets.all": lambda stores, user, _: stores.presets.all(owner=user.id, username=user.username),
    "presets.names": lambda stores, _, __: stores.presets.names(owner=None),
    "presets.versions": lambda stores, _, preset: stores.presets.versions(preset.id),
    "presets.version": lambda stores, _, preset: stores.presets.version(preset.id, 1),
    "presets.alike": lambda stores, _, preset: stores.presets.alike(preset, owner=None),
    "audit.page": lambda stores, _, __: stores.audit.page(AuditQuery(action="did"), offset=0, limit=9),
    "audit.ends": lambda stores, _, __: stores.audit.ends(),
    "audit.chain": lambda stores, user, _: stores.audit.chain(user.company_id, after=0, limit=9),
}

FOREIGN_WRITES: dict[str, Callable[[Stores, User, Preset], Awaitable[Any]]] = {
    "users.change": lambda stores, user, _: stores.users.change(replace(user, role="User", first_name="X")),
    "users.set_password_hash": lambda stores, user, _: stores.users.set_password_hash(user.id, "changed"),
    "users.delete": lambda stores, user, _: stores.users.delete(user.id),
    "sessions.touch": lambda stores, _, __: stores.sessions.touch("session 1", NOON.replace(year=2030)),
    "sessions.end": lambda stores, _, __: stores.sessions.end("session 1"),
    "sessions.end_all": lambda stores, user, _: stores.sessions.end_all(user.id),
    "sessions.forget": lambda stores, _, __: stores.sessions.forget(NOON.replace(year=2030)),
    "resets.end": lambda stores, user, _: stores.resets.end(user.id),
    "resets.forget": lambda stores, _, __: stores.resets.forget(NOON.replace(year=2030)),
    "presets.change": lambda stores, _, preset: stores.presets.change(replace(preset, version=2), "me"),
    "presets.delete": lambda stores, _, preset: stores.presets.delete(preset.id),
}


def with_both(_: Populated, __: pytest.MonkeyPatch) -> None:
    """Take nothing away."""


def without_where(_: Populated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the conditions from every query: the policies stand alone."""
    monkeypatch.setattr(Statement, "conditions", without_conditions)


def without_policies(populated: Populated, _: pytest.MonkeyPatch) -> None:
    populated.take_away_policies()


each_means_is_enough = pytest.mark.parametrize("taken_away", [with_both, without_where, without_policies])


@each_means_is_enough
@pytest.mark.requirement(24)
async def test_with_the_queries_or_the_policies_alone_no_foreign_row_is_seen(
    populated: Populated, monkeypatch: pytest.MonkeyPatch, taken_away: Callable[..., None]
) -> None:
    taken_away(populated, monkeypatch)
    told = ("Other", "person 1", "person 2", "session 1", "session 2", "preset 1", "preset 2", "company_id=None")
    for home in populated.homes[1:]:
        user, preset = populated.users[home], populated.presets[home]
        for name, read in FOREIGN_READS.items():
            found = repr(await populated.work.run(inside(populated.mine), of(read, user, preset)))
            assert not [part for part in told if part in found], name


@each_means_is_enough
@pytest.mark.requirement(24)
async def test_with_the_queries_or_the_policies_alone_no_foreign_row_is_changed(
    populated: Populated, monkeypatch: pytest.MonkeyPatch, taken_away: Callable[..., None]
) -> None:
    def of_others() -> dict[str, list[Any]]:
        own = f'"company_id":{populated.mine.id},'
        return {table: [row for row in rows if own not in row[0]] for table, rows in populated.rows().items()}

    taken_away(populated, monkeypatch)
    before = of_others()
    for home in populated.homes[1:]:
        user, preset = populated.users[home], populated.presets[home]
        for name, write in FOREIGN_WRITES.items():
            await populated.work.run(inside(populated.mine), of(write, user, preset))
            assert of_others() == before, name


FOREIGN_ADDITIONS: dict[str, Callable[[Stores, User, Preset], Awaitable[Any]]] = {
    "users.add": lambda stores, user, _: stores.users.add(replace(user, username="new"), "hash"),
    "presets.add": lambda stores, user, _: stores.presets.add(a_preset(user, "new")),
    "audit.add": lambda stores, user, _: stores.audit.add(replace(an_entry(None), company_id=user.company_id)),
    "sessions.begin": lambda stores, user, _: stores.sessions.begin(Session("new", user.id, NOON, NOON)),
    "resets.begin": lambda stores, user, _: stores.resets.begin(Reset(user.id, "new", NOON)),
    "companies.named, known": lambda stores, _, __: stores.companies.named("Other"),
    "companies.named, new": lambda stores, _, __: stores.companies.named("A new one"),
}

# Without a condition the query takes the company's own for the one that was asked for, and any user for the session's or the reset's.
OF_ONE_MEANS = {
    (name, without_where)
    for name in ("companies.named, known", "companies.named, new", "sessions.begin", "resets.begin")
}


@each_means_is_enough
@pytest.mark.requirement(24)
async def test_with_the_queries_or_the_policies_alone_nothing_is_stored_for_another_company_or_for_none(
    populated: Populated, monkeypatch: pytest.MonkeyPatch, taken_away: Callable[..., None]
) -> None:
    taken_away(populated, monkeypatch)
    if taken_away is without_where:
        monkeypatch.setattr(Transaction, "_require_in_scope", lambda _, __: None)
    before = populated.rows()
    for home in populated.homes[1:]:
        user, preset = populated.users[home], populated.presets[home]
        for name, add in FOREIGN_ADDITIONS.items():
            if (name, taken_away) not in OF_ONE_MEANS:
                with pytest.raises(NotFound if name in {"sessions.begin", "resets.begin"} else Forbidden):
                    await populated.work.run(inside(populated.mine), of(add, user, preset))
    assert populated.rows() == before


async def test_a_preset_and_a_session_belong_to_the_company_of_their_user(populated: Populated) -> None:
    preset = a_preset(populated.users[populated.homes[1]], "new", company_id=populated.mine.id)
    for scope in (ALL_COMPANIES, inside(populated.mine)):
        with pytest.raises(SegmentationError):
            await populated.work.run(scope, lambda stores: stores.presets.add(preset))


@pytest.mark.requirement(25)
async def test_nothing_of_a_scope_is_left_on_a_connection_of_the_pool(database: Database) -> None:
    work = PostgresWork(database.app_url, b"k" * 32, min_connections=1, max_connections=1)
    await work.open()
    acme = await add_company(work)

    async def fail(_: Stores) -> None:
        raise LookupError

    for scope in (inside(acme), ALL_COMPANIES):
        await work.run(scope, lambda stores: stores.users.all())
        with pytest.raises(LookupError):
            await work.run(scope, fail)
        async with work._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT coalesce(current_setting('segmentation.company_id', true), ''), current_user, session_user"
            )
            assert await cursor.fetchone() == ("", "segmentation_app", "segmentation_app")
            cursor = await connection.execute("SELECT count(*) FROM companies")
            assert await cursor.fetchone() == (0,)
    await work.close()
