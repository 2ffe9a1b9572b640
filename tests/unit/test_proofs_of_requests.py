"""What a request has to carry, seen from within: cookies, headers, permissions, and whose page sends it."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from litestar import Litestar, get, post
from litestar.exceptions import ImproperlyConfiguredException
from litestar.testing import AsyncTestClient

from adapters.thinking import ThreadedThinking
from entrypoints.http.access import Access, access, declared, is_public, operations, public, require_declared_access
from entrypoints.http.auth import DEVICE, cleared_cookies, guard, session_cookies
from entrypoints.http.clients import client_of, require_own_page
from entrypoints.http.errors import respond
from entrypoints.http.requests import LARGEST_INLINE, ApiRequest
from segmentation_core.errors import Forbidden
from segmentation_core.permissions import MANAGE_USERS, OWN_ACCOUNT, Permission
from segmentation_core.sessions import SignedIn
from tests.unit.house import PASSWORD, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio
PAGES: Final = ("https://ours.test",)


@get("/own", opt=access(OWN_ACCOUNT, "own"), summary="One's own")
async def own(request: ApiRequest) -> dict[str, Any]:
    return {"name": request.user.username}


@get("/managed", opt=access(MANAGE_USERS, "company"))
async def managed() -> None: ...


@get("/open", opt=public("It is for everybody."))
async def opened() -> None: ...


@get("/silent")
async def silent() -> None: ...


@post("/from-a-page", opt=public("It looks at the page."), status_code=200)
async def from_a_page(request: ApiRequest) -> dict[str, Any]:
    require_own_page(request, PAGES)
    client = client_of(request)
    return {"address": client.address, "device": client.device}


class Signed:
    """A client of an application, and the proof of a session."""

    def __init__(self, client: AsyncTestClient[Litestar], signed: SignedIn) -> None:
        self.client = client
        self.token, self.csrf = signed.token, signed.csrf_token

    async def status(self, path: str, cookie: str | None = None, *headers: tuple[str, str]) -> int:
        """Return the status of a call with another Cookie header, or further headers in place of the CSRF token's.

        Clients join headers of one name, so that it goes to the application as it is.
        """
        cookie = f"token={self.token}; csrf_token={self.csrf}" if cookie is None else cookie
        sent = [("Cookie", cookie), *(headers or [("X-CSRF-TOKEN", self.csrf)])]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent],
            "client": ("192.0.2.1", 1),
            "server": ("testserver.local", 80),
        }
        answered: list[Any] = []

        async def receive() -> Any:  # noqa: ANN401  a message of ASGI
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401
            answered.append(message)

        await self.client.app(scope, receive, send)
        return int(answered[0]["status"])


@pytest.fixture
async def signed() -> AsyncIterator[Signed]:
    house = House()
    await house.add(await house.root(), "ana", company="Demo")
    _, proof = await house.sign_in("ana", PASSWORD)
    app = Litestar(
        [own, managed, opened, silent, from_a_page],
        guards=[guard(house.authenticate)],
        request_class=ApiRequest,
        exception_handlers={Exception: respond},
        openapi_config=None,
        logging_config=None,
    )
    async with AsyncTestClient(app) as client:
        yield Signed(client, proof)


@pytest.mark.requirement(16, 20)
async def test_a_route_is_called_by_those_who_hold_what_it_declares(signed: Signed) -> None:
    found = [await signed.status(path) for path in ("/own", "/managed", "/open", "/silent")]
    assert found == [200, 403, 200, 403]
    assert await signed.status("/open", "") == 200
    assert await signed.status("/silent", "") == 401
    assert (await signed.client.options("/own")).status_code == 204


@pytest.mark.requirement(13, 16)
async def test_each_part_of_the_proof_is_sent_once(signed: Signed) -> None:
    token, csrf = f"token={signed.token}", f"csrf_token={signed.csrf}"
    assert await signed.status("/own", f"other=1;{csrf} ; token = {signed.token} ") == 200
    for cookie in (
        token,
        csrf,
        f"{token}; csrf_token=",
        f"token=; {csrf}",
        f"{token}; {csrf}; {token}",
        f"{csrf}; {token}; {csrf}",
    ):
        assert await signed.status("/own", cookie) == 401, cookie
    once = ("X-CSRF-TOKEN", signed.csrf)
    assert await signed.status("/own", None, once) == 200
    assert await signed.status("/own", None, once, once) == 401
    assert await signed.status("/own", None, ("X-Other", "1")) == 401
    assert await signed.status("/own", None, ("X-CSRF-TOKEN", "another")) == 403


@pytest.mark.requirement(12, 44)
def test_what_the_cookies_say() -> None:
    signed = SignedIn("a token", "a CSRF token", "a device")
    for secure in (True, False):
        token, csrf, device = session_cookies(signed, secure=secure)
        assert (token.key, token.value, token.httponly, token.path, token.max_age) == (
            "token",
            "a token",
            True,
            "/",
            28_800,
        )
        assert (csrf.key, csrf.value, csrf.httponly, csrf.path) == ("csrf_token", "a CSRF token", False, "/")
        assert (device.key, device.value, device.httponly, device.path) == (DEVICE, "a device", True, "/api/auth/login")
        assert device.max_age
        assert {one.secure for one in (token, csrf, device)} == {secure}
        assert {one.samesite for one in (token, csrf, device)} == {"lax"}
        cleared = cleared_cookies(secure=secure)
        assert [(one.key, one.value, one.max_age, one.secure) for one in cleared] == [
            ("token", "", 0, secure),
            ("csrf_token", "", 0, secure),
        ]
    assert len(session_cookies(SignedIn("a token", "a CSRF token"), secure=True)) == 2


HOST: Final = "testserver.local"


@pytest.mark.requirement(19)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 200),
        ([("Origin", "https://ours.test")], 200),
        ([("Origin", "https://ours.test"), ("Sec-Fetch-Site", "cross-site")], 200),
        ([("Origin", f"http://{HOST}")], 200),
        ([("Origin", f"https://{HOST.upper()}")], 200),
        ([("Sec-Fetch-Site", "same-origin")], 200),
        ([("Sec-Fetch-Site", "none")], 200),
        ([("Sec-Fetch-Site", "cross-site")], 403),
        ([("Origin", "https://theirs.test")], 403),
        ([("Origin", "https://theirs.test"), ("Sec-Fetch-Site", "same-origin")], 403),
        ([("Origin", f"http://{HOST}"), ("Sec-Fetch-Site", "cross-site")], 403),
        ([("Origin", "null")], 403),
        ([("Origin", "")], 403),
        ([("Origin", f"ftp://{HOST}")], 403),
        ([("Origin", f"http://{HOST}:8000")], 403),
        ([("Origin", "http://[")], 403),
        ([("Origin", "https://ours.test"), ("Origin", "https://ours.test")], 403),
        ([("Origin", f"http://{HOST}"), ("Origin", f"http://{HOST}")], 403),
    ],
)
async def test_whose_page_may_sign_in(signed: Signed, headers: list[tuple[str, str]], status: int) -> None:
    answer = await signed.client.post("/from-a-page", headers=[("Host", HOST), *headers])
    assert answer.status_code == status


@pytest.mark.requirement(19)
def test_a_page_that_is_named_twice_is_no_page_of_ours() -> None:
    def request(times: int) -> ApiRequest:
        headers = [(b"host", HOST.encode()), *[(b"origin", f"http://{HOST}".encode())] * times]
        return ApiRequest({"type": "http", "headers": headers})  # type: ignore[arg-type]

    require_own_page(request(1), PAGES)
    with pytest.raises(Forbidden):
        require_own_page(request(2), PAGES)


@pytest.mark.requirement(13, 41)
async def test_a_device_is_the_one_of_its_cookie_unless_it_is_sent_twice(signed: Signed) -> None:
    for cookie, device in (("device=a", "a"), ("", None), ("device=a; device=b", None)):
        answer = await signed.client.post("/from-a-page", headers={"Cookie": cookie})
        assert answer.json()["device"] == device


@pytest.mark.requirement(20)
def test_what_is_declared_means_something_or_the_application_does_not_start() -> None:
    app = Litestar([own, managed, opened], request_class=ApiRequest, openapi_config=None, logging_config=None)
    require_declared_access(app)
    found = {one.path: one for one in operations(app)}
    assert set(found) == {"/own", "/managed", "/open"}
    assert (found["/own"].method, found["/own"].summary) == ("GET", "One's own")
    assert found["/own"].access == Access(OWN_ACCOUNT, "own")
    assert found["/open"].access == Access(reason="It is for everybody.")
    assert [is_public(handler) for handler in (own, opened, silent)] == [False, True, False]
    assert declared(silent) is None
    made_up = Permission("made up", "Nothing.", ("Admin",))
    for opt, said in (
        ({}, "does not declare"),
        ({"access": "signed in"}, "does not declare"),
        (public(""), "without a reason"),
        (access(made_up, "own"), "no permission"),
        (access(OWN_ACCOUNT, "nowhere"), "which is none"),  # type: ignore[arg-type]
    ):

        @get("/spoilt", opt=opt)
        async def spoilt() -> None: ...

        with pytest.raises(ImproperlyConfiguredException, match=said):
            require_declared_access(
                Litestar([spoilt], request_class=ApiRequest, openapi_config=None, logging_config=None)
            )


async def test_what_is_large_is_written_beside_the_event_loop_and_what_is_short_in_passing() -> None:
    class Entry(msgspec.Struct):
        text: str

    app = SimpleNamespace(state=SimpleNamespace(thinking=ThreadedThinking()))
    request = ApiRequest({"type": "http", "headers": [], "litestar_app": app})  # type: ignore[arg-type]
    here = threading.get_ident()
    assert await request.told([Entry("x" * 1_000)] * (LARGEST_INLINE // 1_100), threading.get_ident) == here
    assert await request.told([Entry("x" * 1_000)] * (LARGEST_INLINE // 1_000), threading.get_ident) != here
