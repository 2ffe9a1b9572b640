"""Requests byte by byte: what no well-behaved client would send."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Self

import h11

from entrypoints.connections import LARGEST_HEAD

if TYPE_CHECKING:
    from types import TracebackType

Headers = list[tuple[bytes, bytes]]

PATIENCE = 20
"""Seconds after which we no longer wait."""


@dataclass(frozen=True)
class Answer:
    """What came back, and after how many seconds; status 0 where the connection was closed without an answer."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float
    malformed: bool = False
    """Whether what was sent is no HTTP, which may be dropped without an answer."""

    @property
    def by_the_parser(self) -> bool:
        """Whether the HTTP parser refused it, before the application saw anything. A server that died refuses none."""
        if self.status == 0:
            return self.malformed
        return self.status in {400, 431} and "x-request-id" not in self.headers


def is_malformed(request: bytes) -> bool:
    """Tell whether a server that reads HTTP/1.1 strictly refuses these bytes."""
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
    parser.receive_data(request)
    try:
        while parser.next_event() not in {h11.NEED_DATA, h11.PAUSED}:
            pass
    except h11.RemoteProtocolError:
        return True
    return False


class Wire:
    """A connection that is kept open, and opened again where the server closed it."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").partition(":")
        self._at = (host, int(port))
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    def send(self, method: str, target: bytes, headers: Headers, body: bytes = b"") -> Answer:
        """Send a request just as it is said, with Host and Content-Length where they are not."""
        names = {name.lower() for name, _ in headers}
        lines = [method.encode() + b" " + target + b" HTTP/1.1"]
        if b"host" not in names:
            lines.append(b"Host: %s:%d" % (self._at[0].encode(), self._at[1]))
        if (body or method in {"POST", "PUT"}) and not names & {b"content-length", b"transfer-encoding"}:
            lines.append(b"Content-Length: %d" % len(body))
        lines += [name + b": " + value for name, value in headers]
        answer = self._sent(b"\r\n".join(lines) + b"\r\n\r\n" + body, method)
        if any({10, 13} & {*line} for line in lines):
            self.close()  # what came after the break is another request, and has another answer
        return answer

    def _sent(self, request: bytes, method: str) -> Answer:
        kept = self._socket is not None
        began = time.perf_counter()
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._at, timeout=PATIENCE)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(request)
            response = HTTPResponse(self._socket, method=method)
            response.begin()
            body = response.read()
        except (ConnectionError, HTTPException):
            self.close()
            if kept:
                return self._sent(request, method)
            return Answer(0, {}, b"", time.perf_counter() - began, is_malformed(request))
        headers = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            self.close()
        return Answer(response.status, headers, body, time.perf_counter() - began)
