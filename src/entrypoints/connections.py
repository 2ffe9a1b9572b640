"""Connections of the HTTP server: how many there may be, and how slow.

uvicorn bounds neither the time that a request takes to arrive nor the time that a client takes to read its answer, so a
handful of machines could hold every connection ("slowloris"). Here each has its time.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from entrypoints.http.addresses import UNKNOWN, counted_address

IDLE_SECONDS: Final = 15
"""How long a connection is kept for the next request."""

READING_TIMES: Final = 3
"""How long a client may leave what was sent unread, in times of what a request may take."""

BODY_GRACE_SECONDS: Final = 2.0
"""How long after the deadline of its request a body that still arrives ends the connection."""

MOST_CONNECTIONS: Final = 800
"""Of a process; below the 1,024 files that one may have open by default. More are closed at once."""

MOST_OF_ONE_ADDRESS: Final = 200
"""So that no address takes all of them. A trusted proxy may: it has the connections of everybody."""

FIRST_SECONDS: Final = 1.0
"""How long a new connection may take to send its first request once the server leaves."""

LARGEST_HEAD: Final = 32_768
"""How many bytes of a head that is not complete are kept."""


class BoundedConnection(H11Protocol):
    """A connection that is closed where the client is too slow, or there are too many of them."""

    request_seconds = 10.0
    """How long the head of a request may take to arrive, and then the request itself."""

    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Those that are trusted."""

    is_leaving = False
    """Whether the server leaves: then each connection has no more than the request that it was made for."""

    _address: str | None = None
    _arrival: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS or self._has_too_many():
            transport.abort()
            return
        self._wait_for_request(FIRST_SECONDS if self.is_leaving else self.request_seconds)

    def shutdown(self) -> None:
        """Close it after the request that is under way, if any.

        A new one has yet to send the request that it was made for: most likely it is on its way, and would be lost.
        """
        if self.cycle is None and not self.transport.is_closing():
            self._wait_for_request(FIRST_SECONDS)
        else:
            super().shutdown()

    def _has_too_many(self) -> bool:
        """Tell whether this connection is one more than its address may have."""
        host = self.client[0] if self.client else ""
        self._address = counted_address(host)
        theirs = sum(getattr(one, "_address", None) == self._address for one in self.connections)
        if theirs <= MOST_OF_ONE_ADDRESS or self._address == UNKNOWN:
            return False
        seen = ip_address(host)
        seen = getattr(seen, "ipv4_mapped", None) or seen
        return not any(seen in network for network in self.proxies)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._wait_for_request(None)
        self._wait_for_reader(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Begin to wait for the rest of a request, where this is the first of it."""
        if self._arrival is None and self.conn.their_state is h11.IDLE:
            self._wait_for_request(self.request_seconds)
        super().data_received(data)

    def handle_events(self) -> None:
        """Wait as long for the body as its request may take; for nothing, once it is there."""
        before = self.conn.their_state
        super().handle_events()
        if self.is_leaving and self.cycle is not None:
            self.cycle.keep_alive = False
        after = self.conn.their_state
        if after is before:
            return
        self._wait_for_request(self.request_seconds + BODY_GRACE_SECONDS if after is h11.SEND_BODY else None)

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._wait_for_reader(self.request_seconds * READING_TIMES)

    def resume_writing(self) -> None:
        """Go on, since the client has read."""
        super().resume_writing()
        self._wait_for_reader(None)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nobody uses, even where the end of an answer is left unread."""
        super().timeout_keep_alive_handler()
        if self._reading is None:
            self._wait_for_reader(self.request_seconds * READING_TIMES)

    def _wait_for_request(self, seconds: float | None) -> None:
        """Give up in some seconds; None for never."""
        if self._arrival:
            self._arrival.cancel()
        self._arrival = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def _wait_for_reader(self, seconds: float | None) -> None:
        if self._reading:
            self._reading.cancel()
        self._reading = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)
