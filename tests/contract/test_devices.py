"""What every signer of known devices promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.devices import SignedDevices
from segmentation_core.ports import Devices
from segmentation_core.sessions import DEVICE_LIFETIME

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module", params=[SignedDevices])
def devices(request: pytest.FixtureRequest) -> Devices:
    made: Devices = request.param("c" * 32)
    return made


@pytest.mark.requirement(41)
def test_a_device_is_known_for_its_user_until_its_time_is_over(devices: Devices) -> None:
    signed = devices.sign(7, 3, "the-device_1", NOON)
    assert devices.device_id(signed, 7, 3, NOON) == "the-device_1"
    assert devices.device_id(signed, 7, 3, NOON + DEVICE_LIFETIME - timedelta(microseconds=1)) == "the-device_1"
    assert devices.device_id(signed, 7, 3, NOON + DEVICE_LIFETIME) is None
    assert devices.device_id(signed, 8, 3, NOON) is None


@pytest.mark.requirement(41)
def test_a_device_is_known_for_one_generation_of_the_password(devices: Devices) -> None:
    signed = devices.sign(7, 3, "one", NOON)
    assert [devices.device_id(signed, 7, generation, NOON) for generation in (2, 3, 4)] == [None, "one", None]


def test_another_key_knows_no_device(devices: Devices) -> None:
    assert SignedDevices("d" * 32).device_id(devices.sign(7, 3, "one", NOON), 7, 3, NOON) is None


@pytest.mark.parametrize(
    "text", [None, "", ".", "....", "v1.7.x.1", "x" * 100_000, "ü.ü", "\ud800.\ud800", "v1.7.x.1."]
)
@pytest.mark.requirement(41)
def test_what_was_not_signed_is_no_device(devices: Devices, text: str | None) -> None:
    assert devices.device_id(text, 7, 3, NOON) is None


@given(position=st.integers(0, 200), put=st.text(max_size=3), cut=st.integers(0, 3))
def test_a_changed_text_is_no_device(devices: Devices, position: int, put: str, cut: int) -> None:
    signed = devices.sign(7, 3, "one", NOON)
    at = position % (len(signed) + 1)
    changed = signed[:at] + put + signed[at + cut :]
    assert (devices.device_id(changed, 7, 3, NOON) == "one") == (changed == signed)
