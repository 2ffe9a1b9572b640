"""Whatever people of two companies do, memory and PostgreSQL answer alike, and as a small model of the rules says.

The model knows who did what, and what that should come to. Where a request has several faults it does not say which of
them is told: in that the two stores have to agree.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from msgspec import UNSET
from msgspec.structs import replace

from segmentation_core.audit import AuditQuery, ChainEnd, Record, broken
from segmentation_core.errors import (
    Conflict,
    CsrfMismatch,
    DocumentError,
    Forbidden,
    NotFound,
    NotSignedIn,
    PasswordRefused,
    RequestError,
    SegmentationError,
    Stale,
    Throttled,
    WrongCredentials,
)
from segmentation_core.ports import Stores
from segmentation_core.presets import Preset, PresetVersion
from segmentation_core.sessions import IDLE_LIFETIME, LIFETIME, Session
from segmentation_core.throttling import MOST_PER_NAME, WITHIN
from segmentation_core.usecases import Client, NewUser, PresetView
from segmentation_core.users import ALL_COMPANIES, User, UserChange, UserQuery, folded_name
from tests.contract.acting import Actor, Both, Opened, Person, Saved, Side, Twin
from tests.contract.examples import AUDIT_KEY, NAMES, NO_IDS, NOON, a_preset, an_entry, somebody
from tests.postgres import VERSIONS, Server
from tests.unit.house import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

RUNS = {"dev": 20, "ci": 200, "nightly": 2_000}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]
STEPS = {"dev": 50, "ci": 30, "nightly": 50}[os.environ.get("HYPOTHESIS_PROFILE", "dev")]
SHARE = {18: 1, 15: 4}
"""The older server has a fourth of the runs."""

HALF = "\ud800"

GOOD = ("ana", "Ana", "ANA", "a_a", "a%", "100%", "o'brien", "%'\\", "STRASSE", "Straße", "İ", "i̇", *NAMES[:-1])
BAD = ("", " \t", "x" * 256, "a\0b", HALF)
PARTS = ("", "", "a", "A", "%", "_", "'", "\\", "😀", "ss", "ẞ", "ﬃ", "\u202e", "x" * 255, "\0", HALF)
PASSWORDS = (PASSWORD, "another password", "Ünïcöde 😀")
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"filter": {"car": ["yes"]}},
    {"audienceFilters": {"car": ["yes"], "age": []}, "segments": {"a": 1}, "metadata": {"z": "\0", "a": ["'%", -0.0]}},
    {"filter": {"not": {"car": ["no"]}}, "segments": {}},
    {"filter": {"unknown": ["x"]}, "metadata": {"😀": "\u202e", "b": None, "a": 10**40}},
)
NO_JSON = "no JSON"
NO_DOCUMENTS: tuple[object, ...] = (NO_JSON, {"filter": {}, "audienceFilters": {}}, {"filter": []})


def mightier(one: Actor, other: Actor) -> Actor:
    return other if one.is_below(other.user.role) else one


people = Bundle[Person]("people")
presets = Bundle[Saved]("presets")
sessions = Bundle[Opened]("sessions")
seldom = st.sampled_from((False, False, False, True))
actors = st.builds(Actor, people, seldom)
managers = st.builds(mightier, actors, actors)
owner_or_other = st.none() | actors
"""Who writes a preset; None is its owner."""

good_names = st.sampled_from(GOOD)
names = good_names | good_names | good_names | st.text(max_size=3) | st.sampled_from(BAD)
preset_names = st.sampled_from(("Buyers", "buyers", "100%", "😀" * 255)) | good_names | names
company_names = st.sampled_from(("Acme", "ACME", "Other", "Straße %", "strasse %"))
passwords = st.sampled_from(PASSWORDS)
bad_passwords = st.sampled_from(("short", "x" * 65, f"a half {HALF}"))
roles = st.sampled_from(("User", "Manager", "Admin", "SuperAdmin"))
statuses = st.sampled_from(("active", "active", "active", "inactive"))
new_users = st.builds(NewUser, good_names, passwords, roles, good_names, good_names, company_names, statuses, seldom)
any_users = st.builds(
    NewUser, names, passwords | bad_passwords, roles, names, names, st.none() | company_names | names, statuses, seldom
)
unset = st.just(UNSET)
changes = st.builds(
    UserChange,
    role=unset | roles,
    status=unset | statuses,
    dsp=unset | st.booleans(),
    first_name=unset | unset | names,
    last_name=unset | good_names,
    password=unset | st.just("") | passwords | bad_passwords,
)
documents = st.sampled_from((*DOCUMENTS, *DOCUMENTS, *NO_DOCUMENTS))
versions = st.sampled_from((None, None, None, 0, 0, 0, -1, 1))
"""Of a preset: none, or how far it is from the present one."""

parts = st.sampled_from(PARTS)
windows = st.tuples(st.sampled_from((0, 0, 0, 1, 3, 10**30)), st.sampled_from((100, 100, 2, 0, 10**30)))
minutes = st.sampled_from((0.5, 1, 5, 59, IDLE_LIFETIME.seconds // 60, LIFETIME.seconds // 60))


def faults(*told: tuple[bool, type[SegmentationError]]) -> set[type[SegmentationError]]:
    """Return the errors whose reason holds."""
    return {kind for holds, kind in told if holds}


def is_name(name: str) -> bool:
    return bool(name.strip()) and len(name) <= 255 and "\0" not in name and HALF not in name


def part_of(rows: list[T], window: tuple[int, int]) -> tuple[list[T], int]:
    offset, limit = window
    return rows[offset : offset + limit], len(rows)


def shown_to(by: Actor, document: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in document.items() if name != "segments" or not by.user.dsp}


def written_by(by: Actor, sent: dict[str, Any], present: dict[str, Any]) -> dict[str, Any]:
    kept = {"segments": present["segments"]} if by.user.dsp and "segments" in present else {}
    return shown_to(by, sent) | kept


def is_known(document: dict[str, Any]) -> bool:
    """Tell whether the catalogue knows what a document names; those that it knows all mean the same."""
    return "unknown" not in document.get("filter", {})


def newest_first(saved: Saved) -> list[tuple[int, str, dict[str, Any]]]:
    return [(number, *one) for number, one in reversed([*enumerate(saved.history, 1)])]


def numbered(history: list[PresetVersion]) -> list[tuple[int, str, dict[str, Any]]]:
    return [(one.version, one.name, one.document) for one in history]


class TwoCompanies(RuleBasedStateMachine):
    """Two companies with four roles, who try all that the use cases offer."""

    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.database = self.server.database()
        self.both = Both(self.database)
        self.persons: list[Person] = []
        self.saved: list[Saved] = []
        self.opened: list[Opened] = []
        self.trail: dict[int | None, list[tuple[datetime, str, str]]] = {}
        self.homes: dict[str, int | None] = {}
        self.failed: list[tuple[str, datetime]] = []
        self.is_well = False

    def teardown(self) -> None:
        try:
            if self.is_well:
                self.histories_have_no_gap_and_chains_are_whole()
        finally:
            self.both.close()
            self.server.drop(self.database)

    def does(
        self, by: Actor | None, reasons: set[type[SegmentationError]], action: Callable[[Side], Awaitable[T]]
    ) -> Twin[T] | None:
        """Return what both stores answer, None where both refuse for a reason that the model has."""
        self.is_well = False
        try:
            answers = self.both.ask(action, within=by.twin if by else None)
        except SegmentationError as fault:
            assert type(fault) in reasons, (fault, reasons)
            return None
        assert not reasons
        return answers

    @property
    def now(self) -> datetime:
        return self.both.clock.time

    def tell(self, by: User, action: str, subject: User | Preset) -> None:
        """Note what the audit trail of the subject's company has to say."""
        self.trail.setdefault(subject.company_id, []).append((self.now, action, by.username))

    def named(self, username: str) -> Person | None:
        found = [one for one in self.persons if one.there and one.user.username.casefold() == username.casefold()]
        return found[0] if found else None

    def is_taken(self, name: str, owner: Person, *, by: Saved | None = None) -> bool:
        """Tell whether an owner has a preset of a name, other than that one."""
        mine = [one for one in self.saved if one.there and one.owner is owner and one is not by]
        return owner.there and name in [one.name for one in mine]

    def end_sessions(self, person: Person) -> None:
        for one in self.opened:
            one.there = one.there and one.person is not person

    # Accounts

    @initialize(target=people)
    def people_of_two_companies(self) -> MultipleResults[Person]:
        self.begin()
        return multiple(*self.persons[:2], *self.persons)

    @initialize(target=presets)
    def a_preset_of_each(self) -> MultipleResults[Saved]:
        self.begin()
        return multiple(*self.saved)

    @initialize(target=sessions)
    def two_who_are_signed_in(self) -> MultipleResults[Opened]:
        self.begin()
        return multiple(*self.opened)

    def begin(self) -> None:
        if self.persons:
            return
        twin = self.both.ask(Side.root)
        self.persons.append(Person(twin, twin, PASSWORD))
        root = Actor(self.persons[0])
        self.made(root, NewUser("second", PASSWORD, "SuperAdmin", "Ana", "Root"))
        for company, dsp in (("Acme", False), ("Other", True)):
            for role in ("Admin", "Manager", "User"):
                self.made(root, NewUser(f"{role} {company}", PASSWORD, role, "Ana", "%", company, dsp=dsp))
            self.save(Actor(self.persons[-1]), "Buyers", DOCUMENTS[1])
            self.sign_in(self.persons[-1], str, None)

    @rule(target=people, by=managers, new=new_users)
    def make_user(self, by: Actor, new: NewUser) -> Person | MultipleResults[Person]:
        if by.user.role != "SuperAdmin" or new.role == "SuperAdmin":
            new = replace(new, company_name=None)
        return self.make_any_user(by, new)

    @rule(target=people, by=managers, new=any_users)
    def make_any_user(self, by: Actor, new: NewUser) -> Person | MultipleResults[Person]:
        by_super, is_super = by.user.role == "SuperAdmin", new.role == "SuperAdmin"
        reasons = faults(
            (not by.manages or by.is_below(new.role) or (by.user.dsp and not new.dsp), Forbidden),
            (by_super and not is_super and not is_name(new.company_name or ""), RequestError),
            (new.company_name is not None and (is_super or not by_super), RequestError),
            (not all(map(is_name, (new.username, new.first_name, new.last_name))), RequestError),
            (new.password not in PASSWORDS, PasswordRefused),
            (not by.is_unchanged, NotSignedIn),
            (self.named(new.username) is not None, Conflict),
        )
        if not reasons:
            return self.made(by, new)
        self.does(by, reasons, lambda side: side.users.create(by.on(side), new))
        return multiple()

    def made(self, by: Actor, new: NewUser) -> Person:
        answers = self.does(by, set(), lambda side: side.users.create(by.on(side), new))
        assert answers
        user, home = answers.in_memory, by.user.company_id
        if new.company_name is not None:
            home = self.homes.setdefault(new.company_name.casefold(), user.company_id)
            assert (user.company_name or "").casefold() == new.company_name.casefold()
        assert user == User(
            id=user.id,
            username=new.username,
            role=new.role,
            company_name=user.company_name,
            first_name=new.first_name,
            last_name=new.last_name,
            dsp=new.dsp,
            active=new.status == "active",
            company_id=home,
            created=self.now,
            created_by_id=by.user.id,
        )
        self.tell(by.user, "user created", user)
        self.persons.append(Person(answers, answers, new.password))
        return self.persons[-1]

    @rule(by=managers, who=people, change=changes)
    def change_user(self, by: Actor, who: Person, change: UserChange) -> None:
        before, is_self = who.user, by.person is who
        after = replace(
            before,
            role=before.role if change.role is UNSET else change.role,
            active=before.active if change.status is UNSET else change.status == "active",
            dsp=before.dsp if change.dsp is UNSET else change.dsp,
            first_name=before.first_name if change.first_name is UNSET else change.first_name,
            last_name=before.last_name if change.last_name is UNSET else change.last_name,
        )
        password = "" if change.password is UNSET else change.password
        reasons = faults(
            (not by.manages or by.is_below(before.role, after.role), Forbidden),
            (by.user.dsp and not (before.dsp and after.dsp), Forbidden),
            (change == UserChange() or not is_name(after.first_name), RequestError),
            (bool(password) and is_self, Forbidden),
            (bool(password) and password not in PASSWORDS, PasswordRefused),
            (not who.there or not by.sees(before.company_id), NotFound),
            ((before.role == "SuperAdmin") != (after.role == "SuperAdmin"), RequestError),
            (is_self and not after.active, RequestError),
            (not by.is_unchanged, NotSignedIn),
        )
        answers = self.does(by, reasons, lambda side: side.users.change(by.on(side), side.of(who.ids), change))
        if answers:
            assert answers.in_memory == after
            who.twin, who.password = answers, password or who.password
            self.tell(by.user, "user changed", before)
            if password or after.role != before.role or not after.active:
                self.end_sessions(who)

    @rule(by=managers, who=people)
    def delete_user(self, by: Actor, who: Person) -> None:
        reasons = faults(
            (not by.manages or by.is_below(who.user.role) or (by.user.dsp and not who.user.dsp), Forbidden),
            (by.person is who, RequestError),
            (not who.there or not by.sees(who.user.company_id), NotFound),
            (not by.is_unchanged, NotSignedIn),
        )
        if self.does(by, reasons, lambda side: side.users.delete(by.on(side), side.of(who.ids))):
            who.there = False
            self.end_sessions(who)
            self.tell(by.user, "user deleted", who.user)

    @rule(by=actors, no_id=st.sampled_from(NO_IDS))
    def ask_for_nobody(self, by: Actor, no_id: int) -> None:
        refused = faults((by.manages, NotFound), (not by.manages, Forbidden), (not by.is_unchanged, NotSignedIn))
        change = UserChange(first_name="Nobody")
        self.does(by, refused, lambda side: side.users.change(by.on(side), no_id, change))
        self.does(by, refused, lambda side: side.users.delete(by.on(side), no_id))
        self.does(by, {NotFound}, lambda side: side.presets.change(by.on(side), no_id, name="Nobody's"))
        self.does(by, {NotFound}, lambda side: side.presets.delete(by.on(side), no_id))

    @rule(
        by=managers,
        query=st.builds(UserQuery, parts | good_names, st.none() | roles, st.none() | st.booleans()),
        window=windows,
    )
    def look_at_users(self, by: Actor, query: UserQuery, window: tuple[int, int]) -> None:
        offset, limit = window
        reasons = faults((not by.manages, Forbidden))
        seen = [one.user for one in self.persons if one.there and by.sees(one.user.company_id)]
        seen.sort(key=lambda user: (user.role, user.first_name, user.id))
        found = [
            user
            for user in seen
            if query.search.casefold() in f"{user.username}\n{user.first_name}\n{user.last_name}".casefold()
            and query.role in (None, user.role)
            and query.active in (None, user.active)
        ]
        everybody = self.does(by, reasons, lambda side: side.users.all(by.on(side)))
        assert not everybody or everybody.in_memory == seen
        page = self.does(by, reasons, lambda side: side.users.page(by.on(side), query, offset=offset, limit=limit))
        assert not page or page.in_memory == part_of(found, window)

    # Presets

    def is_shown(self, by: Actor, saved: Saved, view: PresetView) -> bool:
        """Hold a preset, as it is shown to somebody, against the model."""
        preset, (name, document) = view.preset, saved.history[-1]
        assert (preset.id, preset.name, preset.version) == (saved.preset.id, name, len(saved.history))
        assert preset.document == shown_to(by, document)
        assert preset.owner_id == (saved.owner.user.id if saved.owner.there else None)
        assert preset.username == saved.owner.user.username
        for one in view.alike:
            (other,) = [other for other in self.saved if other.preset.id == one.id]
            assert other is not saved
            assert (one.name, other.preset.company_id) == (other.name, preset.company_id)
            assert is_known(other.history[-1][1])
            assert is_known(document)
            assert other.is_read_by(by)
        return True

    def refusals(self, by: Actor, saved: Saved, version: int | None) -> set[type[SegmentationError]]:
        """Return why somebody may not write a preset that is to be so far from its present version."""
        return faults(
            (not saved.is_read_by(by), NotFound),
            (not saved.is_written_by(by), Forbidden),
            (version not in (None, 0), Stale),
        )

    def becomes(
        self,
        by: Actor,
        saved: Saved,
        after: tuple[str, dict[str, Any]],
        reasons: set[type[SegmentationError]],
        action: Callable[[Side], Awaitable[PresetView]],
    ) -> bool:
        """Tell whether a preset has become something else, as both stores show it."""
        reasons |= faults((self.is_taken(after[0], saved.owner, by=saved), Conflict))
        answers = self.does(by, reasons, action)
        if answers is None:
            return False
        saved.history.append(after)
        assert answers.in_memory.preset.updated == self.now
        return self.is_shown(by, saved, answers.in_memory)

    @rule(target=presets, owner=people, name=st.sampled_from(GOOD), sent=st.sampled_from(DOCUMENTS))
    def save_well(self, owner: Person, name: str, sent: object) -> Saved | MultipleResults[Saved]:
        return self.save(Actor(owner), name, sent)

    @rule(target=presets, by=actors, name=preset_names, sent=documents)
    def save(self, by: Actor, name: str, sent: object) -> Saved | MultipleResults[Saved]:
        reasons = faults(
            (not is_name(name) or sent in NO_DOCUMENTS, RequestError),
            (sent == NO_JSON, DocumentError),
            (not by.person.there or self.is_taken(name, by.person), Conflict),
        )
        answers = self.does(by, reasons, lambda side: side.presets.create(by.on(side), name, sent))
        if answers is None or not isinstance(sent, dict):
            return multiple()
        saved = Saved(Twin(*(view.preset for view in answers)), by.person, [(name, sent)])
        self.saved.append(saved)
        self.tell(by.user, "preset created", saved.preset)
        self.is_shown(by, saved, answers.in_memory)
        return saved

    @rule(by=owner_or_other, saved=presets, name=st.none() | preset_names, sent=st.none() | documents, version=versions)
    def change_preset(
        self, by: Actor | None, saved: Saved, name: str | None, sent: object, version: int | None
    ) -> None:
        by = by or Actor(saved.owner)
        told = None if version is None else {len(saved.history) + version}
        reasons = self.refusals(by, saved, version) | faults(
            (name is None and sent is None, RequestError),
            (name is not None and not is_name(name), RequestError),
            (sent in NO_DOCUMENTS, RequestError),
            (sent == NO_JSON, DocumentError),
        )
        present = saved.history[-1][1]
        after = (name or saved.name, written_by(by, sent, present) if isinstance(sent, dict) else present)

        async def change(side: Side) -> PresetView:
            return await side.presets.change(by.on(side), side.of(saved.ids), name=name, sent=sent, versions=told)

        if self.becomes(by, saved, after, reasons, change):
            self.tell(by.user, "preset changed", saved.preset)

    @rule(by=owner_or_other, saved=presets, to=st.sampled_from((1, 1, 2, 3, *NO_IDS)), version=versions)
    def revert_preset(self, by: Actor | None, saved: Saved, to: int, version: int | None) -> None:
        by = by or Actor(saved.owner)
        told = None if version is None else {len(saved.history) + version}
        was_there = 1 <= to <= len(saved.history)
        after = saved.history[to - 1 if was_there else 0]
        reasons = self.refusals(by, saved, version) | faults((not was_there, NotFound))

        async def revert(side: Side) -> PresetView:
            return await side.presets.revert(by.on(side), side.of(saved.ids), to, versions=told)

        if self.becomes(by, saved, after, reasons, revert):
            self.tell(by.user, "preset reverted", saved.preset)

    @rule(by=owner_or_other, saved=presets, version=versions)
    def delete_preset(self, by: Actor | None, saved: Saved, version: int | None) -> None:
        by = by or Actor(saved.owner)
        told = None if version is None else {len(saved.history) + version}
        reasons = self.refusals(by, saved, version)
        if self.does(by, reasons, lambda side: side.presets.delete(by.on(side), side.of(saved.ids), versions=told)):
            saved.there = False
            self.tell(by.user, "preset deleted", saved.preset)

    @rule(by=actors, saved=presets)
    def look_at_preset(self, by: Actor, saved: Saved) -> None:
        reasons = faults((not saved.is_read_by(by), NotFound))
        view = self.does(by, reasons, lambda side: side.presets.get(by.on(side), side.of(saved.ids)))
        history = self.does(by, reasons, lambda side: side.presets.versions(by.on(side), side.of(saved.ids)))
        if view and history:
            self.is_shown(by, saved, view.in_memory)
            expected = [(number, name, shown_to(by, document)) for number, name, document in newest_first(saved)]
            assert numbered(history.in_memory[0]) == expected

    @rule(by=actors, search=parts | preset_names, whose=people, window=windows)
    def look_at_presets(self, by: Actor, search: str, whose: Person, window: tuple[int, int]) -> None:
        offset, limit = window
        username = whose.user.username.upper()
        seen = [one for one in reversed(self.saved) if one.is_read_by(by)]
        seen.sort(key=lambda one: one.preset.created, reverse=True)
        found = [one for one in seen if search.casefold() in one.name.casefold()]
        his = [one for one in seen if one.owner.user.username.casefold() == username.casefold()]

        async def look(side: Side) -> tuple[list[PresetView], int, list[PresetView]]:
            page, total = await side.presets.page(by.on(side), search=search, offset=offset, limit=limit)
            return page, total, await side.presets.all(by.on(side), username)

        answers = self.does(by, set(), look)
        assert answers
        page, total, of_user = answers.in_memory
        shown, expected = part_of(found, window)
        assert total == expected
        for saved, view in zip([*shown, *his], [*page, *of_user], strict=True):
            self.is_shown(by, saved, view)

    # The audit trail

    @rule(
        by=managers,
        action=st.none() | st.sampled_from(("user created", "preset changed", "signed in", "%", HALF)),
        who=st.none() | people,
        since=st.none() | minutes,
        until=st.none() | minutes,
        window=windows,
    )
    def read_the_trail(  # noqa: PLR0913, PLR0917  all that a query can ask for
        self,
        by: Actor,
        action: str | None,
        who: Person | None,
        since: float | None,
        until: float | None,
        window: tuple[int, int],
    ) -> None:
        offset, limit = window
        times = [None if ago is None else self.now - timedelta(minutes=ago) for ago in (since, until)]
        query = AuditQuery(action, who.user.username if who else None, *times)
        told = [
            (at, company_id or 0, number, action, actor)
            for company_id, chain in self.trail.items()
            if by.sees(company_id)
            for number, (at, action, actor) in enumerate(chain, 1)
            if query.action in (None, action)
            and query.actor in (None, actor)
            and (query.since is None or at >= query.since)
            and (query.until is None or at < query.until)
        ]
        reasons = faults((not by.manages, Forbidden))
        page = self.does(by, reasons, lambda side: side.audit(by.on(side), query, offset=offset, limit=limit))
        if page:
            records, total = page.in_memory
            entries = [(one.number, one.entry) for one in records]
            found = [(one.at, one.company_id or 0, number, one.action, one.actor) for number, one in entries]
            assert (found, total) == part_of(sorted(told, reverse=True), window)

    # Sessions

    @rule(after=minutes)
    def wait(self, after: float) -> None:
        self.both.clock.time += timedelta(minutes=after)

    @rule()
    def passwords_grow_old(self) -> None:
        async def grow(side: Side) -> None:
            side.passwords.scheme += 1

        self.both.ask(grow)

    @rule(target=sessions, who=people, cased=st.sampled_from((str, str.upper)), given=st.none() | passwords)
    def sign_in(self, who: Person, cased: Callable[[str], str], given: str | None) -> Opened | MultipleResults[Opened]:
        username, password = cased(who.user.username), who.password if given is None else given
        found = self.named(username)
        is_right = found is not None and found.user.active and found.password == password
        lately = [name for name, at in self.failed if at > self.now - WITHIN]
        is_full = lately.count(folded_name(username)) >= MOST_PER_NAME
        reasons = faults((is_full, Throttled), (not is_full and not is_right, WrongCredentials))
        answers = self.does(None, reasons, lambda side: side.sign_in(username, password, Client("192.0.2.1")))
        if reasons == {WrongCredentials}:
            self.failed.append((folded_name(username), self.now))
        if answers is None or found is None:
            return multiple()
        now = replace(found.user, last_login=self.now)
        found.twin = Twin(*(user for user, _ in answers))
        assert found.user == now
        self.tell(found.user, "signed in", found.user)
        self.opened.append(Opened(found, Twin(*(tokens for _, tokens in answers)), self.now, self.now))
        return self.opened[-1]

    @rule(
        session=sessions, other=sessions, sent=st.sampled_from(("own", "own", "another's", "not the cookie's", "none"))
    )
    def send_a_request(self, session: Opened, other: Opened, sent: str) -> None:
        is_alive = session.there and self.now < min(session.created + LIFETIME, session.seen + IDLE_LIFETIME)

        async def authenticate(side: Side) -> User:
            tokens, others = side.of(session.tokens), side.of(other.tokens)
            cookie = others.csrf_token if sent == "another's" else tokens.csrf_token
            header = {"none": None, "not the cookie's": cookie + "x"}.get(sent, cookie)
            return await side.authenticate(tokens.token, cookie, header)

        is_foreign = sent == "another's" and other is not session
        reasons = faults(
            (not is_alive or sent == "none", NotSignedIn),
            (is_foreign or sent == "not the cookie's", CsrfMismatch),
        )
        answers = self.does(None, reasons, authenticate)
        if answers:
            assert answers.in_memory == session.person.user
            if self.now >= session.seen + timedelta(minutes=1):
                session.seen = self.now

    @rule(session=sessions)
    def sign_out(self, session: Opened) -> None:
        self.does(None, set(), lambda side: side.sign_out(side.of(session.tokens).token))
        if session.there and self.now < session.created + LIFETIME:
            session.there = False
            self.tell(session.person.user, "signed out", session.person.user)

    # What no use case does

    @rule(mine=people, other=people, saved=st.none() | presets)
    def reach_into_another_company(self, mine: Person, other: Person, saved: Saved | None) -> None:
        if mine.user.company_id in (None, other.user.company_id) or not other.there:
            return
        is_foreign = saved and saved.there and saved.preset.company_id != mine.user.company_id

        async def reach(side: Side) -> list[str]:
            me, preset = side.of(mine.twin), side.of(saved.twin) if saved and is_foreign else None
            return [await outcome(side, me, action) for action in reaches(me, side.of(other.twin), preset)]

        told = self.both.ask(reach).in_memory
        assert [one.partition(":")[0] for one in told[:6]] == ["Forbidden"] * 4 + ["NotFound", "Conflict"]
        assert {*told[6:]} == {"None"}

    @rule(who=people)
    def fail_in_the_middle(self, who: Person) -> None:
        async def fail(side: Side) -> None:
            user = side.of(who.twin)

            async def change(stores: Stores) -> None:
                company = await stores.companies.named("Nowhere")
                nobody = await stores.users.add(somebody("nobody at all", company), "hash")
                preset = await stores.presets.add(a_preset(nobody))
                await stores.presets.change(replace(preset, version=2), "nobody")
                await stores.audit.add(an_entry(company), replace(an_entry(None), company_id=user.company_id))
                await stores.users.change(replace(user, first_name="Nobody"))
                await stores.users.delete(user.id)
                raise LookupError

            with pytest.raises(LookupError):
                await side.work.run(ALL_COMPANIES, change)

        self.both.ask(fail)

    # What holds after each step, and at the end

    @invariant()
    def the_stores_hold_what_the_model_does(self) -> None:
        async def read(stores: Stores) -> tuple[list[User], list[Preset], list[ChainEnd]]:
            return await stores.users.all(), await stores.presets.all(owner=None), await stores.audit.ends()

        answers = self.both.ask(lambda side: side.work.run(ALL_COMPANIES, read))
        users, kept, ends = answers.in_memory
        assert {user.id: user for user in users} == {one.user.id: one.user for one in self.persons if one.there}
        assert len({user.username.casefold() for user in users}) == len(users)
        assert any(user.role == "SuperAdmin" and user.active for user in users)
        owned = [(preset.owner_id, preset.name) for preset in kept if preset.owner_id is not None]
        assert len({*owned}) == len(owned)
        expected = {one.preset.id: (one.name, len(one.history)) for one in self.saved if one.there}
        assert {preset.id: (preset.name, preset.version) for preset in kept} == expected
        lengths = {company_id: len(chain) for company_id, chain in self.trail.items()}
        assert {end.company_id: end.head.number for end in ends if end.head} == lengths
        assert all(end.head == end.last for side in answers for end in side[2])
        self.is_well = True

    def histories_have_no_gap_and_chains_are_whole(self) -> None:
        async def look(side: Side) -> tuple[list[list[PresetVersion]], list[list[Record]]]:
            async def read(stores: Stores) -> tuple[list[list[PresetVersion]], list[list[Record]]]:
                ends = await stores.audit.ends()
                chains = [await stores.audit.chain(end.company_id, after=None, limit=1_000) for end in ends]
                for end, chain in zip(ends, chains, strict=True):
                    assert broken(chain, AUDIT_KEY, exported=end.head) == []
                return [await stores.presets.versions(side.of(one.ids)) for one in self.saved], chains

            return await side.work.run(ALL_COMPANIES, read)

        histories, chains = self.both.ask(look).in_memory
        for saved, history in zip(self.saved, histories, strict=True):
            assert numbered(history) == (newest_first(saved) if saved.there else [])
        for chain in chains:
            told = [(one.entry.at, one.entry.action, one.entry.actor) for one in chain]
            assert told == self.trail[chain[0].entry.company_id]


async def outcome(side: Side, me: User, action: Callable[[Stores], Awaitable[object]]) -> str:
    try:
        return repr(await side.work.run(me.scope, action))
    except SegmentationError as fault:
        return f"{type(fault).__name__}: {fault}"


def reaches(me: User, other: User, foreign: Preset | None) -> list[Callable[[Stores], Awaitable[object]]]:
    """Return what a company's own scope keeps somebody from: six additions, and changes that find nothing."""
    reaching: list[Callable[[Stores], Awaitable[object]]] = [
        lambda stores: stores.users.add(replace(other, username="reached"), "hash"),
        lambda stores: stores.presets.add(a_preset(other, "reached")),
        lambda stores: stores.audit.add(replace(an_entry(None), company_id=other.company_id)),
        lambda stores: stores.companies.named(other.company_name or "reached"),
        lambda stores: stores.sessions.begin(Session("reached", other.id, NOON, NOON)),
        lambda stores: stores.presets.add(a_preset(other, "reached", company_id=me.company_id)),
        lambda stores: stores.users.change(replace(other, first_name="reached")),
        lambda stores: stores.users.set_password_hash(other.id, "reached"),
        lambda stores: stores.users.delete(other.id),
        lambda stores: stores.users.by_id(other.id, lock=True),
        lambda stores: stores.sessions.end_all(other.id),
    ]
    if foreign:
        reaching += [
            lambda stores: stores.presets.change(replace(foreign, name="reached", version=99), "me"),
            lambda stores: stores.presets.delete(foreign.id),
            lambda stores: stores.presets.version(foreign.id, 1),
        ]
    return reaching


@pytest.mark.no_cover
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.requirement(24)
def test_memory_and_postgres_answer_alike_and_as_the_model_says(version: int, server: Callable[[int], Server]) -> None:
    class OnThisServer(TwoCompanies):
        pass

    OnThisServer.server = server(version)
    often = settings(
        max_examples=RUNS // SHARE[version], stateful_step_count=STEPS, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(OnThisServer, settings=often)
