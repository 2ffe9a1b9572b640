"""What somebody who can write the database does to the audit trail is found by whoever has its key."""

# ruff: noqa: S608  the statements are written here

from __future__ import annotations

from itertools import starmap

import psycopg
import pytest

from adapters.postgres import PostgresWork
from segmentation_core.audit import Head
from segmentation_core.usecases import Operate, operating
from segmentation_core.users import ALL_COMPANIES
from tests.contract.acting import OpenPasswords
from tests.contract.examples import AUDIT_KEY, add_company, an_entry
from tests.postgres import Database
from tests.unit.house import HandClock

pytestmark = [pytest.mark.anyio, pytest.mark.requirement(50)]

RECORDS = 5
MINE = "chain = (SELECT id FROM companies)"
LAST = f"{MINE} AND number = 5"
COPIED = """
    INSERT INTO audit_records (company_id, number, action, actor, subject, at, seal)
    SELECT company_id, {number}, action, actor, subject, at, seal FROM audit_records WHERE {which}
"""
WITHOUT_BOUNDS = "ALTER TABLE audit_records DROP CONSTRAINT audit_records_number;"
CUT_TRULY = f"""
    DELETE FROM audit_records WHERE {LAST};
    UPDATE audit_heads SET (number, seal) =
        (SELECT number, seal FROM audit_records WHERE {MINE} AND number = 4) WHERE {MINE};
"""
SWAPPED = "; ".join(
    f"UPDATE audit_records SET number = {after} WHERE {MINE} AND number = {before}"
    for before, after in ((2, 9), (3, 2), (9, 3))
)
HEAD_MOVED = "records were cut off or added, or the head was moved"


@pytest.fixture
async def operate(postgres: PostgresWork, monkeypatch: pytest.MonkeyPatch) -> Operate:
    """Return an operator of a trail with five records of one company, and five of none."""
    company = await add_company(postgres)
    for home in (company, None):
        entries = [an_entry(home, f"{number}", after={"n": number}) for number in range(RECORDS)]
        await postgres.run(ALL_COMPANIES, lambda stores, entries=entries: stores.audit.add(*entries))  # type: ignore[misc]
    monkeypatch.setattr(operating, "_AT_ONCE", 2)
    return Operate(postgres, OpenPasswords(), HandClock())


def tamper(database: Database, sql: str) -> None:
    """Run SQL as somebody who may do all, and who lets no foreign key stand in his way."""
    with psycopg.connect(database.super_url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(sql.encode())


async def told(operate: Operate, exported: list[Head] | None = None) -> list[str]:
    return [*map(str, (await operate.verify(AUDIT_KEY, exported or []))[1])]


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (f"UPDATE audit_records SET actor = 'bo' WHERE {MINE} AND number = 2", ["record 2: does not have the seal"]),
        (f"UPDATE audit_records SET at = at + interval '1 us' WHERE {LAST}", ["record 5: does not have the seal"]),
        (f"UPDATE audit_records SET after = '{{}}' WHERE {MINE} AND number = 1", ["record 1: does not have the seal"]),
        (f"UPDATE audit_records SET seal = repeat('0', 64) WHERE {MINE} AND number = 2", ["record 2: does not have", "record 3: does not have"]),
        (f"DELETE FROM audit_records WHERE {MINE} AND number = 2", ["record 3: does not follow"]),
        (f"DELETE FROM audit_records WHERE {MINE} AND number < 3", ["record 3: does not follow"]),
        (f"DELETE FROM audit_records WHERE {LAST}", [HEAD_MOVED]),
        (f"DELETE FROM audit_records WHERE {MINE}", [HEAD_MOVED]),
        (SWAPPED, ["record 2: does not have", "record 3: does not have", "record 4: does not have"]),
        (COPIED.format(number=6, which=LAST), ["record 6: does not have the seal", HEAD_MOVED]),
        (WITHOUT_BOUNDS + COPIED.format(number=0, which=LAST), ["record 0: stands before the first record"]),
        (WITHOUT_BOUNDS + COPIED.format(number=-(2**63), which=LAST), [f"record {-(2**63)}: stands before the first record"]),
        (f"DELETE FROM audit_heads WHERE {MINE}", ["has 5 records and no head: it was taken away"]),
        (f"UPDATE audit_heads SET number = 4 WHERE {MINE}", [HEAD_MOVED]),
        (f"UPDATE audit_heads SET number = 9 WHERE {MINE}", [HEAD_MOVED]),
        (f"UPDATE audit_heads SET number = 0, seal = '' WHERE {MINE}", [HEAD_MOVED]),
        (f"UPDATE audit_heads SET seal = repeat('0', 64) WHERE {MINE}", ["has a head with another seal"]),
        (f"UPDATE audit_records SET company_id = NULL, number = 6 WHERE {LAST}", ["chain of no company, record 6: does not have", "chain of no company: ends after record 6, and its head is at record 5", "chain of company 1: ends after record 4, and its head is at record 5"]),
    ],
)  # fmt: skip
async def test_what_is_changed_taken_out_added_or_moved_is_told(
    operate: Operate, database: Database, sql: str, found: list[str]
) -> None:
    heads, problems = await operate.verify(AUDIT_KEY)
    assert ([head.number for head in heads], problems) == ([RECORDS, RECORDS], [])
    tamper(database, sql)
    said = await told(operate)
    assert len(said) == len(found), said
    assert all(starmap(str.__contains__, zip(said, found, strict=True))), said
    with_export = await told(operate, heads)
    assert {*said} <= {*with_export}, "an exported end hides nothing"


async def test_a_tail_that_is_cut_off_with_its_head_moved_back_is_told_against_an_exported_end_alone(
    operate: Operate, database: Database
) -> None:
    exported, _ = await operate.verify(AUDIT_KEY)
    tamper(database, CUT_TRULY)
    heads, problems = await operate.verify(AUDIT_KEY)
    assert ([head.number for head in heads], problems) == ([RECORDS, RECORDS - 1], [])
    (problem,) = await told(operate, exported)
    assert problem == "chain of company 1: ends after record 4; expected record 5, as was exported"


async def test_the_ends_that_are_told_are_those_of_the_records_whatever_their_heads_say(
    operate: Operate, database: Database
) -> None:
    exported, _ = await operate.verify(AUDIT_KEY)
    tamper(database, "UPDATE audit_heads SET number = 2")
    heads, problems = await operate.verify(AUDIT_KEY)
    assert heads == exported
    assert len(problems) == 2


@pytest.mark.parametrize(
    "sql",
    [
        *(f"UPDATE audit_records SET at = '{at}'" for at in ("infinity", "-infinity", "0001-06-01 BC", "10000-01-01 UTC")),
        *(f"UPDATE audit_records SET seal = '{seal}' WHERE number = 2" for seal in ("", "é" * 64, "A" * 64, "0" * 63)),
        *(f"UPDATE audit_records SET {part} = '{json}'" for part in ("before", "after") for json in ("[1]", "1", "null")),
        *(f"UPDATE audit_records SET number = {number} WHERE number = 1" for number in (0, -1, -(2**63))),
        "UPDATE audit_heads SET number = -1",
        "UPDATE audit_heads SET number = 0",
        "UPDATE audit_heads SET seal = 'é'",
        "UPDATE audit_heads SET seal = ''",
    ],
)  # fmt: skip
async def test_a_row_that_could_not_be_read_cannot_be_written(operate: Operate, database: Database, sql: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        tamper(database, sql)
    assert await told(operate) == []


async def test_a_seal_of_any_characters_is_told_where_nothing_keeps_it_out(
    operate: Operate, database: Database
) -> None:
    for table in ("audit_records", "audit_heads"):
        tamper(database, f"ALTER TABLE {table} DROP CONSTRAINT {table}_seal; UPDATE {table} SET seal = 'é'")
    assert len(await told(operate)) == 2 * RECORDS
