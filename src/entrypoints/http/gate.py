"""What every request passes before its route is looked for: its size and host, preflights, the deadline, the log."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import structlog
from litestar.datastructures import Headers
from litestar.enums import HttpMethod, ScopeType
from litestar.exceptions import ClientException, HTTPException

from entrypoints.http.addresses import counted_address
from entrypoints.http.errors import send_problem
from entrypoints.http.headers import is_preflight, preflight_headers, request_id
from entrypoints.logs import ACCESS, tell_request
from segmentation_core.errors import Unavailable
from segmentation_core.users import User

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

    from entrypoints.settings import Settings

LARGEST_HEAD: Final = 32_768
"""How many bytes all headers may have, and the address; the parser's own bound holds only for what comes in pieces."""

LONGEST_ADDRESS: Final = 8_192

LONGEST_METHOD: Final = 32
"""How many characters a method may have, and how many of one the log tells: no method that there is has more."""

ANY_HOST: Final = ("/health", "/health/ready")
"""What load balancers ask by the address of the machine."""

_log: Final = logging.getLogger(ACCESS)


class Gate:
    """Stands around the application's handler: `Litestar.asgi_handler`."""

    def __init__(self, handler: ASGIApp, settings: Settings, methods: dict[str, tuple[str, ...]]) -> None:
        """Take the handler, and the methods of each route by its path."""
        self._handler = handler
        self._hosts = frozenset(settings.hosts)
        self._origins = settings.cors_origins
        self._seconds = settings.request_seconds
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and write one line of it to the log."""
        if scope["type"] != ScopeType.HTTP:
            await self._handler(scope, receive, send)
            return
        answer = _Answer(scope, send, self._methods)
        structlog.contextvars.bind_contextvars(request_id=request_id(scope))  # for the request's own task alone
        try:
            await self._answer(scope, receive, answer)
        except Exception as fault:
            if answer.status:
                raise
            await send_problem(fault, scope, answer.send)
        finally:
            if not answer.late:
                answer.tell()

    async def _answer(self, scope: HTTPScope, receive: Receive, answer: _Answer) -> None:
        headers = Headers.from_scope(scope)
        self._refuse_large(scope)
        self._refuse_other_hosts(scope, headers)
        if is_preflight(scope["method"], headers):
            allowed = preflight_headers(headers, self._origins)
            raw = [(name.lower().encode(), value.encode()) for name, value in allowed.items()]
            await answer.send({"type": "http.response.start", "status": 204, "headers": raw})
            await answer.send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await self._within_the_deadline(scope, _Arriving(receive), answer)

    def _refuse_large(self, scope: HTTPScope) -> None:
        if len(scope["method"]) > LONGEST_METHOD:
            raise ClientException(f"The method is longer than {LONGEST_METHOD} characters.")
        address = len(scope["raw_path"]) + len(scope["query_string"])
        if address > LONGEST_ADDRESS:
            raise ClientException(f"The address is longer than {LONGEST_ADDRESS:,} bytes.")
        if address + sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEAD:
            raise ClientException(f"The headers have more than {LARGEST_HEAD:,} bytes.")

    def _refuse_other_hosts(self, scope: HTTPScope, headers: Headers) -> None:
        """Refuse a name that is not ours: a page that has it may be led here by its own DNS ("DNS rebinding")."""
        name, colon, port = headers.get("host", "").lower().rpartition(":")
        host = name if colon and port.isdigit() else headers.get("host", "").lower()
        if self._hosts and host not in self._hosts and scope["path"] not in ANY_HOST:
            raise ClientException("This service does not answer to this name (the header Host).")

    async def _within_the_deadline(self, scope: HTTPScope, receive: _Arriving, answer: _Answer) -> None:
        """Have the request handled, and see that it is answered in time whatever becomes of that."""
        give_up = partial(self._give_up, asyncio.current_task(), scope, receive, answer)
        deadline = asyncio.get_running_loop().call_later(self._seconds, give_up)
        try:
            await self._handler(scope, receive.message, answer.send_in_time)
        except asyncio.CancelledError:
            if not answer.late:
                raise
        except Exception as fault:
            if not answer.late:
                raise
            if isinstance(fault, Unavailable):  # of the same cause as the answer, whose traceback is in the log
                _log.warning("work past its deadline failed: %s", fault)
            else:
                _log.warning("work past its deadline failed", exc_info=fault)
        finally:
            deadline.cancel()
        if answer.late:
            await answer.late  # before the server sees this end, and would answer itself

    def _give_up(self, task: asyncio.Task[Any] | None, scope: HTTPScope, receive: _Arriving, answer: _Answer) -> None:
        """Answer what took too long, and cancel it. It is not awaited: a database that hangs takes seconds for that."""
        if answer.status or task is None:
            return
        fault: Exception = Unavailable(f"This took longer than {self._seconds:g} s, and was given up.")
        if receive.is_awaited:
            fault = HTTPException(status_code=408, detail="The request did not arrive in time.")
        answer.late = asyncio.get_running_loop().create_task(self._tell_late(fault, scope, answer))
        task.cancel()

    async def _tell_late(self, fault: Exception, scope: HTTPScope, answer: _Answer) -> None:
        try:
            raise fault  # noqa: TRY301  so that the log has a traceback of it, as of each that is ours
        except Exception as raised:  # noqa: BLE001  the one above
            await send_problem(raised, scope, answer.send)
        finally:
            answer.tell()


class _Answer:
    """What is sent for one request. What the handler would still send once it is too late goes nowhere."""

    def __init__(self, scope: HTTPScope, send: Send, methods: dict[str, tuple[str, ...]]) -> None:
        self.status = 0
        self.late: asyncio.Task[None] | None = None
        """What tells that it took too long, once it did."""

        self._begun = perf_counter()
        self._scope = scope
        self._send = send
        self._methods = methods

    async def send_in_time(self, message: Message) -> None:
        """Send a part of the handler's answer."""
        if not self.late:
            await self.send(message)

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            allowed = self._methods.get(self._scope.get("path_template", ""))
            if allowed and self._scope["method"] == HttpMethod.OPTIONS:
                # Litestar names the methods of the first handler that the route was made of.
                message["headers"] = [(b"allow", ", ".join(allowed).encode())]
        await self._send(message)

    def tell(self) -> None:
        """Write the access line. It has the route and not the address, which may hold anything."""
        scope = self._scope
        method, route, status = scope["method"][:LONGEST_METHOD], scope.get("path_template", "-"), self.status
        user, client = scope.get("user"), scope.get("client")
        fields: dict[str, Any] = {"client": counted_address(client[0] if client else "")}
        if isinstance(user, User):
            fields["company_id"] = user.company_id
        fields["method"] = method
        fields["milliseconds"] = round((perf_counter() - self._begun) * 1000, 1)
        fields["request_id"] = request_id(scope)
        fields["route"] = route
        fields["status"] = status
        if isinstance(user, User):
            fields["user_id"] = user.id
        tell_request(f"{method} {route} {status}", fields)


class _Arriving:
    """The body of a request, on its way."""

    def __init__(self, receive: Receive) -> None:
        self.is_awaited = False
        self._receive = receive

    async def message(self) -> Any:  # noqa: ANN401  Litestar types it for web sockets too
        """Return the next part."""
        self.is_awaited = True
        message = await self._receive()
        self.is_awaited = False
        return message
