"""What every population promises: it counts like the plain loop over people, whatever it is asked."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.population import BitmapIndex, blocks, packing, running, threads
from adapters.population.columns import CHUNK_ROWS
from segmentation_core import Catalog, Clause, Plan, TooComplex, parse_filter
from segmentation_core.listed_people import ListedPeople
from segmentation_core.population import MOST_OVERLAPPING, MOST_SAMPLED, Overlap, Population
from segmentation_core.testing import filters
from tests.contract.populations import LARGEST, ODD_WEIGHTS, plans, seeded_rows, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segmentation_core import Filter

FILTERS_IN_A_CASE = 3
PROFILE = settings.get_profile(settings.get_current_profile_name())
CASES = settings(max_examples=PROFILE.max_examples * 14 // 3)
"""With three filters each, 2,100 cases where the profile has 150: continuous integration."""


@contextmanager
def small_blocks(words_to_a_run: float = packing.WORDS_TO_A_RUN, piece_words: int = 8) -> Iterator[None]:
    """Make blocks of two chunks of 64 rows, so that a hundred people make several, on all processors.

    A block is clustered if its runs have so many words on the average. Runs have whole lines of the cache, 8 words.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in ("people", "csv_table", "arrow_tables"):
            patch.setattr(f"adapters.population.{module}.CHUNK_ROWS", 64)
        patch.setattr(packing, "CHUNKS_IN_BLOCK", 2)
        patch.setattr(packing, "WORDS_TO_A_RUN", words_to_a_run)
        patch.setattr(blocks, "PIECE_WORDS", piece_words)
        patch.setattr(threads, "WORTH_A_THREAD", 8)
        patch.setattr(threads, "FEWEST_WORDS", 1)
        patch.setattr(running, "WORTH_GATHERING", 1)
        yield


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


@pytest.mark.no_cover
@CASES
@given(st.data())
def test_every_engine_counts_like_the_reference(data: st.DataObject) -> None:
    catalog, people, weights = data.draw(tables())
    asked = [data.draw(filters(catalog)) for _ in range(FILTERS_IN_A_CASE)]
    plan = data.draw(plans(catalog))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "WORDS_TO_A_RUN", data.draw(st.sampled_from([packing.WORDS_TO_A_RUN, 0])))
        engine = BitmapIndex.from_people(catalog, people, weights)
    agree(engine, ListedPeople(catalog, people, weights), asked, plan)


@pytest.mark.no_cover
@given(st.data())
def test_blocks_and_chunks_join_without_a_seam(data: st.DataObject) -> None:
    catalog, people, weights = data.draw(tables((0, 64, 127, 128, 129, 300)))
    asked = [data.draw(filters(catalog)) for _ in range(FILTERS_IN_A_CASE)]
    plan = data.draw(plans(catalog))
    # All blocks are clustered, the longer ones are, or none is; a piece is a run, or has several or parts of them.
    with small_blocks(data.draw(st.sampled_from([0, 0, 0.5, 64])), data.draw(st.sampled_from([8, 24, 2**14]))):
        engine = BitmapIndex.from_people(catalog, people, weights)
        assert len(engine.blocks) == -(-len(people) // 128)
        agree(engine, ListedPeople(catalog, people, weights), asked, plan)


WIDE = Catalog.from_json(
    json.dumps(
        {
            "name": "wide",
            "version": "1",
            "dimensions": [
                {"id": "city", "kind": "single", "ordered": True, "values": [{"id": f"c{i}"} for i in range(300)]},
                {"id": "one", "kind": "single", "values": [{"id": "only"}]},
                {"id": "likes", "kind": "multi", "values": [{"id": "tea"}]},
            ],
            "segments": [
                {"id": "{city}", "for_each": ["city"]},
                {"id": "no {likes}", "for_each": ["likes"], "absent": True},
            ],
            "weight": {"column": "units"},
        }
    )
)


@pytest.mark.parametrize("rows", [0, 1, 200])
@pytest.mark.parametrize("weights", [(0,), (LARGEST,), ODD_WEIGHTS, (1,), (2**32 - 1, 2**32)])
@pytest.mark.parametrize("clustered", [False, True])
def test_wide_and_narrow_dimensions_and_any_weights(rows: int, weights: tuple[int, ...], clustered: bool) -> None:  # noqa: FBT001
    people, _ = seeded_rows(WIDE, rows, seed=rows)
    weighed = [weights[i % len(weights)] for i in range(rows)]
    documents: list[dict[str, Any]] = [
        {},
        {"city": [f"c{i}" for i in range(0, 300, 7)]},
        {"dimension": "city", "at_least": "c12"},
        {"and": [{"dimension": "city", "not_in": [f"c{i}" for i in range(290)]}, {"one": ["only"]}]},
        {"not": {"or": [{"likes": ["tea"]}, {"dimension": "one", "in": []}]}},
        {"and": [{"or": [{"city": ["c3"]}, {"likes": ["tea"]}]}, {"not": {"city": ["c4", "c5"]}}]},
    ]
    plan = Plan(exact=True, clauses=(Clause((("c1", "c7"),), ("no tea",), {}),), certificate=None, fingerprint="")
    asked = [parse_filter(document, WIDE) for document in documents]
    with small_blocks(0 if clustered else 64, 64):
        index = BitmapIndex.from_people(WIDE, people, weighed)
        assert all(bool(block.runs) == clustered for block in index.blocks)
        agree(index, ListedPeople(WIDE, people, weighed), asked, plan)


def test_blocks_of_their_true_size_join_without_a_seam() -> None:
    rows = packing.CHUNKS_IN_BLOCK * CHUNK_ROWS + 70_000
    random = np.random.default_rng(0)
    city, tea = random.integers(0, 300, rows), random.integers(0, 2, rows)
    units = random.choice(random.integers(0, 2**40, 1000), rows)
    cities = pa.array([f"c{i}" for i in range(300)]).take(pa.array(city, pa.int64()))
    index = BitmapIndex.load(WIDE, pa.table({"city": cities, "one": ["only"] * rows, "tea": tea, "units": units}))
    assert [len(block.runs) for block in index.blocks] == [301, 0]
    wanted = parse_filter({"and": [{"likes": ["tea"]}, {"dimension": "city", "at_most": "c99"}]}, WIDE)
    matching = (city < 100) & (tea == 1)
    assert index.size(wanted) == int(units[matching].sum())
    facets = index.facets(wanted).facets
    assert facets["city"]["c299"] == int(units[(city == 299) & (tea == 1)].sum())
    assert facets["likes"]["tea"] == int(units[matching].sum())
    sample = index.sample(wanted, 300)
    numbers = np.flatnonzero(matching)
    assert [each.row - 1 for each in sample] == [int(numbers[i * len(numbers) // 300]) for i in range(300)]
    assert [each.weight for each in sample] == [int(units[each.row - 1]) for each in sample]
    assert [each.person["city"] for each in sample] == [f"c{city[each.row - 1]}" for each in sample]


ENGINES: list[Callable[[Catalog], Population]] = [
    lambda catalog: BitmapIndex.from_people(catalog, [], []),
    lambda catalog: ListedPeople(catalog, []),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_bounds_and_foreign_filters_are_refused_alike(engine: Callable[[Catalog], Population]) -> None:
    population = engine(WIDE)
    everyone, foreign = parse_filter({}, WIDE), parse_filter({}, Catalog.from_json(json.dumps(WIDE.document)))
    assert population.overlap([]) == Overlap((), 0, ())
    with pytest.raises(TooComplex, match="ask for 10 at most"):
        population.overlap([everyone] * (MOST_OVERLAPPING + 1))
    with pytest.raises(TooComplex, match="ask for 1000 at most"):
        population.sample(everyone, MOST_SAMPLED + 1)
    for ask in (population.size, population.facets, population.profile, population.impact):
        with pytest.raises(ValueError, match="another catalogue"):
            ask(foreign)
    for ask_many in (population.sizes, population.overlap):
        with pytest.raises(ValueError, match="another catalogue"):
            ask_many([everyone, foreign])
    with pytest.raises(ValueError, match="another catalogue"):
        population.sample(foreign, 1)
    clause = Clause((("gone",),), (), {})
    with pytest.raises(KeyError, match="gone"):
        population.plan_size(Plan(exact=True, clauses=(clause,), certificate=None, fingerprint=""))
