"""The fewest sets that cover another, and the fewest that cover it exactly when what they spill may be taken away.

Sets are integers, one bit an element. Set cover is NP-hard (Karp 1972); what catalogues ask is mostly disjoint
families, answered at once, and small mixtures, answered by branch and bound with iterative deepening: exact within a
budget of sets looked at, with a bound that is proved either way.
"""

from __future__ import annotations

from functools import reduce
from heapq import heapify, heappop, heapreplace
from operator import or_
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_STEPS = 200_000
"""How many sets and elements one search may look at before it settles for a greedy cover."""


_BITS_A_STEP = 1_024
"""How wide a set may be to be looked at in one step."""

_NEVER = 1 << 62
"""More sets than there can be."""


class Cover(msgspec.Struct, frozen=True):
    """`names`, and `without` to take away what they spill, ascending; no cover has fewer than `at_least` sets."""

    names: tuple[str, ...]
    at_least: int
    without: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many sets it has."""
        return len(self.names) + len(self.without)


def smallest_cover(universe: int, sets: Mapping[str, int]) -> Cover | None:
    """Return a smallest choice of `sets` whose union holds `universe`, None where there is none.

    Of several smallest the first by ascending names is taken. Past the budget it is a greedy cover, and `at_least`
    may lie below its size.
    """
    return smallest_exact_cover(universe, {name: inside & universe for name, inside in sets.items()}, {})


def smallest_exact_cover(universe: int, sets: Mapping[str, int], removable: Mapping[str, int]) -> Cover | None:
    """Return a smallest choice of `sets` and of `removable` whose difference is `universe`, None where there is none.

    The first have to hold `universe`, the second what these hold beyond it. No set of `removable` meets `universe`.
    Of several smallest the first by ascending names is taken, those of `sets` first.
    """
    return _smallest(universe, sets, removable, _Budget())


class _OutOfBudget(Exception):
    pass


class _Budget:
    """What one question may look at, the covers it asks for on the way included."""

    def __init__(self) -> None:
        self.left = MAX_STEPS

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise _OutOfBudget


def _smallest(universe: int, sets: Mapping[str, int], removable: Mapping[str, int], budget: _Budget) -> Cover | None:
    reach = reduce(or_, removable.values(), 0)
    offers: dict[tuple[int, int], str] = {}
    for name in sorted(sets):
        inside, spill = sets[name] & universe, sets[name] & ~universe
        if inside and not spill & ~reach:
            offers.setdefault((inside, spill), name)
    insides = [inside for inside, _ in offers]
    if reduce(or_, insides, 0) != universe:
        return None
    disjoint = sum(inside.bit_count() for inside in insides) == universe.bit_count()
    if disjoint and not any(spill for _, spill in offers):
        return Cover(tuple(sorted(offers.values())), len(offers))
    named = [_Offer(name, *masks) for masks, name in offers.items()]
    try:
        elements = _told_apart(universe, insides, budget)
        budget.spend(len(elements) * len(named) * _width(universe))
        renumbered = [_Offer(offer.name, _renumbered(offer.inside, elements), offer.spill) for offer in named]
        search = _Search(renumbered, removable, budget)
    except _OutOfBudget:
        widest = max(inside.bit_count() for inside in insides)
        names = _greedy(universe, named)
        removal = _removal(_spilt(names, named), removable, budget)
        return Cover(names, -(-universe.bit_count() // widest), removal.names)
    return search.smallest()


def _spilt(names: tuple[str, ...], offers: list[_Offer]) -> int:
    chosen = set(names)
    return reduce(or_, (offer.spill for offer in offers if offer.name in chosen), 0)


def _removal(spilt: int, removable: Mapping[str, int], budget: _Budget) -> Cover:
    """Return the smallest choice that takes away what is spilt, which is known to be removable."""
    cover = _smallest(spilt, {name: mask & spilt for name, mask in removable.items()}, {}, budget)
    assert cover is not None  # noqa: S101  offers whose spill nothing removes were left out
    return cover


def _greedy(universe: int, offers: list[_Offer]) -> tuple[str, ...]:
    """Take what covers most, of these what spills least, until nothing is left (Chvátal 1979)."""
    rest, chosen = universe, list[str]()
    waiting = [(-offer.inside.bit_count(), offer.spill.bit_count(), offer) for offer in sorted(offers)]
    heapify(waiting)
    while rest:
        _, spill, offer = waiting[0]
        gain = (offer.inside & rest).bit_count()
        if -gain != waiting[0][0]:  # gains only fall, so one that is still what it was is the largest
            heapreplace(waiting, (-gain, spill, offer))
            continue
        heappop(waiting)
        chosen.append(offer.name)
        rest &= ~offer.inside
    return tuple(sorted(chosen))


class _Offer(msgspec.Struct, frozen=True, order=True):
    """A set: what it holds of the universe, and beyond it."""

    name: str
    inside: int
    spill: int


class _Bounds:
    """How many of some offers it takes to cover what is left, at the least."""

    def __init__(self, universe: int, offers: Iterable[_Offer]) -> None:
        self.insides = [offer.inside for offer in offers]
        holders = {bit: [inside for inside in self.insides if inside & bit] for bit in _bits(universe)}
        scarcest_first = sorted((bit for bit in holders if holders[bit]), key=lambda bit: len(holders[bit]))
        self.together = {bit: reduce(or_, holders[bit]) for bit in scarcest_first}
        self.reach = reduce(or_, self.insides, 0)
        self.cost = len(self.insides) + len(self.together)

    def at_least(self, rest: int) -> int:
        """Elements of which no offer holds two need one each, and no offer holds more than the widest."""
        if rest & ~self.reach:
            return _NEVER
        widest = max((inside & rest).bit_count() for inside in self.insides)
        apart, left = 0, rest
        for bit, together in self.together.items():
            if left & bit:
                apart += 1
                left &= ~together
        return max(apart, -(-rest.bit_count() // widest))


class _Search:
    """One search. What is left to cover, what is spilt, and how many sets may still be taken describe a branch."""

    def __init__(self, offers: list[_Offer], removable: Mapping[str, int], budget: _Budget) -> None:
        self.universe = universe = reduce(or_, (offer.inside for offer in offers), 0)
        budget.spend(len(offers) * (len(offers) + universe.bit_count()))
        self.offers = sorted(offers)
        self.best = _undominated(offers)
        self.removable = removable
        self.budget = budget
        self.any = _Bounds(universe, self.best)
        self.pure = _Bounds(universe, (offer for offer in self.best if not offer.spill))
        self.holders = {bit: [offer for offer in self.best if offer.inside & bit] for bit in self.any.together}
        self.exact = True
        self.futile: dict[tuple[int, int], int] = {}
        self.priced: dict[int, Cover] = {}

    def smallest(self) -> Cover:
        proved = size = self.at_least(self.universe, 0)
        try:
            while (found := self.covering(self.universe, 0, size)) is None:
                size += 1
                proved = size if self.exact else proved
            names = self.first_of(size, found)
        except _OutOfBudget:
            names = _greedy(self.universe, self.offers)
        spilt = _spilt(names, self.offers)
        removal = self.priced.get(spilt) or _removal(spilt, self.removable, self.budget)
        return Cover(names, proved, removal.names)

    def at_least(self, rest: int, spilt: int) -> int:
        """Return how many sets are missing at the least: the first that spills costs one to take away."""
        missing = self.any.at_least(rest)
        if spilt:
            return missing + self.price(spilt).at_least
        return min(self.pure.at_least(rest), missing + 1)

    def price(self, spilt: int) -> Cover:
        """Return the smallest choice that takes away what is spilt."""
        if spilt not in self.priced:
            self.budget.spend(len(self.removable) * _width(spilt))
            cover = _removal(spilt, self.removable, self.budget)
            self.exact &= cover.at_least == cover.size
            self.priced[spilt] = cover
        return self.priced[spilt]

    def covering(self, rest: int, spilt: int, size: int) -> tuple[str, ...] | None:
        """Return offers that cover `rest`, at most `size` sets with what takes their spill away; None for none."""
        if not rest:
            return () if not spilt or self.price(spilt).size <= size else None
        self.budget.spend(self.any.cost)
        if self.futile.get((rest, spilt), -1) >= size or self.at_least(rest, spilt) > size:
            return None
        scarcest = next(bit for bit in self.holders if bit & rest)
        for offer in sorted(self.holders[scarcest], key=lambda offer: (-(offer.inside & rest).bit_count(), offer)):
            others = self.covering(rest & ~offer.inside, spilt | offer.spill, size - 1)
            if others is not None:
                return (offer.name, *others)
        self.futile[rest, spilt] = size
        return None

    def first_of(self, size: int, found: tuple[str, ...]) -> tuple[str, ...]:
        """Return the first cover of `size` sets by ascending names; the one that was found where the budget ends."""
        rest, spilt, chosen = self.universe, 0, list[str]()
        try:
            for offer in self.offers:
                left = size - len(chosen) - 1
                if offer.inside & rest and self.covering(rest & ~offer.inside, spilt | offer.spill, left) is not None:
                    chosen.append(offer.name)
                    rest &= ~offer.inside
                    spilt |= offer.spill
        except _OutOfBudget:
            return tuple(sorted(found))
        return tuple(chosen)


def _undominated(offers: list[_Offer]) -> list[_Offer]:
    """Leave out offers that hold no more than another which spills no more."""
    kept: list[_Offer] = []
    for offer in sorted(offers, key=lambda offer: (-offer.inside.bit_count(), offer.spill.bit_count(), offer)):
        if not any(not offer.inside & ~other.inside and not other.spill & ~offer.spill for other in kept):
            kept.append(offer)
    return kept


def _told_apart(universe: int, sets: Iterable[int], budget: _Budget) -> list[int]:
    """Return one element of each class of elements that lie in the same sets: to cover these is to cover all."""
    classes = [universe]
    for mask in sets:
        budget.spend(len(classes) * _width(universe))
        classes = [part for whole in classes for part in (whole & mask, whole & ~mask) if part]
    return sorted(whole & -whole for whole in classes)


def _width(mask: int) -> int:
    """Return how many steps it is to look at a set as wide as this."""
    return 1 + mask.bit_length() // _BITS_A_STEP


def _renumbered(mask: int, elements: list[int]) -> int:
    return sum(1 << number for number, element in enumerate(elements) if mask & element)


def _bits(mask: int) -> Iterable[int]:
    while mask:
        yield mask & -mask
        mask &= mask - 1
