"""Catalogues of a handful of lists: every clause there is, and the best of all plans.

With few lists there are few kinds of people, told apart by the lists that they are on, and a clause is a set of kinds.
So all clauses can be written down, and the plan is an exact cover of the audience by them: the fewest, then with the
fewest lists, then the first by ids. Where there is none, none exists.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from operator import and_, or_
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from segmentation_core.planning.plan import Clause
from segmentation_core.regions import Region
from segmentation_core.spaces import HAS, LACKS, bits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segmentation_core.planning.clauses import Taking
    from segmentation_core.planning.factors import Factors

MOST_LISTS = 7
"""Catalogues of how many lists are looked at in this way."""

MAX_KINDS = 512
"""How many kinds of people are told apart at the most."""

MAX_STATES = 1 << 5
"""How many groups of values of one direct dimension are told apart at the most."""

MAX_USES = 20_000
"""How many ways to use the lists are tried at the most."""

MAX_STEPS = 100_000
"""How many clauses the search for the best plan may look at."""


class TooMany(Exception):
    """There is more to look at than is looked at."""


class Plans(msgspec.Struct, frozen=True):
    """What came of it: the best plan, None where there is none.

    Then `lost` are wanted people whom no clause reaches; None where clauses reach all, but no disjoint ones.
    """

    best: tuple[Clause, ...] | None
    lost: Region | None = None


class _Option(msgspec.Struct, frozen=True):
    """The cheapest clause that reaches just the kinds of people in `kinds`."""

    kinds: int
    clause: Clause


def best_plan(region: Region, factors: Factors, taking: Taking) -> Plans:
    """Return the best plan of a region, not empty. Raises TooMany."""
    kinds = _Kinds(region, factors)
    options = [*kinds.clauses(taking)]
    lost = kinds.wanted & ~reduce(or_, (option.kinds for option in options), 0)
    if lost:
        return Plans(None, kinds.people[next(bits(lost))])
    return Plans(_Cover(options).best(kinds.wanted))


def best_subset(region: Region, factors: Factors, taking: Taking, most: int) -> tuple[tuple[Clause, ...], Region]:
    """Return at most so many disjoint clauses within a region, not empty, that reach most people, and whom they miss.

    People are counted as combinations of all values. Of clauses that reach as many those are taken that are fewer, then
    have fewer lists, then come first by ids. Raises TooMany.
    """
    kinds = _Kinds(region, factors)
    found = _Packing([*kinds.clauses(taking)], {kind: people.count() for kind, people in kinds.people.items()})
    chosen = found.most(reduce(or_, found.holding, 0), most).options
    reached = reduce(or_, (option.kinds for option in chosen), 0)
    missed = reduce(Region.__or__, (p for k, p in kinds.people.items() if not reached >> k & 1), region - region)
    return tuple(sorted((option.clause for option in chosen), key=Clause.order)), missed


class _Kinds:
    """The kinds of people: on the same lists, and with the same values of direct dimensions, as far as these matter.

    A set of kinds is an integer. `wanted` are those of whom some are wanted, who are `people`; of `whole` all are.
    """

    def __init__(self, region: Region, factors: Factors) -> None:
        self.lists = sorted((name, i) for i, factor in enumerate(factors.all) for name in factor.lists)
        if len(self.lists) > MOST_LISTS:
            raise TooMany
        boxes = [*product(*(_classes([*factor.lists.values()], factor.full) for factor in factors.all))]
        self.targets = _targets(region, factors)
        told = [*product(*(target.people for target in self.targets))]
        if len(boxes) * len(told) > MAX_KINDS:
            raise TooMany
        self.everyone = (1 << len(boxes)) - 1
        self.width = len(boxes)
        self.on = {
            name: sum(1 << kind for kind, box in enumerate(boxes) if box[i] & factors.all[i].lists[name])
            for name, i in self.lists
        }
        self.wanted = self.whole = 0
        self.people: dict[int, Region] = {}
        regions = [factors.box({i: mask for i, mask in enumerate(box) if mask != factors.all[i].full}) for box in boxes]
        for j, targeted in enumerate(told):
            rest = reduce(and_, targeted, region)
            within = reduce(and_, targeted, Region.everyone(region.space))
            for i, people in enumerate(regions):
                found = people & rest
                if not found.is_empty():
                    kind = i + j * self.width
                    self.people[kind] = found
                    self.wanted |= 1 << kind
                    self.whole |= 1 << kind if (people & within).is_subset(found) else 0

    def clauses(self, taking: Taking) -> Iterator[_Option]:
        """Yield the cheapest clause for everything that one clause can reach of the wanted."""
        by_lists = self._by_lists(taking)
        for chosen in product(*(target.choices for target in self.targets)):
            direct = {
                target.dimension: values for target, (values, _) in zip(self.targets, chosen, strict=True) if values
            }
            columns = [0]
            for target, (_, allowed) in zip(self.targets, chosen, strict=True):
                columns = [column * len(target.people) + state for column in columns for state in bits(allowed)]
            within = reduce(and_, (self.whole >> column * self.width for column in columns), self.everyone)
            for reached, (_, include, exclude) in by_lists.items():
                if not reached & ~within:
                    kinds = sum(reached << column * self.width for column in columns)
                    yield _Option(kinds, Clause(include, exclude, direct))

    def _by_lists(self, taking: Taking) -> dict[int, tuple[int, tuple[tuple[str, ...], ...], tuple[str, ...]]]:
        """Return the fewest lists, and of these the first, for all that lists can reach, whatever is wanted."""
        groups = min(taking.groups, MOST_LISTS)
        ways = (2**groups + 1) ** len(self.lists)
        if ways > MAX_USES:
            raise TooMany
        best: dict[int, tuple[int, tuple[tuple[str, ...], ...], tuple[str, ...]]] = {}
        names = [name for name, _ in self.lists]
        for uses in product(range(-1, 2**groups), repeat=len(names)):
            exclude = tuple(name for name, use in zip(names, uses, strict=True) if use < 0)
            include = tuple(
                sorted(
                    tuple(name for name, use in zip(names, uses, strict=True) if use > 0 and use >> group & 1)
                    for group in range(groups)
                    if any(use > 0 and use >> group & 1 for use in uses)
                )
            )
            if not taking.takes(include, exclude):
                continue
            reached = self.everyone if include or taking.empty else 0
            for group in include:
                reached &= reduce(or_, (self.on[name] for name in group))
            for name in exclude:
                reached &= ~self.on[name]
            if reached:
                found = (sum(map(len, include)) + len(exclude), include, exclude)
                if reached not in best or found < best[reached]:
                    best[reached] = found
        return best


class _Target(msgspec.Struct, frozen=True):
    """A direct dimension that matters: `people` by their values there, and the `choices` with the people they allow."""

    dimension: str
    people: tuple[Region, ...]
    choices: tuple[tuple[tuple[str, ...], int], ...]


def _targets(region: Region, factors: Factors) -> list[_Target]:
    space = factors.space
    levels: dict[str, list[int]] = {}
    alike = region.alike()
    for level in sorted(alike):
        if level in factors.direct:
            levels.setdefault(space.levels[level].dimension, []).append(level)
    found: list[_Target] = []
    for dimension, own in levels.items():
        single = space.levels[own[0]].value is None
        states = (
            [{own[0]: mask} for mask in alike[own[0]]]
            if single
            else [dict(zip(own, masks, strict=True)) for masks in product((1 << LACKS, 1 << HAS), repeat=len(own))]
        )
        if len(states) > MAX_STATES:
            raise TooMany
        told = [space.levels[level].value for level in own]
        everyone = (1 << len(states)) - 1
        choices: list[tuple[tuple[str, ...], int]] = [((), everyone)]
        if single:
            names = space.levels[own[0]].states
            for some in range(1, everyone):
                mask = sum(alike[own[0]][i] for i in bits(some))
                choices.append((tuple(names[state] for state in bits(mask)), some))
        else:
            for some in range(1, 1 << len(own)):
                values = tuple(value for i, value in enumerate(told) if value is not None and some >> i & 1)
                allowed = sum(
                    1 << i for i, masks in enumerate(states) if any(masks[own[k]] == 1 << HAS for k in bits(some))
                )
                choices.append((values, allowed))
        people = tuple(Region.box(space, masks) for masks in states)
        found.append(_Target(dimension, people, tuple(choices)))
    return found


def _classes(traces: Sequence[int], full: int) -> list[int]:
    """Return the states of a factor, those together that are on the same lists."""
    classes = [full]
    for trace in traces:
        classes = [part for whole in classes for part in (whole & trace, whole & ~trace) if part]
    return classes


_Found: TypeAlias = tuple[int, list[tuple[object, ...]], tuple[Clause, ...]]
"""How many lists a plan has, its clauses in the order of plans, and these again."""


class _Cover:
    def __init__(self, options: Sequence[_Option]) -> None:
        self.exact = {option.kinds: option for option in options}
        self.holding: dict[int, list[_Option]] = {}
        for option in options:
            for kind in bits(option.kinds):
                self.holding.setdefault(kind, []).append(option)
        self.known: dict[tuple[int, int], _Found | None] = {}
        self.steps = 0

    def best(self, wanted: int) -> tuple[Clause, ...] | None:
        """Return the best exact cover, None where there is none."""
        for clauses in range(1, wanted.bit_count() + 1):
            found = self.within(wanted, clauses)
            if found:
                return found[2]
        return None

    def within(self, rest: int, clauses: int) -> _Found | None:
        """Return the best exact cover of so many clauses."""
        if clauses == 1:
            option = self.exact.get(rest)
            return (option.clause.segments, [option.clause.order()], (option.clause,)) if option else None
        key = (rest, clauses)
        if key not in self.known:
            best: _Found | None = None
            options = self.holding[next(bits(rest))]
            self.steps += len(options)
            if self.steps > MAX_STEPS:
                raise TooMany
            for option in options:
                left = rest & ~option.kinds
                if not option.kinds & ~rest and left:
                    found = self.within(left, clauses - 1)
                    if found:
                        whole = tuple(sorted((option.clause, *found[2]), key=Clause.order))
                        lists = option.clause.segments + found[0]
                        orders = [clause.order() for clause in whole]
                        best = min(best or (lists, orders, whole), (lists, orders, whole), key=lambda one: one[:2])
            self.known[key] = best
        return self.known[key]


class _Packed(msgspec.Struct, frozen=True):
    """Disjoint clauses, and how many people they reach."""

    people: int
    options: tuple[_Option, ...]

    @property
    def order(self) -> tuple[object, ...]:
        """What packings are compared by, the best first: people, clauses, lists, ids."""
        clauses = [option.clause for option in self.options]
        lists = sum(clause.segments for clause in clauses)
        return -self.people, len(clauses), lists, sorted(map(Clause.order, clauses))


class _Packing:
    def __init__(self, options: Sequence[_Option], people: Mapping[int, int]) -> None:
        self.people = people
        self.holding: dict[int, list[_Option]] = {}
        for option in options:
            self.holding.setdefault(option.kinds & -option.kinds, []).append(option)
        self.known: dict[tuple[int, int, int], _Packed] = {}
        self.steps = 0

    def most(self, firsts: int, clauses: int, taken: int = 0) -> _Packed:
        """Return the best packing of so many clauses that begin at some kinds and share none that are taken.

        A clause begins at the lowest kind that it holds.
        """
        if not firsts or not clauses:
            return _Packed(0, ())
        key = (firsts, clauses, taken)
        if key not in self.known:
            first = firsts & -firsts
            rest = firsts & ~first
            best = self.most(rest, clauses, taken)
            for option in () if first & taken else self.holding[first]:
                self.steps += 1
                if self.steps > MAX_STEPS:
                    raise TooMany
                if not option.kinds & taken:
                    more = self.most(rest, clauses - 1, taken | option.kinds)
                    people = more.people + sum(self.people[kind] for kind in bits(option.kinds))
                    found = _Packed(people, (option, *more.options))
                    best = min(best, found, key=lambda packed: packed.order)
            self.known[key] = best
        return self.known[key]
