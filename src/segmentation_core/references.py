"""Presets inside filters: which ones a filter refers to, and what they stand for.

::

    reference = {"preset": id}     stands for the filter of that preset, as it is now

`References` is made from presets that an account may read, and reads filters with them in place. It bounds what comes
of it: how many presets one filter refers to, those included that these refer to, and the depth and size of the whole.
"""

from __future__ import annotations

from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from segmentation_core.documents import MAX_DEPTH
from segmentation_core.errors import FilterError, Problem, TooComplex
from segmentation_core.expressions import Expression
from segmentation_core.filters import MAX_PARTS, NODES, depth_and_parts, parse_choices, parse_filter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter
    from segmentation_core.presets import Preset

MOST_PRESETS: Final = 50
"""How many presets one filter may refer to, those included that these refer to."""

_NO_SUCH: Final = "there is no such preset"
_TOO_MANY: Final = f"it refers to more than {MOST_PRESETS} presets, those included that these refer to"


class _Meant(msgspec.Struct, frozen=True):
    """What a preset stands for, and how much that is: `presets` are the ids that it leads to, its own included."""

    expression: Expression | None
    fault: str
    depth: int
    parts: int
    presets: frozenset[int]


def references_in(document: object) -> dict[int, int]:
    """Return the ids of presets that a document with a filter refers to, each with how deep its reference stands.

    The document has a `filter`, or is no object that could refer to anything. Of equal ids the deepest is told.
    """
    return _deepest(document.get("filter") if isinstance(document, dict) else None)


class References:
    """The presets that filters may refer to, and the filters that come of it. They are read when the first is asked."""

    def __init__(self, known: Mapping[int, Preset], catalog: Catalog, *, complete: bool = True) -> None:
        """Take the presets by id; `complete` is false where more are referred to than were looked up."""
        self.catalog = catalog
        self._known = known
        self._unknown = _NO_SUCH if complete else _TOO_MANY
        self._meant: dict[int, _Meant] = {}
        self._circling: dict[int, dict[int, int]] = {}
        self._settled = not known

    def read(self, document: dict[str, Any], *, company_id: int | None = None) -> Filter:
        """Return the filter of a preset's document, with `filter` or `audienceFilters`.

        `company_id` is the preset's: it refers to presets of its own company. Raises FilterError with the path of every
        fault, references that lead nowhere or in a circle among them.
        """
        if "filter" not in document:
            return parse_choices(document["audienceFilters"], self.catalog, path="$.audienceFilters")
        return self.read_filter(document["filter"], path="$.filter", company_id=company_id)

    def read_filter(self, document: object, *, path: str = "$", company_id: int | None = None) -> Filter:
        """Return the filter that a document in the full language says. Raises FilterError."""
        depth_and_parts(document, path)
        if not self._settled:
            self._settled = True
            self._settle()
        asked = _deepest(document)
        if asked:
            self._refuse_large(document, asked, path)
        presets = {one: self._stands_for(one, company_id) for one in asked}
        return parse_filter(document, self.catalog, path=path, presets=presets)

    def _stands_for(self, preset_id: int, company_id: int | None) -> Expression | str:
        preset = self._known.get(preset_id)
        if preset is None or company_id not in (None, preset.company_id):
            return self._unknown
        if preset_id not in self._meant:
            return f"it leads round in a circle: {self._circle(preset_id)}"
        meant = self._meant[preset_id]
        return meant.fault if meant.expression is None else meant.expression

    def _settle(self) -> None:
        """Find out what each preset means, those first that it refers to; those that lead in a circle are left out."""
        asked = {one: references_in(preset.document) for one, preset in self._known.items()}
        order: TopologicalSorter[int] = TopologicalSorter({one: list(refers) for one, refers in asked.items()})
        with suppress(CycleError):  # what no circle is in the way of can be settled all the same
            order.prepare()
        while ready := order.get_ready():
            for one in ready:
                if one in self._known:
                    self._meant[one] = self._meaning(self._known[one], asked[one])
                order.done(one)
        self._circling = {one: refers for one, refers in asked.items() if one not in self._meant}

    def _meaning(self, preset: Preset, asked: dict[int, int]) -> _Meant:
        inner = preset.document.get("filter", preset.document.get("audienceFilters"))
        presets = frozenset({preset.id}).union(*(self._leads_to(one) for one in asked))
        expression, fault, depth, parts = None, "", 1, 1
        try:
            depth, parts = self._extent(inner, asked, "$")
            expression = self.read(preset.document, company_id=preset.company_id).expression
        except (FilterError, TooComplex) as refused:
            fault = f"it means nothing here ({refused})"
        return _Meant(expression, fault, depth, parts, presets)

    def _leads_to(self, preset_id: int) -> frozenset[int]:
        meant = self._meant.get(preset_id)
        return frozenset({preset_id}) if meant is None else meant.presets

    def _extent(self, document: object, asked: dict[int, int], path: str) -> tuple[int, int]:
        """Return the depth and the parts of a filter with all presets in their places."""
        depth, parts = depth_and_parts(document, path)
        meant = {one: self._meant[one] for one in asked if one in self._meant}
        depth = max([depth, *(asked[one] - 1 + of.depth for one, of in meant.items())])
        return depth, parts + sum(meant[one].parts for one, _ in _places(document) if one in meant)

    def _refuse_large(self, document: object, asked: dict[int, int], path: str) -> None:
        if len(frozenset().union(*(self._leads_to(one) for one in asked))) > MOST_PRESETS:
            raise FilterError(Problem(path, _TOO_MANY))
        depth, parts = self._extent(document, asked, path)
        if depth > MAX_DEPTH:
            raise FilterError(Problem(path, f"is nested more than {MAX_DEPTH} deep, with its presets in place"))
        if parts > MAX_PARTS:
            raise FilterError(Problem(path, f"is made of more than {MAX_PARTS} parts, with its presets in place"))

    def _circle(self, preset_id: int) -> str:
        """Tell the circle that a preset leads to: "4 → 7 → 4"."""
        way = [preset_id]
        while way[-1] not in way[:-1]:
            way.append(next(one for one in self._circling[way[-1]] if one in self._circling))
        return " → ".join(map(str, way[way.index(way[-1]) :]))


def _deepest(document: object) -> dict[int, int]:
    found: dict[int, int] = {}
    for preset_id, depth in _places(document):
        found[preset_id] = max(depth, found.get(preset_id, 0))
    return found


def _places(document: object) -> Iterator[tuple[int, int]]:
    """Give each reference of a filter as the parser meets it, with how deep it stands; what is no filter is passed."""
    parts: list[tuple[object, int]] = [(document, 1)]
    while parts:
        part, depth = parts.pop()
        if not isinstance(part, dict):
            continue
        node = next((word for word in NODES if word in part), None)
        inner = part.get(node)
        if node == "preset" and isinstance(inner, int) and not isinstance(inner, bool):
            yield inner, depth
        elif node == "not":
            parts.append((inner, depth + 1))
        elif node in ("and", "or") and isinstance(inner, list | tuple):
            parts.extend((one, depth + 2) for one in reversed(inner))
