"""SQL statements, and the transaction that they run in.

A statement names its conditions apart from its text. So those that keep to one company are added in one place, and a
test can take all of them away to see that row-level security alone keeps every foreign row out of sight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from psycopg import adapters
from psycopg.rows import kwargs_row

from adapters.postgres.errors import OUTSIDE, cannot_be_stored, conflict
from segmentation_core.errors import Forbidden, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg import AsyncConnection, AsyncCursor

    from segmentation_core.users import Scope

T = TypeVar("T")

SMALLEST: Final = -(2**63)
LARGEST: Final = 2**63 - 1
"""What a bigint can be."""

WINDOW: Final = " OFFSET %(offset)s LIMIT %(limit)s"
FARTHEST: Final = 2**62 - 1
"""The greatest offset and limit: PostgreSQL adds the two."""

_JSON: Final = adapters.types["json"].oid
_AT_A_TIME: Final = 0.005
"""For how many seconds documents are read before others have their turn."""


class Statement(msgspec.Struct, frozen=True):
    """A statement: `text`, with `{where}` in the place of its conditions.

    `company` is the column that must be the scope's company where there is one, None where a statement stores what
    the database checks. `always` holds in any case, each of `given` where its parameter is not None.
    """

    text: str
    company: str | None = None
    always: str | None = None
    given: Mapping[str, str] = {}

    def conditions(self, scope: Scope, values: Mapping[str, Any]) -> list[str]:
        """Return what must hold of a row."""
        return [
            *([self.always] if self.always else []),
            *([f"{self.company} = %(scope)s"] if self.company and scope.company_id is not None else []),
            *(condition for name, condition in self.given.items() if values[name] is not None),
        ]

    def sql(self, scope: Scope, values: Mapping[str, Any]) -> str:
        """Return the SQL for a scope and the parameters."""
        conditions = self.conditions(scope, values)
        return self.text.replace("{where}", f"WHERE {' AND '.join(conditions)}" if conditions else "")


class Transaction:
    """One transaction within a scope, on a connection where it has begun. Good until it ends."""

    def __init__(self, connection: AsyncConnection[Any], scope: Scope) -> None:
        self.scope = scope
        self._connection: AsyncConnection[Any] | None = connection

    def end(self) -> None:
        """Let nobody use the connection any more, which is soon another transaction's."""
        self._connection = None

    async def rows(self, statement: Statement, made: Callable[..., T], **values: Any) -> list[T]:  # noqa: ANN401
        """Return what is made of each row that a statement gives.

        A value that no column can hold, such as an id past bigint or a text with NUL, finds nothing.
        """
        return await self._run(statement, made, values) if all(map(is_storable, values.values())) else []

    async def row(self, statement: Statement, made: Callable[..., T], **values: Any) -> T | None:  # noqa: ANN401
        """Return what is made of the only row that a statement gives, None where it gives none; else as `rows`."""
        return next(iter(await self.rows(statement, made, **values)), None)

    async def do(self, statement: Statement, **values: Any) -> None:  # noqa: ANN401
        """Run a statement that returns nothing. A value that no column can hold does nothing."""
        await self.rows(statement, dict, **values)

    async def store(self, statement: Statement, *, named: str | None = None, **values: Any) -> Any:  # noqa: ANN401
        """Run a statement that stores values and return its `id`, None where it gives no row.

        Raises RequestError for a value that no column can hold, Forbidden for a `company_id` out of scope, and Conflict
        where what is `named` so is taken: the transaction goes on as if the statement had not been run.
        """
        self._require_storable(values)
        if named is None:
            return next(iter(await self._run(statement, the_id, values)), None)
        with conflict(named):
            async with self._open.transaction():
                return next(iter(await self._run(statement, the_id, values)), None)

    async def store_all(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement that stores rows, which it reads from the JSON of its parameter `rows`. Raises as `store`."""
        for values in rows:
            self._require_storable(values)
        async with self._open.cursor() as cursor:
            await cursor.execute(statement.text.encode(), {"rows": msgspec.json.encode(rows).decode()})

    def _require_storable(self, values: Mapping[str, object]) -> None:
        refused = [cannot_be_stored(name, value) for name, value in values.items() if not is_storable(value)]
        if refused:
            raise RequestError(refused)
        self._require_in_scope(values)

    def _require_in_scope(self, values: Mapping[str, object]) -> None:
        mine = self.scope.company_id
        if mine is not None and values.get("company_id", mine) != mine:
            raise Forbidden(OUTSIDE)

    async def _run(self, statement: Statement, made: Callable[..., T], values: dict[str, Any]) -> list[T]:
        values["scope"] = self.scope.company_id
        async with self._open.cursor(row_factory=kwargs_row(made)) as cursor:
            await cursor.execute(statement.sql(self.scope, values).encode(), values)
            given = cursor.pgresult  # asked itself: a cursor's `description` makes an object of each column
            if not given or not given.nfields:
                return []
            if any(given.ftype(column) == _JSON for column in range(given.nfields)):
                return await _read_in_turns(cursor)
            return await cursor.fetchall()

    @property
    def _open(self) -> AsyncConnection[Any]:
        if self._connection is None:
            msg = "The unit of work has ended: its stores cannot be used any more."
            raise RuntimeError(msg)
        return self._connection


async def _read_in_turns(cursor: AsyncCursor[T]) -> list[T]:
    """Return all rows. Between them others have their turn: a page of large documents takes most of a second."""
    found: list[T] = []
    number = 1
    since = perf_counter()
    while rows := await cursor.fetchmany(number):
        found += rows
        number *= 2
        if perf_counter() - since > _AT_A_TIME:
            await asyncio.sleep(0)
            number, since = 1, perf_counter()
    return found


def window(offset: int, limit: int) -> dict[str, int]:
    """Return the parameters of a page, kept to what PostgreSQL can count."""
    return {"offset": min(max(offset, 0), FARTHEST), "limit": min(max(limit, 0), FARTHEST)}


def is_id(value: int) -> bool:
    """Tell whether a number can be an id at all."""
    return SMALLEST <= value <= LARGEST


def the_total(*, total: int) -> int:
    """Return the number that a count gives."""
    return total


def the_id(**row: Any) -> Any:  # noqa: ANN401  a bigint, or the text of a session
    """Return the id that a row has."""
    return row["id"]


def is_storable(value: object) -> bool:
    """Tell whether a column can hold a number or a text."""
    if isinstance(value, str):
        return "\0" not in value and (value.isascii() or _is_whole(value))
    return not isinstance(value, int) or is_id(value)


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
