"""What all stores in memory hold together, and one unit of work over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import replace as altered
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from segmentation_core.errors import Forbidden

if TYPE_CHECKING:
    from datetime import datetime

    from segmentation_core.audit import Record
    from segmentation_core.presets import Preset, PresetVersion
    from segmentation_core.resets import Reset
    from segmentation_core.sessions import Session
    from segmentation_core.users import Account, Company, Scope

Row = TypeVar("Row")

OUTSIDE: Final = "This is outside of what may be written here."
GONE: Final = "What this belongs to has just been deleted."


class Log(Generic[Row]):
    """Rows that are only added to. A log with one more shares the rows of the one before it: nothing is copied.

    What was added to a log and not kept is cut off by the next addition.
    """

    def __init__(self, rows: list[Row], length: int) -> None:
        self._rows = rows
        self._length = length

    def with_one_more(self, row: Row) -> Log[Row]:
        del self._rows[self._length :]
        self._rows.append(row)
        return Log(self._rows, self._length + 1)

    def part(self, offset: int, limit: int) -> list[Row]:
        return window(self._rows, offset, min(limit, self._length - max(offset, 0)))

    def all(self) -> list[Row]:
        return self._rows[: self._length]

    @property
    def last(self) -> Row | None:
        return self._rows[self._length - 1] if self._length else None


class Hit(NamedTuple):
    """That something happened, once, and whether it is known to have failed."""

    key: str
    at: datetime
    failed: bool = False


@dataclass
class Tables:
    """What all stores hold together; rows are frozen, so a copy of the dicts is a copy of everything."""

    companies: dict[int, Company] = field(default_factory=dict)
    accounts: dict[int, Account] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    resets: dict[int, Reset] = field(default_factory=dict)
    presets: dict[int, Preset] = field(default_factory=dict)
    versions: dict[int, Log[PresetVersion]] = field(default_factory=dict)
    chains: dict[int | None, Log[Record]] = field(default_factory=dict)
    hits: dict[int, Hit] = field(default_factory=dict)
    last_id: int = 0

    def copied(self) -> Tables:
        return altered(
            self,
            companies=dict(self.companies),
            accounts=dict(self.accounts),
            sessions=dict(self.sessions),
            resets=dict(self.resets),
            presets=dict(self.presets),
            versions=dict(self.versions),
            chains=dict(self.chains),
            hits=dict(self.hits),
        )

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id


class Unit:
    """One unit of work: its scope, and its tables until it ends."""

    def __init__(self, tables: Tables, scope: Scope) -> None:
        self.scope = scope
        self._tables: Tables | None = tables

    @property
    def tables(self) -> Tables:
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
            raise Forbidden(OUTSIDE)


def window(rows: list[Row], offset: int, limit: int) -> list[Row]:
    """Return some of the rows; what is past either end is not there."""
    start = max(offset, 0)
    return rows[start : start + max(limit, 0)]
