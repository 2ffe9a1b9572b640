"""Trees: read off a region, cut into parts, and how few parts there must be, each against brute force."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from segmentation_core import Catalog, parse_filter, plan_audience
from segmentation_core.planning.factors import factors_of
from segmentation_core.planning.partitions import Partition
from segmentation_core.planning.proofs import bound_of, rank, without_links
from segmentation_core.planning.trees import Branch, Leaf, Tree, leaves, opposite, tree_of
from segmentation_core.testing import catalogs, filter_documents
from tests.unit.brute import audience, cheapest, smallest, those

if TYPE_CHECKING:
    from segmentation_core.testing import FullPerson

Document = dict[str, Any]

LINKS: list[Document] = [{"id": "{c}{d}", "for_each": ["c", "d"]}]


def switches(names: str, linked: list[Document] | None = None) -> Catalog:
    """Return a catalogue of dimensions of three values each, with a list for every value."""
    values = [{"id": "0"}, {"id": "1"}, {"id": "2"}]
    document = {
        "name": "switches",
        "version": "1",
        "dimensions": [{"id": name, "kind": "single", "values": values} for name in names],
        "segments": [{"id": f"{name} {{{name}}}", "for_each": [name]} for name in names] + (linked or []),
    }
    return Catalog.from_json(json.dumps(document))


CATALOG = switches("abcdef")
LINKED = switches("abcdef", LINKS)


def holds(tree: Tree, person: FullPerson, catalog: Catalog) -> bool:
    """Tell whether a tree over factors means somebody."""
    if isinstance(tree, Branch):
        return (all if tree.joins == "and" else any)(holds(part, person, catalog) for part in tree.parts)
    space = catalog.space
    levels = factors_of(catalog).all[tree.axis].levels if tree.listed else (~tree.axis,)
    combination = 0
    for level in levels:
        told = space.levels[level]
        held = person[told.dimension]
        state = int(told.value in held) if told.value is not None else told.states.index(str(held))
        combination = combination * len(told.states) + state
    return bool(tree.inside >> combination & 1)


@st.composite
def tree_documents(draw: st.DrawFn, names: str = "abcdef") -> Document:
    """Draw a filter that asks about each dimension once at the most."""

    def drawn(own: str) -> Document:
        if len(own) == 1:
            values = draw(st.sampled_from([["0"], ["1"], ["0", "2"]]))
            return {"dimension": own, draw(st.sampled_from(["in", "not_in"])): values}
        cut = draw(st.integers(1, len(own) - 1))
        joined: Document = {draw(st.sampled_from(["and", "or"])): [drawn(own[:cut]), drawn(own[cut:])]}
        return {"not": joined} if draw(st.integers(0, 4)) == 0 else joined

    own = "".join(draw(st.permutations(names)))[: draw(st.integers(1, len(names)))]
    return drawn(own)


@given(st.data())
def test_a_tree_means_its_region(data: st.DataObject) -> None:
    catalog = data.draw(catalogs())
    wanted = parse_filter(data.draw(filter_documents(catalog)), catalog)
    tree = tree_of(wanted.region, factors_of(catalog))
    event(f"tree: {tree is not None}")
    if tree:
        assert those(catalog, lambda person: holds(tree, person, catalog)) == audience(wanted)
        everybody = those(catalog, lambda _: True)
        assert those(catalog, lambda person: holds(opposite(tree), person, catalog)) == everybody & ~audience(wanted)


@given(tree_documents())
def test_every_filter_that_asks_about_each_dimension_once_is_a_tree(document: Document) -> None:
    tree = tree_of(parse_filter(document, CATALOG).region, factors_of(CATALOG))
    assert tree
    assert len(leaves(tree)) == json.dumps(document).count('"dimension"')


def test_two_of_three_is_no_tree() -> None:
    document = {"or": [{"a": ["0"], "b": ["0"]}, {"b": ["0"], "c": ["0"]}, {"a": ["0"], "c": ["0"]}]}
    assert tree_of(parse_filter(document, CATALOG).region, factors_of(CATALOG)) is None


def test_three_groups_of_values_are_no_condition() -> None:
    document = {"or": [{"a": ["0"]}, {"a": ["1"], "b": ["0"]}]}
    assert tree_of(parse_filter(document, CATALOG).region, factors_of(CATALOG)) is None


@given(tree_documents(), st.integers(1, 4))
def test_parts_are_as_many_as_said_disjoint_and_the_whole(document: Document, groups: int) -> None:
    for catalog in (CATALOG, LINKED):
        factors = factors_of(catalog)
        wanted = parse_filter(document, catalog)
        tree = tree_of(wanted.region, factors)
        assert tree
        partition = Partition(tree, factors, groups)
        for pieces in map(tuple, partition.ways()):
            assert len(pieces) == partition.parts
            assert all(len(piece.holes) <= groups for piece in pieces)
            regions = [
                reduce(lambda kept, hole: kept - factors.box(hole), piece.holes, factors.box(piece.box))
                for piece in pieces
            ]
            whole = regions[0]
            for region in regions[1:]:
                assert whole.is_disjoint(region)
                whole |= region
            assert whole == wanted.region


def matrix(tree: Tree, left: list[Leaf], right: list[Leaf]) -> list[list[Fraction]]:
    def value(tree: Tree, held: dict[Leaf, bool]) -> bool:
        if isinstance(tree, Leaf):
            return held[tree]
        return (all if tree.joins == "and" else any)(value(part, held) for part in tree.parts)

    sides = [
        [dict(zip(own, held, strict=True)) for held in product((True, False), repeat=len(own))] for own in (left, right)
    ]
    return [[Fraction(value(tree, row | column)) for column in sides[1]] for row in sides[0]]


def rank_of(rows: list[list[Fraction]]) -> int:
    """Return the rank of a matrix, by elimination."""
    found = 0
    for column in range(len(rows[0])):
        pivot = next((row for row in rows[found:] if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        rows.insert(found, pivot)
        found += 1
        for i in range(found, len(rows)):
            factor = rows[i][column] / pivot[column]
            rows[i] = [one - factor * other for one, other in zip(rows[i], pivot, strict=True)]
    return found


@given(tree_documents())
def test_the_rank_is_that_of_the_best_way_to_deal_the_conditions(document: Document) -> None:
    tree = tree_of(parse_filter(document, CATALOG).region, factors_of(CATALOG))
    assert tree
    conditions = leaves(tree)
    ranks = []
    for sides in product((True, False), repeat=len(conditions)):
        left = [leaf for leaf, side in zip(conditions, sides, strict=True) if side]
        ranks.append(rank_of(matrix(tree, left, [leaf for leaf in conditions if leaf not in left])))
    assert rank(tree) == max(ranks)


def fewest_clauses(tree: Tree, most: int) -> int:
    """Return how few disjoint boxes, each less a box, a tree falls into, by trying all of them over two states each."""
    conditions = leaves(tree)
    people = [*product((True, False), repeat=len(conditions))]

    def value(tree: Tree, person: tuple[bool, ...]) -> bool:
        if isinstance(tree, Leaf):
            return person[conditions.index(tree)]
        return (all if tree.joins == "and" else any)(value(part, person) for part in tree.parts)

    wanted = sum(1 << i for i, person in enumerate(people) if value(tree, person))
    boxes = {
        sum(
            1 << i
            for i, person in enumerate(people)
            if all(state in (None, own) for state, own in zip(box, person, strict=True))
        )
        for box in product((True, False, None), repeat=len(conditions))
    }
    sayable = {box & ~hole for box in boxes for hole in (0, *boxes) if not hole & ~box and box & ~hole}
    sayable = {region for region in sayable if not region & ~wanted}

    def within(rest: int, left: int) -> bool:
        lowest = rest & -rest
        return not rest or (
            left > 0 and any(one & lowest and not one & ~rest and within(rest & ~one, left - 1) for one in sayable)
        )

    return next(count for count in range(1, most + 1) if within(wanted, count))


@given(tree_documents("abcde"))
def test_no_bound_is_above_the_fewest_clauses_there_can_be(document: Document) -> None:
    factors = factors_of(CATALOG)
    tree = tree_of(parse_filter(document, CATALOG).region, factors)
    assert tree
    parts = Partition(tree, factors).parts
    fewest = fewest_clauses(tree, parts)
    bound = bound_of(tree, factors).clauses
    event(f"bound {bound}, fewest {fewest}, made {parts}")
    assert bound <= fewest == parts


@given(tree_documents())
def test_conditions_that_a_list_links_are_left_one_at_a_time(document: Document) -> None:
    tree = tree_of(parse_filter(document, LINKED).region, factors_of(LINKED))
    assert tree
    for left in without_links(tree):
        axes = [leaf.axis for leaf in leaves(left)]
        assert len(axes) == len(set(axes))


def test_pairs_take_twice_as_many_ad_sets_for_each_that_is_added() -> None:
    catalog = switches("abcdefghijkl")
    counts = []
    for pairs in range(1, 7):
        document = {"or": [{"abcdefghijkl"[2 * i]: ["0"], "abcdefghijkl"[2 * i + 1]: ["0"]} for i in range(pairs)]}
        certificate = plan_audience(parse_filter(document, catalog), catalog).certificate
        assert certificate
        assert certificate.clauses == certificate.lower_bound.clauses
        counts.append(certificate.clauses)
    assert counts == [1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize(("conditions", "least"), [(3, 9), (4, 16)])
def test_an_and_of_ors_takes_a_clause_for_each_choice_of_the_others(conditions: int, least: int) -> None:
    names = "abcdefghijkl"
    catalog = switches(names)
    ors = [
        {"or": [{name: ["0"]} for name in names[i * conditions : (i + 1) * conditions]]}
        for i in range(len(names) // conditions)
    ][:3]
    plan = plan_audience(parse_filter({"and": ors}, catalog), catalog)
    assert plan.certificate
    assert plan.certificate.clauses == plan.certificate.lower_bound.clauses == least


FOUR: Catalog = Catalog.from_json(
    json.dumps(
        {
            "name": "four",
            "version": "1",
            "dimensions": [{"id": name, "kind": "single", "values": [{"id": "0"}, {"id": "1"}]} for name in "abcd"],
            "segments": [{"id": f"{name}{{{name}}}", "for_each": [name]} for name in "abcd"],
        }
    )
)
"""One list more than is looked at whole."""


@given(tree_documents("abcd"))
def test_plans_of_trees_have_as_few_clauses_as_can_be_and_no_bound_on_lists_is_above_the_best(
    document: Document,
) -> None:
    document = json.loads(json.dumps(document).replace('["0", "2"]', '["1"]'))
    wanted = parse_filter(document, FOUR)
    certificate = plan_audience(wanted, FOUR).certificate
    people = audience(wanted)
    best = smallest(people, cheapest(people, FOUR))
    assert certificate
    assert best
    event(f"made {certificate.clauses, certificate.segments}, best {best}, bound {certificate.lower_bound}")
    assert (certificate.lower_bound.clauses, certificate.lower_bound.segments) <= best
    assert best[0] == certificate.clauses == certificate.lower_bound.clauses
