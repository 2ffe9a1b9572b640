"""What an expression, or the lists of a plan, ask of bitmaps: terms, made once for a question and run on every piece.

Each value of the catalogue has a number, by which terms name it: `Layout`. Of a single dimension everyone holds just
one value, so that the fewer of the wanted and the unwanted bitmaps are enough; and whatever is said of the clustering
dimension alone comes to some of its values, which are looked for in their runs (`blocks.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from segmentation_core.expressions import And, HasAll, HasAny, Not, Or

if TYPE_CHECKING:
    from collections.abc import Iterable

    from segmentation_core.catalog import Catalog, Dimension, Trace
    from segmentation_core.expressions import Expression
    from segmentation_core.planning import Clause


class Held(msgspec.Struct, frozen=True):
    """The rows of any of the `bitmaps`; or, if `others`, those of none of them."""

    bitmaps: Sequence[int]
    others: bool = False


class InRuns(msgspec.Struct, frozen=True):
    """The rows that hold any of the values `numbers`, which ascend: some of the clustering dimension's, but not all."""

    numbers: Sequence[int]
    dimension: range


class Intersection(msgspec.Struct, frozen=True):
    """The rows of any bitmap of each of `kept`, of no bitmap of `taken`, and of all `parts`. One of them has some."""

    kept: Sequence[Sequence[int]]
    taken: Sequence[int]
    parts: Sequence[Term] = ()


class Union(msgspec.Struct, frozen=True):
    """The rows of any part, of which there are at least two."""

    parts: Sequence[Term]


class Complement(msgspec.Struct, frozen=True):
    """The rows that are not of the part."""

    part: Term


Term: TypeAlias = Held | InRuns | Intersection | Union | Complement

EVERYONE = Held((), others=True)
NOBODY = Held(())


class Columns:
    """One dimension: the numbers of its values, in the catalogue's order.

    `weighed` are those that have to be weighed for all to be known. `clusters` tells whether its values may have runs.
    """

    def __init__(self, dimension: Dimension, first: int, *, clusters: bool = False) -> None:
        self.dimension = dimension
        self.bitmaps = range(first, first + len(dimension.values))
        self.of_value = {value.id: first + position for position, value in enumerate(dimension.values)}
        self.clusters = clusters
        self._single = not dimension.multi
        # Of a single dimension, the last value has whoever none of the others has.
        self.weighed = self.bitmaps[:-1] if self._single else self.bitmaps
        self.number = self.of_value.__getitem__
        # Of a multi dimension, whoever has none of the others need not have any.
        self.half = len(dimension.values) // 2 if self._single else len(dimension.values)
        self.every = frozenset(self.bitmaps)

    def any_of(self, values: Sequence[str]) -> Term:
        """Return who holds any of the values, which are distinct."""
        wanted = list(map(self.number, values))
        if self.clusters:
            return in_runs(wanted, self.bitmaps)
        if len(wanted) <= self.half:
            return Held(wanted) if wanted else NOBODY
        unwanted = self.every.difference(wanted)
        return Held([*unwanted], others=True) if unwanted else EVERYONE

    def none_of(self, values: Sequence[str]) -> Term:
        """Return who holds none of the values, which are distinct."""
        return complement(self.any_of(values))


class Layout:
    """Which bitmap is whose: dimension after dimension and value after value, as the catalogue has them.

    The clustering dimension is the last one, so that the other numbers hold where it has no bitmaps. `clustered` tells
    whether there are such blocks.
    """

    def __init__(self, catalog: Catalog, *, clustered: bool) -> None:
        self.catalog = catalog
        self.columns: dict[str, Columns] = {}
        self._lists: dict[str, Term] = {}
        self.bitmaps = 0
        last = clustering(catalog)
        for dimension in [*(each for each in catalog.dimensions if each is not last), *([last] if last else [])]:
            self.columns[dimension.id] = Columns(dimension, self.bitmaps, clusters=clustered and dimension is last)
            self.bitmaps += len(dimension.values)
        # What `_all` needs of each dimension; of a clustering one, nothing that it would go by.
        self._plain = {
            name: (each.number, *((0, frozenset()) if each.clusters else (each.half, each.every)))
            for name, each in self.columns.items()
        }

    def term(self, expression: Expression) -> Term:
        """Return what an expression asks."""
        # By far most are an `and` of these, and a question of microseconds begins here: `match` would take some.
        if isinstance(expression, And):
            return self._all(expression.parts)
        if isinstance(expression, HasAny):
            return self.columns[expression.dimension].any_of(expression.values)
        match expression:
            case Or(parts):
                return union([self.term(part) for part in parts])
            case Not(part):
                return complement(self.term(part))
            case HasAll(dimension, values):
                columns = self.columns[dimension]
                return intersection([columns.any_of((value,)) for value in values])
            case none:
                return self.columns[none.dimension].none_of(none.values)

    def _all(self, conditions: Sequence[Expression]) -> Term:
        """Return what all conditions ask: without a term for each, where they are of few values of one dimension."""
        kept = []
        taken: list[int] = []
        parts = []
        plain = self._plain
        for condition in conditions:
            if type(condition) is HasAny:
                number, half, every = plain[condition.dimension]
                values = condition.values
                if 0 < len(values) <= half:
                    kept.append([*map(number, values)])
                    continue
                if values and every:
                    taken += every - {*map(number, values)}
                    continue
            parts.append(self.term(condition))
        if parts or not (kept or taken):
            return intersection([Intersection(kept, taken), *parts])
        return Intersection(kept, taken)

    def reached(self, clause: Clause) -> Term:
        """Return whom one ad set reaches: on a list of every group, on no excluded list, and allowed.

        Raises KeyError for a list that the catalogue does not have.
        """
        listed = self._listed
        parts = [union([listed(name) for name in group]) for group in clause.include]
        parts.append(complement(union([listed(name) for name in clause.exclude])))
        parts += [self.columns[name].any_of(tuple(dict.fromkeys(values))) for name, values in clause.direct.items()]
        return intersection(parts)

    def _listed(self, segment: str) -> Term:
        """Return who is on a list. Plans name the same ones again and again, so it is kept."""
        found = self._lists.get(segment)
        if found is None:
            traces = self.catalog.segment[segment].traces
            found = self._lists[segment] = intersection([self._traced(trace) for trace in traces])
        return found

    def _traced(self, trace: Trace) -> Term:
        columns = self.columns[trace.dimension]
        return (columns.none_of if trace.absent else columns.any_of)(tuple(dict.fromkeys(trace.values)))


def clustering(catalog: Catalog) -> Dimension | None:
    """Return the dimension by whose values rows may stand: of the single ones the first of those with most values."""
    singles = [each for each in catalog.dimensions if not each.multi and len(each.values) > 1]
    return max(singles, key=lambda each: len(each.values), default=None)


def in_runs(numbers: Iterable[int], dimension: range) -> Term:
    """Return the rows of any of the values of the clustering dimension."""
    ascending = sorted(set(numbers))
    if not ascending:
        return NOBODY
    return InRuns(ascending, dimension) if len(ascending) < len(dimension) else EVERYONE


def narrowed(term: Term) -> tuple[InRuns | None, Term]:
    """Return in which runs all rows of a term are, if it says so, and which rows of these they are."""
    if isinstance(term, InRuns):
        return term, EVERYONE
    if isinstance(term, Intersection) and term.parts and isinstance(term.parts[0], InRuns):
        rest = (Intersection(term.kept, term.taken), *term.parts[1:])
        return term.parts[0], intersection(rest)
    return None, term


def intersection(parts: Iterable[Term]) -> Term:
    """Return the rows of all parts: everyone, if there are none. A condition on runs becomes the first part."""
    kept: list[Sequence[int]] = []
    taken: list[int] = []
    asked: list[Term] = []
    for part in _flat(parts):
        if part == NOBODY:
            return NOBODY
        if not isinstance(part, Held):
            asked.append(part)
        elif part.others:
            taken.extend(part.bitmaps)
        else:
            kept.append(part.bitmaps)
    runs = [part for part in asked if isinstance(part, InRuns)]
    if runs:
        common = set(runs[0].numbers).intersection(*(each.numbers for each in runs))
        if not common:
            return NOBODY
        asked = [in_runs(common, runs[0].dimension), *(part for part in asked if not isinstance(part, InRuns))]
    if kept or taken:
        if asked or len(kept) + bool(taken) > 1:
            return Intersection(kept, taken, asked)
        return Held(kept[0]) if kept else Held(taken, others=True)
    if len(asked) > 1:
        return Intersection(kept, taken, asked)
    return asked[0] if asked else EVERYONE


def _flat(parts: Iterable[Term]) -> Iterable[Term]:
    for part in parts:
        if isinstance(part, Intersection):
            yield from map(Held, part.kept)
            yield Held(part.taken, others=True)
            yield from part.parts
        else:
            yield part


def union(parts: Iterable[Term]) -> Term:
    """Return the rows of any part: nobody, if there are none. Plain bitmaps become one part, and so do runs."""
    plain: dict[int, None] = {}
    runs: list[InRuns] = []
    asked: list[Term] = []
    for part in parts:
        if isinstance(part, Held) and not part.others:
            plain.update(dict.fromkeys(part.bitmaps))
        elif isinstance(part, InRuns):
            runs.append(part)
        else:
            asked.append(part)
    if runs:
        asked.insert(0, in_runs({number for each in runs for number in each.numbers}, runs[0].dimension))
    if plain:
        asked.insert(0, Held([*plain]))
    if len(asked) > 1:
        return EVERYONE if EVERYONE in asked else Union(asked)
    return asked[0] if asked else NOBODY


def complement(part: Term) -> Term:
    """Return the rows that are not of the part."""
    if isinstance(part, Held):
        return Held(part.bitmaps, not part.others)
    if isinstance(part, InRuns):
        return in_runs(set(part.dimension).difference(part.numbers), part.dimension)
    return Complement(part)
