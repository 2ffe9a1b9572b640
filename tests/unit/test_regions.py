from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation_core import Catalog, TooComplex, diagrams, parse_filter, plan_audience, relation, spaces
from segmentation_core.regions import Region
from segmentation_core.testing import (
    catalog_documents,
    catalogs,
    conjunctive_filter_documents,
    filter_documents,
    filters,
)
from tests.unit.brute import audience, everyone, members, shuffled, state_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmentation_core import Filter

Document = dict[str, Any]

small_catalogs = catalogs(max_segments=0, max_people=48)


@st.composite
def some_filters(draw: st.DrawFn, count: int) -> tuple[Catalog, list[Filter]]:
    catalog = draw(small_catalogs)
    return catalog, [draw(filters(catalog)) for _ in range(count)]


def wide(values: int, *, name: str = "m") -> Catalog:
    dimension = {"id": name, "kind": "multi", "values": [{"id": f"v{i}"} for i in range(values)]}
    return Catalog.from_json(json.dumps({"name": "wide", "version": "1", "dimensions": [dimension]}))


@given(some_filters(1))
def test_a_region_is_the_people_that_match(drawn: tuple[Catalog, list[Filter]]) -> None:
    catalog, (wanted,) = drawn
    assert members(wanted.region, catalog) == audience(wanted)


@given(some_filters(2))
def test_operations_on_regions_are_operations_on_sets_of_people(drawn: tuple[Catalog, list[Filter]]) -> None:
    catalog, (one, other) = drawn
    a, b = one.region, other.region
    people_a, people_b = audience(one), audience(other)
    all_people = (1 << len(everyone(catalog))) - 1
    assert members(a & b, catalog) == people_a & people_b
    assert members(a | b, catalog) == people_a | people_b
    assert members(a - b, catalog) == people_a & ~people_b
    assert members(~a, catalog) == all_people & ~people_a
    assert a.is_empty() == (not people_a)
    assert a.is_subset(b) == (not people_a & ~people_b)
    assert a.is_disjoint(b) == (not people_a & people_b)
    assert (a == b) == (people_a == people_b)
    assert (a == b) == (hash(a) == hash(b))


@given(some_filters(3))
def test_regions_obey_the_laws_of_sets(drawn: tuple[Catalog, list[Filter]]) -> None:
    catalog, (one, other, third) = drawn
    a, b, c = one.region, other.region, third.region
    everything = Region.everyone(catalog.space)
    nobody = ~everything
    assert nobody.is_empty()
    assert a & a == a | a == a
    assert ~~a == a
    assert a & b == b & a
    assert a | b == b | a
    assert (a & b) & c == a & (b & c)
    assert (a | b) | c == a | (b | c)
    assert a & (b | c) == (a & b) | (a & c)
    assert a | (b & c) == (a | b) & (a | c)
    assert ~(a & b) == ~a | ~b
    assert ~(a | b) == ~a & ~b
    assert a - b == a & ~b
    assert a & (a | b) == a | (a & b) == a
    assert a & everything == a | nobody == a - nobody == a
    assert a & nobody == a - a == nobody
    assert a | ~a == everything


@st.composite
def rewritings(draw: st.DrawFn, document: Document, catalog: Catalog, steps: int = 3) -> Document:
    """Draw another filter document of the same meaning."""
    if steps == 0:
        return document

    def again(part: Document) -> Document:
        return draw(rewritings(part, catalog, steps - 1))

    anything = draw(filter_documents(catalog, max_conditions=2))
    dimension = draw(st.sampled_from(catalog.dimensions))
    some = [value.id for value in draw(st.lists(st.sampled_from(dimension.values)))]
    held = {"dimension": dimension.id, "in": some}
    ways: list[Callable[[], Document]] = [
        lambda: {"not": {"not": again(document)}},
        lambda: {"and": draw(st.permutations([document, again(document), {}]))},
        lambda: {"or": draw(st.permutations([document, again(document), {"or": []}]))},
        lambda: {"and": [document, {"or": [anything, again(document)]}]},
        lambda: {"or": [{"and": [held, document]}, {"and": [{"not": held}, again(document)]}]},
        lambda: {"not": {"or": [{"not": document}, {"and": [anything, {"not": anything}]}]}},
    ]
    if "and" in document or "or" in document:
        junction, dual = ("and", "or") if "and" in document else ("or", "and")
        parts = draw(st.permutations(document[junction]))
        ways += [
            lambda: {junction: [again(part) for part in parts]},
            lambda: {"not": {dual: [{"not": again(part)} for part in parts]}},
            lambda: {junction: [{junction: parts[:1]}, {junction: parts[1:]}]},
        ]
    if "in" in document and "dimension" in document:
        name, values = document["dimension"], draw(st.permutations(document["in"]))
        ways += [
            lambda: {"or": [{"dimension": name, "in": [value]} for value in values]},
            lambda: {"not": {"dimension": name, "not_in": values}},
        ]
    return draw(st.sampled_from(ways))()


@given(st.data())
def test_equal_meaning_equal_fingerprint(data: st.DataObject) -> None:
    catalog = data.draw(small_catalogs)
    document = data.draw(filter_documents(catalog))
    other = data.draw(rewritings(document, catalog))
    one, same = parse_filter(document, catalog), parse_filter(other, catalog)
    assert one.fingerprint == same.fingerprint
    assert one.region == same.region
    assert len(one.region) == len(same.region)


@given(some_filters(2))
def test_filters_that_differ_on_a_person_differ_in_fingerprint(drawn: tuple[Catalog, list[Filter]]) -> None:
    _, (one, other) = drawn
    assert (one.fingerprint == other.fingerprint) == (audience(one) == audience(other))


@given(st.data())
def test_the_order_of_the_catalogue_file_does_not_matter(data: st.DataObject) -> None:
    document = data.draw(catalog_documents())
    catalog = Catalog.from_json(json.dumps(document))
    other = Catalog.from_json(json.dumps(data.draw(shuffled(document))))
    wanted = data.draw(filter_documents(catalog))
    one, same = parse_filter(wanted, catalog), parse_filter(wanted, other)
    assert one.fingerprint == same.fingerprint
    assert one.region.witness() == same.region.witness()


@given(st.data())
def test_what_is_not_asked_about_does_not_matter_to_the_fingerprint(data: st.DataObject) -> None:
    document = data.draw(catalog_documents(max_dimensions=3))
    catalog = Catalog.from_json(json.dumps(document))
    more = {"id": "a new one", "kind": "single", "values": [{"id": "1"}, {"id": "2"}]}
    larger = {"name": "larger", "version": "2", "dimensions": [more, *document["dimensions"]]}
    wanted = data.draw(filter_documents(catalog))
    grown = parse_filter(wanted, Catalog.from_json(json.dumps(larger)))
    assert grown.fingerprint == parse_filter(wanted, catalog).fingerprint


PROGRAM = """
import json, msgspec
from segmentation_core import Catalog, parse_filter, plan_audience
names = [f"value {i}" for i in range(5)]
catalog = Catalog.from_json(json.dumps({
    "name": "x", "version": "1",
    "dimensions": [
        {"id": "s", "kind": "single", "values": [{"id": name} for name in names]},
        {"id": "t", "kind": "single", "values": [{"id": name} for name in names]},
        {"id": "m", "kind": "multi", "values": [{"id": name} for name in names]},
        {"id": "d", "kind": "multi", "activation": "direct", "values": [{"id": name} for name in names]},
    ],
    "segments": [
        {"id": "s {s}", "for_each": ["s"]}, {"id": "st {s}.{t}", "for_each": ["s", "t"]},
        {"id": "m {m}", "for_each": ["m"]}, {"id": "no {m}", "for_each": ["m"], "absent": True},
        {"id": "hand", "where": {"s": names[:3]}}, {"id": "hand 2", "where": {"s": names[2:]}},
    ],
}))
for document in (
    {}, {"s": names[:3]}, {"s": names[:4], "m": names[:2]}, {"m": names, "d": names[:2]},
    {"or": [{"s": names[:2]}, {"not": {"t": names[:2], "m": names[3:]}}]}, {"s": names[:3], "t": names[1:], "m": names[:1]},
):
    wanted = parse_filter(document, catalog)
    print(wanted.fingerprint, wanted.region.witness(), msgspec.json.encode(plan_audience(wanted, catalog)).decode())
"""


def test_fingerprints_and_plans_do_not_depend_on_how_python_hashes_strings() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "12345")
    }
    (only,) = printed
    assert only.count("\n") == 6
    assert len({line.split()[0] for line in only.splitlines()}) == 6


def test_fingerprints_are_those_of_earlier_versions() -> None:
    catalog = Catalog.from_json(
        '{"name": "x", "version": "1", "dimensions": ['
        '{"id": "s", "kind": "single", "values": [{"id": "a"}, {"id": "b"}, {"id": "é"}]},'
        '{"id": "m", "kind": "multi", "values": [{"id": "c"}, {"id": "d"}]}]}'
    )
    documents: list[Document] = [{}, {"or": []}, {"s": ["a", "é"]}, {"or": [{"s": ["b"]}, {"m": ["c", "d"]}]}]
    assert [parse_filter(document, catalog).fingerprint for document in documents] == [
        "cea3878a334b240469d159ff840b6434",
        "1240a4684403b160e6597a653a88f56c",
        "cfbde1bf93916dbd24cc5b9d51209ba9",
        "8143fce09e934db953ed0b6f51ff2a4f",
    ]


@given(some_filters(1))
def test_the_witness_and_all_who_agree_with_it_are_in_the_region(drawn: tuple[Catalog, list[Filter]]) -> None:
    catalog, (wanted,) = drawn
    told = wanted.region.witness()
    assert (told is None) == wanted.region.is_empty()
    if told is not None:
        agreeing = [
            person
            for person in everyone(catalog)
            if all(set(person[name]) == set(held) if catalog.dimension[name].multi else person[name] == held
                   for name, held in told.items())
        ]  # fmt: skip
        assert agreeing
        assert all(map(wanted.matches, agreeing))


def test_the_witness_is_the_first_in_the_order_of_ids() -> None:
    catalog = Catalog.from_json(
        '{"name": "x", "version": "1", "dimensions": ['
        '{"id": "s", "kind": "single", "values": [{"id": "z"}, {"id": "b"}, {"id": "a"}]},'
        '{"id": "m", "kind": "multi", "values": [{"id": "d"}, {"id": "c"}]}]}'
    )
    assert parse_filter({"s": ["z", "b"]}, catalog).region.witness() == {"s": "b"}
    assert parse_filter({"m": ["d", "c"]}, catalog).region.witness() == {"m": ("d",)}
    assert parse_filter({"dimension": "m", "all": ["d", "c"]}, catalog).region.witness() == {"m": ("c", "d")}
    assert parse_filter({"dimension": "m", "none": ["d"]}, catalog).region.witness() == {"m": ()}
    assert parse_filter({}, catalog).region.witness() == {}


@given(some_filters(1))
def test_shadows_are_the_states_that_occur(drawn: tuple[Catalog, list[Filter]]) -> None:
    catalog, (wanted,) = drawn
    region, space = wanted.region, catalog.space
    if region.is_empty():
        assert region.shadows == {}
        return
    shadows = [0] * len(space.levels)
    for person in filter(wanted.matches, everyone(catalog)):
        for depth in range(len(space.levels)):
            shadows[depth] |= 1 << state_of(person, depth, catalog)
    for depth, shadow in enumerate(shadows):
        assert region.shadows.get(depth, space.full[depth]) == shadow
    assert region.is_box() == (Region.box(space, dict(enumerate(shadows))) == region)


@given(st.data())
def test_a_region_onto_levels_is_who_agrees_there_with_somebody_in_it(data: st.DataObject) -> None:
    catalog = data.draw(small_catalogs)
    wanted = data.draw(filters(catalog))
    levels = sorted(data.draw(st.sets(st.sampled_from(range(len(catalog.space.levels))))))
    people = everyone(catalog)
    states = [tuple(state_of(person, depth, catalog) for depth in levels) for person in people]
    occurring = {state for state, person in zip(states, people, strict=True) if wanted.matches(person)}
    onto = wanted.region.onto(levels)
    assert members(onto, catalog) == sum(1 << i for i, state in enumerate(states) if state in occurring)

    every_combination = product(*(range(len(catalog.space.levels[level].states)) for level in levels))
    positions = sum(1 << i for i, combination in enumerate(every_combination) if combination in occurring)
    assert onto.combinations(levels) == positions
    assert Region.of_combinations(catalog.space, levels, positions) == onto


@given(st.data())
def test_combinations_are_what_a_region_was_made_of(data: st.DataObject) -> None:
    catalog = data.draw(small_catalogs)
    space = catalog.space
    levels = sorted(data.draw(st.sets(st.sampled_from(range(len(space.levels))), max_size=3)))
    size = 1
    for level in levels:
        size *= len(space.levels[level].states)
    occurring = data.draw(st.integers(0, (1 << size) - 1))
    assert Region.of_combinations(space, levels, occurring).combinations(levels) == occurring


@given(st.data())
def test_a_box_is_its_states(data: st.DataObject) -> None:
    catalog = data.draw(small_catalogs)
    space = catalog.space
    masks = data.draw(st.dictionaries(st.sampled_from(range(len(space.levels))), st.integers(0, 7)))
    masks = {depth: mask & space.full[depth] for depth, mask in masks.items()}
    box = Region.box(space, masks)
    inside = [all(masks.get(d, -1) >> state_of(p, d, catalog) & 1 for d in masks) for p in everyone(catalog)]
    assert members(box, catalog) == sum(1 << i for i, belongs in enumerate(inside) if belongs)
    assert box.is_box()


def test_everyone_and_nobody_take_no_nodes() -> None:
    catalog = wide(3)
    assert len(Region.everyone(catalog.space)) == 0
    assert len(parse_filter({"or": []}, catalog).region) == 0
    assert len(parse_filter({"m": ["v0", "v2"]}, catalog).region) == 2


def test_regions_of_two_catalogues_do_not_combine() -> None:
    one, other = parse_filter({}, wide(2)).region, parse_filter({}, wide(2)).region
    assert one != other
    for operation in (Region.__and__, Region.__or__, Region.__sub__, Region.is_subset, Region.is_disjoint):
        with pytest.raises(ValueError, match="two catalogues"):
            operation(one, other)


def test_a_region_is_no_other_thing() -> None:
    region = parse_filter({}, wide(2)).region
    assert region != region.fingerprint
    assert region not in (None, 0, "")


@given(st.data())
def test_past_the_bound_on_steps_a_question_is_too_complex(data: st.DataObject) -> None:
    catalog = data.draw(small_catalogs)
    document = data.draw(filter_documents(catalog))
    most = data.draw(st.integers(0, 10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagrams, "MAX_STEPS", most)
        try:
            bounded = parse_filter(document, catalog).region
        except TooComplex as error:
            assert str(error) == f"takes more than {most} diagram operations"
            return
    assert bounded == parse_filter(document, catalog).region


def test_every_operation_counts_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = wide(6)
    one = parse_filter({"m": ["v0", "v2", "v4"]}, catalog).region
    other = parse_filter({"m": ["v1", "v3", "v5"]}, catalog).region
    monkeypatch.setattr(diagrams, "MAX_STEPS", 3)
    questions: list[Callable[[], object]] = [
        lambda: one & other,
        lambda: one | other,
        lambda: one - other,
        lambda: ~one,
        lambda: (one | other).onto([0, 1]),
        lambda: Region.box(catalog.space, dict.fromkeys(range(6), 1)),
        lambda: Region.of_combinations(catalog.space, range(6), 0x123456789ABCDEF),
        lambda: parse_filter({"not": {"m": ["v0", "v2", "v4", "v5"]}}, catalog).region,
    ]
    for question in questions:
        with pytest.raises(TooComplex, match="takes more than 3 diagram operations"):
            question()


def test_a_filter_whose_diagram_explodes_is_too_complex(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs (x1 and y1) or (x2 and y2) ... are exponential where all of the x stand before all of the y."""
    monkeypatch.setattr(diagrams, "MAX_STEPS", 5_000)
    pairs = 20
    dimensions = [{"id": name, "kind": "multi", "values": [{"id": f"{i:02}"} for i in range(pairs)]} for name in "xy"]
    catalog = Catalog.from_json(json.dumps({"name": "pairs", "version": "1", "dimensions": dimensions}))
    document = {"or": [{"x": [f"{i:02}"], "y": [f"{i:02}"]} for i in range(pairs)]}
    with pytest.raises(TooComplex, match="takes more than 5000 diagram operations"):
        _ = parse_filter(document, catalog).region
    assert len(parse_filter({"or": document["or"][:5]}, catalog).region) == 62


@pytest.mark.parametrize("operator", ["in", "all", "none"])
def test_a_question_goes_through_500_levels_and_no_more(operator: str) -> None:
    catalog = wide(501)
    names = [value.id for value in catalog.dimensions[0].values]
    wanted = parse_filter({"dimension": "m", operator: names[:500]}, catalog)
    region = wanted.region
    assert len(region) == 500
    assert region.is_subset(region | ~region)
    assert region.onto(range(400)).is_box()
    assert region.witness() is not None
    assert not plan_audience(wanted, catalog).exact
    with pytest.raises(TooComplex, match="asks about more than 500 categories and values"):
        _ = parse_filter({"dimension": "m", operator: names}, catalog).region


def test_two_filters_of_500_levels_in_all_can_be_compared_and_no_more() -> None:
    catalog = wide(501)
    names = sorted(value.id for value in catalog.dimensions[0].values)
    one = parse_filter({"m": names[0:500:2]}, catalog)
    other = parse_filter({"m": names[1:500:2]}, catalog)
    assert relation(one, other).kind == "overlapping"
    larger = parse_filter({"m": names[1:500:2] + names[500:]}, catalog)
    with pytest.raises(TooComplex, match="asks about more than 500 categories and values"):
        relation(one, larger)


def test_a_region_made_of_many_is_bounded_too() -> None:
    catalog = wide(2_000)
    with pytest.raises(TooComplex, match="asks about more than 500 categories and values"):
        Region.box(catalog.space, dict.fromkeys(range(2_000), 1))


@given(st.data())
def test_conditions_on_distinct_dimensions_have_the_diagram_that_any_wording_has(data: st.DataObject) -> None:
    catalog = data.draw(catalogs())
    document = data.draw(conjunctive_filter_documents(catalog))
    operators = {name: ["in", "not_in", *(["all"] if catalog.dimension[name].multi else [])] for name in document}
    parts = [{"dimension": name, data.draw(st.sampled_from(operators[name])): held} for name, held in document.items()]
    at_once = parse_filter({"and": parts}, catalog).region
    one_by_one = parse_filter({"and": [{"and": [part]} for part in parts]}, catalog).region
    assert at_once.fingerprint == one_by_one.fingerprint
    assert len(at_once) == len(one_by_one)


@given(st.data())
def test_boxes_are_disjoint_and_come_to_the_region_and_people_are_counted(data: st.DataObject) -> None:
    catalog = data.draw(catalogs())
    wanted = data.draw(filters(catalog))
    whole = Region.everyone(catalog.space) - Region.everyone(catalog.space)
    boxes = [*wanted.region.boxes()]
    for masks in boxes:
        box = Region.box(catalog.space, masks)
        assert box.is_disjoint(whole)
        assert not box.is_empty()
        whole |= box
    assert whole == wanted.region
    assert wanted.region.count() == audience(wanted).bit_count()


def test_boxes_are_cut_along_the_level_that_leaves_least() -> None:
    dimensions = [{"id": name, "kind": "single", "values": [{"id": "0"}, {"id": "1"}]} for name in "abc"]
    catalog = Catalog.from_json(json.dumps({"name": "x", "version": "1", "dimensions": dimensions}))
    wanted = parse_filter({"or": [{"a": ["0"], "c": ["0"]}, {"b": ["0"], "c": ["1"]}]}, catalog)
    assert len([*wanted.region.boxes()]) == 2


def test_a_region_of_many_levels_falls_into_boxes_along_its_first() -> None:
    region = parse_filter({"m": [f"v{i}" for i in range(20)]}, wide(20)).region
    assert len([*region.boxes()]) == 20
    assert region.count() == 2**20 - 1


def test_what_is_remembered_of_sets_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    dimension = {"id": "s", "kind": "single", "values": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}
    text = json.dumps({"name": "x", "version": "1", "dimensions": [dimension]})
    one, other = Catalog.from_json(text), Catalog.from_json(text)
    before = [parse_filter({"s": [value]}, one).fingerprint for value in "abc"]
    monkeypatch.setattr(spaces, "MAX_TOLD", 1)
    assert [parse_filter({"s": [value]}, other).fingerprint for value in "cba"] == before[::-1]
