"""The filter language: reading a filter document against a catalogue.

::

    filter    = compact | junction | negation | condition | reference
    compact   = {dimension: [value, ...], ...}          ANY within a dimension, AND between them; [] is no constraint
    junction  = {"and": [filter, ...]} | {"or": [filter, ...]}
    negation  = {"not": filter}
    condition = {"dimension": id, operator: operand}    with exactly one operator
    operator  = "in" | "not_in" | "all" | "none" | "between" | "at_least" | "at_most"
    reference = {"preset": id}                          a saved filter, where the service has looked it up

`docs/filter-language.md` tells it with examples, which the tests execute.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from segmentation_core import expressions, regions
from segmentation_core.catalog import Catalog
from segmentation_core.documents import MAX_DEPTH, at
from segmentation_core.errors import MOST_PROBLEMS, FilterError, PersonError, Problem, excerpt, one_of
from segmentation_core.expressions import And, Condition, Expression, HasAll, HasAny, HasNone, Not, Or

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from segmentation_core.catalog import Dimension
    from segmentation_core.expressions import Person
    from segmentation_core.regions import Region

MAX_PARTS = 20_000
"""How many objects, lists and values one filter may be made of."""

NODES = ("and", "or", "not", "dimension", "preset")
"""The words that tell what a filter object is, the first of them that it has."""


class Filter(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A filter that has been read: `expression` says what it wants, `catalog` what its words mean.

    Two filters are compared by meaning: `fingerprint`, or `segmentation_core.relation`.
    """

    expression: Expression
    catalog: Catalog

    def matches(self, person: Person) -> bool:
        """Tell whether `person` is wanted.

        Raises PersonError where the person lacks a dimension of the filter or holds what the catalogue does not know.
        """
        asked = {condition.dimension for condition in expressions.conditions(self.expression)}
        held = {name: _held(self.catalog.dimension[name], person) for name in sorted(asked)}
        return expressions.matches(self.expression, held)

    @cached_property
    def region(self) -> Region:
        """The set of people that the filter means. Raises TooComplex past the bound on its size."""
        return regions.region_of(self.expression, self.catalog)

    @property
    def fingerprint(self) -> str:
        """A text that equals another filter's exactly if they mean the same people, on every machine."""
        return self.region.fingerprint


def parse_filter(
    document: object, catalog: Catalog, *, path: str = "$", presets: Mapping[int, Expression | str] | None = None
) -> Filter:
    """Read a filter document (dicts, lists and strings, as JSON gives them) that stands at `path`.

    `presets` has what each preset stands for that the document refers to, or says why it stands for nothing.

    Raises FilterError with the path of every fault: what was found there, what may stand there, the nearest name.
    """
    depth_and_parts(document, path)
    reader = _Reader(catalog, presets)
    return reader.finished(reader.filter(document, path))


def parse_choices(choices: object, catalog: Catalog, *, path: str = "$") -> Filter:
    """Read the compact form alone, as a dashboard sends it with all of its fields.

    Unlike in `parse_filter`, a dimension that the catalogue does not know is accepted where its list is empty.
    """
    depth_and_parts(choices, path)
    reader = _Reader(catalog)
    if not isinstance(choices, dict):
        reader.fault(path, "is not an object", choices, "{dimension: [value, ...], ...}")
        return reader.finished(And(()))
    asked = {
        name: values
        for name, values in choices.items()
        if values not in ([], ()) or name in catalog.dimension or not isinstance(name, str)
    }
    return reader.finished(reader.compact(asked, path))


def _held(dimension: Dimension, person: Person) -> Collection[str]:
    path = at("$", dimension.id)
    if dimension.id not in person:
        raise PersonError(Problem(path, f"the filter asks about {dimension.id!r}, which this person lacks"))
    found: object = person[dimension.id]
    if isinstance(found, str) == dimension.multi or not isinstance(found, Collection):
        expected = "a collection of value ids" if dimension.multi else "the id of one value"
        raise PersonError(Problem(path, f"{dimension.id!r} is {dimension.kind}-valued", excerpt(found), expected))
    held = (found,) if isinstance(found, str) else found
    for value in held:
        if not isinstance(value, str) or value not in dimension.positions:
            expected = one_of(value, dimension.positions)
            raise PersonError(Problem(path, f"{dimension.id!r} has no such value", excerpt(value), expected))
    return held


def depth_and_parts(document: object, path: str) -> tuple[int, int]:
    """Return how deep a document nests and of how many parts it is made, within their bounds: before anything recurses.

    Raises FilterError past them.
    """
    level: list[object] = [document]
    depth = parts = 0
    while level:
        parts += len(level)
        if parts > MAX_PARTS:
            raise FilterError(Problem(path, f"is made of more than {MAX_PARTS} parts"))
        below: list[object] = []
        nests = False
        for part in level:
            if isinstance(part, str):  # nearly all are
                continue
            if isinstance(part, dict):
                below.extend(part.values())
            elif isinstance(part, list | tuple):
                below.extend(part)
            else:
                continue
            nests = True
            if len(below) > MAX_PARTS:
                break
        depth += nests
        if depth > MAX_DEPTH:
            raise FilterError(Problem(path, f"is nested more than {MAX_DEPTH} deep"))
        level = below
    return depth, parts


def _step(path: str, key: object) -> str:
    return at(path, key if isinstance(key, str) else excerpt(key))


class _Reader:
    """One reading of one document. Each method reads what its grammar line says; faults gather in `problems`."""

    def __init__(self, catalog: Catalog, presets: Mapping[int, Expression | str] | None = None) -> None:
        self.catalog = catalog
        self.presets = presets
        self.problems: list[Problem] = []

    def fault(self, path: str, message: str, found: object, expected: str | None = None) -> None:
        self.problems.append(Problem(path, message, excerpt(found), expected))

    def unknown(self, path: str, message: str, found: object, known: Iterable[str]) -> None:
        """Add a fault that tells the nearest known name: looked for only while the error will list it."""
        listed = len(self.problems) < MOST_PROBLEMS
        self.fault(path, message, found, one_of(found, known) if listed else None)

    def finished(self, expression: Expression) -> Filter:
        if self.problems:
            raise FilterError(self.problems)
        return Filter(expression, self.catalog)

    def filter(self, document: object, path: str) -> Expression:
        """filter = compact | junction | negation | condition | reference."""
        if not isinstance(document, dict):
            self.fault(path, "is not a filter", document, "an object")
            return And(())
        nodes = [word for word in NODES if word in document]
        if not nodes:
            return self.compact(document, path)
        node = nodes[0]
        if node in ("dimension", "preset"):
            return self.condition(document, path) if node == "dimension" else self.reference(document, path)
        self.require_alone(node, document, path)
        if node == "not":
            return Not(self.filter(document["not"], at(path, "not")))
        return self.junction(document[node], at(path, node), And if node == "and" else Or)

    def compact(self, document: dict[Any, Any], path: str) -> Expression:
        """compact = {dimension: [value, ...], ...}."""
        parts: list[Expression] = []
        for name, values in document.items():
            known = self.catalog.dimension.get(name) if isinstance(name, str) else None
            if known and (chosen := _chosen(values, known)) is not None:  # nothing to tell, so no path to make
                if chosen:  # an empty list is no constraint, as most of the fields that a dashboard sends
                    parts.append(HasAny(known.id, chosen))
                continue
            place = _step(path, name)
            if (dimension := self.dimension(name, place)) is None:
                continue
            wanted = self.values(dimension, values, place)
            if wanted:
                parts.append(HasAny(dimension.id, wanted))
        return And(tuple(parts))

    def junction(self, documents: object, path: str, of: type[And | Or]) -> Expression:
        """junction = {"and": [filter, ...]} | {"or": [filter, ...]}."""
        if not isinstance(documents, list | tuple):
            self.fault(path, "is not a list", documents, "a list of filters")
            return of(())
        return of(tuple(self.filter(document, at(path, i)) for i, document in enumerate(documents)))

    def reference(self, document: dict[Any, Any], path: str) -> Expression:
        """Read a reference = {"preset": id}."""
        asked, place = document["preset"], at(path, "preset")
        if self.presets is None:
            self.fault(place, "only the service can look up a preset", asked)
            return And(())
        self.require_alone("preset", document, path)
        if not isinstance(asked, int) or isinstance(asked, bool):
            self.fault(place, "is not the id of a preset", asked, "a number, such as 17")
            return And(())
        found = self.presets.get(asked, "there is no such preset")
        if isinstance(found, str):
            self.fault(place, found, asked)
            return And(())
        return found

    def require_alone(self, node: str, document: dict[Any, Any], path: str) -> None:
        for key, beside in document.items():
            if key != node:
                self.fault(_step(path, key), f"stands beside {node!r}, which stands alone", beside)

    def condition(self, document: dict[Any, Any], path: str) -> Expression:
        """condition = {"dimension": id, operator: operand}."""
        dimension = self.dimension(document["dimension"], at(path, "dimension"))
        operators = [key for key in document if key != "dimension"]
        for name in operators:
            if name not in _OPERATORS:
                self.unknown(_step(path, name), "there is no such operator", name, _OPERATORS)
        if len(operators) != 1:
            self.fault(path, "a condition has exactly one operator", operators, one_of("in", _OPERATORS))
        if dimension is None or len(operators) != 1 or operators[0] not in _OPERATORS:
            return And(())
        return _OPERATORS[operators[0]](self, dimension, document[operators[0]], at(path, operators[0]))

    def any(self, dimension: Dimension, operand: object, path: str) -> Condition:
        return HasAny(dimension.id, self.values(dimension, operand, path))

    def none(self, dimension: Dimension, operand: object, path: str) -> Condition:
        return HasNone(dimension.id, self.values(dimension, operand, path))

    def all_of(self, dimension: Dimension, operand: object, path: str) -> Condition:
        self.require(dimension, operand, path, fits=dimension.multi, need="a multi dimension")
        return HasAll(dimension.id, self.values(dimension, operand, path))

    def none_of(self, dimension: Dimension, operand: object, path: str) -> Condition:
        self.require(dimension, operand, path, fits=dimension.multi, need="a multi dimension")
        return HasNone(dimension.id, self.values(dimension, operand, path))

    def between(self, dimension: Dimension, operand: object, path: str) -> Condition:
        """Both ends belong to the range."""
        self.require(dimension, operand, path, fits=dimension.ordered, need="an ordered dimension")
        if not isinstance(operand, list | tuple) or len(operand) != 2:  # noqa: PLR2004  a low and a high end
            self.fault(path, "is not a range", operand, "[low, high]")
            return HasAny(dimension.id, ())
        ends = [self.value(dimension, end, at(path, i)) for i, end in enumerate(operand)]
        low, high = (dimension.positions.get(end, 0) if end is not None else 0 for end in ends)
        if None not in ends and low > high:
            self.fault(path, "the range is reversed", operand, "the lower end first")
        return self.range(dimension, low, high)

    def at_least(self, dimension: Dimension, operand: object, path: str) -> Condition:
        self.require(dimension, operand, path, fits=dimension.ordered, need="an ordered dimension")
        low = self.value(dimension, operand, path)
        return self.range(dimension, dimension.positions[low] if low else 0, len(dimension.values))

    def at_most(self, dimension: Dimension, operand: object, path: str) -> Condition:
        self.require(dimension, operand, path, fits=dimension.ordered, need="an ordered dimension")
        high = self.value(dimension, operand, path)
        return self.range(dimension, 0, dimension.positions[high] if high else 0)

    def range(self, dimension: Dimension, low: int, high: int) -> Condition:
        return HasAny(dimension.id, tuple(value.id for value in dimension.values[low : high + 1]))

    def require(self, dimension: Dimension, operand: object, path: str, *, fits: bool, need: str) -> None:
        if not fits:
            self.fault(path, f"the operator needs {need}, which {dimension.id!r} is not", operand)

    def dimension(self, name: object, path: str) -> Dimension | None:
        found = self.catalog.dimension.get(name) if isinstance(name, str) else None
        if found is None:
            self.unknown(path, "there is no such dimension", name, self.catalog.dimension)
        return found

    def values(self, dimension: Dimension, operand: object, path: str) -> tuple[str, ...]:
        """Read a list of values of the dimension; the same value twice is the same list."""
        chosen = _chosen(operand, dimension)
        if chosen is not None:  # nothing to tell, so no paths to make
            return chosen
        if not isinstance(operand, list | tuple):
            self.fault(path, "is not a list", operand, "a list of value ids")
            return ()
        read = [self.value(dimension, value, at(path, i)) for i, value in enumerate(operand)]
        return tuple(dict.fromkeys(value for value in read if value is not None))

    def value(self, dimension: Dimension, found: object, path: str) -> str | None:
        if isinstance(found, str) and found in dimension.positions:
            return found
        message = f"{dimension.id!r} has no such value" if isinstance(found, str) else "is not a value id"
        self.unknown(path, message, found, dimension.positions)
        return None


def _chosen(operand: object, dimension: Dimension) -> tuple[str, ...] | None:
    """Return the distinct values of a list that are all the dimension's, None for all else."""
    if not isinstance(operand, list | tuple):
        return None
    try:
        distinct = dict.fromkeys(operand)
    except TypeError:  # a list or an object among them
        return None
    return tuple(distinct) if distinct.keys() <= dimension.positions.keys() else None


_OPERATORS: dict[str, Callable[[_Reader, Dimension, object, str], Condition]] = {
    "in": _Reader.any,
    "not_in": _Reader.none,
    "all": _Reader.all_of,
    "none": _Reader.none_of,
    "between": _Reader.between,
    "at_least": _Reader.at_least,
    "at_most": _Reader.at_most,
}
