"""Every store in memory: for tests and for users of the library. They live as long as their process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from dataclasses import replace as altered
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from segmentation_core.audit import AuditQuery, Entry, Head, Record, head_of, sealed
from segmentation_core.errors import Conflict
from segmentation_core.ports import Audit, Companies, Presets, Sessions, Stores, Users, Work
from segmentation_core.presets import Preset, PresetVersion
from segmentation_core.users import Account, Company, Scope, User, UserQuery, folded_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from segmentation_core.sessions import Session

T = TypeVar("T")

MOST_ALIKE = 10


@dataclass
class _Tables:
    """What all stores hold together; rows are frozen, so a copy of the dicts is a copy of everything."""

    companies: dict[int, Company] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    presets: dict[int, Preset] = field(default_factory=dict)
    versions: dict[int, tuple[PresetVersion, ...]] = field(default_factory=dict)
    chains: dict[int | None, tuple[Record, ...]] = field(default_factory=dict)
    last_id: int = 0

    def copied(self) -> _Tables:
        return altered(
            self,
            companies=dict(self.companies),
            accounts=dict(self.accounts),
            sessions=dict(self.sessions),
            presets=dict(self.presets),
            versions=dict(self.versions),
            chains=dict(self.chains),
        )

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id


class MemoryWork(Work):
    """Units of work one after another, each on a copy of the tables that becomes the tables if it ends well."""

    def __init__(self, audit_key: bytes) -> None:
        self._tables = _Tables()
        self._key = audit_key
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def run(self, scope: Scope, action: Callable[[Stores], Awaitable[T]]) -> T:
        async with self._turn:
            tables = self._tables.copied()
            found = await action(MemoryStores(tables, scope, self._key))
            self._tables = tables
            return found


class MemoryStores(Stores):
    """The stores of one unit of work."""

    def __init__(self, tables: _Tables, scope: Scope, key: bytes) -> None:
        self.companies = MemoryCompanies(tables)
        self.users = MemoryUsers(tables, scope)
        self.sessions = MemorySessions(tables, scope)
        self.presets = MemoryPresets(tables, scope)
        self.audit = MemoryAudit(tables, scope, key)


def _sees(scope: Scope, company_id: int | None) -> bool:
    return scope.company_id is None or scope.company_id == company_id


class MemoryCompanies(Companies):
    """The tenants of one unit of work."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables

    async def named(self, name: str) -> Company:
        companies = self._tables.companies
        known = next((one for one in companies.values() if folded_name(one.name) == folded_name(name)), None)
        if known is None:
            known = Company(self._tables.next_id(), name)
            companies[known.id] = known
        return known


class MemoryUsers(Users):
    """The accounts of one unit of work."""

    def __init__(self, tables: _Tables, scope: Scope) -> None:
        self._tables = tables
        self._scope = scope

    async def by_id(self, user_id: int, *, lock: bool = False) -> User | None:  # noqa: ARG002  work is serial here
        account = self._tables.accounts.get(user_id)
        return account.user if account and _sees(self._scope, account.user.company_id) else None

    async def account(self, username: str, *, lock: bool = False) -> Account | None:  # noqa: ARG002
        known = self._named(username)
        return known if known and _sees(self._scope, known.user.company_id) else None

    async def add(self, user: User, password_hash: str) -> User:
        if self._named(user.username):
            msg = f"The username {user.username!r} is taken."
            raise Conflict(msg)
        user = replace(user, id=self._tables.next_id())
        self._tables.accounts[user.id] = Account(user, password_hash)
        return user

    async def change(self, user: User) -> None:
        if await self.by_id(user.id):
            self._tables.accounts[user.id] = replace(self._tables.accounts[user.id], user=user)

    async def set_password_hash(self, user_id: int, password_hash: str) -> None:
        if await self.by_id(user_id):
            self._tables.accounts[user_id] = replace(self._tables.accounts[user_id], password_hash=password_hash)

    async def delete(self, user_id: int) -> None:
        if not await self.by_id(user_id):
            return
        tables = self._tables
        del tables.accounts[user_id]
        tables.sessions = {key: one for key, one in tables.sessions.items() if one.user_id != user_id}
        orphans = {key: replace(one, owner_id=None) for key, one in tables.presets.items() if one.owner_id == user_id}
        tables.presets |= orphans

    async def all(self) -> list[User]:
        users = [account.user for account in self._tables.accounts.values()]
        seen = [user for user in users if _sees(self._scope, user.company_id)]
        return sorted(seen, key=lambda user: (user.role, user.first_name, user.id))

    async def page(self, query: UserQuery, *, offset: int, limit: int) -> tuple[list[User], int]:
        found = [user for user in await self.all() if _is_asked_for(user, query)]
        return found[offset : offset + limit], len(found)

    async def lock_super_admins(self) -> list[int]:
        return [user.id for user in await self.all() if user.role == "SuperAdmin" and user.active]

    def _named(self, username: str) -> Account | None:
        name = folded_name(username)
        return next((one for one in self._tables.accounts.values() if folded_name(one.user.username) == name), None)


def _is_asked_for(user: User, query: UserQuery) -> bool:
    names = (user.username, user.first_name, user.last_name)
    return (
        any(query.search.casefold() in name.casefold() for name in names)
        and query.role in (None, user.role)
        and query.active in (None, user.active)
    )


class MemorySessions(Sessions):
    """The sessions of one unit of work."""

    def __init__(self, tables: _Tables, scope: Scope) -> None:
        self._tables = tables
        self._scope = scope

    async def begin(self, session: Session) -> None:
        self._tables.sessions[session.id] = session

    async def find(self, session_id: str) -> tuple[Session, User] | None:
        session = self._tables.sessions.get(session_id)
        return (session, self._tables.accounts[session.user_id].user) if session and self._in_scope(session) else None

    async def touch(self, session_id: str, seen: datetime) -> None:
        found = await self.find(session_id)
        if found:
            self._tables.sessions[session_id] = replace(found[0], seen=seen)

    async def end(self, session_id: str) -> None:
        if await self.find(session_id):
            del self._tables.sessions[session_id]

    async def end_all(self, user_id: int) -> None:
        self._keep(lambda session: session.user_id != user_id)

    async def forget(self, before: datetime) -> None:
        self._keep(lambda session: session.created >= before)

    def _keep(self, kept: Callable[[Session], bool]) -> None:
        sessions = self._tables.sessions
        self._tables.sessions = {key: one for key, one in sessions.items() if kept(one) or not self._in_scope(one)}

    def _in_scope(self, session: Session) -> bool:
        return _sees(self._scope, self._tables.accounts[session.user_id].user.company_id)


class MemoryPresets(Presets):
    """The presets of one unit of work."""

    def __init__(self, tables: _Tables, scope: Scope) -> None:
        self._tables = tables
        self._scope = scope

    async def add(self, preset: Preset) -> Preset:
        self._refuse_twice(preset)
        preset = replace(preset, id=self._tables.next_id())
        self._tables.presets[preset.id] = preset
        self._tables.versions[preset.id] = (_version_of(preset, preset.username),)
        return preset

    async def by_id(self, preset_id: int, *, lock: bool = False) -> Preset | None:  # noqa: ARG002  work is serial here
        preset = self._tables.presets.get(preset_id)
        return preset if preset and _sees(self._scope, preset.company_id) else None

    async def change(self, preset: Preset, changed_by: str) -> None:
        self._refuse_twice(preset)
        self._tables.presets[preset.id] = preset
        self._tables.versions[preset.id] = (_version_of(preset, changed_by), *self._tables.versions[preset.id])

    async def delete(self, preset_id: int) -> None:
        if await self.by_id(preset_id):
            del self._tables.presets[preset_id]
            del self._tables.versions[preset_id]

    async def page(self, *, owner: int | None, search: str, offset: int, limit: int) -> tuple[list[Preset], int]:
        found = [one for one in await self.all(owner=owner) if search.casefold() in one.name.casefold()]
        return found[offset : offset + limit], len(found)

    async def all(self, *, owner: int | None, username: str | None = None) -> list[Preset]:
        found = [
            one
            for one in self._tables.presets.values()
            if _sees(self._scope, one.company_id)
            and owner in (None, one.owner_id)
            and (username is None or folded_name(username) == folded_name(one.username))
        ]
        return sorted(found, key=lambda one: (one.created, one.id), reverse=True)

    async def versions(self, preset_id: int) -> list[PresetVersion]:
        return [*self._tables.versions[preset_id]] if await self.by_id(preset_id) else []

    async def version(self, preset_id: int, version: int) -> PresetVersion | None:
        return next((one for one in await self.versions(preset_id) if one.version == version), None)

    async def alike(self, preset: Preset, *, owner: int | None) -> list[Preset]:
        found = [
            one
            for one in await self.all(owner=owner)
            if preset.fingerprint is not None
            and one.fingerprint == preset.fingerprint
            and one.company_id == preset.company_id
            and one.id != preset.id
        ]
        return sorted(found, key=lambda one: one.id)[:MOST_ALIKE]

    def _refuse_twice(self, preset: Preset) -> None:
        others = self._tables.presets.values()
        if preset.owner_id is not None and any(
            one.owner_id == preset.owner_id and one.name == preset.name and one.id != preset.id for one in others
        ):
            msg = f"There is a preset named {preset.name!r} already."
            raise Conflict(msg)


def _version_of(preset: Preset, changed_by: str) -> PresetVersion:
    return PresetVersion(preset.version, preset.name, preset.document, preset.updated, changed_by)


class MemoryAudit(Audit):
    """The audit trail, sealed as in a database."""

    def __init__(self, tables: _Tables, scope: Scope, key: bytes) -> None:
        self._tables = tables
        self._scope = scope
        self._key = key

    async def add(self, *entries: Entry) -> None:
        for entry in entries:
            chain = self._tables.chains.get(entry.company_id, ())
            record = sealed(entry, head_of(chain[-1]) if chain else None, self._key)
            self._tables.chains[entry.company_id] = (*chain, record)

    async def page(self, query: AuditQuery, *, offset: int, limit: int) -> tuple[list[Record], int]:
        found = [record for chain in self._seen() for record in chain if _asks_for(query, record.entry)]
        found.sort(key=lambda record: (record.entry.at, record.entry.company_id or 0, record.number), reverse=True)
        return found[offset : offset + limit], len(found)

    async def heads(self) -> list[Head]:
        return [head_of(chain[-1]) for chain in self._seen()]

    async def chain(self, company_id: int | None, *, after: int, limit: int) -> list[Record]:
        found = self._tables.chains.get(company_id, ()) if _sees(self._scope, company_id) else ()
        return [record for record in found if record.number > after][:limit]

    def _seen(self) -> list[tuple[Record, ...]]:
        chains = sorted(self._tables.chains.items(), key=lambda one: one[0] or 0)
        return [chain for company_id, chain in chains if _sees(self._scope, company_id)]


def _asks_for(query: AuditQuery, entry: Entry) -> bool:
    return (
        query.action in (None, entry.action)
        and query.actor in (None, entry.actor)
        and (query.since is None or entry.at >= query.since)
        and (query.until is None or entry.at < query.until)
    )
