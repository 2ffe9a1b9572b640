"""How often the laws of the planner's heart are tried: far more often than other laws, outside of development."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar, cast

import pytest
from hypothesis import settings

CASES = {"dev": 200, "ci": 5_000, "nightly": 100_000}
"""By HYPOTHESIS_PROFILE, as in `tests/conftest.py`."""

_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")

F = TypeVar("F", bound=Callable[..., object])


def heart(law: F) -> F:
    """Decorate a law that no plan may break."""
    return _tried(law, CASES[_PROFILE])


def beside_heart(law: F) -> F:
    """Decorate one that holds what another law holds too, for filters of one shape; a case of it takes long."""
    return _tried(law, {**CASES, "ci": 1_000}[_PROFILE])


def _tried(law: F, cases: int) -> F:
    # Coverage is measured by the other tests: it makes these take twice as long, and sees nothing that they do not.
    return cast("F", pytest.mark.no_cover(settings(max_examples=cases)(law)))
