"""What is nearest where a platform takes too few ad sets, against everybody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from segmentation_core import Catalog, Nearest, Plan, parse_filter, plan_audience
from segmentation_core.planning import exhaustive
from tests.unit.brute import audience, reached, union
from tests.unit.test_factored import repeating
from tests.unit.test_profiles import profile
from tests.unit.test_trees import LINKED, tree_documents

if TYPE_CHECKING:
    from segmentation_core.testing import FullPerson

Document = dict[str, Any]

ONE = profile(clauses=1)
VALUES = [{"id": "0"}, {"id": "1"}]
DIMENSIONS: list[Document] = [
    {"id": name, "kind": "single", "values": VALUES} | ({"activation": "direct"} if name == "f" else {})
    for name in "abcdef"
]
FAMILIES: list[Document] = [{"id": f"{name}{{{name}}}", "for_each": [name]} for name in "abcde"]


def catalog_of(segments: list[Document]) -> Catalog:
    document = {"name": "near", "version": "1", "dimensions": DIMENSIONS, "segments": segments}
    return Catalog.from_json(json.dumps(document))


CATALOG = catalog_of(FAMILIES)
PARTLY = catalog_of([*FAMILIES[:-1], {"id": "e0", "where": {"e": "0"}}])
"""Whoever is e 1 is on no list that says so."""


def assert_on_its_side(plan: Plan, catalog: Catalog, people: int, most: int) -> None:
    for nearest, wider in ((plan.superset, True), (plan.subset, False)):
        if not isinstance(nearest, Nearest):
            continue
        event(f"{len(nearest.clauses)} clauses, {nearest.cells} off")
        reached_by = [reached(clause, catalog) for clause in nearest.clauses]
        found = union(reached_by)
        off = found & ~people if wider else people & ~found
        assert sum(map(int.bit_count, reached_by)) == found.bit_count(), "disjoint"
        assert not (people & ~found if wider else found & ~people)
        assert len(nearest.clauses) <= most
        assert (nearest.cells > 0) == (off > 0) == (nearest.witness is not None)


@given(tree_documents(), st.sampled_from([CATALOG, PARTLY]), st.integers(1, 3))
def test_what_is_near_a_tree_is_on_its_side_and_as_far_off_as_said(
    document: Document, catalog: Catalog, most: int
) -> None:
    document = json.loads(json.dumps(document).replace('["0", "2"]', '["1"]'))
    wanted = parse_filter(document, catalog)
    plan = plan_audience(wanted, catalog, profile=profile(clauses=most))
    assert_on_its_side(plan, catalog, audience(wanted), most)
    for nearest, wider in ((plan.superset, True), (plan.subset, False)):
        if isinstance(nearest, Nearest) and nearest.witness is not None:
            assert wanted.matches(_somebody(nearest.witness)) != wider


def _somebody(told: dict[str, str | tuple[str, ...]]) -> FullPerson:
    return dict.fromkeys("abcdef", "0") | told


def test_of_pairs_the_largest_are_reached_and_one_condition_of_each_is_the_superset() -> None:
    pairs = {"or": [{"a": ["0"], "b": ["0"]}, {"c": ["0"], "d": ["0"]}]}
    plan = plan_audience(parse_filter(pairs, CATALOG), CATALOG, profile=ONE)
    assert plan.reason
    assert plan.reason.kind == "too-many-clauses"
    assert isinstance(plan.superset, Nearest)
    assert isinstance(plan.subset, Nearest)
    assert plan.superset.clauses[0].include == (("a0", "c0"),)
    assert plan.superset.cells == 12 - 7
    assert plan.subset.cells == 3
    assert len(plan.subset.clauses) == 1


def test_conditions_that_all_hold_are_kept_whatever_else_is_left_out() -> None:
    wanted = {
        "and": [{"a": ["0"]}, {"or": [{"f": ["0"]}, {"b": ["0"]}]}, {"or": [{"c": ["0"]}, {"d": ["0"], "e": ["0"]}]}]
    }
    plan = plan_audience(parse_filter(wanted, CATALOG), CATALOG, profile=ONE)
    assert isinstance(plan.superset, Nearest)
    (clause,) = plan.superset.clauses
    assert not clause.direct
    assert not reached(clause, CATALOG) & ~audience(parse_filter({"a": ["0"]}, CATALOG))
    assert reached(clause, CATALOG) | audience(parse_filter(wanted, CATALOG)) == reached(clause, CATALOG)


def test_what_was_left_out_and_costs_no_ad_set_is_put_back() -> None:
    """Nearly everybody has a, so it is the first to go; but an ad set can say it beside the rest."""
    dimensions = [{"id": "a", "kind": "single", "values": [{"id": str(i)} for i in range(9)]}, *DIMENSIONS[1:]]
    document = {"name": "near", "version": "1", "dimensions": dimensions, "segments": FAMILIES}
    catalog = Catalog.from_json(json.dumps(document))
    most = {"dimension": "a", "not_in": ["8"]}
    wanted = {"and": [most, {"or": [{"b": ["0"], "c": ["0"]}, {"d": ["0"], "e": ["0"]}]}]}
    plan = plan_audience(parse_filter(wanted, catalog), catalog, profile=ONE)
    assert isinstance(plan.superset, Nearest)
    assert plan.superset.clauses[0].exclude == ("a8",)
    assert isinstance(plan.subset, Nearest)


def test_within_an_and_of_ors_an_or_is_kept() -> None:
    ors = {"and": [{"or": [{"b": ["0"]}, {"c": ["0"]}]}, {"or": [{"d": ["0"]}, {"e": ["0"]}]}]}
    plan = plan_audience(parse_filter({"or": [{"a": ["0"]}, ors]}, CATALOG), CATALOG, profile=ONE)
    assert isinstance(plan.superset, Nearest)
    assert plan.superset.clauses[0].include == (("a0", "b0", "c0"),)


def test_what_the_platform_itself_targets_is_in_no_superset_beside_others() -> None:
    wanted = {
        "or": [{"a": ["0"], "b": ["0"]}, {"f": ["0"]}, {"and": [{"or": [{"f": ["1"]}, {"c": ["0"]}]}, {"d": ["0"]}]}]
    }
    plan = plan_audience(parse_filter({"or": [{"a": ["0"], "b": ["0"]}, {"f": ["0"]}]}, CATALOG), CATALOG, profile=ONE)
    assert isinstance(plan.superset, Nearest)
    assert not plan.superset.clauses[0].direct
    assert isinstance(plan.subset, Nearest)
    assert plan_audience(parse_filter(wanted, CATALOG), CATALOG, profile=ONE).exact is False


@pytest.mark.parametrize(
    "wanted",
    [
        {"or": [{"a": ["1"], "b": ["1"]}, {"c": ["1"], "d": ["1"]}]},
        {"and": [{"a": ["1"]}, {"or": [{"b": ["1"], "c": ["1"]}, {"d": ["1"], "e": ["1"]}]}]},
    ],
)
def test_where_no_list_reaches_the_superset_there_is_none(monkeypatch: pytest.MonkeyPatch, wanted: Document) -> None:
    monkeypatch.setattr(exhaustive, "MOST_LISTS", 0)
    catalog = catalog_of([{"id": f"{name}0", "where": {name: "0"}} for name in "abcde"])
    plan = plan_audience(parse_filter(wanted, catalog), catalog, profile=ONE)
    assert plan.reason
    assert plan.superset is None
    assert isinstance(plan.subset, Nearest)


def test_an_and_of_what_the_platform_targets_is_in_no_superset() -> None:
    dimensions: list[Document] = [
        {"id": name, "kind": "single", "values": VALUES} | ({"activation": "direct"} if name in "fg" else {})
        for name in "abcdfg"
    ]
    document = {"name": "x", "version": "1", "dimensions": dimensions, "segments": FAMILIES[:4]}
    catalog = Catalog.from_json(json.dumps(document))
    wanted = {"or": [{"f": ["0"], "g": ["0"]}, {"a": ["0"], "b": ["0"]}, {"c": ["0"], "d": ["0"]}]}
    plan = plan_audience(parse_filter(wanted, catalog), catalog, profile=ONE)
    assert isinstance(plan.superset, Nearest)
    assert not plan.superset.clauses[0].direct
    assert isinstance(plan.subset, Nearest)


@pytest.mark.parametrize("catalog", [CATALOG, LINKED], ids=["apart", "linked"])
@pytest.mark.parametrize("groups", [1, 2])
def test_as_many_ad_sets_as_there_may_be_are_used(catalog: Catalog, groups: int) -> None:
    platform = profile(clauses=2, include_groups=groups)
    wanted = parse_filter(
        {"or": [{"a": ["0"], "b": ["0"]}, {"c": ["0"], "d": ["0"], "e": ["0"]}, {"f": ["0"]}]}, catalog
    )
    plan = plan_audience(wanted, catalog, profile=platform)
    assert not plan.exact
    assert isinstance(plan.subset, Nearest)
    assert isinstance(plan.superset, Nearest)
    assert len(plan.subset.clauses) == 2
    assert 0 < len(plan.superset.clauses) <= 2
    assert plan.subset.cells > 0 < plan.superset.cells


@given(repeating(), st.sampled_from([CATALOG, LINKED]), st.integers(1, 3), st.integers(1, 2))
def test_what_is_near_a_filter_is_on_its_side_however_it_is_worded(
    document: Document, catalog: Catalog, most: int, groups: int
) -> None:
    document = json.loads(json.dumps(document).replace('["0", "2"]', '["1"]'))
    wanted = parse_filter(document, catalog)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exhaustive, "MOST_LISTS", 0)
        plan = plan_audience(wanted, catalog, profile=profile(clauses=most, include_groups=groups))
    event(str(plan.reason and plan.reason.kind))
    if plan.exact:
        return
    assert_on_its_side(plan, catalog, audience(wanted), most)
    if plan.reason and plan.reason.kind == "too-many-clauses":
        assert isinstance(plan.superset, Nearest)


def many(values: int, *segments: str) -> Catalog:
    """Return a catalogue of many yes and no questions and a car, with lists of some of the two."""
    questions = [{"id": f"v{i}"} for i in range(values)]
    dimensions = [{"id": "m", "kind": "multi", "values": questions}, {"id": "car", "kind": "single", "values": VALUES}]
    lists = [{"id": f"{name}{{{name}}}", "for_each": [name]} for name in segments]
    return Catalog.from_json(json.dumps({"name": "many", "version": "1", "dimensions": dimensions, "segments": lists}))


def test_of_very_many_conditions_those_that_no_list_says_are_left_out_at_once() -> None:
    catalog = many(120, "car")
    every = {"dimension": "m", "all": [f"v{i}" for i in range(120)]}
    plan = plan_audience(parse_filter({"and": [every, {"car": ["1"]}]}, catalog), catalog)
    assert isinstance(plan.superset, Nearest)
    assert [(clause.include, clause.exclude) for clause in plan.superset.clauses] == [((("car1",),), ())]


def test_of_very_many_conditions_that_lists_say_one_by_one_and_not_together_all_are_left_out() -> None:
    catalog = many(220, "m")
    pairs = [{"m": [f"v{2 * i}", f"v{2 * i + 1}"]} for i in range(110)]
    plan = plan_audience(parse_filter({"and": pairs}, catalog), catalog)
    assert not plan.exact
    assert plan.superset is None
