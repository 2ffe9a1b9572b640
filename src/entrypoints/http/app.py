"""The Litestar application, made from a container."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from adapters.builds import cancelled
from entrypoints.http import (
    audience,
    audit,
    auth,
    documented,
    measuring,
    operations,
    passwords,
    platforms,
    presets,
    questions,
    sign_in,
    users,
)
from entrypoints.http.access import methods_of, public, require_declared_access
from entrypoints.http.errors import respond
from entrypoints.http.gate import Gate
from entrypoints.http.headers import ResponseHeaders
from entrypoints.http.measuring import Measured
from entrypoints.http.requests import LARGEST_BODY, ApiRequest, only_known_parameters
from entrypoints.http.viewer import POLICY, Viewer, viewer_file
from segmentation_core import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from litestar.connection import ASGIConnection
    from litestar.handlers.base import BaseRouteHandler
    from litestar.types import Guard

    from entrypoints.container import Container


def create_app(container: Container) -> Litestar:
    """Return the application.

    Raises where a route does not declare who may call it, and SettingsError where mail goes nowhere that there is.
    """
    settings = container.settings()
    container.asked_resets()
    building = audience.Building(
        container.read_filters(), container.build_audience(), container.explain_plan(), container.catalog()
    )
    asking = questions.Asking(container.read_filters(), container.timed_population(), container.counting())
    app = Litestar(
        route_handlers=[
            operations.root,
            operations.health,
            operations.ready,
            measuring.show,
            sign_in.login,
            sign_in.logout,
            passwords.change_password,
            passwords.forgot_password,
            passwords.reset_password,
            sign_in.protected,
            sign_in.me,
            audience.build,
            audience.explain,
            questions.size,
            questions.facets,
            questions.profile,
            questions.overlap,
            questions.impact,
            audience.get_catalog,
            platforms.list_profiles,
            users.all_users,
            users.find_users,
            users.create_user,
            users.change_user,
            users.delete_user,
            presets.create_preset,
            presets.find_presets,
            presets.list_presets,
            presets.list_presets_of_user,
            presets.get_preset,
            presets.change_preset,
            presets.delete_preset,
            presets.list_versions,
            presets.revert_preset,
            audit.read_trail,
        ],
        dependencies={"building": _given(building), "asking": _given(asking)}
        | {
            name: _provided(getattr(container, name))
            for name in (
                "settings",
                "work",
                "catalog",
                "sign_in",
                "sign_out",
                "metrics",
                "profiles",
                "change_password",
                "asked_resets",
                "reset_password",
                "manage_users",
                "manage_presets",
                "read_audit",
            )
        },
        guards=[_one(auth.guard(container.authenticate()), only_known_parameters)],
        request_class=ApiRequest,
        state=State({"thinking": container.thinking()}),
        request_max_body_size=LARGEST_BODY,
        exception_handlers={Exception: respond},
        before_send=[ResponseHeaders(settings)],
        openapi_config=OpenAPIConfig(
            title="Audience segmentation",
            version=__version__,
            path="/schema",
            use_handler_docstrings=True,
            openapi_router=Router(
                "/schema",
                route_handlers=[viewer_file],
                response_headers={"Content-Security-Policy": POLICY},
                opt=public("It tells the form of the API, and nothing that is in it."),
                include_in_schema=False,
            ),
            render_plugins=[Viewer(), JsonRenderPlugin()],
        ),
        lifespan=[lambda _: _running(container)],
        logging_config=None,
        debug=False,
        pdb_on_exception=False,
    )
    require_declared_access(app)
    documented.complete(app)
    app.asgi_handler = Measured(Gate(app.asgi_handler, settings, methods_of(app)), container.metrics())
    return app


@asynccontextmanager
async def _running(container: Container) -> AsyncIterator[None]:
    """Open the stores, record builds and send mail, as long as the application runs."""
    work, builds, resets = container.work(), container.builds(), container.asked_resets()
    await work.open()
    async with AsyncExitStack() as ending:  # each step is taken, whatever the one before raises
        ending.push_async_callback(work.close)
        ending.push_async_callback(cancelled, asyncio.create_task(builds.run()))
        ending.push_async_callback(cancelled, asyncio.create_task(resets.run()))
        ending.push_async_callback(cancelled, asyncio.create_task(container.metrics().run()))
        ending.push_async_callback(resets.finish)
        yield


def _one(*guards: Guard) -> Guard:
    """Return a guard that is some in turn: for each one Litestar copies the route's handler, at every request."""

    async def check(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        for guard in guards:
            await guard(connection, handler)  # type: ignore[misc]

    return check


def _given(value: object) -> Provide:
    """Inject a value."""
    return _provided(lambda: value)


def _provided(provider: Callable[[], object]) -> Provide:
    """Inject what the container provides: a plain function, since Litestar reads a provider's signature."""

    def provide() -> object:
        return provider()

    return Provide(provide, sync_to_thread=False)
