"""The same answers as CSV (RFC 4180), for spreadsheets: to who sends `Accept: text/csv`."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Response

from entrypoints.http.accepting import preferred

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from litestar import Request

MEDIA_TYPE: Final = "text/csv"
_JSON: Final = "application/json"

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How cells begin that a spreadsheet would run: https://owasp.org/www-community/attacks/CSV_Injection."""


def wants_csv(request: Request[Any, Any, Any]) -> bool:
    """Tell whether a client would rather have CSV than JSON; who names neither gets JSON."""
    if "text/" not in request.headers.get("accept", "").lower():  # as nearly all do, without a look at each type
        return False
    return preferred(request, _JSON, MEDIA_TYPE) == MEDIA_TYPE


def rows_of(entries: Sequence[msgspec.Struct], kind: type[msgspec.Struct]) -> Iterator[Sequence[object]]:
    """Give a table of structs of one kind, its head first: a column for each field that all have."""
    names = kind.__struct_fields__[: len(kind.__struct_fields__) - len(kind.__struct_defaults__)]
    yield names
    for entry in entries:
        yield [getattr(entry, name) for name in names]


def csv_table(rows: Iterable[Sequence[object]], name: str) -> Response[Any]:
    """Answer with a table, which a browser saves under a name."""
    return Response(
        csv_text(rows).encode(),
        media_type=f"{MEDIA_TYPE}; header=present",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"', "Vary": "Accept"},
    )


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV, lines ended by CRLF. A text that a spreadsheet would run has an apostrophe put before it."""
    written = io.StringIO()
    csv.writer(written).writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue()


def _cell(value: object) -> str:
    if value is None or value is msgspec.UNSET:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    text = value if isinstance(value, str) else json.dumps(msgspec.to_builtins(value), ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text
