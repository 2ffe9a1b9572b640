"""What every response carries, refusals and preflights too; and which pages of other origins may read it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import PermissionDeniedException

from entrypoints.http.auth import CSRF_HEADER

if TYPE_CHECKING:
    from litestar.datastructures import Headers
    from litestar.types import Message, Scope

    from entrypoints.settings import Settings

_ALWAYS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), fullscreen=(), "
    "geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""After the OWASP Secure Headers Project. Cross-Origin-Resource-Policy leaves requests by CORS alone."""

_HSTS: Final = "max-age=31536000; includeSubDomains"

_METHODS: Final = ("GET", "POST", "PUT", "DELETE")
_ACCEPTED: Final = ("Content-Type", CSRF_HEADER, "If-Match", "If-None-Match")
_EXPOSED: Final = ("ETag", "X-Request-ID")
_SIMPLE: Final = frozenset({"accept", "accept-language", "content-language"})
"""Headers that a page may send without asking (Fetch standard, "CORS-safelisted request-header")."""


def request_id(scope: Scope) -> str:
    """Return the id of this request, drawn when first asked for. One that a client sends could be forged."""
    state = scope.setdefault("state", {})
    if "request_id" not in state:
        state["request_id"] = secrets.token_hex(8)
    return str(state["request_id"])


class ResponseHeaders:
    """Adds headers to a response that is about to be sent: Litestar's hook `before_send`."""

    def __init__(self, settings: Settings) -> None:
        always = _ALWAYS | ({"Strict-Transport-Security": _HSTS} if settings.is_production else {})
        self._always = [(name.lower().encode(), value.encode()) for name, value in always.items()]
        self._origins = frozenset(settings.cors_origins)

    async def __call__(self, message: Message, scope: Scope) -> None:
        """Add what is always there, and what lets a page of a listed origin read the response."""
        if message["type"] != "http.response.start":
            return
        raw = list(message["headers"])
        given = {name.lower(): value for name, value in raw}
        raw += [pair for pair in self._always if pair[0] not in given]
        raw.append((b"x-request-id", request_id(scope).encode()))
        message["headers"] = raw
        if b"vary" in given:
            varies = dict.fromkeys([given[b"vary"].decode("latin-1"), "Origin"])
            MutableScopeHeaders.from_message(message)["Vary"] = ", ".join(varies)
        else:
            raw.append((b"vary", b"Origin"))
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"").decode("latin-1")
        if origin in self._origins:
            headers = MutableScopeHeaders.from_message(message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Allow-Credentials"] = "true"
            headers["Access-Control-Expose-Headers"] = ", ".join(_EXPOSED)


def is_preflight(method: str, headers: Headers) -> bool:
    """Tell whether a browser asks if a page of another origin may send a request (Fetch standard, "CORS-preflight")."""
    return method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


def preflight_headers(headers: Headers, origins: tuple[str, ...]) -> dict[str, str]:
    """Return what a preflight is answered with, beside what every response carries.

    Raises PermissionDeniedException for an origin that is not listed, and for methods and headers that the API does
    not take.
    """
    asked = {name.strip().lower() for name in headers.get("access-control-request-headers", "").split(",")} - {""}
    if headers["origin"] not in origins:
        raise PermissionDeniedException("Pages of this origin may not use the API.")
    if headers["access-control-request-method"] not in _METHODS:
        raise PermissionDeniedException(f"Pages of other origins may use {', '.join(_METHODS)}.")
    if asked - {name.lower() for name in _ACCEPTED} - _SIMPLE:
        raise PermissionDeniedException(f"Pages of other origins may send the headers {', '.join(_ACCEPTED)}.")
    return {
        "Access-Control-Allow-Methods": ", ".join(_METHODS),
        "Access-Control-Allow-Headers": ", ".join(_ACCEPTED),
        "Access-Control-Max-Age": "600",
    }
