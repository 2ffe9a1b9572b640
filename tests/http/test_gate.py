"""What is refused before a route is looked for, and what every answer has even then."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.served import Browser, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "https://ours.test"


@pytest.fixture(scope="module")
def proxied() -> Iterator[str]:
    """Return the address of a service behind a proxy on this machine, with a page at another origin."""
    with serving(SEGMENTATION_TRUSTED_PROXIES="127.0.0.1", SEGMENTATION_CORS_ORIGINS=OURS) as (address, _):
        yield address


def exchanged(address: str, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes to a server, and return the status, headers and body of what it answers until it closes."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(sent)
        answer = b""
        while (part := connection.recv(65_536)) and not _is_whole(answer := answer + part):
            pass
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), headers, body


def _is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


def asked(line: str, *headers: str, host: str = "localhost") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]).encode("latin-1")


REFUSED: list[tuple[str, bytes, int]] = [
    ("no such route", asked("GET /nothing"), 404),
    ("encoded nonsense", asked("GET /%FF%00"), 404),
    ("a whole address", asked("GET http://localhost/health"), 404),
    ("another method", asked("PATCH /api/users"), 405),
    ("HEAD", asked("HEAD /health"), 405),
    ("a long method", asked("BREW" * 9 + " /health"), 400),
    ("a very long method", asked("a." * 15_000 + " /health"), 400),
    ("a method of nobody", asked("BREW /api/users"), 405),
    ("OPTIONS of nothing", asked("OPTIONS /nothing"), 404),
    ("OPTIONS of everything", asked("OPTIONS *"), 404),
    ("another host", asked("GET /", host="evil.test"), 400),
    ("a host like ours", asked("GET /", host="localhost.evil.test"), 400),
    ("a host with our name as its user", asked("GET /", host="localhost@evil.test"), 400),
    ("a host with a list", asked("GET /", host="localhost, evil.test"), 400),
    ("no host", b"GET / HTTP/1.0\r\n\r\n", 400),
    ("a query that is not UTF-8", asked("GET /?a=%FF"), 400),
    ("a long address", asked("GET /?" + "a" * 9_000), 400),
    ("large headers", asked("GET /", "X-Large: " + "a" * 40_000), 400),
    ("many headers", asked("GET /", *["X-Many: a"] * 6_000), 400),
    ("a preflight of another origin", asked("OPTIONS /api/users", "Origin: https://evil.test", "Access-Control-Request-Method: PUT"), 403),
    ("a preflight of a sandbox", asked("OPTIONS /api/users", "Origin: null", "Access-Control-Request-Method: PUT"), 403),
    ("a preflight for another method", asked("OPTIONS /api/users", f"Origin: {OURS}", "Access-Control-Request-Method: PATCH"), 403),
    ("a preflight for another header", asked("OPTIONS /api/users", f"Origin: {OURS}", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: content-type, x-evil"), 403),
    ("a body that is too large", asked("POST /api/auth/login", "Content-Type: application/json", "Content-Length: 1000001").replace(b"Connection: close\r\n", b"") + b'"' + b"a" * 999_999 + b'"', 413),
    ("chunks that are too large", asked("POST /api/auth/login", "Content-Type: application/json", "Transfer-Encoding: chunked").replace(b"Connection: close\r\n", b"") + (b"fffff\r\n" + b"a" * 0xFFFFF + b"\r\n") * 2 + b"0\r\n\r\n", 413),
    ("a large proof", asked("POST /api/auth/login", "Content-Type: application/json", "Content-Length: 8001") + b'"' + b"a" * 7_999 + b'"', 413),
    ("a large proof in chunks", asked("POST /api/auth/forgot-password", "Content-Type: application/json", "Transfer-Encoding: chunked").replace(b"Connection: close\r\n", b"") + b"1f41\r\n" + b"a" * 8001 + b"\r\n0\r\n\r\n", 413),
    ("text", asked("POST /api/auth/login", "Content-Type: text/plain", "Content-Length: 2") + b"{}", 415),
    ("no type", asked("POST /api/auth/login", "Content-Length: 2") + b"{}", 415),
    ("an upgrade", asked("GET /nothing", "Upgrade: websocket", "Connection: Upgrade"), 404),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "status"), [pytest.param(*rest, id=name) for name, *rest in REFUSED])
@pytest.mark.requirement(44, 46)
def test_every_refusal_is_problem_details_with_the_headers(proxied: str, sent: bytes, status: int) -> None:
    found, headers, body = exchanged(proxied, sent)
    assert found == status
    if not sent.startswith(b"HEAD"):
        document: dict[str, Any] = json.loads(body)
        assert document["status"] == status
        assert document["error"] == document["detail"]
        assert document["error"]
        assert document["errors"] == [] or all(one["path"] for one in document["errors"])
    assert headers["content-type"].startswith("application/problem+json")
    _has_the_headers(headers)


def _has_the_headers(headers: dict[str, str]) -> None:
    assert len(headers["x-request-id"]) == 16
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "geolocation=()" in headers["permissions-policy"]
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert "Origin" in headers["vary"].split(", ")
    assert "server" not in headers


@pytest.mark.requirement(31, 48)
@pytest.mark.parametrize("unit", ["a.", "a-", "eyJ-", "a://", "password=", "token=", "v1:$2a$", "eyJaaaaa.-"])
def test_what_is_told_of_a_request_holds_nobody_up(proxied: str, unit: str) -> None:
    """A line of the log is looked through for secrets: a long method kept a worker from all else for 5 s and more."""
    begun = time.monotonic()
    method = re.sub(r"[^!#$%&'*+.^_`|~0-9A-Za-z-]", "-", unit * (30_000 // len(unit)))
    for sent in (f"{method} /health HTTP/1.1", f"GET /{unit * (8_000 // len(unit))} HTTP/1.1"):
        exchanged(proxied, f"{sent}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert time.monotonic() - begun < 2


@pytest.mark.requirement(44, 45)
def test_a_preflight_of_our_page_has_the_headers_too(proxied: str) -> None:
    sent = asked("OPTIONS /api/users", f"Origin: {OURS}", "Access-Control-Request-Method: PUT")
    status, headers, body = exchanged(proxied, sent)
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == OURS
    _has_the_headers(headers)


def test_health_is_told_to_whoever_asks_by_the_address_of_the_machine(proxied: str) -> None:
    for path in ("/health", "/health/ready"):
        assert exchanged(proxied, asked(f"GET {path}", host="10.1.2.3:8000"))[0] == 200


@pytest.mark.requirement(46)
def test_our_names_are_known_whatever_their_case_and_port(proxied: str) -> None:
    for host in ("localhost", "LocalHost:1", "127.0.0.1:8000", "[::1]:8000", "[::1]"):
        assert exchanged(proxied, asked("GET /", host=host))[0] == 200, host


def test_a_request_id_of_the_client_is_not_taken_over(proxied: str) -> None:
    forged = "feedfacefeedface"
    _, headers, _ = exchanged(proxied, asked("GET /health", f"X-Request-ID: {forged}"))
    assert headers["x-request-id"] != forged


@pytest.mark.requirement(31)
def test_a_body_of_just_the_limit_is_read(proxied: str) -> None:
    body = b'"' + b"a" * 7_998 + b'"'
    head = asked("POST /api/auth/login", "Content-Type: application/json", "Content-Length: 8000")
    assert exchanged(proxied, head + body)[0] == 400


@pytest.mark.requirement(18)
def test_no_body_needs_no_content_type(browser: Browser) -> None:
    assert browser.http.post("/api/auth/logout").status_code == 200
