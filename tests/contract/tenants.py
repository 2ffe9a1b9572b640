"""Two companies, and none, each with a row in every table."""

# ruff: noqa: S608  the tables are named here

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from adapters.postgres import PostgresWork
from segmentation_core.audit import Entry
from segmentation_core.ports import Stores
from segmentation_core.presets import Preset
from segmentation_core.users import ALL_COMPANIES, Company, User
from tests.contract.examples import add_company, add_preset, add_user, an_entry, begin_reset, begin_session
from tests.postgres import Database

TABLES = {
    "companies": "name",
    "users": "active",
    "sessions": "seen",
    "password_resets": "digest",
    "presets": "name",
    "preset_versions": "name",
    "preset_counts": "presets",
    "audit_heads": "number",
    "audit_records": "number",
}
"""Each with a column that is not its key."""

Action = Callable[[Stores], Awaitable[Any]]


def adding(entry: Entry) -> Action:
    return lambda stores: stores.audit.add(entry)


class Populated:
    """A database with a row in every table for each of two companies and for none."""

    def __init__(self, work: PostgresWork, database: Database) -> None:
        self.work = work
        self.database = database
        self.homes: list[Company | None] = []
        self.users: dict[Company | None, User] = {}
        self.presets: dict[Company | None, Preset] = {}

    async def fill(self) -> None:
        self.homes = [await add_company(self.work, "Acme"), await add_company(self.work, "Other"), None]
        for number, home in enumerate(self.homes):
            self.users[home] = await add_user(self.work, f"person {number}", home)
            self.presets[home] = await add_preset(self.work, self.users[home], f"preset {number}")
            await begin_session(self.work, self.users[home], f"session {number}")
            await begin_reset(self.work, self.users[home], f"digest {number}")
            await self.work.run(ALL_COMPANIES, adding(an_entry(home)))

    @property
    def mine(self) -> Company:
        assert self.homes[0]
        return self.homes[0]

    def records(self) -> list[dict[str, Any]]:
        """Return the ids of all audit records, as a superuser sees them."""
        with psycopg.connect(self.database.super_url, row_factory=dict_row) as connection:
            return connection.execute("SELECT id FROM audit_records").fetchall()

    def take_away_policies(self) -> None:
        """Take the policies from every table: the queries stand alone."""
        with psycopg.connect(self.database.super_url) as connection:
            for table in TABLES:
                connection.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY".encode())

    def rows(self) -> dict[str, list[Any]]:
        """Return all rows of all tables, as a superuser sees them."""
        with psycopg.connect(self.database.super_url) as connection:
            return {
                table: connection.execute(f"SELECT to_json({table})::text FROM {table} ORDER BY 1".encode()).fetchall()
                for table in TABLES
            }
