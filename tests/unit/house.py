"""Every use case over the stores in memory, a clock that is moved by hand, and people to act."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from adapters.clock import SystemSecrets
from adapters.devices import SignedDevices
from adapters.memory import MemoryWork
from adapters.passwords import BcryptPasswords
from adapters.session_reads import GatheredReads
from adapters.thinking import InlineThinking
from adapters.tokens import JwtTokens
from segmentation_core import Catalog
from segmentation_core.ports import Clock, Mailer, Passwords
from segmentation_core.usecases import (
    Acting,
    Authenticate,
    ChangePassword,
    Client,
    ManagePresets,
    ManageUsers,
    NewUser,
    ReadAudit,
    ResetPassword,
    SendReset,
    SignIn,
    SignOut,
)
from segmentation_core.users import ALL_COMPANIES, Role, Status, User

if TYPE_CHECKING:
    from segmentation_core.audit import Record
    from segmentation_core.sessions import SignedIn

PASSWORD = "one good password"
AUDIT_KEY = b"a" * 32

CATALOG = Catalog.from_json(b"""{"name": "small", "version": "1", "dimensions": [
    {"id": "car", "kind": "single", "values": [{"id": "yes"}, {"id": "no"}]},
    {"id": "age", "kind": "single", "values": [{"id": "young"}, {"id": "old"}]}]}""")


class HandClock(Clock):
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


class House:
    """The use cases over one set of stores."""

    def __init__(self) -> None:
        self.work, self.clock = MemoryWork(AUDIT_KEY), HandClock()
        self.passwords = BcryptPasswords(cost=4)
        self.tokens = JwtTokens({"a": "k" * 32}, "c" * 32)
        self.devices = SignedDevices("c" * 32)
        self.signing_in = self.signing_in_with(self.passwords)
        self.authenticate = Authenticate(self.work, GatheredReads(self.work), self.tokens, self.clock)
        self.sign_out = SignOut(self.work, self.tokens, self.clock)
        self.change_password = ChangePassword(
            self.work, self.passwords, self.tokens, self.devices, self.clock, SystemSecrets()
        )
        self.reset_password = ResetPassword(self.work, self.passwords, self.clock)
        self.users = ManageUsers(self.work, self.passwords, self.clock)
        self.presets = ManagePresets(self.work, CATALOG, InlineThinking(), self.clock)
        self.audit = ReadAudit(self.work)

    def signing_in_with(self, passwords: Passwords) -> SignIn:
        return SignIn(self.work, passwords, self.tokens, self.devices, self.clock, SystemSecrets())

    async def sign_in(
        self,
        username: str,
        password: str,
        request_id: str | None = None,
        *,
        address: str = "192.0.2.1",
        device: str | None = None,
    ) -> tuple[User, SignedIn]:
        return await self.signing_in(username, password, Client(address, device, request_id))

    def sending_resets(self, mailer: Mailer) -> SendReset:
        return SendReset(self.work, mailer, self.clock, SystemSecrets(), "https://audience.test")

    async def root(self, username: str = "root") -> Acting:
        """Return a SuperAdmin whom nobody made."""
        hashed = await self.passwords.hashed(PASSWORD)
        root = User(0, username, "SuperAdmin", None, "Ruth", "Root", created=self.clock.now())
        return Acting(await self.work.run(ALL_COMPANIES, lambda stores: stores.users.add(root, hashed)))

    async def add(  # noqa: PLR0913  what an account is
        self,
        by: Acting,
        username: str,
        role: Role = "User",
        company: str | None = None,
        *,
        dsp: bool = False,
        status: Status = "active",
    ) -> Acting:
        """Let somebody make an account, and return it acting."""
        new = NewUser(username, PASSWORD, role, username.title(), "Tester", company, status, dsp)
        return Acting(await self.users.create(by, new), "a request")

    async def who(self, signed: SignedIn) -> User:
        return await self.authenticate(signed.token, signed.csrf_token, signed.csrf_token)

    async def records(self, company_id: int | None) -> list[Record]:
        return await self.work.run(ALL_COMPANIES, lambda stores: stores.audit.chain(company_id, after=0, limit=1_000))


class People:
    """Two companies with one account of each role, and a SuperAdmin."""

    root: Acting
    admin: Acting
    manager: Acting
    user: Acting
    other: Acting
    stranger: Acting

    @classmethod
    async def of(cls, house: House) -> People:
        people = cls()
        people.root = await house.root()
        people.admin = await house.add(people.root, "admin", "Admin", "Here")
        people.manager = await house.add(people.admin, "manager", "Manager")
        people.user = await house.add(people.admin, "user")
        people.other = await house.add(people.admin, "other")
        people.stranger = await house.add(people.root, "stranger", "Admin", "Elsewhere")
        return people
