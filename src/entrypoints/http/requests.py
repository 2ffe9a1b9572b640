"""Reading requests strictly, with the place of every fault: bodies, which are JSON in UTF-8, addresses and queries."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import ClientException, HTTPException, InternalServerException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.params import PathParameter, QueryParameter
from litestar.status_codes import HTTP_415_UNSUPPORTED_MEDIA_TYPE

from entrypoints.http.headers import request_id
from segmentation_core.documents import at, parse_json
from segmentation_core.errors import Problem, RequestError, excerpt, one_of
from segmentation_core.usecases import Acting
from segmentation_core.users import LONGEST_NAME, User

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from litestar.connection import ASGIConnection
    from litestar.handlers.base import BaseRouteHandler

    from segmentation_core.ports import Thinking

T = TypeVar("T", bound=str)
R = TypeVar("R")

LARGEST_BODY: Final = 1_000_000
"""In bytes, where a route does not say otherwise."""

LARGEST_PROOF: Final = 8_000
"""How many bytes a body of names, passwords and tokens may have: anybody may send one."""

LARGEST_INLINE: Final = 64_000
"""How many bytes of a body are read where the event loop waits for it: a few milliseconds."""

LARGEST_ID: Final = 2**63 - 1
NO_ID: Final = 0
"""What nothing has: ids count from 1."""

PathId = Annotated[
    str, PathParameter(description="The id.", schema_extra={"type": "integer", "minimum": 1, "maximum": LARGEST_ID})
]
SearchText = Annotated[str, QueryParameter(description="A part of the name, whatever its case.")]

_ID: Final = re.compile(r"[1-9][0-9]{0,18}")
_FIELD: Final = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL)


def path_id(text: str) -> int:
    """Return the id in an address, `NO_ID` for what is none, so that it is answered like one that nothing has."""
    return int(text) if _ID.fullmatch(text) and int(text) <= LARGEST_ID else NO_ID


def asked_text(name: str, given: str, *, source: str = "query") -> str:
    """Return a text of a query or an address. Raises RequestError for what no name can have."""
    if len(given) > LONGEST_NAME:
        message, expected = f"has {len(given)} characters", f"at most {LONGEST_NAME}"
        raise RequestError(Problem(f"{source}.{name}", message, expected=expected))
    if "\0" in given:
        raise RequestError(Problem(f"{source}.{name}", "contains the character NUL, which no name may"))
    return given


def asked_choice(name: str, given: str, allowed: tuple[T, ...]) -> T | None:
    """Return the one of `allowed` that a query names, None where it names none. Raises RequestError for another."""
    chosen = next((one for one in allowed if one == given), None)
    if given and chosen is None:
        raise RequestError(Problem(f"query.{name}", "is not known", excerpt(given), one_of(given, allowed)))
    return chosen


def asked_time(name: str, given: str) -> datetime | None:
    """Return the time that a query names, None where it names none. Raises RequestError for one without its zone."""
    if not given:
        return None
    try:
        time = msgspec.convert(given, datetime)
    except msgspec.ValidationError:
        time = None
    if time is None or time.tzinfo is None:
        expected = "a time with its zone, such as 2026-01-31T23:59:00Z"
        raise RequestError(Problem(f"query.{name}", "is not a time", excerpt(given), expected))
    return time


async def only_known_parameters(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Refuse query parameters that the route does not declare (`opt["query"]`), and any that is given twice.

    It awaits nothing, and is a coroutine all the same: Litestar would run a plain function on another thread.
    """
    if not connection.scope["query_string"]:
        return
    known = handler.opt.get("query", ())
    query = connection.scope["query_string"].decode("latin-1")
    try:
        given = [name for name, _ in parse_qsl(query, keep_blank_values=True, errors="strict")]
    except UnicodeDecodeError as fault:
        raise RequestError(Problem("query", "is not UTF-8")) from fault
    problems = [
        Problem(at("query", name), "is given twice" if name in known else "there is no such parameter", excerpt(name))
        for name in dict.fromkeys(given)
        if name not in known or given.count(name) > 1
    ]
    if problems:
        raise RequestError(problems)


class ApiRequest(Request[User, None, State]):
    """A request whose body is what the handler's `data` says, or is refused: nothing is coerced, nothing ignored."""

    @property
    def acting(self) -> Acting:
        """Who sent the request, and its id."""
        return Acting(self.user, request_id(self.scope))

    async def body(self) -> bytes:
        """Return the body; an empty one is refused where the handler needs it, a large one, and one that ends early."""
        try:
            body = await super().body()
        except InternalServerException as gone:
            raise ClientException("The client went away before its request was complete.") from gone
        except RequestEntityTooLarge as fault:
            most = self.route_handler.resolve_request_max_body_size() or LARGEST_BODY
            shown = f"{most // 1_000_000} MB" if most >= LARGEST_BODY else f"{most // 1_000} kB"
            msg = f"The body is larger than the {shown} that this address takes."
            raise RequestEntityTooLarge(msg) from fault
        if not body and self.route_handler.parsed_data_field is not None:
            raise RequestError(Problem("$", "the body is empty", expected="a JSON object"))
        return body

    async def json(self) -> Any:  # noqa: ANN401  what the handler's annotation says
        """Return the body as the handler's `data`."""
        self._require_json()
        body = await self.body()
        field = self.route_handler.parsed_data_field
        annotation = Any if field is None else field.annotation
        if len(body) <= LARGEST_INLINE:
            return _read(body, annotation)
        return await self.aside(lambda: _read(body, annotation))

    async def told(self, entries: Sequence[msgspec.Struct], question: Callable[[], R]) -> R:
        """Return what `question` makes of entries: at once where they are short, which one look at each tells."""
        left = LARGEST_INLINE
        for entry in entries:
            left -= len(msgspec.json.encode(entry))
            if left < 0:
                return await self.aside(question)
        return question()

    async def aside(self, question: Callable[[], R]) -> R:
        """Return what `question` returns: what reads or writes large texts, and would stop the event loop."""
        thinking: Thinking = self.app.state.thinking
        user = self.scope.get("user")
        return await thinking.read(question, by=user.id if isinstance(user, User) else NO_ID)

    def _require_json(self) -> None:
        media_type, options = self.content_type
        if media_type != "application/json" or options.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            raise HTTPException(
                status_code=HTTP_415_UNSUPPORTED_MEDIA_TYPE, detail="The body has to be application/json in UTF-8."
            )


def _read(body: bytes, annotation: Any) -> Any:  # noqa: ANN401  any type of a handler's `data`
    document = parse_json(body)
    try:
        return msgspec.convert(document, annotation)
    except msgspec.ValidationError as fault:
        raise RequestError(_problem(fault)) from fault


def _problem(fault: msgspec.ValidationError) -> Problem:
    """Return where a body is not what it should be: a field that is missing has its place too, and an unknown one."""
    message, _, path = str(fault).partition(" - at ")
    path = path.strip("`") or "$"
    field = _FIELD.fullmatch(message)
    if field is None:
        return Problem(path, message)
    return Problem(at(path, field[2]), "is missing" if field[1] == "missing required" else "there is no such field")
