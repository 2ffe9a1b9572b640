"""Plans in words."""

from __future__ import annotations

import msgspec

from segmentation_core import Bound, Certificate, Clause, Nearest, Plan, Reason, plan_html
from segmentation_core.planning.text import plan_text


def test_a_plan_reads_as_ad_sets_with_what_is_proved() -> None:
    clauses = (Clause((("a", "b"), ("c",)), ("d",), {"city": ("Pune", "Surat")}), Clause((("e",),), (), {}))
    plan = Plan(exact=True, clauses=clauses, certificate=Certificate(2, 5, Bound(2, 4)), fingerprint="")
    assert plan_text(plan).splitlines() == [
        "Ad set 1",
        "  include  a",
        "           b",
        "  include  c",
        "  exclude  d",
        "  target   city: Pune, Surat",
        "Ad set 2",
        "  include  e",
        "5 lists in 2 ad sets; proved: no plan has fewer than 4 in 2",
    ]


def test_fewest_is_said_only_where_it_is_proved() -> None:
    plan = Plan(
        exact=True, clauses=(Clause((("e",),), (), {}),), certificate=Certificate(1, 1, Bound(1, 1)), fingerprint=""
    )
    assert plan_text(plan).endswith("1 list in 1 ad set, proved fewest")


def test_nobody_and_no_exact_plan_are_told() -> None:
    nobody = Plan(exact=True, clauses=(), certificate=Certificate(0, 0, Bound(0, 0)), fingerprint="")
    assert plan_text(nobody) == "Nobody matches: no ad set is needed."
    inexact = Plan(exact=False, clauses=(), certificate=None, fingerprint="", reason=Reason("unreached", "No list."))
    assert plan_text(inexact) == "No exact plan. No list."


def test_what_is_near_is_told_with_somebody_it_gets_wrong() -> None:
    witness: dict[str, str | tuple[str, ...]] = {"age": "old", "likes": ("art", "tea"), "owns": ()}
    clauses = (Clause((("a",),), (), {}),)
    plan = Plan(
        exact=False,
        clauses=(),
        certificate=None,
        fingerprint="",
        reason=Reason("unreached", "No list.", witness),
        superset=Nearest(clauses, 2, witness),
        subset=Nearest((), 1, {"age": "old"}),
    )
    assert plan_text(plan).splitlines() == [
        "No exact plan. No list.",
        "Such as people with age old, likes art and tea, owns nothing.",
        "Reaches all of it, and 2 combinations more, such as people with age old, likes art and tea, owns nothing:",
        "Ad set 1",
        "  include  a",
        "No ad set reaches part of it alone.",
    ]
    nearer = msgspec.structs.replace(plan, superset=Nearest(clauses, 0, None), subset=Nearest(clauses, 1, None))
    assert plan_text(nearer).splitlines()[2:] == [
        "Reaches all of it:",
        "Ad set 1",
        "  include  a",
        "Reaches part of it, without 1 combination:",
        "Ad set 1",
        "  include  a",
    ]


def test_a_notebook_shows_a_table_in_which_nothing_is_markup() -> None:
    clause = Clause((("<a>", "b"), ("c",)), ("d&e",), {"city": ("Pune", "<Surat>")})
    plan = Plan(
        exact=True, clauses=(clause,), certificate=Certificate(1, 4, Bound(1, 4)), fingerprint="", notes=("a < b",)
    )
    shown = plan._repr_html_()
    assert shown == plan_html(plan)
    assert "<td>&lt;a&gt;<br>or b<br>and<br>c</td><td>d&amp;e</td><td>city: Pune, &lt;Surat&gt;</td>" in shown
    assert "<caption>4 lists in 1 ad set, proved fewest<br>a &lt; b</caption>" in shown


def test_a_notebook_shows_nobody_without_a_table_head() -> None:
    nobody = Plan(exact=True, clauses=(), certificate=Certificate(0, 0, Bound(0, 0)), fingerprint="")
    assert plan_html(nobody) == "<table><caption>Nobody matches: no ad set is needed.</caption></table>"
