"""What mutation tests found unwatched of sessions, devices and resets: edges, queues, and what belongs to others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from adapters.clock import SystemSecrets
from adapters.mail import FolderMailer
from adapters.passwords import BcryptPasswords
from segmentation_core.errors import WrongCredentials
from segmentation_core.resets import AskedReset, Reset, digest_of
from segmentation_core.sessions import DEVICE_LIFETIME, IDLE_LIFETIME, LIFETIME, Session
from segmentation_core.throttling import (
    MOST_PER_ADDRESS,
    MOST_PER_DEVICE,
    MOST_PER_NAME,
    MOST_PER_PASSWORD_CHANGE,
    MOST_RESETS_PER_ADDRESS,
    MOST_RESETS_PER_NAME,
    WITHIN,
)
from segmentation_core.usecases import Acting, ChangePassword, Client
from segmentation_core.users import ALL_COMPANIES
from tests.unit.house import PASSWORD, House

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
SECOND = timedelta(seconds=1)


class Queues(BcryptPasswords):
    """Notes for whom a place in the queue was asked: a known device or account, or anybody."""

    def __init__(self) -> None:
        super().__init__(cost=4)
        self.known: list[int | None] = []

    async def verify(self, password: str, password_hash: str | None, *, known: int | None = None) -> bool:
        self.known.append(known)
        return await super().verify(password, password_hash, known=known)


@pytest.mark.requirement(8, 14)
def test_a_session_lasts_eight_hours_and_one_without_a_request() -> None:
    assert (timedelta(hours=8), timedelta(minutes=60), timedelta(days=180)) == (
        LIFETIME,
        IDLE_LIFETIME,
        DEVICE_LIFETIME,
    )


@pytest.mark.requirement(41)
def test_how_often_something_may_be_tried_in_a_quarter_of_an_hour() -> None:
    assert timedelta(minutes=15) == WITHIN
    assert (MOST_PER_NAME, MOST_PER_DEVICE, MOST_PER_ADDRESS, MOST_PER_PASSWORD_CHANGE) == (10, 10, 100, 10)
    assert (MOST_RESETS_PER_NAME, MOST_RESETS_PER_ADDRESS) == (3, 20)


@pytest.mark.requirement(14)
def test_a_session_ends_to_the_microsecond() -> None:
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    session = Session("a", 1, created=begun, seen=begun + LIFETIME - SECOND)
    assert session.is_alive(begun + LIFETIME - timedelta(microseconds=1))
    assert not session.is_alive(begun + LIFETIME)
    idle = Session("a", 1, created=begun, seen=begun)
    assert idle.is_alive(begun + IDLE_LIFETIME - timedelta(microseconds=1))
    assert not idle.is_alive(begun + IDLE_LIFETIME)


@pytest.mark.requirement(5, 41)
async def test_the_reserved_queue_is_for_known_devices_of_the_name_itself() -> None:
    house, queues = House(), Queues()
    root = await house.root()
    sign_in = house.signing_in_with(queues)
    _, signed = await sign_in("root", PASSWORD, Client("192.0.2.1"))
    await sign_in("root", PASSWORD, Client("192.0.2.1", signed.device))
    with pytest.raises(WrongCredentials):
        await sign_in("nobody", PASSWORD, Client("192.0.2.1", signed.device))
    assert queues.known == [None, root.user.id, None]


@pytest.mark.requirement(5, 6)
async def test_whoever_is_signed_in_changes_the_password_in_the_reserved_queue() -> None:
    house, queues = House(), Queues()
    root = await house.root()
    change = ChangePassword(house.work, queues, house.tokens, house.devices, house.clock, SystemSecrets())
    await change(root, PASSWORD, "another good password")
    assert queues.known == [root.user.id]


@pytest.mark.requirement(14)
async def test_a_request_is_noted_once_a_minute() -> None:
    house = House()
    await house.root()
    _, signed = await house.sign_in("root", PASSWORD)
    session_id = house.tokens.session_id(signed.token, house.clock.now())
    assert session_id

    async def seen() -> datetime:
        await house.who(signed)
        found = await house.work.run(ALL_COMPANIES, lambda stores: stores.sessions.find(session_id))
        assert found
        return found[0].seen

    begun = house.clock.time
    house.clock.time = begun + 59 * SECOND
    assert await seen() == begun
    house.clock.time = begun + 60 * SECOND
    assert await seen() == begun + 60 * SECOND


@pytest.mark.requirement(7)
async def test_a_mail_to_one_leaves_the_tokens_of_others_good(tmp_path: Path) -> None:
    house = House()
    root = await house.root()
    ana, _ = [await house.add(root, name, company="Demo") for name in ("ana@example.com", "bo@example.com")]
    token = SystemSecrets().token()
    reset = Reset(ana.user.id, digest_of(token), house.clock.now())
    await house.work.run(ALL_COMPANIES, lambda stores: stores.resets.begin(reset))
    await house.sending_resets(FolderMailer(tmp_path, "audience@example.com"))(
        AskedReset("bo@example.com", "192.0.2.1")
    )
    await house.reset_password(token, "another good password", Client("192.0.2.1"))
    _, signed = await house.sign_in("ana@example.com", "another good password")
    assert (await house.who(signed)).id == Acting(ana.user).user.id
