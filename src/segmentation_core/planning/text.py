"""A plan in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmentation_core.planning.plan import Certificate, Plan


def plan_text(plan: Plan) -> str:
    """Return a plan as lines for people: what to include and exclude in each ad set, and what is proved."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    if plan.reason:
        yield f"No exact plan. {plan.reason.message}"
    elif not plan.clauses:
        yield "Nobody matches: no ad set is needed."
    for number, clause in enumerate(plan.clauses, 1):
        yield f"Ad set {number}"
        for group in clause.include:
            yield f"  include  {_listed(group)}"
        if clause.exclude:
            yield f"  exclude  {_listed(clause.exclude)}"
        for dimension, values in clause.direct.items():
            yield f"  target   {dimension}: {', '.join(values)}"
    if plan.clauses and plan.certificate:
        yield _proved(plan.certificate)


def _proved(certificate: Certificate) -> str:
    size = f"{_count(certificate.segments, 'list')} in {_count(certificate.clauses, 'ad set')}"
    if certificate.fewest:
        return f"{size}, proved fewest"
    bound = certificate.lower_bound
    return f"{size}; proved: no plan has fewer than {bound.segments} in {bound.clauses}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: tuple[str, ...]) -> str:
    return "\n           ".join(names)
