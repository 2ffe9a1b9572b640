"""What one factor contributes to a clause, with as few lists as can be.

A factor is either *guarded*, so that exclusion alone keeps everyone outside its wanted states out, or it is the
*pivot*, whose lists are included and reach all of its wanted states. What an included list reaches beyond them is
excluded.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.planning.covers import Cover, smallest_cover, smallest_exact_cover

if TYPE_CHECKING:
    from segmentation_core.planning.factors import Factor

_REMEMBERED = 8_192
"""How many answers of each kind are kept; masks of the largest factors take 8 kB."""


class Share(msgspec.Struct, frozen=True, order=True):
    """Lists to include and to exclude on a factor, ids ascending; no share of the same kind has fewer than `at_least`.

    Shares compare by `lists`, then include, then exclude.
    """

    lists: int
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    at_least: int


@lru_cache(maxsize=_REMEMBERED)
def guard(factor: Factor, wanted: int) -> Share | None:
    """Return the fewest lists to exclude so that exactly the states of `wanted` are left, None where none do."""
    outside = {name: trace for name, trace in factor.lists.items() if not trace & wanted}
    cover = smallest_cover(factor.full & ~wanted, outside)
    return Share(cover.size, (), cover.names, cover.at_least) if cover else None


@lru_cache(maxsize=_REMEMBERED)
def reach(factor: Factor, wanted: int, avoided: int) -> Share | None:
    """Return the fewest lists to include that reach all of `wanted` and nothing of `avoided`, None where none do."""
    inside = {name: trace for name, trace in factor.lists.items() if not trace & avoided}
    return _including(smallest_cover(wanted, inside))


@lru_cache(maxsize=_REMEMBERED)
def pivot(factor: Factor, wanted: int) -> Share | None:
    """Return the fewest lists, included and excluded together, that mean exactly `wanted`, None where none do.

    Only lists without wanted states may be excluded, and they have to take away what included ones reach beyond.
    """
    excludable = {name: trace for name, trace in factor.lists.items() if not trace & wanted}
    return _including(smallest_exact_cover(wanted, factor.lists, excludable))


def _including(cover: Cover | None) -> Share | None:
    return Share(cover.size, cover.names, cover.without, cover.at_least) if cover else None
