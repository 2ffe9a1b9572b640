"""How often the laws of the planner's heart are tried: far more often than other laws, outside of development."""

from __future__ import annotations

import os

from hypothesis import settings

CASES = {"dev": 200, "ci": 5_000, "nightly": 100_000}
"""By HYPOTHESIS_PROFILE, as in `tests/conftest.py`."""

_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")

heart = settings(max_examples=CASES[_PROFILE])
"""Decorates a law that no plan may break."""

beside_heart = settings(max_examples={**CASES, "ci": 1_000}[_PROFILE])
"""Decorates one that holds what another law holds too, for filters of one shape; a case of it takes long."""
