"""Reading request bodies: JSON in UTF-8, strictly, with the path of every fault."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_415_UNSUPPORTED_MEDIA_TYPE

from segmentation_core.documents import parse_json
from segmentation_core.errors import Problem, RequestError
from segmentation_core.users import User


class ApiRequest(Request[User, None, State]):
    """A request whose body is what the handler's `data` says, or is refused: nothing is coerced, nothing ignored."""

    async def body(self) -> bytes:
        """Return the body; an empty one is refused where the handler needs it."""
        body = await super().body()
        if not body and self.route_handler.parsed_data_field is not None:
            raise RequestError(Problem("$", "the body is empty", expected="a JSON object"))
        return body

    async def json(self) -> Any:  # noqa: ANN401  what the handler's annotation says
        """Return the body as the handler's `data`."""
        self._require_json()
        document = parse_json(await self.body())
        field = self.route_handler.parsed_data_field
        if field is None:
            return document
        try:
            return msgspec.convert(document, field.annotation)
        except msgspec.ValidationError as fault:
            message, _, path = str(fault).partition(" - at ")
            raise RequestError(Problem(path.strip("`") or "$", message)) from fault

    def _require_json(self) -> None:
        media_type, options = self.content_type
        if media_type != "application/json" or options.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            raise HTTPException(
                status_code=HTTP_415_UNSUPPORTED_MEDIA_TYPE, detail="The body has to be application/json in UTF-8."
            )
