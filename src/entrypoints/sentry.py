"""Telling Sentry of faults of ours, where it is configured: `SEGMENTATION_SENTRY_DSN`, with the extra `sentry`.

It is told the kind of an error and where in the code it was raised, the id of the request, and the version. Nothing
that a client sent or a database said is told: no message of an error, no variable, header, body, address, name or id.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final, cast

import sentry_sdk
import structlog
from sentry_sdk.utils import event_from_exception

from segmentation_core import __version__

if TYPE_CHECKING:
    from sentry_sdk._types import Event, Hint

SECONDS: Final = 2.0
"""How long the process waits, when it ends, for what is still to be sent."""

_KEPT: Final = frozenset(
    {"event_id", "timestamp", "level", "platform", "environment", "release", "exception", "tags", "sdk"}
)
_REQUEST_ID: Final = re.compile(r"[0-9a-f]{16}")


def report_faults(dsn: str, environment: str) -> None:
    """Report what is logged as an error with its traceback, from now on."""
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=f"segmentation-core@{__version__}",
        default_integrations=False,
        auto_enabling_integrations=False,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        server_name="",
        shutdown_timeout=SECONDS,
        before_send=bare,
    )
    logging.getLogger().addHandler(_Reporter(logging.ERROR))


def bare(event: Event, _: Hint) -> Event:
    """Return an event with nothing in it but what a fault is, where it was raised, and in which request."""
    event = cast("Event", {name: part for name, part in event.items() if name in _KEPT})
    for fault in event.get("exception", {}).get("values", []):
        fault["value"] = ""
        for frame in fault.get("stacktrace", {}).get("frames", []):
            for name in ("vars", "abs_path", "context_line", "pre_context", "post_context"):
                frame.pop(name, None)
    return event


class _Reporter(logging.Handler):
    """Sends the traceback of a log record to Sentry."""

    def emit(self, record: logging.LogRecord) -> None:
        if not record.exc_info or record.exc_info[1] is None:
            return
        event, hint = event_from_exception(record.exc_info, client_options=sentry_sdk.get_client().options)
        event["level"] = "error"
        request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))
        event["tags"] = {"logger": record.name}
        if _REQUEST_ID.fullmatch(request_id):
            event["tags"]["request_id"] = request_id
        sentry_sdk.capture_event(event, hint)
