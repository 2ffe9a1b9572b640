"""Filters that ask about a dimension in several places: read as trees, cut, and bounded, each against brute force."""

from __future__ import annotations

import json
from functools import reduce
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from segmentation_core import INCLUDE_EXCLUDE, Catalog, Nearest, Profile, TooComplex, parse_filter, plan_audience
from segmentation_core.planning import exhaustive, partitions, planner, splits
from segmentation_core.planning import factored as factored_module
from segmentation_core.planning.factored import factored
from segmentation_core.planning.factors import factors_of
from segmentation_core.planning.partitions import Partition
from segmentation_core.planning.proofs import without_links
from segmentation_core.planning.trees import has_links, leaves, region_of, tree_of
from segmentation_core.regions import Region
from tests.unit.brute import audience, cheapest, everyone, is_reached, smallest
from tests.unit.heart import beside_heart
from tests.unit.test_trees import CATALOG, LINKED, tree_documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segmentation_core.planning.cells import Part

Document = dict[str, Any]


@st.composite
def repeating(draw: st.DrawFn, names: str = "abcdef") -> Document:
    """Draw a filter of two or three trees over the same dimensions."""
    return {draw(st.sampled_from(["and", "or"])): draw(st.lists(tree_documents(names), min_size=2, max_size=3))}


@given(repeating())
def test_a_factored_tree_means_its_region_and_names_the_levels_that_matter(document: Document) -> None:
    for catalog in (CATALOG, LINKED):
        factors = factors_of(catalog)
        region = parse_filter(document, catalog).region
        tree = None if region.is_empty() else factored(region, factors, 1)
        event(f"tree: {tree is not None}, several places: {tree is not None and has_links(tree)}")
        if tree:
            assert region_of(tree, factors) == region
            touched = {factors.of_level[level] for level in region.shadows}
            assert {leaf.axis for leaf in leaves(tree)} == touched
            assert all(0 < leaf.inside < leaf.full for leaf in leaves(tree))


@given(repeating())
def test_a_factored_tree_depends_on_the_meaning_alone(document: Document) -> None:
    wanted = parse_filter(document, CATALOG)
    (operator,) = document
    reworded = {"not": {"or" if operator == "and" else "and": [{"not": part} for part in reversed(document[operator])]}}
    other = parse_filter(reworded, CATALOG)
    factors = factors_of(CATALOG)
    assert wanted.region.is_empty() or factored(wanted.region, factors, 1) == factored(other.region, factors, 1)


@given(repeating(), st.integers(1, 3), st.sampled_from([0, 3, partitions.MAX_STEPS]))
def test_its_parts_are_disjoint_and_the_whole_however_few_steps_are_left(
    document: Document, groups: int, steps: int
) -> None:
    factors = factors_of(CATALOG)
    wanted = parse_filter(document, CATALOG)
    tree = None if wanted.region.is_empty() else tree_of(wanted.region, factors) or factored(wanted.region, factors, 1)
    if tree is None:
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(partitions, "MAX_STEPS", steps)
        ways = [tuple(pieces) for pieces in Partition(tree, factors, groups).ways()]
    for pieces in ways:
        assert all(len(piece.holes) <= groups for piece in pieces)
        regions = [
            reduce(lambda kept, hole: kept - factors.box(hole), piece.holes, factors.box(piece.box)) for piece in pieces
        ]
        assert not any(region.is_empty() for region in regions)
        whole = ~Region.everyone(CATALOG.space)
        for region in regions:
            assert whole.is_disjoint(region)
            whole |= region
        assert whole == wanted.region


@given(repeating())
def test_what_is_left_asks_about_no_factor_twice(document: Document) -> None:
    factors = factors_of(CATALOG)
    region = parse_filter(document, CATALOG).region
    tree = None if region.is_empty() else factored(region, factors, 1)
    if tree:
        for left in without_links(tree):
            axes = [leaf.axis for leaf in leaves(left)]
            assert len(axes) == len(set(axes))


MIXED: Catalog = Catalog.from_json(
    json.dumps(
        {
            "name": "mixed",
            "version": "1",
            "dimensions": [
                *({"id": n, "kind": "single", "values": [{"id": "0"}, {"id": "1"}, {"id": "2"}]} for n in "ab"),
                {"id": "c", "kind": "single", "values": [{"id": "0"}, {"id": "1"}]},
                {"id": "d", "kind": "single", "activation": "direct", "values": [{"id": "0"}, {"id": "1"}]},
            ],
            "segments": [{"id": f"{name}{{{name}}}", "for_each": [name]} for name in "abc"],
        }
    )
)
"""Every value has a list, but for those of d, which the platform targets by itself."""


@pytest.fixture(scope="module")
def no_few_lists() -> Iterator[None]:
    """Plan small catalogues as if they were large."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exhaustive, "MOST_LISTS", 0)
        yield


@beside_heart
@given(document=repeating("abcd"), empty=st.booleans())
@pytest.mark.usefixtures("no_few_lists")
def test_plans_are_exact_and_no_bound_is_above_the_best_plan(document: Document, empty: bool) -> None:  # noqa: FBT001
    document = json.loads(json.dumps(document).replace('["0", "2"]', '["0"]'))
    wanted = parse_filter(document, MIXED)
    plan = plan_audience(wanted, MIXED, profile=platform(empty=empty))
    assert plan.exact
    assert plan.certificate
    for person in everyone(MIXED):
        assert sum(is_reached(clause, MIXED, person) for clause in plan.clauses) == wanted.matches(person)
    best = smallest(audience(wanted), cheapest(audience(wanted), MIXED, empty=empty))
    bound = plan.certificate.lower_bound
    size = plan.certificate.clauses, plan.certificate.segments
    assert best
    event(f"made {size[0] - best[0]} clauses too many, bound {best[0] - bound.clauses} too low")
    assert (bound.clauses, bound.segments) <= best <= size


def of_switches(count: int) -> Catalog:
    names = [f"n{i}" for i in range(count)]
    dimensions: list[Document] = [
        {"id": name, "kind": "single", "values": [{"id": "0"}, {"id": "1"}]} for name in names
    ]
    dimensions.append({"id": "town", "kind": "single", "activation": "direct", "values": [{"id": "0"}, {"id": "1"}]})
    segments = [{"id": f"{name} {{{name}}}", "for_each": [name]} for name in names]
    return Catalog.from_json(
        json.dumps({"name": "switches", "version": "1", "dimensions": dimensions, "segments": segments})
    )


SWITCHES = of_switches(16)


def ands(*sizes: int) -> list[Document]:
    """Return conjunctions of so many conditions, each on a dimension of its own."""
    numbers = iter(range(sum(sizes)))
    return [{f"n{next(numbers)}": ["1"] for _ in range(size)} for size in sizes]


def certified(parts: list[Document]) -> tuple[int, int]:
    certificate = plan_audience(parse_filter({"or": parts}, SWITCHES), SWITCHES).certificate
    assert certificate
    return certificate.lower_bound.clauses, certificate.clauses


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 3, 3), (5, 4, 3)])
def test_three_ands_of_any_length_take_four_ad_sets(sizes: tuple[int, ...]) -> None:
    """One less another, going round, and all three."""
    assert certified(ands(*sizes)) == (4, 4)


def test_each_pair_beside_three_longer_ands_doubles_the_ad_sets() -> None:
    assert certified(ands(3, 3, 3, 2)) == (8, 8)
    assert certified(ands(3, 3, 3, 2, 2)) == (16, 16)


def test_conditions_that_stand_alone_take_an_ad_set_of_their_own() -> None:
    pairs = ands(2, 2)
    assert certified(pairs) == (2, 2)
    assert certified([*pairs, {"n14": ["1"]}, {"n15": ["1"]}]) == (3, 3)
    assert certified([*pairs, {"n14": ["1"]}, {"town": ["1"]}]) == (4, 4)


def test_four_long_ands_are_cut_and_what_is_not_proved_is_not_claimed() -> None:
    assert certified(ands(3, 3, 3, 3)) == (8, 11)


def test_an_or_too_long_to_be_put_into_the_best_order_is_cut_all_the_same() -> None:
    catalog = of_switches(18)
    wanted = parse_filter({"or": ands(*[2] * 9)}, catalog)
    tree = tree_of(wanted.region, factors_of(catalog))
    assert tree
    partition = Partition(tree, factors_of(catalog))
    assert partition.parts == 2**8
    assert [len(tuple(pieces)) for pieces in partition.ways()] == [2**8]


def test_choosing_among_cuts_takes_a_bounded_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of nine `or`s of three pairs can be taken apart before any other."""
    steps = 0
    kept = partitions._kept

    def counted(nodes: Sequence[partitions._Node]) -> list[partitions._Cut]:
        nonlocal steps
        steps += 1
        return kept(nodes)

    monkeypatch.setattr(partitions, "_kept", counted)
    catalog = of_switches(54)
    pairs = ands(*[2] * 27)
    wanted = {"and": [{"or": pairs[i : i + 3]} for i in range(0, 27, 3)]}
    plan = plan_audience(parse_filter(wanted, catalog), catalog)
    assert plan.reason
    assert plan.reason.kind == "too-many-clauses"
    assert steps <= 2 * partitions.MAX_STEPS


def platform(groups: int | str = 1, clauses: int | str = "unlimited", *, empty: bool = False) -> Profile:
    """Return a platform that takes so many include groups and ad sets, and of which `empty` includes are everyone."""
    return msgspec.structs.replace(
        INCLUDE_EXCLUDE,
        id="x",
        include_groups=msgspec.structs.replace(INCLUDE_EXCLUDE.include_groups, value=groups),
        clauses=msgspec.structs.replace(INCLUDE_EXCLUDE.clauses, value=clauses),
        empty_include_is_everyone=msgspec.structs.replace(INCLUDE_EXCLUDE.empty_include_is_everyone, value=empty),
    )


def test_as_many_ors_stay_whole_as_there_are_groups() -> None:
    ors = {"and": [{"or": [{f"n{2 * i}": ["0"]}, {f"n{2 * i + 1}": ["0"]}]} for i in range(11)]}
    catalog = of_switches(22)
    wanted = parse_filter(ors, catalog)
    for groups in (11, "unlimited"):
        certificate = plan_audience(wanted, catalog, profile=platform(groups)).certificate
        assert certificate
        assert (certificate.clauses, certificate.lower_bound.clauses) == (1, 1)
    certificate = plan_audience(wanted, catalog, profile=platform(10)).certificate
    assert certificate
    assert (certificate.clauses, certificate.lower_bound.clauses) == (2, 2)


MAJORITY: Document = {"or": [{"n0": ["1"], "n1": ["1"]}, {"n1": ["1"], "n2": ["1"]}, {"n2": ["1"], "n0": ["1"]}]}


@pytest.mark.parametrize("nodes", [0, 1])
def test_past_the_nodes_that_may_be_read_there_is_no_tree(monkeypatch: pytest.MonkeyPatch, nodes: int) -> None:
    region = parse_filter(MAJORITY, SWITCHES).region
    assert factored(region, factors_of(SWITCHES), 1)
    monkeypatch.setattr(factored_module, "MAX_WORK", nodes)
    assert factored(region, factors_of(SWITCHES), 1) is None


@pytest.mark.parametrize("groups", [1, 2])
def test_where_there_is_no_tree_to_read_a_grid_is_split(monkeypatch: pytest.MonkeyPatch, groups: int) -> None:
    monkeypatch.setattr(factored_module, "MAX_WORK", 0)
    profile = platform(groups=groups)
    wide = {"or": [MAJORITY, *ands(1, 1, 1, 2, 2, 2, 2)[3:]]}
    for document in (MAJORITY, wide):
        wanted = parse_filter(document, SWITCHES)
        plan = plan_audience(wanted, SWITCHES, profile=profile)
        assert plan.exact
        assert plan.certificate
        assert plan.certificate.lower_bound.clauses <= len(plan.clauses)


def of_lists(names: str, segments: list[Document], direct: dict[str, int]) -> Catalog:
    """Return a catalogue of dimensions of two values, and of direct ones of as many as said."""
    dimensions: list[Document] = [{"id": n, "kind": "single", "values": [{"id": "0"}, {"id": "1"}]} for n in names]
    dimensions += [
        {"id": name, "kind": "single", "activation": "direct", "values": [{"id": str(i)} for i in range(count)]}
        for name, count in direct.items()
    ]
    return Catalog.from_json(
        json.dumps({"name": "lists", "version": "1", "dimensions": dimensions, "segments": segments})
    )


def test_a_list_of_a_condition_that_everybody_meets_reaches_everybody_who_meets_it() -> None:
    """No other list reaches those who hold b 0, but that of a 0 does: no bound may leave it out."""
    segments: list[Document] = [{"id": "a0", "where": {"a": "0"}}]
    segments += [{"id": f"{name}1", "where": {name: "1"}} for name in "bcdeghi"]
    catalog = of_lists("abcdeghi", segments, {"f": 2})
    wanted = {"and": [{"a": ["0"]}, {"or": [{"f": ["1"], "b": ["0"]}, {"f": ["0"], "d": ["0"]}]}]}
    certificate = plan_audience(parse_filter(wanted, catalog), catalog).certificate
    assert certificate
    assert (certificate.clauses, certificate.segments) == (2, 4)
    assert (certificate.lower_bound.clauses, certificate.lower_bound.segments) <= (2, 4)


def test_what_the_platform_targets_in_several_places_takes_no_list() -> None:
    segments: list[Document] = [{"id": f"{name}{{{name}}}", "for_each": [name]} for name in "bcde"]
    catalog = of_lists("bcde", segments, {"t": 3})
    wanted = {"and": [{"c": ["1"]}, {"or": [{"t": ["2"]}, {"b": ["1"], "t": ["0"]}]}]}
    certificate = plan_audience(parse_filter(wanted, catalog), catalog).certificate
    assert certificate
    assert (certificate.clauses, certificate.segments) == (2, 3)
    assert (certificate.lower_bound.clauses, certificate.lower_bound.segments) <= (2, 3)


def test_a_search_that_finds_nothing_ends_with_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """At least two of ten, in three ad sets at the most: every order of cutting fails."""
    calls = 0
    parts = splits._Guillotine.parts

    def counted(self: splits._Guillotine, wanted: int) -> list[Part] | None:
        nonlocal calls
        calls += 1
        return parts(self, wanted)

    monkeypatch.setattr(splits._Guillotine, "parts", counted)
    names = [f"n{i}" for i in range(10)]
    wanted = {"or": [{one: ["1"], other: ["1"]} for one, other in combinations(names, 2)]}
    plan = plan_audience(parse_filter(wanted, SWITCHES), SWITCHES, profile=platform(clauses=3))
    assert not plan.exact
    assert calls <= 3 * splits.MAX_WORK


def test_parts_that_are_nobody_are_walked_past_only_so_often() -> None:
    names = [f"n{i}" for i in range(12)]
    path = {"or": [{one: ["1"], other: ["1"]} for one, other in pairwise(names)]}
    plan = plan_audience(parse_filter(path, SWITCHES), SWITCHES, profile=platform(clauses=3))
    assert not plan.exact
    assert isinstance(plan.subset, Nearest)
    assert isinstance(plan.superset, Nearest)


def test_a_region_that_grows_past_the_bounds_on_the_way_loses_no_proved_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_complex(*_: object) -> None:
        msg = "past the bound"
        raise TooComplex(msg)

    wanted = parse_filter({"or": ands(2, 2, 2)}, SWITCHES)
    monkeypatch.setattr(planner, "nearest_of_tree", too_complex)
    plan = plan_audience(wanted, SWITCHES, profile=platform(clauses=3))
    assert plan.reason
    assert plan.reason.kind == "too-many-clauses"
    assert plan.superset is plan.subset is None
    monkeypatch.setattr(planner, "clause_of", too_complex)
    assert plan_audience(parse_filter(MAJORITY, SWITCHES), SWITCHES).exact


def test_a_diagram_too_large_to_be_read_again_and_again_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    region = parse_filter(MAJORITY, SWITCHES).region
    monkeypatch.setattr(factored_module, "_LARGEST", len(region))
    assert factored(region, factors_of(SWITCHES), 1)
    monkeypatch.setattr(factored_module, "_LARGEST", len(region) - 1)
    assert factored(region, factors_of(SWITCHES), 1) is None
