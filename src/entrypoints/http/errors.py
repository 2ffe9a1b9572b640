"""What every error looks like to a client (RFC 9457), and the one table of status codes."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException

from entrypoints.http.headers import request_id
from segmentation_core.errors import (
    Conflict,
    CsrfMismatch,
    Forbidden,
    InputError,
    NotFound,
    NotSignedIn,
    Overloaded,
    PlanMismatch,
    Problem,
    SegmentationError,
    Stale,
    Throttled,
    TooComplex,
    Unavailable,
)

if TYPE_CHECKING:
    from litestar import Request
    from litestar.types import Scope, Send

_log: Final = logging.getLogger("segmentation.http")

STATUS: Final[dict[type[SegmentationError], HTTPStatus]] = {
    InputError: HTTPStatus.BAD_REQUEST,
    TooComplex: HTTPStatus.BAD_REQUEST,
    NotSignedIn: HTTPStatus.UNAUTHORIZED,
    CsrfMismatch: HTTPStatus.FORBIDDEN,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Stale: HTTPStatus.PRECONDITION_FAILED,
    Throttled: HTTPStatus.TOO_MANY_REQUESTS,
    Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    PlanMismatch: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""The status of each core error; one that is not named has that of its nearest ancestor here."""

_RETRY_AFTER: Final = "1"
"""In seconds; for what is only waiting its turn."""

_MEDIA_TYPE: Final = "application/problem+json; charset=utf-8"

_SAID_PROBLEMS: Final = 3

_SAID: Final = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method.",
}


class ProblemDetails(msgspec.Struct, frozen=True):
    """An error as RFC 9457 has it, with two members added: `error`, a sentence for people, and `errors`, each fault."""

    title: str
    status: int
    detail: str
    error: str
    type: str = "about:blank"
    errors: tuple[Problem, ...] = ()
    request_id: str | msgspec.UnsetType = msgspec.UNSET


def status_of(error: SegmentationError) -> HTTPStatus:
    """Return the status that the table gives to an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def respond(request: Request[Any, Any, Any], fault: Exception) -> Response[ProblemDetails]:
    """Answer with what went wrong; of our own faults tell nothing but the id under which the log has them."""
    details, headers = explained(fault, request.scope)
    return Response(details, status_code=details.status, headers=headers, media_type=_MEDIA_TYPE)


async def send_problem(fault: Exception, scope: Scope, send: Send) -> None:
    """Answer as `respond` does, where there is no handler that could: before routing, and after the deadline."""
    details, headers = explained(fault, scope)
    body = msgspec.json.encode(details)
    told = {"Content-Type": _MEDIA_TYPE, "Content-Length": str(len(body)), **headers}
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in told.items()]
    await send({"type": "http.response.start", "status": details.status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def explained(fault: Exception, scope: Scope) -> tuple[ProblemDetails, dict[str, str]]:
    """Return what a client is told of a fault, and with which headers. Log what is not the client's."""
    problems: tuple[Problem, ...] = ()
    headers: dict[str, str] = {}
    if isinstance(fault, InputError):
        status, said, problems = status_of(fault), _sentence(fault), fault.problems
    elif isinstance(fault, SegmentationError):
        status, said = status_of(fault), str(fault)
    elif isinstance(fault, ValidationException):
        status, said, problems = HTTPStatus.BAD_REQUEST, "The request is not valid.", tuple(_parameters(fault))
    elif isinstance(fault, HTTPException):
        status = HTTPStatus(fault.status_code)
        said = _SAID.get(status, fault.detail)
        headers = dict(fault.headers or {})
    else:
        status, said = HTTPStatus.INTERNAL_SERVER_ERROR, ""
    ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(fault, Overloaded | Unavailable):
        _log.warning("request %s: %s", request_id(scope), fault, exc_info=fault)
    elif ours:
        said = "Something went wrong on our side. The request id says which case it was."
        _log.error("request %s failed", request_id(scope), exc_info=fault)
    if isinstance(fault, Throttled):
        headers["Retry-After"] = str(math.ceil(fault.retry_after.total_seconds()))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = _RETRY_AFTER
    if status == HTTPStatus.REQUEST_TIMEOUT:
        headers["Connection"] = "close"
    details = ProblemDetails(
        title=status.phrase,
        status=status,
        detail=said,
        error=said,
        errors=problems,
        request_id=request_id(scope) if ours else msgspec.UNSET,
    )
    return details, headers


def _sentence(fault: InputError) -> str:
    """Say the first few problems, places included."""
    more = len(fault.problems) - _SAID_PROBLEMS + fault.unlisted
    said = "; ".join(f"{problem.path}: {problem.message}" for problem in fault.problems[:_SAID_PROBLEMS])
    return f"{said}; and {more} more." if more > 0 else f"{said}."


def _parameters(fault: ValidationException) -> list[Problem]:
    found = fault.extra if isinstance(fault.extra, list) else []
    return [Problem(f"{part.get('source', 'request')}.{part.get('key', '')}", part["message"]) for part in found]
