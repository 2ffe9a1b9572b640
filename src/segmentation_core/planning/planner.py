"""The planner: which lists to include and to exclude, so that they mean exactly the filter, with as few as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmentation_core.planning.cells import MAX_CELLS, Cells, OutOfWork, TooManyCells
from segmentation_core.planning.clauses import Answer, clause_of, lists_of
from segmentation_core.planning.conjunctions import shape_of_conditions
from segmentation_core.planning.exhaustive import TooMany, best_plan
from segmentation_core.planning.factors import factors_of
from segmentation_core.planning.plan import Bound, Certificate, Nearest, Plan, Reason
from segmentation_core.planning.several import NOT_FOUND, UNREACHED, Several, improved, nearest, of_cells, of_tree
from segmentation_core.planning.trees import may_be_a_clause, tree_of

if TYPE_CHECKING:
    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter
    from segmentation_core.planning.factors import Factors
    from segmentation_core.regions import Region

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
        return _exact(wanted, Several((), Bound(0, 0)))
    factors = factors_of(catalog)
    shape = shape_of_conditions(wanted.expression, factors)
    if shape:
        plain = lists_of(shape, factors)
        if isinstance(plain, Answer):
            return _exact(wanted, Several((plain.clause,), Bound(1, plain.at_least)))
    tree = tree_of(wanted.region, factors)
    answer = clause_of(wanted.region, factors) if tree is None or may_be_a_clause(tree) else None
    if isinstance(answer, Answer):
        return _exact(wanted, Several((answer.clause,), Bound(1, answer.at_least)))
    known = _of_few_lists(wanted.region, factors)
    if tree and known is None:
        known = of_tree(tree, factors, MAX_CLAUSES)
    if isinstance(known, Several):
        return _exact(wanted, known if known.proved or tree is None else improved(known, tree, factors))
    if known and known.kind in ("too-many-clauses", "not-found"):
        return _inexact(wanted, known)
    return _of_cells(wanted, known, answer, factors)


def _of_few_lists(region: Region, factors: Factors) -> Several | Reason | None:
    """Return the best plan where the catalogue is so small that all are looked at; None where it is not."""
    try:
        plans = best_plan(region, factors, groups=1)
    except TooMany:
        return None
    if plans.best is None:
        return Reason("unreached", UNREACHED, plans.lost.witness()) if plans.lost else _OVERLAPPING
    lists = sum(clause.segments for clause in plans.best)
    return Several(plans.best, Bound(len(plans.best), lists))


def _of_cells(wanted: Filter, known: Reason | None, why: Reason | None, factors: Factors) -> Plan:
    """Plan what no one clause means; `why` says what lists are wanting for that, `known` is what is known besides."""
    try:
        cells = Cells(wanted.region, factors)
    except TooManyCells:
        return _inexact(wanted, known or why or _TOO_LARGE)
    try:
        several = of_cells(cells, MAX_CLAUSES)
    except OutOfWork:
        several = NOT_FOUND
    if isinstance(several, Several):
        return _exact(wanted, several)
    if several.kind == "not-found" and known:
        several = known
    if why and several.kind != "only-overlapping":
        several = Reason(several.kind, why.message, several.witness)
    try:
        superset, subset = nearest(cells, MAX_CLAUSES)
    except OutOfWork:
        superset = subset = None
    return _inexact(wanted, several, superset, subset)


_OVERLAPPING = Reason(
    "only-overlapping", "Only ad sets that some people are in twice could reach this audience exactly."
)
_TOO_LARGE = Reason(
    "too-large",
    f"The filter tells more than {MAX_CELLS:,} combinations apart, more than the planner looks at for several ad sets.",
)


def _exact(wanted: Filter, found: Several) -> Plan:
    lists = sum(clause.segments for clause in found.clauses)
    return Plan(
        exact=True,
        clauses=found.clauses,
        certificate=Certificate(len(found.clauses), lists, found.bound),
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
