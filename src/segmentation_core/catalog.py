"""The catalogue: dimensions, their values, and the lists that the ad platform holds.

The types are those of the catalogue file (`docs/catalogue.md`), except that families of segments are written out.
`catalog_file.py` reads and checks the file.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, TypeAlias

import msgspec

from segmentation_core.errors import Problem
from segmentation_core.spaces import Space

Kind: TypeAlias = Literal["single", "multi"]
Activation: TypeAlias = Literal["lists", "direct"]


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One option of a dimension.

    Of a single dimension, `code` is what the data column holds (default: the id). Of a multi one, `column` is the
    column that says whether a person has it (default: the id).
    """

    id: str
    label: str = ""
    code: str | int | None = None
    column: str | None = None


class Dimension(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, dict=True):
    """A category. Of a `single` one every person has exactly one value, of a `multi` one any number.

    `ordered` values allow ranges, in the order listed. `activation` "direct" means that the platform targets the
    dimension by itself and no list speaks of it. `other` is the value that takes rows with an unknown code.
    """

    id: str
    kind: Kind
    values: tuple[Value, ...]
    label: str = ""
    group: str = ""
    ordered: bool = False
    column: str | None = None
    activation: Activation = "lists"
    other: str | None = None

    @property
    def multi(self) -> bool:
        """Whether a person may hold any number of the values."""
        return self.kind == "multi"

    @property
    def direct(self) -> bool:
        """Whether the platform targets the dimension by itself."""
        return self.activation == "direct"

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where each value stands in the listed order, by id."""
        return {value.id: position for position, value in enumerate(self.values)}


class Weight(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The column that says how many units a row stands for, and what a unit is called."""

    column: str
    unit: str = "person"


class Trace(msgspec.Struct, frozen=True):
    """What a segment asks of one dimension: to hold any of `values`, or (`absent`) not to hold the one it names."""

    dimension: str
    values: tuple[str, ...]
    absent: bool = False


class Segment(msgspec.Struct, frozen=True):
    """A list that the platform holds: the people for whom every trace is true, so everyone where there is none.

    `external_ids` gives the list's id on a platform, by the platform's name.
    """

    id: str
    traces: tuple[Trace, ...]
    external_ids: dict[str, str] = {}


class Catalog(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A checked catalogue. Two are the same only if they are one object.

    `document` is the file as it was read; `warnings` are what its author should know, though it can be used.
    """

    name: str
    version: str
    dimensions: tuple[Dimension, ...]
    segments: tuple[Segment, ...]
    weight: Weight | None
    warnings: tuple[Problem, ...]
    document: dict[str, Any]

    @property
    def title(self) -> str:
        """Name and version, by which other things tell what catalogue they were made with."""
        return f"{self.name} {self.version}"

    @classmethod
    def from_json(cls, text: str | bytes) -> Catalog:
        """Read a catalogue file. Raises CatalogError or DocumentError with the path of every fault found."""
        from segmentation_core.catalog_file import read_catalog  # noqa: PLC0415  the reader needs the types above

        return read_catalog(text)

    @cached_property
    def dimension(self) -> dict[str, Dimension]:
        """The dimensions by id, in the file's order."""
        return {dimension.id: dimension for dimension in self.dimensions}

    @cached_property
    def space(self) -> Space:
        """The levels of its decision diagrams: one for the catalogue's whole life, since regions of two do not mix."""
        return Space(self)

    @cached_property
    def segment(self) -> dict[str, Segment]:
        """The segments by id."""
        return {segment.id: segment for segment in self.segments}
