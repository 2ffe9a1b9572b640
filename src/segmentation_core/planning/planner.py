"""The planner: which lists to include and to exclude, so that they mean exactly the filter, with as few as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from segmentation_core.errors import TooComplex
from segmentation_core.planning.axes import TooManyCells
from segmentation_core.planning.cells import Cells, OutOfWork
from segmentation_core.planning.clauses import PLAIN, Answer, Taking, clause_of, lists_of
from segmentation_core.planning.conjunctions import shape_of_conditions
from segmentation_core.planning.exhaustive import TooMany, best_plan
from segmentation_core.planning.factored import factored
from segmentation_core.planning.factors import factors_of
from segmentation_core.planning.nearest import best_of_few_lists, nearest_of_cells, nearest_of_tree
from segmentation_core.planning.plan import Bound, Certificate, Nearest, Plan, Reason
from segmentation_core.planning.profiles import INCLUDE_EXCLUDE
from segmentation_core.planning.proofs import bound_in_groups
from segmentation_core.planning.several import (
    NOT_FOUND,
    TOO_MANY,
    UNREACHED,
    Several,
    improved,
    of_cells,
    of_tree,
)
from segmentation_core.planning.trees import Leaf, has_links, may_be_a_clause, tree_of

if TYPE_CHECKING:
    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter
    from segmentation_core.planning.factors import Factors
    from segmentation_core.planning.plan import Clause
    from segmentation_core.planning.profiles import Profile
    from segmentation_core.planning.trees import Tree
    from segmentation_core.regions import Region

MAX_CLAUSES = 64
"""How many clauses a plan may have."""

_MOST_GROUPS = 64
"""How many include groups of a platform that takes any number are used."""


def plan_audience(wanted: Filter, catalog: Catalog, *, profile: Profile = INCLUDE_EXCLUDE) -> Plan:
    """Return a plan that reaches exactly the people `wanted` means, as the platform of `profile` takes it.

    It has one clause where one can mean the filter, with the fewest lists that such a clause can have; of several such
    clauses it is the first by include ids, then exclude ids. Else the filter is split into as few clauses as a search
    of bounded work finds: over catalogues of a handful of lists the best of all plans. The empty audience is a plan of
    no clauses. `certificate` has what is proved. Where no plan is found, `exact` is false, `reason` says why, and a
    superset and a subset that plans can mean are offered. `notes` tell the figures of the profile that are not known.

    Raises TooComplex where the filter's region passes its bound, ValueError where `wanted` was read against another
    catalogue.
    """
    if wanted.catalog is not catalog:
        msg = "the filter was read against another catalogue"
        raise ValueError(msg)
    if profile is INCLUDE_EXCLUDE or profile == INCLUDE_EXCLUDE:
        return _plan(wanted, factors_of(catalog), PLAIN, MAX_CLAUSES)
    groups = _MOST_GROUPS if profile.groups is None else min(profile.groups, _MOST_GROUPS)
    taking = Taking(
        groups,
        empty=profile.empty_include_is_everyone.value is True,
        lists_per_group=profile.limit("lists_per_group"),
        include_lists=profile.limit("include_lists"),
        exclude_lists=profile.limit("exclude_lists"),
    )
    most = min(profile.limit("clauses") or MAX_CLAUSES, MAX_CLAUSES)
    plan = _within(_plan(wanted, factors_of(catalog), taking, most), wanted, factors_of(catalog), taking, most, profile)
    return msgspec.structs.replace(plan, profile=profile.id, notes=profile.notes(plan.clauses))


def _within(  # noqa: PLR0913, PLR0917  all that it was planned by
    plan: Plan, wanted: Filter, factors: Factors, taking: Taking, most: int, profile: Profile
) -> Plan:
    """Return a plan that keeps to the figures of a profile, or the reason why there is none."""
    past = _past_a_limit(plan.clauses, profile)
    superset, subset = plan.superset, plan.subset
    if past:
        few = _of_few_lists(wanted.region, factors, taking, most)
        if isinstance(few, Several) and not _past_a_limit(few.clauses, profile):
            return _exact(wanted, few)
        superset, subset = _nearest_of_tree(tree_of(wanted.region, factors), wanted.region, factors, taking, most)
        subset = best_of_few_lists(wanted.region, factors, taking, most) or subset
        plan = _inexact(wanted, past)
    near = [
        None if isinstance(some, Nearest) and _past_a_limit(some.clauses, profile) else some
        for some in (superset, subset)
    ]
    return msgspec.structs.replace(plan, superset=near[0], subset=near[1])


def _plan(wanted: Filter, factors: Factors, taking: Taking, most: int) -> Plan:
    if wanted.region.is_empty():
        return _exact(wanted, Several((), Bound(0, 0)))
    shape = shape_of_conditions(wanted.expression, factors)
    if shape:
        plain = lists_of(shape, factors, taking)
        if isinstance(plain, Answer):
            return _exact(wanted, _of_one_clause(plain, wanted.region, factors, taking, most))
    tree = tree_of(wanted.region, factors)
    answer = _clause_of(wanted.region, factors, taking) if tree is None or _may_be_a_clause(tree, taking) else None
    if isinstance(answer, Answer):
        return _exact(wanted, _of_one_clause(answer, wanted.region, factors, taking, most))
    known = _of_few_lists(wanted.region, factors, taking, most)
    told = tree or (factored(wanted.region, factors, taking.groups) if known is None else None)
    if told and known is None:
        known = _of_tree(told, factors, taking, most)
    if isinstance(known, Several):
        return _exact(wanted, known)
    if told and known and (known.kind == "too-many-clauses" or (known.kind == "not-found" and tree)):
        return _inexact(wanted, known, *_nearest_of_tree(told, wanted.region, factors, taking, most))
    return _of_cells(wanted, told, known, answer, factors, taking, most)


def _of_one_clause(answer: Answer, region: Region, factors: Factors, taking: Taking, most: int) -> Several:
    """Return a plan of one clause; with several groups a handful of lists may say it in fewer, some of one factor."""
    several = Several((answer.clause,), Bound(1, answer.at_least))
    if taking.plain or answer.clause.segments == answer.at_least:
        return several
    few = _of_few_lists(region, factors, taking, most)
    return few if isinstance(few, Several) else several


def _clause_of(region: Region, factors: Factors, taking: Taking) -> Answer | Reason | None:
    """Return the clause that means a region; past the bounds on regions it is not known, and None."""
    try:
        return clause_of(region, factors, taking)
    except TooComplex:
        return None


def _nearest_of_tree(
    tree: Tree | None, region: Region, factors: Factors, taking: Taking, most: int
) -> tuple[Nearest | None, Nearest | None]:
    if tree is None:
        return None, None
    try:
        return nearest_of_tree(tree, region, factors, most, taking)
    except TooComplex:
        return None, None


def _may_be_a_clause(tree: Tree, taking: Taking) -> bool:
    return may_be_a_clause(tree) and not (
        has_links(tree) and bound_in_groups(tree, taking.groups, empty=taking.empty).clauses > 1
    )


def _of_few_lists(region: Region, factors: Factors, taking: Taking, most: int) -> Several | Reason | None:
    """Return the best plan where the catalogue is so small that all are looked at; None where it is not."""
    try:
        plans = best_plan(region, factors, taking)
    except TooMany:
        return None
    if plans.best is None:
        return _OVERLAPPING if plans.lost is None else Reason("unreached", UNREACHED, plans.lost.witness())
    if len(plans.best) > most:
        return Reason("too-many-clauses", TOO_MANY.format(len(plans.best), most))
    lists = sum(clause.segments for clause in plans.best)
    return Several(plans.best, Bound(len(plans.best), lists))


def _of_tree(tree: Tree, factors: Factors, taking: Taking, most: int) -> Several | Reason | None:
    known = of_tree(tree, factors, most, taking)
    if not isinstance(known, Several) or known.proved or taking.groups > 1 or isinstance(tree, Leaf):
        return known
    return improved(known, tree, factors, taking)


def _of_cells(  # noqa: PLR0913, PLR0917  all that is known so far
    wanted: Filter,
    tree: Tree | None,
    known: Reason | None,
    why: Reason | None,
    factors: Factors,
    taking: Taking,
    most: int,
) -> Plan:
    """Plan what no one clause means; `why` says what lists are wanting for that, `known` is what is known besides."""
    try:
        cells = Cells(wanted.region, factors, empty=taking.empty)
    except TooManyCells as limit:
        told = " ".join([f"{limit}", *([why.message] if why else [])])
        near = _nearest_of_tree(tree, wanted.region, factors, taking, most)
        return _inexact(wanted, known or Reason("too-large", told), *near)
    try:
        several = of_cells(cells, most, taking)
    except OutOfWork:
        several = NOT_FOUND
    if isinstance(several, Several):
        return _exact(wanted, several)
    if several.kind == "not-found" and known:
        several = known
    if why and several.kind not in ("only-overlapping", "not-found"):
        several = Reason(several.kind, why.message, several.witness)
    superset, subset = nearest_of_cells(cells, most, taking)
    subset = best_of_few_lists(wanted.region, factors, taking, most) or subset
    if superset is None:
        superset, _ = _nearest_of_tree(tree, wanted.region, factors, taking, most)
    return _inexact(wanted, several, superset, subset)


def _past_a_limit(clauses: tuple[Clause, ...], profile: Profile) -> Reason | None:
    """Return which figure of a platform a plan does not keep to, None where it keeps to all."""
    different = {name for clause in clauses for group in (*clause.include, clause.exclude) for name in group}
    uses = [("lists", len(different), "The plan takes {} lists")]
    for number, clause in enumerate(clauses, 1):
        uses += [
            ("lists_per_group", len(group), f"Ad set {number} has a group of {{}} lists") for group in clause.include
        ]
        uses.append(("include_lists", sum(map(len, clause.include)), f"Ad set {number} includes {{}} lists"))
        uses.append(("exclude_lists", len(clause.exclude), f"Ad set {number} excludes {{}} lists"))
    for name, used, said in uses:
        limit = profile.limit(name)
        if limit is not None and used > limit:
            return Reason("past-a-limit", f"{said.format(used)}, more than the {limit} that {profile.name} takes.")
    return None


_OVERLAPPING = Reason(
    "only-overlapping", "Only ad sets that some people are in twice could reach this audience exactly."
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
