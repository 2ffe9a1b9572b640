"""What the service is measured against: handlers that read the same session, decode the same body, say a constant.

They stand in the same framework, on the same server, over the same pools. One reads its session as any handler reads
the stores, in a unit of work; one by the single statement by which the service reads those of several requests.
"""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Litestar, Request, Response, post

from adapters.postgres import PostgresWork
from entrypoints.server import Listener, Server
from entrypoints.settings import Settings
from entrypoints.workers import Workers
from segmentation_core.users import ALL_COMPANIES

if TYPE_CHECKING:
    from collections.abc import Callable


class Body(msgspec.Struct):
    """The body of a build."""

    audienceFilters: dict[str, list[str]]  # noqa: N815  the frontend's name


UNIT: Final = "/unit-of-work"
STATEMENT: Final = "/statement"


def application(work: PostgresWork, session_id: str) -> Litestar:
    """Return the application of two routes: one reads its session in a unit of work, one by a statement alone."""

    async def answered(request: Request[Any, Any, Any], found: object) -> Response[bytes]:
        assert found
        msgspec.json.decode(await request.body(), type=Body)
        return Response(b'{"audienceCount": 1}', media_type="application/json")

    @post(UNIT, status_code=200)
    async def by_unit(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await work.run(ALL_COMPANIES, lambda stores: stores.sessions.find(session_id))
        return await answered(request, found)

    @post(STATEMENT, status_code=200)
    async def by_statement(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await answered(request, await work.find_sessions([session_id]))

    return Litestar([by_unit, by_statement], on_startup=[work.open], on_shutdown=[work.close], openapi_config=None)


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
