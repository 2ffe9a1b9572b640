"""Every store in memory: for tests and for users of the library. They live as long as their process.

They keep to scopes and refuse values as a database does, and nothing in them is an object that a caller holds too.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from dataclasses import replace as altered
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, get_args

from msgspec.structs import asdict, replace

from segmentation_core.audit import AuditQuery, Entry, Head, Record, head_of, sealed
from segmentation_core.errors import Conflict, Forbidden, NotFound, Problem, RequestError, excerpt
from segmentation_core.ports import Audit, Companies, Presets, Sessions, Stores, Throttle, Users, Work
from segmentation_core.presets import Preset, PresetVersion
from segmentation_core.users import Account, Company, Role, Scope, User, UserQuery, folded_name

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from segmentation_core.sessions import Session

T = TypeVar("T")
Row = TypeVar("Row")

MOST_ALIKE: Final = 10

_NUMBERS: Final = range(-(2**63), 2**63)
"""What an id or a version can be."""

_OUTSIDE: Final = "This is outside of what may be written here."
_GONE: Final = "What this belongs to has just been deleted."
_REFUSED: Final = Problem("$", "a value is not one that may be stored")


class _Log(Generic[Row]):
    """Rows that are only added to. A log with one more shares the rows of the one before it: nothing is copied.

    What was added to a log and not kept is cut off by the next addition.
    """

    def __init__(self, rows: list[Row], length: int) -> None:
        self._rows = rows
        self._length = length

    def with_one_more(self, row: Row) -> _Log[Row]:
        del self._rows[self._length :]
        self._rows.append(row)
        return _Log(self._rows, self._length + 1)

    def part(self, offset: int, limit: int) -> list[Row]:
        return _window(self._rows, offset, min(limit, self._length - max(offset, 0)))

    def all(self) -> list[Row]:
        return self._rows[: self._length]

    @property
    def last(self) -> Row | None:
        return self._rows[self._length - 1] if self._length else None


@dataclass
class _Tables:
    """What all stores hold together; rows are frozen, so a copy of the dicts is a copy of everything."""

    companies: dict[int, Company] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    presets: dict[int, Preset] = field(default_factory=dict)
    versions: dict[int, _Log[PresetVersion]] = field(default_factory=dict)
    chains: dict[int | None, _Log[Record]] = field(default_factory=dict)
    hits: dict[str, tuple[datetime, ...]] = field(default_factory=dict)
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
            hits=dict(self.hits),
        )

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id


class _Unit:
    """One unit of work: its scope, and its tables until it ends."""

    def __init__(self, tables: _Tables, scope: Scope) -> None:
        self.scope = scope
        self._tables: _Tables | None = tables

    @property
    def tables(self) -> _Tables:
        if self._tables is None:
            msg = "The unit of work has ended: its stores cannot be used any more."
            raise RuntimeError(msg)
        return self._tables

    def end(self) -> None:
        self._tables = None

    def sees(self, company_id: int | None) -> bool:
        return self.scope.company_id in (None, company_id)

    def require_in_scope(self, company_id: int | None) -> None:
        if not self.sees(company_id):
            raise Forbidden(_OUTSIDE)


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
            unit = _Unit(tables, scope)
            try:
                found = await action(MemoryStores(unit, self._key))
            finally:
                unit.end()
            self._tables = tables
            return found


class MemoryStores(Stores):
    """The stores of one unit of work."""

    def __init__(self, unit: _Unit, key: bytes) -> None:
        self.companies = MemoryCompanies(unit)
        self.users = MemoryUsers(unit)
        self.sessions = MemorySessions(unit)
        self.presets = MemoryPresets(unit)
        self.audit = MemoryAudit(unit, key)
        self.throttle = MemoryThrottle(unit)


class MemoryCompanies(Companies):
    """The tenants of one unit of work. In a company's scope there is that company alone, and none can be made."""

    def __init__(self, unit: _Unit) -> None:
        self._unit = unit

    async def named(self, name: str) -> Company:
        tables, folded = self._unit.tables, folded_name(name)
        for known in tables.companies.values():
            if folded_name(known.name) == folded and self._unit.sees(known.id):
                return known
        _require_storable(name=name)
        self._unit.require_in_scope(None)
        made = Company(tables.next_id(), name)
        tables.companies[made.id] = made
        return made


class MemoryUsers(Users):
    """The accounts of one unit of work."""

    def __init__(self, unit: _Unit) -> None:
        self._unit = unit

    async def by_id(self, user_id: int, *, lock: bool = False) -> User | None:  # noqa: ARG002  work is serial here
        account = self._visible(user_id)
        return account.user if account else None

    async def account(self, username: str, *, lock: bool = False) -> Account | None:  # noqa: ARG002
        known = self._named(username)
        return known if known and self._unit.sees(known.user.company_id) else None

    async def add(self, user: User, password_hash: str) -> User:
        _require_storable(**_columns(user), password_hash=password_hash)
        self._unit.require_in_scope(user.company_id)
        _require_role(user)
        if self._named(user.username):
            msg = f"The username {user.username!r} is taken."
            raise Conflict(msg)
        tables = self._unit.tables
        if user.company_id is not None and user.company_id not in tables.companies:
            raise Conflict(_GONE)
        user = replace(user, id=tables.next_id(), created=user.created or datetime.now(UTC))
        tables.accounts[user.id] = Account(user, password_hash)
        return user

    async def change(self, user: User) -> None:
        account = self._visible(user.id)
        if account is None:
            return
        changed = replace(
            account.user,
            role=user.role,
            dsp=user.dsp,
            active=user.active,
            first_name=user.first_name,
            last_name=user.last_name,
            last_login=user.last_login,
        )
        _require_storable(**_columns(changed))
        _require_role(changed)
        self._unit.tables.accounts[user.id] = replace(account, user=changed)

    async def set_password_hash(self, user_id: int, password_hash: str) -> None:
        account = self._visible(user_id)
        if account and _is_storable(password_hash):
            self._unit.tables.accounts[user_id] = replace(account, password_hash=password_hash)

    async def delete(self, user_id: int) -> None:
        if not self._visible(user_id):
            return
        tables = self._unit.tables
        del tables.accounts[user_id]
        tables.sessions = {key: one for key, one in tables.sessions.items() if one.user_id != user_id}
        orphans = {key: replace(one, owner_id=None) for key, one in tables.presets.items() if one.owner_id == user_id}
        tables.presets |= orphans

    async def all(self) -> list[User]:
        users = [account.user for account in self._unit.tables.accounts.values()]
        seen = [user for user in users if self._unit.sees(user.company_id)]
        return sorted(seen, key=lambda user: (user.role, user.first_name, user.id))

    async def page(self, query: UserQuery, *, offset: int, limit: int) -> tuple[list[User], int]:
        found = [user for user in await self.all() if _is_asked_for(user, query)]
        return _window(found, offset, limit), len(found)

    async def lock_super_admins(self) -> list[int]:
        return [user.id for user in await self.all() if user.role == "SuperAdmin" and user.active]

    def _visible(self, user_id: int) -> Account | None:
        account = self._unit.tables.accounts.get(user_id)
        return account if account and self._unit.sees(account.user.company_id) else None

    def _named(self, username: str) -> Account | None:
        name, accounts = folded_name(username), self._unit.tables.accounts.values()
        return next((one for one in accounts if folded_name(one.user.username) == name), None)


def _require_role(user: User) -> None:
    if user.role not in get_args(Role) or (user.role == "SuperAdmin") != (user.company_id is None):
        raise RequestError(_REFUSED)


def _is_asked_for(user: User, query: UserQuery) -> bool:
    names = (user.username, user.first_name, user.last_name)
    return (
        any(query.search.casefold() in name.casefold() for name in names)
        and query.role in (None, user.role)
        and query.active in (None, user.active)
    )


class MemorySessions(Sessions):
    """The sessions of one unit of work."""

    def __init__(self, unit: _Unit) -> None:
        self._unit = unit

    async def begin(self, session: Session) -> None:
        _require_storable(**asdict(session))
        account = self._unit.tables.accounts.get(session.user_id)
        if account is None or not self._unit.sees(account.user.company_id):
            msg = "There is no such user."
            raise NotFound(msg)
        self._unit.tables.sessions[session.id] = session

    async def find(self, session_id: str) -> tuple[Session, User] | None:
        session = self._unit.tables.sessions.get(session_id)
        return (session, self._user_of(session)) if session and self._in_scope(session) else None

    async def touch(self, session_id: str, seen: datetime) -> None:
        found = await self.find(session_id)
        if found:
            self._unit.tables.sessions[session_id] = replace(found[0], seen=seen)

    async def end(self, session_id: str) -> None:
        if await self.find(session_id):
            del self._unit.tables.sessions[session_id]

    async def end_all(self, user_id: int) -> None:
        self._keep(lambda session: session.user_id != user_id)

    async def forget(self, before: datetime) -> None:
        self._keep(lambda session: session.created >= before)

    def _keep(self, kept: Callable[[Session], bool]) -> None:
        sessions = self._unit.tables.sessions
        self._unit.tables.sessions = {key: one for key, one in sessions.items() if kept(one) or not self._in_scope(one)}

    def _in_scope(self, session: Session) -> bool:
        return self._unit.sees(self._user_of(session).company_id)

    def _user_of(self, session: Session) -> User:
        return self._unit.tables.accounts[session.user_id].user


class MemoryPresets(Presets):
    """The presets of one unit of work."""

    def __init__(self, unit: _Unit) -> None:
        self._unit = unit

    async def add(self, preset: Preset) -> Preset:
        kept = replace(preset, document=_copied(preset.document))
        _require_storable(**_columns(kept))
        self._unit.require_in_scope(kept.company_id)
        self._require_fit(kept)
        self._require_owner(kept)
        tables = self._unit.tables
        kept = replace(kept, id=tables.next_id())
        tables.presets[kept.id] = kept
        tables.versions[kept.id] = _Log[PresetVersion]([], 0).with_one_more(_version_of(kept, kept.username))
        return _read(kept)

    async def by_id(self, preset_id: int, *, lock: bool = False) -> Preset | None:  # noqa: ARG002  work is serial here
        preset = self._visible(preset_id)
        return _read(preset) if preset else None

    async def change(self, preset: Preset, changed_by: str) -> None:
        present = self._visible(preset.id)
        if present is None:
            return
        changed = replace(
            present,
            name=preset.name,
            document=_copied(preset.document),
            updated=preset.updated,
            version=preset.version,
            catalog=preset.catalog,
            fingerprint=preset.fingerprint,
        )
        _require_storable(**_columns(changed), changed_by=changed_by)
        self._require_fit(changed)
        tables = self._unit.tables
        history = tables.versions[preset.id]
        if changed.version <= present.version:
            msg = f"Preset {preset.id} has had a version {changed.version} already: it was not locked."
            raise ValueError(msg)
        tables.presets[preset.id] = changed
        tables.versions[preset.id] = history.with_one_more(_version_of(changed, changed_by))

    async def delete(self, preset_id: int) -> None:
        if self._visible(preset_id):
            del self._unit.tables.presets[preset_id]
            del self._unit.tables.versions[preset_id]

    async def page(self, *, owner: int | None, search: str, offset: int, limit: int) -> tuple[list[Preset], int]:
        found = [one for one in self._newest_first(owner) if search.casefold() in one.name.casefold()]
        return [_read(one) for one in _window(found, offset, limit)], len(found)

    async def all(self, *, owner: int | None, username: str | None = None) -> list[Preset]:
        name = None if username is None else folded_name(username)
        return [_read(one) for one in self._newest_first(owner) if name in (None, folded_name(one.username))]

    async def versions(self, preset_id: int) -> list[PresetVersion]:
        if not self._visible(preset_id):
            return []
        return [_read(one) for one in reversed(self._unit.tables.versions[preset_id].all())]

    async def version(self, preset_id: int, version: int) -> PresetVersion | None:
        return next((one for one in await self.versions(preset_id) if one.version == version), None)

    async def alike(self, preset: Preset, *, owner: int | None) -> list[Preset]:
        found = [
            one
            for one in self._newest_first(owner)
            if preset.fingerprint is not None
            and one.fingerprint == preset.fingerprint
            and one.company_id == preset.company_id
            and one.id != preset.id
        ]
        return [_read(one) for one in sorted(found, key=lambda one: one.id)[:MOST_ALIKE]]

    def _visible(self, preset_id: int) -> Preset | None:
        preset = self._unit.tables.presets.get(preset_id)
        return preset if preset and self._unit.sees(preset.company_id) else None

    def _newest_first(self, owner: int | None) -> list[Preset]:
        seen = [one for one in self._unit.tables.presets.values() if self._unit.sees(one.company_id)]
        found = [one for one in seen if owner in (None, one.owner_id)]
        return sorted(found, key=lambda one: (one.created, one.id), reverse=True)

    def _require_fit(self, preset: Preset) -> None:
        if preset.version < 1:
            raise RequestError(_REFUSED)
        others = self._unit.tables.presets.values()
        if preset.owner_id is not None and any(
            one.owner_id == preset.owner_id and one.name == preset.name and one.id != preset.id for one in others
        ):
            msg = f"There is a preset named {preset.name!r} already."
            raise Conflict(msg)

    def _require_owner(self, preset: Preset) -> None:
        """Raise Conflict where there is no such company or owner, or he is another company's."""
        accounts, owner_id, company_id = self._unit.tables.accounts, preset.owner_id, preset.company_id
        is_there = company_id is None or company_id in self._unit.tables.companies
        if owner_id is not None:
            owner = accounts.get(owner_id)
            is_there = is_there and owner is not None and company_id in (None, owner.user.company_id)
        if not is_there:
            raise Conflict(_GONE)


def _version_of(preset: Preset, changed_by: str) -> PresetVersion:
    return PresetVersion(preset.version, preset.name, preset.document, preset.updated, changed_by)


class MemoryAudit(Audit):
    """The audit trail, sealed as in a database."""

    def __init__(self, unit: _Unit, key: bytes) -> None:
        self._unit = unit
        self._key = key

    async def add(self, *entries: Entry) -> None:
        for entry in entries:
            _require_storable(**asdict(entry))
            self._unit.require_in_scope(entry.company_id)
        chains = self._unit.tables.chains
        for entry in map(_entry_copied, entries):
            chain = chains.get(entry.company_id) or _Log[Record]([], 0)
            record = sealed(entry, head_of(chain.last) if chain.last else None, self._key)
            chains[entry.company_id] = chain.with_one_more(record)

    async def page(self, query: AuditQuery, *, offset: int, limit: int) -> tuple[list[Record], int]:
        found = [record for chain in self._seen() for record in chain.all() if _asks_for(query, record.entry)]
        found.sort(key=lambda record: (record.entry.at, record.entry.company_id or 0, record.number), reverse=True)
        return [_record_read(record) for record in _window(found, offset, limit)], len(found)

    async def heads(self) -> list[Head]:
        return [head_of(chain.last) for chain in self._seen() if chain.last]

    async def chain(self, company_id: int | None, *, after: int, limit: int) -> list[Record]:
        chain = self._unit.tables.chains.get(company_id)
        found = chain.part(after, limit) if chain and self._unit.sees(company_id) else []
        return [_record_read(record) for record in found]

    def _seen(self) -> list[_Log[Record]]:
        chains = sorted(self._unit.tables.chains.items(), key=lambda one: one[0] or 0)
        return [chain for company_id, chain in chains if self._unit.sees(company_id)]


def _asks_for(query: AuditQuery, entry: Entry) -> bool:
    return (
        query.action in (None, entry.action)
        and query.actor in (None, entry.actor)
        and (query.since is None or entry.at >= query.since)
        and (query.until is None or entry.at < query.until)
    )


class MemoryThrottle(Throttle):
    """The counts of one unit of work; in a company's scope there are none."""

    def __init__(self, unit: _Unit) -> None:
        self._unit = unit

    async def hit(self, key: str, at: datetime, within: timedelta) -> int:
        _require_storable(key=key)
        hits = self._hits()
        hits[key] = (*hits.get(key, ()), at)
        return await self.count(key, at, within)

    async def count(self, key: str, at: datetime, within: timedelta) -> int:
        return sum(at - within < hit <= at for hit in self._hits().get(key, ()))

    async def clear(self, key: str) -> None:
        self._hits().pop(key, None)

    async def forget(self, before: datetime) -> None:
        kept = {key: tuple(hit for hit in hits if hit >= before) for key, hits in self._hits().items()}
        self._unit.tables.hits = {key: hits for key, hits in kept.items() if hits}

    def _hits(self) -> dict[str, tuple[datetime, ...]]:
        self._unit.require_in_scope(None)
        return self._unit.tables.hits


def _entry_copied(entry: Entry) -> Entry:
    before, after = (None if one is None else _copied(one) for one in (entry.before, entry.after))
    return replace(entry, before=before, after=after)


def _record_read(record: Record) -> Record:
    return replace(record, entry=_entry_copied(record.entry))


Kept = TypeVar("Kept", Preset, PresetVersion)


def _read(kept: Kept) -> Kept:
    return replace(kept, document=_copied(kept.document))


def _copied(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as JSON gives it back. Raises RequestError for what is not JSON: NaN, an infinity, objects."""
    try:
        copied: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as fault:
        raise RequestError(Problem("$", f"the document cannot be stored: {fault}")) from fault
    return copied


def _window(rows: list[Row], offset: int, limit: int) -> list[Row]:
    start = max(offset, 0)
    return rows[start : start + max(limit, 0)]


def _columns(row: User | Preset) -> dict[str, Any]:
    """Return all of a row but its id, which is the store's to give."""
    return {name: value for name, value in asdict(row).items() if name != "id"}


def _require_storable(**values: object) -> None:
    refused = [_cannot_be_stored(name, value) for name, value in values.items() if not _is_storable(value)]
    if refused:
        raise RequestError(refused)


def _cannot_be_stored(name: str, value: object) -> Problem:
    if isinstance(value, str):
        return Problem(f"$.{name}", "contains NUL or half a character, which cannot be stored", excerpt(value))
    return Problem(f"$.{name}", "is out of range", excerpt(value))


def _is_storable(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value and (value.isascii() or not any("\ud800" <= one <= "\udfff" for one in value))
    return not isinstance(value, int) or value in _NUMBERS
