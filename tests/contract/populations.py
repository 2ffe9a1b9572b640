"""Random populations for the tests of engines: catalogues, people, weights, and plans over them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

from segmentation_core import Catalog, Clause, Plan
from segmentation_core.testing import catalog_documents

if TYPE_CHECKING:
    from segmentation_core.expressions import Person

LARGEST = 2**53
SEAMS = (0, 1, 2, 63, 64, 65, 129)
ODD_WEIGHTS = (0, 1, 3, LARGEST - 1, LARGEST, 1000)

Table = tuple[Catalog, "list[Person]", "list[int] | None"]


@st.composite
def catalogues(draw: st.DrawFn) -> Catalog:
    """Draw catalogues with a weight and without, codes of any characters, and at least one segment."""
    document = draw(catalog_documents())
    for dimension in document["dimensions"]:
        values = dimension["values"]
        if dimension["kind"] == "single" and draw(st.booleans()):
            codes = st.integers(-9, 99) | st.text(st.sampled_from("ab,;\"' \n\r\té文0.-"), max_size=4)
            drawn = draw(st.lists(codes, min_size=len(values), max_size=len(values), unique_by=str))
            for value, code in zip(values, drawn, strict=True):
                value["code"] = code
    if draw(st.booleans()):
        document["weight"] = {"column": "units"}
    document["segments"].append({"id": "everyone there is"})
    return Catalog.from_json(json.dumps(document))


@st.composite
def tables(draw: st.DrawFn, rows: tuple[int, ...] = SEAMS) -> Table:
    """Draw a catalogue, people and weights. The rows come from a seed: drawn one by one they would take too long."""
    catalog = draw(catalogues())
    return catalog, *seeded_rows(catalog, draw(st.sampled_from(rows)), draw(st.integers(0, 2**32)))


def seeded_rows(catalog: Catalog, rows: int, seed: int) -> tuple[list[Person], list[int] | None]:
    random = np.random.default_rng(seed)
    people: list[Person] = []
    for _ in range(rows):
        person: dict[str, str | list[str]] = {}
        for dimension in catalog.dimensions:
            ids = [value.id for value in dimension.values]
            held = [value for value in ids if random.random() < 0.4]
            person[dimension.id] = held if dimension.multi else ids[random.integers(len(ids))]
        people.append(person)
    weights = [ODD_WEIGHTS[random.integers(len(ODD_WEIGHTS))] for _ in range(rows)] if catalog.weight else None
    return people, weights


@st.composite
def plans(draw: st.DrawFn, catalog: Catalog) -> Plan:
    """Draw clauses of any lists there are, whether or not they make sense."""
    some = st.lists(st.sampled_from(sorted(catalog.segment)), max_size=3).map(tuple)
    direct: dict[str, Any] = {
        dimension.id: tuple(draw(st.lists(st.sampled_from([value.id for value in dimension.values]), max_size=3)))
        for dimension in catalog.dimensions
        if dimension.direct and draw(st.booleans())
    }
    clauses = st.builds(Clause, st.lists(some, max_size=2).map(tuple), some, st.just(direct))
    return Plan(exact=True, clauses=tuple(draw(st.lists(clauses, max_size=3))), certificate=None, fingerprint="")
