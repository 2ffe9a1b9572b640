"""Plans in words."""

from __future__ import annotations

from segmentation_core import Bound, Certificate, Clause, Plan, Reason
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
