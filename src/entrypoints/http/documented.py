"""What the OpenAPI document says beyond the types: every status that an operation can answer, and examples of bodies.

Which statuses those are follows from what a route is: who may call it, whether it takes a body, an id, an ETag. What
follows from nothing of that stands in `FURTHER`. A fault of ours (500) is not a documented answer.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from litestar.enums import HttpMethod
from litestar.openapi.spec import (
    Example,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIType
from litestar.routes import HTTPRoute

from entrypoints.http.access import is_public
from entrypoints.http.auth import CSRF_HEADER, CSRF_TOKEN, TOKEN
from entrypoints.http.csv_tables import MEDIA_TYPE as CSV
from entrypoints.http.errors import ProblemDetails
from entrypoints.http.examples import ANSWERS, REQUESTS

if TYPE_CHECKING:
    from litestar import Litestar

PROBLEM: Final = "application/problem+json"

FURTHER: Final[dict[str, frozenset[int]]] = {
    "getStatus": frozenset({303}),
    "signIn": frozenset({401, 403, 429, 503}),
    "signOut": frozenset({403, 503}),
    "getReadiness": frozenset({503}),
    "changePassword": frozenset({429}),
    "forgotPassword": frozenset({403}),
    "resetPassword": frozenset({403, 503}),
    "createUser": frozenset({409}),
    "changeUser": frozenset({409}),
    "deleteUser": frozenset({409}),
    "createPreset": frozenset({409}),
    "changePreset": frozenset({409}),
    "revertPreset": frozenset({409}),
}
"""The statuses of an operation that its route does not tell, by its id."""

AS_CSV: Final = frozenset(
    {"buildAudience", "listUsers", "findUsers", "findPresets", "listPresets", "listPresetsOfUser", "readAudit"}
)
"""Operations that answer with a table too, to `Accept: text/csv`."""

TAGGED: Final = frozenset({"getPreset", "createPreset", "changePreset", "revertPreset"})
"""Operations whose answer has the ETag of one preset."""

_MEANING: Final = {
    303: "A browser (`Accept: text/html`) is led to the page that describes the API.",
    304: "The client has just this already (If-None-Match).",
    400: "The request is malformed or not valid; `errors` names each place.",
    401: "Nobody is signed in with what the request carries.",
    403: "The account may not do this, or the CSRF token is not this session's.",
    404: "It is not there, or it is not the caller's to see.",
    408: "The body did not arrive in time.",
    409: "Something of that name exists already, or what exists forbids the change.",
    412: "It has changed since the client read it (If-Match).",
    413: "The body is larger than this address takes.",
    415: "The body is not application/json in UTF-8.",
    429: "Too many attempts; Retry-After says when the next one counts.",
    503: "Something that the service depends on is down, or too many wait; Retry-After says when to try again.",
}

_REQUEST_ID: Final = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.STRING), description="The id of this request; the log has it too."
)
_RETRY_AFTER: Final = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.INTEGER, minimum=0), description="Seconds to wait.", required=True
)
_LOCATION: Final = OpenAPIHeader(schema=Schema(type=OpenAPIType.STRING), description="Where to.", required=True)
_ETAG: Final = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.STRING), description="What If-Match or If-None-Match takes."
)
_SET_COOKIE: Final = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.STRING), description=f"The cookies `{TOKEN}` and `{CSRF_TOKEN}`, or that they end."
)


def complete(app: Litestar) -> None:
    """Complete the application's OpenAPI document."""
    document = app.openapi_schema
    paths = document.paths or {}
    for route in app.routes:
        item = paths.get(route.path_format or "/")
        if not isinstance(route, HTTPRoute) or item is None:
            continue
        for method, (handler, _) in route.route_handler_map.items():
            operation: Operation | None = getattr(item, HttpMethod(method).lower())
            if operation:
                _complete(operation, public=is_public(handler))
    components = document.components
    _, schemas = msgspec.json.schema_components([ProblemDetails], ref_template="#/components/schemas/{name}")
    for shape in components.schemas.values():
        if shape.properties:
            shape.additional_properties = False  # unknown fields are refused, and none are answered
    components.schemas = {**schemas, **components.schemas}
    components.security_schemes = {
        "session": SecurityScheme(type="apiKey", name=TOKEN, security_scheme_in="cookie"),
        "csrfCookie": SecurityScheme(type="apiKey", name=CSRF_TOKEN, security_scheme_in="cookie"),
        "csrfHeader": SecurityScheme(type="apiKey", name=CSRF_HEADER, security_scheme_in="header"),
    }


def statuses(operation: Operation, *, public: bool) -> set[int]:
    """Return the statuses that an operation can answer with beside that of its answer."""
    parameters = [one for one in operation.parameters or () if isinstance(one, Parameter)]
    headers = {one.name for one in parameters}
    found = {400} | FURTHER.get(str(operation.operation_id), frozenset())
    found |= set() if public else {401, 403, 503}
    found |= {408, 413, 415} if operation.request_body else set()
    found |= {404} if any(one.param_in == "path" for one in parameters) else set()
    found |= {412} if "If-Match" in headers else set()
    return found | ({304} if "If-None-Match" in headers else set())


def _complete(operation: Operation, *, public: bool) -> None:
    name = str(operation.operation_id)
    responses = {} if operation.responses is None else operation.responses
    responses.pop("400", None)  # Litestar's own shape, which we never answer
    for response in responses.values():
        headers = response.headers if isinstance(response, OpenAPIResponse) else None
        if headers is not None:
            headers["X-Request-ID"] = _REQUEST_ID
            if name in TAGGED or _takes(operation, "If-None-Match"):
                headers["ETag"] = _ETAG
            if name in {"signIn", "signOut", "changePassword"}:
                headers["Set-Cookie"] = _SET_COOKIE
    responses |= {str(status): _refusal(status) for status in sorted(statuses(operation, public=public))}
    operation.responses = responses
    if name in AS_CSV and isinstance(responses["200"], OpenAPIResponse):
        table = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING, description="A table, its head first."))
        responses["200"].content = {**(responses["200"].content or {}), CSV: table}
    if not public:
        operation.security = [{"session": [], "csrfCookie": [], "csrfHeader": []}]
    _show(operation, responses)


def _show(operation: Operation, responses: dict[str, OpenAPIResponse | Reference]) -> None:
    """Give the body and the answer of an operation their examples."""
    name = str(operation.operation_id)
    if isinstance(operation.request_body, RequestBody) and name in REQUESTS:
        for media in operation.request_body.content.values():
            media.examples = _example(REQUESTS[name])
    for status in ("200", "201"):
        answer = responses.get(status)
        if isinstance(answer, OpenAPIResponse) and answer.content and name in ANSWERS:
            answer.content["application/json"].examples = _example(ANSWERS[name])


def _example(value: object) -> dict[str, Example | Reference]:
    """Return an example, encoded: as an object it would lose its nulls, which Litestar leaves out of the document."""
    return {"example": Example(value=msgspec.Raw(msgspec.json.encode(value)))}


def _takes(operation: Operation, header: str) -> bool:
    return any(isinstance(one, Parameter) and one.name == header for one in operation.parameters or ())


def _refusal(status: int) -> OpenAPIResponse:
    headers: dict[str, OpenAPIHeader | Reference] = {"X-Request-ID": _REQUEST_ID}
    if status == HTTPStatus.SEE_OTHER:
        return OpenAPIResponse(description=_MEANING[status], headers=headers | {"Location": _LOCATION})
    if status == HTTPStatus.NOT_MODIFIED:
        return OpenAPIResponse(description=_MEANING[status], headers=headers | {"ETag": _ETAG})
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers["Retry-After"] = _RETRY_AFTER
    shape = OpenAPIMediaType(schema=Reference(ref="#/components/schemas/ProblemDetails"))
    return OpenAPIResponse(description=_MEANING[status], headers=headers, content={PROBLEM: shape})
