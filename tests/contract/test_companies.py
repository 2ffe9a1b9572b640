"""What every store of companies promises."""

from __future__ import annotations

import asyncio

import pytest

from segmentation_core.ports import Work
from segmentation_core.users import Company, folded_name
from tests.contract.examples import NAMES, add_company, inside

pytestmark = pytest.mark.anyio


async def test_a_company_is_made_once_and_found_whatever_the_case_of_its_name(work: Work) -> None:
    acme = await add_company(work, "Acme Straße")
    assert acme == Company(acme.id, "Acme Straße")
    for name in ("Acme Straße", "acme straße", "ACME STRASSE"):
        assert await add_company(work, name) == acme
    assert await add_company(work, "Acme") != acme


async def test_a_name_is_kept_as_it_is(work: Work) -> None:
    for name in NAMES:
        made = await add_company(work, name)
        assert made.name == name
        assert await add_company(work, folded_name(name)) == made


async def test_of_many_that_make_a_company_at_once_all_get_it(work: Work) -> None:
    made = await asyncio.gather(*(add_company(work, name) for name in ("Acme", "ACME", "acme") * 4))
    assert len({company.id for company in made}) == 1
    assert len({company.name for company in made}) == 1


async def test_two_companies_that_two_make_in_opposite_order_come_to_be(work: Work) -> None:
    async def both(names: tuple[str, str]) -> set[int]:
        return {(await add_company(work, name)).id for name in names}

    one, other = await asyncio.gather(both(("A", "B")), both(("B", "A")))
    assert one == other
    assert len(one) == 2


async def test_a_company_is_found_within_its_own_scope(work: Work) -> None:
    acme, _ = await add_company(work, "Acme"), await add_company(work, "Other")
    assert await work.run(inside(acme), lambda stores: stores.companies.named("ACME")) == acme
