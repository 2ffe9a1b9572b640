"""From a filter to a plan: the include and exclude lists that mean exactly the same."""

from segmentation_core.planning.plan import Bound, Certificate, Clause, Nearest, Plan, Reason
from segmentation_core.planning.planner import plan_audience

__all__ = ["Bound", "Certificate", "Clause", "Nearest", "Plan", "Reason", "plan_audience"]
