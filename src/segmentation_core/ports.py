"""What the core needs from outside, each with its contract.

An adapter subclasses the Protocol that it implements, so that the type checker sees where the two drift apart. Stores
are asynchronous; what only computes is not. `Population` stands in `population.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from datetime import datetime, timedelta

    from segmentation_core.audit import AuditQuery, ChainEnd, Entry, Record
    from segmentation_core.presets import NamedPreset, Preset, PresetVersion
    from segmentation_core.resets import Reset
    from segmentation_core.sessions import Session
    from segmentation_core.throttling import Limit, Refused, Taken
    from segmentation_core.users import Account, Company, Scope, User, UserQuery

T = TypeVar("T")


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present time, in UTC and aware of it."""
        ...


class Secrets(Protocol):
    """Draws what nobody can guess."""

    def token(self) -> str:
        """Return a fresh text of 256 random bits, fit for URLs and cookies."""
        ...


class Thinking(Protocol):
    """Where long questions are worked out. They can take a second, while which others are to be served.

    Accounts have their turns, one question at a time. Both methods return what `question` returns, or raise what it
    raises; `by` is the account that asks. Both raise Overloaded where too many wait.
    """

    async def answer(self, question: Callable[[], T], *, by: int, short: bool = False) -> T:
        """Work out what a filter means. One that is `short` takes no longer than others may be kept waiting.

        No two such questions are worked out at once: what is remembered of a catalogue is not made for several threads.
        """
        ...

    async def read(self, question: Callable[[], T], *, by: int) -> T:
        """Read or write large texts, which takes far less time and so does not wait for filters."""
        ...


class Work(Protocol):
    """Units of work over the stores: what one changes is there as a whole, or not at all. Made closed."""

    async def open(self) -> None:
        """Make ready. Raises Unavailable where the stores cannot be reached."""
        ...

    async def close(self) -> None:
        """Let go of what `open` took, once what runs has ended."""
        ...

    async def run(self, scope: Scope, action: Callable[[Stores], Awaitable[T]]) -> T:
        """Return what `action` returns, done as one transaction within a scope.

        If it raises, nothing of it is kept, and the error goes on. It may be called again where the store asks for
        that, so it does nothing but work on the stores. In the scope of a company nothing of another company, and
        nothing of no company, can be seen or written. Raises Unavailable where the stores do not answer.
        """
        ...

    async def find_sessions(self, session_ids: Collection[str]) -> dict[str, tuple[Session, User]]:
        """Return sessions of any company as `Sessions.find_all` does, as they are at a moment after this was called.

        It is what nearly every request asks for, and needs no unit of work. Raises Unavailable.
        """
        ...


class Stores(Protocol):
    """The stores that one unit of work spans; good until it ends."""

    companies: Companies
    users: Users
    sessions: Sessions
    presets: Presets
    audit: Audit
    resets: Resets
    throttle: Throttle


class Companies(Protocol):
    """The tenants. Names are unique whatever their case."""

    async def named(self, name: str) -> Company:
        """Return the company of that name, made now where there is none. Of two that make one at once, both get it."""
        ...


class Users(Protocol):
    """The accounts of all companies. Usernames are unique whatever their case, and kept as typed."""

    async def by_id(self, user_id: int, *, lock: bool = False) -> User | None:
        """Return the user, None where there is none in scope.

        With `lock`, no other unit of work changes it, or returns from such a call, until this one ends.
        """
        ...

    async def account(self, username: str, *, lock: bool = False) -> Account | None:
        """Return the account of that name, whatever its case, None where there is none in scope; `lock` as above."""
        ...

    async def add(self, user: User, password_hash: str) -> User:
        """Store a new account and return it with the id that it was given; `user.id` is ignored.

        Raises Conflict where the name is taken, in scope or not. Of two that add one name at once, one succeeds.
        """
        ...

    async def change(self, user: User) -> None:
        """Store role, dsp, active, names and last login as they are in `user`; nothing happens where it is gone."""
        ...

    async def set_password_hash(self, user_id: int, password_hash: str, *, same: bool = False) -> None:
        """Replace the hash of an account, and count one more generation; nothing happens where there is none.

        With `same` it is another hash of the same password, and of the same generation.
        """
        ...

    async def delete(self, user_id: int) -> None:
        """Delete an account with its sessions; its presets stay, with no owner."""
        ...

    async def all(self) -> list[User]:
        """Return every account in scope, by role, then first name, then id; by code points."""
        ...

    async def page(self, query: UserQuery, *, offset: int, limit: int) -> tuple[list[User], int]:
        """Return some of the accounts that a query asks for, in the order of `all`, and how many there are."""
        ...


class Sessions(Protocol):
    """Sessions that have not been ended. What one call has ended, no later call returns."""

    async def begin(self, session: Session) -> None:
        """Store a new session. Its id is fresh."""
        ...

    async def find(self, session_id: str) -> tuple[Session, User] | None:
        """Return the session, expired or not, and its user as the account is now; None where it was ended or never was.

        It is one indexed read.
        """
        ...

    async def find_all(self, session_ids: Collection[str]) -> dict[str, tuple[Session, User]]:
        """Return those of some sessions that `find` returns, by their ids, in one read."""
        ...

    async def touch(self, session_id: str, seen: datetime) -> None:
        """Note a request; nothing happens where the session has ended."""
        ...

    async def end(self, session_id: str) -> None:
        """End a session; nothing happens where it has ended."""
        ...

    async def end_all(self, user_id: int) -> None:
        """End every session of a user."""
        ...

    async def forget(self, before: datetime) -> None:
        """Forget sessions in scope that began before a time."""
        ...


class Presets(Protocol):
    """Saved filters with their history. Names are unique for each owner; versions count from 1 without a gap.

    `owner` narrows to one owner's presets, None to none: everybody's in scope.
    """

    async def add(self, preset: Preset) -> Preset:
        """Store a new preset as its version 1 and return it with the id that it was given; `preset.id` is ignored.

        Raises Conflict where the owner has one of that name. Of two that add one name at once, one succeeds.
        """
        ...

    async def by_id(self, preset_id: int, *, lock: bool = False) -> Preset | None:
        """Return the preset, None where there is none in scope.

        With `lock`, no other unit of work changes it, or returns from such a call, until this one ends.
        """
        ...

    async def by_ids(self, preset_ids: Collection[int]) -> list[Preset]:
        """Return those of some presets that are in scope, by id."""
        ...

    async def change(self, preset: Preset, changed_by: str) -> None:
        """Store name, document, catalogue, fingerprint, time and version of a locked preset, and its history with them.

        Raises Conflict where its owner has another one of that name.
        """
        ...

    async def delete(self, preset_id: int) -> None:
        """Delete a preset with its history; nothing happens where there is none."""
        ...

    async def page(self, *, owner: int | None, search: str, offset: int, limit: int) -> tuple[list[Preset], int]:
        """Return some of the presets whose name contains `search`, whatever the case, the newest first, and how many.

        Of those made at one time the one with the greater id is the newer.
        """
        ...

    async def all(self, *, owner: int | None, username: str | None = None) -> list[Preset]:
        """Return every preset, or those of users who were so named when they made them, the newest first."""
        ...

    async def names(self, *, owner: int | None) -> list[NamedPreset]:
        """Return what every preset is known by, the newest first."""
        ...

    async def versions(self, preset_id: int, *, offset: int = 0, limit: int = 100) -> list[PresetVersion]:
        """Return some of the history of a preset, the newest first, the present one included."""
        ...

    async def version(self, preset_id: int, version: int) -> PresetVersion | None:
        """Return one version of a preset, None where it never had it."""
        ...

    async def alike(self, preset: Preset, *, owner: int | None) -> list[NamedPreset]:
        """Name the other presets of the same company with the same fingerprint, by id; at most ten."""
        ...


class Audit(Protocol):
    """The audit trail. Records are added, and never changed or taken away."""

    async def add(self, *entries: Entry) -> None:
        """Add entries to the ends of their chains, in their order; they are kept if the unit of work is."""
        ...

    async def page(self, query: AuditQuery, *, offset: int, limit: int) -> tuple[list[Record], int]:
        """Return some of the records in scope that a query asks for, the newest first, and how many there are."""
        ...

    async def ends(self) -> list[ChainEnd]:
        """Return the ends of all chains in scope, all seen at one moment, that of no company first.

        There is one for each chain that has a record or a head.
        """
        ...

    async def chain(self, company_id: int | None, *, after: int | None, limit: int) -> list[Record]:
        """Return records of one chain that come after a number, ascending; from the very first one where it is None."""
        ...


class Resets(Protocol):
    """Who may reset a password: one token for each user at the most, found by its digest."""

    async def begin(self, reset: Reset) -> None:
        """Store a reset in the place of the user's older one. Raises NotFound where there is no such user in scope."""
        ...

    async def find(self, digest: str) -> tuple[Reset, User] | None:
        """Return the reset, too old or not, and its user as the account is now; None where there is none in scope."""
        ...

    async def end(self, user_id: int) -> None:
        """Let the user's token be good no more; nothing happens where there is none."""
        ...

    async def forget(self, before: datetime) -> None:
        """Forget resets in scope that were begun before a time."""
        ...


class Throttle(Protocol):
    """How often something happened lately, one count for all replicas. It is for units of work over all companies."""

    async def take(self, limits: Sequence[Limit], at: datetime, within: timedelta) -> Taken | Refused:
        """Take a place under every key if each of them has one free, else under none, and tell when there will be.

        A place counts for `within` from when it was taken; also one that a clock before ours took in our future. Of
        two at once one comes after the other: of any number, no more than `most` are taken under one key. Keys differ.

        One may be free soon where so many places have not failed, and were taken less than UNDER_WAY ago, that those
        that have would leave one.
        """
        ...

    async def fail(self, taken: Taken) -> None:
        """Note that what took the places has failed; some may be free already."""
        ...

    async def give_back(self, taken: Taken) -> None:
        """Free the places that were taken, of which some may be free already."""
        ...

    async def clear(self, key: str) -> None:
        """Free every place under a key."""
        ...

    async def forget(self, before: datetime) -> None:
        """Forget what was taken before a time, whatever its key; what others are about to forget is left to them."""
        ...


class SessionReads(Protocol):
    """Where requests have their sessions read, each in a unit of work that begins after it was asked."""

    async def find(self, session_id: str) -> tuple[Session, User] | None:
        """Return a session of any company as `Sessions.find` does. Raises Unavailable."""
        ...


class Builds(Protocol):
    """Where audience builds are noted, so that building one waits for no chain."""

    def add(self, entry: Entry) -> None:
        """Note a build; it is in the audit trail within a second, or when the service stops. Never blocks."""
        ...


class AnswerCache(Protocol):
    """Keeps answers that cost time to compute, for whoever asks the same again.

    One belongs to one population and is dropped with it. What is kept may be forgotten at any time, and is never
    changed. Keys and answers have nothing of a company in them.
    """

    def get(self, key: tuple[str, ...]) -> Any | None:  # noqa: ANN401  what was put
        """Return what was put under a key, None where nothing is kept."""
        ...

    def put(self, key: tuple[str, ...], answer: object) -> None:
        """Keep an answer, which is not None."""
        ...


class Passwords(Protocol):
    """Hashes passwords, off the event loop and a bounded number at a time; Overloaded where too many wait.

    There are two queues, each with threads of its own: everybody's, and one for those whom we know, which no flood of
    strangers fills; nor does one account, which has two places in it at the most, and Overloaded beyond.
    """

    async def hashed(self, password: str, *, by: int | None = None) -> str:
        """Return a salted hash, which names its scheme and cost, in the queue of those whom we know.

        `by` is the account that asks, None where it is no account: a command does.
        """
        ...

    async def verify(self, password: str, password_hash: str | None, *, known: int | None = None) -> bool:
        """Tell whether the password is the hash's. With no hash do the same work and say no.

        Right or wrong, it takes the work of a hash of the present cost, whatever the cost of this one. `known` is the
        account whose device or session we know it to come from, None where it may be anybody's.
        """
        ...

    def is_common(self, password: str) -> bool:
        """Tell whether the password is one of those that are guessed first, whatever its case."""
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash should be replaced, being of an older scheme or cost."""
        ...


class Tokens(Protocol):
    """Signs and reads what a client carries to prove its session."""

    def sign(self, session: Session, user: User) -> str:
        """Return a signed token of the session, which ends with it."""
        ...

    def session_id(self, token: str, now: datetime) -> str | None:
        """Return the id of the session that the token is for; None for every token not signed here, or expired."""
        ...

    def csrf_token(self, session_id: str) -> str:
        """Return a fresh CSRF token bound to the session."""
        ...

    def is_csrf_token(self, csrf_token: str, session_id: str) -> bool:
        """Tell, in constant time, whether the CSRF token is one of this session's."""
        ...


class Devices(Protocol):
    """Signs and reads what a device keeps to be known by the user who signed in from it. No store has it.

    `generation` is that of the user's password: with another password every device is unknown.
    """

    def sign(self, user_id: int, generation: int, device_id: str, at: datetime) -> str:
        """Return a text that stands for a device from which a user signed in."""
        ...

    def device_id(self, signed: str | None, user_id: int, generation: int, now: datetime) -> str | None:
        """Return the id of a device of this user and password; None for every text not signed here, or too long ago.

        It takes as long for a user that there is not.
        """
        ...


class Mailer(Protocol):
    """Sends mail."""

    async def send(self, to: str, subject: str, text: str) -> None:
        """Hand a message over to be delivered.

        Raises RequestError for an address or a subject that would be more than one header, and Unavailable where it
        could not be handed over.
        """
        ...
