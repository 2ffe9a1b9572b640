"""Who sends a request that nobody is signed in for: from where, from which device, and from whose page."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from entrypoints.http.addresses import client_address
from entrypoints.http.auth import DEVICE, one_cookie
from entrypoints.http.headers import request_id
from segmentation_core.errors import Forbidden, NotSignedIn
from segmentation_core.usecases import Client

if TYPE_CHECKING:
    from collections.abc import Collection

    from entrypoints.http.requests import ApiRequest


def client_of(request: ApiRequest) -> Client:
    """Return where a request comes from. What is no good as a device's cookie, or was sent twice, is none."""
    device = None
    with suppress(NotSignedIn):
        device = one_cookie(request.headers, DEVICE)
    return Client(client_address(request), device, request_id(request.scope))


def require_own_page(request: ApiRequest, origins: Collection[str]) -> None:
    """Raise Forbidden where a browser says that another site's page sends the request: `origins` are those allowed.

    So no page signs its visitor in to an account of its own (OWASP CSRF Cheat Sheet, "Login CSRF"), or out. What is no
    browser sends neither header, and is let through; so is a page of this host, whatever the scheme, since a proxy may
    end TLS.
    """
    headers = request.headers
    sent = headers.getall("origin", [])
    if any(origin in origins for origin in sent) and len(sent) == 1:
        return
    is_foreign = any(_host(origin) != headers.get("host", "").lower() for origin in sent)
    if is_foreign or len(sent) > 1 or "cross-site" in headers.getall("sec-fetch-site", []):
        msg = "This request comes from a page of another site."
        raise Forbidden(msg)


def _host(origin: str) -> str | None:
    """Return host and port of an origin; None, which is nobody's, for `null` and what else is none."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    is_origin = parts.scheme in {"http", "https"} and origin.lower() == f"{parts.scheme}://{parts.netloc}".lower()
    return parts.netloc.lower() or None if is_origin else None
