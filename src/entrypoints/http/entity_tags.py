"""ETags (RFC 9110, 8.8.3): a list not sent again where the client has it, a preset not changed where it is another."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Final, TypeVar, cast

import msgspec
from litestar import MediaType, Response
from litestar.params import HeaderParameter

from segmentation_core.errors import Problem, RequestError, excerpt
from segmentation_core.presets import Preset

T = TypeVar("T", bound=msgspec.Struct)

NO_VERSION: Final = 0
"""What no preset is ever at: versions count from 1."""

_TAG: Final = re.compile(r'(?P<weak>W/)?"(?P<opaque>[!#-~\x80-\xff]*)"')
_OWN: Final = re.compile(r"(?P<id>[1-9][0-9]{0,18})-(?P<version>[1-9][0-9]{0,18})")


IfMatch = Annotated[
    str | None, HeaderParameter(name="If-Match", description="The ETag that the preset still has to have, or `*`.")
]
IfNoneMatch = Annotated[
    str, HeaderParameter(name="If-None-Match", description="The ETag of the list that the client has.")
]


def listed(answer: T, if_none_match: str) -> Response[T]:
    """Answer with a list and the hash of its text as ETag, or with 304 where the client has just that (If-None-Match).

    Nothing is kept on the server: the list is read and compared each time, so it is never stale.
    """
    body = msgspec.json.encode(answer)
    opaque = sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{opaque}"'}
    if if_none_match.strip() == "*" or any(tag["opaque"] == opaque for tag in _TAG.finditer(if_none_match)):
        return cast("Response[T]", Response(None, status_code=304, headers=headers))
    return cast("Response[T]", Response(body, headers=headers, media_type=MediaType.JSON))


def version_tag(preset: Preset) -> dict[str, str]:
    """Return the header with a preset's ETag: its id and version."""
    return {"ETag": f'"{preset.id}-{preset.version}"'}


def required_version(if_match: str | None, preset_id: int) -> int | None:
    """Return the version that a preset has to be at, None for whichever: `*`, or no such header.

    It is `NO_VERSION` for the ETag of anything else, and for a weak one, which names no version for sure.
    Raises RequestError for what is not one ETag.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tag = _TAG.fullmatch(if_match.strip())
    if tag is None:
        expected = "the ETag of the preset, quotes included, or *"
        raise RequestError(Problem("header.If-Match", "is not one ETag", excerpt(if_match), expected))
    own = _OWN.fullmatch(tag["opaque"])
    if tag["weak"] or not own or int(own["id"]) != preset_id:
        return NO_VERSION
    return int(own["version"])
