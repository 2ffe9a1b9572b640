"""Why each list is in a plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.panel import panel_catalog
from segmentation_core import Catalog, Clause, explain, parse_filter, plan_audience, plan_text
from segmentation_core.testing import catalogs, filter_documents

if TYPE_CHECKING:
    from segmentation_core import Why

PANEL = panel_catalog()


def whys(wanted: dict[str, Any], catalog: Catalog = PANEL) -> dict[tuple[int, str], str]:
    clauses = plan_audience(parse_filter(wanted, catalog), catalog).clauses
    return {(why.clause, why.segment): why.why for why in explain(clauses, catalog)}


@given(st.data())
def test_every_list_of_a_plan_is_explained_once_on_its_side(data: st.DataObject) -> None:
    catalog = data.draw(catalogs())
    clauses = plan_audience(parse_filter(data.draw(filter_documents(catalog)), catalog), catalog).clauses
    explained = explain(clauses, catalog)
    expected = [
        (number, use, place, name)
        for number, clause in enumerate(clauses, 1)
        for use, place, names in (
            *(("include", place, group) for place, group in enumerate(clause.include, 1)),
            ("exclude", None, clause.exclude),
        )
        for name in names
    ]
    assert [(why.clause, why.use, why.group, why.segment) for why in explained] == expected
    assert all(why.why.startswith(f"{why.use}d, because ") for why in explained)
    assert all(len(why.why) > len("included, because ") for why in explained)


def test_what_is_wanted_of_the_category_is_the_reason() -> None:
    found = whys({"age": ["1", "2"], "gender": ["1"]})
    assert set(found.values()) == {
        "included, because gender 1 is wanted",
        "excluded, because age 1, 2 is wanted",
    } or set(found.values()) == {"excluded, because gender 1 is wanted", "included, because age 1, 2 is wanted"}


def test_each_side_of_an_or_is_told() -> None:
    found = whys({"automobile": ["1", "2"], "finance": ["1"]})
    assert found[1, "automobile_1_yes"] == "included, because automobile with 1 or automobile with 2 is wanted"
    assert found[1, "finance_1_no"] == "excluded, because finance with 1 is wanted"


def test_lists_that_reach_everyone_are_there_because_some_list_must_be() -> None:
    assert set(whys({}).values()) == {"included, because an ad set includes some list, and these reach everyone"}


def crossed(*values: str) -> Catalog:
    dimensions = [{"id": name, "kind": "single", "values": [{"id": value} for value in values]} for name in "ab"]
    families = [{"id": "{a}-{b}", "for_each": ["a", "b"]}]
    return Catalog.from_json(
        json.dumps({"name": "crossed", "version": "1", "dimensions": dimensions, "segments": families})
    )


def test_linked_categories_are_told_together_or_one_by_one() -> None:
    catalog = crossed("0", "1")
    assert set(whys({"a": ["0"], "b": ["1"]}, catalog).values()) == {"included, because a 0 and b 1 is wanted"}
    either = {"or": [{"a": ["0"], "b": ["0"]}, {"a": ["1"], "b": ["1"]}]}
    assert set(whys(either, catalog).values()) == {"included, because a 0 and b 0 or a 1 and b 1 is wanted"}


def test_long_reasons_are_cut_short() -> None:
    catalog = crossed(*"0123456789")
    diagonal = {"or": [{"a": [value], "b": [value]} for value in "0123456789"]}
    (why,) = set(whys(diagonal, catalog).values())
    assert why.endswith("a 7 and b 7 or 2 more is wanted")
    many = {"not": {"a": ["9"]}}
    (why,) = set(whys(many, catalog).values())
    assert why == "included, because a 0, 1, 2, 3, 4, 5, 6, 7 and 1 more is wanted"


def test_reasons_stand_beside_the_lists() -> None:
    clause = Clause((("age_1",),), ("gender_2",), {})
    explained: tuple[Why, ...] = explain((clause,), PANEL)
    plan = plan_audience(parse_filter({"age": ["1"]}, PANEL), PANEL)
    assert plan_text(plan, explained).splitlines()[1] == "  include  age_1  (included, because age 1 is wanted)"


def test_a_list_of_another_catalogue_is_refused() -> None:
    with pytest.raises(KeyError):
        explain((Clause((("nowhere",),), (), {}),), PANEL)


def test_a_list_in_two_groups_is_told_for_each() -> None:
    clause = Clause((("age_1", "age_2"), ("age_2", "gender_1")), (), {})
    assert [why.why for why in explain((clause,), PANEL) if why.segment == "age_2"] == [
        "included, because age 1, 2 is wanted",
        "included, because age 2 or gender 1 is wanted",
    ]
