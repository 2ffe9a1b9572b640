"""What one factor contributes to a clause, with as few lists as can be.

A factor is either *guarded*, so that exclusion alone keeps everyone outside its wanted states out, or it is the
*pivot*, whose lists are included and reach all of its wanted states. What an included list reaches beyond them is
excluded.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from itertools import islice
from operator import or_
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from segmentation_core.planning.covers import Cover, smallest_cover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmentation_core.planning.factors import Factor

MAX_STEPS = 2_000
"""How many choices of lists that reach too far one pivot may try."""

_NOTHING = Cover((), 0)


class Share(msgspec.Struct, frozen=True, order=True):
    """Lists to include and to exclude on a factor, ids ascending; no share of the same kind has fewer than `at_least`.

    Shares compare by `lists`, then include, then exclude.
    """

    lists: int
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    at_least: int


@lru_cache(maxsize=100_000)
def guard(factor: Factor, wanted: int) -> Share | None:
    """Return the fewest lists to exclude so that exactly the states of `wanted` are left, None where none do."""
    outside = {name: trace for name, trace in factor.lists.items() if not trace & wanted}
    cover = smallest_cover(factor.full & ~wanted, outside)
    return Share(len(cover.names), (), cover.names, cover.at_least) if cover else None


@lru_cache(maxsize=100_000)
def reach(factor: Factor, wanted: int, avoided: int) -> Share | None:
    """Return the fewest lists to include that reach all of `wanted` and nothing of `avoided`, None where none do."""
    inside = {name: trace for name, trace in factor.lists.items() if not trace & avoided}
    cover = smallest_cover(wanted, inside)
    return Share(len(cover.names), cover.names, (), cover.at_least) if cover else None


@lru_cache(maxsize=100_000)
def pivot(factor: Factor, wanted: int) -> Share | None:
    """Return the fewest lists, included and excluded together, that mean exactly `wanted`, None where none do.

    Only lists without wanted states may be excluded. A list may be included if those cover what it reaches beyond
    `wanted`: which of these reach too far is tried in all ways, within MAX_STEPS.
    """
    excludable = {name: trace for name, trace in factor.lists.items() if not trace & wanted}
    guarded = reduce(or_, excludable.values(), 0)
    spill_of = {name: trace & ~wanted for name, trace in factor.lists.items() if trace & wanted}
    includable = {name: factor.lists[name] for name, spill in spill_of.items() if not spill & ~guarded}
    widest = smallest_cover(wanted, includable)
    if widest is None:
        return None
    spilt = reduce(or_, (spill_of[name] for name in widest.names), 0)
    shares = [_share(widest, smallest_cover(spilt, excludable) or _NOTHING)]
    unions = _unions(sorted({spill_of[name] for name in includable} - {0}))
    for allowed in islice(unions, MAX_STEPS):
        reaching = {name: trace for name, trace in includable.items() if not spill_of[name] & ~allowed}
        included, excluded = smallest_cover(wanted, reaching), smallest_cover(allowed, excludable)
        if included and excluded:
            shares.append(_share(included, excluded))
    best = min(shares)
    tried_all = next(unions, None) is None
    return replace(best, at_least=min(share.at_least for share in shares) if tried_all else widest.at_least)


def _share(included: Cover, excluded: Cover) -> Share:
    lists = len(included.names) + len(excluded.names)
    return Share(lists, included.names, excluded.names, included.at_least + excluded.at_least)


def _unions(masks: list[int]) -> Iterator[int]:
    """Yield every distinct union of some of `masks`, the empty one first."""
    seen = {0: None}
    yield 0
    for mask in masks:
        for union in list(seen):
            if union | mask not in seen:
                seen[union | mask] = None
                yield union | mask
