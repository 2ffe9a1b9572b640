"""What the service is measured against: a handler that reads the same session, decodes the same body, says a constant.

It stands in the same framework, on the same server, over the same pool.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, post

from adapters.postgres import PostgresWork
from entrypoints.server import Server
from entrypoints.settings import Settings
from segmentation_core.users import ALL_COMPANIES


class Body(msgspec.Struct):
    """The body of a build."""

    audienceFilters: dict[str, list[str]]  # noqa: N815  the frontend's name


def application(work: PostgresWork, session_id: str) -> Litestar:
    """Return the application of one route."""

    @post("/api/build-audience", status_code=200)
    async def constant(request: Request[Any, Any, Any]) -> Response[bytes]:
        found = await work.run(ALL_COMPANIES, lambda stores: stores.sessions.find(session_id))
        assert found
        msgspec.json.decode(await request.body(), type=Body)
        return Response(b'{"audienceCount": 1}', media_type="application/json")

    return Litestar([constant], on_startup=[work.open], on_shutdown=[work.close], openapi_config=None)


def main() -> None:
    """Serve until told to stop: the database's URL and the id of a session are the arguments."""
    url, session_id = sys.argv[1:]
    settings = Settings.for_demo({}, b"not used, and long enough for a key")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    app = application(PostgresWork(url, b"a" * 32), session_id)
    address = f"at http://127.0.0.1:{listener.getsockname()[1]} Ctrl-C"
    server = Server(app, settings, lambda: print(address, flush=True), lambda: None)
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
