"""The page that shows the API's description: Swagger UI, served by ourselves and to be used without any outside host.

The files `swagger-ui*`, `LICENSE`, `NOTICE` and the icon are those of the npm package swagger-ui-dist, unchanged
(`docs/decisions/0021-viewer.md` has the version and checksums). What its style sheet holds as `data:` is served as
files, so that the page does with images of our own address.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.params import FromPath

from entrypoints.http.entity_tags import IfNoneMatch

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""What the page may do (Content-Security-Policy)."""

_STYLES: Final = "swagger-ui.css"
_TYPES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-bundle.js.LICENSE.txt": "text/plain",
    "start.js": "text/javascript",
    "favicon-32x32.png": "image/png",
    "LICENSE": "text/plain",
    "NOTICE": "text/plain",
}
_IMAGE: Final = re.compile(r"""url\((["']?)data:(image/[a-z+]+)(;charset=utf-8)?(;base64)?,(.*?)\1\)""")


class _File(msgspec.Struct, frozen=True):
    content: bytes
    media_type: str

    @property
    def tag(self) -> str:
        """Its ETag."""
        return f'"{sha256(self.content).hexdigest()[:32]}"'


class Viewer(OpenAPIRenderPlugin):
    """Gives the page, at the address of the API's description."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002
        """Return the page, which asks for the description itself."""
        return _packaged("index.html")


@get("/viewer/{name:str}")
async def viewer_file(name: FromPath[str], if_none_match: IfNoneMatch = "") -> Response[bytes]:
    """Return a file that the page is made of."""
    file = _files().get(name)
    if file is None:
        raise NotFoundException
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    if if_none_match == file.tag:
        return Response(b"", status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


@lru_cache(maxsize=1)
def _files() -> dict[str, _File]:
    """Return what the page is made of by name, the images of its style sheet taken out of it."""
    files = {name: _File(_packaged(name), media_type) for name, media_type in _TYPES.items()}
    images: dict[str, _File] = {}

    def taken_out(found: re.Match[str]) -> str:
        _, media_type, _, in_base64, data = found.groups()
        content = base64.b64decode(data) if in_base64 else unquote_to_bytes(data.replace('\\"', '"'))
        name = f"image-{sha256(content).hexdigest()[:12]}"
        images[name] = _File(content, media_type)
        return f"url({name})"

    styles = _IMAGE.sub(taken_out, files[_STYLES].content.decode())
    return files | images | {_STYLES: _File(styles.encode(), _TYPES[_STYLES])}


def _packaged(name: str) -> bytes:
    return (resources.files(__name__) / name).read_bytes()
