"""What a filter says, once it has been read: an expression, and its meaning.

`matches` is the meaning. It is written to be read; regions, plans and population engines are tested against it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeAlias

import msgspec

Person: TypeAlias = Mapping[str, str | Collection[str]]
"""Somebody a filter can be asked about: for each dimension the value's id, or for a multi one the ids they hold."""


class HasAny(msgspec.Struct, frozen=True):
    """The person holds at least one of `values`: `in`, and what ranges come to."""

    dimension: str
    values: tuple[str, ...]


class HasAll(msgspec.Struct, frozen=True):
    """The person holds every one of `values`: `all`, for a multi dimension."""

    dimension: str
    values: tuple[str, ...]


class HasNone(msgspec.Struct, frozen=True):
    """The person holds none of `values`: `not_in` and `none`."""

    dimension: str
    values: tuple[str, ...]


class And(msgspec.Struct, frozen=True):
    """All `parts` hold; with no parts, everyone."""

    parts: tuple[Expression, ...]


class Or(msgspec.Struct, frozen=True):
    """At least one of `parts` holds; with no parts, nobody."""

    parts: tuple[Expression, ...]


class Not(msgspec.Struct, frozen=True):
    """`part` does not hold."""

    part: Expression


Condition: TypeAlias = HasAny | HasAll | HasNone
Expression: TypeAlias = And | Or | Not | Condition


def matches(expression: Expression, held: Mapping[str, Collection[str]]) -> bool:
    """Tell whether the person who holds `held` (dimension -> ids of values, one for a single dimension) is meant."""
    match expression:
        case And(parts):
            return all(matches(part, held) for part in parts)
        case Or(parts):
            return any(matches(part, held) for part in parts)
        case Not(part):
            return not matches(part, held)
        case HasAny(dimension, values):
            return any(value in held[dimension] for value in values)
        case HasAll(dimension, values):
            return all(value in held[dimension] for value in values)
        case none:
            return not any(value in held[none.dimension] for value in none.values)


def conditions(expression: Expression) -> Iterator[Condition]:
    """Yield the conditions of an expression from left to right."""
    match expression:
        case And(parts) | Or(parts):
            for part in parts:
                yield from conditions(part)
        case Not(part):
            yield from conditions(part)
        case condition:
            yield condition


def top_level(expression: Expression) -> tuple[Expression, ...]:
    """Return the conditions that all must hold, from left to right: what stands in an `and`, however nested."""
    if not isinstance(expression, And):
        return (expression,)
    return tuple(condition for part in expression.parts for condition in top_level(part))


def dimensions_of(expression: Expression) -> set[str]:
    """Return the dimensions that an expression speaks of."""
    return {condition.dimension for condition in conditions(expression)}
