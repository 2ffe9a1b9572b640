"""What the tests of safety stand on: a real service, a company and its neighbour, and requests in anybody's name.

People and presets are made behind the service's back, in its database, so that a test can have as many as it likes.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from anyio.from_thread import start_blocking_portal

from adapters.clock import SystemClock, SystemSecrets
from adapters.passwords import BcryptPasswords
from adapters.postgres import PostgresWork
from adapters.thinking import InlineThinking
from entrypoints import demo
from segmentation_core import Catalog
from segmentation_core.resets import Reset, digest_of
from segmentation_core.usecases import Acting, ManagePresets
from segmentation_core.users import ALL_COMPANIES, Role, User
from tests.served import KEYS, PASSWORD, replicas

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from anyio.from_thread import BlockingPortal

    from segmentation_core.ports import Stores
    from tests.postgres import Database

T = TypeVar("T")

CATALOG = Catalog.from_json(demo.CATALOG.read_bytes())
HERE, ELSEWHERE = "Here", "Elsewhere"
SECRET = "a preset that nobody else may know of"
LISTS = "a list that dsp accounts may not see"
DOCUMENT = {"audienceFilters": {}, "segments": {"list": LISTS}}


@dataclass
class Stand:
    """A service of one or more replicas on one database, and a way behind it."""

    addresses: tuple[str, ...]
    database: Database
    work: PostgresWork
    portal: BlockingPortal
    cost: int = 4
    document: dict[str, Any] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _hash: str = ""

    @property
    def address(self) -> str:
        return self.addresses[0]

    def fresh(self, what: str) -> str:
        """Return a name that nothing has."""
        return f"{what}-{next(self._numbers)}"

    def person(
        self, role: Role = "User", company: str | None = HERE, *, dsp: bool = False, active: bool = True
    ) -> User:
        """Make an account with the usual password; a SuperAdmin belongs to no company."""
        name = self.fresh(role.lower())
        self._hash = self._hash or self.portal.call(BcryptPasswords(self.cost).hashed, PASSWORD)

        async def add(stores: Stores) -> User:
            home = await stores.companies.named(company) if company and role != "SuperAdmin" else None
            user = User(
                0,
                name,
                role,
                home.name if home else None,
                name.title(),
                "Tester",
                dsp=dsp,
                active=active,
                company_id=home.id if home else None,
                created=SystemClock().now(),
            )
            return await stores.users.add(user, self._hash)

        return self.do(add)

    def preset_of(self, owner: User) -> int:
        """Save a preset in somebody's name; return its id."""
        presets = ManagePresets(self.work, CATALOG, InlineThinking(), SystemClock())
        view = self.portal.call(presets.create, Acting(owner), self.fresh(SECRET), DOCUMENT)
        return view.preset.id

    def reset_of(self, user: User) -> str:
        """Let somebody have forgotten the password; return the token that the mail would hold."""
        token = SystemSecrets().token()
        self.do(lambda stores: stores.resets.begin(Reset(user.id, digest_of(token), SystemClock().now())))
        return token

    def do(self, action: Callable[[Stores], Awaitable[T]]) -> T:
        """Do something on the stores, in no company's name."""
        return self.portal.call(self.work.run, ALL_COMPANIES, action)

    def caller(self, user: User | None, replica: int = 0) -> Caller:
        """Sign somebody in, None for nobody, on one of the replicas."""
        caller = Caller(self.addresses[replica])
        if user:
            caller.sign_in(user.username)
        return caller

    def operations(self) -> dict[str, Operation]:
        """Return what the service's OpenAPI document has, by operation id."""
        if not self.document:
            self.document = httpx.get(f"{self.address}/schema/openapi.json").json()
        return {
            operation["operationId"]: Operation(method.upper(), path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        }


@dataclass(frozen=True)
class Operation:
    """An operation of the OpenAPI document."""

    method: str
    path: str
    said: dict[str, Any]

    @property
    def protected(self) -> bool:
        return bool(self.said.get("security"))

    @property
    def example(self) -> dict[str, Any] | None:
        """The body that the document shows, None where the operation takes none."""
        if "requestBody" not in self.said:
            return None
        (media,) = self.said["requestBody"]["content"].values()
        example: dict[str, Any] = json.loads(json.dumps(media["examples"]["example"]["value"]))
        return example

    def parameters(self, place: str) -> list[str]:
        """Return the names of what it takes in the path, the query or the headers."""
        return [one["name"] for one in self.said.get("parameters", ()) if one["in"] == place]


class Caller:
    """Somebody with the cookies of a session, or nobody. Nothing that is answered changes the cookies."""

    _numbers = count(1)
    _http = httpx.Client(timeout=30, verify=False, trust_env=False)  # noqa: S501  never used over TLS

    def __init__(self, address: str) -> None:
        self.address = address
        self.token, self.csrf_token, self.device = "", "", ""

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        """Sign in, from an address of one's own: what others failed at from this machine does not count."""
        address = str(ip_address("172.16.0.0") + next(self._numbers))
        answer = self._http.post(
            f"{self.address}/api/auth/login",
            json={"username": username, "password": password},
            headers={"Cookie": "", "X-Forwarded-For": address},
        )
        assert answer.status_code == 200, answer.text
        self.token, self.csrf_token = answer.cookies["token"], answer.cookies["csrf_token"]
        self.device = answer.cookies.get("device") or ""
        self._http.cookies.clear()

    def headers(self) -> dict[str, str]:
        """Return what a page of this session sends."""
        if not self.token:
            return {}
        return {"Cookie": f"token={self.token}; csrf_token={self.csrf_token}", "X-CSRF-TOKEN": self.csrf_token}

    def at(self, address: str) -> Caller:
        """Return the same session as it calls another replica."""
        other = Caller(address)
        other.token, other.csrf_token, other.device = self.token, self.csrf_token, self.device
        return other

    def call(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        content = None if body is None else json.dumps(body).encode()
        sent = self.headers() | ({} if body is None else {"Content-Type": "application/json"}) | headers
        answer = self._http.request(method, f"{self.address}{path}", content=content, headers=sent)
        self._http.cookies.clear()
        return answer


@contextmanager
def standing(database: Database, count: int = 1, **settings: str) -> Iterator[Stand]:
    """Run so many replicas on a database, and open a way behind them."""
    with replicas(database.app_url, count, **settings) as addresses, start_blocking_portal() as portal:
        work = PostgresWork(database.app_url, KEYS["SEGMENTATION_AUDIT_KEY"].encode(), min_connections=1)
        portal.call(work.open)
        try:
            yield Stand(addresses, database, work, portal, int(settings.get("PASSWORD_COST", "4")))
        finally:
            portal.call(work.close)
