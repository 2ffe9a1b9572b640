"""The regions that one clause can mean: a box of factors, less a smaller box.

What one clause with one include group reaches is the union of the lists it includes, each limiting one factor, less the
lists it excludes, each leaving out states of one factor. The people kept out by exclusion leave a box; those in it whom
no included list reaches lie outside in every factor, so they are a box too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from segmentation_core.regions import HAS, LACKS, Region

if TYPE_CHECKING:
    from segmentation_core.planning.factors import Factors


class Shape(msgspec.Struct, frozen=True):
    """Everyone in `box` but not in `hole`: the states of each factor named, by its position.

    A factor that is not in `box` is not limited. `hole` is empty or names the factors in which it is smaller than the
    box. `direct` gives the values of direct dimensions.
    """

    box: dict[int, int]
    hole: dict[int, int]
    direct: dict[str, tuple[str, ...]]


def shape_of(region: Region, factors: Factors) -> Shape | None:
    """Return the shape of a region that is not empty, None where it has none."""
    space = factors.space
    box = factors.shadows(region)
    targeted = {
        level: mask for level, mask in region.shadows.items() if level in factors.direct and mask != space.full[level]
    }
    hole = factors.box(box) & Region.box(space, targeted) - region
    if hole.is_empty():
        return _with_direct(Shape(box, {}, {}), targeted, {}, factors)
    missed = factors.shadows(hole)
    untargeted = {level: mask for level, mask in hole.shadows.items() if level in factors.direct}
    if not (factors.box(missed) & Region.box(space, untargeted)).is_subset(hole):
        return None
    smaller = {i: mask for i, mask in missed.items() if mask != box.get(i, factors.all[i].full)}
    left_out = {level: mask for level, mask in untargeted.items() if mask != targeted.get(level, space.full[level])}
    if left_out and (smaller or len({space.levels[level].dimension for level in left_out}) > 1):
        return None
    return _with_direct(Shape(box, smaller, {}), targeted, left_out, factors)


def _with_direct(shape: Shape, box: dict[int, int], hole: dict[int, int], factors: Factors) -> Shape | None:
    """Add the values of direct dimensions, None where the platform cannot say them.

    Of a single one it takes any set of values, so a limit of the box. Of a multi one it takes "any of these": one held
    throughout the box, or a hole of those who lack them all.
    """
    levels = factors.space.levels
    said: dict[str, tuple[str, ...]] = {}
    for name in sorted({levels[level].dimension for level in (*box, *hole)}):
        boxed = [level for level in sorted(box) if levels[level].dimension == name]
        holed = [level for level in sorted(hole) if levels[level].dimension == name]
        values = [value for level in boxed or holed if (value := levels[level].value) is not None]
        if values:
            one_wish = len(boxed) == 1 and not holed if boxed else True
            right_way = all(box[level] == 1 << HAS for level in boxed) and all(
                hole[level] == 1 << LACKS for level in holed
            )
            if not (one_wish and right_way):
                return None
            said[name] = tuple(values)
        elif holed:
            return None
        else:
            (level,) = boxed
            said[name] = tuple(state for i, state in enumerate(levels[level].states) if box[level] >> i & 1)
    return Shape(shape.box, shape.hole, said)
