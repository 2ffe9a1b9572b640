"""A population that is a list of people, asked by the plain loop over them: what every engine must count like.

It is written to be read. For a few thousand people it is also quick enough to be used.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from segmentation_core import expressions
from segmentation_core.expressions import And
from segmentation_core.filters import Filter
from segmentation_core.population import (
    Cost,
    Facets,
    Impact,
    PlanSize,
    Population,
    SampledRow,
    overlap_of,
    profile_of,
    refuse_foreign,
    refuse_many_overlapping,
    sampled_positions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from segmentation_core.catalog import Catalog, Segment
    from segmentation_core.expressions import Expression, Person
    from segmentation_core.planning import Clause, Plan
    from segmentation_core.population import AudienceProfile, Counts, Overlap


class ListedPeople(Population):
    """People with their weights, 1 each where none are given. What they hold must be in the catalogue."""

    def __init__(self, catalog: Catalog, people: Iterable[Person], weights: Iterable[int] | None = None) -> None:
        self.catalog = catalog
        listed = list(people)
        self._people = list(zip(listed, [1] * len(listed) if weights is None else weights, strict=True))

    @property
    def rows(self) -> int:
        return len(self._people)

    def size(self, wanted: Filter) -> int:
        refuse_foreign(wanted, self.catalog)
        return self._weight_of(wanted.matches)

    def sizes(self, wanted: Sequence[Filter]) -> tuple[int, ...]:
        return tuple(map(self.size, wanted))

    def facets(self, wanted: Filter) -> Facets:
        size = self.size(wanted)
        conditions = expressions.top_level(wanted.expression)

        def others(dimension: str) -> tuple[Expression, ...]:
            return tuple(each for each in conditions if expressions.dimensions_of(each) != {dimension})

        return Facets(size, self._counts(others))

    def profile(self, wanted: Filter) -> AudienceProfile:
        size = self.size(wanted)
        audience = self._counts(lambda _: (wanted.expression,))
        population = self._counts(lambda _: ())
        return profile_of(audience, population, size, self._weight_of(lambda _: True))

    def overlap(self, wanted: Sequence[Filter]) -> Overlap:
        refuse_many_overlapping(len(wanted))
        for each in wanted:
            refuse_foreign(each, self.catalog)
        sizes = {
            positions: self.size(Filter(And(tuple(wanted[i].expression for i in positions)), self.catalog))
            for count in range(1, len(wanted) + 1)
            for positions in combinations(range(len(wanted)), count)
        }
        return overlap_of(sizes, len(wanted))

    def impact(self, wanted: Filter) -> Impact:
        size = self.size(wanted)
        conditions = expressions.top_level(wanted.expression)
        costs = []
        for position, condition in enumerate(conditions):
            rest = And(conditions[:position] + conditions[position + 1 :])
            without = self.size(Filter(rest, self.catalog))
            costs.append(Cost(position, tuple(sorted(expressions.dimensions_of(condition))), without, without - size))
        return Impact(size, tuple(costs))

    def plan_size(self, plan: Plan) -> PlanSize:
        reached = [self._reached(clause) for clause in plan.clauses]
        clauses = tuple(map(self._weight_of, reached))
        return PlanSize(clauses, self._weight_of(lambda person: any(reaches(person) for reaches in reached)))

    def sample(self, wanted: Filter, rows: int) -> tuple[SampledRow, ...]:
        refuse_foreign(wanted, self.catalog)
        matching = [number for number, (person, _) in enumerate(self._people) if wanted.matches(person)]
        return tuple(self._shown(matching[position]) for position in sampled_positions(len(matching), rows))

    def _weight_of(self, chosen: Callable[[Person], bool]) -> int:
        return sum(weight for person, weight in self._people if chosen(person))

    def _counts(self, conditions: Callable[[str], tuple[Expression, ...]]) -> Counts:
        """Return for every value the size of those who hold it and for whom the conditions for its dimension hold."""
        counts: Counts = {}
        for dimension in self.catalog.dimensions:
            meant = Filter(And(conditions(dimension.id)), self.catalog)
            sizes = dict.fromkeys(dimension.positions, 0)
            for person, weight in self._people:
                if meant.matches(person):
                    for value in _held(person, dimension.id):
                        sizes[value] += weight
            counts[dimension.id] = sizes
        return counts

    def _reached(self, clause: Clause) -> Callable[[Person], bool]:
        """Return what tells whether an ad set reaches a person: on a list of every group, on none excluded, allowed."""
        segment = self.catalog.segment
        groups = [[segment[name] for name in group] for group in clause.include]
        excluded = [segment[name] for name in clause.exclude]

        def reaches(person: Person) -> bool:
            return (
                all(any(_is_on(listed, person) for listed in group) for group in groups)
                and not any(_is_on(listed, person) for listed in excluded)
                and all(_held(person, dimension) & set(values) for dimension, values in clause.direct.items())
            )

        return reaches

    def _shown(self, number: int) -> SampledRow:
        person, weight = self._people[number]
        held: dict[str, str | tuple[str, ...]] = {}
        for dimension in self.catalog.dimensions:
            values = _held(person, dimension.id)
            ordered = tuple(value.id for value in dimension.values if value.id in values)
            held[dimension.id] = ordered if dimension.multi else ordered[0]
        return SampledRow(number + 1, held, weight)


def _held(person: Person, dimension: str) -> set[str]:
    held: str | Collection[str] = person[dimension]
    return {held} if isinstance(held, str) else set(held)


def _is_on(segment: Segment, person: Person) -> bool:
    return all(bool(_held(person, trace.dimension) & set(trace.values)) != trace.absent for trace in segment.traces)
