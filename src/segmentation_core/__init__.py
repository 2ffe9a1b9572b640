"""Audience segmentation: filters over a catalogue, their exact meaning, and the lists that say it on an ad platform.

The core reads no file, clock, network or environment. Its dependencies are the standard library and msgspec.
"""

from segmentation_core.catalog import Catalog, Dimension, Segment, Trace, Value, Weight
from segmentation_core.documents import parse_json
from segmentation_core.errors import (
    CatalogError,
    DataError,
    DocumentError,
    FilterError,
    InputError,
    PersonError,
    PlanMismatch,
    Problem,
    ProfileError,
    SegmentationError,
    TooComplex,
)
from segmentation_core.filters import Filter, parse_choices, parse_filter
from segmentation_core.planning import (
    INCLUDE_EXCLUDE,
    Bound,
    Certificate,
    Clause,
    Nearest,
    Plan,
    Profile,
    Reason,
    Why,
    explain,
    plan_audience,
    plan_html,
    plan_text,
)
from segmentation_core.relations import Relation, relation
from segmentation_core.version import __version__

__all__ = [
    "INCLUDE_EXCLUDE",
    "Bound",
    "Catalog",
    "CatalogError",
    "Certificate",
    "Clause",
    "DataError",
    "Dimension",
    "DocumentError",
    "Filter",
    "FilterError",
    "InputError",
    "Nearest",
    "PersonError",
    "Plan",
    "PlanMismatch",
    "Problem",
    "Profile",
    "ProfileError",
    "Reason",
    "Relation",
    "Segment",
    "SegmentationError",
    "TooComplex",
    "Trace",
    "Value",
    "Weight",
    "Why",
    "__version__",
    "explain",
    "parse_choices",
    "parse_filter",
    "parse_json",
    "plan_audience",
    "plan_html",
    "plan_text",
    "relation",
]
