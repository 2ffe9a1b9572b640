"""What an expression, or the lists of a plan, ask of bitmaps: terms, made once for a question and run on every block.

Each value of the catalogue has a bitmap, which `Layout` numbers. Terms name bitmaps by these numbers. Of a single
dimension everyone holds just one value, so that the fewer of the wanted and the unwanted bitmaps are enough.
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


class Intersection(msgspec.Struct, frozen=True):
    """The rows of all parts, of which there is at least one."""

    parts: Sequence[Term]


class Union(msgspec.Struct, frozen=True):
    """The rows of any part, of which there is at least one."""

    parts: Sequence[Term]


class Complement(msgspec.Struct, frozen=True):
    """The rows that are not of the part."""

    part: Term


Term: TypeAlias = Held | Intersection | Union | Complement

EVERYONE = Held((), others=True)


class Columns:
    """The bitmaps of one dimension: the numbers of its values' bitmaps, in the catalogue's order.

    `weighed` are those that have to be weighed for all to be known.
    """

    def __init__(self, dimension: Dimension, first: int) -> None:
        self.dimension = dimension
        self.bitmaps = range(first, first + len(dimension.values))
        self.of_value = {value.id: first + position for position, value in enumerate(dimension.values)}
        self._single = not dimension.multi
        # Of a single dimension, the last value has whoever none of the others has.
        self.weighed = self.bitmaps[:-1] if self._single else self.bitmaps
        self._number = self.of_value.__getitem__
        # Of a multi dimension, whoever has none of the others need not have any.
        self._half = len(dimension.values) // 2 if self._single else len(dimension.values)

    def any_of(self, values: Sequence[str]) -> Held:
        """Return who holds any of the values, which are distinct."""
        wanted = list(map(self._number, values))
        if len(wanted) > self._half:
            # Taking away costs one step more than keeping.
            unwanted = set(self.bitmaps).difference(wanted)
            if len(unwanted) + 1 < len(wanted) or not unwanted:
                return Held([*unwanted], others=True)
        return Held(wanted)

    def none_of(self, values: Sequence[str]) -> Held:
        """Return who holds none of the values, which are distinct."""
        if not self._single:
            return Held([self.of_value[value] for value in values], others=True)
        return self.any_of([value for value in self.of_value if value not in set(values)])


class Layout:
    """Which bitmap is whose: dimension after dimension and value after value, as the catalogue has them."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.columns: dict[str, Columns] = {}
        self.bitmaps = 0
        for dimension in catalog.dimensions:
            self.columns[dimension.id] = Columns(dimension, self.bitmaps)
            self.bitmaps += len(dimension.values)

    def term(self, expression: Expression) -> Term:
        """Return what an expression asks."""
        # By far most are these two, and a question of microseconds begins here: `match` would take some.
        if isinstance(expression, HasAny):
            return self.columns[expression.dimension].any_of(expression.values)
        if isinstance(expression, And):
            return intersection([self.term(part) for part in expression.parts])
        match expression:
            case Or(parts):
                return union([self.term(part) for part in parts])
            case Not(part):
                return complement(self.term(part))
            case HasAll(dimension, values):
                of_value = self.columns[dimension].of_value
                return intersection([Held([of_value[value]]) for value in values])
            case none:
                return self.columns[none.dimension].none_of(none.values)

    def reached(self, clause: Clause) -> Term:
        """Return whom one ad set reaches: on a list of every group, on no excluded list, and allowed.

        Raises KeyError for a list that the catalogue does not have.
        """
        parts = [union([self._listed(name) for name in group]) for group in clause.include]
        parts.append(complement(union([self._listed(name) for name in clause.exclude])))
        parts += [self.columns[name].any_of(tuple(dict.fromkeys(values))) for name, values in clause.direct.items()]
        return intersection(parts)

    def _listed(self, segment: str) -> Term:
        return intersection([self._traced(trace) for trace in self.catalog.segment[segment].traces])

    def _traced(self, trace: Trace) -> Held:
        columns = self.columns[trace.dimension]
        return (columns.none_of if trace.absent else columns.any_of)(tuple(dict.fromkeys(trace.values)))


def intersection(parts: Iterable[Term]) -> Term:
    """Return the rows of all parts: everyone, if there are none."""
    kept: list[Term] = []
    taken: list[Term] = []
    for part in parts:
        if type(part) is not Held or not part.others:
            kept.append(part)
        elif part.bitmaps:
            taken.append(part)
    # What is not a complement comes first: the others can then be taken from it in place.
    kept += taken
    return _joined(Intersection, kept) if kept else EVERYONE


def union(parts: Iterable[Term]) -> Term:
    """Return the rows of any part: nobody, if there are none. Plain bitmaps become one part."""
    plain: list[int] = []
    asked: list[Term] = []
    for part in parts:
        if isinstance(part, Held) and not part.others:
            plain.extend(part.bitmaps)
        else:
            asked.append(part)
    if plain or not asked:
        asked.insert(0, Held([*dict.fromkeys(plain)]))
    return _joined(Union, asked)


def complement(part: Term) -> Term:
    """Return the rows that are not of the part."""
    return Held(part.bitmaps, not part.others) if isinstance(part, Held) else Complement(part)


def _joined(of: type[Intersection | Union], parts: list[Term]) -> Term:
    return parts[0] if len(parts) == 1 else of(parts)
