"""What a statement asks of each row, and which values never reach a column."""

from __future__ import annotations

import json

import pytest

from adapters.postgres.documents import Documents
from adapters.postgres.statements import (
    FARTHEST,
    LARGEST,
    SMALLEST,
    Statement,
    Transaction,
    is_id,
    is_storable,
    the_id,
    the_total,
    window,
)
from segmentation_core.errors import Forbidden, RequestError
from segmentation_core.users import ALL_COMPANIES, Scope

THINGS = Statement(
    "SELECT id FROM things {where} ORDER BY id",
    company="things.company_id",
    always="things.kept",
    given={"owner": "things.owner = %(owner)s", "search": "things.name LIKE %(search)s"},
)


@pytest.mark.requirement(24)
def test_a_company_sees_its_own_rows_and_all_companies_see_all() -> None:
    values = {"owner": None, "search": None}
    own = "SELECT id FROM things WHERE things.kept AND things.company_id = %(scope)s ORDER BY id"
    assert THINGS.sql(Scope(7), values) == own
    assert THINGS.sql(ALL_COMPANIES, values) == "SELECT id FROM things WHERE things.kept ORDER BY id"
    assert Statement("SELECT id FROM things {where}").sql(Scope(7), {}) == "SELECT id FROM things "
    assert Statement("SELECT 1 {where}", company="a").sql(ALL_COMPANIES, {}) == "SELECT 1 "


def test_what_is_given_is_asked_for() -> None:
    values = {"owner": 0, "search": None}
    assert THINGS.conditions(Scope(0), values) == [
        "things.kept",
        "things.company_id = %(scope)s",
        "things.owner = %(owner)s",
    ]
    assert THINGS.conditions(ALL_COMPANIES, {"owner": None, "search": ""}) == [
        "things.kept",
        "things.name LIKE %(search)s",
    ]


@pytest.mark.requirement(24, 27)
def test_what_is_stored_is_in_scope_and_fits_a_column() -> None:
    of_seven = Transaction(None, Scope(7))  # type: ignore[arg-type]
    of_seven._require_storable({"company_id": 7, "name": "ana"})
    of_seven._require_storable({"name": "ana"})
    for other in (8, None):
        with pytest.raises(Forbidden):
            of_seven._require_storable({"company_id": other})
    Transaction(None, ALL_COMPANIES)._require_storable({"company_id": 8})  # type: ignore[arg-type]
    with pytest.raises(RequestError) as refused:
        of_seven._require_storable({"name": "a\0b", "number": 2**63, "rest": "x"})
    assert [problem.path for problem in refused.value.problems] == ["$.name", "$.number"]


@pytest.mark.requirement(27)
@pytest.mark.parametrize("value", ["", "ana", "ä", "🙂", 0, SMALLEST, LARGEST, None, True, 1.5, ["\0"]])
def test_what_a_column_can_hold(value: object) -> None:
    assert is_storable(value)


@pytest.mark.requirement(27)
@pytest.mark.parametrize("value", ["\0", "ä\0", "\ud800", "a\udcff", SMALLEST - 1, LARGEST + 1])
def test_what_no_column_can_hold(value: object) -> None:
    assert not is_storable(value)


def test_ids_are_of_64_bits() -> None:
    assert (SMALLEST, LARGEST, FARTHEST) == (-(2**63), 2**63 - 1, 2**62 - 1)
    assert [is_id(number) for number in (-(2**63) - 1, -(2**63), 2**63 - 1, 2**63)] == [False, True, True, False]


def test_a_page_is_kept_to_what_can_be_counted() -> None:
    assert window(0, 0) == {"offset": 0, "limit": 0}
    assert window(3, 4) == {"offset": 3, "limit": 4}
    assert window(-1, -5) == {"offset": 0, "limit": 0}
    assert window(2**70, 2**70) == {"offset": FARTHEST, "limit": FARTHEST}


def test_what_is_made_of_a_row() -> None:
    assert (the_total(total=3), the_id(id="a", more=1)) == (3, "a")


@pytest.mark.anyio
@pytest.mark.requirement(24, 27)
async def test_what_may_not_be_stored_or_found_is_not_even_sent() -> None:
    nowhere = Transaction(None, Scope(7))  # type: ignore[arg-type]
    add = Statement("INSERT INTO things (name) VALUES (%(name)s) RETURNING id")
    assert await nowhere.rows(THINGS, dict, owner=2**63, search=None) == []
    assert await nowhere.row(THINGS, dict, owner=None, search="\0") is None
    for values, error in (({"name": "\0"}, RequestError), ({"company_id": 8}, Forbidden)):
        with pytest.raises(error):
            await nowhere.store(add, **values)
        with pytest.raises(error):
            await nowhere.store(add, named="ana", **values)
        with pytest.raises(error):
            await nowhere.store_all(add, [{"name": "ana"}, values])
    with pytest.raises(RuntimeError, match="has ended"):
        await nowhere.store(add, name="ana")


@pytest.mark.parametrize("text", ['{"z": 1, "a": [1.0, -0.0, 1e300]}', '"\\ud800"', "18446744073709551616", "1e400"])
def test_a_document_is_read_as_json_reads_it(text: str) -> None:
    assert repr(Documents(0).load(text.encode())) == repr(json.loads(text))
