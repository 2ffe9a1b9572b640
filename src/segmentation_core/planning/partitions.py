"""From a tree to disjoint parts that one clause each can mean: boxes, less as many smaller boxes as there are groups.

Everyone in `a or b` is in a, or in b and not in a; all in `a and b` are in a part of a and in a part of b. So a tree
falls into boxes, as many as the orders chosen for its branches make. An `or` can also stay whole: those whom it leaves
out are a few boxes, and each of these is a hole that one include group makes, the lists of those not in it.
"""

from __future__ import annotations

from functools import cached_property
from itertools import islice, product
from math import prod
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.planning.factors import Factors
from segmentation_core.planning.pivots import guard
from segmentation_core.planning.trees import Branch, Leaf, leaves, opposite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segmentation_core.planning.trees import Tree

MAX_STEPS = 4_000
"""How many steps choosing among cuts may take; past that whatever cut is at hand is taken."""

_MOST_ORDERED = 8
"""The parts of how large an `or` are put into the best of all orders."""

_ROUND = 3
"""How many parts of an `or` can go round."""

_MOST_KNOWN = 4
"""Of how large an `or` it is known, and not guessed, what a part takes."""

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
    """The ways to cut one tree into few parts of at most so many holes. `parts` is how many they are.

    Where the tree asks about one factor in several places, some of the parts may be nobody: then there are fewer.
    """

    def __init__(self, tree: Tree, factors: Factors, groups: int = 1) -> None:
        self._top = _Node(tree, _Setting(factors, groups))
        self._full = {leaf.axis: leaf.full for leaf in leaves(tree)}
        self.parts = self._top.clauses.parts

    def ways(self, most: int | None = None) -> Iterator[Iterator[Piece]]:
        """Yield the cuts into so few parts: one at least, for each choice of what stays whole at the top.

        Of each cut the first `most` parts are made, those that are nobody counted, or all where it is None.
        """
        for pieces in self._top.ways(most):
            yield (tidy for piece in islice(pieces, most) if (tidy := self._tidied(piece)))

    def _tidied(self, piece: Piece) -> Piece | None:
        """Return a part whose holes lie in its box and are smaller on two axes at least; None where it is nobody."""
        box = dict(piece.box)
        waiting = list(piece.holes)
        holes: list[dict[int, int]] = []
        while waiting:
            hole = waiting.pop(0)
            inside = {axis: missed & box.get(axis, missed) for axis, missed in hole.items()}
            smaller = [axis for axis, missed in inside.items() if missed != box.get(axis, self._full[axis])]
            if not smaller:
                return None
            if not all(inside.values()):
                continue
            if len(smaller) == 1:
                (axis,) = smaller
                box[axis] = box.get(axis, self._full[axis]) & ~inside[axis]
                waiting, holes = [*holes, *waiting], []
            else:
                holes.append(inside)
        return Piece(box, tuple(holes)) if all(box.values()) else None


class _Setting(msgspec.Struct):
    """What a cut keeps to. `left` steps may be taken: looking for what parts of an `and` to keep whole is one."""

    factors: Factors
    groups: int
    left: int = MAX_STEPS

    def step(self) -> bool:
        """Take a step, and tell whether there was one left."""
        self.left -= 1
        return self.left >= 0


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

    def box_parts(self, most: int | None) -> Iterator[dict[int, int]]:
        """Yield disjoint boxes that are the tree: at least the first `most`, or all where it is None."""
        if isinstance(self.tree, Leaf):
            yield {self.tree.axis: self.tree.inside}
        elif self.joins == "and":
            yield from _boxes_of_all(self.parts, most)
        else:
            for i in range(len(self.parts)):
                yield from _boxes_of_all(self.first(i), most)

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
        return _sum(cuts[0].cost for cuts in self.cuts)

    @cached_property
    def cuts(self) -> list[list[_Cut]]:
        """The ways to cut each term into clauses, as few as any: the best first."""
        ways = [sorted(_cuts(told), key=lambda cut: cut.cost) for told in self.terms]
        return [[cut for cut in cuts if cut.cost.parts == cuts[0].cost.parts] for cuts in ways]

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
        return _best_terms(parts)

    @cached_property
    def all_hold(self) -> list[_Node]:
        """The parts of an `and`; itself alone where it is none."""
        return self.parts if isinstance(self.tree, Branch) and self.joins == "and" else [self]

    def ways(self, most: int | None) -> Iterator[Iterator[Piece]]:
        """Yield the ways to cut it into the fewest clauses: if it is an `and`, one for each choice of what to keep.

        Of each at least the first `most` clauses are made, or all where it is None.
        """
        if len(self.cuts) > 1:
            yield (piece for cuts in self.cuts for piece in cuts[0].pieces(most))
        else:
            for cut in self.cuts[0]:
                yield cut.pieces(most)


class _Cut(msgspec.Struct, frozen=True):
    """A way to cut an `and`: `whole` stays, `others` go into boxes; or `rather`, disjoint cuts that come to it."""

    cost: _Cost
    whole: tuple[_Node, ...]
    others: tuple[_Node, ...]
    rather: tuple[_Cut, ...] = ()

    def pieces(self, most: int | None) -> Iterator[Piece]:
        """Yield the clauses, as a box and holes each."""
        for cut in self.rather:
            yield from cut.pieces(most)
        if not self.rather:
            holes = tuple(hole for node in self.whole for hole in node.contrary.cover())
            for box in _boxes_of_all(self.others, most):
                yield Piece(box, holes)


def _cuts(nodes: Sequence[_Node]) -> list[_Cut]:
    """Return the ways to cut an `and`: some parts stay whole, or an `or` is taken apart before that is chosen."""
    found = _kept(nodes)
    for node in nodes:
        if len(nodes) > 1 and nodes[0].setting.step() and len(node.terms) > 1:
            others = tuple(other for other in nodes if other is not node)
            rather = tuple(_best_cut([*told, *others]) for told in node.terms)
            found.append(_Cut(_sum(cut.cost for cut in rather), (), others, rather))
    return found


def _kept(nodes: Sequence[_Node]) -> list[_Cut]:
    """Return the ways to keep some parts of an `and` whole that make the fewest clauses."""
    groups = nodes[0].setting.groups
    keepable = [node for node in nodes if node.boxes.parts > 1 and node.holes <= groups]
    if sum(node.holes for node in keepable) <= groups:
        choices: Iterable[tuple[_Node, ...]] = [tuple(keepable)]
    else:
        choices = _within_groups(sorted(keepable, key=lambda node: -node.boxes.parts)[:_MOST_KEPT], groups)
    found: list[_Cut] = []
    for whole in choices:
        others = tuple(node for node in nodes if node not in whole)
        cost = _all_of(node.boxes for node in others)
        found.append(_Cut(_Cost(cost.parts, cost.lists + sum(node.boxes.lists for node in whole)), whole, others))
    fewest = min(cut.cost.parts for cut in found)
    return [cut for cut in found if cut.cost.parts == fewest]


def _within_groups(nodes: Sequence[_Node], groups: int) -> Iterator[tuple[_Node, ...]]:
    """Yield the choices of nodes whose holes come to so many groups at the most."""
    if not nodes:
        yield ()
        return
    first, *others = nodes
    yield from _within_groups(others, groups)
    if first.holes <= groups:
        for more in _within_groups(others, groups - first.holes):
            yield (first, *more)


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


def _best_terms(parts: Sequence[_Node]) -> list[list[_Node]]:
    """Return disjoint terms that come to an `or` of these parts, such that they make the fewest clauses.

    Each part is the first that holds, in the best order: what it costs depends on which stand before it, not on their
    order (Held and Karp 1962). The last three may go round instead: whoever is in one and not in the next, and whoever
    is in all three.
    """
    if len(parts) > _MOST_ORDERED or parts[0].setting.left < 0:
        return _first_that_holds(sorted(parts, key=lambda part: part.contrary.boxes))
    best: dict[int, tuple[int, float, list[int]]] = {0: (0, 0.0, [])}
    everyone = (1 << len(parts)) - 1
    rounds: list[tuple[int, float, list[int]]] = []
    for before in range(1 << len(parts)):
        clauses, lists, order = best[before]
        rest = [i for i in range(len(parts)) if not before >> i & 1]
        for i in rest:
            cost = _cost_of_term(_first_that_holds([parts[j] for j in (*order, i)])[-1], len(parts))
            found = (clauses + cost.parts, lists + cost.parts * cost.lists, [*order, i])
            after = before | 1 << i
            if after not in best or found < best[after]:
                best[after] = found
        if len(rest) == _ROUND:
            costs = [
                _cost_of_term([*_none_hold([parts[j] for j in order]), *term], len(parts))
                for term in _round([parts[i] for i in rest])
            ]
            rounds.append(
                (
                    clauses + sum(cost.parts for cost in costs),
                    lists + sum(cost.parts * cost.lists for cost in costs),
                    [*order, *rest],
                )
            )
    one_by_one = best[everyone]
    clauses, lists, order = min([*rounds, one_by_one], key=lambda found: found[:2])
    ordered = [parts[i] for i in order]
    if one_by_one[:2] == (clauses, lists):
        return _first_that_holds([parts[i] for i in one_by_one[2]])
    earlier = ordered[:-_ROUND]
    outside = _none_hold(earlier)
    return [*_first_that_holds(earlier), *([*outside, *term] for term in _round(ordered[-_ROUND:]))]


def _first_that_holds(parts: Sequence[_Node]) -> list[list[_Node]]:
    return [[*_none_hold(parts[:i]), *part.all_hold] for i, part in enumerate(parts)]


def _none_hold(parts: Sequence[_Node]) -> list[_Node]:
    return [node for part in parts for node in part.contrary.all_hold]


def _round(parts: Sequence[_Node]) -> list[list[_Node]]:
    """Return whoever is in one of three parts and not in the next, going round, and whoever is in all of them."""
    told = [[*part.all_hold, *parts[i - 1].contrary.all_hold] for i, part in enumerate(parts)]
    return [*told, [node for part in parts for node in part.all_hold]]


def _cost_of_term(nodes: Sequence[_Node], beside: int) -> _Cost:
    """Return what it takes to cut a term, one of so many of an `or`; past a few it is guessed."""
    if beside <= _MOST_KNOWN:
        return _best_cut(nodes).cost
    kept = [cut.cost for cut in _kept(nodes)]
    return min([*kept, *_taken_apart(nodes)]) if nodes[0].setting.step() else min(kept)


def _taken_apart(nodes: Sequence[_Node]) -> Iterator[_Cost]:
    """Yield what it costs about to take one part of an `and` apart into clauses, and the others into boxes."""
    for node in nodes:
        if len(node.terms) > 1:
            yield _all_of([node.clauses, *(other.boxes for other in nodes if other is not node)])


def _boxes_of_all(nodes: Sequence[_Node], most: int | None) -> Iterator[dict[int, int]]:
    # The first so many of a product are made of the first so many of each factor, which `product` makes in advance.
    for boxes in product(*(islice(node.box_parts(most), most) for node in nodes)):
        yield _within(boxes)


def _within(boxes: Sequence[dict[int, int]]) -> dict[int, int]:
    """Return the box of those who are in all of some boxes."""
    together: dict[int, int] = {}
    for box in boxes:
        for axis, mask in box.items():
            together[axis] = together[axis] & mask if axis in together else mask
    return together
