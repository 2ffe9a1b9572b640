"""Resets on their way to the mail: whoever asks for one is answered at once, and all alike, before anything is done."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from segmentation_core.errors import SegmentationError
from segmentation_core.usecases import ResetOutcome
from segmentation_core.users import LONGEST_NAME

if TYPE_CHECKING:
    from segmentation_core.resets import AskedReset
    from segmentation_core.usecases import SendReset

MOST_WAITING: Final = 100
"""How many may wait to be sent; what is asked for past that is dropped, and logged."""

MOST_OF_AN_ADDRESS: Final = 5
"""How many of them may come from one address, so that none takes all the room."""

AT_ONCE: Final = 4
"""How many are sent at a time: one that the mail server takes long for does not keep all others back."""

SECONDS_AT_THE_END: Final = 5.0
"""How long the last ones are waited for when the service stops."""

_NO_MAIL: Final = "no mail can be sent: set SEGMENTATION_MAIL"

_log: Final = logging.getLogger("segmentation.mail")


class AskedResets:
    """The resets that one process was asked for. `run` sends them, a few at a time, until it is cancelled."""

    def __init__(self, send: SendReset | None) -> None:
        """Take what sends them, None where no mail can be sent."""
        self._send = send
        self._waiting: asyncio.Queue[AskedReset] = asyncio.Queue(MOST_WAITING)
        self._addresses: Counter[str] = Counter()

    def add(self, asked: AskedReset) -> None:
        """Note that a reset was asked for; a name longer than any is nobody's."""
        if self._send is None:
            _log.warning("request %s asks for a reset, and %s", asked.request_id, _NO_MAIL)
        elif len(asked.username) <= LONGEST_NAME:
            if self._waiting.full() or self._addresses[asked.address] >= MOST_OF_AN_ADDRESS:
                _log.warning("request %s asks for a reset, and too many wait: it is dropped", asked.request_id)
                return
            self._addresses[asked.address] += 1
            self._waiting.put_nowait(asked)

    async def run(self) -> None:
        """Send what is asked for until cancelled; what fails is logged, and the next one goes on."""
        if self._send is None:
            _log.warning("nobody can reset a forgotten password: %s", _NO_MAIL)
        async with asyncio.TaskGroup() as sending:
            for _ in range(AT_ONCE):
                sending.create_task(self._send_all())

    async def _send_all(self) -> None:
        while True:
            asked = await self._waiting.get()
            try:
                await self._sent(asked)
            finally:
                self._addresses -= Counter([asked.address])  # which forgets those that have none left
                self._waiting.task_done()

    async def finish(self) -> None:
        """Wait until all that was asked for is sent, for a while."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), SECONDS_AT_THE_END)
        if not self._waiting.empty():
            _log.warning("%d resets that were asked for are dropped, since the service stops", self._waiting.qsize())

    async def _sent(self, asked: AskedReset) -> None:
        """Send one. The log names neither who asked nor who is meant, but the request."""
        if self._send is None:
            return
        try:
            outcome = await self._send(asked)
        except SegmentationError as fault:
            _log.warning("request %s: no reset was sent: %s", asked.request_id, fault)
        except Exception:  # noqa: BLE001  a fault of ours in one must not keep the others back
            _log.exception("request %s: no reset was sent", asked.request_id)
        else:
            level = logging.WARNING if outcome is ResetOutcome.NO_ADDRESS else logging.INFO
            _log.log(level, "request %s asks for a reset: %s", asked.request_id, outcome.value)
