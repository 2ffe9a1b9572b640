"""Building audiences: counted twice, shown to whom may see them, and noted."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from adapters.population import BitmapIndex
from adapters.thinking import InlineThinking
from segmentation_core import INCLUDE_EXCLUDE, Catalog, Filter, Nearest, PlanMismatch, parse_filter, plan_text
from segmentation_core.audit import Entry
from segmentation_core.errors import RequestError
from segmentation_core.planning import Plan
from segmentation_core.population import PlanSize
from segmentation_core.ports import Builds
from segmentation_core.testing import everybody
from segmentation_core.usecases import Acting, BuildAudience, ExplainPlan, Reading
from segmentation_core.users import User
from tests.unit.house import HandClock

pytestmark = pytest.mark.anyio
ANA = Acting(User(1, "Ana", "User", "Demo", company_id=7), "a request")


class Noted(Builds):
    """Keeps what was noted."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)


CATALOG = Catalog.from_json(b"""{"name": "small", "version": "1",
    "dimensions": [{"id": "car", "kind": "single", "values": [{"id": "yes"}, {"id": "no"}]}],
    "segments": [{"id": "car_{car}", "for_each": ["car"]}]}""")


class _Overlapping(BitmapIndex):
    """Counts someone twice in a plan, as overlapping clauses would."""

    def plan_size(self, plan: Plan) -> PlanSize:
        right = super().plan_size(plan)
        return PlanSize((*right.clauses, 1), right.total)


class _Short(BitmapIndex):
    def size(self, wanted: Filter) -> int:
        return super().size(wanted) - 1


@pytest.mark.parametrize("population", [_Overlapping, _Short])
async def test_an_exact_plan_that_reaches_another_number_is_not_handed_out(population: type[BitmapIndex]) -> None:
    build = BuildAudience(
        CATALOG, population.from_people(CATALOG, everybody(CATALOG)), InlineThinking(), HandClock(), Noted()
    )
    with pytest.raises(PlanMismatch):
        await build(ANA, Reading(lambda: parse_filter({"car": ["yes"]}, CATALOG)))


async def test_an_account_that_may_not_see_lists_gets_the_size_alone() -> None:
    build = BuildAudience(
        CATALOG, BitmapIndex.from_people(CATALOG, everybody(CATALOG)), InlineThinking(), HandClock(), Noted()
    )
    wanted = parse_filter({"car": ["yes"]}, CATALOG)
    seen, blind = (
        await build(ANA, Reading(lambda: wanted)),
        await build(Acting(replace(ANA.user, dsp=True)), Reading(lambda: wanted)),
    )
    assert seen.plan
    assert seen.plan_size == PlanSize((1,), 1)
    assert (blind.count, blind.plan, blind.plan_size) == (1, None, None)


async def test_what_is_near_is_counted_in_people() -> None:
    dimensions = [
        {"id": name, "kind": "single", "values": [{"id": value} for value in "012"]} | direct
        for name, direct in (("a", {}), ("b", {"activation": "direct"}))
    ]
    segments = [{"id": "a0 or a1", "where": {"a": ["0", "1"]}}]
    catalog = Catalog.from_json(
        json.dumps({"name": "near", "version": "1", "dimensions": dimensions, "segments": segments})
    )
    build = BuildAudience(
        catalog, BitmapIndex.from_people(catalog, everybody(catalog)), InlineThinking(), HandClock(), Noted()
    )
    built = await build(ANA, Reading(lambda: parse_filter({"or": [{"a": ["0"]}, {"a": ["1"], "b": ["0"]}]}, catalog)))
    assert built.plan
    assert built.plan.reason
    superset, subset = built.plan.superset, built.plan.subset
    assert isinstance(superset, Nearest)
    assert isinstance(subset, Nearest)
    assert (built.count, superset.people, subset.people) == (4, 2, 2)
    assert "Reaches all of it, and 2 people in 1 combination more" in plan_text(built.plan)


async def test_a_build_is_noted_for_the_audit_trail_and_one_that_failed_is_not() -> None:
    noted = Noted()
    people = BitmapIndex.from_people(CATALOG, everybody(CATALOG))
    wanted = parse_filter({"car": ["yes"]}, CATALOG)
    await BuildAudience(CATALOG, people, InlineThinking(), HandClock(), noted)(ANA, Reading(lambda: wanted))
    (entry,) = noted.entries
    assert (entry.action, entry.actor, entry.company_id, entry.request_id) == ("audience built", "Ana", 7, "a request")
    assert entry.after == {
        "fingerprint": wanted.fingerprint,
        "size": 1,
        "catalog": "small 1",
        "profile": "include-exclude",
    }
    short = _Short.from_people(CATALOG, everybody(CATALOG))
    with pytest.raises(PlanMismatch):
        await BuildAudience(CATALOG, short, InlineThinking(), HandClock(), noted)(ANA, Reading(lambda: wanted))
    assert len(noted.entries) == 1


async def test_a_plan_is_for_the_platform_of_a_profile_and_explained() -> None:
    profiles = {"meta": replace(INCLUDE_EXCLUDE, id="meta", name="Meta", id_key="meta")}
    wanted = parse_filter({"car": ["yes"]}, CATALOG)
    people = BitmapIndex.from_people(CATALOG, everybody(CATALOG))
    build = BuildAudience(CATALOG, people, InlineThinking(), HandClock(), Noted(), profiles)
    explain = ExplainPlan(CATALOG, InlineThinking(), profiles)
    built = await build(ANA, Reading(lambda: wanted), "meta")
    assert built.plan
    assert (built.plan.profile, built.id_key) == ("meta", "meta")
    explained = await explain(ANA, Reading(lambda: wanted), "meta")
    assert explained.plan == built.plan
    assert [why.segment for why in explained.explanation] == ["car_yes"]
    for ask in (build(ANA, Reading(lambda: wanted), "metta"), explain(ANA, Reading(lambda: wanted), "metta")):
        with pytest.raises(RequestError) as caught:
            await ask
        assert caught.value.problems[0].expected == "perhaps meta; one of meta"
