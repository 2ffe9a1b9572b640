"""Values that have broken services: as bytes, since some are no text, and as fragments of JSON.

Drawn from the OWASP Web Security Testing Guide, the Big List of Naughty Strings, and what this service was seen to
stumble over.
"""

from __future__ import annotations

import json
from typing import Final

_TEXTS: Final = (
    # nothing, blanks, controls
    "", " ", "\t", "\n", "\r\n", "\0", "a\0b", "\x01", "\x08", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x7f", "\x85",
    "\u00a0", "\u2028", "\u2029", "\u200b", "\ufeff", "\ufffe", "\uffff", "\U0010ffff", "\U000e0001",
    # directions, marks, look-alikes, numbers of other scripts
    "\u202eabc", "\u2066abc\u2069", "a\u0301" * 40, "Z\u0351\u036b\u0343\u032a\u0302", "\u0430dmin", "\uff41dmin", "adm\u0131n", "ADM\u0130N",
    "stra\u00dfe", "\ufb01le", "\u0661\u0662\u0663", "\u096a\u0968", "\uff11\uff12", "\u00b2", "\u2460", "\U0001d7d8", "\u216b",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f3f4\U000e0067\U000e0062", "\u1f71", "\u03ac", "\u212a", "\u00c5",
    # numbers that are none, or too much
    "0", "-0", "-1", "+1", "1_000", "1.0", "1e3", "0x10", "0b1", "1e309", "-1e309", "NaN", "Infinity", "-Infinity",
    "2147483648", "9223372036854775807", "9223372036854775808", "18446744073709551616", "9" * 400, "9" * 5_000,
    "00000001", "1 ", " 1", "1,2", "1;2", "0.1" + "0" * 300 + "1", "true", "false", "null", "None", "undefined",
    # SQL
    "'", "''", '"', "\\", "';--", "' OR '1'='1", "1 OR 1=1", "1; DROP TABLE users", "%", "_", "%%%%", "\\%", "$1", ":a",
    "%(key)s", "%s%s%n", "$$a$$", "1' AND pg_sleep(5)--", "');SELECT pg_sleep(5);--", "E'\\x00'", "/**/UNION/**/SELECT",
    # shells, templates, formats, deserialisers
    "`sleep 5`", "$(sleep 5)", "; sleep 5 #", "| cat /etc/passwd", "&& sleep 5", "{{7*7}}", "${7*7}", "#{7*7}", "<%= 7*7 %>",
    "{0.__class__}", "{self}", "%x%x%x", "${jndi:ldap://localhost/a}", "__proto__", "constructor", "!!python/object:os.system",
    # markup, spreadsheets
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<!--", "]]>", "&lt;", "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
    "=1+1", "+1+1", "-1+1", "@SUM(1)", "javascript:alert(1)",
    # headers and paths
    "a\r\nX-Injected: 1", "a\nSet-Cookie: token=x", "%0d%0aX-Injected:%201", "../../etc/passwd", "..\\..\\x", "....//", "/etc/passwd",
    "//example.test", "%2e%2e%2f", "%00", "%", "%zz", "%c0%af", "%u0041", "file:///etc/passwd", "http://127.0.0.1:1/", "C:\\x", "a/b", ".", "..", "?a=1", "#a",
    # times and names out of range
    "0000-00-00", "2026-02-30T00:00:00Z", "9999-12-31T23:59:60Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2026-01-01", "2026-01-01T00:00:00+99:99",
    "SuperAdmin", "superadmin", "administrator", "root",
    # lengths
    "a" * 256, "a" * 4_097, "\u00e9" * 5_000, "\U0001f600" * 2_000, "a." * 2_000, "(" * 1_000, "[" * 3_000, "a=1;" * 500, "W/" * 300 + '"a"', '"' * 999,
)  # fmt: skip

_BYTES: Final = (
    b"\xff", b"\xfe\xff", b"\xc0\xaf", b"\xc3\x28", b"\xed\xa0\x80", b"\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80",
    b"\x80abc", b"abc\xe2\x82", b"\x00\xff", b"\xef\xbb\xbfabc", "é".encode("latin-1"), "Ж".encode("cp1251"), "中".encode("gbk"), "a".encode("utf-16"),
)  # fmt: skip

TEXTS: Final[tuple[bytes, ...]] = tuple(dict.fromkeys([*(text.encode() for text in _TEXTS), *_BYTES]))
"""What goes where text goes."""

_FRAGMENTS: Final = (
    b"null", b"true", b"false", b"0", b"-0", b"1", b"-1", b"1.5", b"1e400", b"-1e400", b"1e-400", b"9223372036854775808", b"9" * 401, b"9" * 5_000,
    b"0.1" + b"0" * 400, b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b"0x1", b"[]", b"{}", b"[[]]", b"[null]", b'[""]', b'["a", 1]', b'{"": ""}', b'{"a": {"b": {}}}',
    b'{"__proto__": {"dsp": false}}', b'{"$ne": null}', b'{"a": 1, "a": 2}', b"[" * 31 + b"]" * 31, b"[" * 40 + b"]" * 40, b"[" * 5_000 + b"]" * 5_000, b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    b'{"not":' * 30 + b"{}" + b"}" * 30, b"[" + b"1," * 20_000 + b"1]", b'"' + b"a" * 100_000 + b'"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\\ud83d\\ude00"', b'"\\x41"', b'"',
    b"'a'", b"//", b"/* */ 1", b"1 2", b"", b",", b"}", b"]", b"undefined", b'"a\nb"', b"\xff", b'{"dimension": "age", "in": [{}]}', b'{"and": [[]]}', b'{"or": {}}', b'{"preset": -1}',
    b'{"age": "30-40"}', b'{"age": [null]}', b'{"age": [["30-40"]]}', b'{"\\u0000": ["a"]}', b'{"audienceFilters": {}, "filter": {}}', b'{"filter": {"between": []}}', b'{"filter": []}', b'"{\\"audienceFilters\\": {}}"',
)  # fmt: skip


def _as_json(text: bytes) -> bytes:
    try:
        return json.dumps(text.decode(), ensure_ascii=False).encode()
    except UnicodeDecodeError:
        return b'"' + text + b'"'


FRAGMENTS: Final[tuple[bytes, ...]] = tuple(dict.fromkeys([*map(_as_json, TEXTS), *_FRAGMENTS]))
"""What goes where a value of JSON goes."""
