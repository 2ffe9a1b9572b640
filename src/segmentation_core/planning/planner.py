"""The planner: which lists to include and to exclude, so that they mean exactly the filter, with as few as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmentation_core.planning.cells import MAX_CELLS, Cells, OutOfWork, TooManyCells
from segmentation_core.planning.clauses import Answer, clause_of
from segmentation_core.planning.factors import Factors, factors_of
from segmentation_core.planning.grids import Grid, bound_of, grid_of
from segmentation_core.planning.plan import Bound, Certificate, Clause, Nearest, Plan, Reason
from segmentation_core.planning.several import NOT_FOUND, Several, nearest, several_of

if TYPE_CHECKING:
    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter

MAX_CLAUSES = 64
"""How many clauses a plan may have."""


def plan_audience(wanted: Filter, catalog: Catalog) -> Plan:
    """Return a plan that reaches exactly the people `wanted` means.

    It has one clause where one can mean the filter, with the fewest lists that such a clause can have; of several such
    clauses it is the first by include ids, then exclude ids. Any of several values of several multi dimensions takes
    several clauses, and gets the fewest. All else is split into as few clauses as a search of bounded work finds.
    The empty audience is a plan of no clauses. `certificate` has what is proved. Where no plan is found, `exact` is
    false, `reason` says why, and a superset and a subset that plans can mean are offered.

    Raises TooComplex where the filter's region passes its bound, ValueError where `wanted` was read against another
    catalogue.
    """
    if wanted.catalog is not catalog:
        msg = "the filter was read against another catalogue"
        raise ValueError(msg)
    if wanted.region.is_empty():
        return _exact(wanted, (), Bound(0, 0))
    factors = factors_of(catalog)
    answer = clause_of(wanted.region, factors)
    if isinstance(answer, Answer):
        return _exact(wanted, (answer.clause,), Bound(1, answer.at_least))
    grid = grid_of(wanted.region, factors) if answer is None else None
    if grid is not None:
        bound = bound_of(grid, factors)
        if bound.clauses > MAX_CLAUSES:
            return _inexact(wanted, Reason("too-many-clauses", _TOO_MANY.format(bound.clauses, MAX_CLAUSES)))
        found = [_clauses_along(grid, along, factors) for along in grid.longest()]
        exact = [clauses for clauses in found if not isinstance(clauses, Reason)]
        if exact:
            return _exact(wanted, min(exact, key=_size_and_ids), bound)
    return _of_several(wanted, answer, factors)


def _of_several(wanted: Filter, reason: Reason | None, factors: Factors) -> Plan:
    """Plan what no one clause means; `reason` is what is known of why not."""
    try:
        cells = Cells(wanted.region, factors)
    except TooManyCells:
        return _inexact(wanted, reason or _TOO_LARGE)
    try:
        several = several_of(cells, MAX_CLAUSES)
    except OutOfWork:
        several = NOT_FOUND
    if isinstance(several, Several):
        return _exact(wanted, several.clauses, several.bound)
    if reason:
        several = Reason(several.kind, reason.message, several.witness)
    try:
        superset, subset = nearest(cells, MAX_CLAUSES)
    except OutOfWork:
        superset = subset = None
    return _inexact(wanted, several, superset, subset)


_TOO_LARGE = Reason(
    "too-large",
    f"The filter tells more than {MAX_CELLS:,} combinations apart, more than the planner looks at for several ad sets.",
)
_TOO_MANY = "This takes at least {} ad sets, more than the {} that a plan may have."


def _clauses_along(grid: Grid, along: int, factors: Factors) -> tuple[Clause, ...] | Reason:
    """Return a clause for each part of the grid, in the order of their ids, or why there is none for one of them."""
    clauses: list[Clause] = []
    for part in grid.parts(along):
        answer = clause_of(part, factors)
        if not isinstance(answer, Answer):
            return answer or NOT_FOUND
        clauses.append(answer.clause)
    return tuple(sorted(clauses, key=Clause.order))


def _size_and_ids(clauses: tuple[Clause, ...]) -> tuple[object, ...]:
    return (sum(clause.segments for clause in clauses), [clause.order() for clause in clauses])


def _exact(wanted: Filter, clauses: tuple[Clause, ...], bound: Bound) -> Plan:
    lists = sum(clause.segments for clause in clauses)
    return Plan(
        exact=True,
        clauses=clauses,
        certificate=Certificate(len(clauses), lists, bound),
        fingerprint=wanted.fingerprint,
    )


def _inexact(wanted: Filter, reason: Reason, superset: Nearest | None = None, subset: Nearest | None = None) -> Plan:
    return Plan(
        exact=False,
        clauses=(),
        certificate=None,
        fingerprint=wanted.fingerprint,
        reason=reason,
        superset=superset,
        subset=subset,
    )
