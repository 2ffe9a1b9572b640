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
    SegmentationError,
    TooComplex,
)
from segmentation_core.filters import Filter, parse_choices, parse_filter
from segmentation_core.planning import Bound, Certificate, Clause, Nearest, Plan, Reason, plan_audience
from segmentation_core.relations import relation
from segmentation_core.version import __version__

__all__ = [
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
    "Reason",
    "Segment",
    "SegmentationError",
    "TooComplex",
    "Trace",
    "Value",
    "Weight",
    "__version__",
    "parse_choices",
    "parse_filter",
    "parse_json",
    "plan_audience",
    "relation",
]
