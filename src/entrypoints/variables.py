"""The variables of the environment that our commands read; `docs/operations.md` says what each is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from segmentation_core.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PREFIX: Final = "SEGMENTATION_"

NAMES: Final = (
    "SEGMENTATION_AUDIT_KEY",
    "SEGMENTATION_CORS_ORIGINS",
    "SEGMENTATION_CSRF_KEY",
    "SEGMENTATION_DATABASE_OWNER_URL",
    "SEGMENTATION_DATABASE_URL",
    "SEGMENTATION_DATA_DIR",
    "SEGMENTATION_DEBUG",
    "SEGMENTATION_DEMO_PASSWORD",
    "SEGMENTATION_DRAIN_SECONDS",
    "SEGMENTATION_ENVIRONMENT",
    "SEGMENTATION_HOSTS",
    "SEGMENTATION_MAIL",
    "SEGMENTATION_MAIL_FROM",
    "SEGMENTATION_PASSWORD_COST",
    "SEGMENTATION_PUBLIC_URL",
    "SEGMENTATION_REQUEST_SECONDS",
    "SEGMENTATION_TOKEN_KEYS",
    "SEGMENTATION_TRUSTED_PROXIES",
)


def unread(environ: Mapping[str, str]) -> Iterator[str]:
    """Say of each variable with our prefix that nothing reads it, and which one may be meant.

    It stops nothing: a cluster sets variables of its own for a service of our name.
    """
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name not in NAMES:
            meant = nearest(name.removeprefix(_PREFIX), [known.removeprefix(_PREFIX) for known in NAMES])
            perhaps = f"; perhaps {_PREFIX}{meant} is meant" if meant else ""
            yield f"{name} is set, and nothing reads it{perhaps}"
