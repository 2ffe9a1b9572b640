"""An application that takes another one's place, between requests."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from litestar import Litestar, get

from entrypoints.http.renewing import Renewing
from segmentation_core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


class Versions:
    """Makes applications that tell their number, one after the other, and notes which of them live."""

    def __init__(self) -> None:
        self.made = 0
        self.alive: list[int] = []
        self.fails = False
        self.may_answer = asyncio.Event()
        self.second_lives = asyncio.Event()

    def __call__(self) -> Litestar:
        if self.fails:
            msg = "the file is broken"
            raise Unavailable(msg)
        self.made += 1
        number = self.made

        @get("/")
        async def tell() -> int:
            await self.may_answer.wait()
            return number

        @asynccontextmanager
        async def living(_: Litestar) -> AsyncIterator[None]:
            self.alive.append(number)
            if number > 1:
                self.second_lives.set()
            yield
            self.alive.remove(number)

        return Litestar([tell], lifespan=[living], openapi_config=None)


async def asked(app: Renewing) -> bytes:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(event: dict[str, object]) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": []}
    await app(scope | {"root_path": "", "http_version": "1.1"}, receive, send)  # type: ignore[arg-type]
    return b"".join(event.get("body", b"") for event in sent)  # type: ignore[misc]


@asynccontextmanager
async def living(app: Renewing) -> AsyncIterator[None]:
    heard: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    said: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    life = asyncio.ensure_future(app({"type": "lifespan"}, heard.get, said.put))  # type: ignore[arg-type]
    await heard.put({"type": "lifespan.startup"})
    assert (await said.get())["type"] == "lifespan.startup.complete"
    yield
    await heard.put({"type": "lifespan.shutdown"})
    assert (await said.get())["type"] == "lifespan.shutdown.complete"
    await life


async def renewed(app: Renewing) -> None:
    app.ask()
    app.look()
    assert app._renewal
    await app._renewal


async def test_what_has_begun_is_answered_by_the_old_one_which_ends_then() -> None:
    versions = Versions()
    app = Renewing(versions)
    async with living(app):
        old = asyncio.ensure_future(asked(app))
        await asyncio.sleep(0)
        app.ask()
        app.look()
        await asyncio.wait_for(versions.second_lives.wait(), 5)
        await asyncio.sleep(0.05)  # it lives a step or two before it serves
        new = asyncio.ensure_future(asked(app))
        await asyncio.sleep(0.05)
        assert versions.alive == [1, 2]
        versions.may_answer.set()
        assert (await old, await new) == (b"1", b"2")
        assert app._renewal
        await app._renewal
        assert versions.alive == [2]
    assert not versions.alive


async def test_one_that_cannot_be_made_leaves_the_old_one_where_it_is() -> None:
    versions = Versions()
    versions.may_answer.set()
    app = Renewing(versions)
    async with living(app):
        versions.fails = True
        await renewed(app)
        assert await asked(app) == b"1"
        versions.fails = False
        await renewed(app)
        assert await asked(app) == b"2"


async def test_who_asks_twice_meanwhile_has_it_done_once_more_and_nobody_once_it_leaves() -> None:
    versions = Versions()
    versions.may_answer.set()
    app = Renewing(versions)
    async with living(app):
        app.ask()
        app.look()
        for _ in range(3):
            app.ask()
            app.look()
        assert app._renewal
        await app._renewal
        app.look()
        await app._renewal
        app.look()
        assert versions.made == 3
        app.leave()
        assert app._serving.app.state.is_leaving
        app.ask()
        app.look()
        assert versions.made == 3
