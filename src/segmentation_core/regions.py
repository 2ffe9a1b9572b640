"""Sets of people over a catalogue, exactly: reduced ordered decision diagrams.

A diagram asks about one level after another: a level is a single dimension (which of its values?) or one value of a
multi dimension (held or not?). Levels stand in the order of their ids, and equal subdiagrams are one node, so two
filters that mean the same have the same diagram, and one fingerprint, whatever their wording and whatever the order of
the catalogue file. Multi-valued, with sets of values on the edges, after Srinivasan, Ham, Malik and Brayton,
"Algorithms for discrete function manipulation" (ICCAD 1990); canonicity after Bryant (IEEE ToC 1986).
"""

from __future__ import annotations

from functools import cached_property, reduce
from hashlib import blake2b
from math import prod
from operator import or_
from typing import TYPE_CHECKING, Final, TypeVar

from segmentation_core.diagrams import BELOW_ALL, EVERYONE, NOBODY, Weaver, diagram_of, nodes_of
from segmentation_core.spaces import HAS, bits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from segmentation_core.catalog import Catalog
    from segmentation_core.diagrams import Node, Operation
    from segmentation_core.expressions import Expression
    from segmentation_core.spaces import Space

T = TypeVar("T")

_LOOKED_AHEAD = 12
"""Over how many levels the best one to cut a region along is looked for."""


class Region:
    """A set of people. Regions of one catalogue combine with `&`, `|`, `-` and `~`; all are values.

    Raises TooComplex where a combination takes more than MAX_STEPS diagram operations or asks about more than
    MAX_LEVELS levels.
    """

    def __init__(self, space: Space, root: Node) -> None:
        self.space: Final = space
        self._root: Final = root

    @classmethod
    def everyone(cls, space: Space) -> Region:
        """Return the region that everyone is in."""
        return cls(space, EVERYONE)

    @classmethod
    def box(cls, space: Space, masks: dict[int, int]) -> Region:
        """Return the people whose state at each level named lies in the set given for it."""
        return cls(space, Weaver(space).chain(masks))

    @classmethod
    def of_combinations(cls, space: Space, levels: Sequence[int], combinations: int) -> Region:
        """Return the people whose combination of states of `levels` occurs; the inverse of `combinations`."""
        weaver = Weaver(space)

        def below(position: int, occurring: int) -> Node:
            if position == len(levels) or not occurring:
                return EVERYONE if occurring else NOBODY
            size = prod(len(space.levels[level].states) for level in levels[position + 1 :])
            masks: dict[Node, int] = {}
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
        return Region(self.space, EVERYONE) - self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Region) and self.space is other.space and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def is_empty(self) -> bool:
        """Tell whether nobody is in the region."""
        return self._root is NOBODY

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
        number: dict[Node, int] = {NOBODY: 0, EVERYONE: 1}
        told = self.space.told
        for node in self._nodes:
            edges = [f"{told(node.level, mask)}>{number[child]}" for mask, child in node.edges]
            number[node] = len(number)
            lines.append(f"{self.space.names[node.level]} {' '.join(edges)}")
        text = "\n".join([*lines, str(number[self._root])])
        return blake2b(text.encode(), digest_size=16).hexdigest()

    @cached_property
    def _nodes(self) -> list[Node]:
        return nodes_of(self._root)

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
        rank = {level: position for position, level in enumerate(asked)} | {BELOW_ALL: len(asked)}
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
        value: dict[Node, int] = {NOBODY: 0, EVERYONE: everyone}
        for node in self._nodes:
            value[node] = reduce(or_, (of_edge(node.level, mask, value[child]) for mask, child in node.edges))
        return value[self._root]

    def gathered(self, of_node: Callable[[int, list[tuple[int, T]]], T], *, nobody: T, everyone: T) -> T:
        """Return what `of_node(level, [(states, below), ...])` gives for the whole, from the bottom up.

        `below` is what it gave for the rest of the diagram: `everyone` at the end. States on no edge lead to nobody;
        the result is `nobody` for the empty region.
        """
        value: dict[Node, T] = {NOBODY: nobody, EVERYONE: everyone}
        for node in self._nodes:
            value[node] = of_node(node.level, [(mask, value[child]) for mask, child in node.edges])
        return value[self._root]

    def onto(self, levels: Sequence[int]) -> Region:
        """Return the people who agree with somebody in the region on all of `levels`."""
        weaver = Weaver(self.space)
        return Region(self.space, weaver.projected(weaver.adopted(self._root), frozenset(levels)))

    def combinations(self, levels: Sequence[int]) -> int:
        """Return which combinations of states of `levels` occur, as a set of positions.

        The levels are in ascending order and the region constrains no other. The combination of states s_1, ..., s_k
        has the position it has in `itertools.product(states_1, ..., states_k)`.
        """
        memo: dict[tuple[int, Node], int] = {}

        def below(position: int, node: Node) -> int:
            if node is NOBODY:
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
        while node is not EVERYONE:
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

    def _combined(self, operation: Operation, other: Region) -> Region:
        if self.space is not other.space:
            msg = "regions of two catalogues have no people in common to speak of"
            raise ValueError(msg)
        weaver = Weaver(self.space)
        left, right = weaver.adopted(self._root), weaver.adopted(other._root)
        return Region(self.space, weaver.combined(operation, left, right))


def _paths(region: Region) -> int:
    """Return how many ways lead through a diagram to everyone: into so many boxes it surely falls."""
    ways: int = region.gathered(lambda _, edges: sum(below for _, below in edges), nobody=0, everyone=1)
    return ways


def region_of(expression: Expression, catalog: Catalog) -> Region:
    """Return the people that an expression means. Raises TooComplex past MAX_STEPS or MAX_LEVELS."""
    return Region(catalog.space, diagram_of(expression, catalog.space))
