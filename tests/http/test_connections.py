"""Slow clients, too many of them, and a service that is told to stop."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from entrypoints.connections import MOST_OF_ONE_ADDRESS, READING_TIMES
from tests.served import PASSWORD, Browser, data_folder, environ_of, running, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 1.0


@pytest.fixture(scope="module")
def hurried() -> Iterator[str]:
    """Return the address of a service whose requests have a second."""
    with serving(SEGMENTATION_REQUEST_SECONDS=str(SECONDS)) as (address, _):
        yield address


def connected(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def until_refused(address: str) -> None:
    """Wait until a service takes no more connections."""
    with suppress(ConnectionRefusedError):
        while True:
            connected(address).close()
            time.sleep(0.02)


def seconds_until_closed(connection: socket.socket) -> float:
    begun = time.monotonic()
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return time.monotonic() - begun


@pytest.mark.requirement(46)
def test_heads_that_do_not_arrive_end_their_connections_while_health_answers(hurried: str) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(hurried)) for _ in range(50)]
        for connection in slow[:40]:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        begun, times = time.monotonic(), []
        while time.monotonic() - begun < SECONDS * 0.8:
            for connection in slow[:40]:
                connection.sendall(b"a")
            asked = time.monotonic()
            assert Browser(hurried).get("/health").status_code == 200
            times.append(time.monotonic() - asked)
            time.sleep(0.05)
        assert max(times) < 0.5
        assert all(seconds_until_closed(connection) < SECONDS * 2 for connection in slow)


@pytest.mark.requirement(46)
def test_no_address_takes_more_connections_than_its_share(hurried: str) -> None:
    with ExitStack() as stack:
        taken = [stack.enter_context(connected(hurried)) for _ in range(MOST_OF_ONE_ADDRESS + 10)]
        assert all(seconds_until_closed(one) < SECONDS / 2 for one in taken[-10:])
        host, port = hurried.removeprefix("http://").split(":")
        other = socket.create_connection((host, int(port)), timeout=20, source_address=("127.0.0.2", 0))
        with other:
            other.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.requirement(37, 46)
def test_a_body_that_does_not_arrive_is_answered_in_time_and_ends_its_connection(hurried: str) -> None:
    with connected(hurried) as connection:
        connection.sendall(
            b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer
        assert b"x-request-id" in answer.lower()
        assert seconds_until_closed(connection) < 1


def test_a_body_that_drips_after_its_answer_ends_its_connection(hurried: str) -> None:
    with connected(hurried) as connection:
        connection.sendall(
            b"POST /api/users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\n\r\n{"
        )
        assert connection.recv(65_536).startswith(b"HTTP/1.1 401 ")
        begun = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - begun < 8:
                connection.sendall(b" ")
                time.sleep(0.1)
        assert time.monotonic() - begun < SECONDS + 3


def test_a_connection_serves_several_requests_in_its_time(hurried: str) -> None:
    with httpx.Client(base_url=hurried) as client:
        for _ in range(4):
            assert client.get("/health").status_code == 200
            time.sleep(SECONDS * 0.6)


def test_a_client_that_does_not_read_its_answers_ends_its_connection(hurried: str) -> None:
    asked = b"GET /schema/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(hurried) as connection:
        connection.settimeout(1)
        sent = 0
        with suppress(TimeoutError):
            while True:
                sent += connection.send(asked * 100)
        time.sleep(SECONDS * READING_TIMES)
        connection.settimeout(20)
        read = 0
        with suppress(ConnectionError):
            while part := connection.recv(1 << 20):
                read += part.count(b"HTTP/1.1 200")
        assert read < sent // len(asked)


@pytest.mark.requirement(42)
def test_only_trusted_proxies_tell_who_asks() -> None:
    told = "203.0.113.7"
    cases = [
        ("127.0.0.1", [told], told),
        ("127.0.0.1", [f"198.51.100.1, {told}"], told),
        ("127.0.0.1", ["198.51.100.1", told], told),
        ("127.0.0.1", [f"{told}, 127.0.0.1"], told),
        ("127.0.0.1", [f"{told}:4711"], told),
        ("127.0.0.1", ["[2001:db8::1:2:3:4]:4711"], "2001:db8::/64"),
        ("127.0.0.1", ["2001:db8::1:2:3:4"], "2001:db8::/64"),
        ("127.0.0.1", ["nonsense\tx"], "unknown"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("", [told], "127.0.0.1"),
    ]
    for trusted in ("127.0.0.1", ""):
        with data_folder() as data:
            environ = environ_of(data) | ({"SEGMENTATION_TRUSTED_PROXIES": trusted} if trusted else {})
            mine = [(given, seen) for whom, given, seen in cases if whom == trusted]
            with running("--demo", environ=environ) as server:
                for given, _ in mine:
                    lines = "".join(f"X-Forwarded-For: {one}\r\n" for one in given)
                    with connected(server.address) as connection:
                        connection.sendall(
                            f"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n".encode()
                        )
                        seconds_until_closed(connection)
            clients = [line.split("client=")[1].split()[0] for line in server.log.splitlines() if "client=" in line]
            assert clients == [seen for _, seen in mine]


@pytest.mark.requirement(52)
def test_no_acknowledged_request_is_lost_when_the_service_is_told_to_stop() -> None:
    with data_folder() as data:
        environ = environ_of(data) | {"SEGMENTATION_DEMO_PASSWORD": PASSWORD, "SEGMENTATION_DRAIN_SECONDS": "0.5"}
        saved: list[str] = []
        refused: list[int] = []
        with running("--demo", environ=environ) as server:
            browsers = [Browser(server.address) for _ in range(4)]
            for browser in browsers:
                assert browser.sign_in("analyst").status_code == 200

            def save(number: int) -> None:
                count = 0
                while True:
                    name = f"preset {number}-{count}"
                    document = {"preset_name": name, "preset_filter_json": {"audienceFilters": {}}}
                    try:
                        answer = browsers[number].post("/api/presets", document)
                    except httpx.TransportError:
                        return
                    saved.append(name) if answer.status_code == 201 else refused.append(answer.status_code)
                    count += 1

            threads = [threading.Thread(target=save, args=[number]) for number in range(4)]
            for thread in threads:
                thread.start()
            time.sleep(1)
            begun = time.monotonic()
            late = connected(server.address)
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.25)
            leaving = Browser(server.address).get("/health/ready")
            assert leaving.status_code == 503
            assert "about to stop" in leaving.json()["error"]
            assert Browser(server.address).get("/health").status_code == 200
            until_refused(server.address)
            with late:
                late.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert late.recv(65_536).startswith(b"HTTP/1.1 200")
                assert seconds_until_closed(late) < 10
            assert server.process.wait(10) == 0
            assert time.monotonic() - begun < 10
            for thread in threads:
                thread.join()
        assert not refused
        assert len(saved) > 10
        assert not server.faults
        with running("--demo", environ=environ) as again:
            analyst = Browser(again.address)
            analyst.sign_in("analyst")
            kept = {one["preset_name"] for one in analyst.get("/api/presets/list").json()["presets"]}
            assert kept >= set(saved)


def test_a_second_signal_ends_it_at_once() -> None:
    with data_folder() as data:
        environ = environ_of(data) | {"SEGMENTATION_DRAIN_SECONDS": "60"}
        with running("--demo", environ=environ) as server:
            os.kill(server.process.pid, signal.SIGTERM)
            time.sleep(0.3)
            assert server.process.poll() is None
            os.kill(server.process.pid, signal.SIGTERM)
            assert server.process.wait(10) == 0
