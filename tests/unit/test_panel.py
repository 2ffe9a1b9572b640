"""The national panel that the planner is measured on, and the filters over it."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from adapters.population.panel import panel_document
from benchmarks.filters import sample, shapes
from benchmarks.panel import panel_catalog, random_person
from benchmarks.planning import is_right
from segmentation_core import Bound, Certificate, Clause, Plan, expressions, parse_filter, plan_audience

CATALOG = panel_catalog()


def test_the_panel_is_the_size_of_a_national_one() -> None:
    single = [d for d in CATALOG.dimensions if not d.multi and not d.direct]
    assert len(single) == 25
    assert {len(d.values) for d in single} == {3, 4, 5, 6, 7, 9}
    assert any(d.ordered for d in single)
    assert [(d.id, len(d.values)) for d in CATALOG.dimensions if d.direct] == [("city", 104)]
    assert [len(d.values) for d in CATALOG.dimensions if d.multi] == [9, 6, 6, 4]
    families = Counter(tuple(trace.dimension for trace in segment.traces) for segment in CATALOG.segments)
    assert families[("income", "lifestyle")] == 4 * 3
    assert all(families[(d.id,)] == len(d.values) for d in single)
    assert all(families[(d.id,)] == 2 * len(d.values) for d in CATALOG.dimensions if d.multi)
    assert len(CATALOG.segments) == 174
    assert not CATALOG.warnings
    assert panel_document() == CATALOG.document


@pytest.mark.parametrize("shape", shapes)
def test_filters_are_drawn_alike_and_are_valid(shape: str) -> None:
    documents = sample(shape, 200)
    assert documents == sample(shape, 200)
    assert documents[:20] == sample(shape, 20)
    assert documents != sample(shape, 200, seed=1)
    person = random_person(CATALOG, random.Random(0))
    for document in documents:
        parse_filter(document, CATALOG).matches(person)


def test_dashboards_tick_what_a_dashboard_can() -> None:
    documents = sample("dashboards", 1000)
    assert {len(document) for document in documents} == set(range(2, 11))
    ticked = [(CATALOG.dimension[name], len(values)) for document in documents for name, values in document.items()]
    assert {count for d, count in ticked if not d.direct} == set(range(1, 9))
    assert {count for d, count in ticked if d.direct} == set(range(1, 13))
    assert {1, 2, 4} <= {count for d, count in ticked if d.multi}


@pytest.mark.parametrize("shape", ["ORs of ANDs", "ANDs of ORs"])
def test_conditions_of_a_two_deep_filter_are_over_distinct_dimensions(shape: str) -> None:
    for document in sample(shape, 200):
        asked = [c.dimension for c in expressions.conditions(parse_filter(document, CATALOG).expression)]
        assert len(asked) == len(set(asked)) >= 4


def test_trees_use_every_operator() -> None:
    text = str(sample("random trees", 200))
    words = ["and", "or", "not", "in", "not_in", "all", "none", "between", "at_least", "at_most"]
    assert all(f"'{word}':" in text for word in words)


@pytest.mark.parametrize("fault", [{"exclude": ()}, {"direct": {}}, {"include": (("income_1",),)}])
def test_the_check_of_plans_finds_a_wrong_clause(fault: dict[str, Any]) -> None:
    wanted = parse_filter({"income": ["1", "2"], "city": ["1"], "automobile": ["1"]}, CATALOG)
    plan = plan_audience(wanted, CATALOG)
    assert is_right(plan, wanted, random.Random(0))
    (clause,) = plan.clauses
    assert not is_right(_sized(plan, msgspec.structs.replace(clause, **fault)), wanted, random.Random(0))
    assert not is_right(_sized(plan, clause, clause), wanted, random.Random(0))


def test_the_check_of_plans_finds_a_bound_above_the_plan() -> None:
    wanted = parse_filter({"income": ["1", "2"]}, CATALOG)
    plan = plan_audience(wanted, CATALOG)
    wrong = msgspec.structs.replace(plan, certificate=Certificate(1, 2, Bound(1, 3)))
    assert not is_right(wrong, wanted, random.Random(0))


def _sized(plan: Plan, *clauses: Clause) -> Plan:
    """Return the plan with other clauses and a certificate that fits their number, so that only people can tell."""
    lists = sum(clause.segments for clause in clauses)
    certificate = Certificate(len(clauses), lists, Bound(len(clauses), lists))
    return msgspec.structs.replace(plan, clauses=clauses, certificate=certificate)


def test_a_thousand_dashboard_filters_are_all_proved_fewest_in_clauses_and_in_lists() -> None:
    for document in sample("dashboards", 1000):
        plan = plan_audience(parse_filter(document, CATALOG), CATALOG)
        assert plan.certificate, document
        assert plan.certificate.fewest, document


@pytest.mark.parametrize(("shape", "least"), [("random trees", 90), ("ORs of ANDs", 59), ("ANDs of ORs", 69)])
def test_of_most_filters_of_the_full_language_the_number_of_clauses_is_settled(shape: str, least: int) -> None:
    settled = 0
    for document in sample(shape, 100):
        plan = plan_audience(parse_filter(document, CATALOG), CATALOG)
        fewest = plan.certificate and plan.certificate.lower_bound.clauses == len(plan.clauses)
        settled += bool(fewest or (plan.reason and plan.reason.kind == "too-many-clauses"))
    assert settled >= least
