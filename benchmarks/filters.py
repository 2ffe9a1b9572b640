"""Filters over the national panel, drawn at random but the same from the same seed.

What each shape draws is part of what is measured: figures compare only between runs of the same generators.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, TypeAlias

from adapters.population.panel import panel_document

if TYPE_CHECKING:
    from collections.abc import Callable

Document: TypeAlias = dict[str, Any]

SEED = 2026

_DIMENSIONS: list[Document] = panel_document()["dimensions"]
_MOST_TICKED = 8
_MOST_CITIES = 12
_DEPTH = 3


def dashboard(rng: random.Random) -> Document:
    """Draw what a dashboard sends: any of 1 to 8 values in each of 2 to 10 dimensions, of cities up to 12.

    Of a multi dimension one value is ticked, three times in ten two or more.
    """
    return {dimension["id"]: _ticked(rng, dimension) for dimension in rng.sample(_DIMENSIONS, rng.randint(2, 10))}


def random_tree(rng: random.Random) -> Document:
    """Draw a tree of `and`, `or` and `not`, each as often, at most 3 deep, with conditions of every operator below.

    An `and` or `or` has 2 or 3 children; below the root, one place in four is a condition already.
    """
    return _node(rng, _DEPTH)


def or_of_ands(rng: random.Random) -> Document:
    """Draw an OR of 2 to 8 ANDs of 2 or 3 conditions, each over a dimension of its own."""
    return _two_deep(rng, "or", "and")


def and_of_ors(rng: random.Random) -> Document:
    """Draw an AND of 2 to 8 ORs of 2 or 3 conditions, each over a dimension of its own."""
    return _two_deep(rng, "and", "or")


shapes: dict[str, Callable[[random.Random], Document]] = {
    "dashboards": dashboard,
    "random trees": random_tree,
    "ORs of ANDs": or_of_ands,
    "ANDs of ORs": and_of_ors,
}


def sample(shape: str, count: int, seed: int = SEED) -> list[Document]:
    """Return `count` filters of a shape; of a larger count they are the first."""
    rng = random.Random(f"{shape} {seed}")
    return [shapes[shape](rng) for _ in range(count)]


def dashboards_of_seven(count: int, seed: int = SEED) -> list[Document]:
    """Return filters of seven dimensions: five single ones, any of 1 to 3 values of a multi one, and 12 cities."""
    rng = random.Random(f"seven {seed}")
    lists = [dimension for dimension in _DIMENSIONS if not _direct(dimension)]
    single = [dimension for dimension in lists if dimension["kind"] == "single"]
    multi = [dimension for dimension in lists if dimension["kind"] == "multi"]
    (city,) = (dimension for dimension in _DIMENSIONS if _direct(dimension))
    documents = []
    for _ in range(count):
        document = {
            each["id"]: _chosen(rng, each, rng.randint(1, len(each["values"]) - 1)) for each in rng.sample(single, 5)
        }
        several = rng.choice(multi)
        document[several["id"]] = _chosen(rng, several, rng.randint(1, 3))
        document["city"] = _chosen(rng, city, _MOST_CITIES)
        documents.append(document)
    return documents


def _ticked(rng: random.Random, dimension: Document) -> list[str]:
    most = min(_MOST_CITIES if _direct(dimension) else _MOST_TICKED, len(dimension["values"]))
    if dimension["kind"] == "multi":
        return _chosen(rng, dimension, rng.randint(2, most) if rng.random() < 0.3 else 1)  # noqa: PLR2004
    return _chosen(rng, dimension, rng.randint(1, most))


def _node(rng: random.Random, depth: int) -> Document:
    if depth == 0 or (depth < _DEPTH and rng.randrange(4) == 0):
        return _any_condition(rng, rng.choice(_DIMENSIONS))
    operator = rng.choice(["and", "or", "not"])
    if operator == "not":
        return {"not": _node(rng, depth - 1)}
    return {operator: [_node(rng, depth - 1) for _ in range(rng.randint(2, 3))]}


def _two_deep(rng: random.Random, outer: str, inner: str) -> Document:
    sizes = [rng.randint(2, 3) for _ in range(rng.randint(2, 8))]
    dimensions = iter(rng.sample(_DIMENSIONS, sum(sizes)))
    return {outer: [{inner: [_in(rng, next(dimensions)) for _ in range(size)]} for size in sizes]}


def _in(rng: random.Random, dimension: Document) -> Document:
    return {"dimension": dimension["id"], "in": _some(rng, dimension)}


def _any_condition(rng: random.Random, dimension: Document) -> Document:
    multi, ordered = dimension["kind"] == "multi", dimension.get("ordered", False)
    operators = ["in", "not_in", *(["all", "none"] if multi else ())]
    operators += ["between", "at_least", "at_most"] if ordered else []
    operator = rng.choice(operators)
    operand: str | list[str]
    if operator == "between":
        operand = _chosen(rng, dimension, 2)
    elif operator in ("at_least", "at_most"):
        operand = rng.choice(_ids(dimension))
    else:
        operand = _some(rng, dimension)
    return {"dimension": dimension["id"], operator: operand}


def _some(rng: random.Random, dimension: Document) -> list[str]:
    """Choose some values and not all: of a multi dimension up to 3, of cities up to 12."""
    most = 3 if dimension["kind"] == "multi" else _MOST_CITIES if _direct(dimension) else len(dimension["values"]) - 1
    return _chosen(rng, dimension, rng.randint(1, most))


def _chosen(rng: random.Random, dimension: Document, count: int) -> list[str]:
    """Choose values, in the listed order."""
    names = _ids(dimension)
    return [names[position] for position in sorted(rng.sample(range(len(names)), count))]


def _ids(dimension: Document) -> list[str]:
    return [value["id"] for value in dimension["values"]]


def _direct(dimension: Document) -> bool:
    return dimension.get("activation") == "direct"
