"""Reading JSON text without losing anything of it.

The standard reader takes the last of two equal keys, and NaN; both would silently change what a filter or a catalogue
says. Here each is refused, as are half surrogate pairs, invalid UTF-8 and nesting that could exhaust a stack, before
anything recurses. Paths follow one notation: `$.and[2].in[0]`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from segmentation_core.errors import DocumentError, Problem, excerpt

MAX_DEPTH = 32
"""How deep arrays and objects may nest in any document."""

_LONGEST_KEY = 80
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}\Z")
_HALF = re.compile("[\ud800-\udfff]")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKETS = b"[]{}"
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_OF_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_MAX_INTEGER_DIGITS = 400


def at(path: str, step: str | int) -> str:
    """Return the path of what `step` leads to from `path`: an index of an array or a key, shortened, of an object."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    if _PLAIN_KEY.match(step):
        return f"{path}.{step}"
    shown = step if len(step) <= _LONGEST_KEY else step[: _LONGEST_KEY - 1] + "…"
    return f"{path}[{json.dumps(shown, ensure_ascii=not _is_whole(shown))}]"


def parse_json(text: str | bytes, *, max_depth: int = MAX_DEPTH) -> Any:  # noqa: ANN401
    """Return what the JSON `text` says, as dicts, lists, strings, numbers, booleans and None.

    Raises DocumentError for text that is not JSON (RFC 8259), with the line and column, or not UTF-8, with the byte;
    and for what nests deeper than `max_depth`, gives a key twice, or holds NaN, an infinity, a fraction past the range
    of a double, an integer of more than 400 digits, or half a surrogate pair.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as fault:
            raise DocumentError(Problem("$", f"byte {fault.start} is not UTF-8")) from fault
    else:
        _refuse_half_characters(text)
    _refuse_deep(text, max_depth)
    try:
        document = json.loads(
            text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_float
        )
        if "\\u" in text:
            _refuse_half_characters(json.dumps(document, ensure_ascii=False))
    except json.JSONDecodeError as fault:
        place = f"line {fault.lineno}, column {fault.colno}"
        raise DocumentError(Problem("$", f"not JSON at {place}: {fault.msg}")) from fault
    return document


def _refuse_half_characters(text: str) -> None:
    if not _is_whole(text):
        raise DocumentError(Problem("$", "a string holds half of a surrogate pair"))


def _is_whole(text: str) -> bool:
    return text.isascii() or not _HALF.search(text)


def _refuse_deep(text: str, max_depth: int) -> None:
    if text.count("[") + text.count("{") <= max_depth:
        return
    bare = _STRING.sub("", text) if '"' in text else text
    rest = bare.encode().translate(_OF_ONE_KIND, _NOT_BRACKETS)
    # Each round takes the innermost pairs away, at the speed of a search in bytes: what is left then is too deep.
    rounds = 0 if b"[" * (max_depth + 1) in rest else max_depth
    for _ in range(rounds):
        rest = rest.replace(b"[]", b"")
    if rest.count(b"[") > max_depth or b"[]" in rest:
        raise DocumentError(Problem("$", f"nested more than {max_depth} deep"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise DocumentError(Problem("$", f"the key {excerpt(twice)} stands twice in one object", excerpt(twice)))
    return found


def _constant(name: str) -> float:
    raise DocumentError(Problem("$", f"{name} is not JSON", name))


def _integer(digits: str) -> int:
    if len(digits) > _MAX_INTEGER_DIGITS:
        raise DocumentError(Problem("$", f"a number of {len(digits)} digits"))
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise DocumentError(Problem("$", f"the number {digits[:40]} is out of range"))
    return number
