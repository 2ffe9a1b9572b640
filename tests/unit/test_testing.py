from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from segmentation_core import Catalog, parse_filter, plan_audience
from segmentation_core.testing import (
    catalog_documents,
    catalogs,
    conjunctive_filter_documents,
    everybody,
    filter_documents,
    filters,
    people,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SEARCH = settings(max_examples=20_000, database=None, derandomize=True, phases=[Phase.generate])


@given(st.data(), st.integers(1, 5), st.integers(1, 40), st.integers(0, 9))
def test_catalogues_keep_to_the_bounds_asked_for(
    data: st.DataObject, max_dimensions: int, max_people: int, max_segments: int
) -> None:
    direct = data.draw(st.booleans())
    catalog = data.draw(
        catalogs(max_dimensions=max_dimensions, max_people=max_people, max_segments=max_segments, direct=direct)
    )
    assert len(catalog.dimensions) <= max_dimensions
    assert sum(1 for _ in everybody(catalog)) <= max_people
    assert len(catalog.segments) <= max_segments
    assert direct or not any(dimension.direct for dimension in catalog.dimensions)


@given(st.data())
def test_everybody_is_every_combination_once(data: st.DataObject) -> None:
    catalog = data.draw(catalogs())
    asked = data.draw(st.lists(st.sampled_from([*catalog.dimension]), unique=True))
    for names, found in [(asked, [*everybody(catalog, asked)]), ([*catalog.dimension], [*everybody(catalog)])]:
        assert len({tuple(person.items()) for person in found}) == len(found)
        sizes = [len(catalog.dimension[name].values) for name in names]
        assert len(found) == prod(
            2**size if catalog.dimension[name].multi else size for name, size in zip(names, sizes, strict=True)
        )
        assert all([*person] == names for person in found)


@given(st.data())
def test_the_people_drawn_are_among_everybody(data: st.DataObject) -> None:
    catalog = data.draw(catalogs())
    person = data.draw(people(catalog))
    assert person in [*everybody(catalog)]
    assert data.draw(filters(catalog)).matches(person) in {True, False}


@given(st.data())
def test_dashboards_send_the_compact_form_alone(data: st.DataObject) -> None:
    catalog = data.draw(catalogs())
    document = data.draw(conjunctive_filter_documents(catalog))
    assert document.keys() <= catalog.dimension.keys()
    assert all(set(values) <= catalog.dimension[name].positions.keys() for name, values in document.items())


@pytest.mark.parametrize(
    "belongs",
    [
        lambda catalog: any(dimension.multi for dimension in catalog.dimensions),
        lambda catalog: any(dimension.direct and dimension.multi for dimension in catalog.dimensions),
        lambda catalog: any(dimension.ordered for dimension in catalog.dimensions),
        lambda catalog: any(dimension.other for dimension in catalog.dimensions),
        lambda catalog: any(len(entry.get("for_each", [])) > 1 for entry in catalog.document["segments"]),
        lambda catalog: any(entry.get("except") for entry in catalog.document["segments"]),
        lambda catalog: any(segment.external_ids for segment in catalog.segments),
        lambda catalog: any(not segment.traces for segment in catalog.segments),
        lambda catalog: any(len(trace.values) > 1 for segment in catalog.segments for trace in segment.traces),
        lambda catalog: any(trace.absent for segment in catalog.segments for trace in segment.traces),
        lambda catalog: any(not name.isascii() for name in catalog.dimension),
        lambda catalog: any("{" in name for name in catalog.dimension),
        lambda catalog: catalog.warnings,
        lambda catalog: not catalog.segments,
    ],
)
def test_catalogues_have_what_real_ones_have(belongs: Callable[[Catalog], object]) -> None:
    found = find(catalogs(), lambda catalog: bool(belongs(catalog)), settings=SEARCH)
    assert belongs(found)


@pytest.mark.parametrize(
    "word",
    ["and", "or", "not", "dimension", "in", "not_in", "all", "none", "between", "at_least", "at_most"],
)
def test_filters_use_every_word_of_the_language(word: str) -> None:
    dimensions = [
        {"id": "s", "kind": "single", "ordered": True, "values": [{"id": "1"}, {"id": "2"}]},
        {"id": "m", "kind": "multi", "values": [{"id": "1"}, {"id": "2"}]},
    ]
    catalog = Catalog.from_json(json.dumps({"name": "x", "version": "1", "dimensions": dimensions}))
    assert find(filter_documents(catalog), lambda document: f'"{word}":' in json.dumps(document), settings=SEARCH)


@pytest.mark.parametrize(
    "reached", ["several lists", "an exclusion", "a direct value", "no clause", "unreached", "indistinguishable"]
)
def test_plans_of_what_is_drawn_are_of_every_kind(reached: str) -> None:
    @st.composite
    def plan_kinds(draw: st.DrawFn) -> set[str]:
        catalog = draw(catalogs())
        document = draw(st.one_of(filter_documents(catalog), conjunctive_filter_documents(catalog)))
        plan = plan_audience(parse_filter(document, catalog), catalog)
        kinds: set[str] = {plan.reason.kind} if plan.reason else set()
        kinds |= {"no clause"} if plan.exact and not plan.clauses else set()
        for clause in plan.clauses:
            kinds |= {"several lists"} if len(clause.include[0]) > 1 else set()
            kinds |= {"an exclusion"} if clause.exclude else set()
            kinds |= {"a direct value"} if clause.direct else set()
        return kinds

    assert find(plan_kinds(), lambda kinds: reached in kinds, settings=SEARCH)


@given(catalog_documents())
def test_documents_of_catalogues_are_json(document: dict[str, object]) -> None:
    assert json.loads(json.dumps(document)) == document
