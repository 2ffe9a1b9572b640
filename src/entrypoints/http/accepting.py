"""Which of the types that we offer a client prefers, by its `Accept` header (RFC 9110, section 12.5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from litestar.datastructures.headers import Accept

if TYPE_CHECKING:
    from litestar import Request

_QUALITY: Final = re.compile(r";\s*q\s*=\s*([^;,\s]*)", re.IGNORECASE)
_ANY: Final = re.compile(r"0\.(?=\d*[1-9])\d{1,3}|1(?:\.0{0,3})?")
"""A quality above 0. Litestar takes 0 for a wish, and fails where the number is infinite."""


def preferred(request: Request[Any, Any, Any], *offered: str) -> str:
    """Return the type that a client prefers of those offered; the first, where it names none or has no preference.

    What has the quality 0, or one that is no quality, does not count as named.
    """
    header = request.headers.get("accept", "")
    named = [one for one in header.split(",") if all(map(_ANY.fullmatch, _QUALITY.findall(one)))]
    return Accept(",".join(named)).best_match([*offered], default=offered[0])
