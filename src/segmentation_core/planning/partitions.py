"""From a tree to disjoint parts that one clause each can mean: boxes, and boxes less a smaller box.

Everyone in `a or b` is in a, or in b and not in a; all in `a and b` are in a part of a and in a part of b. So a tree
falls into boxes, as many as the orders chosen for its branches make. One clause can also mean an `or` of conditions at
once, since those whom it leaves out are a box: one part of each `and` need not be cut into boxes.
"""

from __future__ import annotations

from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.planning.pivots import guard
from segmentation_core.planning.trees import Branch, Leaf, opposite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segmentation_core.planning.factors import Factors
    from segmentation_core.planning.trees import Tree

_MOST_ORDERED = 10
"""The parts of how large an `or` are put into the best of all orders."""

_NO_LIST = 1_000.0
"""What a condition weighs that no lists can keep."""


class Piece(msgspec.Struct, frozen=True):
    """Everyone in `box` but not in `hole`, states by axis: the hole is empty or names the axes that it limits."""

    box: dict[int, int]
    hole: dict[int, int]


class _Cost(msgspec.Struct, frozen=True, order=True):
    """How many parts there are, and how many lists one takes on the average, about."""

    parts: int
    lists: float


class Partition:
    """The ways to cut one tree into few parts. `parts` is how many they are."""

    def __init__(self, tree: Tree, factors: Factors) -> None:
        self._top = _Node(tree, factors)
        self.parts = self._top.clauses.parts

    def ways(self) -> Iterator[list[Piece]]:
        """Yield the cuts into so few parts, in one order at least: one for each part of the top that may stay whole."""
        if isinstance(self._top.tree, Branch) and self._top.joins == "and":
            for cut in self._top.ways():
                yield [Piece(box, hole) for box, hole in _cut_all(cut)]
        else:
            yield [Piece(box, hole) for box, hole in self._top.cut()]


class _Node:
    """A tree with what it costs to cut it."""

    def __init__(self, tree: Tree, factors: Factors, contrary: _Node | None = None) -> None:
        self.tree = tree
        self.factors = factors
        if contrary:
            self.contrary = contrary
        if isinstance(tree, Branch):
            self.joins = tree.joins
            self.parts: list[_Node] = (
                [part.contrary for part in contrary.parts]
                if contrary
                else [_Node(part, factors) for part in tree.parts]
            )

    @cached_property
    def contrary(self) -> _Node:
        """Everybody else."""
        return _Node(opposite(self.tree), self.factors, self)

    @cached_property
    def boxes(self) -> _Cost:
        """What it costs to cut it into boxes."""
        if isinstance(self.tree, Leaf):
            return _Cost(1, _lists(self.tree, self.factors))
        if self.joins == "and":
            return _all_of(part.boxes for part in self.parts)
        return _sum(_all_of(node.boxes for node in self.first(i)) for i in range(len(self.parts)))

    @cached_property
    def ordered(self) -> list[_Node]:
        """The parts of an `or`, in the order in which cutting the first that holds makes the fewest boxes.

        Two neighbours are better in one order whatever stands before and after them, so sorting finds the best.
        """
        return sorted(
            self.parts, key=lambda part: ((part.contrary.boxes.parts - 1) / part.boxes.parts, part.contrary.boxes.lists)
        )

    def first(self, position: int) -> list[_Node]:
        """Return what all hold for whom the part at a position of an `or` is the first that holds."""
        return [*(part.contrary for part in self.ordered[:position]), self.ordered[position]]

    def box_parts(self) -> Iterator[dict[int, int]]:
        """Yield disjoint boxes that are the tree."""
        if isinstance(self.tree, Leaf):
            yield {self.tree.axis: self.tree.inside}
        elif self.joins == "and":
            yield from _boxes_of_all(self.parts)
        else:
            for i in range(len(self.parts)):
                yield from _boxes_of_all(self.first(i))

    @cached_property
    def clauses(self) -> _Cost:
        """What it costs to cut it into clauses."""
        if isinstance(self.tree, Leaf) or self.is_hole:
            return _Cost(1, self.boxes.lists)
        if self.joins == "and":
            return _best_cut(self.parts).cost
        return _sum(_best_cut(told).cost for told in self.first_whole)

    @cached_property
    def is_hole(self) -> bool:
        """Whether it leaves out a box, and one that lists can leave out."""
        return isinstance(self.tree, Branch) and self.joins == "or" and all(map(_is_listed, self.tree.parts))

    @cached_property
    def first_whole(self) -> list[list[_Node]]:
        """What all hold for whom one part of an `or` is the first that holds, in the best order for clauses.

        Conditions that lists speak of stay together.
        """
        assert isinstance(self.tree, Branch)  # noqa: S101
        listed = [part for part in self.parts if _is_listed(part.tree)]
        terms = [part for part in self.parts if part not in listed]
        if len(listed) > 1:
            terms.append(_Node(Branch("or", tuple(part.tree for part in listed)), self.factors))
        else:
            terms += listed
        order = (
            _best_order(terms) if len(terms) <= _MOST_ORDERED else sorted(terms, key=lambda term: term.contrary.boxes)
        )
        return [[*(order[j].contrary for j in range(i)), order[i]] for i in range(len(order))]

    def ways(self) -> list[_Cut]:
        """Return the cuts of an `and` into the fewest clauses, one for each part that may stay whole."""
        return [cut for cut in _cuts(self.parts) if cut.cost.parts == self.clauses.parts]

    def cut(self) -> Iterator[tuple[dict[int, int], dict[int, int]]]:
        """Yield disjoint clauses that are the tree, as a box and a hole each."""
        if isinstance(self.tree, Leaf):
            yield {self.tree.axis: self.tree.inside}, {}
        elif self.is_hole:
            hole: dict[int, int] = {}
            for leaf in self.tree.parts:
                assert isinstance(leaf, Leaf)  # noqa: S101
                hole[leaf.axis] = hole.get(leaf.axis, leaf.full) & ~leaf.inside
            yield {}, hole
        elif self.joins == "and":
            yield from _cut_all(_best_cut(self.parts))
        else:
            for told in self.first_whole:
                yield from _cut_all(_best_cut(told))


class _Cut(msgspec.Struct, frozen=True):
    """A way to cut an `and`: `others` into boxes, `whole` into clauses; or `rather`, cuts for each part of `whole`."""

    cost: _Cost
    whole: _Node
    others: list[_Node]
    rather: list[_Cut] | None = None


def _cuts(nodes: Sequence[_Node]) -> list[_Cut]:
    """Return the ways to cut an `and`: one part stays whole, or an `or` is taken apart before that is chosen."""
    boxes = _all_of(node.boxes for node in nodes)
    found: list[_Cut] = []
    for i, node in enumerate(nodes):
        others = [*nodes[:i], *nodes[i + 1 :]]
        cost = _Cost(
            boxes.parts // node.boxes.parts * node.clauses.parts, boxes.lists - node.boxes.lists + node.clauses.lists
        )
        found.append(_Cut(cost, node, others))
        if node.clauses.parts > 1 and others and isinstance(node.tree, Branch) and node.joins == "or":
            rather = [_best_cut([*told, *others]) for told in node.first_whole]
            found.append(_Cut(_sum(cut.cost for cut in rather), node, others, rather))
    return found


def _best_cut(nodes: Sequence[_Node]) -> _Cut:
    return min(_cuts(nodes), key=lambda cut: cut.cost)


def _is_listed(tree: Tree) -> bool:
    return isinstance(tree, Leaf) and tree.listed


def _lists(leaf: Leaf, factors: Factors) -> float:
    if not leaf.listed:
        return 0.0
    share = guard(factors.all[leaf.axis], leaf.inside)
    return share.lists if share else _NO_LIST


def _all_of(costs: Iterable[_Cost]) -> _Cost:
    """Return what comes of cutting all parts of an `and`."""
    known = [*costs]
    return _Cost(prod(cost.parts for cost in known), sum(cost.lists for cost in known))


def _sum(costs: Iterable[_Cost]) -> _Cost:
    known = [*costs]
    parts = sum(cost.parts for cost in known)
    return _Cost(parts, sum(cost.parts * cost.lists for cost in known) / parts)


def _one_whole(nodes: Sequence[_Node]) -> list[_Cost]:
    """Return, for every part of an `and`, what comes of keeping it whole and cutting the others into boxes."""
    boxes = _all_of(node.boxes for node in nodes)
    return [
        _Cost(boxes.parts // node.boxes.parts * node.clauses.parts, boxes.lists - node.boxes.lists + node.clauses.lists)
        for node in nodes
    ]


def _best_order(terms: Sequence[_Node]) -> list[_Node]:
    """Return the order of the terms of an `or` in which the first that holds makes the fewest clauses.

    What a term costs depends on which stand before it, not on their order (Held and Karp 1962).
    """
    best: dict[int, tuple[int, float, list[int]]] = {0: (0, 0.0, [])}
    for before in range(1 << len(terms)):
        parts, lists, order = best[before]
        others = [terms[j].contrary for j in order]
        for i, term in enumerate(terms):
            if not before >> i & 1:
                cost = min(_one_whole([*others, term]))
                found = (parts + cost.parts, lists + cost.parts * cost.lists, [*order, i])
                after = before | 1 << i
                if after not in best or found < best[after]:
                    best[after] = found
    return [terms[i] for i in best[(1 << len(terms)) - 1][2]]


def _boxes_of_all(nodes: Sequence[_Node]) -> Iterator[dict[int, int]]:
    for boxes in product(*(node.box_parts() for node in nodes)):
        yield _within(boxes)


def _cut_all(cut: _Cut) -> Iterator[tuple[dict[int, int], dict[int, int]]]:
    """Yield the clauses of an `and`, cut in one way."""
    if cut.rather:
        for part in cut.rather:
            yield from _cut_all(part)
        return
    for box, hole in cut.whole.cut():
        for boxes in _boxes_of_all(cut.others):
            yield _within([boxes, box]), hole


def _within(boxes: Sequence[dict[int, int]]) -> dict[int, int]:
    """Return the box of those who are in all of some boxes."""
    together: dict[int, int] = {}
    for box in boxes:
        for axis, mask in box.items():
            together[axis] = together[axis] & mask if axis in together else mask
    return together
