"""From a tree to disjoint parts that one clause each can mean: boxes, less as many smaller boxes as there are groups.

Everyone in `a or b` is in a, or in b and not in a; all in `a and b` are in a part of a and in a part of b. So a tree
falls into boxes, as many as the orders chosen for its branches make. An `or` can also stay whole: those whom it leaves
out are a few boxes, and each of these is a hole that one include group makes, the lists of those not in it.
"""

from __future__ import annotations

from functools import cached_property
from itertools import product
from math import prod
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.planning.factors import Factors
from segmentation_core.planning.pivots import guard
from segmentation_core.planning.trees import Branch, Leaf, opposite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segmentation_core.planning.trees import Tree

_MOST_ORDERED = 10
"""The parts of how large an `or` are put into the best of all orders."""

_MOST_KEPT = 10
"""Of how many parts of an `and` all choices are tried of which to keep whole."""

_NO_LIST = 1_000.0
"""What a condition weighs that no lists can keep."""

_NEVER = 1 << 30
"""More holes than there can be groups."""


class Piece(msgspec.Struct, frozen=True):
    """Everyone in `box` but in none of the `holes`, each states by axis; a hole is as large as the box elsewhere."""

    box: dict[int, int]
    holes: tuple[dict[int, int], ...]


class _Cost(msgspec.Struct, frozen=True, order=True):
    """How many parts there are, and how many lists one takes on the average, about."""

    parts: int
    lists: float


class Partition:
    """The ways to cut one tree into few parts of at most so many holes. `parts` is how many they are."""

    def __init__(self, tree: Tree, factors: Factors, groups: int = 1) -> None:
        self._top = _Node(tree, _Setting(factors, groups))
        self.parts = self._top.clauses.parts

    def ways(self) -> Iterator[Iterator[Piece]]:
        """Yield the cuts into so few parts: one at least, for each choice of what stays whole at the top."""
        yield from self._top.ways()


class _Setting(msgspec.Struct, frozen=True):
    factors: Factors
    groups: int


class _Node:
    """A tree with what it costs to cut it."""

    def __init__(self, tree: Tree, setting: _Setting, contrary: _Node | None = None) -> None:
        self.tree = tree
        self.setting = setting
        if contrary:
            self.contrary = contrary
        if isinstance(tree, Branch):
            self.joins = tree.joins
            self.parts: list[_Node] = (
                [part.contrary for part in contrary.parts]
                if contrary
                else [_Node(part, setting) for part in tree.parts]
            )

    @cached_property
    def contrary(self) -> _Node:
        """Everybody else."""
        return _Node(opposite(self.tree), self.setting, self)

    @cached_property
    def boxes(self) -> _Cost:
        """What it costs to cut it into boxes."""
        if isinstance(self.tree, Leaf):
            return _Cost(1, _lists(self.tree, self.setting.factors))
        if self.joins == "and":
            return _all_of(part.boxes for part in self.parts)
        return _sum(_all_of(node.boxes for node in self.first(i)) for i in range(len(self.parts)))

    @cached_property
    def ordered(self) -> list[_Node]:
        """The parts of an `or`, in the order in which cutting the first that holds makes the fewest boxes.

        Two neighbours are better in one order whatever stands before and after them, so sorting finds the best.
        """
        return sorted(
            self.parts,
            key=lambda part: ((part.contrary.boxes.parts - 1) / part.boxes.parts, part.contrary.boxes.lists),
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
    def covers(self) -> int:
        """How many boxes, disjoint or not, come to the tree; never where the platform itself targets some of it."""
        if isinstance(self.tree, Leaf):
            return 1 if self.tree.listed else _NEVER
        counts = [part.covers for part in self.parts]
        return min(_NEVER, prod(counts) if self.joins == "and" else sum(counts))

    def cover(self) -> Iterator[dict[int, int]]:
        """Yield these boxes."""
        if isinstance(self.tree, Leaf):
            yield {self.tree.axis: self.tree.inside}
        elif self.joins == "and":
            for boxes in product(*(part.cover() for part in self.parts)):
                yield _within(boxes)
        else:
            for part in self.parts:
                yield from part.cover()

    @property
    def holes(self) -> int:
        """How many holes it takes to keep it whole: the boxes that it leaves out."""
        return self.contrary.covers

    @cached_property
    def clauses(self) -> _Cost:
        """What it costs to cut it into clauses."""
        return _sum(_best_cut(told).cost for told in self.terms)

    @cached_property
    def terms(self) -> list[list[_Node]]:
        """Nodes all of which hold, disjoint, that come to the tree: for an `or` that does not stay whole, one a part.

        Those are whoever a part is the first to hold for, in the best order for clauses; conditions that lists speak of
        stay together.
        """
        if isinstance(self.tree, Leaf) or (self.joins == "or" and self.holes <= self.setting.groups):
            return [[self]]
        if self.joins == "and":
            return [self.parts]
        listed = [part for part in self.parts if _is_listed(part.tree)]
        parts = [part for part in self.parts if part not in listed]
        if len(listed) > 1:
            parts.append(_Node(Branch("or", tuple(part.tree for part in listed)), self.setting))
        else:
            parts += listed
        order = (
            _best_order(parts) if len(parts) <= _MOST_ORDERED else sorted(parts, key=lambda part: part.contrary.boxes)
        )
        return [
            [part for node in (*(other.contrary for other in order[:i]), order[i]) for part in node.all_hold]
            for i in range(len(order))
        ]

    @cached_property
    def all_hold(self) -> list[_Node]:
        """The parts of an `and`; itself alone where it is none."""
        return self.parts if isinstance(self.tree, Branch) and self.joins == "and" else [self]

    def ways(self) -> Iterator[Iterator[Piece]]:
        """Yield the ways to cut it into the fewest clauses: if it is an `and`, one for each choice of what to keep."""
        if len(self.terms) > 1:
            yield (piece for told in self.terms for piece in _best_cut(told).pieces())
        else:
            for cut in _cuts(self.terms[0]):
                if cut.cost.parts == self.clauses.parts:
                    yield cut.pieces()


class _Cut(msgspec.Struct, frozen=True):
    """A way to cut an `and`: `whole` stays, `others` go into boxes; or `rather`, disjoint cuts that come to it."""

    cost: _Cost
    whole: tuple[_Node, ...]
    others: tuple[_Node, ...]
    rather: tuple[_Cut, ...] = ()

    def pieces(self) -> Iterator[Piece]:
        """Yield the clauses, as a box and holes each."""
        for cut in self.rather:
            yield from cut.pieces()
        if not self.rather:
            holes = tuple(hole for node in self.whole for hole in node.contrary.cover())
            for box in _boxes_of_all(self.others):
                yield Piece(box, holes)


def _cuts(nodes: Sequence[_Node]) -> list[_Cut]:
    """Return the ways to cut an `and`: some parts stay whole, or an `or` is taken apart before that is chosen."""
    found = _kept(nodes)
    for node in nodes:
        if len(nodes) > 1 and len(node.terms) > 1:
            others = tuple(other for other in nodes if other is not node)
            rather = tuple(_best_cut([*told, *others]) for told in node.terms)
            found.append(_Cut(_sum(cut.cost for cut in rather), (), others, rather))
    return found


def _kept(nodes: Sequence[_Node]) -> list[_Cut]:
    """Return the ways to keep some parts of an `and` whole that make the fewest clauses."""
    groups = nodes[0].setting.groups
    keepable = [node for node in nodes if node.boxes.parts > 1 and node.holes <= groups][:_MOST_KEPT]
    found: list[_Cut] = []
    for kept in product((False, True), repeat=len(keepable)):
        whole = tuple(node for node, keep in zip(keepable, kept, strict=True) if keep)
        if sum(node.holes for node in whole) <= groups:
            others = tuple(node for node in nodes if node not in whole)
            cost = _all_of(node.boxes for node in others)
            found.append(_Cut(_Cost(cost.parts, cost.lists + sum(node.boxes.lists for node in whole)), whole, others))
    fewest = min(cut.cost.parts for cut in found)
    return [cut for cut in found if cut.cost.parts == fewest]


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
                nodes = [part for node in (*others, term) for part in node.all_hold]
                cost = min([*(cut.cost for cut in _kept(nodes)), *_taken_apart(nodes)])
                found = (parts + cost.parts, lists + cost.parts * cost.lists, [*order, i])
                after = before | 1 << i
                if after not in best or found < best[after]:
                    best[after] = found
    return [terms[i] for i in best[(1 << len(terms)) - 1][2]]


def _taken_apart(nodes: Sequence[_Node]) -> Iterator[_Cost]:
    """Yield what it costs about to take one part of an `and` apart into clauses, and the others into boxes."""
    for node in nodes:
        if len(node.terms) > 1:
            yield _all_of([node.clauses, *(other.boxes for other in nodes if other is not node)])


def _boxes_of_all(nodes: Sequence[_Node]) -> Iterator[dict[int, int]]:
    for boxes in product(*(node.box_parts() for node in nodes)):
        yield _within(boxes)


def _within(boxes: Sequence[dict[int, int]]) -> dict[int, int]:
    """Return the box of those who are in all of some boxes."""
    together: dict[int, int] = {}
    for box in boxes:
        for axis, mask in box.items():
            together[axis] = together[axis] & mask if axis in together else mask
    return together
