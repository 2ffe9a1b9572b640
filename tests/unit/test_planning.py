from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints import demo
from segmentation_core import (
    Bound,
    Catalog,
    Certificate,
    Filter,
    Plan,
    Reason,
    TooComplex,
    Trace,
    diagrams,
    parse_filter,
    plan_audience,
    regions,
)
from segmentation_core.planning import covers, factors
from segmentation_core.testing import (
    catalog_documents,
    catalogs,
    conjunctive_filter_documents,
    filter_documents,
)
from tests.unit.brute import audience, everyone, first_exact_clause, is_reached, order, reached, shuffled

Document = dict[str, Any]


def any_filter_documents(catalog: Catalog) -> st.SearchStrategy[Document]:
    """Draw filters of the full language, and often boxes and boxes less a box, which one clause can mean."""
    boxes = conjunctive_filter_documents(catalog)
    less = st.tuples(boxes, boxes).map(lambda pair: {"and": [pair[0], {"not": pair[1]}]})
    return st.one_of(filter_documents(catalog), boxes, less)


@st.composite
def wanted_audiences(draw: st.DrawFn) -> Filter:
    catalog = draw(catalogs(max_segments=8))
    return parse_filter(draw(any_filter_documents(catalog)), catalog)


def planned(document: Document, catalog: Catalog) -> Plan:
    return plan_audience(parse_filter(document, catalog), catalog)


@given(wanted_audiences())
def test_an_exact_plan_reaches_exactly_the_filter_and_each_person_by_one_clause(wanted: Filter) -> None:
    plan = plan_audience(wanted, wanted.catalog)
    if plan.exact:
        for person in everyone(wanted.catalog):
            times = sum(is_reached(clause, wanted.catalog, person) for clause in plan.clauses)
            assert times == wanted.matches(person)


@given(wanted_audiences())
def test_a_plan_is_exact_with_a_certificate_or_inexact_with_a_reason(wanted: Filter) -> None:
    plan = plan_audience(wanted, wanted.catalog)
    assert plan.fingerprint == wanted.fingerprint
    if plan.exact:
        assert plan.reason is None
        assert plan.certificate is not None
        size = (plan.certificate.clauses, plan.certificate.segments)
        assert size == (len(plan.clauses), sum(clause.segments for clause in plan.clauses))
        bound = (plan.certificate.lower_bound.clauses, plan.certificate.lower_bound.segments)
        assert bound <= size
        assert plan.certificate.fewest == (bound == size)
    else:
        assert plan.clauses == ()
        assert plan.certificate is None
        assert plan.reason is not None
        assert plan.reason.message.endswith(".")
        assert plan.superset is not msgspec.UNSET
        assert plan.subset is not msgspec.UNSET


@given(wanted_audiences())
def test_a_clause_names_lists_and_values_of_the_catalogue_in_ascending_order(wanted: Filter) -> None:
    catalog = wanted.catalog
    for clause in plan_audience(wanted, catalog).clauses:
        (group,) = clause.include
        assert group, "the platform takes no clause without a list"
        for names in (group, clause.exclude):
            assert list(names) == sorted(set(names))
            assert set(names) <= catalog.segment.keys()
        assert not set(group) & set(clause.exclude)
        assert list(clause.direct) == sorted(clause.direct)
        for name, values in clause.direct.items():
            assert catalog.dimension[name].direct
            assert values
            assert list(values) == sorted(set(values))
            assert set(values) <= catalog.dimension[name].positions.keys()


@given(wanted_audiences())
def test_where_one_clause_is_exact_the_plan_is_the_first_of_the_fewest_lists(wanted: Filter) -> None:
    people = audience(wanted)
    plan = plan_audience(wanted, wanted.catalog)
    best = first_exact_clause(people, wanted.catalog) if people else None
    if not people:
        assert plan.exact
        assert plan.clauses == ()
    elif best is None:
        assert len(plan.clauses) != 1
        assert plan.exact == (len(plan.clauses) > 1)
    else:
        assert plan.exact, f"{best} is exact, but {plan.reason}"
        (clause,) = plan.clauses
        assert order(clause) == order(best)
        assert clause.direct == best.direct
        assert plan.certificate == Certificate(1, best.segments, Bound(1, best.segments))


@given(wanted_audiences(), st.integers(0, 60))
def test_out_of_budget_a_plan_is_still_exact_and_its_bound_sound(wanted: Filter, steps: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(covers, "MAX_STEPS", steps)
        plan = plan_audience(wanted, wanted.catalog)
    people = audience(wanted)
    best = first_exact_clause(people, wanted.catalog) if people else None
    if best is not None:
        (clause,) = plan.clauses
        assert reached(clause, wanted.catalog) == people
        assert plan.certificate is not None
        assert plan.certificate.lower_bound.segments <= best.segments <= plan.certificate.segments


@given(st.data())
def test_the_order_of_the_catalogue_file_does_not_matter_to_the_plan(data: st.DataObject) -> None:
    document = data.draw(catalog_documents())
    catalog = Catalog.from_json(json.dumps(document))
    other = Catalog.from_json(json.dumps(data.draw(shuffled(document))))
    wanted = data.draw(any_filter_documents(catalog))
    assert planned(wanted, catalog) == planned(wanted, other)


def test_nobody_is_an_exact_plan_of_no_clauses() -> None:
    catalog = Catalog.from_json(
        '{"name": "x", "version": "1", "dimensions": [{"id": "s", "kind": "single", "values": [{"id": "a"}]}]}'
    )
    plan = planned({"or": []}, catalog)
    assert (plan.exact, plan.clauses) == (True, ())
    assert plan.certificate == Certificate(0, 0, Bound(0, 0))
    assert plan.certificate.fewest


def test_a_filter_of_another_catalogue_is_refused() -> None:
    wanted = parse_filter({}, SMALL)
    with pytest.raises(ValueError, match="another catalogue"):
        plan_audience(wanted, Catalog.from_json(json.dumps(SMALL.document)))


def test_an_exact_plan_reads_on_the_wire_as_documented() -> None:
    assert json.loads(msgspec.json.encode(planned({"age": ["old"], "city": ["Pune"]}, SMALL))) == {
        "exact": True,
        "clauses": [{"include": [["age old"]], "exclude": [], "direct": {"city": ["Pune"]}}],
        "certificate": {"clauses": 1, "segments": 1, "lower_bound": {"clauses": 1, "segments": 1}},
        "fingerprint": parse_filter({"age": ["old"], "city": ["Pune"]}, SMALL).fingerprint,
        "reason": None,
        "profile": "include-exclude",
        "notes": [],
    }


def test_an_inexact_plan_reads_on_the_wire_as_documented() -> None:
    plan = json.loads(msgspec.json.encode(planned({"dimension": "city", "in": ["Pune"]}, UNLISTED)))
    assert plan == {
        "exact": False,
        "clauses": [],
        "certificate": None,
        "fingerprint": plan["fingerprint"],
        "reason": {
            "kind": "unreached",
            "message": "No category has lists that together reach everyone wanted.",
            "witness": {"city": "Pune"},
        },
        "superset": None,
        "subset": {"clauses": [], "cells": 1, "witness": {"city": "Pune"}},
        "profile": "include-exclude",
        "notes": [],
    }


def small(*segments: Document) -> Catalog:
    """Return a small catalogue with some segments."""
    dimensions = [
        {"id": "age", "kind": "single", "values": [{"id": "mid"}, {"id": "old"}, {"id": "young"}]},
        {"id": "city", "kind": "single", "activation": "direct", "values": [{"id": "Pune"}, {"id": "Surat"}]},
        {"id": "likes", "kind": "multi", "activation": "direct", "values": [{"id": "art"}, {"id": "tea"}]},
        {"id": "owns", "kind": "multi", "values": [{"id": "boat"}, {"id": "car"}]},
        {"id": "wants", "kind": "multi", "activation": "direct", "values": [{"id": "art"}, {"id": "tea"}]},
    ]
    return Catalog.from_json(
        json.dumps({"name": "small", "version": "1", "dimensions": dimensions, "segments": segments})
    )


AGE = {"id": "age {age}", "for_each": ["age"]}
OWNS = {"id": "owns {owns}", "for_each": ["owns"]}
OWNS_NOT = {"id": "owns no {owns}", "for_each": ["owns"], "absent": True}
SMALL = small(AGE, OWNS, OWNS_NOT)
UNLISTED = small()


def clause_of(document: Document, catalog: Catalog = SMALL) -> tuple[tuple[str, ...], tuple[str, ...], Document]:
    plan = planned(document, catalog)
    assert plan.reason is None
    assert plan.certificate is not None
    assert plan.certificate.fewest
    (clause,) = plan.clauses
    (include,) = clause.include
    return include, clause.exclude, clause.direct


def reason_of(document: Document, catalog: Catalog) -> Reason:
    plan = planned(document, catalog)
    assert plan.reason is not None
    return plan.reason


@pytest.mark.parametrize(
    ("document", "direct"),
    [
        ({"city": ["Surat"]}, {"city": ("Surat",)}),
        ({"city": ["Surat", "Pune"]}, {}),
        ({"likes": ["tea"]}, {"likes": ("tea",)}),
        ({"likes": ["tea", "art"]}, {"likes": ("art", "tea")}),
        ({"likes": ["tea", "art"], "wants": ["tea", "art"]}, {"likes": ("art", "tea"), "wants": ("art", "tea")}),
        ({"wants": ["art"], "likes": ["tea", "art"], "city": ["Pune"]}, {"city": ("Pune",), "likes": ("art", "tea"), "wants": ("art",)}),
    ],
)  # fmt: skip
def test_direct_dimensions_are_handed_on_beside_the_lists(document: Document, direct: Document) -> None:
    assert clause_of(document) == (("owns boat", "owns no boat"), (), direct)
    assert clause_of(document | {"age": ["old"]}) == (("age old",), (), direct)
    a_hole = {"or": [{"age": ["old"]}, {"owns": ["car"]}]}
    assert clause_of({"and": [document, a_hole]}) == (("age old", "owns car"), (), direct)


@pytest.mark.parametrize(
    "document",
    [
        {"dimension": "likes", "none": ["art"]},
        {"dimension": "likes", "all": ["art", "tea"]},
        {"and": [{"dimension": "likes", "none": ["art"]}, {"age": ["old"]}]},
        {"or": [{"city": ["Pune"]}, {"likes": ["art"]}]},
        {"or": [{"likes": ["art"]}, {"wants": ["art"]}]},
        {"or": [{"likes": ["art"]}, {"dimension": "likes", "none": ["tea"]}]},
        {"or": [{"city": ["Pune"]}, {"age": ["old"]}]},
        {"or": [{"city": ["Pune"], "age": ["old"]}, {"city": ["Surat"], "age": ["mid"]}]},
    ],
)
def test_what_no_box_of_direct_values_says_is_no_one_clause(document: Document) -> None:
    assert len(planned(document, SMALL).clauses) != 1


@pytest.mark.parametrize(
    ("document", "catalog", "message"),
    [
        ({}, UNLISTED, "No category has lists that together reach everyone wanted."),
        ({"age": ["old"]}, UNLISTED, "No list reaches people with age old without reaching people who are not wanted."),
        ({"age": ["old", "mid"]}, small({"id": "x", "where": {"age": "old"}}), "No list reaches people with age mid without reaching people who are not wanted."),
        ({"age": ["old"], "owns": ["car"]}, small(AGE), "No list reaches people with owns with car without reaching people who are not wanted."),
        ({"age": ["old"], "owns": ["car"]}, UNLISTED, "No list keeps out people with age mid or age young, nor people with owns without car; one ad set can do without excluding in one category only."),
        ({"age": ["old"], "owns": ["car"]}, small({"id": "x", "where": {"age": "old"}}, OWNS), "No list keeps out people with age mid or age young, nor people with owns without car; one ad set can do without excluding in one category only."),
        ({"or": [{"age": ["old"]}, {"owns": ["car"]}]}, small(AGE), "No list reaches people with owns with car without reaching people who are not wanted."),
        ({"owns": ["car", "boat"], "age": ["old"]}, small(OWNS), "No list keeps out people with age mid or age young; one ad set can do without excluding in one category only."),
    ],
)  # fmt: skip
def test_where_lists_are_wanting_the_reason_tells_whose(document: Document, catalog: Catalog, message: str) -> None:
    reason = reason_of(document, catalog)
    assert reason.kind in ("unreached", "indistinguishable")
    assert reason.message == message
    assert reason.witness is not None


def test_a_reason_tells_the_first_few_people_and_counts_the_rest() -> None:
    dimension = {"id": "n", "kind": "single", "values": [{"id": str(i)} for i in range(9)]}
    catalog = Catalog.from_json(json.dumps({"name": "x", "version": "1", "dimensions": [dimension]}))
    assert reason_of({"n": ["1", "2", "3", "4", "5", "6"]}, catalog).message == (
        "No list reaches people with n 1 or n 2 or n 3 or n 4 (and 2 more) without reaching people who are not wanted."
    )


def test_a_reason_tells_linked_categories_together() -> None:
    catalog = small({"id": "x", "where": {"age": "old", "owns": {"has": "car"}}})
    assert reason_of({"owns": ["car"]}, catalog).message == (
        "No list reaches people with age mid and owns with car or age young and owns with car "
        "without reaching people who are not wanted."
    )


def test_lists_that_link_too_much_are_too_complex(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = small(
        {"id": "x", "where": {"age": "old", "owns": {"has": "car"}}},
        {"id": "y", "where": {"age": ["old", "mid"], "owns": {"lacks": "boat"}}},
    )
    assert factors.factors_of(catalog).all[0].size == 12
    monkeypatch.setattr(factors, "MAX_STATES", 11)
    factors.factors_of.cache_clear()
    with pytest.raises(TooComplex, match="the lists link age, owns into 12 combinations, more than 11"):
        planned({}, catalog)


def test_a_filter_past_the_bound_on_regions_is_too_complex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagrams, "MAX_STEPS", 2)
    with pytest.raises(TooComplex):
        planned({"or": [{"age": ["old"]}, {"owns": ["car", "boat"]}]}, SMALL)


@given(st.data())
def test_every_list_speaks_of_one_factor_as_it_speaks_of_people(data: st.DataObject) -> None:
    catalog = data.draw(catalogs())
    split = factors.factors_of(catalog)
    names = [name for factor in split.all for name in factor.lists]
    assert sorted(names) == sorted(catalog.segment)
    for position, factor in enumerate(split.all):
        for name, trace in factor.lists.items():
            told = split.people(position, trace, factor.size)
            assert len(told) == trace.bit_count() > 0
            on_it = split.box({position: trace}) if factor.levels else regions.Region.everyone(split.space)
            listed = {"and": [_document(one, catalog) for one in catalog.segment[name].traces]}
            assert on_it == parse_filter(listed, catalog).region


def test_a_list_links_only_what_it_limits() -> None:
    ages = ["mid", "old", "young"]
    catalog = small(
        AGE, {"id": "x", "where": {"age": ages, "owns": {"has": "car"}}}, {"id": "all", "where": {"age": ages}}
    )
    split = factors.factors_of(catalog)
    assert [(factor.size, [*factor.lists]) for factor in split.all] == [
        (3, ["age mid", "age old", "age young"]),
        (2, []),
        (2, ["x"]),
        (1, ["all"]),
    ]


def _document(trace: Trace, catalog: Catalog) -> Document:
    negation = "not_in" if trace.absent else "in"
    assert not trace.absent or catalog.dimension[trace.dimension].multi
    return {"dimension": trace.dimension, negation: list(trace.values)}


DEMO = Catalog.from_json(demo.CATALOG.read_bytes())
AGES = ["20-30", "30-40", "40-50", "50-60", "60-70", "70-80"]


@pytest.mark.parametrize(
    ("document", "include", "exclude"),
    [
        pytest.param({}, ["caravan_no", "caravan_yes"], [], id="everyone"),
        pytest.param({"caravan": ["yes"]}, ["caravan_yes"], [], id="one value"),
        pytest.param({"caravan": ["yes", "no"]}, ["caravan_no", "caravan_yes"], [], id="every value of a single dimension"),
        pytest.param({"policies": ["fire", "car"]}, ["policy_car_yes", "policy_fire_yes"], [], id="any of two policies"),
        pytest.param({"dimension": "policies", "all": ["fire", "car"]}, ["policy_car_yes"], ["policy_fire_no"], id="both of two policies"),
        pytest.param({"dimension": "policies", "none": ["fire", "car"]}, ["policy_car_no"], ["policy_fire_yes"], id="neither of two policies"),
        pytest.param({"age": AGES[:2]}, ["age_20-30", "age_30-40"], [], id="two of six ages"),
        pytest.param({"age": AGES[:5]}, ["caravan_no", "caravan_yes"], ["age_70-80"], id="five of six ages, by a free pivot"),
        pytest.param({"age": AGES[:4]}, ["age_20-30", "age_30-40", "age_40-50", "age_50-60"], [], id="four of six ages, where both ways take four"),
        pytest.param({"dimension": "age", "between": ["30-40", "40-50"]}, ["age_30-40", "age_40-50"], [], id="a range"),
        pytest.param({"main_type": ["farmers"], "age": ["40-50"]}, ["type_and_age_farmers.40-50"], [], id="a cross family"),
        pytest.param({"main_type": ["farmers", "average_family"], "age": ["40-50"]}, ["type_and_age_average_family.40-50", "type_and_age_farmers.40-50"], [], id="two of a cross family"),
        pytest.param({"or": [{"main_type": ["farmers"]}, {"age": ["40-50"]}]}, ["age_40-50", "main_type_farmers"], [], id="either of linked dimensions"),
        pytest.param({"policies": ["car"], "age": ["20-30"]}, ["age_20-30"], ["policy_car_no"], id="the other way round takes six"),
        pytest.param({"policies": ["car", "fire"], "caravan": ["yes"]}, ["policy_car_yes", "policy_fire_yes"], ["caravan_no"], id="any of two and one value"),
        pytest.param({"or": [{"policies": ["car"]}, {"caravan": ["yes"]}]}, ["caravan_yes", "policy_car_yes"], [], id="either of two dimensions"),
        pytest.param({"and": [{"household_size": ["1", "2", "3", "4", "5"]}, {"not": {"household_size": ["1", "2"], "caravan": ["yes"]}}]}, ["caravan_no", "household_size_3", "household_size_4", "household_size_5"], ["household_size_6"], id="a box less a smaller box"),
        pytest.param({"and": [{"caravan": ["yes"]}, {"not": {"age": ["40-50"]}}]}, ["caravan_yes"], ["age_40-50"], id="all but one age"),
    ],
)  # fmt: skip
def test_the_demo_is_planned_as_by_hand(document: Document, include: list[str], exclude: list[str]) -> None:
    assert clause_of(document, DEMO) == (tuple(include), tuple(exclude), {})


def test_a_contradiction_over_the_demo_takes_no_clause() -> None:
    plan = planned({"and": [{"age": ["20-30"]}, {"age": ["30-40"]}]}, DEMO)
    assert (plan.exact, plan.clauses) == (True, ())


def test_a_choice_that_takes_two_ad_sets_gets_two() -> None:
    crossed = [{"policies": ["car"], "caravan": ["yes"]}, {"policies": ["fire"], "caravan": ["no"]}]
    plan = planned({"or": crossed}, DEMO)
    assert plan.exact
    assert plan.certificate
    assert (plan.certificate.clauses, plan.certificate.lower_bound.clauses) == (2, 2)


@pytest.mark.parametrize("condition", [{"none": ["art"]}, {"all": ["art", "tea"]}])
def test_the_platform_cannot_be_told_who_holds_none_or_all(condition: Document) -> None:
    plan = planned({"dimension": "likes", **condition}, SMALL)
    assert not plan.exact
    assert plan.reason
