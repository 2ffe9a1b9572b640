"""Audiences as trees: conditions on levels, joined by `and` and `or`, no level twice.

Most filters mean such a tree, whatever their wording, and a region that does means just one, up to the order of its
branches (read-once functions: Golumbic, Mintz and Rotics, "Factoring and recognition of read-once functions using
cographs and normality", 2006). `tree_of` reads it off the diagram from the bottom up: what remains above and below one
condition are two trees that differ in one place, and there the condition belongs.
"""

from __future__ import annotations

from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from segmentation_core.planning.factors import product_mask
from segmentation_core.regions import Region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmentation_core.planning.factors import Factors


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

    joins: Literal["and", "or"]
    parts: tuple[Tree, ...]


Tree: TypeAlias = Leaf | Branch


def opposite(tree: Tree) -> Tree:
    """Return everyone who is not in a tree."""
    if isinstance(tree, Leaf):
        return Leaf(tree.axis, tree.full & ~tree.inside, tree.full)
    return Branch("or" if tree.joins == "and" else "and", tuple(map(opposite, tree.parts)))


def parts_of(tree: Tree, joins: Literal["and", "or"]) -> tuple[Tree, ...]:
    """Return the parts that a tree joins in one way: itself alone where it joins none, or in the other way."""
    return tree.parts if isinstance(tree, Branch) and tree.joins == joins else (tree,)


def leaves(tree: Tree) -> list[Leaf]:
    """Return the conditions of a tree."""
    return [tree] if isinstance(tree, Leaf) else [leaf for part in tree.parts for leaf in leaves(part)]


def tree_of(region: Region, factors: Factors) -> Tree | None:
    """Return the tree that a region means, None where it means none.

    Everyone and nobody are none, and values of a direct multi dimension are in none. Where lists link levels, several
    conditions may be on one factor, though not as neighbours.
    """
    nobody: _Found = False
    found = region.gathered(_Reader(region).node, nobody=nobody, everyone=True)
    return _by_factor(found, factors) if isinstance(found, Leaf | Branch) else None


def shrunk(tree: Branch) -> Tree:
    """Return what is left of a tree when all but two of each branch's conditions are held fast, so that it matters."""
    own = sorted((part for part in tree.parts if isinstance(part, Leaf)), key=lambda leaf: leaf.listed)
    others = [shrunk(part) for part in tree.parts if isinstance(part, Branch)]
    joined = branch(tree.joins, [*others, *own[:2]])
    assert not isinstance(joined, bool)  # noqa: S101  a branch has two parts or more
    return joined


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
    conditions = leaves(tree)
    joined = [part for part in parts_of(tree, "and") if isinstance(part, Branch)]
    if len({leaf.axis for leaf in conditions}) < len(conditions):
        return True
    return not joined or (len(joined) == 1 and all(isinstance(part, Leaf) for part in joined[0].parts))


_Found: TypeAlias = Tree | bool | None
"""What a node of a diagram came to: a tree over levels, everyone, nobody; None where it is no tree."""


class _Reader:
    def __init__(self, region: Region) -> None:
        self.full = region.space.full

    def node(self, level: int, edges: Sequence[tuple[int, _Found]]) -> _Found:
        """Return the tree of a node: its states, those on no edge too, must fall into two groups."""
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


def _joined(leaf: Leaf, below: tuple[Tree | bool, Tree | bool]) -> _Found:
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
    for joins in _JOINS:
        more, less = parts_of(holds, joins), parts_of(fails, joins)
        shared = [part for part in more if part in less]
        if shared:
            rest = [branch(joins, [part for part in parts if part not in shared]) for parts in (more, less)]
            inner = _joined(leaf, (rest[0], rest[1]))
            return branch(joins, [*shared, inner]) if inner is not None else None
    return None


_JOINS: tuple[Literal["and"], Literal["or"]] = ("and", "or")


def branch(joins: Literal["and", "or"], parts: Sequence[Tree | bool]) -> Tree | bool:
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
    return min(leaf.axis for leaf in leaves(tree))


def _by_factor(tree: Tree, factors: Factors) -> Tree | None:
    """Turn conditions on levels into conditions on factors: neighbours that speak of one factor become one."""
    if isinstance(tree, Leaf):
        return _of_factor(tree, factors)
    parts = [_by_factor(part, factors) for part in tree.parts]
    join = and_ if tree.joins == "and" else or_
    own: dict[int, Leaf] = {}
    others: list[Tree] = []
    for part in parts:
        if part is None:
            return None
        if isinstance(part, Leaf):
            known = own.get(part.axis)
            own[part.axis] = Leaf(part.axis, join(known.inside, part.inside), part.full) if known else part
        else:
            others.append(part)
    joined = branch(tree.joins, [*own.values(), *others])
    assert not isinstance(joined, bool)  # noqa: S101  conditions on two levels neither contradict nor make up all
    return joined


def _of_factor(leaf: Leaf, factors: Factors) -> Leaf | None:
    level = leaf.axis
    if level in factors.direct:
        return Leaf(~level, leaf.inside, leaf.full) if factors.space.levels[level].value is None else None
    position = factors.of_level[level]
    factor = factors.all[position]
    return Leaf(position, product_mask(factors.space, factor.levels, {level: leaf.inside}), factor.full)
