"""Which values can be kept, as columns of a database take or refuse them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import asdict

from segmentation_core.errors import Problem, RequestError, excerpt

if TYPE_CHECKING:
    from segmentation_core.presets import Preset
    from segmentation_core.users import User

REFUSED: Final = Problem("$", "a value is not one that may be stored")

_NUMBERS: Final = range(-(2**63), 2**63)
"""What an id or a version can be."""


def require_storable(**values: object) -> None:
    """Raise RequestError for each value that no column can hold."""
    refused = [_cannot_be_stored(name, value) for name, value in values.items() if not is_storable(value)]
    if refused:
        raise RequestError(refused)


def _cannot_be_stored(name: str, value: object) -> Problem:
    if isinstance(value, str):
        return Problem(f"$.{name}", "contains NUL or half a character, which cannot be stored", excerpt(value))
    return Problem(f"$.{name}", "is out of range", excerpt(value))


def is_storable(value: object) -> bool:
    """Tell whether a column can hold the value: text without NUL or half a character, numbers of 64 bits."""
    if isinstance(value, str):
        return "\0" not in value and (value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value))
    return not isinstance(value, int) or value in _NUMBERS


def copied(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as JSON gives it back. Raises RequestError for what is not JSON: NaN, an infinity, objects."""
    try:
        copied: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as fault:
        raise RequestError(Problem("$", f"the document cannot be stored: {fault}")) from fault
    return copied


def columns(row: User | Preset) -> dict[str, Any]:
    """Return all of a row but its id, which is the store's to give."""
    return {name: value for name, value in asdict(row).items() if name != "id"}
