"""What Sentry is told of a fault of ours: what it is and where, and nothing of whom it befell."""

from __future__ import annotations

import gzip
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from tests.postgres import Server
from tests.served import PASSWORD, Browser, Served, data_folder, environ_of, running

if TYPE_CHECKING:
    from collections.abc import Iterator

BREAK = """
    CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the preset % is unlucky', NEW.name; END $$;
    CREATE TRIGGER broken BEFORE INSERT ON presets FOR EACH ROW EXECUTE FUNCTION broken();
"""
NAME = "names-of-presets-are-nobody's-business"


class _Receiver(BaseHTTPRequestHandler):
    """Takes what is sent to Sentry."""

    received: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name that it has
        pass


@contextmanager
def receiving() -> Iterator[tuple[str, list[bytes]]]:
    """Run a receiver; give its DSN, and what it has received so far."""
    received: list[bytes] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Receiver", (_Receiver,), {"received": received}))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://public@127.0.0.1:{server.server_port}/1", received
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """Return the settings of a database in which no preset can be saved: a fault that nobody thought of."""
    server = Server(18)
    made = server.database()
    with psycopg.connect(made.super_url, autocommit=True) as connection:
        connection.execute(BREAK)
    yield {
        "SEGMENTATION_DATABASE_URL": made.app_url,
        "SEGMENTATION_DATABASE_OWNER_URL": made.owner_url,
        "SEGMENTATION_AUDIT_KEY": "pL5vN8x-2WqRzT7mKc0_YbHj4DsGfEua",
    }
    server.stop()


def failed(address: str) -> str:
    """Run into the fault, and return the id of the request."""
    browser = Browser(address)
    assert browser.sign_in("analyst").status_code == 200
    answer = browser.post("/api/presets", {"preset_name": NAME, "preset_filter_json": {"filter": {}}})
    assert answer.status_code == 500
    assert "unlucky" not in answer.text
    return str(answer.json()["request_id"])


def events(received: list[bytes]) -> list[dict[str, Any]]:
    """Return the events among the envelopes: https://develop.sentry.dev/sdk/data-model/envelopes/."""
    found = []
    for envelope in received:
        lines = envelope.split(b"\n")
        for head, payload in zip(lines[1::2], lines[2::2], strict=False):
            if json.loads(head)["type"] == "event":
                found.append(json.loads(payload))
    return found


def test_a_fault_is_reported_once_without_anything_of_a_person(database: dict[str, str]) -> None:
    with receiving() as (dsn, received), told_to_stop(database | {"SEGMENTATION_SENTRY_DSN": dsn}) as server:
        request_id = failed(server.address)
    (event,) = events(received)
    fault = event["exception"]["values"][-1]
    assert fault["type"] == "RaiseException"
    assert fault["value"] == ""
    frames = fault["stacktrace"]["frames"]
    assert any(frame["function"] == "create_preset" for frame in frames)
    assert all(set(frame) <= {"filename", "function", "module", "lineno", "in_app"} for frame in frames)
    assert event["tags"] == {"logger": "segmentation.http", "request_id": request_id}
    assert set(event) <= {"event_id", "timestamp", "level", "platform", "environment", "release", "exception", "tags", "sdk"}  # fmt: skip
    sent = b"".join(received).decode()
    for told in (
        NAME,
        "unlucky",
        "analyst",
        PASSWORD,
        "csrf",
        "X-CSRF",
        "Cookie",
        "/home/",
        f"{Path.home()}/",
        str(Path(__file__).parents[2]),
        "site-packages/",
    ):
        assert told not in sent


def test_refusals_are_not_reported(database: dict[str, str]) -> None:
    with receiving() as (dsn, received), told_to_stop(database | {"SEGMENTATION_SENTRY_DSN": dsn}) as server:
        browser = Browser(server.address)
        browser.sign_in("analyst", "wrong")
        browser.http.get("/nothing")
        browser.http.post("/api/auth/login", content=b"{")
    assert received == []


@contextmanager
def told_to_stop(settings: dict[str, str]) -> Iterator[Served]:
    """Run a demo whose log may have a traceback, until it has been stopped in order."""
    with data_folder() as data:
        environ = environ_of(data) | settings | {"SEGMENTATION_DEMO_PASSWORD": PASSWORD}
        with running("--demo", environ=environ) as server:
            yield server
        assert server.process.returncode == 0
