"""Building audiences."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from segmentation_core.errors import PlanMismatch, Problem, RequestError, one_of
from segmentation_core.planning import INCLUDE_EXCLUDE, Nearest, Plan, Why, explain, plan_audience
from segmentation_core.population import PlanSize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter
    from segmentation_core.planning import Profile
    from segmentation_core.population import Population
    from segmentation_core.ports import AnswerCache, Builds, Clock, Thinking
    from segmentation_core.usecases.acting import Acting
    from segmentation_core.usecases.reading_filters import Reading

_DEFAULT_ONLY: Final[Mapping[str, Profile]] = {INCLUDE_EXCLUDE.id: INCLUDE_EXCLUDE}


class Audience(msgspec.Struct, frozen=True):
    """What was built: the plan of a filter, its size, and what each clause reaches.

    `plan` and `plan_size` are None for an account that may not see lists. `count` is exact either way.
    `id_key` is the name under which the `external_ids` of lists have their ids on the platform.
    """

    count: int
    fingerprint: str
    built_at: datetime
    built_by: str
    plan: Plan | None
    plan_size: PlanSize | None
    id_key: str = ""


class BuildAudience:
    """Turn a filter into a size and a plan, and check one against the other."""

    def __init__(  # noqa: PLR0913, PLR0917  what it is made of
        self,
        catalog: Catalog,
        population: Population,
        thinking: Thinking,
        clock: Clock,
        builds: Builds,
        profiles: Mapping[str, Profile] = _DEFAULT_ONLY,
        answers: AnswerCache | None = None,
        plan: Callable[..., Plan] = plan_audience,
    ) -> None:
        """Take the platforms' `profiles` by their ids, and what keeps answers, if anything does.

        `plan` is `plan_audience`, or does the same and something beside it.
        """
        self._answers = answers
        self._plan = plan
        self._catalog = catalog
        self._profiles = profiles
        self._population = population
        self._thinking = thinking
        self._clock = clock
        self._builds = builds

    async def __call__(self, by: Acting, asked: Reading, profile: str = INCLUDE_EXCLUDE.id) -> Audience:
        """Return the audience of the filter that `asked` reads, planned for the platform of a profile.

        An account that may not see lists gets its size alone. Reading a large filter takes time too, so it is done
        where the rest is worked out; what `asked` raises goes on. The build is recorded in the audit trail within a
        second.

        Raises RequestError where there is no such profile, and PlanMismatch where an exact plan reaches another number
        of people than the filter: a fault of ours, which must not be sent.
        """
        platform = named(profile, self._profiles)
        size, plan, plan_size = await self._thinking.answer(
            lambda: self._built(asked(), platform), by=by.user.id, short=asked.short
        )
        shown = by.user.may_see_lists
        now = self._clock.now()
        after = {
            "fingerprint": plan.fingerprint,
            "size": size,
            "catalog": self._catalog.title,
            "profile": platform.id,
        }
        self._builds.add(by.entry("audience built", f"audience {plan.fingerprint}", now, after=after))
        return Audience(
            count=size,
            fingerprint=plan.fingerprint,
            built_at=now,
            built_by=by.user.username,
            plan=plan if shown else None,
            plan_size=plan_size if shown else None,
            id_key=platform.id_key,
        )

    def _built(self, wanted: Filter, platform: Profile) -> tuple[int, Plan, PlanSize]:
        """Return size, plan and what the plan reaches, as they are kept, or made now."""
        key = (self._catalog.title, wanted.fingerprint, platform.id)
        built: tuple[int, Plan, PlanSize] | None = None if self._answers is None else self._answers.get(key)
        if built is None:
            built = self._made(wanted, platform)
            if self._answers is not None:
                self._answers.put(key, built)
        return built

    def _made(self, wanted: Filter, platform: Profile) -> tuple[int, Plan, PlanSize]:
        size = self._population.size(wanted)
        plan = self._plan(wanted, self._catalog, profile=platform)
        plan_size = self._population.plan_size(plan)
        if plan.exact and (plan_size.total != size or sum(plan_size.clauses) != size):
            msg = f"plan {plan.fingerprint} reaches {plan_size}, its filter {size}"
            raise PlanMismatch(msg)
        plan = msgspec.structs.replace(
            plan, superset=self._counted(plan.superset, size), subset=self._counted(plan.subset, size)
        )
        return size, plan, plan_size

    def _counted(self, near: Nearest | msgspec.UnsetType | None, size: int) -> Nearest | msgspec.UnsetType | None:
        """Say how many people a superset, or a subset, of an audience of this size is off."""
        if not isinstance(near, Nearest):
            return near
        clauses = Plan(exact=False, clauses=near.clauses, certificate=None, fingerprint="")
        return msgspec.structs.replace(near, people=abs(self._population.plan_size(clauses).total - size))


class Explanation(msgspec.Struct, frozen=True):
    """A plan, and why each list is in it."""

    plan: Plan
    explanation: tuple[Why, ...]


class ExplainPlan:
    """Say of each list of a plan why it is there. Nobody is counted, and nothing recorded."""

    def __init__(self, catalog: Catalog, thinking: Thinking, profiles: Mapping[str, Profile]) -> None:
        self._catalog = catalog
        self._thinking = thinking
        self._profiles = profiles

    async def __call__(self, by: Acting, asked: Reading, profile: str = INCLUDE_EXCLUDE.id) -> Explanation:
        """Return the explained plan of the filter that `asked` reads, for the platform of a profile.

        Raises RequestError where there is no such profile.
        """
        platform = named(profile, self._profiles)

        def explained() -> Explanation:
            plan = plan_audience(asked(), self._catalog, profile=platform)
            return Explanation(plan, explain(plan.clauses, self._catalog))

        return await self._thinking.answer(explained, by=by.user.id)


def named(profile: str, profiles: Mapping[str, Profile]) -> Profile:
    """Return the profile of that id. Raises RequestError, which tells the nearest, where there is none."""
    if profile not in profiles:
        raise RequestError(Problem("$.profile", "there is no such profile", profile, one_of(profile, profiles)))
    return profiles[profile]
