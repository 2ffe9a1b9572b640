"""A wanted audience as a grid of cells, small enough to look at whole: where plans of several clauses are searched.

An axis is a factor that the audience depends on, or a direct dimension; its atoms are the states that neither the
audience nor the lists tell apart. A cell is a choice of one atom on every axis, and a set of cells an integer.

Every clause is a box less a box, and both are *closed* on every axis: the states that no list avoiding some states
holds are just these states and those that cannot be kept out without losing some of them. So `around` tells the least
clause that reaches given cells and nobody unwanted, and there is one exactly if its hole misses them
(`docs/planning.md` has the proof).
"""

from __future__ import annotations

from functools import reduce
from math import inf
from operator import or_
from typing import TYPE_CHECKING, Final

import msgspec

from segmentation_core.planning.axes import TooManyCells, axes_of
from segmentation_core.planning.factors import product_mask
from segmentation_core.spaces import bits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from segmentation_core.planning.axes import Axis
    from segmentation_core.planning.factors import Factors
    from segmentation_core.regions import Region

MAX_CELLS = 1 << 16
"""How many cells an audience may come to."""

_CELLS_A_STEP = 4_096
"""How many cells are looked at in one step of a search."""

_STEPS_A_DIAGRAM_STEP = 5
"""How many steps all searches together may take for each diagram operation that the space allows, where it does."""


class OutOfWork(Exception):
    """A search has taken all of its steps."""


def _tiled(mask: int, width: int, times: int) -> int:
    """Repeat the `width` bits of a mask, doubling as often as goes."""
    tiled, done, piece, length = 0, 0, mask, 1
    while times:
        if times & 1:
            tiled |= piece << done * width
            done += length
        piece |= piece << length * width
        length *= 2
        times >>= 1
    return tiled


class Part(msgspec.Struct, frozen=True):
    """What one clause reaches: `box` less `hole`, atoms of each axis; an empty `hole` is None."""

    cells: int
    box: tuple[int, ...]
    hole: tuple[int, ...] | None


class _Told:
    """The cells of a grid as one axis tells them apart: `slabs` are those of each of its atoms."""

    def __init__(self, axis: Axis, slabs: Sequence[int]) -> None:
        self.axis: Final = axis
        self.full: Final = axis.full
        self._slabs: Final = [(1 << atom, slab) for atom, slab in enumerate(slabs)]
        self._unions: dict[int, int] = {}
        self._closed: dict[int, int] = {}

    def shadow(self, cells: int) -> int:
        """Return the atoms that occur in some cells."""
        atoms = 0
        for atom, slab in self._slabs:
            if slab & cells:
                atoms |= atom
        return atoms

    def closed(self, cells: int) -> int:
        """Return the atoms that cannot be left out without losing some of these cells."""
        atoms = self.shadow(cells)
        found = self._closed.get(atoms)
        if found is None:
            found = self._closed[atoms] = self.axis.closed(atoms)
        return found

    def slab(self, atoms: int) -> int:
        """Return all cells whose atom is one of these."""
        found = self._unions.get(atoms)
        if found is None:
            found = self._unions[atoms] = reduce(or_, (slab for atom, slab in self._slabs if atom & atoms), 0)
        return found


class Cells:
    """The grid of one region. Raises TooManyCells where it would have more than `most`, MAX_CELLS unless said.

    `wanted` is the region; `empty` tells whether a clause that includes no list reaches everyone. Steps of every search
    over the grid count against one budget, MAX_WORK; where the space bounds diagrams more than MAX_STEPS does, all
    searches together have a budget in proportion.
    """

    def __init__(self, region: Region, factors: Factors, *, empty: bool = False, most: int | None = None) -> None:
        self.axes: Final = tuple(axes_of(region, factors))
        self.factors = factors
        self._left = 0
        count = 1
        self.strides: list[int] = []
        for axis in self.axes:
            self.strides.append(count)
            count *= len(axis.atoms)
            if count > (MAX_CELLS if most is None else most):
                msg = f"The filter tells more than {MAX_CELLS:,} combinations apart, too many for several ad sets."
                raise TooManyCells(msg)
        self.full: Final = (1 << count) - 1
        self.cost: Final = 1 + count // _CELLS_A_STEP
        self.slabs: Final = [
            [self._slab(stride, len(axis.atoms), atom, count) for atom in range(len(axis.atoms))]
            for axis, stride in zip(self.axes, self.strides, strict=True)
        ]
        self._told: Final = [_Told(axis, slabs) for axis, slabs in zip(self.axes, self.slabs, strict=True)]
        self._arounds: dict[tuple[int, int], Part | None] = {}
        self.reached_by_others: Final = empty or any(
            reduce(or_, factor.lists.values(), 0) == factor.full
            for position, factor in enumerate(factors.all)
            if position not in {axis.factor for axis in self.axes}
        )
        self.wanted: Final = self._filled(region)
        most_steps = region.space.most_steps
        self._left_in_all: float = inf if most_steps is None else most_steps * _STEPS_A_DIAGRAM_STEP

    def allow(self, steps: int) -> None:
        """Give the next search so many steps: looking for the clause round some cells is one or more."""
        self._left = steps

    def spend(self, steps: int) -> None:
        """Count steps of a search. Raises OutOfWork where none are left."""
        self._left -= steps * self.cost
        if self._left < 0:
            raise OutOfWork

    def shadow(self, axis: int, cells: int) -> int:
        """Return the atoms of an axis that occur in some cells."""
        return self._told[axis].shadow(cells)

    def slab(self, axis: int, atoms: int) -> int:
        """Return all cells whose atom on an axis is one of `atoms`."""
        return self._told[axis].slab(atoms)

    def box(self, atoms: Sequence[int]) -> int:
        """Return the cells whose atom on every axis is one of those given for it."""
        cells = self.full
        for axis, some in enumerate(atoms):
            if some != self.axes[axis].full:
                cells &= self.slab(axis, some)
        return cells

    def of_states(self, states: Mapping[int, int]) -> int:
        """Return the cells of a box: sets of states by factor, or by `~level` of a direct dimension.

        No set cuts an atom in two, and the axes have them all.
        """
        atoms = [
            reduce(or_, (1 << atom for atom, own in enumerate(axis.atoms) if own & states[place]), 0)
            if (place := ~axis.levels[0] if axis.factor is None else axis.factor) in states
            else axis.full
            for axis in self.axes
        ]
        return self.box(atoms)

    def around(self, cells: int, wanted: int) -> Part | None:
        """Return the least that a clause reaches which reaches `cells` and nothing beyond `wanted`; None for none."""
        self._left_in_all -= self.cost  # for what is remembered too: of so many cells it takes long to look up
        if self._left_in_all < 0:
            raise OutOfWork
        key = (cells, wanted)
        if key not in self._arounds:
            self.spend(1)
            self._arounds[key] = self._around(cells, wanted)
        return self._arounds[key]

    def _around(self, cells: int, wanted: int) -> Part | None:
        box: list[int] = []
        inside = self.full
        for told in self._told:
            atoms = told.closed(cells)
            box.append(atoms)
            if atoms != told.full:
                inside &= told.slab(atoms)
        unwanted = inside & ~wanted
        if not unwanted and self.reached_by_others:
            return Part(inside, tuple(box), None)
        hole: list[int] = []
        left_out = inside
        for told in self._told:
            atoms = told.closed(unwanted) if told.axis.listed else told.full
            hole.append(atoms)
            if atoms != told.full:
                left_out &= told.slab(atoms)
                if not left_out:
                    return Part(inside, tuple(box), None)
        if left_out & cells:
            return None
        return Part(inside & ~left_out, tuple(box), tuple(hole))

    def clause(self, cells: int) -> Part | None:
        """Return the clause that reaches just `cells`, None where there is none."""
        part = self.around(cells, cells)
        if part is None or not all(
            axis.sayable(atoms) for axis, atoms in zip(self.axes, part.box, strict=True) if not axis.listed
        ):
            return None
        return part

    def cofactors(self, cells: int, axis: int) -> dict[int, int]:
        """Return the atoms of an axis by what of `cells` remains there, as it lies at the first atom."""
        groups: dict[int, int] = {}
        stride = self.strides[axis]
        for atom, slab in enumerate(self.slabs[axis]):
            cofactor = (cells & slab) >> atom * stride
            groups[cofactor] = groups.get(cofactor, 0) | 1 << atom
        return groups

    def neighbours(self, cells: int, axis: int) -> Iterator[int]:
        """Yield, for each atom of an axis, what `cells` come to when they are moved there."""
        stride, slabs = self.strides[axis], self.slabs[axis]
        base = reduce(or_, ((cells & slab) >> atom * stride for atom, slab in enumerate(slabs)))
        return (base << atom * stride for atom in range(len(slabs)))

    def alike(self, cell: int) -> int:
        """Return the cells on just the lists that one cell is on, with the same values of direct dimensions."""
        same = self.full
        for position, axis in enumerate(self.axes):
            own = self.shadow(position, cell)
            if axis.lists is not None:
                for some in axis.lists:
                    same &= self.slab(position, some if some & own else axis.full & ~some)
            else:
                same &= self.slab(position, own)
        return same

    def lists_round(self, cell: int) -> Iterator[int]:
        """Yield, for every list that one cell is on, those of the list who cannot be kept out with the cell kept."""
        shadows = [self.shadow(position, cell) for position in range(len(self.axes))]
        box = self.box([told.closed(cell) for told in self._told])
        if self.reached_by_others:
            yield box
        for position, axis in enumerate(self.axes):
            if axis.listed:
                lists = (1 << atom for atom in range(len(axis.atoms))) if axis.lists is None else axis.lists
                yield from (box & self.slab(position, some) for some in lists if some & shadows[position])

    def person(self, cell: int) -> dict[str, str | tuple[str, ...]]:
        """Return somebody of one cell, told by the dimensions that the audience depends on."""
        space = self.factors.space
        person: dict[str, str | tuple[str, ...]] = {}
        for position, axis in enumerate(self.axes):
            states = axis.states(self.shadow(position, cell))
            chosen = next(bits(states))
            for level in reversed(axis.levels):
                count = len(space.levels[level].states)
                told, state = space.levels[level], chosen % count
                chosen //= count
                if told.value is None:
                    person[told.dimension] = told.states[state]
                else:
                    held = person.get(told.dimension, ())
                    person[told.dimension] = (told.value, *held) if state else (*held,)
        return {name: held if isinstance(held, str) else tuple(sorted(held)) for name, held in sorted(person.items())}

    def allowed_values(self, axis: Axis, atoms: int) -> dict[str, tuple[str, ...]]:
        """Return the values that a direct dimension is limited to: of a multi one, any of them."""
        levels = [self.factors.space.levels[level] for level in axis.levels]
        states = axis.states(atoms)
        if levels[0].value is None:
            return {levels[0].dimension: tuple(levels[0].states[state] for state in bits(states))}
        single = {level.value: 1 << (len(levels) - 1 - i) for i, level in enumerate(levels)}
        return {levels[0].dimension: tuple(value for value, state in single.items() if value and states >> state & 1)}

    @staticmethod
    def _slab(stride: int, atoms: int, atom: int, count: int) -> int:
        period = stride * atoms
        slab = ((1 << stride) - 1) << atom * stride
        return _tiled(slab, period, count // period)

    def _filled(self, region: Region) -> int:
        """Return the cells of the region."""
        place = {
            level: (axis, position)
            for axis, found in enumerate(self.axes)
            for position, level in enumerate(found.levels)
        }

        def of_edge(level: int, states: int) -> int:
            axis, _ = place[level]
            found = self.axes[axis]
            if len(found.levels) == 1:
                atoms = sum(1 << i for i, atom in enumerate(found.atoms) if atom & states)
            else:
                inside = product_mask(region.space, found.levels, {level: states})
                atoms = sum(1 << i for i, atom in enumerate(found.atoms) if atom & inside)
            return self.slab(axis, atoms)

        return region.folded(self.full, lambda level, states, below: of_edge(level, states) & below)
