"""The numbers of presets that PostgreSQL keeps, against the presets that are there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.postgres import PostgresWork, migrate, schema
from segmentation_core.errors import Conflict
from segmentation_core.users import ALL_COMPANIES
from tests.contract.examples import a_preset, add_company, add_preset, add_user
from tests.contract.tenants import Action
from tests.postgres import Database

if TYPE_CHECKING:
    from pathlib import Path

    from segmentation_core.ports import Stores
    from segmentation_core.presets import Preset
    from segmentation_core.users import User

pytestmark = pytest.mark.anyio

KEPT = "SELECT company_id, presets FROM preset_counts WHERE presets <> 0 ORDER BY 1"
THERE = "SELECT company_id, count(*) FROM presets GROUP BY 1 ORDER BY 1"


class UndoneError(Exception):
    """What a unit of work fails with, so that nothing of it is kept."""


def rows(database: Database, query: str) -> list[tuple[int | None, int]]:
    with psycopg.connect(database.super_url) as connection:
        return connection.execute(query.encode()).fetchall()


def deleting(preset: Preset) -> Action:
    return lambda stores: stores.presets.delete(preset.id)


async def come_and_go(work: PostgresWork, user: User, draw: Random) -> None:
    """Save and delete presets of one user, some in units of work that fail, and some under a name that is taken."""
    mine: list[Preset] = []

    async def add_two(stores: Stores) -> None:
        names = [f"undone {draw.random()}", mine[0].name if mine else "one"]
        for name in names:
            with suppress(Conflict):
                await stores.presets.add(a_preset(user, name))
        raise UndoneError

    for _ in range(12):
        match draw.choice(["add", "add", "taken", "undone", "delete"]):
            case "add":
                mine.append(await add_preset(work, user, f"preset {draw.random()}"))
            case "taken" if mine:
                with pytest.raises(Conflict):
                    await add_preset(work, user, mine[0].name)
            case "undone":
                with pytest.raises(UndoneError):
                    await work.run(user.scope, add_two)
            case "delete" if mine:
                await work.run(user.scope, deleting(mine.pop()))


async def test_the_number_kept_is_that_of_the_presets_there_whatever_comes_and_goes_at_once(
    postgres: PostgresWork, database: Database
) -> None:
    homes = [await add_company(postgres, "Acme"), await add_company(postgres, "Other"), None]
    users = [await add_user(postgres, f"person {number}", homes[number % 3]) for number in range(9)]
    await asyncio.gather(*(come_and_go(postgres, user, Random(number)) for number, user in enumerate(users)))
    there = rows(database, THERE)
    assert len(there) == len(homes)
    assert rows(database, KEPT) == there
    for scope in (*(user.scope for user in users[:2]), ALL_COMPANIES):
        found, total = await postgres.run(
            scope, lambda stores: stores.presets.page(owner=None, search="", offset=0, limit=200)
        )
        assert len(found) == total == sum(count for home, count in there if scope.company_id in (None, home))


async def test_of_several_that_go_at_once_all_are_taken_off(populated: object, database: Database) -> None:
    assert populated
    with psycopg.connect(database.super_url) as connection:
        connection.execute("DELETE FROM presets")
    assert rows(database, KEPT) == rows(database, THERE) == []


async def test_presets_that_were_there_before_are_counted(
    postgres: PostgresWork, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await add_user(postgres, "ana", await add_company(postgres))
    root = await add_user(postgres, "root", None)
    for owner, name in ((user, "one"), (user, "two"), (root, "one")):
        await add_preset(postgres, owner, name)
    with psycopg.connect(database.owner_url) as connection:  # as it was before the numbers were kept
        connection.execute("DROP TABLE preset_counts")
        connection.execute("DROP FUNCTION count_presets CASCADE")
        connection.execute("DELETE FROM migrations WHERE name >= '0010'")
    for file in schema._FILES.iterdir():
        if file.name[:4] <= "0010":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(schema, "_FILES", tmp_path)
    assert migrate(database.owner_url) == ["0010_preset_counts"]
    assert rows(database, KEPT) == rows(database, THERE) == [(user.company_id, 2), (None, 1)]
    await add_preset(postgres, user, "three")
    assert rows(database, KEPT) == rows(database, THERE)
