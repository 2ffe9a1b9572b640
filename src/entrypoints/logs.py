"""What the service writes to stderr: JSON, a line each, in production; the same to be read by people elsewhere.

Everything goes through the standard library's `logging`, ours, uvicorn's and psycopg's alike, and is written here.
Nothing that comes from outside can begin a line or colour one, and no secret is shown.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TextIO
from urllib.parse import unquote, urlsplit

import msgspec
import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from structlog.typing import EventDict, Processor

MASK: Final = "***"

_NAMED: Final = r"[\w-]*(?:password|passwd|secret|authorization|x-csrf-token)"
_NAME_OF_ONE: Final = re.compile(rf"{_NAMED}|(?:csrf_)?token|device", re.IGNORECASE)

# Parts that may begin at many places are bounded: else a text of 30 kB with a beginning at every second character takes
# seconds, while nothing else is done.
_SHAPES: Final = re.compile(
    r"(?P<url>\b[a-z][a-z0-9+.-]{0,31}://[^\s:/@]*:)[^\s@/]+(?=@)"  # the password in a URL
    rf"|(?P<option>(?<![\w-]){_NAMED}(?:\s*[=:]\s*|['\"]\s*[=:,]\s*))"  # an assignment, a header, a pair of texts
    r"(?:b(?=['\"]))?(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|(?:(?:Bearer|Basic)\s+)?[^\s,;&)}\]]+)"
    r"|(?P<key>['\"](?:csrf_)?token['\"]\s*[:,]\s*)b?(?:'[^']*'|\"[^\"]*\")"  # in JSON or a dict
    r"|(?P<cookie>\b(?:(?:csrf_)?token|device)=)[^\s;,'\"]+"
    r"|\beyJ[\w-]{5,512}\.[\w-]*\.[\w-]*"  # a signed token
    r"|(?:v1:)?\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}",  # the hash of a password
    re.IGNORECASE,
)
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CONTROL_BUT_NEWLINES: Final = re.compile(_CONTROL.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))

ACCESS: Final = "segmentation.access"
_access: Final = logging.getLogger(ACCESS)

_TEXTS_KEPT: Final = 1_024
_LONGEST_KEPT: Final = 1_000
"""Of how many texts in access lines, which are mostly the same, it is known whether they can be shown, and how long."""

_HEXADECIMAL: Final = re.compile("[0-9a-f]+")
"""What has neither the shape of a secret nor a control character."""

_QUIET: Final = ("asyncio", "psycopg", "uvicorn")
"""What is told of them begins with warnings."""


def write_logs(*, as_json: bool, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Write all logs to a stream, stderr unless said; `secrets` are texts that are never shown."""
    masked = _Masked(secrets)
    final: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        masked,
    ]
    final += [structlog.processors.JSONRenderer()] if as_json else [_indented, _FOR_PEOPLE]
    handler = _Handler(stream or sys.stderr, masked, as_json=as_json)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=final,
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)  # noqa: FBT003  its only parameter
    logging.raiseExceptions = False  # a stream that is gone is no reason to write more to it
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line tells them


def tell_request(event: str, fields: dict[str, Any]) -> None:
    """Write the line of a request, with fields in the order of their names."""
    if not _access.isEnabledFor(logging.INFO):
        return
    handlers = logging.getLogger().handlers
    only = handlers[0] if len(handlers) == 1 else None
    if not (isinstance(only, _Handler) and only.tells(event, fields)):
        _access.info("%s", event, extra=fields)


def password_of(url: str) -> str:
    """Return the password in the URL of a database, as libpq reads it; empty where there is none."""
    return unquote(urlsplit(url).password or "")


class _Handler(logging.StreamHandler[TextIO]):
    """Writes what is logged to a stream; and the lines of requests, of which there are many, on a shorter way to it.

    That is for what has nothing to be masked or shown as an escape, and is not told anybody else.
    """

    def __init__(self, stream: TextIO, masked: _Masked, *, as_json: bool) -> None:
        super().__init__(stream)
        self._masked = masked
        self._as_json = as_json
        self._is_plain = lru_cache(_TEXTS_KEPT)(self._looked_at)

    def tells(self, event: str, fields: dict[str, Any]) -> bool:
        """Write the line of a request, and tell whether that could be done on this way."""
        for value in (event, *fields.values()):
            if isinstance(value, str) and not self._is_as_it_is(value):
                return False
        time = datetime.now(UTC)
        if self._as_json:
            whole = {"event": event, **fields, "level": "info", "logger": ACCESS, "timestamp": time}
            line = msgspec.json.encode(whole).decode()
        else:
            told = " ".join([f"{name}={value}" for name, value in fields.items()])
            line = f"{time.isoformat()[:-6]}Z [info     ] {event} [{ACCESS}] {told}"
        with suppress(OSError, ValueError):  # a stream that is gone is no reason to fail
            self.stream.write(f"{line}\n")
            self.stream.flush()
        return True

    def _is_as_it_is(self, text: str) -> bool:
        """Tell whether a text has nothing to be masked or shown as an escape. Each request's id is a new one."""
        if len(text) > _LONGEST_KEPT:
            return False
        return self._masked.names_no_secret(text) if _HEXADECIMAL.fullmatch(text) else self._is_plain(text)

    def _looked_at(self, text: str) -> bool:
        return self._masked.is_clean(text) and not _CONTROL.search(text)


class _Masked:
    """Puts a mask in the place of secrets: of those that are known, and of what has the shape of one.

    Keys and URLs come in their own shapes and in the `repr` that tracebacks show; both are looked for.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {shape for secret in secrets if secret for shape in (secret, repr(secret)[1:-1])}
        alternatives = "|".join(re.escape(text) for text in sorted(known, key=len, reverse=True))
        self._known = re.compile(alternatives) if alternatives else None

    def __call__(self, _logger: object, _method: str, event: EventDict) -> EventDict:
        # Nearly every line shows no secret, which one look at the whole of it tells.
        if self.is_clean("\0".join([str(value) for value in event.values()])) and not any(
            map(_NAME_OF_ONE.fullmatch, event)
        ):
            return event
        return {name: MASK if _NAME_OF_ONE.fullmatch(name) else self._masked(value) for name, value in event.items()}

    def is_clean(self, text: str) -> bool:
        """Tell whether a text has nothing to be masked."""
        return not _SHAPES.search(text) and self.names_no_secret(text)

    def names_no_secret(self, text: str) -> bool:
        """Tell whether a text has none of the secrets that are known."""
        return not (self._known and self._known.search(text))

    def _masked(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        text = value if isinstance(value, str) else repr(value)
        if self._known:
            text = self._known.sub(MASK, text)
        return _SHAPES.sub(_mask, text)


def _mask(found: re.Match[str]) -> str:
    return (found["url"] or found["option"] or found["key"] or found["cookie"] or "") + MASK


def _indented(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Show control characters as escapes, and indent tracebacks: only our own lines begin at the margin."""
    shown: dict[str, Any] = {
        name: _CONTROL.sub(_escape, value) if isinstance(value, str) else value for name, value in event.items()
    }
    if "exception" in event:
        lines = _CONTROL_BUT_NEWLINES.sub(_escape, event["exception"]).split("\n")
        shown["exception"] = "\n".join(f"    {line}" for line in lines)
    return shown


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


_FOR_PEOPLE: Final = structlog.dev.ConsoleRenderer(
    colors=False, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
)
