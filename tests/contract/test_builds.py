"""What noting a build promises, over every store of the audit trail."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from adapters.builds import BatchedBuilds, cancelled
from segmentation_core.audit import AuditQuery, broken
from segmentation_core.users import ALL_COMPANIES
from tests.contract.examples import AUDIT_KEY, add_company, an_entry

if TYPE_CHECKING:
    from segmentation_core.audit import Record
    from segmentation_core.ports import Stores, Work

pytestmark = pytest.mark.anyio


async def recorded(work: Work) -> list[Record]:
    async def read(stores: Stores) -> list[Record]:
        records, _ = await stores.audit.page(AuditQuery(), offset=0, limit=1_000)
        return records

    return await work.run(ALL_COMPANIES, read)


async def test_a_build_is_in_the_trail_within_a_second(work: Work) -> None:
    acme = await add_company(work)
    builds = BatchedBuilds(work)
    running = asyncio.create_task(builds.run())
    began = time.monotonic()
    for company in (acme, None):
        builds.add(an_entry(company))
    assert time.monotonic() - began < 0.1, "to note it waits for nothing"
    await asyncio.sleep(1)
    assert len(await recorded(work)) == 2
    await cancelled(running)


async def test_each_build_is_in_its_companys_chain_once_whenever_the_end_comes(work: Work) -> None:
    companies = [await add_company(work, f"Company {number}") for number in range(5)]
    noted = 0
    for seconds in (0, 0.5, 0.505, 0.51, 0.52):
        builds = BatchedBuilds(work)
        running = asyncio.create_task(builds.run())
        await asyncio.sleep(0)
        for number in range(20):
            builds.add(an_entry(companies[number % 5], f"{seconds} {number}"))
            noted += 1
        await asyncio.sleep(seconds)
        await cancelled(running)
    records = await recorded(work)
    assert len(records) == len({record.entry.action for record in records}) == noted == 100
    assert set(Counter(record.entry.company_id for record in records).values()) == {20}
    for company in companies:
        chain = await work.run(
            ALL_COMPANIES,
            lambda stores, company=company: stores.audit.chain(company.id, after=0, limit=100),  # type: ignore[misc]
        )
        assert broken(chain, AUDIT_KEY) == []
