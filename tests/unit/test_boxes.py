"""Filters and ad sets that are boxes, against going through everybody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from unittest.mock import Mock

from hypothesis import given, target
from hypothesis import strategies as st

from adapters.population import BitmapIndex
from adapters.population.boxes import Boxes
from entrypoints import demo
from segmentation_core import Catalog, Filter, Plan, parse_filter, plan_audience
from segmentation_core.planning import Clause
from segmentation_core.testing import catalogs, conjunctive_filter_documents, everybody, filters
from tests.unit.brute import audience, reached

if TYPE_CHECKING:
    import pytest


@st.composite
def clauses(draw: st.DrawFn, catalog: Catalog) -> Clause:
    """Return an ad set of any lists: the exclusions that a plan needs are not among them."""
    lists = st.lists(st.sampled_from([segment.id for segment in catalog.segments] or [""]), max_size=3, unique=True)
    include = [names for names in draw(st.lists(lists, max_size=2)) if names and "" not in names]
    exclude = [name for name in draw(lists) if name]
    direct: dict[str, tuple[str, ...]] = {}
    for dimension in catalog.dimensions:
        if dimension.direct:
            values = draw(st.lists(st.sampled_from(sorted(dimension.positions)), min_size=1, unique=True))
            direct[dimension.id] = tuple(sorted(values))
    kept = draw(st.sets(st.sampled_from(sorted(direct)))) if direct else set()
    return Clause(
        tuple(tuple(sorted(names)) for names in include), tuple(sorted(exclude)), {name: direct[name] for name in kept}
    )


@st.composite
def asked(draw: st.DrawFn) -> tuple[Catalog, Filter, Clause]:
    """Return a filter and an ad set: its plan's, that with one list less, or any."""
    catalog = draw(catalogs())
    documents = conjunctive_filter_documents(catalog)
    wanted = draw(st.one_of(filters(catalog), documents.map(lambda document: parse_filter(document, catalog))))
    plan = plan_audience(wanted, catalog)
    clause = plan.clauses[0] if len(plan.clauses) == 1 else draw(clauses(catalog))
    if draw(st.booleans()) and clause.exclude:
        gone = draw(st.sampled_from(clause.exclude))
        clause = Clause(clause.include, tuple(name for name in clause.exclude if name != gone), clause.direct)
    return catalog, wanted, clause


@given(asked())
def test_a_filter_and_an_ad_set_are_one_box_exactly_if_they_mean_the_same_people(
    given_: tuple[Catalog, Filter, Clause],
) -> None:
    catalog, wanted, clause = given_
    boxes = Boxes(catalog)
    one, other = boxes.of_filter(wanted.expression), boxes.of_clause(clause)
    people, others = audience(wanted), reached(clause, catalog)
    if one is None or other is None:
        return
    target(float(one == other))
    if one == other:
        assert people == others
    elif people == others:
        assert not people, "the empty box has many names"


@given(asked(), st.data())
def test_what_was_asked_before_changes_no_count(given_: tuple[Catalog, Filter, Clause], data: st.DataObject) -> None:
    catalog, wanted, clause = given_
    people = [*everybody(catalog)]
    weights = [1 + number % 7 for number in range(len(people))] if catalog.weight else None
    index, fresh = (BitmapIndex.from_people(catalog, people, weights) for _ in "12")
    plan = Plan(exact=True, clauses=(clause,), certificate=None, fingerprint="")
    expected = fresh.plan_size(plan)
    for before in data.draw(st.lists(st.sampled_from([wanted, data.draw(filters(catalog))]), max_size=2)):
        index.size(before)
        assert index.plan_size(plan) == expected
    index.size(wanted)
    assert index.plan_size(plan) == expected


def test_the_plan_of_a_box_is_not_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = Catalog.from_json(demo.CATALOG.read_bytes())
    index = BitmapIndex.load(catalog, demo.CUSTOMERS)
    counted = Mock(side_effect=index._weight)
    monkeypatch.setattr(index, "_weight", counted)
    first, second = [dimension for dimension in catalog.dimensions if not dimension.multi and not dimension.direct][:2]
    wanted = parse_filter({first.id: [*first.positions][:1], second.id: [*second.positions][1:]}, catalog)
    plan = plan_audience(wanted, catalog)
    assert plan.clauses[0].exclude
    assert index.plan_size(plan).total == index.size(wanted) == index.plan_size(plan).total
    assert counted.call_count == 2, "the filter, and the plan before it was known to be the same"


def test_what_is_no_box_is_none() -> None:
    def dimension(name: str, kind: str, activation: str = "lists") -> dict[str, object]:
        return {"id": name, "kind": kind, "activation": activation, "values": [{"id": value} for value in "abc"]}

    document = {
        "name": "test",
        "version": "1",
        "dimensions": [
            dimension("s", "single"), dimension("t", "single"), dimension("m", "multi"), dimension("d", "multi", "direct")
        ],
        "segments": [
            {"id": "sa", "where": {"s": ["a"]}}, {"id": "ta", "where": {"t": ["a"]}}, {"id": "ma", "where": {"m": {"has": "a"}}},
            {"id": "sb tb", "where": {"s": ["b"], "t": ["b"]}},
        ],
    }  # fmt: skip
    catalog = Catalog.from_json(json.dumps(document))
    boxes = Boxes(catalog)
    documents: tuple[dict[str, object], ...] = ({"m": ["a", "b"]}, {"or": []}, {"not": {"s": ["a"]}})
    for wanted in documents:
        assert boxes.of_filter(parse_filter(wanted, catalog).expression) is None
    for clause in (
        Clause((("sa", "ta"),), (), {}),
        Clause((("sa", "sb tb"),), (), {}),
        Clause((("sa",),), ("sb tb",), {}),
        Clause((("sa",),), (), {"d": ("a", "b")}),
    ):
        assert boxes.of_clause(clause) is None
    found = boxes.of_filter(parse_filter({"s": ["a"], "m": ["a"], "d": ["b"]}, catalog).expression)
    assert found == boxes.of_clause(Clause((("sa",), ("ma",)), (), {"d": ("b",)})) is not None
