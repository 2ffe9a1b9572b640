"""Mutants that the tests do not notice, each with the reason why that is no gap."""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[str, str]] = {}
"""By the mutant's name: module, statement before and after. One that is noticed by now has to go."""
