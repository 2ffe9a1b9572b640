"""The main promise, on the 5,822 real customers: what is ticked is what the lists reach, and what is counted."""

from __future__ import annotations

import csv
from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings

from adapters.population import BitmapIndex
from entrypoints import demo
from segmentation_core import Catalog, Clause, Segment, parse_filter, plan_audience
from segmentation_core.expressions import matches
from segmentation_core.testing import conjunctive_filter_documents

if TYPE_CHECKING:
    from collections.abc import Mapping

CATALOG = Catalog.from_json(demo.CATALOG.read_bytes())
INDEX = BitmapIndex.load(CATALOG, demo.CUSTOMERS)

Held = dict[str, frozenset[str]]


@cache
def customers() -> list[Held]:
    """Read the customers plainly: for each dimension the ids of the values held."""
    by_code = {d.id: {str(v.id if v.code is None else v.code): v.id for v in d.values} for d in CATALOG.dimensions}

    def held(row: Mapping[str, str]) -> Held:
        return {
            d.id: frozenset(v.id for v in d.values if int(row[v.column or v.id]) > 0)
            if d.multi
            else frozenset([by_code[d.id][row[d.column or d.id]]])
            for d in CATALOG.dimensions
        }

    with demo.CUSTOMERS.open(encoding="utf-8", newline="") as file:
        return [held(row) for row in csv.DictReader(file)]


def on_list(segment: Segment, person: Held) -> bool:
    return all(person[trace.dimension].isdisjoint(trace.values) == trace.absent for trace in segment.traces)


def reached(clause: Clause, person: Held) -> bool:
    """Tell what the platform does: on a list of every group, on no excluded list."""
    included = all(any(on_list(CATALOG.segment[name], person) for name in group) for group in clause.include)
    return included and not any(on_list(CATALOG.segment[name], person) for name in clause.exclude)


@settings(print_blob=True)
@given(conjunctive_filter_documents(CATALOG))
def test_the_plan_of_every_choice_selects_the_rows_that_match_and_they_are_counted(document: dict[str, Any]) -> None:
    wanted = parse_filter(document, CATALOG)
    plan = plan_audience(wanted, CATALOG)
    assert plan.exact, document
    assert all(not clause.direct for clause in plan.clauses)
    rows = [person for person in customers() if matches(wanted.expression, person)]
    selected = [person for person in customers() if any(reached(clause, person) for clause in plan.clauses)]
    assert selected == rows
    assert INDEX.size(wanted) == INDEX.plan_size(plan).total == len(rows)


def test_the_demo_is_the_whole_population_with_a_list_for_every_value() -> None:
    assert len(customers()) == INDEX.rows == 5_822
    assert len(CATALOG.dimensions) >= 15
    listed = {
        (trace.dimension, value, trace.absent) for s in CATALOG.segments for trace in s.traces for value in trace.values
    }
    for dimension in CATALOG.dimensions:
        for value in dimension.values:
            assert (dimension.id, value.id, False) in listed
            assert ((dimension.id, value.id, True) in listed) == dimension.multi
    assert sum(len(segment.traces) == 2 for segment in CATALOG.segments) == 60
    assert not CATALOG.warnings
