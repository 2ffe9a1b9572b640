"""Reading people who are in memory already, as mappings of dimension to value ids."""

from __future__ import annotations

import operator
from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from adapters.population.columns import CHUNK_ROWS, MOST_WEIGHT
from adapters.population.tables import Chunk
from segmentation_core.documents import at
from segmentation_core.errors import PersonError, Problem, excerpt, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segmentation_core.catalog import Catalog, Dimension
    from segmentation_core.expressions import Person


def read_people(catalog: Catalog, people: Iterable[Person], weights: Iterable[int] | None) -> Iterator[Chunk]:
    """Yield people in chunks of `CHUNK_ROWS`, with a shorter one at the end, and none at all for nobody.

    Raises PersonError with every fault of the first person at fault: a dimension that they lack, a value that the
    catalogue does not have, a weight that is not an integer of 0 to 2**53. Raises ValueError for weights where the
    catalogue names none, none where it does, and more or fewer weights than people.
    """
    if weights is None and catalog.weight is not None:
        message = f"the catalogue {catalog.name!r} weighs each row, so weights must be given"
        raise ValueError(message)
    if weights is not None and catalog.weight is None:
        message = f"the catalogue {catalog.name!r} names no weight, so each row counts 1 and weights cannot be given"
        raise ValueError(message)
    rows = enumerate(((person, 1) for person in people) if weights is None else zip(people, weights, strict=True))
    read = (_row(catalog, person, weight, row) for row, (person, weight) in rows)
    while chunk := list(islice(read, CHUNK_ROWS)):
        yield _chunk(catalog, chunk)


def _row(catalog: Catalog, person: Person, weight: int, row: int) -> tuple[list[list[int]], int]:
    """Return the positions of the values held, by dimension in the catalogue's order, and the weight."""
    problems: list[Problem] = []
    held = [_held(dimension, person, f"people[{row}]", problems) for dimension in catalog.dimensions]
    try:
        units = operator.index(weight)
    except TypeError:
        units = -1
    if not 0 <= units <= MOST_WEIGHT:
        expected = f"an integer from 0 to {MOST_WEIGHT}"
        problems.append(Problem(f"weights[{row}]", "is not a weight", excerpt(weight), expected))
    if problems:
        raise PersonError(problems)
    return held, units


def _held(dimension: Dimension, person: Person, path: str, problems: list[Problem]) -> list[int]:
    if dimension.id not in person:
        problems.append(Problem(at(path, dimension.id), f"this person lacks the dimension {dimension.id!r}"))
        return []
    found: object = person[dimension.id]
    if isinstance(found, str) == dimension.multi or not isinstance(found, Collection):
        expected = "a collection of value ids" if dimension.multi else "the id of one value"
        message = f"{dimension.id!r} is {dimension.kind}-valued"
        problems.append(Problem(at(path, dimension.id), message, excerpt(found), expected))
        return []
    held = []
    for value in (found,) if isinstance(found, str) else found:
        if isinstance(value, str) and value in dimension.positions:
            held.append(dimension.positions[value])
        else:
            expected = one_of(value, dimension.positions)
            message = f"{dimension.id!r} has no such value"
            problems.append(Problem(at(path, dimension.id), message, excerpt(value), expected))
    return held


def _chunk(catalog: Catalog, rows: list[tuple[list[list[int]], int]]) -> Chunk:
    singles = {}
    multis = {}
    for place, dimension in enumerate(catalog.dimensions):
        if dimension.multi:
            flags = np.zeros((len(dimension.values), len(rows)), dtype=np.bool_)
            for row, (held, _) in enumerate(rows):
                flags[held[place], row] = True
            multis[dimension.id] = flags
        else:
            singles[dimension.id] = np.array([held[place][0] for held, _ in rows], dtype=np.int64)
    weights = np.array([weight for _, weight in rows], dtype=np.int64) if catalog.weight else None
    return Chunk(len(rows), singles, multis, weights)
