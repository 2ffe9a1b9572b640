"""The audit trail: who did what, in chains that show when a record was changed, taken out, moved or cut off.

The records of a company form a chain, and those of no company one of their own. Each record is sealed with a keyed hash
(HMAC-SHA256) over itself and the seal before it, so that nobody without the key can make one that fits. What no chain
can show by itself, that its end was cut off, shows against a head that was exported before.
"""

from __future__ import annotations

import hmac
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from segmentation_core.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

_IN_ONE_FORM = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

FIRST_SEAL = ""
"""What stands before the first record of a chain."""


class Entry(msgspec.Struct, frozen=True):
    """What happened: `actor` did `action` to `subject`, which was `before` and is `after`; no secrets.

    `company_id` tells the chain, None for that of no company: it is the company that the subject belongs to, whoever
    acted. `at` is in UTC.
    """

    action: str
    actor_id: int | None
    actor: str
    company_id: int | None
    subject: str
    at: datetime
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    request_id: str | None = None


class Record(msgspec.Struct, frozen=True):
    """An entry in its chain: the `number`-th from 1, sealed."""

    number: int
    entry: Entry
    seal: str


class Head(msgspec.Struct, frozen=True):
    """The end of a chain: how many records it has, and the last one's seal."""

    company_id: int | None
    number: int
    seal: str


class ChainEnd(msgspec.Struct, frozen=True):
    """What a store says of the end of a chain at one moment: the `head` that it keeps, and the `last` record.

    Either is None where there is none. In a chain that nobody touched the two are equal.
    """

    company_id: int | None
    head: Head | None
    last: Head | None


class AuditQuery(msgspec.Struct, frozen=True):
    """Which records are asked for: None or empty asks for all."""

    action: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def sealed(entry: Entry, after: Head | None, key: bytes) -> Record:
    """Return the record of an entry after the end of its chain; None where it begins one."""
    number = after.number + 1 if after else 1
    return Record(number, entry, _seal(entry, number, after.seal if after else FIRST_SEAL, key))


def head_of(record: Record) -> Head:
    """Return the end of a chain whose last record this is."""
    return Head(record.entry.company_id, record.number, record.seal)


class ChainCheck:
    """Holds a chain, record by record in ascending order, against its seals and against ends that it once had.

    After a record that does not fit, the next ones are held against it as it stands, so that each fault is told once.
    """

    def __init__(self, company_id: int | None, key: bytes, exported: Iterable[Head] = ()) -> None:
        self.last = Head(company_id, 0, FIRST_SEAL)
        """The last record that was added; number 0 before the first."""

        self.problems: list[Problem] = []
        self._key = key
        self._exported = [*exported]

    def add(self, record: Record) -> None:
        """Hold the next record against those before it."""
        place = f"{_chain(record.entry.company_id)}, record {record.number}"
        if record.number < 1:
            self.problems.append(Problem(place, "stands before the first record", expected="no record there"))
            return
        if record.number != self.last.number + 1:
            expected = f"record {self.last.number + 1}"
            self.problems.append(Problem(place, "does not follow the one before it", expected=expected))
        elif not _is_same(_seal(record.entry, record.number, self.last.seal, self._key), record.seal):
            self.problems.append(Problem(place, "does not have the seal of what it says: it was changed, or moved"))
        if any(head.number == record.number and not _is_same(head.seal, record.seal) for head in self._exported):
            self.problems.append(Problem(place, "is not the record that was the last one when the head was exported"))
        self.last = Head(self.last.company_id, record.number, record.seal)

    def add_end(self, end: ChainEnd) -> None:
        """Hold the head that the store keeps against the last record that there was at that moment."""
        place, last = _chain(end.company_id), end.last or Head(end.company_id, 0, FIRST_SEAL)
        if end.head is None:
            self.problems.append(Problem(place, f"has {last.number} records and no head: it was taken away"))
        elif end.head.number != last.number:
            moved = "records were cut off or added, or the head was moved"
            told = f"ends after record {last.number}, and its head is at record {end.head.number}: {moved}"
            self.problems.append(Problem(place, told))
        elif not _is_same(end.head.seal, last.seal):
            self.problems.append(Problem(place, "has a head with another seal than its last record: one was changed"))

    def end(self) -> list[Problem]:
        """Return all that is wrong, now that there are no more records."""
        latest = max((head.number for head in self._exported), default=0)
        if latest > self.last.number:
            expected = f"record {latest}, as was exported"
            message = f"ends after record {self.last.number}"
            self.problems.append(Problem(_chain(self.last.company_id), message, expected=expected))
        return self.problems


def broken(records: Iterable[Record], key: bytes, *, exported: Head | None = None) -> list[Problem]:
    """Return what is wrong with a chain, its records ascending by number; nothing where it is whole.

    `exported` is an end that the chain once had.
    """
    check = ChainCheck(exported.company_id if exported else None, key, [exported] if exported else [])
    for record in records:
        check.add(record)
    return check.end()


def _chain(company_id: int | None) -> str:
    return "chain of no company" if company_id is None else f"chain of company {company_id}"


def _is_same(one: str, other: str) -> bool:
    """Compare two seals, whatever characters somebody put into one, in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def _seal(entry: Entry, number: int, before: str, key: bytes) -> str:
    told = _IN_ONE_FORM.encode([before, number, msgspec.to_builtins(entry)])
    return hmac.digest(key, told.encode(), "sha256").hex()
