from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints import demo
from segmentation_core import Catalog, parse_filter, plan_audience, relation
from segmentation_core.testing import catalogs, filters
from tests.unit.brute import audience

if TYPE_CHECKING:
    from segmentation_core.relations import RelationKind

DIMENSION = {"id": "s", "kind": "single", "values": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}
CATALOG = Catalog.from_json(json.dumps({"name": "x", "version": "1", "dimensions": [DIMENSION]}))


@given(st.data())
def test_the_relation_of_two_filters_is_that_of_their_audiences(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=0))
    one, other = data.draw(filters(catalog)), data.draw(filters(catalog))
    a, b = audience(one), audience(other)
    expected: RelationKind
    if a == b:
        expected = "same"
    elif a | b == b:
        expected = "inside"
    elif a | b == a:
        expected = "contains"
    elif a & b == 0:
        expected = "disjoint"
    else:
        expected = "overlapping"
    assert relation(one, other).kind == expected


@given(st.data())
def test_the_relation_turned_round_is_its_converse(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=0))
    one, other = data.draw(filters(catalog)), data.draw(filters(catalog))
    converse = {"inside": "contains", "contains": "inside"}
    found = relation(one, other).kind
    assert relation(other, one).kind == converse.get(found, found)
    assert relation(one, one).kind == "same"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (["a", "b"], ["b", "a"], "same"),
        (["a"], ["a", "b"], "inside"),
        (["a", "b"], ["a"], "contains"),
        (["a"], ["b"], "disjoint"),
        (["a", "b"], ["b", "c"], "overlapping"),
        ([], [], "same"),
        ([], ["a"], "inside"),
        (["a"], [], "contains"),
    ],
)
def test_each_relation_by_example(one: list[str], other: list[str], expected: RelationKind) -> None:
    left = parse_filter({"dimension": "s", "in": one}, CATALOG)
    assert relation(left, parse_filter({"dimension": "s", "in": other}, CATALOG)).kind == expected


def test_filters_of_two_catalogues_have_no_relation() -> None:
    other = Catalog.from_json(json.dumps(CATALOG.document))
    with pytest.raises(ValueError, match="two catalogues"):
        relation(parse_filter({}, CATALOG), parse_filter({}, other))


def test_a_catalogue_outlives_any_number_of_others() -> None:
    catalog = Catalog.from_json(demo.CATALOG.read_bytes())
    early = parse_filter({"age": ["20-30"]}, catalog)
    assert plan_audience(early, catalog).exact
    for number in range(40):
        other = Catalog.from_json(demo.CATALOG.read_bytes().replace(b'"caravan"', b'"other%d"' % number, 1))
        assert plan_audience(parse_filter({"age": ["20-30"]}, other), other).exact
    late = parse_filter({"age": ["20-30"], "main_type": ["farmers"]}, catalog)
    assert plan_audience(late, catalog).exact
    assert relation(late, early).kind == "inside"


@given(st.data())
def test_witnesses_are_meant_by_just_the_filters_that_they_show(data: st.DataObject) -> None:
    catalog = data.draw(catalogs(max_segments=0))
    one, other = data.draw(filters(catalog)), data.draw(filters(catalog))
    found = relation(one, other)
    a, b = audience(one), audience(other)
    for told, people, meant in (
        (found.only_one, a & ~b, (True, False)),
        (found.only_other, b & ~a, (False, True)),
        (found.both, a & b, (True, True)),
    ):
        assert (told is None) == (people == 0)
        if told is not None:
            somebody = {
                dimension.id: told.get(dimension.id, () if dimension.multi else dimension.values[0].id)
                for dimension in catalog.dimensions
            }
            assert (one.matches(somebody), other.matches(somebody)) == meant
