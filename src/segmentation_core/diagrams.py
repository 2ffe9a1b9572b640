"""The nodes of reduced ordered decision diagrams, and how they are made and combined.

Equal subdiagrams of one question are one node (Bryant, IEEE ToC 1986). Multi-valued, with sets of values on the edges,
after Srinivasan, Ham, Malik and Brayton, "Algorithms for discrete function manipulation" (ICCAD 1990). `regions.py` has
the sets of people that diagrams stand for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from segmentation_core.errors import TooComplex
from segmentation_core.expressions import And, HasAll, HasAny, HasNone, Not, Or
from segmentation_core.spaces import HAS, LACKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from segmentation_core.expressions import Condition, Expression
    from segmentation_core.spaces import Space

MAX_STEPS = 300_000
"""How many diagram operations one question may take: nodes made, and pairs of edges compared."""

MAX_LEVELS = 500
"""How many levels one question may ask about: as deep as an operation recurses."""


class Node:
    """A diagram: at `level`, each edge leads a set of states to what then remains to be asked.

    States on no edge lead to nobody. Edges are disjoint and stand in the order of their lowest state.
    """

    __slots__ = ("edges", "level")

    def __init__(self, level: int, edges: tuple[tuple[int, Node], ...]) -> None:
        self.level = level
        self.edges = edges


BELOW_ALL = 1 << 60
NOBODY = Node(BELOW_ALL, ())
EVERYONE = Node(BELOW_ALL, ())
Operation: TypeAlias = Literal["and", "or", "minus"]


class Weaver:
    """Makes the nodes of one question; equal nodes are made once, and every step counts against MAX_STEPS."""

    def __init__(self, space: Space) -> None:
        self.full = space.full
        self.space = space
        self.steps = 0
        self.most = MAX_STEPS if space.most_steps is None else space.most_steps
        self.asked: set[int] = set()
        self.made: dict[tuple[int, tuple[tuple[int, Node], ...]], Node] = {}
        self.known: dict[tuple[Operation, Node, Node], Node] = {}

    def node(self, level: int, masks: dict[Node, int]) -> Node:
        """Return the node whose states in `masks[child]` lead to `child`."""
        masks.pop(NOBODY, None)
        if not masks:
            return NOBODY
        if len(masks) == 1:
            child, mask = next(iter(masks.items()))
            if mask == self.full[level]:
                return child
        edges = tuple(sorted(((mask, child) for child, mask in masks.items()), key=_lowest_state))
        made = self.made.get((level, edges))
        if made is None:
            self.count()
            made = self.made[level, edges] = Node(level, edges)
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

    def chain(self, masks: dict[int, int]) -> Node:
        """Return the box of `masks`: level -> states."""
        self.ask(masks)
        node = EVERYONE
        for level in sorted(masks, reverse=True):
            node = self.node(level, {node: masks[level]} if masks[level] else {})
        return node

    def adopted(self, root: Node) -> Node:
        """Return this weaver's own copy of a diagram that another made."""
        copies: dict[Node, Node] = {NOBODY: NOBODY, EVERYONE: EVERYONE}
        nodes = nodes_of(root)
        self.ask(node.level for node in nodes)
        for node in nodes:
            copies[node] = self.node(node.level, {copies[child]: mask for mask, child in node.edges})
        return copies[root]

    def combined(self, operation: Operation, left: Node, right: Node) -> Node:
        """Apply a set operation to two diagrams of this weaver."""
        short = _SHORT_CUTS[operation](left, right)
        if short is not None:
            return short
        key = (operation, left, right)
        found = self.known.get(key)
        if found is None:
            level = min(left.level, right.level)
            masks: dict[Node, int] = {}
            left_edges, right_edges = self.edges(left, level), self.edges(right, level)
            self.count(len(left_edges) * len(right_edges))
            for left_mask, left_child in left_edges:
                for right_mask, right_child in right_edges:
                    if shared := left_mask & right_mask:
                        child = self.combined(operation, left_child, right_child)
                        masks[child] = masks.get(child, 0) | shared
            found = self.known[key] = self.node(level, masks)
        return found

    def edges(self, node: Node, level: int) -> Sequence[tuple[int, Node]]:
        """Return the edges at `level`, those to nobody too."""
        if node.level != level:
            return ((self.full[level], node),)
        rest = self.full[level]
        for mask, _ in node.edges:
            rest &= ~mask
        return (*node.edges, (rest, NOBODY)) if rest else node.edges

    def projected(self, root: Node, levels: frozenset[int]) -> Node:
        """Forget every level but `levels`."""
        copies: dict[Node, Node] = {NOBODY: NOBODY, EVERYONE: EVERYONE}
        for node in nodes_of(root):
            found = NOBODY
            if node.level in levels:
                masks: dict[Node, int] = {}
                for mask, child in node.edges:
                    masks[copies[child]] = masks.get(copies[child], 0) | mask
                found = self.node(node.level, masks)
            else:
                for _, child in node.edges:
                    found = self.combined("or", found, copies[child])
            copies[node] = found
        return copies[root]

    def woven(self, expression: Expression) -> Node:
        """Return the diagram of what an expression means."""
        match expression:
            case And(parts):
                return self.folded("and", [EVERYONE, *map(self.woven, parts)])
            case Or(parts):
                return self.folded("or", [NOBODY, *map(self.woven, parts)])
            case Not(part):
                return self.combined("minus", EVERYONE, self.woven(part))
            case condition:
                return self.condition(condition)

    def folded(self, operation: Operation, nodes: list[Node]) -> Node:
        """Combine many diagrams pair by pair, so that each takes part in few operations."""
        while len(nodes) > 1:
            pairs = zip(nodes[::2], nodes[1::2], strict=False)
            nodes = [self.combined(operation, *pair) for pair in pairs] + nodes[len(nodes) // 2 * 2 :]
        return nodes[0]

    def condition(self, condition: Condition) -> Node:
        name, values = condition.dimension, condition.values
        depth = self.space.depth.get((name, None))
        if depth is not None:
            mask = self.space.mask(name, values)
            return self.chain({depth: self.full[depth] & ~mask if isinstance(condition, HasNone) else mask})
        states = {self.space.depth[name, value]: 1 << HAS for value in values}
        if isinstance(condition, HasAll):
            return self.chain(states)
        nobody_holds = self.chain(dict.fromkeys(states, 1 << LACKS))
        return nobody_holds if isinstance(condition, HasNone) else self.combined("minus", EVERYONE, nobody_holds)


def _short_and(left: Node, right: Node) -> Node | None:
    if left is NOBODY or right is EVERYONE or left is right:
        return left
    return right if right is NOBODY or left is EVERYONE else None


def _short_or(left: Node, right: Node) -> Node | None:
    if left is EVERYONE or right is NOBODY or left is right:
        return left
    return right if right is EVERYONE or left is NOBODY else None


def _short_minus(left: Node, right: Node) -> Node | None:
    if right is NOBODY:
        return left
    return NOBODY if left is right or left is NOBODY or right is EVERYONE else None


_SHORT_CUTS = {"and": _short_and, "or": _short_or, "minus": _short_minus}


def diagram_of(expression: Expression, space: Space) -> Node:
    """Return the diagram of what an expression means. Raises TooComplex past MAX_STEPS or MAX_LEVELS."""
    links = _links(expression, space)
    return Weaver(space).woven(expression) if links is None else _chained(links, space)


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


def _chained(links: dict[int, tuple[int, bool]], space: Space) -> Node:
    """Return the diagram of what `_links` found, from the last level to the first."""
    node, below = EVERYONE, EVERYONE
    any_of = ""
    for level in sorted(links, reverse=True):
        mask, one_of_several = links[level]
        if not one_of_several:
            if not mask:
                return NOBODY
            if mask != space.full[level]:
                node = Node(level, ((mask, node),))
        elif space.levels[level].dimension != any_of:
            any_of, below = space.levels[level].dimension, node
            node = Node(level, ((1 << HAS, below),))
        else:
            node = Node(level, ((1 << LACKS, node), (1 << HAS, below)))
    return node


def nodes_of(root: Node) -> list[Node]:
    """Return every node once, children before parents, in an order that depends on the set of people alone."""
    chain: list[Node] = []
    node = root
    while len(node.edges) == 1:
        chain.append(node)
        ((_, node),) = node.edges
    if node.level == BELOW_ALL:  # as of nearly all filters that a dashboard sends
        return chain[::-1]
    found: dict[Node, None] = {}
    waiting = [(root, False)]
    while waiting:
        node, children_found = waiting.pop()
        if children_found:
            found[node] = None
        elif node not in found and node.level != BELOW_ALL:
            waiting.append((node, True))
            waiting.extend((child, False) for _, child in reversed(node.edges))
    return list(found)


def _lowest_state(edge: tuple[int, Node]) -> int:
    return edge[0] & -edge[0]
