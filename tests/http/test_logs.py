"""What the service writes down: a line a request, every fault of ours once, nothing forged, no secret."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from typing import TYPE_CHECKING

import pytest
import structlog

from entrypoints.logs import ACCESS, MASK, password_of, tell_request, write_logs
from tests.served import PASSWORD, Browser, data_folder, environ_of, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl"
HASH = "v1:$2b$12$abcdefghijklmnopqrstuuJ5pC9Y6ZQ1W0Yq5n2Xo9b8c7d6e5f4g"
FORGED = "x\r\n2026-01-01T00:00:00Z [info     ] forged\x1b[31m\x9b31m\u2028forged"


@pytest.fixture
def logged() -> Iterator[Callable[..., io.StringIO]]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()

    def begin(*, as_json: bool) -> io.StringIO:
        write_logs(as_json=as_json, secrets=["a key of\n'ours'", "p@ss", "0badc0de"], stream=stream)
        return stream

    yield begin
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)  # noqa: FBT003  its only parameter


def _fail() -> None:
    raise ValueError(f"{FORGED} a key of\n'ours' postgresql://app:hidden@db/x {JWT} {HASH} password='{PASSWORD}'")


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "people"])
@pytest.mark.requirement(48, 49)
def test_nothing_is_forged_and_no_secret_is_shown(logged: Callable[..., io.StringIO], *, as_json: bool) -> None:
    stream = logged(as_json=as_json)
    with structlog.contextvars.bound_contextvars(request_id="feedface"):
        logging.getLogger("anybody").warning(
            "said %s", FORGED, extra={"more": FORGED, "key": {"a": "a key of\n'ours'"}}
        )
        try:
            _fail()
        except ValueError:
            logging.getLogger("anybody").exception("failed with token=%s; p@ss", JWT)
    text = stream.getvalue()
    for secret in ("a key of", "hidden", JWT[:20], HASH[-20:], PASSWORD, "p@ss"):
        assert secret not in text, secret
    assert MASK in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", text)
    beginning = [line for line in text.splitlines() if not line.startswith(" ")]
    assert len(beginning) == 2
    assert all("feedface" in line for line in beginning)
    assert text.count("Traceback") == 1
    if as_json:
        records = [json.loads(line) for line in text.splitlines()]
        assert [record["level"] for record in records] == ["warning", "error"]
        assert records[0]["event"] == f"said {FORGED}"
        assert "Traceback" in records[1]["exception"]


@pytest.mark.parametrize(
    "said",
    [
        "PasswordChange(current_password='{}', new_password=\"{}\")",
        '{{"new_password": "{}", "username": "ana"}}',
        "SEGMENTATION_DEMO_PASSWORD={} segmentation serve",
        "PGPASSWORD={}",
        '{{"token": "{}"}}',
        "{{'token': '{}'}}",
        "Cookie: device={}; token={}; csrf_token={}",
        "(b'cookie', b'a=b; device={}')",
        "(b'authorization', b'Bearer {}')",
        "Authorization: Bearer {}",
        "[(b'x-csrf-token', b'{}')]",
        "('x-csrf-token', '{}')",
        '{{"password": "a\\"{}"}}',
        "{{'password': 'a\\\\\\'{}'}}",
    ],
)
@pytest.mark.requirement(48)
def test_what_has_the_shape_of_a_secret_is_masked(logged: Callable[..., io.StringIO], said: str) -> None:
    stream, hidden = logged(as_json=False), "Xq7-hidden_9"
    logging.getLogger("anybody").warning(
        "%s and more", said.replace("{}", hidden).replace("{{", "{").replace("}}", "}")
    )
    assert hidden not in stream.getvalue()
    assert MASK in stream.getvalue()
    assert "and more" in stream.getvalue()


@pytest.mark.requirement(48)
def test_a_long_text_is_looked_through_about_as_fast_as_one_of_another_shape(
    logged: Callable[..., io.StringIO],
) -> None:
    def took(text: str) -> float:
        begun = time.perf_counter()
        logging.getLogger("anybody").warning("%s", text)
        return time.perf_counter() - begun

    logged(as_json=False)
    plain = min(took("a " * 16_000) for _ in range(3))
    for unit in ("a.", "a-", "a+", "eyJ-", "eyJaaaaa.", "a://", "a://b:", "password", "password=", "token=", "Bearer "):
        text = unit * (32_000 // len(unit))
        assert min(took(text) for _ in range(3)) < 100 * plain + 0.1, unit


@pytest.mark.parametrize("name", ["password", "new_password", "token", "csrf_token", "device", "authorization"])
@pytest.mark.requirement(48)
def test_what_is_logged_under_the_name_of_a_secret_is_masked(logged: Callable[..., io.StringIO], name: str) -> None:
    stream = logged(as_json=True)
    logging.getLogger("anybody").warning("said", extra={name: "Xq7-hidden_9", "tokens": 17})
    assert json.loads(stream.getvalue()) | {name: MASK, "tokens": 17} == json.loads(stream.getvalue())


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "people"])
@pytest.mark.requirement(48, 49)
def test_access_lines_hide_and_escape_what_all_lines_do(logged: Callable[..., io.StringIO], *, as_json: bool) -> None:
    stream = logged(as_json=as_json)
    plain = {
        "client": "::1", "method": "GET", "milliseconds": 0.1, "request_id": "feedface", "route": "/x", "status": 200
    }  # fmt: skip
    odd = [{"client": FORGED}, {"route": f"/x {JWT}"}, {"method": "p@ss"}, {"client": "x\na key of\n'ours'"}]
    odd += [{"method": f"{'GET' * 400}p@ss"}, {"request_id": "1100badc0de1"}]
    for extra in odd * 2:  # the second time it is known what they are
        tell_request("GET", plain | extra)
    tell_request(f"PGPASSWORD={PASSWORD}", plain)
    tell_request("GET /x 200", plain)
    text = stream.getvalue()
    for secret in (JWT[:20], "p@ss", "a key of", PASSWORD, "0badc0de"):
        assert secret not in text, secret
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", text)
    told = text.splitlines()
    assert len(told) == 2 * len(odd) + 2
    assert all((MASK in line) is (number not in {0, len(odd), len(told) - 1}) for number, line in enumerate(told))
    if as_json:
        assert (
            json.loads(told[-1]).items() >= {**plain, "event": "GET /x 200", "logger": ACCESS, "level": "info"}.items()
        )
    else:
        said = "client=::1 method=GET milliseconds=0.1 request_id=feedface route=/x status=200"
        assert re.fullmatch(rf"[\d-]+T[\d:.]+Z \[info     \] GET /x 200 \[{re.escape(ACCESS)}\] {said}", told[-1])


def test_lines_of_requests_go_wherever_lines_go(logged: Callable[..., io.StringIO]) -> None:
    stream, more = logged(as_json=False), io.StringIO()
    other = logging.StreamHandler(more)
    logging.getLogger().addHandler(other)
    try:
        tell_request("GET /x 200", {"request_id": "feedface", "status": 200})
    finally:
        logging.getLogger().removeHandler(other)
    assert more.getvalue() == "GET /x 200\n"
    assert "request_id=feedface" in stream.getvalue()
    stream.close()
    tell_request("GET /x 200", {"status": 200})  # a stream that is gone is no reason to fail


def test_the_password_of_a_url_is_found() -> None:
    assert password_of("postgresql://app:p%40ss@db:5432/x?sslmode=require") == "p@ss"
    assert password_of("postgresql://app@/x?host=/run") == ""


@pytest.mark.requirement(49)
def test_a_line_a_request_and_what_the_server_says_itself() -> None:
    with data_folder() as data:
        environ = environ_of(data) | {"SEGMENTATION_DEMO_PASSWORD": PASSWORD}
        with running("--demo", environ=environ) as server:
            browser = Browser(server.address)
            answers = [browser.http.get("/nothing/%0d%0a2026-forged"), browser.sign_in("analyst")]
            token, csrf = browser.http.cookies["token"], browser.http.cookies["csrf_token"]
            answers += [
                browser.get("/api/presets/17"),
                browser.get("/api/auth/me"),
                browser.sign_in("analyst", "wrong one"),
            ]
            browser.http.request("BREW", "/", content=b"x")
        log = server.log
    lines = [line for line in log.splitlines() if "segmentation.access" in line]
    assert len(lines) == len(answers) + 1
    for line, answer in zip(lines, answers, strict=False):
        assert f"request_id={answer.headers['x-request-id']}" in line
        assert f"status={answer.status_code}" in line
        assert re.search(r"milliseconds=\d", line)
    assert "route=/api/presets/{preset_id" in lines[2]
    assert re.search(r"company_id=\d+ .*user_id=\d+", lines[2])
    assert "user_id" not in lines[1]
    for hidden in (token, csrf, PASSWORD, "wrong one", "forged", "presets/17"):
        assert hidden not in log, hidden
