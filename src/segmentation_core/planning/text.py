"""A plan in words, as lines and as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, TypeAlias

from segmentation_core.planning.plan import Nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segmentation_core.planning.explain import Why
    from segmentation_core.planning.plan import Certificate, Clause, Plan

_Whys: TypeAlias = "dict[tuple[int, int | None, str], str]"


def plan_text(plan: Plan, whys: Sequence[Why] = ()) -> str:
    """Return a plan as lines for people: what to include and exclude in each ad set, and what is proved.

    `whys` (`explain`) say beside each list why it is there.
    """
    return "\n".join(_lines(plan, {(why.clause, why.group, why.segment): why.why for why in whys}))


def plan_html(plan: Plan) -> str:
    """Return a plan as an HTML table, a row for each ad set, with a caption that says what is proved."""
    rows = "".join(_row(number, clause) for number, clause in enumerate(plan.clauses, 1))
    head = "<tr><th>Ad set</th><th>Include</th><th>Exclude</th><th>Target</th></tr>" if rows else ""
    caption = "<br>".join(escape(line) for line in (*_heading(plan), *_ending(plan)))
    return f"<table><caption>{caption}</caption>{head}{rows}</table>"


def _row(number: int, clause: Clause) -> str:
    groups = "<br>and<br>".join("<br>or ".join(map(escape, group)) for group in clause.include)
    targets = "<br>".join(f"{escape(name)}: {escape(', '.join(values))}" for name, values in clause.direct.items())
    excluded = "<br>".join(map(escape, clause.exclude))
    return f"<tr><td>{number}</td><td>{groups}</td><td>{excluded}</td><td>{targets}</td></tr>"


def _lines(plan: Plan, whys: _Whys) -> Iterator[str]:
    yield from _heading(plan)
    yield from _clauses(plan.clauses, whys)
    yield from _ending(plan)
    for nearest, way in ((plan.superset, "more"), (plan.subset, "less")):
        if isinstance(nearest, Nearest):
            yield _near(nearest, way)
            yield from _clauses(nearest.clauses, {})


def _heading(plan: Plan) -> Iterator[str]:
    if plan.reason:
        yield f"No exact plan. {plan.reason.message}"
        if plan.reason.witness:
            yield f"Such as people with {_told(plan.reason.witness)}."
    elif not plan.clauses:
        yield "Nobody matches: no ad set is needed."


def _ending(plan: Plan) -> Iterator[str]:
    if plan.clauses and plan.certificate:
        yield _proved(plan.certificate)
    yield from plan.notes


def _near(nearest: Nearest, way: str) -> str:
    off = _count(nearest.cells, "combination")
    if isinstance(nearest.people, int):
        off = f"{nearest.people} people in {off}"
    if way == "more":
        told = f"Reaches all of it, and {off} more" if nearest.witness else "Reaches all of it"
    else:
        told = f"Reaches part of it, without {off}" if nearest.clauses else "No ad set reaches part of it alone"
    witness = f", such as people with {_told(nearest.witness)}" if nearest.witness else ""
    return f"{told}{witness}:" if nearest.clauses else f"{told}."


def _told(person: dict[str, str | tuple[str, ...]]) -> str:
    """Tell somebody: "age old, owns boat and car, likes nothing"."""
    held = (
        f"{name} {value if isinstance(value, str) else ' and '.join(value) or 'nothing'}"
        for name, value in person.items()
    )
    return ", ".join(held)


def _clauses(clauses: Sequence[Clause], whys: _Whys) -> Iterator[str]:
    for number, clause in enumerate(clauses, 1):
        yield f"Ad set {number}"
        for place, group in enumerate(clause.include, 1):
            yield from _listed("include", group, (number, place), whys)
        yield from _listed("exclude", clause.exclude, (number, None), whys)
        for dimension, values in clause.direct.items():
            yield f"  target   {dimension}: {', '.join(values)}"


def _listed(use: str, names: tuple[str, ...], place: tuple[int, int | None], whys: _Whys) -> Iterator[str]:
    for position, name in enumerate(names):
        why = whys.get((*place, name))
        yield f"  {'' if position else use:7}  {name}" + (f"  ({why})" if why else "")


def _proved(certificate: Certificate) -> str:
    size = f"{_count(certificate.segments, 'list')} in {_count(certificate.clauses, 'ad set')}"
    if certificate.fewest:
        return f"{size}, proved fewest"
    bound = certificate.lower_bound
    return f"{size}; proved: no plan has fewer than {bound.segments} in {bound.clauses}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
