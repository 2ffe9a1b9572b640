"""Running the HTTP service."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from adapters.clock import SystemClock
from adapters.passwords import BcryptPasswords
from adapters.population import BitmapIndex
from adapters.postgres import APP_VARIABLE, PostgresWork
from entrypoints import demo
from entrypoints.container import Container
from entrypoints.database import audit_key, data_dir, database
from entrypoints.environment import unread
from entrypoints.http.app import create_app
from entrypoints.http.renewing import Renewing
from entrypoints.logs import password_of, write_logs
from entrypoints.metrics import forget_worker, share_counts
from entrypoints.server import Listener, Server
from entrypoints.settings import Settings
from entrypoints.workers import Workers
from segmentation_core.catalog import Catalog
from segmentation_core.errors import Problem, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from entrypoints.http.renewing import Application

STEPS_OF_A_REQUEST: Final = 30_000
"""How many diagram operations a filter may take that is sent to us: a tenth of the library's bound."""

SECONDS_OF_A_THREAD: Final = 0.0005
"""How long a thread that plans may keep the event loop waiting at a time: Python's own 5 ms, at each look at a socket,
would be felt by every request beside it."""

_log: Final = logging.getLogger("segmentation.settings")


def serve(  # noqa: PLR0913  what the command is told
    read_catalog: Callable[[], Catalog], data_file: Path, *, host: str, port: int, with_demo: bool, workers: int = 1
) -> None:
    """Serve until told to stop, in a number of processes; with the demo's accounts, which each start puts right.

    Prints the address, and how to sign in to a demo, as soon as the service answers. Raises CatalogError, DataError,
    SettingsError or Unavailable before that.
    """
    if with_demo:
        demo.refuse_production(os.environ)
    settings = Settings.for_demo(os.environ, audit_key(os.environ)) if with_demo else Settings.of(os.environ)
    settings = settings.listening_on(host)
    password = demo.demo_password(os.environ, BcryptPasswords().is_common) if with_demo else None
    files = _Files(read_catalog, data_file)
    catalog, population = files.read(keep=True)
    may_be_embedded = with_demo or settings.environment != "production"
    with database(os.environ, may_be_embedded=may_be_embedded) as found:
        write_logs(as_json=settings.is_production, secrets=(*settings.secrets, password_of(found.url), password or ""))
        if settings.sentry_dsn:
            from entrypoints.sentry import report_faults  # noqa: PLC0415  an extra of its own

            report_faults(settings.sentry_dsn, settings.environment)
        for said in unread(os.environ):
            _log.warning("%s", said)
        key = settings.audit_key.encode()
        listener = _listener(host, port)
        if with_demo:
            settings = settings.mailing_to(data_dir(os.environ) / "mail", _address(listener))
        if password:
            passwords = BcryptPasswords(settings.password_cost)
            asyncio.run(_add_demo(PostgresWork(found.url, key, min_connections=1), passwords, password))
        unit = f"{catalog.weight.unit}s, weighted" if catalog.weight else "people"
        population_said = f"{catalog.name}: {population.rows:,} rows of {unit}"
        kept = f"the database of {APP_VARIABLE}" if found.named else str(data_dir(os.environ))
        welcome = partial(print, _welcome(listener, population_said, password, kept), flush=True)

        del catalog, population
        make = partial(_application, settings, found.url, files)
        _serve_on(listener, make, settings, workers, welcome, files.forget)


class _Files:
    """Catalogue and population, as their files are."""

    def __init__(self, read_catalog: Callable[[], Catalog], data_file: Path) -> None:
        self._read_catalog = read_catalog
        self._data_file = data_file
        self._kept: tuple[Catalog, BitmapIndex] | None = None

    def read(self, *, keep: bool = False) -> tuple[Catalog, BitmapIndex]:
        """Return both, as they are now, or were when they were kept: with `keep` they are, for one more time."""
        found = self._kept or self._read()
        self._kept = found if keep else None
        return found

    def forget(self) -> None:
        """Keep nothing in memory."""
        self._kept = None

    def _read(self) -> tuple[Catalog, BitmapIndex]:
        catalog = self._read_catalog()
        catalog.space.most_steps = STEPS_OF_A_REQUEST
        return catalog, BitmapIndex.load(catalog, self._data_file)


def _application(settings: Settings, url: str, files: _Files) -> Application:
    catalog, population = files.read()
    work = PostgresWork(url, settings.audit_key.encode())
    container = Container(settings=settings, catalog=catalog, population=population, work=work)
    container.metrics().watch_pool(work.use)
    return create_app(container)


def _serve_on(  # noqa: PLR0913, PLR0917  all that a process needs
    listener: Listener,
    make: Callable[[], Application],
    settings: Settings,
    workers: int,
    on_serving: Callable[[], object],
    forget: Callable[[], object],
) -> None:
    """Serve in this process, or in workers, each of which makes the application itself from the files of then."""

    def serve_here(on_serving: Callable[[], object]) -> None:
        app = Renewing(make)
        server = Server(app, settings, on_serving, app.leave, app.look)
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, server.handle_exit)
        if workers == 1:
            signal.signal(signal.SIGHUP, partial(_hang_up, server, app, _has_terminal()))
        sys.setswitchinterval(SECONDS_OF_A_THREAD)
        gc.collect()
        gc.freeze()  # what is there now stays: no later collection looks at catalogue and population again
        server.run(sockets=[listener])

    if workers == 1:
        serve_here(on_serving)
        return
    forget()
    listener.is_shared = True
    with TemporaryDirectory(prefix="segmentation-counts-") as folder:
        counts = Path(folder)

        def serve_as(number: int, on_serving: Callable[[], object]) -> None:
            share_counts(counts, number)
            serve_here(on_serving)

        Workers(workers, serve_as, partial(forget_worker, counts)).run(on_serving)


def _has_terminal() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _hang_up(server: Server, app: Renewing, had_terminal: bool, number: int, frame: FrameType | None) -> None:  # noqa: FBT001
    """Renew the application; or leave, if the signal says that the terminal is gone."""
    if had_terminal and not _has_terminal():
        server.handle_exit(number, frame)
    else:
        app.ask()


async def _add_demo(work: PostgresWork, passwords: BcryptPasswords, password: str) -> None:
    await work.check()
    await work.open()
    try:
        await demo.add_accounts(work, passwords, SystemClock(), password)
    finally:
        await work.close()


def _listener(host: str, port: int) -> Listener:
    """Open the port before anything is promised.

    The socket names its protocol: asyncio sends at once only on those that do, and else answers wait 40 ms.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as fault:
        raise SettingsError(Problem(f"{host}:{port}", f"cannot listen here: {fault}")) from fault
    listener = Listener(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=bound.detach())
    listener.listen()
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _welcome(listener: socket.socket, population: str, password: str | None, kept: str) -> str:
    address = _address(listener)
    lines = [f"Serving {population}", f"  at {address}", ""]
    if password:
        chosen = " (yours)" if os.environ.get(demo.PASSWORD_VARIABLE) else f" (fresh; {demo.PASSWORD_VARIABLE} sets it)"
        lines.append(f"Sign in with the password {password}{chosen} as")
        lines += [
            f"    {user.username:<11} {user.role}{' of ' + user.company_name if user.company_name else ''}"
            f"{', sizes only (dsp)' if user.dsp else ''}"
            for user in demo.ACCOUNTS
        ]
        lines.append("")
    lines.append(
        f"The API is described at {address}/schema/openapi.json. Accounts, presets and the audit trail are kept in"
    )
    lines.append(f"{kept}. Stop it with Ctrl-C.")
    return "\n".join(lines)
