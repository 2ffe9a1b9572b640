"""Who may call what: each route declares its access, and a session proves itself by two cookies and a header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar.datastructures import Cookie
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import HTTPRouteHandler

from segmentation_core.errors import NotSignedIn
from segmentation_core.sessions import LIFETIME, SignedIn

if TYPE_CHECKING:
    from litestar import Litestar
    from litestar.connection import ASGIConnection
    from litestar.datastructures import Headers
    from litestar.handlers.base import BaseRouteHandler
    from litestar.types import Guard

    from segmentation_core.usecases import Authenticate

TOKEN: Final = "token"  # noqa: S105  the name of the cookie
CSRF_TOKEN: Final = "csrf_token"  # noqa: S105
CSRF_HEADER: Final = "X-CSRF-TOKEN"

PUBLIC: Final = {"access": "public"}
"""Anybody may call it."""

SIGNED_IN: Final = {"access": "signed in"}
"""Only with a session that has not ended."""


def guard(authenticate: Authenticate) -> Guard:
    """Return the guard of the whole application, which lets nobody in where a route declares nothing."""

    async def check(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if handler.opt.get("access") == PUBLIC["access"]:
            return
        connection.scope["user"] = await authenticate(
            one_cookie(connection.headers, TOKEN),
            one_cookie(connection.headers, CSRF_TOKEN),
            _one_header(connection.headers, CSRF_HEADER),
        )

    return check


def require_declared_access(app: Litestar) -> None:
    """Raise where a route does not say who may call it."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            made_by_us = isinstance(handler, HTTPRouteHandler) and handler.http_methods != {"OPTIONS"}
            if made_by_us and handler.opt.get("access") not in (PUBLIC["access"], SIGNED_IN["access"]):
                msg = f"{route.path} ({', '.join(sorted(handler.http_methods))}) does not declare its access"
                raise ImproperlyConfiguredException(msg)


def one_cookie(headers: Headers, name: str) -> str | None:
    """Return a cookie's value, None where it is missing or empty. Raises NotSignedIn where it was sent twice."""
    pairs = (pair.partition("=") for header in headers.getall("cookie", []) for pair in header.split(";"))
    values = [value.strip() for key, _, value in pairs if key.strip() == name]
    if len(values) > 1:
        msg = f"The cookie {name} was sent twice."
        raise NotSignedIn(msg)
    return values[0] if values and values[0] else None


def _one_header(headers: Headers, name: str) -> str | None:
    values = headers.getall(name, [])
    if len(values) > 1:
        msg = f"The header {name} was sent twice."
        raise NotSignedIn(msg)
    return values[0] if values else None


def session_cookies(signed: SignedIn, *, secure: bool) -> list[Cookie]:
    """Return the cookies of a new session: the token, which scripts cannot read, and the CSRF token, which they can."""
    return [_cookie(TOKEN, signed.token, secure=secure), _cookie(CSRF_TOKEN, signed.csrf_token, secure=secure)]


def cleared_cookies(*, secure: bool) -> list[Cookie]:
    """Return cookies that make a browser forget the session's."""
    return [_cookie(name, "", secure=secure, seconds=0) for name in (TOKEN, CSRF_TOKEN)]


def _cookie(name: str, value: str, *, secure: bool, seconds: int = int(LIFETIME.total_seconds())) -> Cookie:
    return Cookie(
        key=name,
        value=value,
        path="/",
        max_age=seconds,
        httponly=name == TOKEN,
        secure=secure,
        samesite="lax",
    )
