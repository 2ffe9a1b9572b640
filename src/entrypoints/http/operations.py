"""What programs ask about the service itself."""

from __future__ import annotations

import msgspec
from litestar import get

from entrypoints.http.access import public
from segmentation_core import __version__


class ServiceStatus(msgspec.Struct, frozen=True):
    """That the service is there, and which version it is."""

    message: str
    version: str
    status: str


class Health(msgspec.Struct, frozen=True):
    """That the process lives."""

    status: str
    message: str


@get("/", opt=public("It says that it is there, and no more."), operation_id="getStatus", summary="What answers here")
async def root() -> ServiceStatus:
    """Tell what this service is."""
    return ServiceStatus("Audience segmentation", __version__, "running")


@get(
    "/health",
    opt=public("Whoever watches the process has no account."),
    operation_id="getHealth",
    summary="Whether the process lives",
)
async def health() -> Health:
    """Answer while the process lives; no dependency is asked."""
    return Health("healthy", "The service is running.")
