"""Hostile values in every place of every operation: refused or stored, and nothing breaks, waits or leaks."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_from_bytes

import pytest

from tests.security.corpus import FRAGMENTS, TEXTS
from tests.security.stand import Caller, Operation, Stand
from tests.security.wire import Answer, Headers, Wire
from tests.served import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOWEST: Final = 2.0
THREADS: Final = 4
COMMON: Final = {"dev": 0.01, "ci": 0.1, "nightly": 1.0}
OWN: Final = {"dev": 0.04, "ci": 1.0, "nightly": 1.0}
"""Which part is sent of what goes to places that all operations have in common, and to those of their own."""

SHARED: Final = (
    "header X-CSRF-TOKEN",
    "header Origin",
    "header X-Forwarded-For",
    "header Accept",
    "header Sec-Fetch-Site",
    "header X-Request-ID",
    "cookie",
    "Content-Type",
    "query of none",
)

READ_OF_ALL: Final = ("X-CSRF-TOKEN", "Origin", "X-Forwarded-For", "Accept", "Sec-Fetch-Site", "X-Request-ID")
"""Headers that are read of requests to any operation."""

HASHING: Final = {"signIn", "changePassword", "resetPassword", "createUser", "changeUser"}
"""What may be told to come again, where too many passwords are to be hashed."""


@dataclass(frozen=True)
class Request:
    """One hostile value in one place."""

    operation: Operation
    place: str
    target: bytes
    headers: Headers
    body: bytes

    def __str__(self) -> str:
        return (
            f"{self.operation.method} {self.target[:200]!r} {self.place} {self.headers[-1:]!r:.300} {self.body[:200]!r}"
        )


def requests(stand: Stand) -> Iterator[Request]:
    """Give every operation with each value of the corpus in each of its places, and all else as it should be.

    Each comes from an address of its own, so that no limit keeps it from being looked at.
    """
    boss = stand.person("SuperAdmin")
    caller = stand.caller(boss)
    ids = {"user_id": str(stand.person().id), "preset_id": str(stand.preset_of(boss)), "username": boss.username}
    signs_in = {"username": boss.username, "password": PASSWORD}
    number = count()
    for name, operation in stand.operations().items():
        example = signs_in if name == "signIn" else operation.example
        for request in _of_operation(operation, caller, ids, example):
            address = (b"X-Forwarded-For", str(ip_address(0x0A000000 + next(number))).encode())
            sent = request.headers if request.place == "header X-Forwarded-For" else [address, *request.headers]
            yield replace(request, headers=sent)


def _of_operation(
    operation: Operation, caller: Caller, ids: dict[str, str], example: dict[str, Any] | None
) -> Iterator[Request]:
    path = operation.path
    for name, known in ids.items():
        path = path.replace(f"{{{name}}}", known)
    target, body = path.encode(), b"" if example is None else json.dumps(example).encode()
    proof = {"token": caller.token, "csrf_token": caller.csrf_token} if operation.protected else {}
    kind: Headers = [(b"Content-Type", b"application/json")] if example is not None else []
    csrf: Headers = [(b"X-CSRF-TOKEN", caller.csrf_token.encode())] if operation.protected else []
    whole: Headers = [*kind, *csrf, (b"Cookie", _cookies(proof))]
    for value in TEXTS:
        escaped = quote_from_bytes(value, safe="").encode()
        for name in operation.parameters("path"):
            at = operation.path.replace(f"{{{name}}}", "\0").encode().replace(b"\0", escaped)
            yield Request(operation, f"path {name}", at, whole, body)
        for name in operation.parameters("query"):
            yield Request(operation, f"query {name}", target + f"?{name}=".encode() + escaped, whole, body)
        yield Request(operation, "query of none", target + b"?" + escaped, whole, body)
        for header in (*operation.parameters("header"), *READ_OF_ALL):
            others = [(name, said) for name, said in whole if name != header.encode()]
            yield Request(operation, f"header {header}", target, [*others, (header.encode(), value)], body)
        weighed = (b"Accept", b"text/csv;q=" + value + b", text/html;q=" + value)
        yield Request(operation, "header Accept", target, [*whole, weighed], body)
        for cookie in ("token", "csrf_token", "device"):
            said = _cookies({**proof, cookie: ""}).replace(f"{cookie}=".encode(), f"{cookie}=".encode() + value)
            yield Request(operation, f"cookie {cookie}", target, [*kind, *csrf, (b"Cookie", said)], body)
        if example is not None:
            yield Request(operation, "whole body", target, whole, value)
            typed = [(b"Content-Type", value), *csrf, (b"Cookie", _cookies(proof))]
            yield Request(operation, "Content-Type", target, typed, body)
    for field in example or ():
        for fragment in FRAGMENTS:
            spoilt = json.dumps({**(example or {}), field: "\1"}).encode().replace(b'"\\u0001"', fragment)
            yield Request(operation, f"field {field}", target, whole, spoilt)


def _cookies(said: dict[str, str]) -> bytes:
    return "; ".join(f"{name}={value}" for name, value in said.items()).encode()


def allowed(request: Request) -> set[int]:
    """Return the statuses that are documented, and no fault of ours."""
    found = {int(status) for status in request.operation.said["responses"] if int(status) < 500}
    if request.operation.said["operationId"] in HASHING:
        found.add(503)
    if request.place.startswith("path"):
        found |= {200, 404, 405}  # some values are another address
    return found


def faults(request: Request, answer: Answer) -> list[str]:
    """Tell what is wrong with an answer to a hostile request."""
    found = []
    if answer.seconds > SLOWEST:
        found.append(f"took {answer.seconds:.1f} s")
    if answer.by_the_parser:
        raw = b"".join(value for _, value in request.headers)
        return found if set(raw) & {*range(32), 127} or len(raw) > 8_000 else [*found, "the parser refused it"]
    if answer.status not in allowed(request):
        found.append(f"status {answer.status} is a fault of ours, or not documented")
    if "x-injected" in answer.headers:
        found.append("a header was injected")
    if answer.status >= 400:
        if answer.headers.get("content-type") != "application/problem+json; charset=utf-8":
            found.append(f"no problem details: {answer.headers}")
        elif json.loads(answer.body)["status"] != answer.status:
            found.append("problem details of another status")
    if b"Traceback" in answer.body or b"psycopg" in answer.body:
        found.append("tells of the inside")
    return found


@pytest.mark.requirement(13, 17, 18, 22, 27, 28, 29, 32)
def test_no_hostile_value_breaks_delays_or_leaks_anything(stand: Stand, profile: str) -> None:
    assert len(TEXTS) >= 120
    wrong: list[str] = []
    slowest: list[float] = []
    drawn = random.Random(27)
    part = {True: COMMON[profile], False: OWN[profile]}
    pending = iter([one for one in requests(stand) if drawn.random() < part[one.place.startswith(SHARED)]])

    def run() -> None:
        with Wire(stand.address) as wire:
            for request in pending:
                answer = wire.send(request.operation.method, request.target, request.headers, request.body)
                slowest.append(answer.seconds)
                wrong.extend(
                    f"{fault}: {request} -> {answer.status} {answer.body[:300]!r}" for fault in faults(request, answer)
                )

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(run) for _ in range(THREADS)]:
            done.result()
    assert not wrong, f"{len(wrong)}: " + "\n".join(wrong[:20])
    with Wire(stand.address) as wire:
        assert wire.send("GET", b"/health", []).status == 200
    print(f"{len(slowest)} requests, the slowest {max(slowest):.2f} s")
    assert len(slowest) >= (100 if profile == "dev" else 10_000)
