"""How two filters stand to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from segmentation_core.filters import Filter

RelationKind: TypeAlias = Literal["same", "inside", "contains", "disjoint", "overlapping"]

Somebody: TypeAlias = dict[str, str | tuple[str, ...]] | None
"""Somebody, told by the dimensions that matter (of a multi one, values not told are not held); None for nobody."""


class Relation(msgspec.Struct, frozen=True):
    """How the people of one filter stand to those of another, with somebody to show it.

    `only_one` is meant by the first filter alone, `only_other` by the second alone, `both` by both; None where there is
    nobody such.
    """

    kind: RelationKind
    only_one: Somebody
    only_other: Somebody
    both: Somebody


def relation(one: Filter, other: Filter) -> Relation:
    """Tell how the people that `one` means stand to those that `other` means.

    "same" comes first, so two filters of nobody are the same; then "inside" (everyone of `one` is in `other`, so nobody
    is inside everything), "contains", "disjoint", and otherwise "overlapping". Raises TooComplex past the bound on
    regions, ValueError for filters of two catalogues.
    """
    left, right = one.region, other.region
    if left == right:
        return Relation("same", None, None, left.witness())
    only_one, only_other, both = (left - right).witness(), (right - left).witness(), (left & right).witness()
    kind: RelationKind = "overlapping"
    if only_one is None:
        kind = "inside"
    elif only_other is None:
        kind = "contains"
    elif both is None:
        kind = "disjoint"
    return Relation(kind, only_one, only_other, both)
