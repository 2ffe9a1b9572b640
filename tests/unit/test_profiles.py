"""Profiles: read with every fault told, shipped with sources, and kept to by plans."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from adapters.profiles import load, shipped
from benchmarks.panel import panel_catalog
from segmentation_core import Catalog, Nearest, Plan, parse_filter, plan_audience
from segmentation_core.errors import DocumentError, ProfileError
from segmentation_core.planning.profiles import FIGURES, INCLUDE_EXCLUDE, LIMITS, Limit, Profile
from segmentation_core.testing import catalogs, filter_documents
from tests.unit.brute import audience, cheapest, everyone, is_reached, smallest
from tests.unit.heart import heart

Document = dict[str, Any]


def document(**changes: object) -> Document:
    changed: Document = msgspec.to_builtins(INCLUDE_EXCLUDE)
    return changed | changes


def figure(value: object) -> Document:
    return {"value": value, "source": "a page", "date": "2026-01-31"}


def profile(**values: object) -> Profile:
    """Return a profile of a platform that takes what is given, and is plain otherwise."""
    changes = {name: figure(value) for name, value in values.items()}
    return Profile.from_json(json.dumps(document(id="x", name="X", **changes)))


@pytest.mark.parametrize("name", shipped())
def test_every_figure_that_is_shipped_has_a_source_and_a_date(name: str) -> None:
    found = load(name)
    assert found.id == name
    for figure_name in FIGURES:
        told = getattr(found, figure_name)
        assert told.source
        assert dt.date.fromisoformat(told.date) <= dt.date.today()  # noqa: DTZ011  a day is near enough


def test_the_example_of_the_documents_is_a_profile() -> None:
    text = (Path(__file__).parents[2] / "docs/profiles.md").read_text("utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert Profile.from_json(example).unknown() == ("exclude_lists", "clauses", "lists")
    assert all(f"`{name}`" in text for name in (*FIGURES, *shipped()))


def test_the_default_is_shipped_as_it_stands_in_the_core() -> None:
    assert load("include-exclude") == INCLUDE_EXCLUDE
    assert INCLUDE_EXCLUDE.unknown() == ()


def test_the_facts_that_were_collected_are_shipped() -> None:
    meta, tiktok, linkedin, amazon = (load(name) for name in ("meta", "tiktok", "linkedin", "amazon-dsp"))
    assert (meta.limit("include_groups"), meta.limit("lists_per_group"), meta.limit("lists")) == (25, 1_000, 500)
    assert (tiktok.limit("include_groups"), tiktok.limit("minimum_size")) == (1, 1_000)
    assert tiktok.shared_lists.value is False
    assert (linkedin.groups, linkedin.limit("minimum_size")) == (None, 300)
    assert (amazon.limit("include_groups"), amazon.limit("lists_per_group")) == (10, 500)
    assert load("the-trade-desk").empty_include_is_everyone.value is True
    assert load("dv360").united_with.value == "Google's own lists"


def test_a_profile_that_is_not_shipped_is_told_with_the_nearest() -> None:
    with pytest.raises(ProfileError, match="there is no such profile; expected perhaps tiktok"):
        load("tik-tok")


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"include_groups": figure(0)}, "$.include_groups.value", "is too little"),
        ({"exclude_lists": figure(-1)}, "$.exclude_lists.value", "is too little"),
        ({"include_groups": figure(value=True)}, "$.include_groups.value", "Expected `int | str | null`"),
        ({"include_groups": figure("many")}, "$.include_groups.value", "Invalid enum value"),
        ({"shared_lists": figure(1)}, "$.shared_lists.value", "Expected `bool | null`"),
        ({"lists": figure(3) | {"source": ""}}, "$.lists.source", "is empty"),
        ({"lists": figure(3) | {"date": "2026-02-31"}}, "$.lists.date", "is no date"),
        ({"lists": figure(3) | {"date": "20260131"}}, "$.lists.date", "is no date"),
        ({"lists": {"value": 3}}, "$.lists", "missing required field `source`"),
        ({"name": ""}, "$.name", "is empty"),
        ({"id": 3}, "$.id", "Expected `str`"),
    ],
)
def test_every_fault_has_its_place(changes: Document, path: str, message: str) -> None:
    with pytest.raises(ProfileError) as caught:
        Profile.from_json(json.dumps(document(**changes)))
    (problem,) = caught.value.problems
    assert problem.path == path
    assert message in problem.message


@pytest.mark.parametrize(
    ("changes", "path", "nearest"),
    [
        ({"include_group": 1}, "$.include_group", "include_groups"),
        ({"lists": figure(1) | {"dat": ""}}, "$.lists.dat", "date"),
    ],
)
def test_a_member_that_is_not_known_is_told_with_the_nearest(changes: Document, path: str, nearest: str) -> None:
    with pytest.raises(ProfileError) as caught:
        Profile.from_json(json.dumps(document(**changes)))
    (problem,) = caught.value.problems
    assert problem.path == path
    assert problem.expected
    assert problem.expected.startswith(f"perhaps {nearest};")


def test_faults_are_told_all_at_once() -> None:
    with pytest.raises(ProfileError) as caught:
        Profile.from_json(json.dumps(document(name="", lists=figure(0), clauses=figure(0))))
    assert {problem.path for problem in caught.value.problems} == {"$.name", "$.lists.value", "$.clauses.value"}


def test_text_that_is_no_json_is_told() -> None:
    with pytest.raises(DocumentError):
        Profile.from_json(b"{")


def test_unlimited_and_unknown_are_no_limit_but_unknown_groups_are_one() -> None:
    assert profile(include_groups="unlimited").groups is None
    assert profile(include_groups=None).groups == 1
    assert profile(include_groups=3).groups == 3
    assert profile(lists=None).limit("lists") is profile(lists="unlimited").limit("lists") is None
    assert profile(lists=None, shared_lists=None).unknown() == ("lists", "shared_lists")
    assert isinstance(INCLUDE_EXCLUDE.include_groups, Limit)
    assert set(LIMITS) < set(FIGURES)


# Plans keep to profiles.


@heart
@given(st.data())
def test_with_groups_and_empty_includes_plans_are_exact_and_on_small_catalogues_the_best(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=5, max_people=32))
    wanted = parse_filter(data.draw(filter_documents(catalog)), catalog)
    groups, empty = data.draw(st.sampled_from([(1, True), (2, False), (2, True)]))
    taken = profile(include_groups=groups, empty_include_is_everyone=empty)
    plan = plan_audience(wanted, catalog, profile=taken)
    people = audience(wanted)
    best = smallest(people, cheapest(people, catalog, groups, empty=empty))
    event(f"exact: {plan.exact}, {len(plan.clauses)} clauses")
    assert plan.profile == "x"
    assert plan.exact == (best is not None)
    if plan.certificate:
        assert all(len(clause.include) <= groups for clause in plan.clauses)
        assert best == (plan.certificate.clauses, plan.certificate.segments)
        bound = plan.certificate.lower_bound
        assert (bound.clauses, bound.segments) <= best
        for person in everyone(catalog):
            assert sum(is_reached(clause, catalog, person) for clause in plan.clauses) == wanted.matches(person)


@heart
@given(st.data())
def test_with_more_lists_and_groups_plans_are_exact_and_bounds_are_not_above_them(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=10, max_people=32))
    wanted = parse_filter(data.draw(filter_documents(catalog)), catalog)
    groups = data.draw(st.integers(2, 4))
    plan = plan_audience(wanted, catalog, profile=profile(include_groups=groups))
    if plan.certificate:
        assert all(len(clause.include) <= groups for clause in plan.clauses)
        bound = plan.certificate.lower_bound
        assert (bound.clauses, bound.segments) <= (plan.certificate.clauses, plan.certificate.segments)
        for person in everyone(catalog):
            assert sum(is_reached(clause, catalog, person) for clause in plan.clauses) == wanted.matches(person)
    else:
        assert plan.reason
        assert plan.reason.kind in ("indistinguishable", "not-found", "only-overlapping", "unreached")


def test_where_nobody_at_all_is_reached_that_is_the_reason() -> None:
    dimensions = [{"id": "a", "kind": "single", "values": [{"id": "1"}, {"id": "2"}]}]
    catalog = Catalog.from_json(json.dumps({"name": "x", "version": "1", "dimensions": dimensions}))
    reason = plan_audience(parse_filter({}, catalog), catalog, profile=profile(include_groups=2)).reason
    assert reason
    assert reason.kind == "unreached"


def test_two_lists_of_one_factor_in_two_groups_say_what_they_share() -> None:
    dimensions = [
        {"id": "b", "kind": "single", "values": [{"id": name} for name in "abcd"]},
        {"id": "c", "kind": "single", "values": [{"id": name} for name in "ab"]},
    ]
    segments = [{"id": "b {b}", "for_each": ["b"]}, {"id": "x", "where": {"b": ["a", "b", "c"], "c": ["b"]}}]
    catalog = Catalog.from_json(
        json.dumps({"name": "x", "version": "1", "dimensions": dimensions, "segments": segments})
    )
    plan = plan_audience(parse_filter({"b": ["a"], "c": ["b"]}, catalog), catalog, profile=profile(include_groups=2))
    (clause,) = plan.clauses
    assert clause.include == (("b a",), ("x",))
    assert clause.segments == 2


def small(kind: str, *ids: str, listed: bool = True) -> Catalog:
    """Return a catalogue of a dimension `a` and one that nobody asks about, with a list of each value of `a` or none."""
    dimensions = [
        {"id": "a", "kind": kind, "values": [{"id": name} for name in ids]},
        {"id": "b", "kind": "single", "values": [{"id": "1"}]},
    ]
    segments = [{"id": "a{a}", "for_each": ["a"]}] if listed else []
    document = {"name": "x", "version": "1", "dimensions": dimensions, "segments": segments}
    return Catalog.from_json(json.dumps(document))


@pytest.mark.parametrize("wanted", [["1"], ["1", "2"]], ids=["a box", "a hole"])
def test_with_several_groups_too_what_no_list_says_is_told(wanted: list[str]) -> None:
    catalog = small("multi", "1", "2", listed=False)
    plan = plan_audience(parse_filter({"a": wanted}, catalog), catalog, profile=profile(include_groups=2))
    assert not plan.exact
    assert plan.reason
    assert plan.reason.kind == "indistinguishable"


def test_everyone_takes_two_ad_sets_where_each_may_have_one_list() -> None:
    catalog = small("single", "1", "2")
    one_list = profile(lists_per_group=1, include_lists=1, exclude_lists=1)
    plan = plan_audience(parse_filter({}, catalog), catalog, profile=one_list)
    assert plan.exact
    assert [(clause.include, clause.exclude) for clause in plan.clauses] == [((("a1",),), ()), ((("a2",),), ())]


def test_who_is_on_no_list_is_out_of_reach_whatever_the_limits() -> None:
    catalog = small("multi", "1", "2")
    one_list = profile(lists_per_group=1, include_lists=1, exclude_lists=1)
    plan = plan_audience(parse_filter({}, catalog), catalog, profile=one_list)
    assert plan.reason
    assert plan.reason.kind == "unreached"


@heart
@given(st.data())
def test_within_limits_on_lists_plans_are_exact_wherever_any_is(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=6, max_people=32))
    wanted = parse_filter(data.draw(filter_documents(catalog)), catalog)
    names = ("lists_per_group", "include_lists", "exclude_lists")
    limits = {name: data.draw(st.sampled_from([1, 2, 3, "unlimited"]), label=name) for name in names}
    taken = profile(**limits)
    plan = plan_audience(wanted, catalog, profile=taken)
    per_group, included, excluded = (taken.limit(name) or 9 for name in names)
    people = audience(wanted)
    options = cheapest(
        people, catalog, takes=lambda sizes, out: sizes[0] <= min(per_group, included) and out <= excluded
    )
    best = smallest(people, options)
    event(f"exact: {plan.exact}, {plan.reason and plan.reason.kind}")
    assert plan.exact == (best is not None)
    for clauses in (
        plan.clauses,
        *(near.clauses for near in (plan.superset, plan.subset) if isinstance(near, Nearest)),
    ):
        for clause in clauses:
            assert len(clause.include[0]) <= min(per_group, included)
            assert len(clause.exclude) <= excluded
    if plan.certificate:
        assert best == (plan.certificate.clauses, plan.certificate.segments)
        bound = plan.certificate.lower_bound
        assert (bound.clauses, bound.segments) <= best
        for person in everyone(catalog):
            assert sum(is_reached(clause, catalog, person) for clause in plan.clauses) == wanted.matches(person)


PANEL = panel_catalog()


def panel_plan(wanted: Document, taken: Profile) -> Plan:
    return plan_audience(parse_filter(wanted, PANEL), PANEL, profile=taken)


ANY_OF_TWO: Document = {"automobile": ["1", "2"], "finance": ["1", "2"]}


def names(dimension: str, count: int) -> list[str]:
    return [value.id for value in PANEL.dimension[dimension].values[:count]]


def test_two_include_groups_save_a_split() -> None:
    wanted = {name: names(name, 2) for name in ("automobile", "finance")}
    assert len(panel_plan(wanted, INCLUDE_EXCLUDE).clauses) == 2
    plan = panel_plan(wanted, profile(include_groups=2))
    (clause,) = plan.clauses
    assert len(clause.include) == 2
    assert not clause.exclude
    assert plan.certificate
    assert plan.certificate.clauses == plan.certificate.lower_bound.clauses == 1


def test_conditions_are_included_where_that_takes_fewer_lists_than_excluding_the_others() -> None:
    wanted = {"age": names("age", 1), "occupation": names("occupation", 1)}
    assert panel_plan(wanted, INCLUDE_EXCLUDE).clauses[0].segments == 6
    (clause,) = panel_plan(wanted, profile(include_groups="unlimited")).clauses
    assert (len(clause.include), clause.segments) == (2, 2)


def test_where_an_empty_include_is_everyone_nothing_need_be_included() -> None:
    wanted = {"not": {"age": names("age", 1)}}
    (clause,) = panel_plan(wanted, load("the-trade-desk")).clauses
    assert clause.include == ()
    assert clause.segments == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"exclude_lists": 2}, "Ad set 1 excludes 4 lists, more than the 2 that X takes."),
        ({"include_lists": 1}, "Ad set 1 includes 2 lists, more than the 1 that X takes."),
        ({"lists_per_group": 1}, "Ad set 1 has a group of 2 lists, more than the 1 that X takes."),
        ({"lists": 4}, "The plan takes 6 lists, more than the 4 that X takes."),
    ],
)
def test_a_plan_past_a_figure_is_told(values: Document, message: str) -> None:
    plan = panel_plan({"age": names("age", 2), "occupation": names("occupation", 2)}, profile(**values))
    assert not plan.exact
    assert plan.reason
    assert (plan.reason.kind, plan.reason.message) == ("past-a-limit", message)
    for near in (plan.superset, plan.subset):
        if isinstance(near, Nearest):
            assert near.cells
            for clause in near.clauses:
                most_excluded = int(values.get("exclude_lists") or 9)
                most_included = int(values.get("include_lists") or values.get("lists_per_group") or 9)
                assert len(clause.exclude) <= most_excluded
                assert len(clause.include[0]) <= most_included


def test_no_more_ad_sets_than_the_platform_takes() -> None:
    wanted = {name: names(name, 3) for name in ("automobile", "finance")}
    reason = panel_plan(wanted, profile(clauses=2)).reason
    assert reason
    assert reason.kind == "too-many-clauses"


def test_figures_that_are_not_known_are_told_where_a_plan_leans_on_them() -> None:
    wanted = {name: names(name, 2) for name in ("automobile", "finance")}
    notes = panel_plan(wanted, load("google-ads")).notes
    assert "Google Ads: how many ad sets there may be is not known." in notes
    assert "Google Ads: how many groups of lists an ad set may include (planned with one) is not known." in notes
    assert "Google Ads takes ad sets of 100 people or more." in notes
    one = panel_plan({"age": names("age", 1)}, load("google-ads")).notes
    assert not any("ad sets there may be" in note or "a group may have" in note for note in one)
    united = panel_plan({"age": names("age", 1)}, load("dv360")).notes
    assert "Display & Video 360 unites those included with Google's own lists: leave these empty." in united
    assert panel_plan({"or": []}, load("dv360")).notes == ()


def test_a_profile_is_plain_data() -> None:
    catalog = Catalog.from_json(json.dumps(PANEL.document))
    plan = plan_audience(parse_filter({}, catalog), catalog, profile=load("tiktok"))
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


PAIRS: Document = {
    "or": [
        {"age": ["1"], "area": ["1"]},
        {"gender": ["1"], "home_type": ["1"]},
        {"education": ["1"], "occupation": ["1"]},
        {"household_size": ["1"], "language": ["1"]},
    ]
}


def test_groups_say_more_at_once_and_the_bound_counts_them() -> None:
    sizes = []
    for groups in (1, 2, 4, 16):
        certificate = panel_plan(PAIRS, profile(include_groups=groups)).certificate
        assert certificate
        assert certificate.lower_bound.clauses <= certificate.clauses
        sizes.append(certificate.clauses)
    assert sizes == sorted(sizes, reverse=True)
    assert (sizes[0], sizes[-1]) == (8, 1)


def test_two_of_three_take_two_ad_sets_of_two_groups_and_no_more_than_that_is_claimed() -> None:
    two_of_three = {
        "or": [{"age": ["1"], "area": ["1"]}, {"area": ["1"], "gender": ["1"]}, {"gender": ["1"], "age": ["1"]}]
    }
    certificate = panel_plan(two_of_three, profile(include_groups=2)).certificate
    assert certificate
    assert certificate.clauses == 2
    assert certificate.lower_bound.clauses == 1


def test_a_handful_of_lists_and_too_few_ad_sets() -> None:
    dimensions = [{"id": name, "kind": "single", "values": [{"id": "1"}, {"id": "2"}]} for name in "ab"]
    segments = [{"id": f"{name}{{{name}}}", "for_each": [name]} for name in "ab"]
    catalog = Catalog.from_json(
        json.dumps({"name": "x", "version": "1", "dimensions": dimensions, "segments": segments})
    )
    wanted = parse_filter({"or": [{"a": ["1"], "b": ["1"]}, {"a": ["2"], "b": ["2"]}]}, catalog)
    reason = plan_audience(wanted, catalog, profile=profile(clauses=1)).reason
    assert reason
    assert reason.kind == "too-many-clauses"
    assert reason.message == "This takes at least 2 ad sets, more than the 1 that a plan may have."
