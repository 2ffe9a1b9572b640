"""Random catalogues, filters and people, for property tests with Hypothesis (the extra `segmentation-core[testing]`).

What is drawn is small, so that a test can go through `everybody`, and odd, as catalogues are: families over one
dimension or two, values without a list, lists made by hand that overlap, lists of everyone, ids of any characters.
Typical use::

    @given(st.data())
    def test_my_engine_counts_like_matches(data):
        catalog = data.draw(catalogs())
        wanted = data.draw(filters(catalog))
        population = data.draw(st.lists(people(catalog)))
        assert my_engine(population).size(wanted) == sum(map(wanted.matches, population))
"""

from __future__ import annotations

import json
import string
from itertools import chain, combinations, product
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from hypothesis import strategies as st

from segmentation_core.catalog import Catalog
from segmentation_core.catalog_file import RESERVED
from segmentation_core.filters import Filter, parse_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from segmentation_core.catalog import Dimension

Document: TypeAlias = dict[str, Any]
"""A JSON object."""

FullPerson: TypeAlias = dict[str, str | tuple[str, ...]]
"""For every dimension the id of a value, or of a multi one the ids held, in the catalogue's order."""

_Drawn = TypeVar("_Drawn")

_TIDY = st.sampled_from("abcdefgh")
_ODD = st.sampled_from(["A", "é", "0", "a b", "a.b", "in", '"', "\\", "{", "}}", "🚗", "\n", "ﬁ", "{a}", "a:b", "ß"])
_IDS = st.one_of(_TIDY, _TIDY, _TIDY, _ODD, st.text(min_size=1, max_size=4))
_DIMENSION_IDS = _IDS.filter(lambda name: name not in RESERVED)
_ONE_IN_FOUR = st.sampled_from([False, False, False, True])


@st.composite
def catalog_documents(
    draw: st.DrawFn, *, max_dimensions: int = 4, max_people: int = 96, max_segments: int = 9, direct: bool = True
) -> Document:
    """Draw what a catalogue file says: valid, with at most so many dimensions, possible people and segments.

    `direct` is whether there may be dimensions that the platform targets by itself.
    """
    dimensions: list[Document] = []
    room = max_people
    for name in draw(_lists(_DIMENSION_IDS, (1, 2, 2, 3, 3, 3, 4, 5, 6), max_dimensions, unique_by=str)):
        dimension = draw(_dimension_documents(name, room, direct=direct, first_column=10 * len(dimensions)))
        dimensions.append(dimension)
        room //= _states_of(dimension)
    return {
        "name": draw(_IDS),
        "version": draw(_IDS),
        "dimensions": dimensions,
        "segments": draw(_segment_documents(dimensions, max_segments)),
    }


def catalogs(
    *, max_dimensions: int = 4, max_people: int = 96, max_segments: int = 9, direct: bool = True
) -> st.SearchStrategy[Catalog]:
    """Draw catalogues, as `Catalog.from_json` reads them from `catalog_documents`."""
    documents = catalog_documents(
        max_dimensions=max_dimensions, max_people=max_people, max_segments=max_segments, direct=direct
    )
    return documents.map(json.dumps).map(Catalog.from_json)


def filter_documents(catalog: Catalog, *, max_conditions: int = 6) -> st.SearchStrategy[Document]:
    """Draw filter documents of the full language, with up to about `max_conditions` conditions.

    Every operator that a dimension of the catalogue allows, the compact form at any depth, empty lists and junctions.
    """
    conditions = st.one_of(conjunctive_filter_documents(catalog), *map(_condition_documents, catalog.dimensions))
    return st.recursive(
        conditions,
        lambda filters: st.one_of(
            _lists(filters, (0, 1, 2, 2, 2, 3), 3).map(lambda parts: {"and": parts}),
            _lists(filters, (0, 1, 2, 2, 2, 3), 3).map(lambda parts: {"or": parts}),
            filters.map(lambda part: {"not": part}),
        ),
        max_leaves=max_conditions,
    )


@st.composite
def conjunctive_filter_documents(draw: st.DrawFn, catalog: Catalog) -> Document:
    """Draw filter documents as dashboards send them: the compact form, AND over dimensions and ANY within each."""
    names = st.sampled_from([*catalog.dimension])
    asked = draw(_lists(names, (0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6), len(catalog.dimension), unique_by=str))
    return {name: draw(_value_lists(catalog.dimension[name])) for name in asked}


def filters(catalog: Catalog, *, max_conditions: int = 6) -> st.SearchStrategy[Filter]:
    """Draw filters, as `parse_filter` reads them from `filter_documents`."""
    return filter_documents(catalog, max_conditions=max_conditions).map(
        lambda document: parse_filter(document, catalog)
    )


def people(catalog: Catalog) -> st.SearchStrategy[FullPerson]:
    """Draw people who say something of every dimension, so that any filter can be asked about them."""
    return st.fixed_dictionaries(
        {dimension.id: st.sampled_from([*_states(dimension)]) for dimension in catalog.dimensions}
    )


def everybody(catalog: Catalog, dimensions: Iterable[str] | None = None) -> Iterator[FullPerson]:
    """Yield every person there could be over the `dimensions` named, without them over all: each once.

    There are as many as the product of the numbers of values, 2 to the number of values for a multi dimension.
    """
    asked = [catalog.dimension[name] for name in (catalog.dimension if dimensions is None else dimensions)]
    for states in product(*map(_states, asked)):
        yield {dimension.id: state for dimension, state in zip(asked, states, strict=True)}


def _states(dimension: Dimension) -> Iterator[str | tuple[str, ...]]:
    names = [value.id for value in dimension.values]
    if not dimension.multi:
        return iter(names)
    return chain.from_iterable(combinations(names, count) for count in range(len(names) + 1))


def _value_lists(dimension: Dimension) -> st.SearchStrategy[list[str]]:
    return _lists(_values(dimension), (0, 1, 1, 1, 1, 2, 2, 2, 3, 4), len(dimension.values))


def _values(dimension: Dimension) -> st.SearchStrategy[str]:
    return st.sampled_from([value.id for value in dimension.values])


def _condition_documents(dimension: Dimension) -> st.SearchStrategy[Document]:
    def of(operator: str, operands: st.SearchStrategy[Any]) -> st.SearchStrategy[Document]:
        return operands.map(lambda operand: {"dimension": dimension.id, operator: operand})

    listed = ["in", "not_in", *(("all", "none") if dimension.multi else ())]
    conditions = [of(operator, _value_lists(dimension)) for operator in listed]
    if dimension.ordered:
        ends = st.lists(_values(dimension), min_size=2, max_size=2)
        conditions += [
            of("between", ends.map(lambda pair: sorted(pair, key=dimension.positions.__getitem__))),
            of("at_least", _values(dimension)),
            of("at_most", _values(dimension)),
        ]
    return st.one_of(conditions)


@st.composite
def _dimension_documents(draw: st.DrawFn, name: str, room: int, *, direct: bool, first_column: int) -> Document:
    """Draw a dimension that multiplies the people by at most `room`, whose data columns no other dimension has."""
    multi = room > 1 and draw(st.booleans())
    names = draw(_lists(_IDS, (1, 2, 2, 2, 3, 3, 3, 4), room.bit_length() - 1 if multi else room, unique_by=str))
    values: list[Document] = [{"id": value} for value in names]
    dimension: Document = {"id": name, "kind": "multi" if multi else "single", "values": values}
    if multi:
        for position, value in enumerate(values):
            value["column"] = f"column_{first_column + position}"
    else:
        dimension["ordered"] = draw(st.booleans())
        if draw(st.booleans()):
            dimension |= {"column": f"column_{first_column}", "other": draw(st.sampled_from(names))}
            for position, value in enumerate(values):
                value["code"] = position
    if direct and draw(_ONE_IN_FOUR):
        dimension["activation"] = "direct"
    return dimension


@st.composite
def _segment_documents(draw: st.DrawFn, dimensions: list[Document], most: int) -> list[Document]:
    """Draw families and segments made by hand, as many entries as come to at most `most` segments.

    Every other catalogue has the plain families of all of its dimensions first, as far as there is room.
    """
    listed = [dimension for dimension in dimensions if dimension.get("activation") != "direct"]
    named = [dimension for dimension in listed if _fits_in_braces(_id(dimension))]
    whole = [st.just(entry) for dimension in named for entry in _plain_families(dimension)]
    families = [_family(named)] * 3 if named else []
    drawn = [st.one_of(*families, _made_by_hand(listed))] * draw(st.sampled_from(range(most + 1)))
    entries: list[Document] = []
    taken: set[str] = set()
    for entry in map(draw, whole + drawn if draw(st.booleans()) else drawn):
        ids = _ids_of(entry, dimensions)
        if len(taken) + len(ids) <= most and len(taken.union(ids)) == len(taken) + len(ids):
            taken.update(ids)
            entries.append(entry)
    return draw(st.permutations(entries))


def _plain_families(dimension: Document) -> Iterator[Document]:
    name = _id(dimension)
    yield {"id": f"{_in_template(name)} {{{name}}}", "for_each": [name]}
    if dimension["kind"] == "multi":
        yield {"id": f"{_in_template(name)} not {{{name}}}", "for_each": [name], "absent": True}


@st.composite
def _family(draw: st.DrawFn, named: list[Document]) -> Document:
    chosen = draw(_lists(st.sampled_from(named), (1, 1, 2), len(named), unique_by=_id))
    fields = draw(st.sampled_from(["", ".", "_"])).join(f"{{{_id(dimension)}}}" for dimension in chosen)
    entry: Document = {"id": _in_template(draw(_IDS)) + fields, "for_each": [_id(dimension) for dimension in chosen]}
    if any(dimension["kind"] == "multi" for dimension in chosen):
        entry["absent"] = draw(st.booleans())
    if draw(_ONE_IN_FOUR):
        dimension = draw(st.sampled_from(chosen))
        entry["except"] = {_id(dimension): draw(_some_of(dimension))}
    if draw(_ONE_IN_FOUR):
        entry["external_ids"] = {draw(_IDS): f"nr. {fields}"}
    return entry


@st.composite
def _made_by_hand(draw: st.DrawFn, listed: list[Document]) -> Document:
    where: Document = {}
    some = _lists(st.sampled_from(listed), (0, 1, 1, 1, 2, 2), len(listed), unique_by=_id) if listed else st.just([])
    for dimension in draw(some):
        values = draw(_some_of(dimension))
        if dimension["kind"] == "multi":
            where[_id(dimension)] = {draw(st.sampled_from(["has", "lacks"])): values[0]}
        else:
            where[_id(dimension)] = draw(st.sampled_from([values, values[0]]))
    return {"id": _in_template(draw(_IDS)), "where": where}


def _some_of(dimension: Document) -> st.SearchStrategy[list[str]]:
    names = [_id(value) for value in dimension["values"]]
    return st.lists(st.sampled_from(names), min_size=1, max_size=len(names), unique=True)


def _lists(
    elements: st.SearchStrategy[_Drawn],
    lengths: Iterable[int],
    most: int,
    *,
    unique_by: Callable[[_Drawn], Hashable] | None = None,
) -> st.SearchStrategy[list[_Drawn]]:
    """Draw lists of one of the `lengths` up to `most`, each alike; `st.lists` draws mostly short ones."""
    return st.sampled_from([length for length in lengths if length <= most]).flatmap(
        lambda length: st.lists(elements, min_size=length, max_size=length, unique_by=unique_by)
    )


def _id(document: Document) -> str:
    name: str = document["id"]
    return name


def _states_of(dimension: Document) -> int:
    values = len(dimension["values"])
    return 2**values if dimension["kind"] == "multi" else values


def _in_template(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _fits_in_braces(name: str) -> bool:
    """Tell whether a template can name the dimension: not so where the id has braces or the like itself."""
    try:
        return [*string.Formatter().parse(f"{{{name}}}")] == [("", name, "", None)]
    except ValueError:
        return False


def _ids_of(entry: Document, dimensions: list[Document]) -> list[str]:
    """Return the ids that an entry is written out to."""
    values = {_id(dimension): [_id(value) for value in dimension["values"]] for dimension in dimensions}
    left_out = entry.get("except", {})
    family = entry.get("for_each", [])
    parts = [*string.Formatter().parse(entry["id"])]
    ids: list[str] = []
    for member in product(
        *([value for value in values[name] if value not in left_out.get(name, ())] for name in family)
    ):
        value_of = dict(zip(family, member, strict=True))
        ids.append("".join(text + (value_of[field] if field else "") for text, field, _, _ in parts))
    return ids
