"""What reading the sessions of requests together promises, over every store."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, TypeVar

import psycopg
import pytest
from psycopg import errors

from adapters import session_reads
from adapters.postgres import PostgresWork
from adapters.session_reads import GatheredReads
from segmentation_core.errors import Unavailable
from segmentation_core.ports import Stores, Work
from tests.contract.examples import AUDIT_KEY, add_company, add_user, begin_session
from tests.postgres import Database

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from pathlib import Path

    from segmentation_core.sessions import Session
    from segmentation_core.users import Scope, User

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class Counted(Work):
    """The reads of sessions of another, counted; each waits until it is `let`, and fails where a fault is given."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.reads = 0
        self.let = asyncio.Event()
        self.let.set()
        self.fault: Exception | None = None

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def run(self, scope: Scope, action: Callable[[Stores], Awaitable[T]]) -> T:
        return await self._work.run(scope, action)

    async def find_sessions(self, session_ids: Collection[str]) -> dict[str, tuple[Session, User]]:
        self.reads += 1
        await self.let.wait()
        if self.fault:
            raise self.fault
        return await self._work.find_sessions(session_ids)


async def test_each_request_gets_its_own_session_however_they_are_read(work: Work) -> None:
    ana, root = await add_user(work, "ana", await add_company(work)), await add_user(work, "root", None)
    sessions = [(await begin_session(work, user, f"{user.username} {n}"), user) for user in (ana, root) for n in "123"]
    counted = Counted(work)
    reads = GatheredReads(counted)
    asked = [session.id for session, _ in sessions] + ["none", "nul\0", "\ud800"]
    found = await asyncio.gather(*(reads.find(session_id) for session_id in asked * 2))
    assert found == [*sessions, None, None, None] * 2
    assert counted.reads == 1


@pytest.mark.requirement(11)
async def test_what_had_ended_before_it_was_asked_is_never_found(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    kept = await begin_session(work, ana, "kept")
    reads = GatheredReads(work)
    for _ in range(20):
        await begin_session(work, ana, "one")
        before = [asyncio.ensure_future(reads.find(name)) for name in ("one", "kept", "one")]
        await asyncio.sleep(0)  # reads are under way
        await work.run(ana.scope, lambda stores: stores.sessions.end("one"))
        assert await reads.find("one") is None
        assert await reads.find("kept") == (kept, ana)
        await asyncio.gather(*before)


async def test_a_read_that_fails_fails_for_those_who_asked_for_it_and_no_one_else(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    session = await begin_session(work, ana, "one")
    counted = Counted(work)
    reads = GatheredReads(counted)
    counted.fault = Unavailable("down")
    told = await asyncio.gather(*(reads.find(name) for name in ("one", "two", "one")), return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable] * 3
    counted.fault = None
    assert await reads.find("one") == (session, ana)


async def test_who_goes_away_takes_nobodys_answer_along(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    session = await begin_session(work, ana, "one")
    counted = Counted(work)
    counted.let.clear()
    reads = GatheredReads(counted)
    first, second = (asyncio.ensure_future(reads.find("one")) for _ in "12")
    await asyncio.sleep(0)
    first.cancel()
    counted.let.set()
    assert await second == (session, ana)
    assert first.cancelled()


async def test_a_read_that_hangs_is_given_up_and_the_next_are_answered(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_reads, "SECONDS", 0.2)
    ana = await add_user(work, "ana", await add_company(work))
    session = await begin_session(work, ana, "one")
    counted = Counted(work)
    counted.let.clear()
    reads = GatheredReads(counted)
    hanging = asyncio.ensure_future(reads.find("one"))
    await asyncio.sleep(session_reads.SLOW * 1.5)
    assert counted.reads == 1
    counted.let = asyncio.Event()  # the first goes on waiting for the one before
    counted.let.set()
    assert await reads.find("one") == (session, ana), "beside one that is slow another begins"
    with pytest.raises(Unavailable):
        await hanging


async def test_beside_a_slow_read_another_begins_whether_or_not_more_is_asked(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    session = await begin_session(work, ana, "one")
    counted = Counted(work)
    counted.let.clear()
    reads = GatheredReads(counted)
    hanging = asyncio.ensure_future(reads.find("one"))
    await asyncio.sleep(session_reads.SLOW / 5)
    assert counted.reads == 1
    slow, counted.let = counted.let, asyncio.Event()
    counted.let.set()
    async with asyncio.timeout(1):
        assert await reads.find("one") == (session, ana)
    slow.set()
    assert await hanging == (session, ana)


async def test_a_read_that_cannot_even_be_cancelled_is_given_up_in_time(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stubborn(Counted):
        async def find_sessions(self, session_ids: Collection[str]) -> dict[str, tuple[Session, User]]:
            with suppress(asyncio.CancelledError):
                await self.let.wait()
            await self.let.wait()  # as psycopg does, lest a statement go on
            return await super().find_sessions(session_ids)

    monkeypatch.setattr(session_reads, "SECONDS", 0.1)
    stubborn = Stubborn(work)
    stubborn.let.clear()
    async with asyncio.timeout(1):
        with pytest.raises(Unavailable):
            await GatheredReads(stubborn).find("one")
    stubborn.let.set()


@pytest.mark.requirement(11, 24)
async def test_the_connections_that_sessions_are_read_over_see_all_companies_and_change_nothing(
    postgres: PostgresWork,
) -> None:
    ana, root = await add_user(postgres, "ana", await add_company(postgres)), await add_user(postgres, "root", None)
    sessions = {user.username: (await begin_session(postgres, user, user.username), user) for user in (ana, root)}
    for _ in range(10):  # prepared by then
        assert await postgres.find_sessions([*sessions, "none"]) == sessions
    async with postgres._readers.connection() as connection:
        asked = await connection.execute("SELECT current_user, current_setting('plan_cache_mode')")
        assert await asked.fetchone() == ("segmentation_all", "force_generic_plan")
        for statement in (
            "UPDATE users SET active = false", "DELETE FROM sessions", "INSERT INTO companies (name) VALUES ('x')"
        ):  # fmt: skip
            with pytest.raises(errors.ReadOnlySqlTransaction):
                await connection.execute(statement.encode())
    assert await postgres.find_sessions([*sessions]) == sessions


async def test_a_session_is_read_though_every_connection_for_that_had_died(
    postgres: PostgresWork, database: Database
) -> None:
    ana = await add_user(postgres, "ana", await add_company(postgres))
    session = await begin_session(postgres, ana, "one")
    assert await postgres.find_sessions(["one"]) == {"one": (session, ana)}
    with psycopg.connect(database.super_url, autocommit=True) as connection:
        killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'segmentation_app'"
        assert len(connection.execute(killed).fetchall()) >= 2
    assert await postgres.find_sessions(["one"]) == {"one": (session, ana)}


class Silent:
    """A way to a database that, once told to, passes nothing on over connections that there are; new ones are good."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._passing: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        its_reader, its_writer = await asyncio.open_unix_connection(self._socket)
        self._writers += [writer, its_writer]
        for one, other in ((reader, its_writer), (its_reader, writer)):
            self._passing.append(asyncio.create_task(self._passed(one, other)))

    async def _passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def fall_silent(self) -> None:
        while self._passing:
            self._passing.pop().cancel()

    async def end(self) -> None:
        self.fall_silent()
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            with suppress(OSError):
                await writer.wait_closed()


@pytest.mark.requirement(53)
async def test_while_all_connections_hang_new_ones_are_used_within_seconds(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_reads, "SECONDS", 0.5)
    host = str(psycopg.conninfo.conninfo_to_dict(database.app_url)["host"])
    silent = Silent(f"{host}/.s.PGSQL.5432")
    async with await asyncio.start_unix_server(silent.served, f"{tmp_path}/.s.PGSQL.5432"):
        opened = PostgresWork(database.app_url.replace(host, str(tmp_path)), AUDIT_KEY)
        await opened.open()
        async with AsyncExitStack() as taken:
            for _ in range(session_reads.MOST_AT_ONCE):
                await taken.enter_async_context(opened._readers.connection())
        reads = GatheredReads(opened)
        assert await reads.find("none") is None
        silent.fall_silent()
        failed = [asyncio.ensure_future(_asked(reads, 0.03 * number)) for number in range(60)]
        faults = sum(isinstance(fault, Unavailable) for fault in await asyncio.gather(*failed))
        assert faults < 30, faults
        await silent.end()
        await opened.close()


async def _asked(reads: GatheredReads, after: float) -> Unavailable | None:
    await asyncio.sleep(after)
    try:
        await reads.find("none")
    except Unavailable as fault:
        return fault
    return None
