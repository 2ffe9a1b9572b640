"""Migrations: each applied once, in order, by one process at a time, and never changed after."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copy
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.postgres import migrate, migration_status, prepare_roles, schema
from segmentation_core.errors import SettingsError, Unavailable
from tests.postgres import VERSIONS, Database, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAMES = [
    "0001_companies_users_sessions",
    "0002_presets",
    "0003_audit",
    "0004_throttle",
    "0005_forgetting_hits",
    "0006_password_resets",
    "0007_audit_bounds",
    "0008_password_generations",
    "0009_failed_hits",
    "0010_preset_counts",
]


@pytest.fixture(params=VERSIONS)
def empty(request: pytest.FixtureRequest, server: Callable[[int], Server]) -> Iterator[Database]:
    running = server(request.param)
    made = running.empty_database()
    yield made
    running.drop(made)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with copies of the migrations, which are applied instead of them."""
    for name in NAMES:
        copy(Path(str(schema._FILES)) / f"{name}.sql", tmp_path)
    monkeypatch.setattr(schema, "_FILES", tmp_path)
    return tmp_path


def tables(database: Database) -> set[str]:
    with psycopg.connect(database.super_url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {name for (name,) in found}


def test_what_is_missing_is_applied_once_and_told(empty: Database) -> None:
    assert [(one.name, one.applied) for one in migration_status(empty.owner_url)] == [(name, None) for name in NAMES]
    assert tables(empty) == set()
    assert migrate(empty.owner_url) == NAMES
    assert migrate(empty.owner_url) == []
    status = migration_status(empty.owner_url)
    assert [one.name for one in status] == NAMES
    assert all(one.applied and one.applied.tzname() == "UTC" for one in status)
    assert {"companies", "presets", "audit_records", "migrations"} <= tables(empty)


def test_of_many_that_migrate_at_once_one_does(empty: Database) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = [*threads.map(migrate, [empty.owner_url] * 4)]
    assert sorted(applied) == [[], [], [], NAMES]


def test_a_new_file_is_applied_to_a_database_that_has_the_older_ones(empty: Database, files: Path) -> None:
    migrate(empty.owner_url)
    (files / "9999_more.sql").write_text("CREATE TABLE more (); CREATE TABLE and_more ();")
    assert [one.applied is None for one in migration_status(empty.owner_url)] == [*[False] * len(NAMES), True]
    assert migrate(empty.owner_url) == ["9999_more"]
    assert {"more", "and_more"} <= tables(empty)


def test_of_a_migration_that_fails_nothing_is_kept(empty: Database, files: Path) -> None:
    (files / "9999_wrong.sql").write_text("CREATE TABLE more (); SELECT * FROM no_such_table;")
    with pytest.raises(SettingsError, match=r'9999_wrong.*"no_such_table" does not exist'):
        migrate(empty.owner_url)
    assert "more" not in tables(empty)
    assert [one.applied is None for one in migration_status(empty.owner_url)] == [*[False] * len(NAMES), True]


def test_a_changed_file_is_refused_however_its_lines_end(empty: Database, files: Path) -> None:
    migrate(empty.owner_url)
    file = files / "0002_presets.sql"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert migrate(empty.owner_url) == []
    file.write_bytes(file.read_bytes() + b"-- changed")
    for read in (migrate, migration_status):
        with pytest.raises(SettingsError, match="0002_presets: was changed after it was applied"):
            read(empty.owner_url)


def test_a_database_of_a_newer_version_is_refused(empty: Database, files: Path) -> None:
    migrate(empty.owner_url)
    (files / f"{NAMES[-1]}.sql").unlink()
    with pytest.raises(
        SettingsError, match=f"{NAMES[-1]}: was applied to the database, and this version does not know"
    ):
        migrate(empty.owner_url)


def test_a_gap_is_refused(empty: Database, files: Path) -> None:
    migrate(empty.owner_url)
    (files / "0002_between.sql").write_text("CREATE TABLE between_them ()")
    with pytest.raises(SettingsError, match="0002_between: was never applied to the database, though later ones were"):
        migrate(empty.owner_url)
    assert "between_them" not in tables(empty)


def test_a_role_that_may_not_make_tables_is_told_so(empty: Database) -> None:
    with pytest.raises(SettingsError, match="permission denied"):
        migrate(empty.app_url)
    with pytest.raises(SettingsError, match=r"roles\.sql"):
        prepare_roles(empty.app_url)


def test_a_server_that_is_not_there_is_told_so() -> None:
    for call in (migrate, migration_status, prepare_roles):
        with pytest.raises(Unavailable):
            call("postgresql://someone@/nowhere?host=/nowhere")


def test_roles_that_are_wrong_are_put_right(empty: Database) -> None:
    with psycopg.connect(empty.super_url, autocommit=True) as connection:
        connection.execute("ALTER ROLE segmentation_app BYPASSRLS INHERIT CREATEDB")
        connection.execute("GRANT segmentation_all TO segmentation_app")
        try:
            prepare_roles(empty.super_url)
        finally:
            connection.execute("ALTER ROLE segmentation_app NOBYPASSRLS NOINHERIT NOCREATEDB")
        found = connection.execute(
            "SELECT rolbypassrls, rolinherit, rolcreatedb, pg_has_role(oid, 'segmentation_all', 'USAGE') FROM pg_roles"
            " WHERE rolname = 'segmentation_app'"
        ).fetchone()
    assert found == (False, False, False, False)
