"""Counting audiences: what a dashboard shows while filters are moved. Sizes are for every account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmentation_core import expressions
from segmentation_core.errors import TooComplex
from segmentation_core.population import MOST_AT_ONCE, refuse_many_overlapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter
    from segmentation_core.population import Answers, AudienceProfile, Facets, Impact, Overlap, SampledRow

_VALUES_TO_A_SIZE = 8
"""A size looks at some dozens of values; to count one value more takes about this part of that."""

_SIZES_TO_A_SAMPLE = 16
"""A sample puts the audience in the table's order, bit by bit, which takes about as long as so many sizes."""


class CountAudiences:
    """Ask the population, saying how much work each question is."""

    def __init__(self, catalog: Catalog, population: Answers) -> None:
        self._population = population
        self._values = sum(len(dimension.values) for dimension in catalog.dimensions)

    async def size(self, wanted: Filter) -> int:
        return await self._population.ask(lambda population: population.size(wanted))

    async def sizes(self, wanted: Sequence[Filter]) -> tuple[int, ...]:
        """Return the size of each. Raises TooComplex for more than `MOST_AT_ONCE`."""
        if len(wanted) > MOST_AT_ONCE:
            msg = f"{len(wanted)} filters in one question; ask for {MOST_AT_ONCE} at most"
            raise TooComplex(msg)
        return await self._population.ask(lambda population: population.sizes(wanted), len(wanted))

    async def facets(self, wanted: Filter) -> Facets:
        return await self._population.ask(lambda population: population.facets(wanted), self._of_all_values)

    async def profile(self, wanted: Filter) -> AudienceProfile:
        return await self._population.ask(lambda population: population.profile(wanted), self._of_all_values)

    async def overlap(self, wanted: Sequence[Filter]) -> Overlap:
        refuse_many_overlapping(len(wanted))
        return await self._population.ask(lambda population: population.overlap(wanted), 1 << len(wanted))

    async def impact(self, wanted: Filter) -> Impact:
        conditions = len(expressions.top_level(wanted.expression))
        return await self._population.ask(lambda population: population.impact(wanted), 1 + conditions)

    async def sample(self, wanted: Filter, rows: int) -> tuple[SampledRow, ...]:
        work = _SIZES_TO_A_SAMPLE + rows
        return await self._population.ask(lambda population: population.sample(wanted, rows), work)

    @property
    def _of_all_values(self) -> int:
        return 1 + self._values // _VALUES_TO_A_SIZE
