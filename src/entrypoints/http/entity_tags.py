"""ETags (RFC 9110, 8.8.3): a list not sent again where the client has it, a preset not changed where it is another."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Final, TypeVar, cast

import msgspec
from litestar import MediaType, Response
from litestar.params import HeaderParameter

from entrypoints.http.requests import ApiRequest
from segmentation_core.errors import Problem, RequestError, excerpt
from segmentation_core.presets import Preset

T = TypeVar("T", bound=msgspec.Struct)

_TAG: Final = re.compile(r'(?P<weak>W/)?"(?P<opaque>[!#-~\x80-\xff]*)"')
_OWN: Final = re.compile(r"(?P<id>[1-9][0-9]{0,18})-(?P<version>[1-9][0-9]{0,18})")


_ELEMENT: Final = re.compile(rf"[ \t]*+(?:{_TAG.pattern})?[ \t]*+(?:,|$)")
"""One of a list (RFC 9110, 5.6.1), which may be empty. Blanks are never given back: else many of them take minutes."""

IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="The ETags of which the preset still has to have one, or `*`."),
]
IfNoneMatch = Annotated[
    str, HeaderParameter(name="If-None-Match", description="The ETag of the list that the client has.")
]


def listed(answer: T, if_none_match: str) -> Response[T]:
    """Answer with a list and the hash of its text as ETag, or with 304 where the client has just that (If-None-Match).

    Nothing is kept on the server: the list is read and compared each time, so it is never stale.
    """
    body = encoded(answer)
    opaque = sha256(body).hexdigest()[:32]
    headers = {"ETag": f'"{opaque}"'}
    if if_none_match.strip() == "*" or any(tag["opaque"] == opaque for tag in _TAG.finditer(if_none_match)):
        return cast("Response[T]", Response(None, status_code=304, headers=headers))
    return cast("Response[T]", Response(body, headers=headers, media_type=MediaType.JSON))


def encoded(answer: msgspec.Struct) -> bytes:
    """Return an answer as JSON. Its lists are encoded entry by entry, between which other threads have their turn.

    msgspec lets none go on while it encodes: that of a whole page of large documents would stop the event loop.
    """
    parts: list[bytes] = []
    for name, value in zip(answer.__struct_encode_fields__, msgspec.structs.astuple(answer), strict=True):
        parts += [b"," if parts else b"{", msgspec.json.encode(name), b":"]
        if isinstance(value, tuple) and value:
            for number, entry in enumerate(value):
                parts += [b"," if number else b"[", msgspec.json.encode(entry)]
            parts.append(b"]")
        else:
            parts.append(msgspec.json.encode(value))
    return b"".join([*parts, b"}"])


def version_tag(preset: Preset) -> dict[str, str]:
    """Return the header with a preset's ETag: its id and version."""
    return {"ETag": f'"{preset.id}-{preset.version}"'}


def required_versions(request: ApiRequest, preset_id: int) -> frozenset[int] | None:
    """Return the versions of which a preset has to be at one, None for whichever: `*`, or no If-Match.

    The ETag of anything else names none of them, and neither does a weak one, which names no version for sure.
    Raises RequestError for what is not a list of ETags, in however many lines it was sent.
    """
    lines = request.headers.getall("if-match", [])
    if not lines or [line.strip() for line in lines] == ["*"]:
        return None
    tags = _tags(", ".join(lines))
    if not tags:
        expected = "ETags of the preset, quotes included, or *"
        raise RequestError(Problem("header.If-Match", "is no list of ETags", excerpt(", ".join(lines)), expected))
    owns = [_OWN.fullmatch(tag["opaque"]) for tag in tags if not tag["weak"]]
    return frozenset(int(own["version"]) for own in owns if own and int(own["id"]) == preset_id)


def _tags(text: str) -> list[re.Match[str]]:
    """Return the tags that a text lists, none where it is no such list."""
    tags, position = [], 0
    while position < len(text):
        element = _ELEMENT.match(text, position)
        if element is None:
            return []
        if element["opaque"] is not None:
            tags.append(element)
        position = element.end()
    return tags
