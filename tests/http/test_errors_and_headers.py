"""What every answer has in common, faults of our own too."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest
from litestar import get
from litestar.exceptions import ImproperlyConfiguredException
from litestar.testing import TestClient
from msgspec.structs import replace

from adapters.memory import MemoryWork
from adapters.population import BitmapIndex
from entrypoints import demo
from entrypoints.container import Container
from entrypoints.http.access import Access, access, public
from entrypoints.http.app import create_app
from entrypoints.http.errors import STATUS, status_of
from entrypoints.settings import Settings
from segmentation_core import Catalog, Filter, errors
from segmentation_core.permissions import MANAGE_USERS, Permission
from segmentation_core.testing import everybody
from tests.served import PASSWORD, Browser, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CATALOG = Catalog.from_json(b"""{"name": "small", "version": "1",
    "dimensions": [{"id": "car", "kind": "single", "values": [{"id": "yes"}, {"id": "no"}]}],
    "segments": [{"id": "car_{car}", "for_each": ["car"]}]}""")


class _Miscounting(BitmapIndex):
    def size(self, wanted: Filter) -> int:
        return super().size(wanted) + 1


class _Failing(BitmapIndex):
    def size(self, wanted: Filter) -> int:
        raise RuntimeError(f"secret inside of {wanted}")


def _container(people: BitmapIndex, **environ: str) -> Container:
    settings = Settings.for_demo(environ, b"a" * 32)
    work = MemoryWork(settings.audit_key.encode())
    return Container(settings=settings, catalog=CATALOG, population=people, work=work)


class _Down(BitmapIndex):
    def size(self, wanted: Filter) -> int:  # noqa: ARG002
        raise errors.Unavailable("The population is away.") from ConnectionError("refused")


class _Full(BitmapIndex):
    def size(self, wanted: Filter) -> int:  # noqa: ARG002
        raise errors.Overloaded("Too many ask.")


@pytest.fixture
def client_of() -> Iterator[Callable[[type[BitmapIndex]], TestClient[Any]]]:
    opened: list[TestClient[Any]] = []

    def make(population: type[BitmapIndex]) -> TestClient[Any]:
        people = population.from_people(CATALOG, everybody(CATALOG))
        container = _container(people)
        client = TestClient(create_app(container), raise_server_exceptions=False)
        opened.append(client.__enter__())
        with client.portal() as portal:
            portal.call(demo.add_accounts, container.work(), container.passwords(), container.clock(), PASSWORD)
        signed = client.post("/api/auth/login", json={"username": "analyst", "password": PASSWORD})
        client.headers["X-CSRF-TOKEN"] = signed.cookies["csrf_token"]
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


ADDRESSES = [
    ("GET", "/", 200),
    ("GET", "/health", 200),
    ("GET", "/schema/openapi.json", 200),
    ("GET", "/nothing", 404),
    ("GET", "/api/build-audience", 405),
    ("POST", "/api/build-audience", 401),
    ("POST", "/api/auth/login", 400),
]


@pytest.mark.parametrize(("method", "path", "status"), ADDRESSES)
@pytest.mark.requirement(44)
def test_every_answer_carries_a_request_id_and_the_headers(
    browser: Browser, method: str, path: str, status: int
) -> None:
    answer = browser.http.request(method, path)
    assert answer.status_code == status
    assert len(answer.headers["x-request-id"]) == 16
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "server" not in answer.headers


@pytest.mark.parametrize(("method", "path", "status"), [entry for entry in ADDRESSES if entry[2] >= 400])
@pytest.mark.requirement(44)
def test_every_error_is_problem_details_with_a_sentence(browser: Browser, method: str, path: str, status: int) -> None:
    answer = browser.http.request(method, path)
    assert answer.headers["content-type"].startswith("application/problem+json")
    document = answer.json()
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    assert document["error"] == document["detail"]
    assert isinstance(document["errors"], list)


def test_a_plan_that_miscounts_is_never_sent(
    client_of: Callable[[type[BitmapIndex]], TestClient[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(_Miscounting)
    with caplog.at_level(logging.ERROR):
        answer = client.post("/api/build-audience", json={"audienceFilters": {"car": ["yes"]}})
    assert answer.status_code == 500
    assert "car_yes" not in answer.text
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.exc_info
    assert isinstance(record.exc_info[1], errors.PlanMismatch)
    assert answer.json()["request_id"] in record.getMessage()


@pytest.mark.requirement(49)
@pytest.mark.parametrize(("population", "said"), [(_Down, "The population is away."), (_Full, "Too many ask.")])
def test_what_is_away_or_full_has_one_traceback_and_a_request_id(
    client_of: Callable[[type[BitmapIndex]], TestClient[Any]],
    population: type[BitmapIndex],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = client_of(population).post("/api/build-audience", json={"audienceFilters": {}})
    assert (answer.status_code, answer.json()["error"]) == (503, said)
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["retry-after"]
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.levelno == logging.WARNING
    assert answer.json()["request_id"] in record.getMessage()


@pytest.mark.requirement(48, 49)
def test_a_fault_of_ours_tells_nothing_but_its_request_id(
    client_of: Callable[[type[BitmapIndex]], TestClient[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    answer = client_of(_Failing).post("/api/build-audience", json={"audienceFilters": {}})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert len([record for record in caplog.records if record.exc_info]) == 1


@pytest.mark.parametrize("path", ["/health?a=1", "/?b", "/health?a=1&a=2", "/schema/openapi.json?x=%00"])
@pytest.mark.requirement(29)
def test_a_query_parameter_that_nobody_reads_is_refused(browser: Browser, path: str) -> None:
    answer = browser.http.get(path)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["path"].startswith("query.")


def test_a_client_that_goes_away_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (address, _):  # which fails on a traceback in the log
        host, port = address.removeprefix("http://").split(":")
        for _ in range(5):
            with socket.create_connection((host, int(port))) as half:
                half.sendall(
                    b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    b"Content-Length: 100\r\n\r\n{"
                )
        assert Browser(address).http.get("/health").status_code == 200
    assert not caplog.records


def _kinds(kind: type[errors.SegmentationError]) -> Iterator[type[errors.SegmentationError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def test_every_core_error_has_its_status() -> None:
    for kind in _kinds(errors.SegmentationError):
        if kind is not errors.SegmentationError and kind.__module__ == errors.__name__:
            assert any(ancestor in STATUS for ancestor in kind.__mro__), kind
            assert 400 <= status_of(kind.__new__(kind)) < 600


UNKNOWN = Permission("open doors", "Open doors.", ("User",))


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ({}, "does not declare its access"),
        ({"access": "public"}, "does not declare its access"),
        (public(""), "is public without a reason"),
        (access(UNKNOWN, "own"), "is no permission"),
        ({"access": Access(MANAGE_USERS, "everything")}, "the tenancy 'everything'"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.requirement(20)
def test_a_route_that_does_not_declare_its_access_stops_the_application(
    monkeypatch: pytest.MonkeyPatch, declaration: dict[str, Any], said: str
) -> None:
    @get("/open-door", opt=declaration)
    async def open_door() -> None: ...

    monkeypatch.setattr("entrypoints.http.operations.health", open_door)
    with pytest.raises(ImproperlyConfiguredException, match=f"/open-door.*{said}"):
        create_app(_container(BitmapIndex.from_people(CATALOG, [])))


def test_who_asks_is_settled_before_what_is_asked(browser: Browser) -> None:
    assert browser.http.get("/api/auth/me?x=1").status_code == 401


@pytest.mark.requirement(44)
def test_in_production_every_answer_says_that_it_is_to_be_had_over_https_alone() -> None:
    origin = {"Origin": "https://ours.test"}
    preflight = origin | {"Access-Control-Request-Method": "PUT"}
    requests: list[tuple[str, str, dict[str, str], int]] = [
        ("GET", "/health", {}, 200),
        ("GET", "/schema/openapi.json", origin, 200),
        ("GET", "/nothing", {}, 404),
        ("PATCH", "/api/users", {}, 405),
        ("GET", "/api/users", origin, 401),
        ("POST", "/api/auth/login", {}, 400),
        ("GET", "/", {"Host": "evil.test"}, 400),
        ("OPTIONS", "/api/users", preflight, 204),
        ("OPTIONS", "/api/users", preflight | {"Origin": "https://other.test"}, 403),
        ("POST", "/api/build-audience", {}, 500),
    ]
    for environment, told in (("production", "max-age=31536000; includeSubDomains"), ("testing", None)):
        container = _container(
            _Failing.from_people(CATALOG, []),
            SEGMENTATION_CORS_ORIGINS="https://ours.test",
            SEGMENTATION_HOSTS="testserver.local",
        )
        settings = replace(container.settings(), environment=environment)
        container.settings.override(settings)
        with TestClient(create_app(container), raise_server_exceptions=False) as client:
            with client.portal() as portal:
                portal.call(demo.add_accounts, container.work(), container.passwords(), container.clock(), PASSWORD)
            signed = client.post("/api/auth/login", json={"username": "analyst", "password": PASSWORD})
            assert signed.headers.get("strict-transport-security") == told
            proof = {"Cookie": "; ".join(f"{name}={signed.cookies[name]}" for name in ("token", "csrf_token"))}
            proof |= {"X-CSRF-TOKEN": signed.cookies["csrf_token"]}
            for method, path, headers, status in requests:
                body: dict[str, Any] | None = {"audienceFilters": {}} if status == 500 else None
                sent = headers | (proof if status == 500 else {})
                answer = client.request(method, path, headers=sent, json=body)
                assert answer.status_code == status, (method, path)
                assert answer.headers.get("strict-transport-security") == told, (method, path)


@pytest.mark.requirement(45)
def test_listed_origins_alone_may_use_the_api_with_its_headers() -> None:
    container = _container(BitmapIndex.from_people(CATALOG, []), SEGMENTATION_CORS_ORIGINS="https://ours.test")
    with TestClient(create_app(container)) as client:
        asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-csrf-token"}
        allowed = client.options("/api/presets/1", headers={"Origin": "https://ours.test", **asked})
        names = {name.strip().lower() for name in allowed.headers["access-control-allow-headers"].split(",")}
        assert names >= {"content-type", "x-csrf-token", "if-match", "if-none-match"}
        assert allowed.headers["access-control-allow-origin"] == "https://ours.test"
        assert allowed.headers["access-control-allow-credentials"] == "true"
        assert (
            "access-control-allow-origin"
            not in client.options("/api/presets/1", headers={"Origin": "https://other.test", **asked}).headers
        )
        answer = client.get("/api/presets", headers={"Origin": "https://ours.test"})
        exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert exposed == {"etag", "x-request-id"}
        assert answer.headers["access-control-allow-origin"] == "https://ours.test"


def test_what_the_document_says_of_managing(browser: Browser) -> None:
    paths = browser.http.get("/schema/openapi.json").json()["paths"]
    operations = [operation for path in paths for operation in paths[path].values() if not path.startswith("/schema")]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] and name[0].islower() for operation, name in zip(operations, names, strict=True))
    parameters = {one["name"]: one for one in paths["/api/presets"]["get"]["parameters"]}
    assert set(parameters) == {"page", "limit", "search", "If-None-Match"}
    limits = {"type": "integer", "minimum": 1, "maximum": 100, "default": 10}
    assert limits.items() <= parameters["limit"]["schema"].items()
    assert {one["name"] for one in paths["/api/presets/{preset_id}"]["put"]["parameters"]} == {"preset_id", "If-Match"}
