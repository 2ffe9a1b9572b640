"""The regions that one clause can mean: a box of factors, less a smaller box, with values of direct dimensions.

What one clause with one include group reaches is the union of the lists it includes, each limiting one factor, less the
lists it excludes, each leaving out states of one factor. The people kept out by exclusion leave a box; those in it whom
no included list reaches lie outside in every factor, so they are a box too. No list speaks of direct dimensions, and
the platform takes each of them apart from all else.
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.spaces import LACKS

if TYPE_CHECKING:
    from segmentation_core.planning.factors import Factors
    from segmentation_core.regions import Region


class Shape(msgspec.Struct, frozen=True):
    """Everyone in `box` but in none of the `holes`: the states of each factor named, by its position.

    A factor that is not in `box` is not limited. A hole names the factors in which it is smaller than the box; one
    include group makes one hole. `direct` gives the values of direct dimensions.
    """

    box: dict[int, int]
    holes: tuple[dict[int, int], ...]
    direct: dict[str, tuple[str, ...]]


def shape_of(region: Region, factors: Factors) -> Shape | None:
    """Return the shape of a region that is not empty, None where it has none."""
    aims = _aims(region, factors)
    listed = region.onto([level for level in region.shadows if level not in factors.direct]) if aims else region
    if aims and not reduce(and_, aims.values(), listed).is_subset(region):
        return None
    direct = {name: values for name, aim in aims.items() if (values := _allowed(aim))}
    if len(direct) < len(aims):
        return None
    box = factors.shadows(listed)
    hole = factors.box(box) - listed
    if hole.is_empty():
        return Shape(box, (), direct)
    missed = factors.shadows(hole)
    if not factors.box(missed).is_subset(hole):
        return None
    missed = {i: mask for i, mask in missed.items() if mask != box.get(i, factors.all[i].full)}
    return Shape(box, (missed,), direct)


def _aims(region: Region, factors: Factors) -> dict[str, Region]:
    """Return what the region says of each direct dimension that it limits, by name."""
    levels: dict[str, list[int]] = {}
    for level in region.shadows:
        if level in factors.direct:
            levels.setdefault(factors.space.levels[level].dimension, []).append(level)
    return {name: region.onto(own) for name, own in levels.items()}


def _allowed(aim: Region) -> tuple[str, ...]:
    """Return the values of a direct dimension that a platform is to allow, none where that cannot say `aim`.

    Of a single one it takes any set of values. Of a multi one it takes "any of these": all but those who lack them all.
    """
    levels = aim.space.levels
    level, mask = next(iter(aim.shadows.items()))
    if levels[level].value is None:
        return tuple(state for i, state in enumerate(levels[level].states) if mask >> i & 1)
    refused = ~aim
    if not refused.is_box() or set(refused.shadows.values()) != {1 << LACKS}:
        return ()
    return tuple(value for level in refused.shadows if (value := levels[level].value) is not None)
