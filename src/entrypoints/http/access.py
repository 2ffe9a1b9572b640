"""Who may call what: each route declares it, and the application does not start where one does not.

::

    @get("/api/users", opt=access(MANAGE_USERS, "company"))
    @get("/health", opt=public("Load balancers have no account."))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import msgspec
from litestar.exceptions import ImproperlyConfiguredException
from litestar.routes import HTTPRoute

from segmentation_core.permissions import PERMISSIONS, Permission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from litestar import Litestar
    from litestar.handlers.base import BaseRouteHandler

Tenancy: TypeAlias = Literal["nobody's", "own", "company", "presets"]

TENANCY: Final[dict[Tenancy, str]] = {
    "nobody's": "what belongs to no company",
    "own": "the caller's own account",
    "company": "the caller's company; all companies for a SuperAdmin",
    "presets": "own presets; the company's, to read for a Manager, to write too for an Admin; all for a SuperAdmin",
}
"""What a call can reach."""

_KEY: Final = "access"


class Access(msgspec.Struct, frozen=True):
    """Who may call a route: accounts with a `permission`, or, where that is None, anybody, for the `reason` given."""

    permission: Permission | None = None
    tenancy: Tenancy = "nobody's"
    reason: str = ""

    @property
    def is_public(self) -> bool:
        """Whether nobody has to be signed in."""
        return self.permission is None

    @property
    def fault(self) -> str | None:
        """What is wrong with the declaration, None for nothing."""
        if self.tenancy not in get_args(Tenancy):
            return f"declares the tenancy {self.tenancy!r}, which is none"
        if self.permission is None:
            return None if self.reason else "is public without a reason"
        return None if self.permission in PERMISSIONS else f"declares {self.permission!r}, which is no permission"


class Operation(msgspec.Struct, frozen=True):
    """A route and method, and what was declared of it."""

    method: str
    path: str
    summary: str
    access: Access | None


def access(permission: Permission, tenancy: Tenancy) -> dict[str, Any]:
    """Return the `opt` of a route for the accounts that have a permission."""
    return {_KEY: Access(permission, tenancy)}


def public(reason: str) -> dict[str, Any]:
    """Return the `opt` of a route that anybody may call."""
    return {_KEY: Access(reason=reason)}


def declared(handler: BaseRouteHandler) -> Access | None:
    """Return who may call a handler, None where it does not say."""
    found = handler.opt.get(_KEY)
    return found if isinstance(found, Access) else None


def is_public(handler: BaseRouteHandler) -> bool:
    """Tell whether nobody has to be signed in to call a handler."""
    found = declared(handler)
    return found is not None and found.is_public


def operations(app: Litestar) -> Iterator[Operation]:
    """Give every operation of an application, but those that Litestar adds to answer OPTIONS."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            yield Operation(route.scope_type.name, route.path, "", None)
            continue
        for handler in route.route_handlers:
            if handler.http_methods != {"OPTIONS"}:
                for method in sorted(handler.http_methods):
                    yield Operation(method, route.path_format or "/", handler.summary or "", declared(handler))


def require_declared_access(app: Litestar) -> None:
    """Raise where a route does not say who may call it, or says what means nothing."""
    for operation in operations(app):
        fault = "does not declare its access" if operation.access is None else operation.access.fault
        if fault:
            msg = f"{operation.path} ({operation.method}) {fault}"
            raise ImproperlyConfiguredException(msg)


def methods_of(app: Litestar) -> dict[str, tuple[str, ...]]:
    """Return the methods of every path of an application."""
    found: dict[str, set[str]] = {}
    for route in app.routes:
        found.setdefault(route.path, set()).update(route.methods if isinstance(route, HTTPRoute) else ())
    return {path: tuple(sorted(methods)) for path, methods in found.items()}
