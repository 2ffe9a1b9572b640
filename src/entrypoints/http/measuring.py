"""Counting requests, and showing the counts to Prometheus."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.params import SkipValidation

from entrypoints.http.access import public
from entrypoints.metrics import CONTENT_TYPE, Metrics

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

NO_ROUTE = "none"
"""The label of requests that no route takes."""


@get(
    "/metrics",
    opt=public("Prometheus has no account; it is told counts and times, and no name. Keep it from the outside."),
    operation_id="getMetrics",
    summary="Counts and times for Prometheus",
    media_type="text/plain",
)
async def show(metrics: NamedDependency[SkipValidation[Metrics]]) -> Response[bytes]:
    """Return all counts and times in Prometheus' text format."""
    return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})


class Measured:
    """Stands around the application's handler, and notes each answer by its route template."""

    def __init__(self, handler: ASGIApp, metrics: Metrics) -> None:
        self._handler = handler
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note how it was answered."""
        if scope["type"] != ScopeType.HTTP:
            await self._handler(scope, receive, send)
            return
        begun, status, is_noted = perf_counter(), 0, False

        def note() -> None:
            nonlocal is_noted
            if not is_noted:
                is_noted = True
                route = scope.get("path_template") or NO_ROUTE
                self._metrics.answered(scope["method"], route, status, perf_counter() - begun)

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                note()  # what handles the request may go on: see Gate

        try:
            await self._handler(scope, receive, noted)
        finally:
            note()
