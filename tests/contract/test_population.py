"""What every population promises: it counts like the plain loop over people, whatever it is asked."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.population import BitmapIndex, running, threads
from segmentation_core import Catalog, Plan
from segmentation_core.listed_people import ListedPeople
from segmentation_core.population import Population
from segmentation_core.testing import filters
from tests.contract.populations import plans, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segmentation_core import Filter
    from segmentation_core.expressions import Person

FILTERS_IN_A_CASE = 3
PROFILE = settings.get_profile(settings.get_current_profile_name())
CASES = settings(max_examples=PROFILE.max_examples * 14 // 3)
"""With three filters each, 2,100 cases where the profile has 150: continuous integration."""


@contextmanager
def small_blocks() -> Iterator[None]:
    """Make blocks of two chunks of 64 rows, so that a hundred people make several, on all processors."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("people", "csv_table", "arrow_tables", "blocks", "sampling"):
            patch.setattr(f"adapters.population.{module}.CHUNK_ROWS", 64)
        for module in ("blocks", "sampling"):
            patch.setattr(f"adapters.population.{module}.CHUNKS_IN_BLOCK", 2)
        patch.setattr(threads, "FEWEST_BLOCKS", 2)
        patch.setattr(running, "WORTH_GATHERING", 1)
        yield


def in_blocks(catalog: Catalog, people: Sequence[Person], weights: Sequence[int] | None) -> Population:
    return BitmapIndex.from_people(catalog, people, weights)


def agree(engine: Population, reference: ListedPeople, asked: list[Filter], plan: Plan) -> None:
    assert engine.rows == reference.rows
    assert engine.sizes(asked) == reference.sizes(asked)
    assert engine.overlap(asked) == reference.overlap(asked)
    assert engine.plan_size(plan) == reference.plan_size(plan)
    for wanted in asked:
        assert engine.size(wanted) == reference.size(wanted)
        assert type(engine.size(wanted)) is int
        assert engine.facets(wanted) == reference.facets(wanted)
        assert engine.profile(wanted) == reference.profile(wanted)
        assert engine.impact(wanted) == reference.impact(wanted)
        for rows in (0, 1, 7):
            assert engine.sample(wanted, rows) == reference.sample(wanted, rows)


@CASES
@given(st.data())
def test_every_engine_counts_like_the_reference(data: st.DataObject) -> None:
    catalog, people, weights = data.draw(tables())
    asked = [data.draw(filters(catalog)) for _ in range(FILTERS_IN_A_CASE)]
    plan = data.draw(plans(catalog))
    agree(BitmapIndex.from_people(catalog, people, weights), ListedPeople(catalog, people, weights), asked, plan)


@given(st.data())
def test_blocks_and_chunks_join_without_a_seam(data: st.DataObject) -> None:
    catalog, people, weights = data.draw(tables((0, 64, 127, 128, 129, 300)))
    asked = [data.draw(filters(catalog)) for _ in range(FILTERS_IN_A_CASE)]
    plan = data.draw(plans(catalog))
    with small_blocks():
        engine = BitmapIndex.from_people(catalog, people, weights)
        assert len(engine.blocks) == -(-len(people) // 128)
        agree(engine, ListedPeople(catalog, people, weights), asked, plan)
