"""An application that another one takes the place of, between requests: so one process takes over new files.

A request is answered by one application from its head to its end, and an application has one population all its life:
no answer mixes two. The old one ends in order once its last request has.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from traceback import format_exc
from typing import TYPE_CHECKING, Final, TypeAlias

from segmentation_core.errors import SegmentationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from litestar import Litestar
    from litestar.types import LifeSpanReceive, LifeSpanScope, LifeSpanSend, Receive, Scope, Send

Application: TypeAlias = "Litestar"

LEAVE_SECONDS: Final = 90.0
"""How long the requests of an old application may take to end."""

_log: Final = logging.getLogger("segmentation.workers")


class Renewing:
    """Passes requests on to the application that `make` makes, anew each time that it is asked for."""

    def __init__(self, make: Callable[[], Application]) -> None:
        """Make the first one. `make` may take long, and is called on another thread from then on."""
        self._make = make
        self._serving = _Serving(make())
        self._renewal: asyncio.Task[None] | None = None
        self._is_asked = False
        self._is_leaving = False

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        """Answer a request, or live from the server's start to its end: an ASGI application."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)  # type: ignore[arg-type]
        else:
            await self._serving.answer(scope, receive, send)  # type: ignore[arg-type]

    def ask(self) -> None:
        """Have the application made anew, as soon as `look` is called: a signal's handler."""
        self._is_asked = True

    def look(self) -> None:
        """Begin what was asked for, unless it is being done: then it is done once more."""
        if self._is_asked and not self._is_leaving and (self._renewal is None or self._renewal.done()):
            self._is_asked = False
            self._renewal = asyncio.create_task(self._renew())

    def leave(self) -> None:
        """Be ready no more."""
        self._is_leaving = True
        self._serving.app.state.is_leaving = True

    async def _renew(self) -> None:
        try:
            new = _Serving(await asyncio.to_thread(self._make))
            await new.begin()
        except Exception as fault:  # noqa: BLE001  whatever it is, the old one goes on
            _log.error("%s", fault, exc_info=not isinstance(fault, SegmentationError))
            _log.error("the new files cannot be served: the old ones stay")
            return
        old, self._serving = self._serving, new
        if self._is_leaving:
            self.leave()
        await old.end()
        del old
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        _log.info("the files are served as they are now")

    async def _live(self, receive: LifeSpanReceive, send: LifeSpanSend) -> None:
        await receive()
        try:
            await self._serving.begin()
        except BaseException:
            await send({"type": "lifespan.startup.failed", "message": format_exc()})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._is_leaving = True
        if self._renewal:
            await asyncio.wait({self._renewal}, timeout=LEAVE_SECONDS)
        try:
            await self._serving.end()
        except BaseException:
            await send({"type": "lifespan.shutdown.failed", "message": format_exc()})
            raise
        await send({"type": "lifespan.shutdown.complete"})


class _Serving:
    """An application, from its start to its end, and how many requests it answers."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self._requests = 0
        self._idle = asyncio.Event()
        self._may_end = asyncio.Event()

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._requests += 1
        self._idle.clear()
        try:
            await self.app(scope, receive, send)
        finally:
            self._requests -= 1
            if not self._requests:
                self._idle.set()

    async def begin(self) -> None:
        """Start it, in a task of its own: what an application starts has to end in the same one. Raises as it does."""
        ready = asyncio.Event()
        self._life = asyncio.create_task(self._live(ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self._life, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            waiting.cancel()
            await self._life

    async def end(self) -> None:
        """Let its last requests end, and then itself."""
        if self._requests:
            await asyncio.wait({asyncio.ensure_future(self._idle.wait())}, timeout=LEAVE_SECONDS)
        self._may_end.set()
        await self._life

    async def _live(self, ready: asyncio.Event) -> None:
        async with self.app.lifespan():
            ready.set()
            await self._may_end.wait()
