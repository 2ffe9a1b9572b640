"""ETags (RFC 9110, 8.8.3): a list not sent again where the client has it, a preset not changed where it is another."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec
from litestar import MediaType, Response

from segmentation_core.errors import Problem, RequestError, excerpt

if TYPE_CHECKING:
    from entrypoints.http.requests import ApiRequest
    from segmentation_core.presets import Preset

T = TypeVar("T", bound=msgspec.Struct)

NO_VERSION: Final = 0
"""What no preset is ever at: versions count from 1."""

_TAG: Final = re.compile(r'(?P<weak>W/)?"(?P<opaque>[!#-~\x80-\xff]*)"')
_OWN: Final = re.compile(r"(?P<id>[1-9][0-9]{0,18})-(?P<version>[1-9][0-9]{0,18})")


def listed(request: ApiRequest, answer: T) -> Response[T]:
    """Answer with a list and the hash of its text as ETag, or with 304 where the client has just that (If-None-Match).

    Nothing is kept on the server: the list is read and compared each time, so it is never stale.
    """
    body = msgspec.json.encode(answer)
    opaque = sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{opaque}"'}
    if _names(", ".join(request.headers.getall("if-none-match", [])), opaque):
        return cast("Response[T]", Response(None, status_code=304, headers=headers))
    return cast("Response[T]", Response(body, headers=headers, media_type=MediaType.JSON))


def _names(if_none_match: str, opaque: str) -> bool:
    return if_none_match.strip() == "*" or any(tag["opaque"] == opaque for tag in _TAG.finditer(if_none_match))


def version_tag(preset: Preset) -> dict[str, str]:
    """Return the header with a preset's ETag: its id and version."""
    return {"ETag": f'"{preset.id}-{preset.version}"'}


def required_version(request: ApiRequest, preset_id: int) -> int | None:
    """Return the version that a preset has to be at (If-Match), None for whichever: `*`, or no such header.

    It is `NO_VERSION` for the ETag of anything else, and for a weak one, which names no version for sure.
    Raises RequestError for what is not one ETag.
    """
    given = request.headers.getall("if-match", [])
    if not given or given == ["*"]:
        return None
    tag = _TAG.fullmatch(", ".join(given))
    if tag is None:
        expected = "the ETag of the preset, quotes included, or *"
        raise RequestError(Problem("header.If-Match", "is not one ETag", excerpt(", ".join(given)), expected))
    own: Any = _OWN.fullmatch(tag["opaque"])
    if tag["weak"] or not own or int(own["id"]) != preset_id:
        return NO_VERSION
    return int(own["version"])
