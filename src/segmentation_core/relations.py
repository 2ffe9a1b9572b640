"""How two filters stand to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from segmentation_core.filters import Filter

Relation: TypeAlias = Literal["same", "inside", "contains", "disjoint", "overlapping"]


def relation(one: Filter, other: Filter) -> Relation:
    """Tell how the people that `one` means stand to those that `other` means.

    "same" comes first, so two filters of nobody are the same; then "inside" (everyone of `one` is in `other`, so nobody
    is inside everything), "contains", "disjoint", and otherwise "overlapping". Raises TooComplex past the bound on
    regions, ValueError for filters of two catalogues.
    """
    left, right = one.region, other.region
    if left == right:
        return "same"
    if left.is_subset(right):
        return "inside"
    if right.is_subset(left):
        return "contains"
    return "disjoint" if left.is_disjoint(right) else "overlapping"
