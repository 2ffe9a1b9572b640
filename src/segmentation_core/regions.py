"""Sets of people over a catalogue, exactly: reduced ordered decision diagrams.

A diagram asks about one level after another: a level is a single dimension (which of its values?) or one value of a
multi dimension (held or not?). Levels stand in the order of their ids, and equal subdiagrams are one node, so two
filters that mean the same have the same diagram, and one fingerprint, whatever their wording and whatever the order of
the catalogue file. Multi-valued, with sets of values on the edges, after Srinivasan, Ham, Malik and Brayton,
"Algorithms for discrete function manipulation" (ICCAD 1990); canonicity after Bryant (IEEE ToC 1986).
"""

from __future__ import annotations

import json
from functools import cached_property, reduce
from hashlib import blake2b
from math import prod
from operator import or_
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

import msgspec

from segmentation_core.errors import TooComplex
from segmentation_core.expressions import And, HasAll, HasAny, HasNone, Not, Or

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from segmentation_core.catalog import Catalog
    from segmentation_core.expressions import Condition, Expression

MAX_STEPS = 300_000
"""How many diagram operations one question may take: nodes made, and pairs of edges compared."""

MAX_LEVELS = 500
"""How many levels one question may ask about: as deep as an operation recurses."""

MAX_TOLD = 1 << 14
"""How many sets of states a space remembers the names of."""

_LOOKED_AHEAD = 12
"""Over how many levels the best one to cut a region along is looked for."""

LACKS, HAS = 0, 1
"""The two states of a level that is one value of a multi dimension."""


class Level(msgspec.Struct, frozen=True):
    """What a diagram asks about at one depth.

    `value` is None for a single dimension, whose `states` are the ids of its values; for one value of a multi
    dimension the states are "lacks" and "has". A set of states is an integer, bit i for `states[i]`.
    """

    dimension: str
    value: str | None
    states: tuple[str, ...]

    @property
    def full(self) -> int:
        """The set of all states."""
        return (1 << len(self.states)) - 1


class Space:
    """The levels of one catalogue, in the order of their ids."""

    def __init__(self, catalog: Catalog) -> None:
        levels: list[Level] = []
        for dimension in sorted(catalog.dimensions, key=lambda dimension: dimension.id):
            names = tuple(sorted(value.id for value in dimension.values))
            if dimension.multi:
                levels += [Level(dimension.id, name, ("lacks", "has")) for name in names]
            else:
                levels.append(Level(dimension.id, None, names))
        self.levels: Final = tuple(levels)
        self.full: Final = tuple(level.full for level in levels)
        self.depth: Final = {(level.dimension, level.value): depth for depth, level in enumerate(levels)}
        self.bit: Final = {
            (level.dimension, state): 1 << position
            for level in levels
            if level.value is None
            for position, state in enumerate(level.states)
        }

        self.names: Final = tuple(json.dumps([level.dimension, level.value]) for level in levels)
        self._told: dict[tuple[int, int], str] = {}

        self.most_steps: int | None = None
        """What takes the place of MAX_STEPS, where many ask and each is to wait for no one long."""

    def mask(self, dimension: str, values: Iterable[str]) -> int:
        """Return the set of states of a single dimension that `values` name."""
        mask = 0
        for value in values:
            mask |= self.bit[dimension, value]
        return mask

    def told(self, level: int, mask: int) -> str:
        """Return a set of states of a level as the JSON of their names; what was told before is remembered."""
        found = self._told.get((level, mask))
        if found is None:
            if len(self._told) >= MAX_TOLD:
                self._told.clear()
            states = self.levels[level].states
            found = self._told[level, mask] = json.dumps([states[state] for state in bits(mask)])
        return found


class _Node:
    """A diagram: at `level`, each edge leads a set of states to what then remains to be asked.

    States on no edge lead to nobody. Edges are disjoint and stand in the order of their lowest state.
    """

    __slots__ = ("edges", "level")

    def __init__(self, level: int, edges: tuple[tuple[int, _Node], ...]) -> None:
        self.level = level
        self.edges = edges


T = TypeVar("T")

_BELOW_ALL = 1 << 60
_NOBODY = _Node(_BELOW_ALL, ())
_EVERYONE = _Node(_BELOW_ALL, ())
_Operation: TypeAlias = Literal["and", "or", "minus"]


class Region:
    """A set of people. Regions of one catalogue combine with `&`, `|`, `-` and `~`; all are values.

    Raises TooComplex where a combination takes more than MAX_STEPS diagram operations or asks about more than
    MAX_LEVELS levels.
    """

    def __init__(self, space: Space, root: _Node) -> None:
        self.space: Final = space
        self._root: Final = root

    @classmethod
    def everyone(cls, space: Space) -> Region:
        """Return the region that everyone is in."""
        return cls(space, _EVERYONE)

    @classmethod
    def box(cls, space: Space, masks: dict[int, int]) -> Region:
        """Return the people whose state at each level named lies in the set given for it."""
        return cls(space, _Weaver(space).chain(masks))

    @classmethod
    def of_combinations(cls, space: Space, levels: Sequence[int], combinations: int) -> Region:
        """Return the people whose combination of states of `levels` occurs; the inverse of `combinations`."""
        weaver = _Weaver(space)

        def below(position: int, occurring: int) -> _Node:
            if position == len(levels) or not occurring:
                return _EVERYONE if occurring else _NOBODY
            size = prod(len(space.levels[level].states) for level in levels[position + 1 :])
            masks: dict[_Node, int] = {}
            for state in range(len(space.levels[levels[position]].states)):
                child = below(position + 1, occurring >> state * size & (1 << size) - 1)
                masks[child] = masks.get(child, 0) | 1 << state
            return weaver.node(levels[position], masks)

        return cls(space, below(0, combinations))

    def __and__(self, other: Region) -> Region:
        return self._combined("and", other)

    def __or__(self, other: Region) -> Region:
        return self._combined("or", other)

    def __sub__(self, other: Region) -> Region:
        return self._combined("minus", other)

    def __invert__(self) -> Region:
        return Region(self.space, _EVERYONE) - self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Region) and self.space is other.space and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def is_empty(self) -> bool:
        """Tell whether nobody is in the region."""
        return self._root is _NOBODY

    def is_subset(self, other: Region) -> bool:
        """Tell whether everyone in this region is in the other."""
        return (self - other).is_empty()

    def is_disjoint(self, other: Region) -> bool:
        """Tell whether nobody is in both."""
        return (self & other).is_empty()

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that depend on the people meant and the ids of the catalogue, and on nothing else."""
        lines: list[str] = []
        number: dict[_Node, int] = {_NOBODY: 0, _EVERYONE: 1}
        told = self.space.told
        for node in self._nodes:
            edges = [f"{told(node.level, mask)}>{number[child]}" for mask, child in node.edges]
            number[node] = len(number)
            lines.append(f"{self.space.names[node.level]} {' '.join(edges)}")
        text = "\n".join([*lines, str(number[self._root])])
        return blake2b(text.encode(), digest_size=16).hexdigest()

    @cached_property
    def _nodes(self) -> list[_Node]:
        return _nodes(self._root)

    def is_box(self) -> bool:
        """Tell whether the region is what its shadows say, and no less."""
        node = self._root
        while len(node.edges) == 1:
            ((_, node),) = node.edges
        return not node.edges

    @cached_property
    def shadows(self) -> dict[int, int]:
        """For each level that the region constrains anywhere, the states that occur in it."""
        nodes = self._nodes
        asked = sorted({node.level for node in nodes})
        rank = {level: position for position, level in enumerate(asked)} | {_BELOW_ALL: len(asked)}
        seen = [0] * len(asked)
        skips = [0] * (len(asked) + 2)
        paths = [(-1, self._root), *((rank[node.level], child) for node in nodes for _, child in node.edges)]
        for above, child in paths:
            skips[above + 1] += 1
            skips[rank[child.level]] -= 1
        for node in nodes:
            for mask, _ in node.edges:
                seen[rank[node.level]] |= mask
        skipping = 0
        for position, level in enumerate(asked):
            skipping += skips[position]
            if skipping:
                seen[position] = self.space.full[level]
        return dict(zip(asked, seen, strict=True))

    def alike(self) -> dict[int, list[int]]:
        """Return, for each level that the region constrains anywhere, its states by what then remains to be asked."""
        groups: dict[int, list[int]] = {}
        for node in self._nodes:
            edges = [mask for mask, _ in node.edges]
            edges.append(self.space.full[node.level] & ~sum(edges))
            known = groups.get(node.level, [self.space.full[node.level]])
            groups[node.level] = [part for group in known for mask in edges if (part := group & mask)]
        return {level: sorted(known, key=lambda mask: mask & -mask) for level, known in groups.items()}

    def folded(self, everyone: int, of_edge: Callable[[int, int, int], int]) -> int:
        """Return the union of what `of_edge(level, states, below)` gives for every edge, from the bottom up.

        `below` is what the rest of the diagram came to: `everyone` at the end.
        """
        value: dict[_Node, int] = {_NOBODY: 0, _EVERYONE: everyone}
        for node in self._nodes:
            value[node] = reduce(or_, (of_edge(node.level, mask, value[child]) for mask, child in node.edges))
        return value[self._root]

    def gathered(self, of_node: Callable[[int, list[tuple[int, T]]], T], *, nobody: T, everyone: T) -> T:
        """Return what `of_node(level, [(states, below), ...])` gives for the whole, from the bottom up.

        `below` is what it gave for the rest of the diagram: `everyone` at the end. States on no edge lead to nobody;
        the result is `nobody` for the empty region.
        """
        value: dict[_Node, T] = {_NOBODY: nobody, _EVERYONE: everyone}
        for node in self._nodes:
            value[node] = of_node(node.level, [(mask, value[child]) for mask, child in node.edges])
        return value[self._root]

    def onto(self, levels: Sequence[int]) -> Region:
        """Return the people who agree with somebody in the region on all of `levels`."""
        weaver = _Weaver(self.space)
        return Region(self.space, weaver.projected(weaver.adopted(self._root), frozenset(levels)))

    def combinations(self, levels: Sequence[int]) -> int:
        """Return which combinations of states of `levels` occur, as a set of positions.

        The levels are in ascending order and the region constrains no other. The combination of states s_1, ..., s_k
        has the position it has in `itertools.product(states_1, ..., states_k)`.
        """
        memo: dict[tuple[int, _Node], int] = {}

        def below(position: int, node: _Node) -> int:
            if node is _NOBODY:
                return 0
            if position == len(levels):
                return 1
            if (position, node) not in memo:
                size = prod(len(self.space.levels[level].states) for level in levels[position + 1 :])
                full = self.space.full[levels[position]]
                edges = node.edges if node.level == levels[position] else ((full, node),)
                memo[position, node] = sum(
                    below(position + 1, child) << state * size for mask, child in edges for state in bits(mask)
                )
            return memo[position, node]

        return below(0, self._root)

    def witness(self) -> dict[str, str | tuple[str, ...]] | None:
        """Return somebody in the region, told by the dimensions that matter: the first in the order of ids.

        None where the region is empty. Of a multi dimension, values not told are not held.
        """
        if self.is_empty():
            return None
        person: dict[str, str | tuple[str, ...]] = {}
        node = self._root
        while node is not _EVERYONE:
            mask, child = node.edges[0]
            level = self.space.levels[node.level]
            state = next(bits(mask))
            if level.value is None:
                person[level.dimension] = level.states[state]
            else:
                held = person.get(level.dimension, ())
                person[level.dimension] = (*held, level.value) if state == HAS else (*held,)
            node = child
        return person

    def count(self, alike: Mapping[int, Sequence[int]] | None = None) -> int:
        """Return how many people there could be in the region: combinations of all values, subsets of multi ones.

        If `alike` is given, states of a level in one of its sets count as one, and a level without sets not at all; the
        region cuts none of them in two.
        """
        sizes = [
            len(level.states) if alike is None else len(alike.get(depth, ())) or 1
            for depth, level in enumerate(self.space.levels)
        ]

        def states(level: int, mask: int) -> int:
            return mask.bit_count() if alike is None else sum(bool(mask & some) for some in alike[level])

        def of_node(level: int, edges: list[tuple[int, tuple[int, int]]]) -> tuple[int, int]:
            people = sum(
                states(level, mask) * below * prod(sizes[level + 1 : next_level]) for mask, (next_level, below) in edges
            )
            return level, people

        deepest = len(sizes)
        level, people = self.gathered(of_node, nobody=(deepest, 0), everyone=(deepest, 1))
        return people * prod(sizes[:level])

    def boxes(self) -> Iterator[dict[int, int]]:
        """Yield disjoint boxes, states by level, that come to the region: few, and not always the fewest.

        It is cut along the level after which the fewest ways through the diagram are left, again and again; past
        12 levels along the first one that it asks about. Raises TooComplex past MAX_STEPS in one cut.
        """
        if self.is_empty():
            return
        if self.is_box():
            yield self.shadows
            return
        cuts: list[list[Region]] = []
        for level, groups in sorted(self.alike().items()):
            cut = [self & Region.box(self.space, {level: mask}) for mask in groups]
            parts = [part for part in cut if not part.is_empty()]
            if len(parts) > 1:
                cuts.append(parts)
                if len(self.shadows) > _LOOKED_AHEAD:
                    break
        for part in min(cuts, key=lambda parts: (sum(map(_paths, parts)), len(parts))):
            yield from part.boxes()

    def __len__(self) -> int:
        """Return the number of nodes of the diagram."""
        return len(self._nodes)

    def _combined(self, operation: _Operation, other: Region) -> Region:
        if self.space is not other.space:
            msg = "regions of two catalogues have no people in common to speak of"
            raise ValueError(msg)
        weaver = _Weaver(self.space)
        left, right = weaver.adopted(self._root), weaver.adopted(other._root)
        return Region(self.space, weaver.combined(operation, left, right))


class _Weaver:
    """Makes the nodes of one question; equal nodes are made once, and every step counts against MAX_STEPS."""

    def __init__(self, space: Space) -> None:
        self.full = space.full
        self.space = space
        self.steps = 0
        self.most = MAX_STEPS if space.most_steps is None else space.most_steps
        self.asked: set[int] = set()
        self.made: dict[tuple[int, tuple[tuple[int, _Node], ...]], _Node] = {}
        self.known: dict[tuple[_Operation, _Node, _Node], _Node] = {}

    def node(self, level: int, masks: dict[_Node, int]) -> _Node:
        """Return the node whose states in `masks[child]` lead to `child`."""
        masks.pop(_NOBODY, None)
        if not masks:
            return _NOBODY
        if len(masks) == 1:
            child, mask = next(iter(masks.items()))
            if mask == self.full[level]:
                return child
        edges = tuple(sorted(((mask, child) for child, mask in masks.items()), key=_lowest_state))
        made = self.made.get((level, edges))
        if made is None:
            self.count()
            made = self.made[level, edges] = _Node(level, edges)
        return made

    def count(self, steps: int = 1) -> None:
        self.steps += steps
        if self.steps > self.most:
            msg = f"takes more than {self.most} diagram operations"
            raise TooComplex(msg)

    def ask(self, levels: Iterable[int]) -> None:
        self.asked.update(levels)
        if len(self.asked) > MAX_LEVELS:
            msg = f"asks about more than {MAX_LEVELS} categories and values"
            raise TooComplex(msg)

    def chain(self, masks: dict[int, int]) -> _Node:
        """Return the box of `masks`: level -> states."""
        self.ask(masks)
        node = _EVERYONE
        for level in sorted(masks, reverse=True):
            node = self.node(level, {node: masks[level]} if masks[level] else {})
        return node

    def adopted(self, root: _Node) -> _Node:
        """Return this weaver's own copy of a diagram that another made."""
        copies: dict[_Node, _Node] = {_NOBODY: _NOBODY, _EVERYONE: _EVERYONE}
        nodes = _nodes(root)
        self.ask(node.level for node in nodes)
        for node in nodes:
            copies[node] = self.node(node.level, {copies[child]: mask for mask, child in node.edges})
        return copies[root]

    def combined(self, operation: _Operation, left: _Node, right: _Node) -> _Node:
        """Apply a set operation to two diagrams of this weaver."""
        short = _SHORT_CUTS[operation](left, right)
        if short is not None:
            return short
        key = (operation, left, right)
        found = self.known.get(key)
        if found is None:
            level = min(left.level, right.level)
            masks: dict[_Node, int] = {}
            left_edges, right_edges = self.edges(left, level), self.edges(right, level)
            self.count(len(left_edges) * len(right_edges))
            for left_mask, left_child in left_edges:
                for right_mask, right_child in right_edges:
                    if shared := left_mask & right_mask:
                        child = self.combined(operation, left_child, right_child)
                        masks[child] = masks.get(child, 0) | shared
            found = self.known[key] = self.node(level, masks)
        return found

    def edges(self, node: _Node, level: int) -> Sequence[tuple[int, _Node]]:
        """Return the edges at `level`, those to nobody too."""
        if node.level != level:
            return ((self.full[level], node),)
        rest = self.full[level]
        for mask, _ in node.edges:
            rest &= ~mask
        return (*node.edges, (rest, _NOBODY)) if rest else node.edges

    def projected(self, root: _Node, levels: frozenset[int]) -> _Node:
        """Forget every level but `levels`."""
        copies: dict[_Node, _Node] = {_NOBODY: _NOBODY, _EVERYONE: _EVERYONE}
        for node in _nodes(root):
            found = _NOBODY
            if node.level in levels:
                masks: dict[_Node, int] = {}
                for mask, child in node.edges:
                    masks[copies[child]] = masks.get(copies[child], 0) | mask
                found = self.node(node.level, masks)
            else:
                for _, child in node.edges:
                    found = self.combined("or", found, copies[child])
            copies[node] = found
        return copies[root]

    def woven(self, expression: Expression) -> _Node:
        """Return the diagram of what an expression means."""
        match expression:
            case And(parts):
                return self.folded("and", [_EVERYONE, *map(self.woven, parts)])
            case Or(parts):
                return self.folded("or", [_NOBODY, *map(self.woven, parts)])
            case Not(part):
                return self.combined("minus", _EVERYONE, self.woven(part))
            case condition:
                return self.condition(condition)

    def folded(self, operation: _Operation, nodes: list[_Node]) -> _Node:
        """Combine many diagrams pair by pair, so that each takes part in few operations."""
        while len(nodes) > 1:
            pairs = zip(nodes[::2], nodes[1::2], strict=False)
            nodes = [self.combined(operation, *pair) for pair in pairs] + nodes[len(nodes) // 2 * 2 :]
        return nodes[0]

    def condition(self, condition: Condition) -> _Node:
        name, values = condition.dimension, condition.values
        depth = self.space.depth.get((name, None))
        if depth is not None:
            mask = self.space.mask(name, values)
            return self.chain({depth: self.full[depth] & ~mask if isinstance(condition, HasNone) else mask})
        states = {self.space.depth[name, value]: 1 << HAS for value in values}
        if isinstance(condition, HasAll):
            return self.chain(states)
        nobody_holds = self.chain(dict.fromkeys(states, 1 << LACKS))
        return nobody_holds if isinstance(condition, HasNone) else self.combined("minus", _EVERYONE, nobody_holds)


def _short_and(left: _Node, right: _Node) -> _Node | None:
    if left is _NOBODY or right is _EVERYONE or left is right:
        return left
    return right if right is _NOBODY or left is _EVERYONE else None


def _short_or(left: _Node, right: _Node) -> _Node | None:
    if left is _EVERYONE or right is _NOBODY or left is right:
        return left
    return right if right is _EVERYONE or left is _NOBODY else None


def _short_minus(left: _Node, right: _Node) -> _Node | None:
    if right is _NOBODY:
        return left
    return _NOBODY if left is right or left is _NOBODY or right is _EVERYONE else None


_SHORT_CUTS = {"and": _short_and, "or": _short_or, "minus": _short_minus}


def _paths(region: Region) -> int:
    """Return how many ways lead through a diagram to everyone: into so many boxes it surely falls."""
    ways: int = region.gathered(lambda _, edges: sum(below for _, below in edges), nobody=0, everyone=1)
    return ways


def region_of(expression: Expression, catalog: Catalog) -> Region:
    """Return the people that an expression means. Raises TooComplex past MAX_STEPS or MAX_LEVELS."""
    space = catalog.space
    links = _links(expression, space)
    return Region(space, _Weaver(space).woven(expression) if links is None else _chained(links, space))


def _links(expression: Expression, space: Space) -> dict[int, tuple[int, bool]] | None:
    """Return what conditions on distinct dimensions, all of which hold, ask of each level; None for all else.

    For a level it is the states allowed, and whether that is one of several values of a dimension of which any will do.
    """
    links: dict[int, tuple[int, bool]] = {}
    dimensions: set[str] = set()
    for part in expression.parts if isinstance(expression, And) else (expression,):
        if not isinstance(part, HasAny | HasAll | HasNone) or part.dimension in dimensions:
            return None
        dimensions.add(part.dimension)
        depth = space.depth.get((part.dimension, None))
        if depth is not None:
            mask = space.mask(part.dimension, part.values)
            links[depth] = (space.full[depth] & ~mask if isinstance(part, HasNone) else mask, False)
        elif not part.values and isinstance(part, HasAny):
            return None
        else:
            state = 1 << (LACKS if isinstance(part, HasNone) else HAS)
            any_of = isinstance(part, HasAny) and len(part.values) > 1
            for value in part.values:
                links[space.depth[part.dimension, value]] = (state, any_of)
    return links if len(links) <= MAX_LEVELS else None


def _chained(links: dict[int, tuple[int, bool]], space: Space) -> _Node:
    """Return the diagram of what `_links` found, from the last level to the first."""
    node, below = _EVERYONE, _EVERYONE
    any_of = ""
    for level in sorted(links, reverse=True):
        mask, one_of_several = links[level]
        if not one_of_several:
            if not mask:
                return _NOBODY
            if mask != space.full[level]:
                node = _Node(level, ((mask, node),))
        elif space.levels[level].dimension != any_of:
            any_of, below = space.levels[level].dimension, node
            node = _Node(level, ((1 << HAS, below),))
        else:
            node = _Node(level, ((1 << LACKS, node), (1 << HAS, below)))
    return node


def _nodes(root: _Node) -> list[_Node]:
    """Return every node once, children before parents, in an order that depends on the set of people alone."""
    found: dict[_Node, None] = {}
    waiting = [(root, False)]
    while waiting:
        node, children_found = waiting.pop()
        if children_found:
            found[node] = None
        elif node not in found and node.level != _BELOW_ALL:
            waiting.append((node, True))
            waiting.extend((child, False) for _, child in reversed(node.edges))
    return list(found)


def bits(mask: int) -> Iterator[int]:
    """Yield the positions of the bits that are set, ascending."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _lowest_state(edge: tuple[int, _Node]) -> int:
    return edge[0] & -edge[0]
