"""Running the HTTP service."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn

from adapters.memory import MemoryWork
from adapters.population import BitmapIndex
from entrypoints import demo
from entrypoints.container import Container
from entrypoints.http.app import create_app
from entrypoints.settings import Settings
from segmentation_core.catalog import Catalog
from segmentation_core.errors import Problem, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

_DRAIN_SECONDS = 10


def serve_demo(catalog: Catalog, data_file: Path, *, host: str, port: int) -> None:
    """Serve until told to stop, with the demo's accounts in memory.

    Prints the address and how to sign in as soon as the service answers. Raises DataError or SettingsError
    before that.
    """
    settings = Settings.for_demo(os.environ)
    password = demo.demo_password(os.environ)
    population = BitmapIndex.load(catalog, data_file)
    work = MemoryWork(settings.audit_key.encode())
    container = Container(settings=settings, catalog=catalog, population=population, work=work)
    asyncio.run(demo.add_accounts(work, container.passwords(), container.clock(), password))
    app = create_app(container)
    listener = _listener(host, port)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
    )
    unit = f"{catalog.weight.unit}s, weighted" if catalog.weight else "people"
    server = _Announced(config, _welcome(listener, f"{catalog.name}: {population.rows:,} rows of {unit}", password))
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, server.handle_exit)
    server.run(sockets=[listener])


class _Announced(uvicorn.Server):
    """Says that it is there once it is, and ends in order, with status 0, when told to stop."""

    def __init__(self, config: uvicorn.Config, welcome: str) -> None:
        super().__init__(config)
        self._welcome = welcome

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._welcome, flush=True)  # noqa: T201  the command's result, on stdout


def _listener(host: str, port: int) -> socket.socket:
    """Open the port before anything is promised.

    The socket names its protocol: asyncio sends at once only on those that do, and else answers wait 40 ms.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as fault:
        raise SettingsError(Problem(f"{host}:{port}", f"cannot listen here: {fault}")) from fault
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def _welcome(listener: socket.socket, population: str, password: str) -> str:
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    chosen = " (yours)" if os.environ.get(demo.PASSWORD_VARIABLE) else f" (fresh; {demo.PASSWORD_VARIABLE} sets it)"
    names = "\n".join(
        f"    {user.username:<11} {user.role}{' of ' + user.company_name if user.company_name else ''}"
        f"{', sizes only (dsp)' if user.dsp else ''}"
        for user in demo.ACCOUNTS
    )
    return (
        f"Serving {population}\n  at {address}\n\n"
        f"Sign in with the password {password}{chosen} as\n{names}\n\n"
        f"The API is described at {address}/schema/openapi.json. Accounts and sessions are in memory: they end with\n"
        "this process. Stop it with Ctrl-C."
    )
