"""Plans of several clauses, and the word that there are none, against every choice of lists."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from benchmarks.filters import sample
from benchmarks.panel import panel_catalog, random_person
from segmentation_core import Catalog, Clause, Nearest, Plan, parse_filter, plan_audience
from segmentation_core.planning import bounds, cells, exhaustive, factored, nearest, several, splits
from segmentation_core.planning.factors import factors_of
from segmentation_core.planning.partitions import Partition
from segmentation_core.testing import FullPerson, catalogs, filter_documents
from tests.unit.brute import (
    audience,
    cheapest,
    everyone,
    is_reached,
    reached,
    smallest,
    union,
)
from tests.unit.heart import heart

Document = dict[str, Any]

MOST_OPTIONS = 400
"""How many different clauses brute force combines."""

MOST_LISTS_TRIED = 8


def reach(clauses: tuple[Clause, ...], catalog: Catalog) -> int:
    return union(reached(clause, catalog) for clause in clauses)


@heart
@given(st.data())
def test_plans_are_exact_and_the_best_there_are_and_every_proved_reason_stands_before_brute_force(
    data: st.DataObject,
) -> None:
    catalog = data.draw(catalogs(max_segments=7, max_people=48))
    wanted = parse_filter(data.draw(filter_documents(catalog)), catalog)
    plan, people = plan_audience(wanted, catalog), audience(wanted)
    options = cheapest(people, catalog)
    if len(options) > MOST_OPTIONS:
        event("too many options")
        return
    best = smallest(people, options)
    if plan.exact:
        assert plan.certificate
        for person in everyone(catalog):
            assert sum(is_reached(clause, catalog, person) for clause in plan.clauses) == wanted.matches(person)
        event(f"{len(plan.clauses)} clauses")
        assert plan.certificate.fewest
        assert best == (plan.certificate.clauses, plan.certificate.segments)
    else:
        assert plan.reason
        event(plan.reason.kind)
        assert best is None
        assert plan.reason.kind in ("unreached", "indistinguishable", "only-overlapping")
        assert (plan.reason.kind == "only-overlapping") == (union(options) == people)
        assert_near(plan, people, catalog)


def assert_near(plan: Plan, people: int, catalog: Catalog) -> None:
    """Check that the superset holds the audience, and that the subset lies in it."""
    subset, superset = plan.subset, plan.superset
    assert isinstance(subset, Nearest)
    assert not reach(subset.clauses, catalog) & ~people
    assert (subset.cells > 0) == (reach(subset.clauses, catalog) != people)
    if isinstance(superset, Nearest):
        assert not people & ~reach(superset.clauses, catalog)


@given(st.data())
def test_of_a_handful_of_lists_no_subset_reaches_more_people(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=5, max_people=16))
    wanted = parse_filter(data.draw(filter_documents(catalog)), catalog)
    plan, people = plan_audience(wanted, catalog), audience(wanted)
    options = cheapest(people, catalog)
    if plan.exact or len(options) > MOST_OPTIONS:
        return

    @cache
    def most(rest: int) -> int:
        lowest = rest & -rest
        reached = [some.bit_count() + most(rest & ~some) for some in options if some & lowest and not some & ~rest]
        return max([*reached, most(rest & ~lowest)]) if rest else 0

    assert isinstance(plan.subset, Nearest)
    event(f"{len(plan.subset.clauses)} clauses")
    assert reach(plan.subset.clauses, catalog).bit_count() == most(people)
    assert (plan.subset.cells == 0) == (most(people) == people.bit_count())


@heart
@given(st.data())
def test_with_more_lists_plans_are_exact_and_no_bound_is_above_the_best(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=10, max_people=32))
    wanted = parse_filter(data.draw(filter_documents(catalog)), catalog)
    plan, people = plan_audience(wanted, catalog), audience(wanted)
    if plan.exact:
        assert plan.certificate
        for person in everyone(catalog):
            assert sum(is_reached(clause, catalog, person) for clause in plan.clauses) == wanted.matches(person)
        bound = plan.certificate.lower_bound
        assert (bound.clauses, bound.segments) <= (plan.certificate.clauses, plan.certificate.segments)
        if not plan.certificate.fewest and len(catalog.segments) <= MOST_LISTS_TRIED:
            best = smallest(people, cheapest(people, catalog))
            event(f"made {len(plan.clauses)}, best {best}")
            assert best
            assert (bound.clauses, bound.segments) <= best
    elif plan.reason and plan.reason.kind in ("unreached", "indistinguishable"):
        assert_near(plan, people, catalog)


@given(st.data())
def test_somebody_told_as_the_witness_is_wanted(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=6, max_people=48))
    wanted = parse_filter(data.draw(filter_documents(catalog)), catalog)
    reason = plan_audience(wanted, catalog).reason
    if reason and reason.witness:
        told = reason.witness
        others = [
            person
            for person in everyone(catalog)
            if all(
                person[name] == held if isinstance(held, str) else set(person[name]) >= {*held}
                for name, held in told.items()
            )
        ]
        assert any(map(wanted.matches, others))


PANEL = panel_catalog()
RNG = random.Random(7)
CROWD: list[FullPerson] = [
    {name: held if isinstance(held, str) else tuple(held) for name, held in random_person(PANEL, RNG).items()}
    for _ in range(300)
]


def panel_plan(document: Document) -> Plan:
    """Plan a filter over the national panel, and check the plan on people drawn at random."""
    wanted = parse_filter(document, PANEL)
    plan = plan_audience(wanted, PANEL)
    for person in CROWD:
        times = sum(is_reached(clause, PANEL, person) for clause in plan.clauses)
        assert times == (wanted.matches(person) if plan.exact else times)
    return plan


@pytest.mark.parametrize("shape", ["random trees", "ORs of ANDs", "ANDs of ORs"])
def test_the_full_language_over_a_panel_is_planned_exactly(shape: str) -> None:
    plans = [panel_plan(document) for document in sample(shape, 40)]
    kinds = {plan.reason.kind for plan in plans if plan.reason}
    assert kinds <= {"too-large", "not-found", "too-many-clauses"}, "every value has its list, so there is a plan"
    assert sum(plan.exact for plan in plans) >= len(plans) / 3
    for plan in plans:
        if plan.certificate:
            assert plan.certificate.lower_bound.clauses <= len(plan.clauses) == plan.certificate.clauses


PAIRS: Document = {
    "or": [
        {"age": ["1"], "income": ["1"]},
        {"lifestyle": ["2"], "area": ["1"]},
        {"home_type": ["1"], "occupation": ["1"]},
    ]
}

MAJORITY: Document = {
    "or": [
        {"age": ["1"], "area": ["1"]},
        {"area": ["1"], "home_type": ["1"]},
        {"home_type": ["1"], "age": ["1"]},
    ]
}
"""Two of three conditions at least: no tree means that."""


def bound_and_size(plan: Plan) -> tuple[int, int]:
    assert plan.certificate
    return plan.certificate.lower_bound.clauses, plan.certificate.clauses


def test_dealing_proves_what_critical_people_alone_do_not() -> None:
    assert bound_and_size(panel_plan(PAIRS)) == (4, 4)


def test_out_of_work_a_plan_is_still_exact_and_its_bound_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_WORK", 5)
    bound, size = bound_and_size(panel_plan(PAIRS))
    assert bound < size


def test_a_search_that_ends_without_a_plan_says_that_it_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factored, "MAX_WORK", 0)
    monkeypatch.setattr(splits, "MAX_WORK", 5)
    plan = panel_plan(MAJORITY)
    assert plan.reason
    assert plan.reason.kind == "not-found"


def test_a_filter_that_tells_too_many_combinations_apart_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factored, "MAX_WORK", 0)
    monkeypatch.setattr(cells, "MAX_CELLS", 4)
    plan = panel_plan(MAJORITY)
    assert plan.reason
    assert plan.reason.kind == "too-large"


def test_where_even_telling_whom_no_clause_reaches_is_too_much_work_nothing_is_claimed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(several, "WORK", 0)
    monkeypatch.setattr(exhaustive, "MOST_LISTS", 0)
    segments = [{"id": "x", "where": {"a": "1", "b": "1"}}]
    dimensions = [{"id": name, "kind": "single", "values": [{"id": "1"}, {"id": "2"}]} for name in "ab"]
    document = {"name": "x", "version": "1", "dimensions": dimensions, "segments": segments}
    catalog = Catalog.from_json(json.dumps(document))
    crossed = {"or": [{"a": ["1"], "b": ["2"]}, {"a": ["2"], "b": ["1"]}]}
    plan = plan_audience(parse_filter(crossed, catalog), catalog)
    assert plan.reason
    assert plan.reason.kind == "not-found"
    assert plan.superset is None
    assert isinstance(plan.subset, Nearest)
    assert (plan.subset.clauses, plan.subset.cells) == ((), 2)


def test_what_is_near_but_takes_too_long_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(*_: object) -> None:
        raise cells.OutOfWork

    monkeypatch.setattr(nearest, "unreachable", too_long)
    dimensions = [{"id": "a", "kind": "single", "values": [{"id": "1"}, {"id": "2"}]}]
    catalog = Catalog.from_json(json.dumps({"name": "x", "version": "1", "dimensions": dimensions}))
    plan = plan_audience(parse_filter({"a": ["1"]}, catalog), catalog)
    assert plan.superset is None
    assert isinstance(plan.subset, Nearest)


def test_a_direct_choice_of_too_many_values_is_told_so() -> None:
    values = [{"id": str(i)} for i in range(9)]
    dimensions: list[Document] = [
        {"id": "a", "kind": "multi", "values": values, "activation": "direct"},
        {"id": "b", "kind": "single", "values": [{"id": "1"}, {"id": "2"}]},
    ]
    segments = [{"id": "b {b}", "for_each": ["b"]}]
    document = {"name": "x", "version": "1", "dimensions": dimensions, "segments": segments}
    catalog = Catalog.from_json(json.dumps(document))
    wanted = {"or": [{"a": [str(i) for i in range(9)]}, {"b": ["1"]}]}
    plan = plan_audience(parse_filter(wanted, catalog), catalog)
    assert plan.reason
    assert plan.reason.kind == "too-large"
    assert "512 combinations of one direct dimension" in plan.reason.message


def test_past_the_bounds_on_a_handful_of_lists_other_ways_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    dimensions = [{"id": name, "kind": "single", "values": [{"id": "1"}, {"id": "2"}]} for name in "abc"]
    segments = [{"id": f"{name}{{{name}}}", "for_each": [name]} for name in "abc"]
    document = {"name": "x", "version": "1", "dimensions": dimensions, "segments": segments}
    catalog = Catalog.from_json(json.dumps(document))
    wanted = parse_filter({"or": [{"a": ["1"], "b": ["1"]}, {"a": ["2"], "b": ["2"], "c": ["1"]}]}, catalog)
    best = plan_audience(wanted, catalog)
    for bound in ("MAX_KINDS", "MAX_USES", "MAX_STEPS"):
        with monkeypatch.context() as patched:
            patched.setattr(exhaustive, bound, 1)
            plan = plan_audience(wanted, catalog)
        assert plan.exact
        assert len(plan.clauses) == len(best.clauses) == 2


def test_dealing_finds_fewer_clauses_than_the_tree_falls_into() -> None:
    (document,) = sample("ORs of ANDs", 169)[-1:]
    assert len(document["or"]) == 3
    assert bound_and_size(panel_plan(document)) == (4, 4)


def test_what_is_nearly_a_tree_is_split_as_a_grid_where_that_takes_fewer_clauses() -> None:
    (document,) = sample("random trees", 409)[-1:]
    tree = factored.factored(parse_filter(document, PANEL).region, factors_of(PANEL), 1)
    assert tree
    assert Partition(tree, factors_of(PANEL)).parts > 8
    assert bound_and_size(panel_plan(document)) == (8, 8)


def test_where_lists_cannot_say_a_part_of_a_tree_it_is_cut_otherwise() -> None:
    dimensions = [{"id": name, "kind": "single", "values": [{"id": "1"}, {"id": "2"}]} for name in "abcd"]
    segments = [{"id": f"{name}{{{name}}}", "for_each": [name]} for name in "abc"]
    segments += [{"id": "d1", "where": {"d": "1"}}, {"id": "a1 too", "where": {"a": "1"}}]  # type: ignore[dict-item]
    document = {"name": "x", "version": "1", "dimensions": dimensions, "segments": segments}
    catalog = Catalog.from_json(json.dumps(document))
    wanted = parse_filter({"or": [{"d": ["2"]}, {"a": ["1"]}, {"b": ["1"], "c": ["1"]}]}, catalog)
    plan = plan_audience(wanted, catalog)
    assert plan.exact
    for person in everyone(catalog):
        assert sum(is_reached(clause, catalog, person) for clause in plan.clauses) == wanted.matches(person)


def test_what_only_ad_sets_that_overlap_can_reach_is_told() -> None:
    """The platform targets both dimensions, and cannot leave out whoever holds a value."""
    values = [{"id": "yes"}]
    dimensions = [{"id": name, "kind": "multi", "values": values, "activation": "direct"} for name in "ab"]
    document = {"name": "x", "version": "1", "dimensions": dimensions, "segments": [{"id": "everyone", "where": {}}]}
    catalog = Catalog.from_json(json.dumps(document))
    plan = plan_audience(parse_filter({"or": [{"a": ["yes"]}, {"b": ["yes"]}]}, catalog), catalog)
    assert plan.reason
    assert plan.reason.kind == "only-overlapping"
    assert isinstance(plan.subset, Nearest)
    assert len(plan.subset.clauses) == 1
