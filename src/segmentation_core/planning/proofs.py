"""How few clauses a tree takes, and how few lists.

Two arguments, both proved in `docs/planning.md`; the better one counts.

*People apart*: wanted people of whom no two can share a clause. They are put together from those of the branches.

*Rank*: deal the conditions to two sides, and write the audience as a matrix: a row for what holds on the one side, a
column for what holds on the other, 1 where such people are wanted. A box is a matrix of rank 1, so a clause, a box less
a box, of rank 2 at most; disjoint clauses add up, so there are at least half as many as the rank. The rank of a tree
follows from those of its branches: `and` is a Kronecker product, `not` subtracts from the matrix of ones. It is this
argument that counts that clauses are disjoint; fewer may do where people may be reached twice.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import islice
from math import comb, prod
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from segmentation_core.planning.covers import smallest_cover
from segmentation_core.planning.plan import Bound
from segmentation_core.planning.trees import Branch, Leaf, branch, has_links, leaves, opposite, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segmentation_core.planning.factors import Factor, Factors
    from segmentation_core.planning.trees import Tree

_REMEMBERED = 8_192

_MOST_HELD = 64
"""In how many ways conditions on factors that a tree asks about more than once are held."""


def bound_in_groups(tree: Tree, groups: int, *, empty: bool) -> Bound:
    """Return how many clauses, and then lists, every plan of a tree has at the least.

    A clause of so many include groups is a box less so many boxes: the product of matrices of rank 2, one for each.
    `empty` tells whether a clause may include no list.
    """
    ranks = [rank(free) for free in islice(without_links(tree), _MOST_HELD)]
    several = not has_links(tree) and _holes(tree) > groups
    clauses = max(-(-max(ranks, default=1) // 2 ** min(groups, 60)), 2 if several else 1)
    return Bound(clauses, 0 if empty else clauses)


def _holes(tree: Tree) -> int:
    """Return how many boxes it takes to leave out what a tree leaves out of its own box.

    They are the primes of the opposites of its `or`s, none of which can be spared in a tree that asks about no factor
    twice. One group of lists leaves out one box.
    """
    if isinstance(tree, Leaf):
        return 0
    return sum(map(_holes, tree.parts)) if tree.joins == "and" else _primes(opposite(tree))


def _primes(tree: Tree) -> int:
    if isinstance(tree, Leaf):
        return 1
    return (prod if tree.joins == "and" else sum)(map(_primes, tree.parts))


def bound_of(tree: Tree, factors: Factors) -> Bound:
    """Return how many clauses of one include group, and then lists, every plan of a tree has at the least.

    Where lists link two conditions, all but one are held fast: what is left takes no more clauses than the whole.
    """
    count = Counter(leaf.axis for leaf in leaves(tree))
    lists = {leaf.axis: kept_out(leaf, factors) if count[leaf.axis] == 1 else int(leaf.listed) for leaf in leaves(tree)}
    bounds = [_bound(free, lists) for free in islice(without_links(tree), _MOST_HELD)]
    return max(bounds, key=lambda bound: (bound.clauses, bound.segments), default=Bound(1, 1))


def without_links(tree: Tree) -> Iterator[Tree]:
    """Yield what is left of a tree when people are held to states of each factor that it asks about more than once.

    Those states differ in one condition, which is kept, or in none; the others are true or false of them all.
    """
    count = Counter(leaf.axis for leaf in leaves(tree))
    linked = next((leaf.axis for leaf in leaves(tree) if count[leaf.axis] > 1), None)
    if linked is None:
        yield tree
        return
    times = Counter(leaf for leaf in leaves(tree) if leaf.axis == linked)
    own = list(times)
    kinds = dict.fromkeys(tuple(leaf.inside >> state & 1 for leaf in own) for state in range(own[0].full.bit_length()))
    found: dict[Tree | bool, None] = {}
    for kind in kinds:
        alone = [
            i for i, leaf in enumerate(own) if times[leaf] == 1 and (*kind[:i], 1 - kind[i], *kind[i + 1 :]) in kinds
        ]
        for kept in alone or [-1]:
            held = {leaf: bool(holds) for i, (leaf, holds) in enumerate(zip(own, kind, strict=True)) if i != kept}
            found[_held(tree, held)] = None
    for left in found:
        if not isinstance(left, bool):
            yield from without_links(left)


def _held(tree: Tree, conditions: Mapping[Leaf, bool]) -> Tree | bool:
    if isinstance(tree, Leaf):
        return conditions.get(tree, tree)
    return branch(tree.joins, [_held(part, conditions) for part in tree.parts])


def _bound(tree: Tree, lists: Mapping[int, int]) -> Bound:
    heaviest = max(lists[leaf.axis] for leaf in leaves(tree))
    apart = people_apart(tree, lists)
    clauses = max(apart.people, _clauses(tree))
    always = sum(lists[part.axis] for part in parts_of(tree, "and") if isinstance(part, Leaf))
    segments = apart.people + max(0, apart.lists - apart.people * heaviest)
    segments += (clauses - apart.people) * (1 + max(0, always - heaviest))
    return Bound(clauses, max(segments, _lists_of_grid(tree, lists)))


def _clauses(tree: Tree) -> int:
    """Return how few clauses there are by rank, and by what stands alone in an `or`.

    Beside conditions that the platform itself targets, and beside those that lists speak of, an `or` of `and`s takes
    clauses of their own: one for each of the former, one for all of the latter.
    """
    least = -(-rank(tree) // 2)
    others = [part for part in tree.parts if isinstance(part, Branch)] if isinstance(tree, Branch) else []
    if isinstance(tree, Leaf) or not others:
        return least
    if tree.joins == "and":
        return max(least, *(_clauses(part) for part in others))
    alone = [part.listed for part in tree.parts if isinstance(part, Leaf)]
    rest = branch("or", others)
    if isinstance(rest, bool) or not alone:
        return least
    return max(least, _clauses(rest) + alone.count(False) + (True in alone))


def kept_out(leaf: Leaf, factors: Factors) -> int:
    """Return how many lists it takes at the least to exclude all who fail a condition, but not all who meet it.

    A clause that holds somebody excludes them, unless it includes people by lists of this very factor.
    """
    return _kept_out(factors.all[leaf.axis], leaf.inside) if leaf.listed else 0


@lru_cache(maxsize=_REMEMBERED)
def _kept_out(factor: Factor, inside: int) -> int:
    lists = {name: trace for name, trace in factor.lists.items() if inside & ~trace}
    cover = smallest_cover(factor.full & ~inside, lists)
    return cover.at_least if cover else 0


class Apart(msgspec.Struct, frozen=True):
    """People of whom no two share a clause, or at least no box, all wanted.

    `people` are of whom no two share a clause: so many, whose conditions take `lists` together (`kept_out`), those of
    one `least` at the least; somebody's conditions are those each of which alone makes them unwanted where it fails.
    `clusters` are more people, by the size of the cluster and how many clusters have it: no two share a box, and no two
    of different clusters share a clause.
    """

    people: int
    lists: int
    least: int
    clusters: dict[int, int]


def people_apart(tree: Tree, lists: Mapping[int, int]) -> Apart:
    """Return people of whom no two can share a clause.

    Of an `or`: people for whom one part holds, and nothing at all of any other. For conditions that lists speak of they
    are one cluster, since a clause can hold all of these together.
    """
    if isinstance(tree, Leaf):
        return Apart(1, lists[tree.axis], lists[tree.axis], {1: 1})
    if tree.joins == "and":
        return _all_of([people_apart(part, lists) for part in tree.parts])
    listed = [lists[part.axis] for part in tree.parts if isinstance(part, Leaf) and part.listed]
    groups = [people_apart(part, lists) for part in tree.parts if not (isinstance(part, Leaf) and part.listed)]
    if listed:
        groups.append(Apart(1, max(listed), min(listed), {len(listed): 1}))
    clusters: Counter[int] = Counter()
    for group in groups:
        clusters.update(group.clusters)
    return Apart(
        sum(group.people for group in groups),
        sum(group.lists for group in groups),
        min(group.least for group in groups),
        dict(clusters),
    )


def _all_of(groups: Sequence[Apart]) -> Apart:
    """Return combinations of one person of each group, of whom no two differ in one group alone within one cluster.

    Of a group they are its clusters, or its people who share no clause, whichever come to more.
    """
    alone = [{1: group.people} for group in groups]
    mixed = [group.clusters for group in groups]
    choices = [mixed, alone]
    choices += [[*mixed[:i], alone[i], *mixed[i + 1 :]] for i in range(len(groups))]
    people = max(map(_told_apart, choices))
    least = sum(group.least for group in groups)
    clusters: Counter[int] = Counter({1: 1})
    for group in groups:
        products: Counter[int] = Counter()
        for size, count in clusters.items():
            for other, more in group.clusters.items():
                products[size * other] += count * more
        clusters = products
    return Apart(people, people * least, least, dict(clusters))


def _told_apart(groups: Sequence[Mapping[int, int]]) -> int:
    """Return how many combinations there are of which two differ in two groups, or in the cluster of one.

    Within clusters of k_1, ..., k_r people those are all but the largest multiplied: the last is settled by the others.
    """
    found: Counter[tuple[int, int]] = Counter({(1, 1): 1})
    for clusters in groups:
        combined: Counter[tuple[int, int]] = Counter()
        for (largest, product), count in found.items():
            for size, more in clusters.items():
                combined[max(largest, size), product * size] += count * more
        found = combined
    return sum(product // largest * count for (largest, product), count in found.items())


class _Matrix(msgspec.Struct, frozen=True):
    """What is told apart of a matrix M, besides its rank, to say the rank of J - M, where J is all ones.

    Whether its columns, and its rows, add up to ones in some proportion. If both do, the proportions add up to one
    here, in whatever way they do.
    """

    columns: bool
    rows: bool


_Ranks: TypeAlias = dict[_Matrix, int]


def rank(tree: Tree) -> int:
    """Return the rank of the matrix of a tree, the greatest of those that were found by dealing its conditions."""
    return max(_ranks(tree).values())


def _ranks(tree: Tree) -> _Ranks:
    """Return, for each kind of matrix, the greatest rank that dealing the conditions to two sides was seen to give."""
    if isinstance(tree, Leaf):
        return {_Matrix(columns=False, rows=True): 1, _Matrix(columns=True, rows=False): 1}
    if tree.joins == "or":
        return dict(_complement(kind, found) for kind, found in _ranks(opposite(tree)).items())
    together: _Ranks = {_Matrix(columns=True, rows=True): 1}
    for part in tree.parts:
        products: _Ranks = {}
        own = _ranks(part)
        for one, found in together.items():
            for other, more in own.items():
                kind = _Matrix(one.columns and other.columns, one.rows and other.rows)
                products[kind] = max(products.get(kind, 0), found * more)
        together = products
    return together


def _complement(kind: _Matrix, found: int) -> tuple[_Matrix, int]:
    """Return the kind and the rank of J - M (the rank-one updates of Wedderburn 1934).

    Where neither columns nor rows add up to ones, J is new to both: the rank grows by one, and both then do, by
    proportions that add up to one. Where both do so, J takes one from the rank, and neither then does. Where one does,
    nothing changes.
    """
    if kind.columns != kind.rows:
        return kind, found
    return _Matrix(not kind.columns, not kind.rows), found - 1 if kind.columns else found + 1


def _lists_of_grid(tree: Tree, lists: Mapping[int, int]) -> int:
    """Return how many lists it takes at the least to reach an `and` of `or`s of conditions in as few clauses as can be.

    People for whom one condition of each `or` holds are a grid, of which each clause then covers a whole line: it holds
    one condition of every other `or`, whose failing it excludes, and includes each condition along the line by a list
    of its own, which those who lack them all are not on. If all lines lie one way, two clauses that hold different
    conditions of one `or` alone keep those who meet both apart, which takes one of them another list.
    """
    parts = parts_of(tree, "and")
    grid = [part.parts for part in parts if isinstance(part, Branch)]
    if len(grid) < 2 or not all(isinstance(leaf, Leaf) and leaf.listed for own in grid for leaf in own):  # noqa: PLR2004
        return 0
    grid.sort(key=len)
    *others, longest = [[lists[leaf.axis] for leaf in own if isinstance(leaf, Leaf)] for own in grid]
    clauses = prod(map(len, others))
    always = sum(lists[part.axis] for part in parts if isinstance(part, Leaf))
    if len(others) > 1 and len(others[-1]) == len(longest):
        least = sum(sorted(min(own) for own in (*others, longest))[:-1])
        return clauses * (len(longest) + least + always)
    ways = [(others, longest)]
    if len(others) == 1 and len(others[0]) == len(longest):
        ways.append(([longest], others[0]))
    return min(_lists_of_lines(held, len(line), always) for held, line in ways)


def _lists_of_lines(held: Sequence[Sequence[int]], length: int, always: int) -> int:
    clauses = prod(map(len, held))
    lists = clauses * (length + always)
    for own in held:
        lists += clauses // len(own) * (sum(own) + comb(len(own), 2))
    return lists
