"""What the service is measured against: a handler that reads the same session, decodes the same body, says a constant.

It stands in the same framework, on the same server, over the same pool.
"""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Litestar, Request, Response, post

from adapters.postgres import PostgresWork
from entrypoints.server import Listener, Server
from entrypoints.settings import Settings
from entrypoints.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable


class Body(msgspec.Struct):
    """The body of a build."""

    audienceFilters: dict[str, list[str]]  # noqa: N815  the frontend's name


def application(work: PostgresWork, session_id: str) -> Litestar:
    """Return the application of one route."""

    @post("/api/build-audience", status_code=200)
    async def constant(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await work.find_sessions([session_id])
        assert found
        msgspec.json.decode(await request.body(), type=Body)
        return Response(b'{"audienceCount": 1}', media_type="application/json")

    return Litestar([constant], on_startup=[work.open], on_shutdown=[work.close], openapi_config=None)


def main() -> None:
    """Serve until told to stop: the database's URL, the id of a session and the number of workers are the arguments."""
    url, session_id, workers = sys.argv[1:]
    settings = Settings.for_demo({}, b"not used, and long enough for a key")
    listener = Listener(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.is_shared = int(workers) > 1
    address = f"at http://127.0.0.1:{listener.getsockname()[1]} Ctrl-C"

    def serve(_number: int, on_serving: Callable[[], object]) -> None:
        app = application(PostgresWork(url, b"a" * 32), session_id)
        server = Server(app, settings, on_serving, lambda: None)
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, server.handle_exit)
        server.run(sockets=[listener])

    Workers(int(workers), serve, lambda _: None).run(lambda: print(address, flush=True))


if __name__ == "__main__":
    main()
