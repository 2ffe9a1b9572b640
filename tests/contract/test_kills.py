"""Whatever is killed while people work, each change is there with its record, or neither is; what was told stays."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from adapters.clock import SystemClock
from adapters.postgres import PostgresWork
from segmentation_core.audit import broken
from segmentation_core.errors import Stale, Unavailable
from segmentation_core.ports import Stores
from segmentation_core.presets import Preset
from segmentation_core.usecases import Acting
from segmentation_core.users import ALL_COMPANIES, UserChange
from tests.contract.acting import Side
from tests.contract.examples import AUDIT_KEY
from tests.postgres import VERSIONS, Database, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")
KILLS = {"dev": 10, "ci": 200, "nightly": 2_000}[PROFILE]
CRASHES = {"dev": 1, "ci": 3, "nightly": 20}[PROFILE]
SHARE = {18: 1, 15: 4}
"""The older server has a fourth of the kills."""

AT_ONCE = 2
LONGEST = 0.08
"""Seconds from the first change of a process to its end: some ten changes."""

BEGINS = "begins"

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])

HALVES = """
    WITH gone AS (
        SELECT subject FROM audit_records WHERE action IN ('preset deleted', 'user deleted')
    ), told AS (
        SELECT DISTINCT ON (subject, after->>'version') subject, coalesce(after->>'version', after->>'first_name') AS what
        FROM audit_records WHERE after IS NOT NULL AND subject NOT IN (SELECT subject FROM gone)
        ORDER BY subject, after->>'version', number DESC
    ), kept AS (
        SELECT 'preset ' || preset_id AS subject, version::text AS what FROM preset_versions
        UNION ALL SELECT 'user ' || id, first_name FROM users WHERE created_by_id IS NOT NULL
    )
    SELECT 'told alone' AS half, * FROM (TABLE told EXCEPT TABLE kept) AS one
    UNION ALL SELECT 'kept alone', * FROM (TABLE kept EXCEPT TABLE told) AS other
    UNION ALL SELECT 'not its last version', 'preset ' || id, version::text FROM presets
        WHERE version <> (SELECT max(version) FROM preset_versions WHERE preset_id = id)
"""
"""Changes without their records, and records without their changes. Of a preset each version is one, of a user the name."""


def works_until_killed(url: str, by: Acting, seed: int, told: Connection) -> None:
    """Change presets and users, and tell of each change that it begins, and when it has been acknowledged."""
    asyncio.run(_changes(url, by, Random(seed), told))


async def _changes(url: str, by: Acting, drawn: Random, told: Connection) -> None:
    work = PostgresWork(url, AUDIT_KEY, min_connections=1, max_connections=1)
    await work.open()
    side = Side(work, SystemClock())
    presets: list[int] = []
    users: list[int] = []
    while True:
        name = f"{drawn.getrandbits(64)}"
        told.send(BEGINS)
        action = drawn.choice(["preset created", "preset changed", "preset deleted", "user created", "user changed"])
        if action == "user created" or (action == "user changed" and not users):
            action = "user created"
            users.append((await side.add(by.user, name, "User")).user.id)
            subject = users[-1]
        elif action == "user changed":
            subject = drawn.choice(users)
            await side.users.change(by, subject, UserChange(first_name=name))
        elif action == "preset created" or not presets:
            action = "preset created"
            presets.append((await side.presets.create(by, name, {"filter": {}})).preset.id)
            subject = presets[-1]
        elif action == "preset changed":
            subject = drawn.choice(presets)
            await side.presets.change(by, subject, name=name)
        else:
            subject = presets.pop()
            await side.presets.delete(by, subject)
        told.send(f"{action}: {action.partition(' ')[0]} {subject}")


class Working:
    """A process that works until it is killed, and all that it has told."""

    def __init__(self, url: str, by: Acting, seed: int) -> None:
        self.told: list[str] = []
        self._from, to = PROCESSES.Pipe(duplex=False)
        self._process: BaseProcess = PROCESSES.Process(target=works_until_killed, args=(url, by, seed, to))
        self._process.start()
        to.close()

    def begun(self) -> None:
        self.told.append(self._from.recv())

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        with suppress(EOFError):
            while True:
                self.told.append(self._from.recv())
        self._from.close()
        self._process.close()

    @property
    def acknowledged(self) -> list[str]:
        return [told for told in self.told if told != BEGINS]


def is_quiet(connection: psycopg.Connection[Any]) -> bool:
    """Tell whether no connection of the service is left: what a dead process began has been done, or undone."""
    left = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = 'segmentation_app'"
    return connection.execute(left.encode()).fetchone() is None


async def begun(url: str) -> Acting:
    """Return an Admin of a company."""
    work = PostgresWork(url, AUDIT_KEY, min_connections=1)
    await work.open()
    side = Side(work, SystemClock())
    admin = await side.add(await side.root(), "admin", "Admin", "Acme")
    await work.close()
    return admin


async def require_whole_chains(url: str) -> None:
    async def read(stores: Stores) -> None:
        for end in await stores.audit.ends():
            chain = await stores.audit.chain(end.company_id, after=None, limit=1_000_000)
            assert end.head == end.last
            assert broken(chain, AUDIT_KEY, exported=end.head) == []

    work = PostgresWork(url, AUDIT_KEY, min_connections=1)
    await work.open()
    await work.run(ALL_COMPANIES, read)
    await work.close()


@pytest.mark.requirement(36)
def test_of_a_process_that_is_killed_each_change_is_there_with_its_record_or_neither_is(
    database: Database, request: pytest.FixtureRequest
) -> None:
    kills = KILLS // SHARE[request.node.callspec.params["database"]]
    by, drawn, in_the_middle, last = asyncio.run(begun(database.app_url)), Random(7), 0, 0
    with psycopg.connect(database.super_url, autocommit=True) as connection:
        for seed in range(0, kills, AT_ONCE):
            working = [Working(database.app_url, by, seed + number) for number in range(AT_ONCE)]
            for one in working:
                one.begun()
            for one in working:
                time.sleep(drawn.uniform(0, LONGEST / AT_ONCE))
                one.kill()
            while not is_quiet(connection):
                time.sleep(0.001)

            assert connection.execute(HALVES.encode()).fetchall() == []
            records = connection.execute(
                "SELECT action || ': ' || subject, id FROM audit_records WHERE id > %s ORDER BY id", [last]
            ).fetchall()
            kept, acknowledged = [told for told, _ in records], [told for one in working for told in one.acknowledged]
            assert all(kept.count(told) >= acknowledged.count(told) for told in acknowledged)
            assert len(kept) <= len(acknowledged) + AT_ONCE
            in_the_middle += sum(one.told[-1] == BEGINS for one in working)
            last = max((number for _, number in records), default=last)
    assert in_the_middle >= kills / 2
    asyncio.run(require_whole_chains(database.app_url))


class Editors:
    """Clients who append their marks to one preset, come what may, and know in the end of each that it was kept."""

    def __init__(self, work: PostgresWork, by: Acting, preset: Preset) -> None:
        self.marks: list[str] = []
        self.unavailable = 0
        self.is_over = False
        self._side, self._by, self._preset = Side(work, SystemClock()), by, preset

    async def edit(self, client: int) -> None:
        number, is_settled = 0, True
        while not (self.is_over and is_settled):
            is_settled = await self._is_appended(f"{client}.{number}")
            number += is_settled
        self.marks += [f"{client}.{done}" for done in range(number)]

    async def _is_appended(self, mark: str) -> bool:
        """Tell whether a mark is there. What became of an attempt that was cut off shows when the preset is read."""
        try:
            seen = (await self._side.presets.get(self._by, self._preset.id)).preset
            marks = seen.document["metadata"]["marks"]
            if mark in marks:
                return True
            sent = {**seen.document, "metadata": {"marks": [*marks, mark]}}
            await self._side.presets.change(self._by, self._preset.id, sent=sent, versions={seen.version})
        except Stale:
            return False
        except Unavailable:
            self.unavailable += 1
            return False
        return True


async def terminate(connection: psycopg.AsyncConnection[Any], pid: int) -> None:
    await connection.execute("SELECT pg_terminate_backend(%s)", [pid])


async def crash(_: psycopg.AsyncConnection[Any], pid: int) -> None:
    """Kill a server's process as hard as can be: all others end too, and the server recovers."""
    os.kill(pid, signal.SIGKILL)


async def kill_at_work(
    database: Database, kill: Callable[[psycopg.AsyncConnection[Any], int], Any], drawn: Random
) -> int:
    """Kill one of the server's processes that serves somebody at work, and return how many were killed: one or none."""
    at_work = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND usename = 'segmentation_app' AND state <> 'idle'"
    url = database.super_url.replace(f"/{database.name}?", "/postgres?")
    with suppress(psycopg.OperationalError):
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            pids = [pid for (pid,) in await (await connection.execute(at_work, [database.name])).fetchall()]
            if pids:
                await kill(connection, drawn.choice(pids))
                return 1
    return 0


async def require_nothing_half_while(
    database: Database, kill: Callable[[psycopg.AsyncConnection[Any], int], Any], kills: int, pause: float
) -> None:
    by = await begun(database.app_url)
    work = PostgresWork(database.app_url, AUDIT_KEY, min_connections=4, max_connections=8)
    await work.open()
    preset = await Side(work, SystemClock()).presets.create(by, "shared", {"filter": {}, "metadata": {"marks": []}})
    editors, drawn, killed = Editors(work, by, preset.preset), Random(7), 0
    async with asyncio.TaskGroup() as editing:
        for client in range(8):
            editing.create_task(editors.edit(client))
        while killed < kills or not editors.unavailable:
            await asyncio.sleep(drawn.uniform(0, pause))
            killed += await kill_at_work(database, kill, drawn)
        editors.is_over = True
    await work.close()

    async with await psycopg.AsyncConnection.connect(database.super_url) as connection:
        assert await (await connection.execute(HALVES.encode())).fetchall() == []
        newest = "SELECT document->'metadata'->'marks', version FROM presets"
        marks, version = (await (await connection.execute(newest)).fetchone()) or ([], 0)
    assert sorted(marks) == sorted(editors.marks)
    assert version == len(marks) + 1
    await require_whole_chains(database.app_url)


@pytest.mark.anyio
@pytest.mark.requirement(34, 36, 53)
async def test_while_the_servers_processes_are_ended_no_edit_is_lost_doubled_or_half(
    database: Database, request: pytest.FixtureRequest
) -> None:
    kills = KILLS // SHARE[request.node.callspec.params["database"]]
    await require_nothing_half_while(database, terminate, kills, 0.03)


@pytest.fixture(params=VERSIONS)
def crashing(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Return a database of a server that nobody else uses."""
    server = Server(request.param)
    try:
        yield server.database()
    finally:
        server.stop()


@pytest.mark.anyio
@pytest.mark.requirement(36, 53)
async def test_of_a_server_that_crashes_nothing_told_is_lost_and_nothing_is_half(crashing: Database) -> None:
    await require_nothing_half_while(crashing, crash, CRASHES, 0.3)
