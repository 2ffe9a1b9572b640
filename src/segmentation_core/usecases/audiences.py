"""Building audiences."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.errors import PlanMismatch
from segmentation_core.planning import Nearest, Plan, plan_audience
from segmentation_core.population import PlanSize

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter
    from segmentation_core.population import Answers, Population
    from segmentation_core.ports import Builds, Clock, Thinking
    from segmentation_core.usecases.acting import Acting


class Audience(msgspec.Struct, frozen=True):
    """What was built: the plan of a filter, its size, and what each clause reaches.

    `plan` and `plan_size` are None for an account that may not see lists. `count` is exact either way.
    """

    count: int
    fingerprint: str
    built_at: datetime
    built_by: str
    plan: Plan | None
    plan_size: PlanSize | None


class BuildAudience:
    """Turn a filter into a size and a plan, and check one against the other."""

    def __init__(self, catalog: Catalog, population: Answers, thinking: Thinking, clock: Clock, builds: Builds) -> None:
        self._catalog = catalog
        self._population = population
        self._thinking = thinking
        self._clock = clock
        self._builds = builds

    async def __call__(self, by: Acting, asked: Callable[[], Filter]) -> Audience:
        """Return the audience of the filter that `asked` returns. One that may not see lists gets its size alone.

        Reading a large filter takes time too, so it is done where the rest is worked out; what `asked` raises goes on.
        The build is recorded in the audit trail within a second.

        Raises PlanMismatch where an exact plan reaches another number of people than the filter: a fault of ours,
        which must not be sent.
        """
        wanted, plan = await self._thinking.answer(lambda: self._planned(asked()), by=by.user.id)
        near = (len(each.clauses) for each in (plan.superset, plan.subset) if isinstance(each, Nearest))
        work = 2 + len(plan.clauses) + sum(near)
        size, plan_size, plan = await self._population.ask(partial(_counted, wanted=wanted, plan=plan), work)
        if plan.exact and (plan_size.total != size or sum(plan_size.clauses) != size):
            msg = f"plan {plan.fingerprint} reaches {plan_size}, its filter {size}"
            raise PlanMismatch(msg)
        shown = by.user.may_see_lists
        now = self._clock.now()
        after = {"fingerprint": plan.fingerprint, "size": size, "catalog": self._catalog.title}
        self._builds.add(by.entry("audience built", f"audience {plan.fingerprint}", now, after=after))
        return Audience(
            count=size,
            fingerprint=plan.fingerprint,
            built_at=now,
            built_by=by.user.username,
            plan=plan if shown else None,
            plan_size=plan_size if shown else None,
        )

    def _planned(self, wanted: Filter) -> tuple[Filter, Plan]:
        return wanted, plan_audience(wanted, self._catalog)


def _counted(population: Population, wanted: Filter, plan: Plan) -> tuple[int, PlanSize, Plan]:
    """Return the size of a filter, what its plan reaches, and the plan with the people that what is near is off."""
    size = population.size(wanted)
    superset, subset = (_off(population, near, size) for near in (plan.superset, plan.subset))
    return size, population.plan_size(plan), msgspec.structs.replace(plan, superset=superset, subset=subset)


def _off(
    population: Population, near: Nearest | msgspec.UnsetType | None, size: int
) -> Nearest | msgspec.UnsetType | None:
    """Say how many people a superset, or a subset, of an audience of this size is off."""
    if not isinstance(near, Nearest):
        return near
    clauses = Plan(exact=False, clauses=near.clauses, certificate=None, fingerprint="")
    return msgspec.structs.replace(near, people=abs(population.plan_size(clauses).total - size))
