"""Resets that are asked for, on their way to the mail."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from adapters import asked_resets
from adapters.asked_resets import MOST_OF_AN_ADDRESS, MOST_WAITING, AskedResets
from adapters.builds import cancelled
from adapters.mail import FolderMailer
from segmentation_core.resets import AskedReset
from tests.unit.house import House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

ANA, BO = "ana@example.com", "bo@example.com"


@pytest.fixture
async def house() -> House:
    house = House()
    root = await house.root()
    for name in (ANA, "plain name"):
        await house.add(root, name, company="Demo")
    return house


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mail"


@pytest.fixture
async def resets(house: House, folder: Path) -> AsyncIterator[AskedResets]:
    resets = AskedResets(house.sending_resets(FolderMailer(folder, "audience@example.com")))
    running = asyncio.create_task(resets.run())
    yield resets
    await cancelled(running)


def asked(name: str, number: int = 1) -> AskedReset:
    return AskedReset(name, f"address {number}", f"request-{number}")


def mails(folder: Path) -> list[str]:
    return [file.read_text() for file in folder.glob("*.eml")]


def block(folder: Path) -> None:
    folder.write_text("a file in its place")


def unblock(folder: Path) -> None:
    folder.unlink()


async def test_what_is_asked_for_is_sent_after_the_answer(resets: AskedResets, folder: Path) -> None:
    resets.add(asked(ANA))
    assert not mails(folder)
    await resets.finish()
    assert len(mails(folder)) == 1


async def test_the_log_tells_the_request_and_no_name_address_or_token(
    resets: AskedResets, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "segmentation")
    for number, name in enumerate((ANA, "plain name", "nobody@example.com", ANA, ANA, ANA)):
        resets.add(asked(name, number))
        await resets.finish()
    told = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "segmentation.mail"]
    assert told == [
        ("INFO", "request request-0 asks for a reset: a mail was sent"),
        ("WARNING", "request request-1 asks for a reset: the name of the account is no mail address"),
        ("INFO", "request request-2 asks for a reset: no active account has the name"),
        ("INFO", "request request-3 asks for a reset: a mail was sent"),
        ("INFO", "request request-4 asks for a reset: a mail was sent"),
        ("INFO", "request request-5 asks for a reset: it was asked for too often"),
    ]
    tokens = [text.partition("#token=")[2].split()[0] for text in mails(folder)]
    assert len(tokens) == 3
    assert not [word for word in (ANA, "plain", *tokens) if word in caplog.text]


async def test_what_cannot_be_sent_is_logged_and_the_next_one_goes_on(
    resets: AskedResets, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    block(folder)
    resets.add(asked(ANA, 1))
    await resets.finish()
    unblock(folder)
    resets.add(asked(ANA, 2))
    await resets.finish()
    assert len(mails(folder)) == 1
    assert "request request-1: no reset was sent: The mail folder cannot be written" in caplog.text
    assert ANA not in caplog.text


async def test_a_fault_of_ours_leaves_its_traceback_and_the_next_one_goes_on(
    resets: AskedResets, house: House, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(house.work, "run", None)
        resets.add(asked(ANA, 1))
        await resets.finish()
    resets.add(asked(ANA, 2))
    await resets.finish()
    assert len(mails(folder)) == 1
    assert "request request-1: no reset was sent" in caplog.text
    assert "TypeError" in caplog.text
    assert ANA not in caplog.text


async def test_past_a_hundred_that_wait_they_are_dropped_and_logged(
    house: House, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    resets = AskedResets(house.sending_resets(FolderMailer(folder, "audience@example.com")))
    for number in range(MOST_WAITING):
        resets.add(asked("nobody", number))
    assert not caplog.records
    resets.add(asked(ANA, 555))
    assert caplog.messages == ["request request-555 asks for a reset, and too many wait: it is dropped"]


async def test_one_address_takes_no_room_from_the_others(
    house: House, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    resets = AskedResets(house.sending_resets(FolderMailer(folder, "audience@example.com")))
    for _ in range(MOST_WAITING + 1):
        resets.add(asked("nobody", 1))
    assert len(caplog.records) == MOST_WAITING + 1 - MOST_OF_AN_ADDRESS
    assert set(caplog.messages) == {"request request-1 asks for a reset, and too many wait: it is dropped"}
    resets.add(asked(ANA, 2))
    running = asyncio.create_task(resets.run())
    await resets.finish()
    resets.add(asked("nobody", 1))
    await resets.finish()
    await cancelled(running)
    assert len(mails(folder)) == 1
    assert len(caplog.records) == MOST_WAITING + 1 - MOST_OF_AN_ADDRESS, "its places are free again"


async def test_a_slow_server_for_one_keeps_no_other_back(house: House, folder: Path) -> None:
    class SlowForBo(FolderMailer):
        async def send(self, to: str, subject: str, text: str) -> None:
            if to == BO:
                await asyncio.Event().wait()
            await super().send(to, subject, text)
            sent.set()

    sent = asyncio.Event()
    await house.add(await house.root("second root"), BO, company="Demo")
    resets = AskedResets(house.sending_resets(SlowForBo(folder, "audience@example.com")))
    running = asyncio.create_task(resets.run())
    resets.add(asked(BO, 1))
    resets.add(asked(ANA, 2))
    await asyncio.wait_for(sent.wait(), 5)
    await cancelled(running)


async def test_a_name_longer_than_any_takes_no_room(resets: AskedResets, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "segmentation")
    resets.add(asked("x" * 256))
    await resets.finish()
    assert not caplog.records


async def test_what_cannot_be_sent_before_the_end_is_told(
    house: House, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asked_resets, "SECONDS_AT_THE_END", 0.01)
    resets = AskedResets(house.sending_resets(FolderMailer(folder, "audience@example.com")))
    resets.add(asked(ANA))
    await resets.finish()
    assert caplog.messages == ["1 resets that were asked for are dropped, since the service stops"]


async def test_without_mail_the_log_says_so_at_the_start_and_at_each_request(caplog: pytest.LogCaptureFixture) -> None:
    resets = AskedResets(None)
    running = asyncio.create_task(resets.run())
    await asyncio.sleep(0)
    resets.add(asked(ANA, 7))
    await resets.finish()
    await cancelled(running)
    assert caplog.messages == [
        "nobody can reset a forgotten password: no mail can be sent: set SEGMENTATION_MAIL",
        "request request-7 asks for a reset, and no mail can be sent: set SEGMENTATION_MAIL",
    ]
