"""One clause: the lists to include and to exclude that mean exactly one region, with as few as can be."""

from __future__ import annotations

from functools import lru_cache, reduce
from operator import or_
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.planning.pivots import Share, guard, pivot, reach
from segmentation_core.planning.plan import Clause, Reason
from segmentation_core.planning.shapes import Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Sequence, Sized

    from segmentation_core.planning.factors import Factors
    from segmentation_core.regions import Region

_SHOWN = 4


class Answer(msgspec.Struct, frozen=True):
    """A clause that means a region, and how many lists every clause that means it has at the least."""

    clause: Clause
    at_least: int


class Taking(msgspec.Struct, frozen=True):
    """What a platform takes of a clause: so many include groups; and if `empty`, none at all means everyone.

    `lists_per_group`, `include_lists` and `exclude_lists` are the most there may be, None for no limit.
    """

    groups: int = 1
    empty: bool = False
    lists_per_group: int | None = None
    include_lists: int | None = None
    exclude_lists: int | None = None

    @property
    def plain(self) -> bool:
        """Whether a clause has one include group, never empty."""
        return self.groups == 1 and not self.empty

    @property
    def limited(self) -> bool:
        """Whether the number of lists is limited."""
        return not self.lists_per_group is self.include_lists is self.exclude_lists is None

    def takes(self, include: Sequence[Collection[str]], exclude: Sized) -> bool:
        """Tell whether a clause may have so many lists."""
        counts = (
            (self.lists_per_group, max(map(len, include), default=0)),
            (self.include_lists, sum(map(len, include))),
            (self.exclude_lists, len(exclude)),
        )
        return all(limit is None or count <= limit for limit, count in counts)


PLAIN = Taking()


class _Lists(msgspec.Struct, frozen=True, order=True):
    """The lists of a clause, compared by their number, then their ids. `at_least` are needed, proved."""

    lists: int
    include: tuple[tuple[str, ...], ...]
    exclude: tuple[str, ...]
    at_least: int


def clause_of(region: Region, factors: Factors, taking: Taking = PLAIN) -> Answer | Reason | None:
    """Return the clause that means a region, not empty, with the fewest lists.

    Of several with as few it is the first by include ids, then exclude ids. Where lists are wanting, say which; None
    where no lists could say it in one clause of one include group.
    """
    shape = shape_of(region, factors)
    return lists_of(shape, factors, taking) if shape else None


def lists_of(shape: Shape, factors: Factors, taking: Taking = PLAIN) -> Answer | Reason:
    """Return the clause of a shape with the fewest lists, or why the lists do not say it.

    With several groups they are the fewest where every list includes or excludes the states of its factor at once.
    Where the platform's limits leave no choice, they may be past these.
    """
    if not taking.plain:
        lists = _in_groups(shape, factors, taking)
    else:
        lists = _round_hole(shape, factors) if shape.holes else _round_pivot(shape, factors, taking)
    if isinstance(lists, Reason):
        return lists
    return Answer(Clause(lists.include, lists.exclude, shape.direct), lists.at_least)


def _in_groups(shape: Shape, factors: Factors, taking: Taking) -> _Lists | Reason:
    """Mean a box less holes: each hole is a group, and the groups left include factors where that takes fewer lists.

    Of every factor that is limited there is a list at the least.
    """
    guards = {i: guard(factors.all[i], mask) for i, mask in shape.box.items()}
    pivots = {i: pivot(factors.all[i], mask) for i, mask in shape.box.items()}
    unguarded = [i for i, share in guards.items() if share is None]
    left = taking.groups - len(shape.holes)
    if len(unguarded) > left or any(pivots[i] is None for i in unguarded):
        return _no_list(shape, unguarded, factors)
    groups = [_reaching(hole, shape, factors) for hole in shape.holes]
    reasons = [group for group in groups if isinstance(group, Reason)]
    if reasons:
        return reasons[0]
    savings = sorted(
        (share.lists - spared.lists, i) for i, share in pivots.items() if share and (spared := guards[i]) is not None
    )
    cheaper = [i for saving, i in savings if saving < 0]
    included = [*unguarded, *cheaper[: left - len(unguarded)]]
    free = None
    if not groups and not included and not taking.empty:
        free = next(iter(_free_pivots(factors, guards)), None)
        if savings and (free is None or savings[0][0] <= free[0].lists):
            included, free = [savings[0][1]], None
        elif free is None:
            return _no_list(shape, unguarded, factors)
    shares = [*groups, *(pivots[i] for i in included), *([free[0]] if free else [])]
    kept = [share for share in shares if isinstance(share, Share)]
    excluded = [share for i, share in guards.items() if share and i not in included]
    limited = {*shape.box, *(i for hole in shape.holes for i in hole)}
    return _Lists(
        sum(share.lists for share in (*kept, *excluded)),
        tuple(sorted(share.include for share in kept)),
        tuple(sorted({name for share in (*kept, *excluded) for name in share.exclude})),
        len(limited) or int(not taking.empty),
    )


def _reaching(hole: dict[int, int], shape: Shape, factors: Factors) -> Share | Reason:
    """Return the lists, of one group, of all in the box who are not in a hole."""
    shares: list[Share] = []
    for i, missed in hole.items():
        wanted = shape.box.get(i, factors.all[i].full) & ~missed
        share = reach(factors.all[i], wanted, missed)
        if share is None:
            inside = [trace for trace in factors.all[i].lists.values() if not trace & missed]
            return _unreached(factors, i, wanted & ~reduce(or_, inside, 0))
        shares.append(share)
    whole = _sum(shares)
    return Share(whole.lists, whole.include[0], (), whole.at_least)


def _round_pivot(shape: Shape, factors: Factors, taking: Taking) -> _Lists | Reason:
    """Mean a box: include the lists of one factor, the pivot, and exclude what the others leave out.

    The union of lists of several factors holds a box only if the lists of one factor alone do: hence one pivot. It need
    not be a factor that the filter limits.
    """
    guards = {i: guard(factors.all[i], mask) for i, mask in shape.box.items()}
    unguarded = [i for i, share in guards.items() if share is None]
    if len(unguarded) > 1:
        return _no_list(shape, unguarded, factors)
    pivots = [(share, i) for i in unguarded or guards if (share := pivot(factors.all[i], shape.box[i]))]
    if not unguarded:
        pivots += _free_pivots(factors, guards, every=taking.limited)
    if taking.limited:
        pivots = _within_limits(pivots, guards, taking) or pivots
    if not pivots:
        return _no_list(shape, unguarded, factors)
    kept = [share for share in guards.values() if share]
    lists, at_least = sum(share.lists for share in kept), sum(share.at_least for share in kept)
    sizes = [(share.lists - spared.lists if (spared := guards.get(i)) else share.lists) for share, i in pivots]
    fewest = min(sizes)
    least = min(
        share.at_least - spared.at_least if (spared := guards.get(i)) else share.at_least for share, i in pivots
    )
    best = min(
        _sum([share, *(guarded for j, guarded in guards.items() if j != i)])
        for size, (share, i) in zip(sizes, pivots, strict=True)
        if size == fewest
    )
    return _Lists(lists + fewest, best.include, best.exclude, at_least + least)


def _round_hole(shape: Shape, factors: Factors) -> _Lists | Reason:
    """Mean a box less a hole: exclude what the box leaves out, include on every factor what the hole leaves.

    Somebody who lies outside the hole in one factor alone is reached by that factor's lists alone, and lists that touch
    the hole must not be included: so every part is forced, and the fewest lists are the sum of the fewest of each.
    """
    guards = {i: guard(factors.all[i], mask) for i, mask in shape.box.items()}
    unguarded = [i for i, share in guards.items() if share is None]
    if unguarded:
        return _no_list(shape, unguarded, factors)
    (hole,) = shape.holes
    reached = _reaching(hole, shape, factors)
    return reached if isinstance(reached, Reason) else _sum([reached, *guards.values()])


def _within_limits(
    pivots: list[tuple[Share, int]], guards: dict[int, Share | None], taking: Taking
) -> list[tuple[Share, int]]:
    """Return the pivots with which a clause keeps to the limits on lists."""
    excluded = sum(share.lists for share in guards.values() if share)
    found: list[tuple[Share, int]] = []
    for share, i in pivots:
        spared = guards.get(i)
        count = excluded - (spared.lists if spared else 0) + len(share.exclude)
        if taking.takes([share.include], range(count)):
            found.append((share, i))
    return found


def _free_pivots(factors: Factors, limited: Container[int], *, every: bool = False) -> list[tuple[Share, int]]:
    """Return the best pivots among the factors that the filter does not limit: their lists include everyone.

    With `every` the others too, for where the best have too many lists.
    """
    everyone = _everyone(factors)
    if every:
        return [(share, i) for share, i in everyone if i not in limited]
    found: list[tuple[Share, int]] = []
    for share, i in everyone:
        if i not in limited and (not found or share.at_least < found[0][0].at_least):
            found.append((share, i))
    return found


@lru_cache(maxsize=16)
def _everyone(factors: Factors) -> list[tuple[Share, int]]:
    """Return the ways to include everyone, the best first."""
    shares = [(pivot(factor, factor.full), i) for i, factor in enumerate(factors.all)]
    return sorted((share, i) for share, i in shares if share)


def _sum(shares: Iterable[Share | None]) -> _Lists:
    parts = [share for share in shares if share]
    return _Lists(
        sum(share.lists for share in parts),
        (tuple(sorted(name for share in parts for name in share.include)),),
        tuple(sorted(name for share in parts for name in share.exclude)),
        sum(share.at_least for share in parts),
    )


def _no_list(shape: Shape, unguarded: list[int], factors: Factors) -> Reason:
    """Say which people no list keeps out, or, where that is not the matter, which people no list reaches."""
    if not unguarded or (len(unguarded) == 1 and not shape.holes):
        return _unreached_by_pivot(shape, unguarded, factors)
    kept = []
    for i in unguarded:
        factor, wanted = factors.all[i], shape.box[i]
        outside = [trace for trace in factor.lists.values() if not trace & wanted]
        kept.append(_told(factors, i, factor.full & ~wanted & ~reduce(or_, outside, 0)))
    return Reason(
        "unreached",
        "No list keeps out people with " + ", nor people with ".join(kept) + "; "
        "one ad set can do without excluding in one category only.",
    )


def _unreached_by_pivot(shape: Shape, unguarded: list[int], factors: Factors) -> Reason:
    if not unguarded:
        return Reason("unreached", "No category has lists that together reach everyone wanted.")
    (i,) = unguarded
    factor, wanted = factors.all[i], shape.box[i]
    outside = reduce(or_, (trace for trace in factor.lists.values() if not trace & wanted), 0)
    reaching = [trace for trace in factor.lists.values() if not trace & ~wanted & ~outside]
    return _unreached(factors, i, wanted & ~reduce(or_, reaching, 0))


def _unreached(factors: Factors, position: int, states: int) -> Reason:
    told = _told(factors, position, states)
    return Reason("unreached", f"No list reaches people with {told} without reaching people who are not wanted.")


def _told(factors: Factors, position: int, states: int) -> str:
    """Tell the people of some states of a factor, the first few of them."""
    people = factors.people(position, states, _SHOWN)
    more = states.bit_count() - len(people)
    return " or ".join(people) + (f" (and {more} more)" if more > 0 else "")
