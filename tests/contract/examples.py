"""Companies, people and presets to store, and short ways to store one thing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from segmentation_core.audit import Entry
from segmentation_core.ports import Stores, Work
from segmentation_core.presets import Preset, PresetVersion
from segmentation_core.resets import Reset
from segmentation_core.sessions import Session
from segmentation_core.users import ALL_COMPANIES, Company, Scope, User

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

AUDIT_KEY = b"a" * 32
NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)

NO_IDS = (0, -1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30)
"""Ids that nothing has."""

NAMES = (
    'O\'Brien "Bobby"; DROP TABLE users --',
    "100%_sure\\",
    "😀👩‍👩‍👧 Ünïcode",
    "\u200f\u05e9\u05dc\u05d5\u05dd\u200e \u202eevil\u202c",
    "Straße İSTANBUL ﬃ",
    "x" * 255,
    "\U0001f600" * 255,
    " \t\n ",
)
"""Names that a store keeps as they are."""

DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"filter": {}},
    {"z": 1, "a": {"y": [], "b": None}, "10": True, "9": False},
    {"nul": "a\0b", "escaped": "\\u0000", "emoji": "😀", "right to left": "\u202e", "quotes": "\"'", "": ""},
    {"number": [0, -0.0, 1.0, 1, 1e300, 5e-324, 0.1, 2**63, -(10**390)]},
    {"filter": {"income": [str(number) for number in range(130_000)]}},
)
"""Documents that a store gives back equal, their members in order; the last one has 1 MB."""


def inside(company: Company) -> Scope:
    return Scope(company.id)


async def add_company(work: Work, name: str = "Acme") -> Company:
    return await work.run(ALL_COMPANIES, lambda stores: stores.companies.named(name))


def somebody(username: str, company: Company | None, **changes: object) -> User:
    user = User(
        id=0,
        username=username,
        role="User" if company else "SuperAdmin",
        company_name=company.name if company else None,
        company_id=company.id if company else None,
        created=NOON,
        created_by_id=7,
    )
    return replace(user, **changes)


async def add_user(work: Work, username: str, company: Company | None, **changes: object) -> User:
    user = somebody(username, company, **changes)
    return await work.run(user.scope, lambda stores: stores.users.add(user, f"hash of {username}"))


async def delete_user(work: Work, user: User) -> None:
    await work.run(user.scope, lambda stores: stores.users.delete(user.id))


def a_preset(owner: User, name: str = "Buyers", **changes: object) -> Preset:
    preset = Preset(
        id=0,
        company_id=owner.company_id,
        company_name=owner.company_name,
        owner_id=owner.id,
        created_by_id=owner.id,
        username=owner.username,
        name=name,
        document={"filter": {"income": ["1"]}},
        created=NOON,
        updated=NOON,
        version=1,
        catalog="demo 1",
        fingerprint="f1",
    )
    return replace(preset, **changes)


async def add_preset(work: Work, owner: User, name: str = "Buyers", **changes: object) -> Preset:
    return await work.run(owner.scope, lambda stores: stores.presets.add(a_preset(owner, name, **changes)))


async def preset_by_id(work: Work, preset_id: int) -> Preset | None:
    return await work.run(ALL_COMPANIES, lambda stores: stores.presets.by_id(preset_id))


async def versions_of(work: Work, preset: Preset) -> list[PresetVersion]:
    return await work.run(ALL_COMPANIES, lambda stores: stores.presets.versions(preset.id))


async def begin_session(work: Work, user: User, session_id: str, at: datetime = NOON) -> Session:
    session = Session(session_id, user.id, created=at, seen=at)
    await work.run(user.scope, lambda stores: stores.sessions.begin(session))
    return session


async def begin_reset(work: Work, user: User, digest: str, at: datetime = NOON) -> Reset:
    reset = Reset(user.id, digest, at)
    await work.run(user.scope, lambda stores: stores.resets.begin(reset))
    return reset


async def find_session(work: Work, session_id: str, scope: Scope = ALL_COMPANIES) -> tuple[Session, User] | None:
    return await work.run(scope, lambda stores: stores.sessions.find(session_id))


def an_entry(company: Company | None, action: str = "did", **changes: object) -> Entry:
    entry = Entry(
        action=action,
        actor_id=1,
        actor="ana",
        company_id=company.id if company else None,
        subject="user 1",
        at=NOON,
        request_id="r1",
    )
    return replace(entry, **changes)


async def second_waits_for_first(
    work: Work,
    first: Callable[[Stores], Awaitable[object]],
    second: Callable[[Stores], Awaitable[T]],
    *,
    scope: Scope = ALL_COMPANIES,
) -> T:
    """Return what `second` returns, having seen that it does not while the unit of work with `first` goes on."""
    held, ending = asyncio.Event(), asyncio.Event()

    async def hold(stores: Stores) -> None:
        await first(stores)
        held.set()
        await ending.wait()

    holding = asyncio.create_task(work.run(scope, hold))
    await held.wait()
    waiting = asyncio.create_task(work.run(scope, second))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    ending.set()
    await holding
    found = await waiting
    assert not done
    return found
