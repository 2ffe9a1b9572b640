"""What every audit trail promises."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from segmentation_core.audit import AuditQuery, Entry, Head, Record, broken
from segmentation_core.ports import Stores, Work
from segmentation_core.users import ALL_COMPANIES, Company, Scope
from tests.contract.examples import AUDIT_KEY, DOCUMENTS, NAMES, NOON, add_company, an_entry, inside

pytestmark = pytest.mark.anyio
EVERYTHING = AuditQuery()


async def add(work: Work, *entries: Entry, scope: Scope = ALL_COMPANIES) -> None:
    await work.run(scope, lambda stores: stores.audit.add(*entries))


async def chain(work: Work, company: Company | None, after: int | None = None, limit: int = 10_000) -> list[Record]:
    company_id = company.id if company else None
    return await work.run(ALL_COMPANIES, lambda stores: stores.audit.chain(company_id, after=after, limit=limit))


async def heads(work: Work, scope: Scope = ALL_COMPANIES) -> list[Head]:
    ends = await work.run(scope, lambda stores: stores.audit.ends())
    assert all(end.head == end.last and end.head and end.company_id == end.head.company_id for end in ends)
    return [end.head for end in ends if end.head]


async def page(
    work: Work,
    offset: int = 0,
    limit: int = 100,
    *,
    scope: Scope = ALL_COMPANIES,
    query: AuditQuery = EVERYTHING,
) -> tuple[list[str], int]:
    found, total = await work.run(scope, lambda stores: stores.audit.page(query, offset=offset, limit=limit))
    return [record.entry.action for record in found], total


@pytest.mark.requirement(50)
async def test_records_form_a_whole_chain_for_each_company_and_one_for_no_company(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    homes = (None, acme, other)
    for number in range(3):
        for home in homes:
            await add(work, an_entry(home, f"did {number}"))
    for home in homes:
        records = await chain(work, home)
        assert [record.entry for record in records] == [an_entry(home, f"did {number}") for number in range(3)]
        assert [record.number for record in records] == [1, 2, 3]
        assert broken(records, AUDIT_KEY) == []
        assert broken(records, b"another key") != []
    assert [head.company_id for head in await heads(work)] == [None, acme.id, other.id]
    for head, home in zip(await heads(work), homes, strict=True):
        last = (await chain(work, home))[-1]
        assert (head.number, head.seal) == (last.number, last.seal)
        assert broken(await chain(work, home), AUDIT_KEY, exported=head) == []


async def test_an_entry_is_kept_in_all_that_it_says(work: Work) -> None:
    acme = await add_company(work)
    entries = [
        an_entry(acme, before=None, after={}, actor_id=None, request_id=None),
        *(an_entry(acme, before=document, after={"was": document}) for document in DOCUMENTS),
        *(an_entry(acme, name, actor=name, subject=name, request_id=name) for name in NAMES),
        an_entry(acme, at=NOON + timedelta(microseconds=1), actor_id=2**63 - 1),
    ]
    await add(work, *entries)
    records = await chain(work, acme)
    assert [record.entry for record in records] == entries
    assert records[0].entry.at.tzinfo is UTC
    assert broken(records, AUDIT_KEY) == []


async def test_entries_of_one_call_go_to_the_ends_of_their_chains_in_their_order(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    await add(work, an_entry(other, "first"))
    await add(work, *(an_entry(home, f"{number}") for number in range(40) for home in (other, None, acme)))
    await add(work)
    for home, before in ((acme, []), (other, ["first"]), (None, [])):
        records = await chain(work, home)
        assert [record.entry.action for record in records] == [*before, *map(str, range(40))]
        assert broken(records, AUDIT_KEY) == []


async def test_a_batch_of_more_than_one_statement_stores_is_one_chain(work: Work) -> None:
    await add(work, *(an_entry(None, f"{number}") for number in range(1_003)))
    records = await chain(work, None)
    assert [record.entry.action for record in records] == [f"{number}" for number in range(1_003)]
    assert broken(records, AUDIT_KEY) == []


async def test_of_what_is_added_at_once_each_chain_stays_whole(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")

    async def both(number: int) -> None:
        async def store(stores: Stores) -> None:
            homes = (acme, other) if number % 2 else (other, acme)
            await stores.audit.add(*(an_entry(home, f"{number}") for home in homes))
            await stores.audit.add(an_entry(None, f"{number}"))

        await work.run(ALL_COMPANIES, store)

    await asyncio.gather(*(both(number) for number in range(12)))
    for home in (acme, other, None):
        records = await chain(work, home)
        assert sorted(record.entry.action for record in records) == sorted(map(str, range(12)))
        assert broken(records, AUDIT_KEY) == []


async def test_what_is_not_kept_leaves_no_gap(work: Work) -> None:
    acme = await add_company(work)

    async def fail(stores: Stores) -> None:
        await stores.audit.add(an_entry(acme, "failed"))
        raise LookupError

    for number in range(3):
        with pytest.raises(LookupError):
            await work.run(inside(acme), fail)
        assert len(await heads(work)) == (1 if number else 0)
        await add(work, an_entry(acme, f"{number}"), scope=inside(acme))
    records = await chain(work, acme)
    assert [record.entry.action for record in records] == ["0", "1", "2"]
    assert broken(records, AUDIT_KEY) == []


@pytest.mark.requirement(50)
async def test_an_edit_a_deletion_a_swap_and_a_cut_tail_are_found(work: Work) -> None:
    acme = await add_company(work)
    await add(work, *(an_entry(acme, f"{number}", after={"n": number}) for number in range(5)))
    records, (head,) = await chain(work, acme), await heads(work)
    one, two, three, four, five = records
    edited = replace(three, entry=replace(three.entry, after={"n": 7}))
    moved = [replace(two, number=3), replace(three, number=2)]
    assert broken(records, AUDIT_KEY, exported=head) == []
    for tampered in (
        [one, two, edited, four, five],
        [one, two, four, five],
        [two, three, four, five],
        [one, two, replace(four, number=3), replace(five, number=4)],
        [one, three, two, four, five],
        [one, *sorted(moved, key=lambda record: record.number), four, five],
        [one, two, three, four, replace(five, seal=four.seal)],
    ):
        assert broken(tampered, AUDIT_KEY)
    assert broken([one, two, three, four], AUDIT_KEY) == []
    assert broken([one, two, three, four], AUDIT_KEY, exported=head)
    assert broken([], AUDIT_KEY, exported=head)


async def test_a_chain_is_read_in_parts(work: Work) -> None:
    acme = await add_company(work)
    await add(work, *(an_entry(acme, f"{number}") for number in range(5)))
    for after, limit, found in (
        (0, 2, [1, 2]),
        (2, 2, [3, 4]),
        (4, 2, [5]),
        (5, 2, []),
        (2**63, 9, []),
        (-1, 10**30, [1, 2, 3, 4, 5]),
        (None, 2, [1, 2]),
        (-(10**30), 1, [1]),
    ):
        assert [record.number for record in await chain(work, acme, after, limit)] == found
    for company_id in (-1, 2**31, 2**63):
        missing = Company(company_id, "None")
        assert await chain(work, missing) == []


async def test_pages_have_the_newest_first_and_narrow_to_what_is_asked(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    await add(
        work,
        an_entry(acme, "a1", at=NOON),
        an_entry(acme, "a2", at=NOON + timedelta(hours=2), actor="bo"),
        an_entry(other, "o1", at=NOON + timedelta(hours=1)),
        an_entry(None, "n1", at=NOON + timedelta(hours=1)),
        an_entry(acme, "a3", at=NOON + timedelta(hours=1)),
        an_entry(acme, "a4", at=NOON + timedelta(hours=1), actor="bo"),
        an_entry(None, "n2", at=NOON - timedelta(hours=1)),
    )
    newest = ["a2", "o1", "a4", "a3", "n1", "a1", "n2"]
    assert await page(work) == (newest, 7)
    for offset, limit in ((0, 2), (2, 3), (6, 5), (7, 5), (10**30, 5), (0, 10**30)):
        assert await page(work, offset, limit) == (newest[offset : offset + limit], 7)
    own = ["a2", "a4", "a3", "a1"]
    assert await page(work, scope=inside(acme)) == (own, 4)
    assert await page(work, 1, 2, scope=inside(acme)) == (own[1:3], 4)
    asked: tuple[tuple[dict[str, Any], list[str]], ...] = (
        ({"action": "a2"}, ["a2"]),
        ({"action": "A2"}, []),
        ({"actor": "bo"}, ["a2", "a4"]),
        ({"actor": "bo\0"}, []),
        ({"actor": "%"}, []),
        ({"since": NOON + timedelta(hours=1)}, ["a2", "a4", "a3"]),
        ({"until": NOON + timedelta(hours=1)}, ["a1"]),
        ({"since": NOON, "until": NOON}, []),
        ({"since": NOON, "until": NOON + timedelta(hours=2), "actor": "bo"}, ["a4"]),
    )
    for query, found in asked:
        assert await page(work, scope=inside(acme), query=AuditQuery(**query)) == (found, len(found)), query
        assert (await page(work, limit=1, scope=inside(acme), query=AuditQuery(**query)))[1] == len(found)


async def test_within_a_company_records_of_others_are_not_seen(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    for home in (acme, other, None):
        await add(work, an_entry(home, f"of {home}"))
    for mine, foreign in ((acme, other), (other, acme)):

        async def look(stores: Stores, mine: Company = mine, foreign: Company = foreign) -> None:
            assert [head.company_id for head in await stores.audit.ends()] == [mine.id]
            assert len(await stores.audit.chain(mine.id, after=0, limit=9)) == 1
            assert await stores.audit.chain(foreign.id, after=0, limit=9) == []
            assert await stores.audit.chain(None, after=0, limit=9) == []
            found, total = await stores.audit.page(AuditQuery(), offset=0, limit=9)
            assert ([record.entry.company_id for record in found], total) == ([mine.id], 1)

        await work.run(inside(mine), look)
