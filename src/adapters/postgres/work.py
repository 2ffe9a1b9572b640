"""Units of work in PostgreSQL: the pool of connections, scopes, and what is tried again."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import AdaptersMap
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from adapters.postgres.audit import PostgresAudit
from adapters.postgres.companies import PostgresCompanies
from adapters.postgres.documents import Documents
from adapters.postgres.errors import RETRIED, is_lost, translated
from adapters.postgres.presets import PostgresPresets
from adapters.postgres.resets import PostgresResets
from adapters.postgres.sessions import PostgresSessions
from adapters.postgres.statements import Transaction
from adapters.postgres.throttle import PostgresThrottle
from adapters.postgres.urls import APP_VARIABLE, checked_url, unreachable
from adapters.postgres.users import PostgresUsers
from segmentation_core.errors import Problem, SettingsError, Unavailable
from segmentation_core.ports import Stores, Work
from segmentation_core.users import ALL_COMPANIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from segmentation_core.sessions import Session
    from segmentation_core.users import Scope, User

T = TypeVar("T")
Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[Any]]

CONNECT_SECONDS: Final = 3
WAIT_SECONDS: Final = 3.0
"""How long a unit of work waits for a connection."""

MOST_WAITING: Final = 200
"""How many units of work wait for one; the next is told at once that the database is too busy."""

RECONNECT_SECONDS: Final = 1.0
"""How long the pool tries by itself to replace a connection. After that each unit of work that waits makes it try, and
not ever more seldom as the pool would."""

TRIES: Final = 3
"""How often a unit of work is run where PostgreSQL asks for another try."""

# A statement has one good plan, whatever its parameters. By itself PostgreSQL planned some anew each time, for what it
# then knows of them: that was 0.15 ms of the 0.23 that reading a session took, and 0.4 ms of a page of presets.
_SETTINGS: Final = {
    "TimeZone": "UTC",
    "statement_timeout": "5s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "10s",
    "plan_cache_mode": "force_generic_plan",
    "application_name": "segmentation",
}
_SET_UP: Final = b"SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS settings (name, value)"
_ROLE: Final = b"""
    SELECT current_user, rolsuper OR rolbypassrls
        OR EXISTS (SELECT FROM pg_class WHERE relrowsecurity AND pg_has_role(current_user, relowner, 'MEMBER'))
        OR EXISTS (SELECT FROM pg_roles WHERE rolname = 'segmentation_all' AND pg_has_role(current_user, oid, 'USAGE')),
        EXISTS (SELECT FROM pg_roles WHERE rolname = 'segmentation_all' AND pg_has_role(current_user, oid, %s))
    FROM pg_roles WHERE rolname = current_user
"""
_SET_IS_A_RIGHT: Final = 160_000
"""From PostgreSQL 16 on, a member of a role may be kept from becoming it."""

_BEGIN_IN_COMPANY: Final = "BEGIN; SET LOCAL segmentation.company_id = '{:d}'"
"""For the transaction alone: set for longer, it would be the next one's that the pool gives the connection to."""

_BEGIN_IN_ALL: Final = "BEGIN; SET LOCAL ROLE segmentation_all"

_READ_ALL: Final = b"SET ROLE segmentation_all; SET default_transaction_read_only = on"
"""For connections that do nothing but read sessions, of all companies: a statement each, and no transaction."""

MOST_READERS: Final = 8
"""How many of these there may be: twice as many as read at once, since a read that was given up holds on to its own."""

_log: Final = logging.getLogger("segmentation.database")


def _adapters() -> AdaptersMap:
    """Return how values travel: every integer is a bigint, so that a statement has one plan whatever its numbers."""
    adapters = AdaptersMap(psycopg.adapters)
    adapters.register_dumper(int, Int8Dumper)
    adapters.register_loader("json", Documents)
    return adapters


class PostgresStores(Stores):
    """The stores of one unit of work."""

    def __init__(self, transaction: Transaction, audit_key: bytes) -> None:
        self.companies = PostgresCompanies(transaction)
        self.users = PostgresUsers(transaction)
        self.sessions = PostgresSessions(transaction)
        self.presets = PostgresPresets(transaction)
        self.audit = PostgresAudit(transaction, audit_key)
        self.resets = PostgresResets(transaction)
        self.throttle = PostgresThrottle(transaction)


class PostgresWork(Work):
    """Units of work over one database. Built closed: `open` before the first, `close` after the last."""

    def __init__(self, url: str, audit_key: bytes, *, min_connections: int = 2, max_connections: int = 10) -> None:
        """Take the URL of the database for the role `segmentation_app`, and the key of the audit trail."""
        self._key = audit_key
        self._url = checked_url(url, APP_VARIABLE)
        self._pool = self._pool_of("segmentation", min_connections, max_connections, self._set_up)
        self._readers = self._pool_of("sessions", 0, MOST_READERS, self._set_up_reader)

    def _pool_of(
        self, name: str, least: int, most: int, set_up: Callable[[AsyncConnection[Any]], Awaitable[None]]
    ) -> Pool:
        return AsyncConnectionPool(
            self._url,
            kwargs={"autocommit": True, "connect_timeout": CONNECT_SECONDS, "context": _adapters()},
            min_size=least,
            max_size=most,
            open=False,
            configure=set_up,
            name=name,
            timeout=WAIT_SECONDS,
            max_waiting=MOST_WAITING,
            reconnect_timeout=RECONNECT_SECONDS,
        )

    async def check(self) -> None:
        """Connect once, and see whose connection it is.

        Raises Unavailable, with what was said, where that cannot be done, and SettingsError as `open` does.
        """
        try:
            async with await AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_SECONDS
            ) as connection:
                await self._set_up(connection)
        except psycopg.Error as fault:
            raise unreachable(fault, APP_VARIABLE) from fault

    async def open(self) -> None:
        """Open the pool. A database that is down does not stop it: what is run meanwhile raises Unavailable.

        Raises SettingsError where the URL's role could see past row-level security, or may not see all companies where
        it should.
        """
        try:
            await self.check()
        except Unavailable as fault:
            _log.warning("%s; it is tried again for each request", fault)
            await self._pool.open()
            await self._readers.open()
            return
        await self._pool.open()
        await self._readers.open()
        with suppress(PoolTimeout):
            async with self._pool.connection():
                pass

    async def _set_up(self, connection: AsyncConnection[Any]) -> None:
        """Make a new connection ready. One whose role sees more or less than it should is never used."""
        await connection.execute(_SET_UP, [[*_SETTINGS], [*_SETTINGS.values()]])
        right = "SET" if connection.info.server_version >= _SET_IS_A_RIGHT else "MEMBER"
        found = await (await connection.execute(_ROLE, [right])).fetchone()
        role, sees_past, may_see_all = found or ("", True, False)
        if not sees_past and may_see_all:
            return
        await connection.close()
        said = "its role owns tables, or is not held by row-level security"
        if not sees_past:
            said = "its role was not granted segmentation_all"
        raise SettingsError(Problem(APP_VARIABLE, said, role, "segmentation_app, as roles.sql makes it"))

    async def _set_up_reader(self, connection: AsyncConnection[Any]) -> None:
        await self._set_up(connection)
        await connection.execute(_READ_ALL)

    def use(self) -> dict[str, int]:
        """Return how many connections are in use and idle, and how many units of work wait for one."""
        stats = Counter(self._pool.get_stats())
        stats.update(self._readers.get_stats())
        return {
            "used": stats["pool_size"] - stats["pool_available"],
            "idle": stats["pool_available"],
            "waited_for": stats["requests_waiting"],
            "most": stats["pool_max"],
        }

    async def close(self) -> None:
        """Close the pools and their connections."""
        await self._pool.close()
        await self._readers.close()

    async def run(self, scope: Scope, action: Callable[[Stores], Awaitable[T]]) -> T:
        return await self._done(self._pool, _beginning(scope), scope, action)

    async def find_sessions(self, session_ids: Collection[str]) -> dict[str, tuple[Session, User]]:
        return await self._done(
            self._readers, None, ALL_COMPANIES, lambda stores: stores.sessions.find_all(session_ids)
        )

    async def _done(
        self, pool: Pool, beginning: str | None, scope: Scope, action: Callable[[Stores], Awaitable[T]]
    ) -> T:
        """Do something over a connection of a pool: as a transaction, where something begins it."""
        tries, losses = 1, 0
        while True:
            begun = False
            try:
                async with pool.connection() as connection:  # which commits at its end, or rolls back
                    if beginning:
                        await connection.execute(beginning.encode())
                        begun = True
                    return await self._acted(connection, scope, action)
            except psycopg.Error as fault:
                if isinstance(fault, RETRIED) and tries < TRIES:
                    tries += 1
                elif is_lost(fault) and not begun and losses < pool.max_size:
                    losses += 1  # those that wait in the pool are likely all dead: each is replaced as it is met
                else:
                    error = translated(fault)
                    if error is None:
                        raise
                    raise error from fault

    async def _acted(
        self, connection: AsyncConnection[Any], scope: Scope, action: Callable[[Stores], Awaitable[T]]
    ) -> T:
        transaction = Transaction(connection, scope)
        try:
            return await action(PostgresStores(transaction, self._key))
        finally:
            transaction.end()


def _beginning(scope: Scope) -> str:
    """Return what begins a transaction in a scope: two statements, sent as one."""
    return _BEGIN_IN_ALL if scope.company_id is None else _BEGIN_IN_COMPANY.format(scope.company_id)
