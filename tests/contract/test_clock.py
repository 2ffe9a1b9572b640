"""What every clock promises: the machine's, and the one of the tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.clock import SystemClock
from segmentation_core.ports import Clock
from tests.unit.house import HandClock

CLOCKS = pytest.mark.parametrize("clock", [SystemClock(), HandClock()], ids=["system", "by hand"])


@CLOCKS
def test_the_time_is_in_utc_and_aware_of_it(clock: Clock) -> None:
    now = clock.now()
    assert now.tzinfo is UTC
    assert now.utcoffset() == timedelta(0)


@CLOCKS
def test_time_does_not_run_backwards(clock: Clock) -> None:
    times = [clock.now() for _ in range(100)]
    assert times == sorted(times)


def test_the_system_clock_tells_the_time_of_this_machine() -> None:
    before = datetime.now(UTC)
    assert before <= SystemClock().now() <= datetime.now(UTC)
