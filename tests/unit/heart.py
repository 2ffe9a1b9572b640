"""How often the laws of the planner's heart are tried: far more often than other laws, outside of development."""

from __future__ import annotations

import os

from hypothesis import settings

CASES = {"dev": 200, "ci": 5_000, "nightly": 100_000}
"""By HYPOTHESIS_PROFILE, as in `tests/conftest.py`."""

heart = settings(max_examples=CASES[os.environ.get("HYPOTHESIS_PROFILE", "dev")])
"""Decorates a law that no plan may break."""
