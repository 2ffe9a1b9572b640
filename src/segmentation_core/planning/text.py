"""A plan in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmentation_core.planning.plan import Plan


def plan_text(plan: Plan) -> str:
    """Return a plan as lines for people: what to include and exclude in each ad set, and what is proved."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    if plan.reason:
        yield f"No exact plan. {plan.reason.message}"
        return
    if not plan.clauses:
        yield "Nobody matches: no ad set is needed."
    for number, clause in enumerate(plan.clauses, 1):
        yield f"Ad set {number}"
        for group in clause.include:
            yield f"  include  {_listed(group)}"
        if clause.exclude:
            yield f"  exclude  {_listed(clause.exclude)}"
        for dimension, values in clause.direct.items():
            yield f"  target   {dimension}: {', '.join(values)}"
    if plan.certificate:
        bound = plan.certificate.lower_bound
        proved = "proved fewest" if plan.certificate.fewest else f"no plan has fewer than {bound.segments}"
        yield f"{plan.certificate.segments} lists, {proved}"


def _listed(names: tuple[str, ...]) -> str:
    return "\n           ".join(names)
