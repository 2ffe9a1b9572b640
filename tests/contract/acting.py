"""People who act through the use cases, over one store or over two at once, and what a model knows of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from adapters.devices import SignedDevices
from adapters.memory import MemoryWork
from adapters.postgres import PostgresWork
from adapters.session_reads import GatheredReads
from adapters.thinking import InlineThinking
from adapters.tokens import JwtTokens
from segmentation_core.audit import ChainEnd, Entry, Head, Record
from segmentation_core.errors import InputError, SegmentationError
from segmentation_core.ports import Clock, Passwords, Secrets, Work
from segmentation_core.presets import NamedPreset, Preset
from segmentation_core.sessions import Session, SignedIn
from segmentation_core.usecases import (
    Acting,
    Authenticate,
    ManagePresets,
    ManageUsers,
    NewUser,
    ReadAudit,
    SignIn,
    SignOut,
)
from segmentation_core.users import ALL_COMPANIES, Role, User
from tests.contract.examples import AUDIT_KEY, NOON
from tests.postgres import Database
from tests.unit.house import CATALOG, PASSWORD, HandClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import datetime

T = TypeVar("T")


class OpenPasswords(Passwords):
    """Hashes that hide nothing and cost nothing. Those of an earlier scheme are outdated."""

    def __init__(self) -> None:
        self.scheme = 1

    async def hashed(self, password: str, *, by: int | None = None) -> str:  # noqa: ARG002
        return f"{self.scheme} {password}"

    async def verify(self, password: str, password_hash: str | None, *, known: int | None = None) -> bool:  # noqa: ARG002
        return password_hash is not None and password_hash.partition(" ")[2] == password

    def is_common(self, password: str) -> bool:
        return password == "common password"

    def is_outdated(self, password_hash: str) -> bool:
        return password_hash.partition(" ")[0] != str(self.scheme)


class CountedSecrets(Secrets):
    """Secrets that are the same wherever they are drawn in the same order."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def token(self) -> str:
        return f"secret {next(self._numbers)}"


class Side:
    """Every use case over one store."""

    def __init__(self, work: Work, clock: Clock, number: int = 0) -> None:
        self.work, self.clock, self.number = work, clock, number
        self.passwords = OpenPasswords()
        self.tokens = JwtTokens({"a": "k" * 32}, "c" * 32)
        self.sign_in = SignIn(work, self.passwords, self.tokens, SignedDevices("c" * 32), clock, CountedSecrets())
        self.authenticate = Authenticate(work, GatheredReads(work), self.tokens, clock)
        self.sign_out = SignOut(work, self.tokens, clock)
        self.users = ManageUsers(work, self.passwords, clock)
        self.presets = ManagePresets(work, CATALOG, InlineThinking(), clock)
        self.audit = ReadAudit(work)

    def of(self, twin: Twin[T]) -> T:
        return twin[self.number]

    async def root(self) -> User:
        """Return the first SuperAdmin, whom nobody made."""
        root = User(0, "root", "SuperAdmin", None, "Ruth", "Root", created=NOON)
        hashed = await self.passwords.hashed(PASSWORD)
        return await self.work.run(ALL_COMPANIES, lambda stores: stores.users.add(root, hashed))

    async def add(self, by: User, username: str, role: Role, company: str | None = None) -> Acting:
        new = NewUser(username, PASSWORD, role, username.title(), "Tester", company)
        return Acting(await self.users.create(Acting(by), new), "a request")


class Twin(NamedTuple, Generic[T]):
    """The same thing in both stores: all of it is equal but ids, and what is made of them."""

    in_memory: T
    in_postgres: T


_IDS: Final = {
    (User, "id"): "user",
    (User, "company_id"): "company",
    (User, "created_by_id"): "user",
    (Session, "user_id"): "user",
    (Preset, "id"): "preset",
    (NamedPreset, "id"): "preset",
    (Preset, "company_id"): "company",
    (Preset, "owner_id"): "user",
    (Preset, "created_by_id"): "user",
    (Entry, "actor_id"): "user",
    (Entry, "company_id"): "company",
    (Head, "company_id"): "company",
    (ChainEnd, "company_id"): "company",
}
_MADE_OF_IDS: Final = {
    (Record, "seal"),
    (Head, "seal"),
    (SignedIn, "token"),
    (SignedIn, "csrf_token"),
    (SignedIn, "device"),
}
"""What differs as they do. A seal is held against its own chain, and a token is used."""


class Likeness:
    """Tells whether two answers are alike: equal, with ids that always stand for each other."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, int, int], int] = {}

    def require(self, one: object, other: object) -> None:
        """Raise AssertionError where two answers differ."""
        assert type(one) is type(other), (one, other)
        if isinstance(one, msgspec.Struct):
            for name in one.__struct_fields__:
                self._require_field(one, other, name)
        elif isinstance(one, dict) and isinstance(other, dict):
            self.require([*one.items()], [*other.items()])
        elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
            assert len(one) == len(other), (one, other)
            for mine, theirs in zip(one, other, strict=True):
                self.require(mine, theirs)
        elif isinstance(one, SegmentationError) and isinstance(other, SegmentationError):
            assert _told(one) == _told(other), (one, other)
        else:
            assert one == other, (one, other)

    def _require_field(self, one: msgspec.Struct, other: object, name: str) -> None:
        mine, theirs = getattr(one, name), getattr(other, name)
        kind = _IDS.get((type(one), name))
        if isinstance(one, Entry) and name == "subject":
            kind, _, mine = mine.partition(" ")
            their_kind, _, theirs = theirs.partition(" ")
            assert kind == their_kind, (one, other)
            self._require_pair(kind, int(mine), int(theirs))
        elif kind and mine is not None and theirs is not None:
            self._require_pair(kind, mine, theirs)
        elif (type(one), name) not in _MADE_OF_IDS:
            self.require(mine, theirs)

    def _require_pair(self, kind: str, mine: int, theirs: int) -> None:
        for number, one, other in ((0, mine, theirs), (1, theirs, mine)):
            assert self._pairs.setdefault((kind, number, one), other) == other, (kind, mine, theirs)


def _told(fault: SegmentationError) -> object:
    """Return all that an error says; of a text that cannot be stored PostgreSQL tells its folded copy too."""
    if isinstance(fault, InputError):
        return [problem for problem in fault.problems if not problem.path.startswith("$.folded_")]
    return str(fault)


def structs_of(answer: object) -> Iterator[msgspec.Struct]:
    """Return every struct that an answer holds, however deep."""
    if isinstance(answer, msgspec.Struct):
        yield answer
        answer = [getattr(answer, name) for name in answer.__struct_fields__]
    if isinstance(answer, dict):
        answer = [*answer.values()]
    if isinstance(answer, list | tuple):
        for part in answer:
            yield from structs_of(part)


class Both:
    """The use cases over memory and over PostgreSQL, which are asked the same at the same time."""

    def __init__(self, database: Database) -> None:
        self.clock, self.alike = HandClock(), Likeness()
        self._runner = asyncio.Runner()
        self._sides: tuple[Side, ...] = self._runner.run(self._opened(database))

    async def _opened(self, database: Database) -> tuple[Side, ...]:
        postgres = PostgresWork(database.app_url, AUDIT_KEY, min_connections=1, max_connections=1)
        await postgres.open()
        return Side(MemoryWork(AUDIT_KEY), self.clock), Side(postgres, self.clock, 1)

    def close(self) -> None:
        for side in self._sides:
            self._runner.run(side.work.close())
        self._runner.close()

    def ask(self, action: Callable[[Side], Awaitable[T]], *, within: Twin[User] | None = None) -> Twin[T]:
        """Return both answers, which are alike, and hold nothing that is foreign `within` an account's company.

        Raises the error that both raise.
        """
        mine, theirs = (self._runner.run(_outcome(side, action)) for side in self._sides)
        self.alike.require(mine, theirs)
        if isinstance(mine, SegmentationError):
            raise mine
        if isinstance(theirs, SegmentationError):
            raise theirs
        if within and within.in_memory.role != "SuperAdmin":
            for user, answer in zip(within, (mine, theirs), strict=True):
                seen = {getattr(one, "company_id", user.company_id) for one in structs_of(answer)}
                assert seen <= {user.company_id}, (user, answer)
        return Twin(mine, theirs)


async def _outcome(side: Side, action: Callable[[Side], Awaitable[T]]) -> T | SegmentationError:
    try:
        return await action(side)
    except SegmentationError as fault:
        return fault


RANK: Final[dict[Role, int]] = {"User": 0, "Manager": 1, "Admin": 2, "SuperAdmin": 3}


@dataclass(eq=False)
class Person:
    """What the model knows of an account: as it was at first, and as it is."""

    first: Twin[User]
    twin: Twin[User]
    password: str
    there: bool = True

    @property
    def user(self) -> User:
        return self.twin.in_memory

    @property
    def ids(self) -> Twin[int]:
        return Twin(*(user.id for user in self.twin))


@dataclass(frozen=True)
class Actor:
    """Somebody who acts as the account is, or `late`, as it was when it was made."""

    person: Person
    late: bool = False

    @property
    def twin(self) -> Twin[User]:
        return self.person.first if self.late else self.person.twin

    @property
    def user(self) -> User:
        return self.twin.in_memory

    @property
    def manages(self) -> bool:
        return RANK[self.user.role] >= RANK["Admin"]

    @property
    def is_unchanged(self) -> bool:
        """Whether the account may still do what it could do."""
        now, known = self.person.user, self.user
        same = (now.role, now.company_id, now.dsp) == (known.role, known.company_id, known.dsp)
        return self.person.there and now.active and same

    def on(self, side: Side) -> Acting:
        return Acting(side.of(self.twin), "a request")

    def sees(self, company_id: int | None) -> bool:
        return self.user.role == "SuperAdmin" or self.user.company_id == company_id

    def is_below(self, *roles: Role) -> bool:
        return any(RANK[role] > RANK[self.user.role] for role in roles)


@dataclass(eq=False)
class Saved:
    """What the model knows of a preset: the names and documents that it has had."""

    twin: Twin[Preset]
    owner: Person
    history: list[tuple[str, dict[str, Any]]]
    there: bool = True

    @property
    def preset(self) -> Preset:
        return self.twin.in_memory

    @property
    def ids(self) -> Twin[int]:
        return Twin(*(preset.id for preset in self.twin))

    @property
    def name(self) -> str:
        return self.history[-1][0]

    def is_owned_by(self, by: Actor) -> bool:
        return self.owner is by.person and self.owner.there

    def is_read_by(self, by: Actor) -> bool:
        return self.there and by.sees(self.preset.company_id) and (self.is_owned_by(by) or by.user.role != "User")

    def is_written_by(self, by: Actor) -> bool:
        return self.is_owned_by(by) or by.manages


@dataclass(eq=False)
class Opened:
    """What the model knows of a session."""

    person: Person
    tokens: Twin[SignedIn]
    created: datetime
    seen: datetime
    there: bool = True
