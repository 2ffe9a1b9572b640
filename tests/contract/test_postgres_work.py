"""What units of work over PostgreSQL do when it is slow, busy, gone, or asks for another try."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import errors

from adapters.postgres import PostgresWork, prepare_roles, presets, statements, work
from segmentation_core.errors import Forbidden, RequestError, SettingsError, Unavailable
from segmentation_core.ports import Stores
from segmentation_core.presets import PresetVersion
from segmentation_core.users import ALL_COMPANIES, User
from tests.contract.examples import (
    AUDIT_KEY,
    NOON,
    a_preset,
    add_company,
    add_preset,
    add_user,
    an_entry,
    inside,
    somebody,
)
from tests.postgres import Database

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


async def everybody(stores: Stores) -> list[User]:
    return await stores.users.all()


def administered(database: Database) -> psycopg.Connection[Any]:
    """Return a superuser's connection that is not to this database."""
    return psycopg.connect(database.super_url.replace(f"/{database.name}?", "/postgres?"), autocommit=True)


def kill_backends(database: Database) -> int:
    """End all connections of the service to a database, as a restart of the server does."""
    with administered(database) as connection:
        killed = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database.name]
        )
        return len(killed.fetchall())


def let_in(database: Database, *, allowed: bool) -> None:
    with administered(database) as connection:
        connection.execute(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS {allowed}".encode())


@pytest.mark.requirement(37)
async def test_every_connection_has_its_limits(postgres: PostgresWork) -> None:
    shown = {
        "TimeZone": "UTC",
        "statement_timeout": "5s",
        "lock_timeout": "3s",
        "idle_in_transaction_session_timeout": "10s",
        "application_name": "segmentation",
    }
    async with postgres._pool.connection() as connection:
        for name, value in shown.items():
            cursor = await connection.execute(f"SHOW {name}".encode())
            assert await cursor.fetchone() == (value,)


@pytest.mark.requirement(37)
async def test_a_database_that_never_answers_is_given_up_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections are made, and nobody takes them
        url = f"postgresql://segmentation_app@127.0.0.1:{silent.getsockname()[1]}/x?sslmode=disable"
        opened = PostgresWork(url, AUDIT_KEY)
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(opened.check(), 15)
    assert time.monotonic() - began < 10
    assert isinstance(opened._pool.kwargs, dict)
    assert 2 <= opened._pool.kwargs["connect_timeout"] <= 5  # the pool's own connections are no more patient


@pytest.mark.parametrize("fault", [errors.SerializationFailure, errors.DeadlockDetected])
@pytest.mark.requirement(39)
async def test_what_postgres_asks_to_try_again_is_tried_three_times(
    postgres: PostgresWork, fault: type[psycopg.Error]
) -> None:
    company = await add_company(postgres)
    tries: list[int] = []

    async def fail_at_first(stores: Stores, failures: int) -> User:
        tries.append(len(tries))
        user = await stores.users.add(somebody(f"ana {failures}", company), "hash")
        if len(tries) <= failures:
            raise fault
        return user

    ana = await postgres.run(inside(company), lambda stores: fail_at_first(stores, 2))
    assert len(tries) == 3
    assert await postgres.run(ALL_COMPANIES, everybody) == [ana]
    tries.clear()
    with pytest.raises(Unavailable):
        await postgres.run(inside(company), lambda stores: fail_at_first(stores, 3))
    assert len(tries) == 3
    assert await postgres.run(ALL_COMPANIES, everybody) == [ana]


async def test_of_two_in_a_deadlock_both_end_well(postgres: PostgresWork) -> None:
    company = await add_company(postgres)
    ana, bo = await add_user(postgres, "ana", company), await add_user(postgres, "bo", company)
    both_locked = asyncio.Barrier(2)
    tries = []

    async def lock(first: User, second: User) -> None:
        async def change(stores: Stores) -> None:
            tries.append(first)
            assert await stores.users.by_id(first.id, lock=True)
            if len(tries) <= 2:
                await both_locked.wait()
            found = await stores.users.by_id(second.id, lock=True)
            assert found
            await stores.users.change(replace(found, first_name=found.first_name + "x"))

        await postgres.run(inside(company), change)

    await asyncio.gather(lock(ana, bo), lock(bo, ana))
    assert len(tries) > 2
    assert [user.first_name for user in await postgres.run(ALL_COMPANIES, everybody)] == ["x", "x"]


@pytest.mark.requirement(38)
async def test_when_the_server_ended_all_idle_connections_nobody_notices(database: Database) -> None:
    opened = PostgresWork(database.app_url, AUDIT_KEY, min_connections=6, max_connections=6)
    await opened.open()
    await opened._pool.wait()
    for _ in range(3):
        assert kill_backends(database) == 6
        began = time.monotonic()
        for _ in range(10):
            assert await opened.run(ALL_COMPANIES, everybody) == []
        assert time.monotonic() - began < 2.5
        await asyncio.gather(*(opened.run(ALL_COMPANIES, everybody) for _ in range(20)))
        await opened._pool.wait()
    await opened.close()


@pytest.mark.requirement(39)
async def test_a_connection_that_dies_before_anything_was_sent_is_replaced_once(database: Database) -> None:
    opened = PostgresWork(database.app_url, AUDIT_KEY, min_connections=1, max_connections=1)
    await opened.open()
    assert kill_backends(database) == 1
    assert await opened.run(ALL_COMPANIES, everybody) == []
    await opened.close()


@pytest.mark.requirement(38, 39)
async def test_work_can_be_cancelled_where_one_connection_died_and_the_others_hang(database: Database) -> None:
    opened = PostgresWork(database.app_url, AUDIT_KEY, min_connections=3, max_connections=3)
    await opened.open()
    await opened._pool.wait()
    dead, *hanging = [connection.info.backend_pid for connection in opened._pool._pool]
    with administered(database) as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", [dead])
    for pid in hanging:
        os.kill(pid, signal.SIGSTOP)
    working = asyncio.create_task(opened.run(ALL_COMPANIES, everybody))
    await asyncio.sleep(0.2)
    working.cancel()
    await asyncio.sleep(0.1)
    for pid in hanging:
        os.kill(pid, signal.SIGCONT)
    await asyncio.wait([working])
    await opened.close()
    assert working.cancelled()


@pytest.mark.requirement(39)
async def test_of_work_whose_connection_dies_nothing_is_kept_and_it_is_not_tried_again(
    postgres: PostgresWork, database: Database
) -> None:
    company = await add_company(postgres)
    tries = []

    async def change(stores: Stores) -> None:
        tries.append(1)
        await stores.users.add(somebody("ana", company), "hash")
        await stores.audit.add(an_entry(company))
        kill_backends(database)
        await stores.users.all()

    with pytest.raises(Unavailable):
        await postgres.run(inside(company), change)
    assert tries == [1]
    assert await postgres.run(ALL_COMPANIES, everybody) == []
    assert await postgres.run(ALL_COMPANIES, lambda stores: stores.audit.ends()) == []


@pytest.mark.requirement(53)
async def test_a_database_that_is_down_is_told_in_time_and_used_again_once_it_is_back(
    postgres: PostgresWork, database: Database
) -> None:
    let_in(database, allowed=False)
    kill_backends(database)
    began = time.monotonic()
    outcomes = await asyncio.gather(*(postgres.run(ALL_COMPANIES, everybody) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert time.monotonic() - began < work.WAIT_SECONDS + 1
    let_in(database, allowed=True)
    began = time.monotonic()
    assert await postgres.run(ALL_COMPANIES, everybody) == []
    assert time.monotonic() - began < 5


async def test_it_opens_while_the_database_is_down(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "WAIT_SECONDS", 0.3)
    opened = PostgresWork("postgresql://segmentation_app@/nowhere?host=/nowhere", AUDIT_KEY)
    await opened.open()
    with pytest.raises(Unavailable):
        await opened.run(ALL_COMPANIES, everybody)
    await opened.close()
    with pytest.raises(Unavailable):
        await opened.run(ALL_COMPANIES, everybody)
    del database


@pytest.mark.parametrize("who", ["super_url", "owner_url"])
@pytest.mark.requirement(24)
async def test_a_role_that_could_see_past_row_level_security_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setattr(work, "WAIT_SECONDS", 0.5)
    opened = PostgresWork(getattr(database, who), AUDIT_KEY)
    with pytest.raises(SettingsError, match="not held by row-level security"):
        await opened.open()


async def test_a_role_that_may_not_see_all_companies_where_it_should_is_refused(database: Database) -> None:
    with psycopg.connect(database.super_url, autocommit=True) as connection:
        connection.execute("REVOKE segmentation_all FROM segmentation_app")
        try:
            with pytest.raises(SettingsError, match="was not granted segmentation_all"):
                await PostgresWork(database.app_url, AUDIT_KEY).open()
        finally:
            prepare_roles(database.super_url)


async def test_a_missing_grant_is_the_operators_fault_and_a_foreign_row_the_callers(
    postgres: PostgresWork, database: Database
) -> None:
    acme, other = await add_company(postgres), await add_company(postgres, "Other")
    with pytest.raises(Forbidden):
        await postgres.run(inside(acme), lambda stores: stores.users.add(somebody("ana", other), "hash"))
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("REVOKE INSERT ON users FROM segmentation_app")
    with pytest.raises(Unavailable, match="a grant is missing"):
        await postgres.run(inside(acme), lambda stores: stores.users.add(somebody("ana", acme), "hash"))
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        connection.execute("REVOKE SELECT ON users FROM segmentation_all")
    with pytest.raises(Unavailable, match="a grant is missing"):
        await postgres.run(ALL_COMPANIES, everybody)


async def test_a_check_says_what_keeps_from_connecting(database: Database) -> None:
    opened = PostgresWork(database.app_url.replace(f"/{database.name}?", "/nowhere?"), AUDIT_KEY)
    with pytest.raises(Unavailable, match=r'SEGMENTATION_DATABASE_URL: .*database "nowhere" does not exist'):
        await opened.check()
    await PostgresWork(database.app_url, AUDIT_KEY).check()


@pytest.mark.requirement(38)
async def test_who_finds_no_connection_in_time_or_too_many_waiting_is_told_so(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "WAIT_SECONDS", 0.3)
    monkeypatch.setattr(work, "MOST_WAITING", 2)
    opened = PostgresWork(database.app_url, AUDIT_KEY, min_connections=1, max_connections=1)
    await opened.open()
    ending = asyncio.Event()

    async def hold(_: Stores) -> None:
        await ending.wait()

    holding = asyncio.create_task(opened.run(ALL_COMPANIES, hold))
    await asyncio.sleep(0.05)
    began = time.monotonic()
    outcomes = await asyncio.gather(*(opened.run(ALL_COMPANIES, everybody) for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 5
    assert time.monotonic() - began < 1
    ending.set()
    await holding
    assert await opened.run(ALL_COMPANIES, everybody) == []
    await opened.close()


@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
@pytest.mark.requirement(37)
async def test_who_waits_too_long_for_a_lock_is_told_so(
    database: Database, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setitem(work._SETTINGS, limit, "150ms")
    opened = PostgresWork(database.app_url, AUDIT_KEY, min_connections=2)
    await opened.open()
    ana = await add_user(opened, "ana", await add_company(opened))
    ending, held = asyncio.Event(), asyncio.Event()

    async def hold(stores: Stores) -> None:
        await stores.users.by_id(ana.id, lock=True)
        held.set()
        await ending.wait()

    holding = asyncio.create_task(opened.run(ALL_COMPANIES, hold))
    await held.wait()
    with pytest.raises(Unavailable):
        await opened.run(ana.scope, lambda stores: stores.users.by_id(ana.id, lock=True))
    ending.set()
    await holding
    await opened.close()


async def test_stores_that_are_kept_past_their_unit_of_work_cannot_be_used(postgres: PostgresWork) -> None:
    async def escape(stores: Stores) -> Stores:
        return stores

    stores = await postgres.run(ALL_COMPANIES, escape)
    with pytest.raises(RuntimeError, match="has ended"):
        await stores.users.all()


@pytest.mark.requirement(27)
async def test_what_no_column_can_hold_is_refused_with_its_place(postgres: PostgresWork) -> None:
    company = await add_company(postgres)
    ana = await add_user(postgres, "ana", company)
    preset = await add_preset(postgres, ana)
    refused: tuple[tuple[str, Callable[[Stores], object]], ...] = (
        ("username", lambda stores: stores.users.add(somebody("a\0b", company), "hash")),
        ("last_name", lambda stores: stores.users.change(replace(ana, last_name="\ud800"))),
        ("name", lambda stores: stores.presets.add(a_preset(ana, "\0"))),
        ("name", lambda stores: stores.presets.change(replace(preset, name="\0", version=2), "ana")),
        ("version", lambda stores: stores.presets.change(replace(preset, version=2**63), "ana")),
        ("name", lambda stores: stores.companies.named("a\0b")),
        ("subject", lambda stores: stores.audit.add(an_entry(company, subject="\0"))),
        ("NaN|Out of range", lambda stores: stores.presets.add(a_preset(ana, "n", document={"n": float("nan")}))),
        ("too large", lambda stores: stores.users.add(somebody("x" * 2**20, company), "hash")),
        ("stored", lambda stores: stores.users.add(somebody("bo", company, role="Nobody"), "hash")),
    )
    for told, action in refused:
        with pytest.raises(RequestError, match=told):
            await postgres.run(ALL_COMPANIES, action)  # type: ignore[arg-type]
    assert await postgres.run(ALL_COMPANIES, everybody) == [ana]


async def test_a_large_batch_of_records_is_added_quickly(postgres: PostgresWork) -> None:
    company = await add_company(postgres)
    entries = [an_entry(company, f"{number}", at=NOON, after={"size": number}) for number in range(2_000)]
    began = time.monotonic()
    await postgres.run(inside(company), lambda stores: stores.audit.add(*entries))
    assert time.monotonic() - began < 2


async def test_others_have_their_turn_between_the_documents_of_a_page(
    postgres: PostgresWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await add_user(postgres, "ana", await add_company(postgres))
    preset = await add_preset(postgres, owner)
    for version in range(2, 21):
        changed = replace(preset, version=version)
        await postgres.run(owner.scope, lambda stores, new=changed: stores.presets.change(new, "ana"))  # type: ignore[misc]
    turn, turns_of_rows = 0, []

    async def take_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    def noted(**row: Any) -> PresetVersion:  # noqa: ANN401  columns of a row
        turns_of_rows.append(turn)
        return PresetVersion(**row)

    monkeypatch.setattr(presets, "PresetVersion", noted)
    others = asyncio.ensure_future(take_turns())
    for seconds, turns in ((-1.0, 20), (60.0, 1)):
        monkeypatch.setattr(statements, "_AT_A_TIME", seconds)
        turns_of_rows.clear()
        found = await postgres.run(owner.scope, lambda stores: stores.presets.versions(preset.id))
        assert [one.version for one in found] == [*range(20, 0, -1)]
        assert len(set(turns_of_rows)) == turns
    others.cancel()
