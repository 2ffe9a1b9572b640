"""Audiences as trees: conditions on levels, joined by `and` and `or`, no level twice.

Most filters mean such a tree, whatever their wording, and a region that does means just one, up to the order of its
branches (read-once functions: Golumbic, Mintz and Rotics, "Factoring and recognition of read-once functions using
cographs and normality", 2006). `tree_of` reads it off the diagram from the bottom up: what remains above and below one
condition are two trees that differ in one place, and there the condition belongs.
"""

from __future__ import annotations

from collections import Counter
from functools import reduce
from itertools import islice, product
from operator import and_, or_
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from segmentation_core.planning.factors import product_mask
from segmentation_core.regions import Region

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from segmentation_core.planning.factors import Factors


_MOST_TRIED = 64
"""In how many states of factors that a tree asks about in several places somebody far from it is looked for."""

Joins: TypeAlias = Literal["and", "or"]


class Leaf(msgspec.Struct, frozen=True, order=True):
    """The states `inside` of one factor, some and not all of `full`; `axis` is its position.

    Of a direct dimension the axis is `~level`, below nought.
    """

    axis: int
    inside: int
    full: int

    @property
    def listed(self) -> bool:
        """Whether lists speak of it, not the platform itself."""
        return self.axis >= 0


class Branch(msgspec.Struct, frozen=True):
    """All (`and`) or any (`or`) of two or more parts, none of which is a branch of the same kind.

    Parts stand in an order that depends on what they mean alone.
    """

    joins: Joins
    parts: tuple[Tree, ...]


Tree: TypeAlias = Leaf | Branch


def opposite(tree: Tree) -> Tree:
    """Return everyone who is not in a tree."""
    if isinstance(tree, Leaf):
        return Leaf(tree.axis, tree.full & ~tree.inside, tree.full)
    return Branch("or" if tree.joins == "and" else "and", tuple(map(opposite, tree.parts)))


def parts_of(tree: Tree, joins: Joins) -> tuple[Tree, ...]:
    """Return the parts that a tree joins in one way: itself alone where it joins none, or in the other way."""
    return tree.parts if isinstance(tree, Branch) and tree.joins == joins else (tree,)


def leaves(tree: Tree) -> list[Leaf]:
    """Return the conditions of a tree."""
    return [tree] if isinstance(tree, Leaf) else [leaf for part in tree.parts for leaf in leaves(part)]


def has_links(tree: Tree) -> bool:
    """Tell whether a tree asks about one factor in several places."""
    conditions = leaves(tree)
    return len({leaf.axis for leaf in conditions}) < len(conditions)


def tree_of(region: Region, factors: Factors) -> Tree | None:
    """Return the tree that a region means, None where it means none.

    Everyone and nobody are none, and values of a direct multi dimension are in none. Where lists link levels, several
    conditions may be on one factor, though not as neighbours.
    """
    nobody: Found = False
    found = region.gathered(Reader(region).node, nobody=nobody, everyone=True)
    return by_factor(found, factors) if isinstance(found, Leaf | Branch) else None


def shrunk(tree: Branch) -> Tree:
    """Return what is left of a tree when all but two of each branch's conditions are held fast, so that it matters.

    Conditions on factors that it asks about more than once are kept.
    """
    count = Counter(leaf.axis for leaf in leaves(tree))

    def kept(some: Branch) -> Tree:
        own = sorted((part for part in some.parts if isinstance(part, Leaf)), key=lambda leaf: leaf.listed)
        linked = [leaf for leaf in own if count[leaf.axis] > 1]
        alone = [leaf for leaf in own if count[leaf.axis] == 1]
        others = [kept(part) for part in some.parts if isinstance(part, Branch)]
        joined = branch(some.joins, [*others, *linked, *alone[:2]])
        assert not isinstance(joined, bool)  # noqa: S101  a branch has two parts or more
        return joined

    return kept(tree)


def without_conditions_of_all(tree: Branch) -> tuple[list[Leaf], Branch]:
    """Return the conditions that everybody in a tree meets and that it asks about nowhere else, and what else is asked.

    Nothing is left out where else no branch would be left.
    """
    count = Counter(leaf.axis for leaf in leaves(tree))
    always = [part for part in parts_of(tree, "and") if isinstance(part, Leaf) and count[part.axis] == 1]
    rest = branch("and", [part for part in parts_of(tree, "and") if part not in always])
    return (always, rest) if isinstance(rest, Branch) else ([], tree)


def without_conditions_alone(tree: Branch) -> tuple[Branch, int]:
    """Return what is left of a tree without conditions that stand alone, and how many clauses more the whole takes.

    Conditions that everybody meets change nothing. Beside an `or`, those that the platform itself targets take a clause
    each, and those that lists speak of one together, if somebody is far from what is left: `docs/planning.md` has the
    proof.
    """
    _, rest = without_conditions_of_all(tree)
    count = Counter(leaf.axis for leaf in leaves(rest))
    alone = [part for part in parts_of(rest, "or") if isinstance(part, Leaf) and count[part.axis] == 1]
    joined = branch("or", [part for part in parts_of(rest, "or") if part not in alone])
    if not alone or not isinstance(joined, Branch) or not _leaves_somebody_far(joined):
        return rest, 0
    inner, more = without_conditions_alone(joined)
    return inner, more + sum(not leaf.listed for leaf in alone) + any(leaf.listed for leaf in alone)


def _leaves_somebody_far(tree: Tree) -> bool:
    """Tell whether there is somebody outside a tree whom no change on one factor alone brings into it."""
    own: dict[int, list[Leaf]] = {}
    for leaf in leaves(tree):
        own.setdefault(leaf.axis, []).append(leaf)
    kinds = {
        axis: [*dict.fromkeys(tuple(leaf.inside >> i & 1 for leaf in some) for i in range(some[0].full.bit_length()))]
        for axis, some in own.items()
    }

    def met(states: Mapping[int, tuple[int, ...]]) -> bool:
        held = {leaf for axis, some in own.items() for leaf, on in zip(some, states[axis], strict=True) if on}
        return _holds(tree, held)

    outside = {axis: (0,) for axis, some in own.items() if len(some) == 1}
    linked = [axis for axis in own if axis not in outside]
    for chosen in islice(product(*(kinds[axis] for axis in linked)), _MOST_TRIED):
        states = outside | dict(zip(linked, chosen, strict=True))
        if not any(met({**states, axis: kind}) for axis, some in kinds.items() for kind in some):
            return True
    return False


def _holds(tree: Tree, held: Container[Leaf]) -> bool:
    if isinstance(tree, Leaf):
        return tree in held
    return (all if tree.joins == "and" else any)(_holds(part, held) for part in tree.parts)


def region_of(tree: Tree, factors: Factors) -> Region:
    """Return the people that a tree means."""
    if isinstance(tree, Leaf):
        return (
            factors.box({tree.axis: tree.inside})
            if tree.listed
            else Region.box(factors.space, {~tree.axis: tree.inside})
        )
    return reduce(and_ if tree.joins == "and" else or_, [region_of(part, factors) for part in tree.parts])


def may_be_a_clause(tree: Tree) -> bool:
    """Tell whether one clause can mean a tree: conditions, and one `or` of conditions at the most.

    Where lists link conditions it is not told, and true.
    """
    joined = [part for part in parts_of(tree, "and") if isinstance(part, Branch)]
    if has_links(tree):
        return True
    return not joined or (len(joined) == 1 and all(isinstance(part, Leaf) for part in joined[0].parts))


Found: TypeAlias = Tree | bool | None
"""What a node of a diagram came to: a tree over levels, everyone, nobody; None where it is no tree."""


class Reader:
    """Reads a tree off a diagram; levels that are `held` at some states, that nothing tells apart, are not in it."""

    def __init__(self, region: Region, held: Mapping[int, int] | None = None) -> None:
        self.full = region.space.full
        self.held = held or {}

    def node(self, level: int, edges: Sequence[tuple[int, Found]]) -> Found:
        """Return the tree of a node: its states, those on no edge too, must fall into two groups."""
        if level in self.held:
            return next((child for mask, child in edges if mask & self.held[level]), False)
        groups = [(mask, child) for mask, child in edges if child is not None]
        if len(groups) < len(edges):
            return None
        rest = self.full[level] & ~sum(mask for mask, _ in edges)
        groups += [(rest, False)] if rest else []
        if len(groups) != 2:  # noqa: PLR2004  a condition holds or not
            return None
        (some, one), (others, other) = groups
        full = self.full[level]
        joined = _joined(Leaf(level, some, full), (one, other))
        return joined if joined is not None else _joined(Leaf(level, others, full), (other, one))


def _joined(leaf: Leaf, below: tuple[Tree | bool, Tree | bool]) -> Found:
    """Return the tree of "leaf and the first, or the second", where all of the second are in the first.

    None where it is no tree.
    """
    holds, fails = below
    if fails is False:
        return branch("and", [leaf, holds])
    if holds is True:
        return branch("or", [leaf, fails])
    if isinstance(holds, bool) or isinstance(fails, bool):
        return None
    for joins in JOINS:
        more, less = parts_of(holds, joins), parts_of(fails, joins)
        shared = [part for part in more if part in less]
        if shared:
            rest = [branch(joins, [part for part in parts if part not in shared]) for parts in (more, less)]
            inner = _joined(leaf, (rest[0], rest[1]))
            return branch(joins, [*shared, inner]) if inner is not None else None
    return None


JOINS: tuple[Joins, Joins] = ("and", "or")


def branch(joins: Joins, parts: Sequence[Tree | bool]) -> Tree | bool:
    """Join parts so that equal trees look alike; everyone and nobody go into what they make of the whole."""
    neutral = joins == "and"
    kept: list[Tree] = []
    for part in parts:
        if isinstance(part, bool):
            if part is not neutral:
                return part
        else:
            kept += parts_of(part, joins)
    if len(kept) < 2:  # noqa: PLR2004
        return kept[0] if kept else neutral
    return Branch(joins, tuple(sorted(kept, key=_first_axis)))


def _first_axis(tree: Tree) -> int:
    while isinstance(tree, Branch):
        tree = tree.parts[0]
    return tree.axis


def by_factor(tree: Tree, factors: Factors) -> Tree | None:
    """Turn conditions on levels into conditions on factors: neighbours that speak of one factor become one.

    None where a value of a direct multi dimension is in it.
    """
    found = _by_factor(tree, factors)
    return None if isinstance(found, bool) else found


def _by_factor(tree: Tree, factors: Factors) -> Found:
    if isinstance(tree, Leaf):
        return _of_factor(tree, factors)
    parts = [_by_factor(part, factors) for part in tree.parts]
    join = and_ if tree.joins == "and" else or_
    own: dict[int, Leaf] = {}
    others: list[Tree | bool] = []
    for part in parts:
        if part is None:
            return None
        if isinstance(part, Leaf):
            known = own.get(part.axis)
            own[part.axis] = Leaf(part.axis, join(known.inside, part.inside), part.full) if known else part
        else:
            others.append(part)
    return branch(tree.joins, [*map(_settled, own.values()), *others])


def _settled(leaf: Leaf) -> Tree | bool:
    """Return a condition, but everyone where it is on all states, nobody where it is on none."""
    return leaf if 0 < leaf.inside < leaf.full else leaf.inside == leaf.full


def _of_factor(leaf: Leaf, factors: Factors) -> Leaf | None:
    level = leaf.axis
    if level in factors.direct:
        return Leaf(~level, leaf.inside, leaf.full) if factors.space.levels[level].value is None else None
    position = factors.of_level[level]
    factor = factors.all[position]
    return Leaf(position, product_mask(factors.space, factor.levels, {level: leaf.inside}), factor.full)
