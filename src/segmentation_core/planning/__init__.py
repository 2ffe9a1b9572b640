"""From a filter to a plan: the include and exclude lists that mean exactly the same."""

from segmentation_core.planning.explain import Why, explain
from segmentation_core.planning.plan import Bound, Certificate, Clause, Nearest, Plan, Reason
from segmentation_core.planning.planner import plan_audience
from segmentation_core.planning.profiles import INCLUDE_EXCLUDE, Profile
from segmentation_core.planning.text import plan_html, plan_text

__all__ = [
    "INCLUDE_EXCLUDE",
    "Bound",
    "Certificate",
    "Clause",
    "Nearest",
    "Plan",
    "Profile",
    "Reason",
    "Why",
    "explain",
    "plan_audience",
    "plan_html",
    "plan_text",
]
