"""Reading and checking a catalogue file."""

from __future__ import annotations

import itertools
import re
import string
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from segmentation_core.catalog import Catalog, Dimension, Segment, Trace, Value, Weight
from segmentation_core.documents import at, parse_json
from segmentation_core.errors import CatalogError, Problem, TooComplex, excerpt, one_of
from segmentation_core.planning.factors import factors_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

RESERVED = ("and", "or", "not", "dimension", "preset")
"""Words of the filter language, which no dimension may be called."""

_PLACE = re.compile(r" - at `(\$[^`]*)`\Z")

MAX_SEGMENTS = 200_000
"""How many lists the families of a catalogue may come to."""


class _Has(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    has: str


class _Lacks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lacks: str


_Where: TypeAlias = dict[str, Any]


class _SegmentEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"except_": "except"}):
    id: str
    where: _Where = {}
    for_each: tuple[str, ...] = ()
    except_: dict[str, tuple[str, ...]] = {}
    absent: bool = False
    external_ids: dict[str, str] = {}


class _CatalogEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    version: str
    dimensions: tuple[Dimension, ...]
    segments: tuple[_SegmentEntry, ...] = ()
    weight: Weight | None = None


class _Segments:
    """The segments of a file, written out; every fault goes to `problems`."""

    def __init__(self, dimensions: Mapping[str, Dimension], problems: list[Problem]) -> None:
        self.dimensions = dimensions
        self.problems = problems
        self.written: dict[str, Segment] = {}

    def fault(self, path: str, message: str, found: object = None, expected: str | None = None) -> None:
        self.problems.append(Problem(path, message, None if found is None else excerpt(found), expected))

    def write_out(self, entry: _SegmentEntry, path: str) -> None:
        before = len(self.problems)
        family = [self.listed_dimension(name, at(at(path, "for_each"), i)) for i, name in enumerate(entry.for_each)]
        fixed = tuple(
            trace
            for name, wanted in entry.where.items()
            if (trace := self.trace(name, wanted, at(at(path, "where"), name))) is not None
        )
        for name in {trace.dimension for trace in fixed} & set(entry.for_each):
            self.fault(at(at(path, "where"), name), "the family already goes through this dimension")
        if len(set(entry.for_each)) != len(entry.for_each):
            self.fault(at(path, "for_each"), "names a dimension twice", entry.for_each)
        if entry.absent and not any(dimension and dimension.multi for dimension in family):
            self.fault(at(path, "absent"), "there is no multi dimension in for_each to be absent from")
        left_out = {name: self.left_out(entry, name, values, path) for name, values in entry.except_.items()}
        self.check_templates(entry, path)
        if len(self.problems) == before:
            members = [
                [(dimension, value) for value in dimension.values if value.id not in left_out.get(dimension.id, ())]
                for dimension in family
                if dimension
            ]
            self.add_family(entry, fixed, members, path)

    def add_family(
        self, entry: _SegmentEntry, fixed: tuple[Trace, ...], members: list[list[tuple[Dimension, Value]]], path: str
    ) -> None:
        if len(self.written) + prod(map(len, members)) > MAX_SEGMENTS:
            self.fault(path, f"the segments come to more than {MAX_SEGMENTS}")
            return
        for chosen in itertools.product(*members):
            names = {dimension.id: value.id for dimension, value in chosen}
            name = _fill(entry.id, names)
            traces = tuple(Trace(d.id, (v.id,), absent=entry.absent and d.multi) for d, v in chosen)
            if name in self.written:
                self.fault(at(path, "id"), f"a segment {name!r} is there already", name)
                return
            external = {platform: _fill(number, names) for platform, number in entry.external_ids.items()}
            self.written[name] = Segment(name, fixed + traces, external)

    def listed_dimension(self, name: str, path: str) -> Dimension | None:
        dimension = self.dimensions.get(name)
        if dimension is None:
            self.fault(path, "there is no such dimension", name, one_of(name, self.dimensions))
        elif dimension.direct:
            self.fault(path, f"the platform targets {name!r} directly, so no list can speak of it", name)
        return dimension

    def trace(self, name: str, wanted: object, path: str) -> Trace | None:
        dimension = self.listed_dimension(name, path)
        if dimension is None:
            return None
        try:
            if dimension.multi:
                form: type[_Has | _Lacks] = _Has if isinstance(wanted, dict) and "has" in wanted else _Lacks
                held = msgspec.convert(wanted, form)
                value, absent = (held.has, False) if isinstance(held, _Has) else (held.lacks, True)
                known = self.known_values(dimension, [(path, value)])
                return Trace(name, (value,), absent=absent) if known else None
            values = msgspec.convert(wanted, str | list[str])
        except msgspec.ValidationError:
            expected = '{"has": value} or {"lacks": value}' if dimension.multi else "a value or a list of values"
            self.fault(path, f"{name!r} is {dimension.kind}-valued", wanted, expected)
            return None
        listed = [values] if isinstance(values, str) else values
        if not listed:
            self.fault(path, "a segment of nobody", wanted, "at least one value")
        places = [(path if isinstance(values, str) else at(path, i), value) for i, value in enumerate(listed)]
        if not self.known_values(dimension, places):
            return None
        asked = set(listed)
        return Trace(name, tuple(value.id for value in dimension.values if value.id in asked))

    def left_out(self, entry: _SegmentEntry, name: str, values: tuple[str, ...], path: str) -> tuple[str, ...]:
        place = at(at(path, "except"), name)
        if name not in entry.for_each:
            self.fault(place, "is not a dimension of this family", name, one_of(name, entry.for_each))
        elif name in self.dimensions:
            self.known_values(self.dimensions[name], [(at(place, i), value) for i, value in enumerate(values)])
        return values

    def known_values(self, dimension: Dimension, values: Iterable[tuple[str, str]]) -> bool:
        unknown = [(path, value) for path, value in values if value not in dimension.positions]
        for path, value in unknown:
            message = f"{dimension.id!r} has no such value"
            self.fault(path, message, value, one_of(value, dimension.positions))
        return not unknown

    def check_templates(self, entry: _SegmentEntry, path: str) -> None:
        if not entry.id:
            self.fault(at(path, "id"), "is empty")
        fields = self.fields(entry.id, entry.for_each, at(path, "id"))
        for name in entry.for_each:
            if fields is not None and name not in fields:
                self.fault(at(path, "id"), f"without {{{name}}} the ids of the family are not distinct", entry.id)
        for platform, number in entry.external_ids.items():
            self.fields(number, entry.for_each, at(at(path, "external_ids"), platform))

    def fields(self, template: str, names: tuple[str, ...], path: str) -> list[str] | None:
        try:
            fields = [field for _, field in _template_parts(template) if field is not None]
        except ValueError as fault:
            self.fault(path, f"is no template: {fault}", template)
            return None
        for field in fields:
            if field not in names:
                self.fault(path, f"{{{field}}} is not in for_each", template, one_of(field, names) if names else None)
        return fields


def read_catalog(text: str | bytes) -> Catalog:
    """Read and check a catalogue file; see `Catalog.from_json`."""
    document = parse_json(text)
    try:
        entry = msgspec.convert(document, _CatalogEntry)
    except msgspec.ValidationError as fault:
        place = _PLACE.search(str(fault))
        raise CatalogError(Problem(place[1] if place else "$", _PLACE.sub("", str(fault)))) from fault
    problems = [*_dimension_problems(entry.dimensions)]
    segments = _Segments({dimension.id: dimension for dimension in entry.dimensions}, problems)
    for i, segment in enumerate(entry.segments):
        segments.write_out(segment, f"$.segments[{i}]")
    if problems:
        raise CatalogError(problems)
    written = tuple(segments.written.values())
    catalog = Catalog(
        name=entry.name,
        version=entry.version,
        dimensions=entry.dimensions,
        segments=written,
        weight=entry.weight,
        warnings=tuple(_same_people(written, segments.dimensions)),
        document=document,
    )
    try:
        factors_of(catalog)
    except TooComplex as fault:
        raise CatalogError(Problem("$.segments", str(fault))) from fault
    return catalog


def _dimension_problems(dimensions: tuple[Dimension, ...]) -> Iterator[Problem]:
    if not dimensions:
        yield Problem("$.dimensions", "a catalogue has at least one dimension")
    for i, name in _repeated(dimension.id for dimension in dimensions):
        yield Problem(f"$.dimensions[{i}].id", f"a dimension {name!r} is there already", name)
    for i, dimension in enumerate(dimensions):
        path = f"$.dimensions[{i}]"
        if not dimension.id or dimension.id in RESERVED:
            expected = "a name that is not empty and none of " + ", ".join(RESERVED)
            yield Problem(f"{path}.id", "a dimension cannot be called so", excerpt(dimension.id), expected)
        if not dimension.values:
            yield Problem(f"{path}.values", "a dimension has at least one value")
        for j, name in _repeated(value.id for value in dimension.values):
            yield Problem(f"{path}.values[{j}].id", f"a value {name!r} is there already", name)
        for j, value in enumerate(dimension.values):
            if not value.id:
                yield Problem(f"{path}.values[{j}].id", "is empty")
        yield from _multi_problems(dimension, path) if dimension.multi else _single_problems(dimension, path)


def _single_problems(dimension: Dimension, path: str) -> Iterator[Problem]:
    codes = (str(value.id if value.code is None else value.code) for value in dimension.values)
    for j, code in _repeated(codes):
        yield Problem(f"{path}.values[{j}].code", f"the code {code!r} stands for another value already", code)
    for j, value in enumerate(dimension.values):
        if value.column is not None:
            message = "a single dimension has one column, not one for each value"
            yield Problem(f"{path}.values[{j}].column", message, value.column)
    if dimension.other is not None and dimension.other not in dimension.positions:
        expected = one_of(dimension.other, dimension.positions)
        yield Problem(f"{path}.other", f"{dimension.id!r} has no such value", dimension.other, expected)


def _multi_problems(dimension: Dimension, path: str) -> Iterator[Problem]:
    if dimension.ordered:
        yield Problem(f"{path}.ordered", "only a single dimension can be ordered")
    if dimension.other is not None:
        yield Problem(f"{path}.other", "only a single dimension has a value that takes the rest", dimension.other)
    if dimension.column is not None:
        yield Problem(f"{path}.column", "a multi dimension has one column for each value", dimension.column)
    for j, column in _repeated(value.column or value.id for value in dimension.values):
        yield Problem(f"{path}.values[{j}].column", f"the column {column!r} says another value already", column)
    for j, value in enumerate(dimension.values):
        if value.code is not None:
            yield Problem(f"{path}.values[{j}].code", "a value of a multi dimension has no code", excerpt(value.code))


def _same_people(segments: tuple[Segment, ...], dimensions: Mapping[str, Dimension]) -> Iterator[Problem]:
    """Warn of segments that say the same: each first, with those that repeat it."""
    first: dict[frozenset[Trace], str] = {}
    for segment in segments:
        meaning = frozenset(
            trace
            for trace in segment.traces
            if dimensions[trace.dimension].multi or len(trace.values) < len(dimensions[trace.dimension].values)
        )
        original = first.setdefault(meaning, segment.id)
        if original != segment.id:
            yield Problem("$.segments", f"{segment.id!r} means the same people as {original!r}", segment.id)


def _repeated(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for position, name in enumerate(names):
        if name in seen:
            yield position, name
        seen.add(name)


def _template_parts(template: str) -> Iterator[tuple[str, str | None]]:
    """Yield each text of a template with what stands in the braces after it; ValueError where braces do not pair."""
    for literal, field, spec, conversion in string.Formatter().parse(template):
        whole = field and field + ("!" + conversion if conversion else "") + (":" + spec if spec else "")
        yield literal, whole


def _fill(template: str, names: Mapping[str, str]) -> str:
    return "".join(literal + ("" if field is None else names[field]) for literal, field in _template_parts(template))
