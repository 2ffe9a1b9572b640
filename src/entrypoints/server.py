"""The HTTP server: uvicorn with bounds, and its end."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from entrypoints.connections import IDLE_SECONDS, LARGEST_HEAD, BoundedConnection
from entrypoints.http.addresses import networks_as_seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from entrypoints.settings import Settings

_TICKS_OF_A_SECOND: Final = 10

_MOST_QUEUED: Final = 2_048
"""How many connections may wait to be accepted."""

_LEFT_SECONDS: Final = 0.0005
"""How long the next one is left to other workers."""

_MANY: Final = 50
"""After how many in a row, each of which was there already, the next one is not left to others any more."""

_FINISH_SECONDS: Final = 5
"""How long requests that run when the service stops may still take."""


class Listener(socket.socket):
    """A socket whose queue of connections is as long as it says, and of which asyncio takes one at a time.

    By itself asyncio takes as many at once as the queue may hold, and so one of several workers took them all. Where
    it `is_shared`, who has taken one leaves the next for a moment to those who take longer to wake, unless many wait.
    """

    is_shared = False
    _may_take_at = 0.0
    _in_a_row = 0

    def listen(self, _backlog: int = 0, /) -> None:
        """Listen, or go on."""
        super().listen(_MOST_QUEUED)

    def accept(self) -> tuple[socket.socket, Any]:
        """Take a connection. Raises BlockingIOError where none is there, or the next is left to others."""
        now = time.monotonic()
        if now < self._may_take_at:
            raise BlockingIOError
        taken = super().accept()
        if self.is_shared:
            was_there = now - self._may_take_at < _LEFT_SECONDS  # as soon as it could be taken
            self._in_a_row = self._in_a_row + 1 if was_there else 0
            self._may_take_at = now if self._in_a_row > _MANY else now + _LEFT_SECONDS
        return taken


class Server(uvicorn.Server):
    """Says that it is there once it is, and ends in order, with status 0, when told to stop.

    Told to stop, it is not ready any more, and listens for a moment longer, until those who ask have heard it. Then it
    finishes what it has begun. Told a second time, it goes at once.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        settings: Settings,
        on_serving: Callable[[], object],
        on_leaving: Callable[[], object],
        each_second: Callable[[], object] = lambda: None,
    ) -> None:
        """Take what it calls once it serves, as soon as it is told to stop, and each second between."""
        super().__init__(_config(app, settings))
        self._each_second = each_second
        self._on_leaving = on_leaving
        self._drain_seconds = settings.drain_seconds
        self._on_serving = on_serving
        self._leaves_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, and say so."""
        await super().startup(sockets)
        self._on_serving()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave: a signal's handler."""
        if self._leaves_at is not None:
            super().handle_exit(sig, frame)
            return
        self._on_leaving()
        self._leaves_at = time.monotonic() + self._drain_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and end those that are there."""
        BoundedConnection.is_leaving = True
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Tell, ten times a second, whether it is time to go."""
        if counter % _TICKS_OF_A_SECOND == 0:
            self._each_second()
        if self._leaves_at is not None and time.monotonic() >= self._leaves_at:
            self.should_exit = True
        return await super().on_tick(counter)


def _config(app: Callable[..., Any], settings: Settings) -> uvicorn.Config:
    BoundedConnection.request_seconds = settings.request_seconds
    BoundedConnection.proxies = tuple(settings.trusted_proxies)
    return uvicorn.Config(
        app,
        http=BoundedConnection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=networks_as_seen(settings.trusted_proxies),
        h11_max_incomplete_event_size=LARGEST_HEAD,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=_FINISH_SECONDS,
        backlog=1,  # which is how many asyncio takes at once: see Listener
    )
