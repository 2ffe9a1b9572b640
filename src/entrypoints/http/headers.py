"""What every response carries, refusals and preflights too."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from litestar.datastructures import MutableScopeHeaders

if TYPE_CHECKING:
    from litestar.types import Message, Scope

_ALWAYS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def request_id(scope: Scope) -> str:
    """Return the id of this request, drawn when first asked for."""
    state = scope.setdefault("state", {})
    if "request_id" not in state:
        state["request_id"] = secrets.token_hex(8)
    return str(state["request_id"])


async def add_headers(message: Message, scope: Scope) -> None:
    """Add the headers to a response that is about to be sent."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        headers["X-Request-ID"] = request_id(scope)
        for name, value in _ALWAYS.items():
            headers.setdefault(name, value)
