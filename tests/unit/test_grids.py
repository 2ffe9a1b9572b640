"""Any of several values of several multi dimensions: the fewest clauses, against brute force."""

from __future__ import annotations

import itertools
import json
from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation_core import Bound, Catalog, Clause, Plan, parse_filter, plan_audience
from segmentation_core.planning import planner
from segmentation_core.planning.cells import Cells, OutOfWork
from segmentation_core.planning.factors import factors_of
from segmentation_core.testing import everybody

Person = dict[str, Any]


def catalog_of(*multi: int, segments: list[dict[str, Any]] | None = None) -> Catalog:
    """Return a catalogue of multi dimensions a, b, ... with so many values, yes and no lists, and one of three ages."""
    names = "abcd"[: len(multi)]
    dimensions: list[dict[str, Any]] = [
        {"id": name, "kind": "multi", "values": [{"id": f"{name}{i}"} for i in range(count)]}
        for name, count in zip(names, multi, strict=True)
    ]
    dimensions.append({"id": "age", "kind": "single", "values": [{"id": "x"}, {"id": "y"}, {"id": "z"}]})
    families: list[dict[str, Any]] = [{"id": f"{{{name}}}", "for_each": [name]} for name in names]
    families += [{"id": f"no {{{name}}}", "for_each": [name], "absent": True} for name in names]
    families.append({"id": "age {age}", "for_each": ["age"]})
    document = {"name": "grid", "version": "1", "dimensions": dimensions, "segments": segments or families}
    return Catalog.from_json(json.dumps(document))


def on_list(catalog: Catalog, name: str, person: Person) -> bool:
    return all(
        bool(set(trace.values) & set(person[trace.dimension] if trace.dimension != "age" else [person["age"]]))
        != trace.absent
        for trace in catalog.segment[name].traces
    )


def reached(catalog: Catalog, clause: Clause, person: Person) -> bool:
    included = all(any(on_list(catalog, name, person) for name in group) for group in clause.include)
    return included and not any(on_list(catalog, name, person) for name in clause.exclude)


def assert_exact(catalog: Catalog, document: object, plan: Plan) -> None:
    """Check that everybody who is wanted is reached by one clause, and nobody else by any."""
    wanted = parse_filter(document, catalog)
    for person in everybody(catalog):
        times = sum(reached(catalog, clause, person) for clause in plan.clauses)
        assert times == wanted.matches(person), person


def planned(catalog: Catalog, document: object) -> Plan:
    return plan_audience(parse_filter(document, catalog), catalog)


@given(st.lists(st.integers(2, 3), min_size=2, max_size=3), st.lists(st.sampled_from("xyz"), unique=True, max_size=2))
def test_every_grid_gets_an_exact_plan_of_as_many_clauses_as_lines(counts: list[int], ages: list[str]) -> None:
    catalog = catalog_of(*counts)
    document: dict[str, list[str]] = {
        name: [f"{name}{i}" for i in range(count)] for name, count in zip("abc", counts, strict=False)
    }
    plan = planned(catalog, document | {"age": ages})
    assert plan.exact
    assert plan.certificate
    assert plan.certificate.clauses == plan.certificate.lower_bound.clauses == prod(sorted(counts)[:-1])
    assert plan.certificate.segments >= plan.certificate.lower_bound.segments
    if len(counts) == 2 or sorted(counts)[-2] < max(counts):
        assert plan.certificate.fewest
    assert_exact(catalog, document | {"age": ages}, plan)
    assert list(plan.clauses) == sorted(plan.clauses, key=lambda clause: (clause.include, clause.exclude))


def best_by_brute_force(catalog: Catalog, document: object) -> tuple[int, int]:
    """Return the fewest clauses, two at the most, and then lists, over all sets of lists."""
    people = list(everybody(catalog))
    wanted = parse_filter(document, catalog)
    target = sum(1 << i for i, person in enumerate(people) if wanted.matches(person))
    lists = [
        sum(1 << i for i, person in enumerate(people) if on_list(catalog, name, person)) for name in catalog.segment
    ]
    cheapest: dict[int, int] = {}
    for uses in itertools.product((0, 1, 2), repeat=len(lists)):
        included = excluded = 0
        for use, people_on in zip(uses, lists, strict=True):
            included |= people_on if use == 1 else 0
            excluded |= people_on if use == 2 else 0
        region = included & ~excluded
        if region and not region & ~target:
            size = len(uses) - uses.count(0)
            cheapest[region] = min(size, cheapest.get(region, size))
    if target in cheapest:
        return 1, cheapest[target]
    pairs = [size + cheapest[target & ~region] for region, size in cheapest.items() if target & ~region in cheapest]
    return 2, min(pairs)


SMALL = [
    (2, 2),
    (2, 3),
]


@pytest.mark.parametrize("counts", SMALL)
def test_brute_force_finds_no_smaller_plan(counts: tuple[int, ...]) -> None:
    names = "ab"[: len(counts)]
    families: list[dict[str, Any]] = [{"id": f"{{{name}}}", "for_each": [name]} for name in names]
    families += [{"id": f"no {{{name}}}", "for_each": [name], "absent": True} for name in names]
    catalog = catalog_of(*counts, segments=families)
    document = {name: [f"{name}{i}" for i in range(count)] for name, count in zip(names, counts, strict=True)}
    certificate = planned(catalog, document).certificate
    assert certificate
    assert (certificate.clauses, certificate.segments) == best_by_brute_force(catalog, document)
    assert certificate.fewest


def test_a_bound_is_never_above_its_plan_where_other_lists_help() -> None:
    families: list[dict[str, Any]] = [{"id": f"{{{name}}}", "for_each": [name]} for name in "ab"]
    families += [
        {"id": "no {a}", "for_each": ["a"], "absent": True},
        {"id": "a0 and b0", "where": {"a": {"has": "a0"}, "b": {"has": "b0"}}},
        {"id": "no {b}", "for_each": ["b"], "absent": True},
    ]
    catalog = catalog_of(2, 2, segments=families)
    document = {"a": ["a0", "a1"], "b": ["b0", "b1"]}
    plan = planned(catalog, document)
    assert plan.certificate
    assert plan.certificate.lower_bound == Bound(2, 3)
    assert (2, 3) <= best_by_brute_force(catalog, document) <= (plan.certificate.clauses, plan.certificate.segments)
    assert_exact(catalog, document, plan)


def test_without_the_lists_that_keep_the_parts_apart_there_is_a_reason() -> None:
    catalog = catalog_of(2, 2, segments=[{"id": f"{{{name}}}", "for_each": [name]} for name in "ab"])
    plan = planned(catalog, {"a": ["a0", "a1"], "b": ["b0", "b1"]})
    assert not plan.exact
    assert plan.reason
    assert plan.reason.kind in ("unreached", "indistinguishable")


def test_two_values_beside_a_third_that_is_asked_for_outright() -> None:
    catalog = catalog_of(3, 2)
    document = {"and": [{"a": ["a0", "a1"]}, {"b": ["b0", "b1"]}, {"dimension": "a", "all": ["a2"]}, {"age": ["x"]}]}
    plan = planned(catalog, document)
    assert plan.certificate
    assert plan.certificate.fewest
    assert plan.certificate.clauses == 2
    assert_exact(catalog, document, plan)


def test_more_clauses_than_a_plan_may_have_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "MAX_CLAUSES", 3)
    catalog = catalog_of(2, 2, 2)
    plan = planned(catalog, {name: [f"{name}0", f"{name}1"] for name in "abc"})
    assert not plan.exact
    assert plan.reason
    assert plan.reason.kind == "too-many-clauses"
    assert "at least 4 ad sets" in plan.reason.message


@settings(max_examples=20)
@given(st.data())
def test_what_is_no_grid_is_not_taken_for_one(data: st.DataObject) -> None:
    catalog = catalog_of(2, 2)
    part = st.sampled_from(
        [{"a": ["a0"]}, {"a": ["a0", "a1"]}, {"b": ["b0", "b1"]}, {"b": ["b1"], "a": ["a1"]}, {"age": ["x"]}]
    )
    document = {"or": [data.draw(part), {"and": [data.draw(part), data.draw(part)]}]}
    plan = planned(catalog, document)
    if plan.exact:
        assert_exact(catalog, document, plan)


def linked(*lists: dict[str, Any]) -> Catalog:
    families: list[dict[str, Any]] = [{"id": f"{{{name}}}", "for_each": [name]} for name in "ab"]
    families += [{"id": f"no {{{name}}}", "for_each": [name], "absent": True} for name in "ab"]
    return catalog_of(2, 2, segments=[*families, *lists])


@pytest.mark.parametrize(
    "lists",
    [
        [{"id": "a0 and b0", "where": {"a": {"has": "a0"}, "b": {"has": "b0"}}}],
        [{"id": "{a}.{b}", "for_each": ["a", "b"]}],
    ],
)
def test_any_of_values_that_lists_link_with_others_is_planned_exactly(lists: list[dict[str, Any]]) -> None:
    catalog = linked(*lists)
    for document in ({"a": ["a0", "a1"], "b": ["b0"]}, {"a": ["a0", "a1"]}, {"b": ["b0", "b1"]}):
        plan = planned(catalog, document)
        assert plan.exact
        assert_exact(catalog, document, plan)


def test_where_the_space_bounds_diagrams_the_searches_share_a_budget_too() -> None:
    catalog = catalog_of(2, 2)
    wanted = parse_filter({"or": [{"a": ["a0"]}, {"b": ["b0"]}]}, catalog)
    grid = Cells(wanted.region, factors_of(catalog))
    grid.allow(1_000)
    assert grid.around(grid.wanted, grid.wanted)
    catalog.space.most_steps = 0
    bounded = Cells(wanted.region, factors_of(catalog))
    bounded.allow(1_000)
    with pytest.raises(OutOfWork):
        bounded.around(bounded.wanted, bounded.wanted)
