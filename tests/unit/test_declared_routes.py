"""What an application's routes tell: their methods by path, and that what is no HTTP route declares nothing."""

from __future__ import annotations

from typing import Any, Final

import pytest
from litestar import Litestar, WebSocket, get, post, websocket
from litestar.exceptions import ImproperlyConfiguredException

from entrypoints.http.access import Operation, access, methods_of, operations, public, require_declared_access
from segmentation_core.permissions import OWN_ACCOUNT

OPEN: Final = public("It is for everybody.")


@get("/things", opt=OPEN)
async def things() -> None: ...


@post("/things", opt=access(OWN_ACCOUNT, "own"))
async def add_thing() -> None: ...


@get("/other", opt=OPEN)
async def other() -> None: ...


@websocket("/talk", opt=OPEN)
async def talk(socket: WebSocket[Any, Any, Any]) -> None:
    del socket


@pytest.mark.requirement(20)
def test_the_methods_of_a_path_are_those_of_all_its_handlers() -> None:
    app = Litestar([things, add_thing, other, talk], openapi_config=None, logging_config=None)
    assert methods_of(app) == {
        "/things": ("GET", "OPTIONS", "POST"),
        "/other": ("GET", "OPTIONS"),
        "/talk": (),
    }


@pytest.mark.requirement(20)
def test_an_application_with_a_route_that_is_not_of_http_does_not_start() -> None:
    app = Litestar([things, talk], openapi_config=None, logging_config=None)
    assert Operation("WEBSOCKET", "/talk", "", None) in [*operations(app)]
    with pytest.raises(ImproperlyConfiguredException, match=r"/talk \(WEBSOCKET\) does not declare its access"):
        require_declared_access(app)
