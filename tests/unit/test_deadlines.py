"""What becomes of a request that takes longer than it may: it is answered in time, once, whatever its handler does."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from msgspec.structs import replace

from entrypoints.http.gate import Gate
from entrypoints.http.measuring import Measured
from entrypoints.settings import Settings
from segmentation_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from litestar.types import Receive, Scope, Send

pytestmark = [pytest.mark.anyio, pytest.mark.requirement(38)]

SECONDS = 0.05


class Asked:
    """A request to a gate, and what it was answered with."""

    def __init__(self, handler: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        settings = replace(Settings.for_demo({}, b"not used, and long enough for a key"), request_seconds=SECONDS)
        self.gate = Gate(handler, settings, {})
        self.sent: list[Any] = []
        self._whole = asyncio.Event()
        self.scope: Any = {
            "type": "http", "method": "GET", "path": "/health", "raw_path": b"/health", "query_string": b"",
            "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "state": {}, "litestar_app": None,
        }  # fmt: skip

    async def __call__(self) -> None:
        await self.gate(self.scope, self.receive, self.send)

    async def receive(self) -> Any:  # noqa: ANN401  no body ever comes
        await asyncio.Event().wait()

    async def send(self, message: Any) -> None:  # noqa: ANN401
        self.sent.append(message)
        if message["type"] == "http.response.body":
            self._whole.set()

    @property
    def statuses(self) -> list[int]:
        return [message["status"] for message in self.sent if message["type"] == "http.response.start"]

    async def answered(self) -> dict[str, Any]:
        async with asyncio.timeout(2):
            await self._whole.wait()
        document: dict[str, Any] = json.loads(self.sent[1]["body"])
        return document


def lines(log: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in log.records if record.name == "segmentation.access"]


async def hang(_scope: Scope, _receive: Receive, _send: Send) -> None:
    await asyncio.Event().wait()


async def wait_for_the_body(_scope: Scope, receive: Receive, _send: Send) -> None:
    await receive()


@pytest.mark.parametrize(("handler", "status"), [(hang, 503), (wait_for_the_body, 408)])
async def test_what_hangs_is_cancelled_and_answered(
    handler: Callable[..., Awaitable[None]], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    asked = Asked(handler)
    await asked()
    assert (await asked.answered())["status"] == status
    assert asked.statuses == [status]
    assert lines(caplog) == [f"GET - {status}"]


async def test_the_answer_waits_for_no_handler_that_takes_leave_and_nothing_comes_after_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    let = asyncio.Event()

    async def stubborn(_scope: Scope, _receive: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    asked = Asked(stubborn)
    request = asyncio.create_task(asked())
    await asked.answered()
    assert not request.done()
    assert lines(caplog) == ["GET - 503"]
    let.set()
    await request
    assert asked.statuses == [503]
    assert lines(caplog) == ["GET - 503"]


@pytest.mark.parametrize(("fault", "traceback"), [(Unavailable("gone"), False), (ValueError("a fault"), True)])
async def test_what_fails_past_its_deadline_is_told_in_the_log_alone(
    fault: Exception, caplog: pytest.LogCaptureFixture, *, traceback: bool
) -> None:
    async def failing(_scope: Scope, _receive: Receive, _send: Send) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise fault from None

    asked = Asked(failing)
    await asked()
    assert (await asked.answered())["status"] == 503
    (told,) = [record for record in caplog.records if "past its deadline" in record.getMessage()]
    assert bool(told.exc_info) is traceback


async def test_an_answer_that_has_begun_may_take_its_time() -> None:
    async def slow(_scope: Scope, _receive: Receive, send: Any) -> None:  # noqa: ANN401
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(3 * SECONDS)
        await send({"type": "http.response.body", "body": b"{}"})

    asked = Asked(slow)
    await asked()
    assert asked.statuses == [200]
    assert len(asked.sent) == 2


async def test_a_server_that_ends_requests_ends_them() -> None:
    asked = Asked(hang)
    request = asyncio.create_task(asked())
    await asyncio.sleep(SECONDS / 5)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert asked.sent == []


async def test_the_metrics_tell_when_the_answer_was_sent_and_not_when_its_handler_ended() -> None:
    let = asyncio.Event()

    async def stubborn(_scope: Scope, _receive: Receive, _send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await let.wait()

    asked, metrics = Asked(stubborn), Mock()
    request = asyncio.create_task(Measured(asked.gate, metrics)(asked.scope, asked.receive, asked.send))
    await asked.answered()
    await asyncio.sleep(0)
    metrics.answered.assert_called_once()
    assert metrics.answered.call_args[0][:3] == ("GET", "none", 503)
    let.set()
    await request
    metrics.answered.assert_called_once()


async def test_a_request_does_not_end_before_its_answer_however_slow_the_client_reads() -> None:
    asked = Asked(hang)

    async def send(message: Any) -> None:  # noqa: ANN401  Litestar types it for web sockets too
        await asyncio.sleep(SECONDS / 2)
        await asked.send(message)

    await asked.gate(asked.scope, asked.receive, send)
    assert asked.statuses == [503]
    assert len(asked.sent) == 2, "a server that finds no whole answer sends one of its own"
