"""Every statement by itself keeps to one company, by its own condition, and by the policies.

Each is asked for what is another's, as no use case would: in the scope of one company, with the ids, names and
fingerprint of another's rows. Presets of all companies have one fingerprint, and all that can be alike in rows is alike.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from psycopg.rows import dict_row

from adapters.postgres import audit, companies, presets, resets, sessions, users
from adapters.postgres.statements import Statement
from adapters.postgres.work import PostgresStores
from segmentation_core.errors import Forbidden
from segmentation_core.ports import Stores
from segmentation_core.users import Company
from tests.contract.examples import NOON, inside
from tests.contract.tenants import TABLES, Populated

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.anyio, pytest.mark.requirement(24)]

STATEMENTS: dict[str, Statement] = {
    f"{module.__name__.rpartition('.')[2]}.{name}": statement
    for module in (audit, companies, presets, resets, sessions, users)
    for name, statement in vars(module).items()
    if isinstance(statement, Statement)
}
STORING = {"audit.ADD", "audit.BEGIN_CHAIN", "companies.ADD", "presets.ADD", "users.ADD"}
"""What has no row to look for: the scope is held against the company that is given, and the policies are."""

LATER = NOON + timedelta(hours=1)


def asked_for(populated: Populated, home: Company | None, name: str) -> dict[str, Any]:
    """Return parameters with which a statement finds what a company has, or what no company has."""
    user, preset = populated.users[home], populated.presets[home]
    number = populated.homes.index(home)
    kind = name.partition(".")[0]
    own = populated.presets[populated.mine]
    return {
        "id": {"users": user.id, "presets": preset.id, "sessions": f"session {number}"}.get(kind),
        "ids": {"audit": [row["id"] for row in populated.records()], "sessions": [f"session {number}"]}.get(
            kind, [preset.id, own.id]
        ),
        "user_id": user.id, "owner": user.id, "created_by_id": user.id, "owner_id": user.id,
        "company_id": user.company_id, "chain": user.company_id or 0,
        "username": f"another {number}", "folded_username": f"person {number}",
        "name": "Another", "folded_name": "other" if kind == "companies" else "another",
        "search": {"users": f"person {number}", "presets": f"preset {number}"}.get(kind),
        "role": user.role, "active": True, "dsp": True, "first_name": "", "folded_first_name": "", "last_name": "",
        "folded_last_name": "", "last_login": None, "password_hash": "x", "newer": 1,
        "version": 1, "fingerprint": preset.fingerprint, "document": "{}", "catalog": "x", "changed_by": "x",
        "action": "did", "actor": "ana", "actor_id": 1, "subject": "x", "at": NOON, "since": NOON,
        "until": LATER, "request_id": None, "number": 7, "seal": "0" * 64,
        "before": None if kind == "audit" else LATER, "after": 0,
        "digest": f"digest {number}", "created": NOON, "updated": NOON, "seen": LATER,
        "offset": 0, "limit": 100,
    }  # fmt: skip


def with_parameters(populated: Populated, name: str, statement: Statement) -> Iterator[dict[str, Any]]:
    """Return parameters that aim at each other home, with every choice of those that may be absent."""
    choices = chain.from_iterable(combinations(statement.given, size) for size in range(len(statement.given) + 1))
    for absent in choices:
        for home in populated.homes[1:]:
            values = asked_for(populated, home, name) | dict.fromkeys(absent)
            if name == "audit.ADD":
                values |= {"before": None, "after": None}
                values = {"rows": msgspec.json.encode([values]).decode(), "of_rows": values}
            if name.startswith("presets.ALIKE"):
                values["id"] = populated.presets[populated.mine].id
            yield values


async def outcome(populated: Populated, statement: Statement, values: dict[str, Any]) -> object:
    """Return how many rows a statement touches in the scope of one company, and which, or how it is refused."""
    scope = inside(populated.mine)
    values |= {"scope": scope.company_id}

    async def run(stores: Stores) -> object:
        assert isinstance(stores, PostgresStores)
        connection = stores.users._transaction._open
        try:
            async with connection.transaction(force_rollback=True), connection.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(statement.sql(scope, values).encode(), values)
                return cursor.rowcount, await cursor.fetchall() if cursor.description else []
        except psycopg.Error as fault:
            return type(fault)

    return await populated.work.run(scope, run)


@pytest.mark.parametrize("name", sorted(STATEMENTS.keys() - STORING))
async def test_a_statement_reaches_nothing_foreign_by_its_condition_or_by_the_policies_alone(
    populated: Populated, name: str
) -> None:
    statement = STATEMENTS[name]
    assert statement.company, "a statement of a tenant's table keeps to a company"
    bare = replace(statement, company=None)
    asked = [*with_parameters(populated, name, statement)]
    both = [await outcome(populated, statement, values) for values in asked]
    assert [await outcome(populated, bare, values) for values in asked] == both, "the policies alone"
    populated.take_away_policies()
    assert [await outcome(populated, statement, values) for values in asked] == both, "the condition alone"
    reached = [await outcome(populated, bare, values) for values in asked]
    homes = len(populated.homes) - 1
    for number in range(0, len(asked), homes):
        part = slice(number, number + homes)
        assert reached[part] != both[part], "without either, what was asked for is reached: this test can fail"


@pytest.mark.parametrize("name", sorted(STORING))
async def test_a_statement_stores_nothing_for_others_by_the_policies_or_by_its_scope_alone(
    populated: Populated, name: str
) -> None:
    statement = STATEMENTS[name]
    assert statement.company is None
    asked = [*with_parameters(populated, name, statement)]
    refused = [await outcome(populated, statement, values) for values in asked]
    assert refused == [psycopg.errors.InsufficientPrivilege] * len(asked)
    if name == "companies.ADD":
        return  # It has no company to hold against a scope: that the role may not is all that can be said.
    populated.take_away_policies()
    for values in asked:

        async def store(stores: Stores, values: dict[str, Any] = values) -> None:
            assert isinstance(stores, PostgresStores)
            transaction = stores.users._transaction
            if name == "audit.ADD":
                await transaction.store_all(statement, [values["of_rows"]])
            else:
                await transaction.store(statement, **values)

        with pytest.raises(Forbidden):
            await populated.work.run(inside(populated.mine), store)


def test_every_statement_of_a_tenants_table_is_tried() -> None:
    texts = [statement.text for statement in STATEMENTS.values()]
    assert all(any(table in text for text in texts) for table in TABLES)
    assert len(STATEMENTS) >= 40
