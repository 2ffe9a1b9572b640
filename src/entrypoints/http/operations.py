"""What programs ask about the service itself."""

from __future__ import annotations

import asyncio
from typing import Final, Literal

import msgspec
from litestar import Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.response import Redirect

from entrypoints.http.accepting import preferred
from entrypoints.http.access import public
from entrypoints.http.requests import ApiRequest
from segmentation_core import __version__
from segmentation_core.errors import Unavailable
from segmentation_core.ports import Stores, Work
from segmentation_core.users import ALL_COMPANIES

READY_SECONDS: Final = 1.5
"""How long a dependency may take to answer."""


class ServiceStatus(msgspec.Struct, frozen=True):
    """That the service is there, and which version it is."""

    message: str
    version: str
    status: str


class Health(msgspec.Struct, frozen=True):
    """That the process lives."""

    status: str
    message: str


class Readiness(msgspec.Struct, frozen=True):
    """That requests can be answered, and what that depends on."""

    status: Literal["ready"]
    dependencies: dict[str, Literal["up"]]


@get("/", opt=public("It says that it is there, and no more."), operation_id="getStatus", summary="What answers here")
async def root(request: ApiRequest) -> Response[ServiceStatus]:
    """Tell programs what this service is, and lead browsers to the page that describes it."""
    if preferred(request, "application/json", "text/html") == "text/html":
        return Redirect("/schema", status_code=303)
    return Response(ServiceStatus("Audience segmentation", __version__, "running"))


@get(
    "/health",
    opt=public("Whoever watches the process has no account."),
    operation_id="getHealth",
    summary="Whether the process lives",
)
async def health() -> Health:
    """Answer while the process lives; no dependency is asked."""
    return Health("healthy", "The service is running.")


@get(
    "/health/ready",
    opt=public("Whoever spreads the load has no account."),
    operation_id="getReadiness",
    summary="Whether requests can be answered",
)
async def ready(state: State, work: NamedDependency[SkipValidation[Work]]) -> Readiness:
    """Answer 200 where all that the service depends on answers within 1.5 seconds, else 503 with the names of the rest.

    Once it is told to stop it is ready no more, and still answers for a moment.
    """
    if getattr(state, "is_leaving", False):
        raise Unavailable("The service is about to stop.")
    task = asyncio.ensure_future(work.run(ALL_COMPANIES, _nothing))
    _, late = await asyncio.wait({task}, timeout=READY_SECONDS)
    if late:
        task.cancel()  # and not awaited: what hangs lets go of it only seconds later
    if late or task.exception():
        raise Unavailable("The service is not ready: the database is down or does not answer in time.")
    return Readiness("ready", {"database": "up"})


async def _nothing(_: Stores) -> None:
    """Ask nothing: the transaction itself needs the database."""
