"""Who calls: a session proves itself by two cookies and a header, and its account needs what the route declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar.datastructures import Cookie
from litestar.enums import HttpMethod

from entrypoints.http.access import declared, is_public
from segmentation_core.errors import Forbidden, NotSignedIn
from segmentation_core.permissions import require
from segmentation_core.sessions import DEVICE_LIFETIME, LIFETIME, SignedIn

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.datastructures import Headers
    from litestar.handlers.base import BaseRouteHandler
    from litestar.types import Guard

    from segmentation_core.usecases import Authenticate

TOKEN: Final = "token"  # noqa: S105  the name of the cookie
CSRF_TOKEN: Final = "csrf_token"  # noqa: S105
DEVICE: Final = "device"
SIGN_IN_PATH: Final = "/api/auth/login"
CSRF_HEADER: Final = "X-CSRF-TOKEN"


def guard(authenticate: Authenticate) -> Guard:
    """Return the guard of the whole application: session, CSRF and permission, before a body is read.

    It lets nobody in where a route declares nothing.
    """

    async def check(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        allowed = declared(handler)
        if connection.scope.get("method") == HttpMethod.OPTIONS or is_public(handler):
            return
        headers = connection.headers
        token, csrf_token = one_of_each_cookie(headers, TOKEN, CSRF_TOKEN)
        user = connection.scope["user"] = await authenticate(token, csrf_token, _one_header(headers, CSRF_HEADER))
        if allowed is None or allowed.permission is None:
            msg = "This address does not say who may call it."
            raise Forbidden(msg)
        require(allowed.permission, user)

    return check


def one_cookie(headers: Headers, name: str) -> str | None:
    """Return a cookie's value, None where it is missing or empty. Raises NotSignedIn where it was sent twice."""
    (value,) = one_of_each_cookie(headers, name)
    return value


def one_of_each_cookie(headers: Headers, *names: str) -> list[str | None]:
    """Return the values of cookies, each as `one_cookie` does."""
    pairs = [pair.partition("=") for header in headers.getall("cookie", []) for pair in header.split(";")]
    sent = [(key.strip(), value.strip()) for key, _, value in pairs]
    found: list[str | None] = []
    for name in names:
        values = [value for key, value in sent if key == name]
        if len(values) > 1:
            msg = f"The cookie {name} was sent twice."
            raise NotSignedIn(msg)
        found.append(values[0] if values and values[0] else None)
    return found


def _one_header(headers: Headers, name: str) -> str | None:
    values = headers.getall(name, [])
    if len(values) > 1:
        msg = f"The header {name} was sent twice."
        raise NotSignedIn(msg)
    return values[0] if values else None


def session_cookies(signed: SignedIn, *, secure: bool) -> list[Cookie]:
    """Return the cookies of a new session: the token, which scripts cannot read, and the CSRF token, which they can.

    With them goes what the device is known by, which no script reads, and which is sent at sign-in alone.
    """
    cookies = [_cookie(TOKEN, signed.token, secure=secure), _cookie(CSRF_TOKEN, signed.csrf_token, secure=secure)]
    return cookies if signed.device is None else [*cookies, _device_cookie(signed.device, secure=secure)]


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


def _device_cookie(value: str, *, secure: bool) -> Cookie:
    return Cookie(
        key=DEVICE,
        value=value,
        path=SIGN_IN_PATH,
        max_age=int(DEVICE_LIFETIME.total_seconds()),
        httponly=True,
        secure=secure,
        samesite="lax",
    )
