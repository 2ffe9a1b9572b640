"""The stores that keep the ports' promises."""

from __future__ import annotations

import pytest

from adapters.memory import MemoryWork
from segmentation_core.ports import Work


@pytest.fixture(params=["memory"])
def work() -> Work:
    return MemoryWork(b"a" * 32)
