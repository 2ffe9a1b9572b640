"""The plain loop over people, on a table that can be counted by hand."""

from __future__ import annotations

import json

import pytest

from segmentation_core import Catalog, Clause, Filter, Plan, TooComplex, parse_filter
from segmentation_core.listed_people import ListedPeople
from segmentation_core.population import (
    MOST_OVERLAPPING,
    MOST_SAMPLED,
    Cost,
    Facets,
    Impact,
    Intersection,
    Overlap,
    PlanSize,
    SampledRow,
    ValueShare,
)

DOCUMENT = {
    "name": "test",
    "version": "1",
    "dimensions": [
        {"id": "age", "kind": "single", "values": [{"id": "young"}, {"id": "old"}]},
        {"id": "cars", "kind": "multi", "values": [{"id": "hatch"}, {"id": "sedan"}]},
        {"id": "city", "kind": "single", "activation": "direct", "values": [{"id": "Pune"}, {"id": "Surat"}]},
    ],
    "segments": [
        {"id": "{age}", "for_each": ["age"]},
        {"id": "has {cars}", "for_each": ["cars"]},
        {"id": "no {cars}", "for_each": ["cars"], "absent": True},
    ],
    "weight": {"column": "units"},
}
CATALOG = Catalog.from_json(json.dumps(DOCUMENT))
ROWS: list[tuple[str, list[str], str, int]] = [
    ("young", ["hatch"], "Pune", 10),
    ("young", [], "Surat", 20),
    ("old", ["sedan", "hatch"], "Pune", 40),
    ("old", ["sedan"], "Surat", 0),
]
PEOPLE = ListedPeople(
    CATALOG, [{"age": age, "cars": cars, "city": city} for age, cars, city, _ in ROWS], [row[3] for row in ROWS]
)


def wanted(document: object) -> Filter:
    return parse_filter(document, CATALOG)


def plan(*clauses: Clause) -> Plan:
    return Plan(exact=True, clauses=clauses, certificate=None, fingerprint="")


def test_sizes_are_sums_of_weights() -> None:
    assert PEOPLE.rows == 4
    assert PEOPLE.size(wanted({})) == 70
    assert PEOPLE.sizes([wanted({"age": ["old"]}), wanted({"cars": ["hatch"]}), wanted({"or": []})]) == (40, 50, 0)
    assert ListedPeople(CATALOG, [{"age": "old", "cars": [], "city": "Pune"}] * 3).size(wanted({})) == 3


def test_a_facet_replaces_the_choice_of_its_own_dimension() -> None:
    assert PEOPLE.facets(wanted({"age": ["young"], "cars": ["hatch"]})) == Facets(
        size=10,
        facets={
            "age": {"young": 10, "old": 40},
            "cars": {"hatch": 10, "sedan": 0},
            "city": {"Pune": 10, "Surat": 0},
        },
    )


def test_conditions_that_speak_of_several_dimensions_stay_in_every_facet() -> None:
    either = {"or": [{"age": ["young"]}, {"cars": ["sedan"]}]}
    nested = wanted({"and": [either, {"and": [{"not": {"city": ["Pune"]}}, {"dimension": "age", "not_in": []}]}]})
    assert PEOPLE.facets(nested) == Facets(
        size=20,
        facets={
            "age": {"young": 20, "old": 0},
            "cars": {"hatch": 0, "sedan": 0},
            "city": {"Pune": 50, "Surat": 20},
        },
    )


def test_a_profile_compares_parts() -> None:
    profile = PEOPLE.profile(wanted({"cars": ["hatch"]}))
    assert (profile.size, profile.population) == (50, 70)
    assert profile.profile["age"] == {
        "young": ValueShare(
            size=10, population=30, share=0.2, population_share=30 / 70, index=100 * 10 * 70 / (50 * 30)
        ),
        "old": ValueShare(size=40, population=40, share=0.8, population_share=40 / 70, index=140.0),
    }


def test_a_part_of_nobody_is_not_a_number() -> None:
    nobody = PEOPLE.profile(wanted({"or": []})).profile["age"]["old"]
    assert nobody == ValueShare(size=0, population=40, share=None, population_share=40 / 70, index=None)
    empty = ListedPeople(CATALOG, []).profile(wanted({})).profile["age"]["old"]
    assert empty == ValueShare(size=0, population=0, share=None, population_share=None, index=None)
    unheld = ListedPeople(CATALOG, [{"age": "old", "cars": [], "city": "Pune"}]).profile(wanted({})).profile
    assert unheld["age"]["young"] == ValueShare(size=0, population=0, share=0.0, population_share=0.0, index=None)


def test_an_overlap_has_every_intersection_with_and_without_the_rest() -> None:
    young, hatch, pune = wanted({"age": ["young"]}), wanted({"cars": ["hatch"]}), wanted({"city": ["Pune"]})
    assert PEOPLE.overlap([young, hatch, pune]) == Overlap(
        sizes=(30, 50, 50),
        union=70,
        intersections=(
            Intersection((0,), 30, 20),
            Intersection((1,), 50, 0),
            Intersection((2,), 50, 0),
            Intersection((0, 1), 10, 0),
            Intersection((0, 2), 10, 0),
            Intersection((1, 2), 50, 40),
            Intersection((0, 1, 2), 10, 10),
        ),
    )
    assert PEOPLE.overlap([]) == Overlap(sizes=(), union=0, intersections=())


def test_more_filters_than_can_be_shown_are_refused() -> None:
    everyone = wanted({})
    assert PEOPLE.overlap([everyone] * 2).union == 70
    with pytest.raises(TooComplex, match=r"overlap of 11 filters .* ask for 10 at most"):
        PEOPLE.overlap([everyone] * (MOST_OVERLAPPING + 1))


def test_the_impact_of_a_condition_is_the_size_without_it() -> None:
    document = {"and": [{"age": ["young"]}, {"or": [{"cars": ["hatch"]}, {"city": ["Surat"]}]}, {"city": ["Pune"]}]}
    assert PEOPLE.impact(wanted(document)) == Impact(
        size=10,
        conditions=(
            Cost(0, ("age",), 50, 40),
            Cost(1, ("cars", "city"), 10, 0),
            Cost(2, ("city",), 30, 20),
        ),
    )
    assert PEOPLE.impact(wanted({})) == Impact(70, ())
    assert PEOPLE.impact(wanted({"or": []})) == Impact(0, (Cost(0, (), 70, 70),))


def test_a_plan_is_counted_from_its_lists() -> None:
    one = Clause((("young", "has sedan"), ("no hatch",)), (), {})
    two = Clause((("old",),), ("no sedan",), {"city": ("Pune",)})
    assert PEOPLE.plan_size(plan(one, two)) == PlanSize((20, 40), 60)
    assert PEOPLE.plan_size(plan(two, two)) == PlanSize((40, 40), 40)
    assert PEOPLE.plan_size(plan()) == PlanSize((), 0)
    for clause in (Clause((("gone",),), (), {}), Clause((("young",),), ("gone",), {})):
        with pytest.raises(KeyError, match="gone"):
            ListedPeople(CATALOG, []).plan_size(plan(clause))


def test_a_sample_is_spread_over_the_rows_that_match() -> None:
    first = SampledRow(1, {"age": "young", "cars": ("hatch",), "city": "Pune"}, 10)
    third = SampledRow(3, {"age": "old", "cars": ("hatch", "sedan"), "city": "Pune"}, 40)
    assert PEOPLE.sample(wanted({"cars": ["hatch"]}), 5) == (first, third)
    assert [row.row for row in PEOPLE.sample(wanted({}), 2)] == [1, 3]
    assert [row.row for row in PEOPLE.sample(wanted({}), 3)] == [1, 2, 3]
    assert PEOPLE.sample(wanted({}), 0) == PEOPLE.sample(wanted({"or": []}), 3) == ()
    with pytest.raises(TooComplex, match="a sample of 1001 rows; ask for 1000 at most"):
        PEOPLE.sample(wanted({}), MOST_SAMPLED + 1)


def test_a_filter_of_another_catalogue_is_refused() -> None:
    other = parse_filter({}, Catalog.from_json(json.dumps(DOCUMENT)))
    for ask in (PEOPLE.size, PEOPLE.facets, PEOPLE.profile, PEOPLE.impact, lambda each: PEOPLE.sample(each, 1)):
        with pytest.raises(ValueError, match="another catalogue"):
            ask(other)
    for ask_many in (PEOPLE.sizes, PEOPLE.overlap):
        with pytest.raises(ValueError, match="another catalogue"):
            ask_many([other])
