"""The planner's speed and what it proves: `python -m benchmarks.planning [--count N] [--json]`.

Timed from a filter that has been read to its plan with certificate, in one process, garbage collection as it comes.
Every exact plan is checked on random people, apart from the timing; the exit status is 1 if one is wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from math import ceil
from statistics import fmean, median
from time import perf_counter_ns
from typing import TYPE_CHECKING

import msgspec

from benchmarks.filters import SEED, sample, shapes
from benchmarks.panel import panel_catalog, random_person
from segmentation_core import Filter, Plan, TooComplex, expressions, parse_filter, plan_audience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segmentation_core import Catalog, Clause
    from segmentation_core.catalog import Segment

COUNTS = {"dashboards": 1000, "random trees": 300, "ORs of ANDs": 300, "ANDs of ORs": 300}
ROUNDS = {"dashboards": 3}
"""How often each filter is planned; once where it is not said. Its time is the median."""

WARM_UP = 50
PEOPLE_ASKED = 1000
PEOPLE_CHECKED = 200


class Target(msgspec.Struct, frozen=True):
    """What a shape should reach: a time in microseconds at most, or a share in percent at least."""

    shape: str
    measure: str
    value: float

    def reached(self, found: float) -> bool:
        """Tell whether what was found is as good."""
        return found >= self.value if self.measure.endswith("percent") else found <= self.value


TARGETS = (
    Target("dashboards", "p50_us", 60),
    Target("dashboards", "p99_us", 1_000),
    Target("dashboards", "settled_clauses_percent", 100),
    Target("dashboards", "proved_lists_percent", 100),
    Target("random trees", "p99_us", 50_000),
    Target("random trees", "settled_clauses_percent", 98),
    Target("ORs of ANDs", "p99_us", 500_000),
    Target("ORs of ANDs", "settled_clauses_percent", 59),
    Target("ANDs of ORs", "p99_us", 500_000),
    Target("ANDs of ORs", "settled_clauses_percent", 69),
)


class Outcome(msgspec.Struct, frozen=True):
    """What came of one filter; `plan` is None where it was too complex."""

    plan: Plan | None
    nanoseconds: tuple[int, ...]


class Measures(msgspec.Struct, frozen=True):
    """What was found of one shape. Shares are of all its filters; gaps are between exact plans and their bounds.

    The number of clauses is settled where a plan is proved to have the fewest, or it is proved that every plan has more
    than a plan may have (`too-many-clauses`): the first alone are `proved_clauses_percent`.
    A bound on lists holds for as many clauses as the bound has, so `gap_lists` is of plans proved fewest in clauses.
    """

    filters: int
    exact: int
    settled_clauses_percent: float
    proved_clauses_percent: float
    proved_lists_percent: float
    gap_clauses_mean: float
    gap_clauses_max: int
    gap_lists_mean: float
    gap_lists_max: int
    no_plan: dict[str, int]
    errors: int
    p50_us: float
    p99_us: float
    max_us: float
    first_round_p50_us: float
    first_round_p99_us: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__.split(":")[0])
    parser.add_argument(
        "--count", type=int, help="how many filters of each shape (default: 1,000 dashboards, else 300)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args(arguments)
    if asked.count is not None and asked.count < 1:
        parser.error("--count is at least 1")

    catalog = panel_catalog()
    for document in sample("dashboards", WARM_UP, SEED + 1):
        plan_audience(parse_filter(document, catalog), catalog)
    yardstick = yardstick_us(catalog)
    measured: dict[str, Measures] = {}
    wrong: list[object] = []
    for shape in shapes:
        documents = sample(shape, asked.count or COUNTS[shape])
        filters = [parse_filter(document, catalog) for document in documents]
        outcomes = planned(filters, ROUNDS.get(shape, 1))
        measured[shape] = measures(outcomes)
        rng = random.Random(SEED)
        for document, wanted, outcome in zip(documents, filters, outcomes, strict=True):
            if outcome.plan and outcome.plan.exact and not is_right(outcome.plan, wanted, rng):
                wrong.append(document)
    print(as_json(yardstick, measured, wrong) if asked.json else as_text(catalog, yardstick, measured, wrong))
    return 1 if wrong else 0


def yardstick_us(catalog: Catalog, rounds: int = 5) -> float:
    """Return how long one dashboard filter takes to be asked about 1,000 people, to compare machines by."""
    rng = random.Random(SEED)
    people = [random_person(catalog, rng) for _ in range(PEOPLE_ASKED)]
    wanted = parse_filter(sample("dashboards", 1)[0], catalog)
    times: list[int] = []
    for _ in range(rounds):
        start = perf_counter_ns()
        for person in people:
            wanted.matches(person)
        times.append(perf_counter_ns() - start)
    return median(times) / 1000


def planned(filters: list[Filter], rounds: int) -> list[Outcome]:
    """Plan every filter once a round, each time as if it had just been read."""
    plans: list[Plan | None] = []
    times: list[list[int]] = [[] for _ in filters]
    for _ in range(rounds):
        plans = []
        for wanted, taken in zip(filters, times, strict=True):
            fresh = Filter(wanted.expression, wanted.catalog)
            start = perf_counter_ns()
            try:
                plan = plan_audience(fresh, fresh.catalog)
            except TooComplex:
                plan = None
            taken.append(perf_counter_ns() - start)
            plans.append(plan)
    return [Outcome(plan, tuple(taken)) for plan, taken in zip(plans, times, strict=True)]


def measures(outcomes: list[Outcome]) -> Measures:
    """Sum up the outcomes of one shape."""
    plans = [outcome.plan for outcome in outcomes if outcome.plan]
    certificates = [plan.certificate for plan in plans if plan.exact and plan.certificate]
    in_clauses = [found for found in certificates if found.clauses == found.lower_bound.clauses]
    too_many = sum(plan.reason is not None and plan.reason.kind == "too-many-clauses" for plan in plans)
    gap_clauses = [found.clauses - found.lower_bound.clauses for found in certificates]
    gap_lists = [found.segments - found.lower_bound.segments for found in in_clauses]
    times = sorted(median(outcome.nanoseconds) / 1000 for outcome in outcomes)
    first = sorted(outcome.nanoseconds[0] / 1000 for outcome in outcomes)
    return Measures(
        filters=len(outcomes),
        exact=sum(plan.exact for plan in plans),
        settled_clauses_percent=100 * (len(in_clauses) + too_many) / len(outcomes),
        proved_clauses_percent=100 * len(in_clauses) / len(outcomes),
        proved_lists_percent=100 * sum(found.fewest for found in certificates) / len(outcomes),
        gap_clauses_mean=fmean(gap_clauses or [0]),
        gap_clauses_max=max(gap_clauses, default=0),
        gap_lists_mean=fmean(gap_lists or [0]),
        gap_lists_max=max(gap_lists, default=0),
        no_plan=dict(sorted(Counter(plan.reason.kind for plan in plans if plan.reason).items())),
        errors=len(outcomes) - len(plans),
        p50_us=_percentile(times, 50),
        p99_us=_percentile(times, 99),
        max_us=times[-1],
        first_round_p50_us=_percentile(first, 50),
        first_round_p99_us=_percentile(first, 99),
    )


def is_right(plan: Plan, wanted: Filter, rng: random.Random) -> bool:
    """Tell whether of 200 people those wanted are reached by exactly one clause, and the others by none.

    The certificate has to say the plan's own size, and no bound above it.

    Every other person is drawn to hold values that the filter names, so that some of them are wanted.
    """
    certificate = plan.certificate
    size = (len(plan.clauses), sum(clause.segments for clause in plan.clauses))
    if certificate is None or size != (certificate.clauses, certificate.segments):
        return False
    if (certificate.lower_bound.clauses, certificate.lower_bound.segments) > size:
        return False
    catalog = wanted.catalog
    named = {name for clause in plan.clauses for group in (*clause.include, clause.exclude) for name in group}
    segments = [catalog.segment[name] for name in named]
    for number in range(PEOPLE_CHECKED):
        person = random_person(catalog, rng)
        if number % 2:
            _draw_near(person, wanted, rng)
        lists = {segment.id for segment in segments if _is_on(segment, person, catalog)}
        if sum(_reaches(clause, lists, person) for clause in plan.clauses) != wanted.matches(person):
            return False
    return True


def _draw_near(person: dict[str, str | set[str]], wanted: Filter, rng: random.Random) -> None:
    for condition in expressions.conditions(wanted.expression):
        if condition.values and rng.random() < 0.8:  # noqa: PLR2004
            value, held = rng.choice(condition.values), person[condition.dimension]
            person[condition.dimension] = value if isinstance(held, str) else held | {value}


def _is_on(segment: Segment, person: dict[str, str | set[str]], catalog: Catalog) -> bool:
    for trace in segment.traces:
        held = person[trace.dimension]
        holds = held in trace.values if isinstance(held, str) else not held.isdisjoint(trace.values)
        if holds == (trace.absent and catalog.dimension[trace.dimension].multi):
            return False
    return True


def _reaches(clause: Clause, lists: set[str], person: dict[str, str | set[str]]) -> bool:
    return (
        lists.isdisjoint(clause.exclude)
        and not any(lists.isdisjoint(group) for group in clause.include)
        and all(
            held in values if isinstance(held := person[name], str) else not held.isdisjoint(values)
            for name, values in clause.direct.items()
        )
    )


def as_json(yardstick: float, measured: dict[str, Measures], wrong: list[object]) -> str:
    """Return everything as one JSON document."""
    targets = [
        msgspec.to_builtins(target) | {"found": found, "reached": target.reached(found)}
        for target in TARGETS
        for found in [getattr(measured[target.shape], target.measure)]
    ]
    found = {"yardstick_us": yardstick, "shapes": msgspec.to_builtins(measured), "targets": targets, "wrong": wrong}
    return json.dumps(found)


def as_text(catalog: Catalog, yardstick: float, measured: dict[str, Measures], wrong: list[object]) -> str:
    """Return a table with a column for each shape, and the targets beside what was found."""
    rows = [["", *measured]]
    kinds = sorted({kind for found in measured.values() for kind in found.no_plan})
    for field in msgspec.structs.fields(Measures):
        if field.name == "no_plan":
            rows += [[f"no plan: {kind}", *(str(m.no_plan.get(kind, 0)) for m in measured.values())] for kind in kinds]
        else:
            cells = (_figure(field.name, getattr(found, field.name)) for found in measured.values())
            rows.append([_words(field.name), *cells])
    targets = [["target", "", "asked", "found", ""]]
    for target in TARGETS:
        found = getattr(measured[target.shape], target.measure)
        asked = (">= " if target.measure.endswith("percent") else "<= ") + _figure(target.measure, target.value)
        verdict = "reached" if target.reached(found) else "MISSED"
        targets.append([target.shape, _words(target.measure), asked, _figure(target.measure, found), verdict])
    lines = [
        f"{catalog.name}: {len(catalog.dimensions)} dimensions, {len(catalog.segments)} lists",
        *("", *_aligned(rows)),
        *("", *_aligned(targets)),
        "",
        f"yardstick: one dashboard filter asked about {PEOPLE_ASKED:,} people takes {_time(yardstick)}",
        f"a dashboard's plan takes {measured['dashboards'].p50_us / yardstick:.4f} of that (p50)",
        f"wrong plans: {len(wrong)} (each exact plan checked on {PEOPLE_CHECKED} people)",
        *(f"  {json.dumps(document)}" for document in wrong),
    ]
    return "\n".join(lines)


def _aligned(rows: list[list[str]]) -> list[str]:
    """Return the rows in columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]


def _words(measure: str) -> str:
    return measure.removesuffix("_us").replace("percent", "%").replace("_", " ")


def _figure(measure: str, found: float) -> str:
    if isinstance(found, int) and not measure.endswith(("_us", "percent")):
        return str(found)
    if measure.endswith("_us"):
        return _time(found)
    return f"{found:.1f}" if measure.endswith("percent") else f"{found:.2f}"


def _time(microseconds: float) -> str:
    return f"{microseconds:.0f} us" if microseconds < 1000 else f"{microseconds / 1000:.1f} ms"  # noqa: PLR2004


def _percentile(ascending: list[float], percent: int) -> float:
    """Return the smallest figure that so many percent do not exceed."""
    return ascending[ceil(len(ascending) * percent / 100) - 1]


if __name__ == "__main__":
    sys.exit(main())
