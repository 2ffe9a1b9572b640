"""The Litestar application, made from a container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from entrypoints.http import audience, auth, operations, sign_in
from entrypoints.http.errors import respond
from entrypoints.http.headers import add_headers
from entrypoints.http.requests import ApiRequest, only_known_parameters
from segmentation_core import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from entrypoints.container import Container

MAX_BODY: Final = 1_000_000
"""In bytes."""


def create_app(container: Container) -> Litestar:
    """Return the application. Raises where a route does not declare who may call it."""
    settings = container.settings()
    app = Litestar(
        route_handlers=[
            operations.root,
            operations.health,
            sign_in.login,
            sign_in.logout,
            sign_in.protected,
            sign_in.me,
            audience.build,
            audience.get_catalog,
        ],
        dependencies={
            name: _provided(getattr(container, name))
            for name in ("settings", "catalog", "sign_in", "sign_out", "build_audience")
        },
        guards=[auth.guard(container.authenticate()), only_known_parameters],
        request_class=ApiRequest,
        request_max_body_size=MAX_BODY,
        exception_handlers={Exception: respond},
        before_send=[add_headers],
        cors_config=CORSConfig(
            allow_origins=list(settings.cors_origins),
            allow_credentials=True,
            allow_headers=["Content-Type", auth.CSRF_HEADER],
            allow_methods=["GET", "POST", "PUT", "DELETE"],
        )
        if settings.cors_origins
        else None,
        openapi_config=OpenAPIConfig(
            title="Audience segmentation",
            version=__version__,
            path="/schema",
            openapi_router=Router("/schema", route_handlers=[], opt=auth.PUBLIC),
            render_plugins=[JsonRenderPlugin()],
        ),
        logging_config=None,
    )
    auth.require_declared_access(app)
    return app


def _provided(provider: Callable[[], object]) -> Provide:
    """Inject what the container provides: a plain function, since Litestar reads a provider's signature."""

    def provide() -> object:
        return provider()

    return Provide(provide, sync_to_thread=False)
