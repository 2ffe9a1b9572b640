"""Reading request bodies: JSON in UTF-8, strictly, with the path of every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import ClientException, HTTPException, InternalServerException
from litestar.status_codes import HTTP_415_UNSUPPORTED_MEDIA_TYPE

from segmentation_core.documents import at, parse_json
from segmentation_core.errors import Problem, RequestError, excerpt
from segmentation_core.users import User

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection
    from litestar.handlers.base import BaseRouteHandler


def only_known_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse query parameters that the route does not declare (`opt["query"]`), and any that is given twice."""
    known = handler.opt.get("query", ())
    given = [name for name, _ in parse_qsl(connection.scope["query_string"].decode("latin-1"), keep_blank_values=True)]
    problems = [
        Problem(at("query", name), "is given twice" if name in known else "there is no such parameter", excerpt(name))
        for name in dict.fromkeys(given)
        if name not in known or given.count(name) > 1
    ]
    if problems:
        raise RequestError(problems)


class ApiRequest(Request[User, None, State]):
    """A request whose body is what the handler's `data` says, or is refused: nothing is coerced, nothing ignored."""

    async def body(self) -> bytes:
        """Return the body; an empty one is refused where the handler needs it, and one that ends early."""
        try:
            body = await super().body()
        except InternalServerException as gone:
            raise ClientException("The client went away before its request was complete.") from gone
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
