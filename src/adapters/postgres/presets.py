"""Saved filters and their history, in PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from adapters.postgres.documents import stored
from adapters.postgres.statements import WINDOW, Statement, is_id, the_total, window
from segmentation_core.ports import Presets
from segmentation_core.presets import NamedPreset, Preset, PresetVersion
from segmentation_core.users import folded_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from adapters.postgres.statements import Transaction

MOST_ALIKE: Final = 10

_COLUMNS: Final = """
    SELECT presets.id, presets.company_id, companies.name AS company_name, presets.owner_id, presets.created_by_id,
        presets.username, presets.name, presets.document, presets.created, presets.updated, presets.version,
        presets.catalog, presets.fingerprint
"""
_OF_COMPANIES: Final = " FROM presets LEFT JOIN companies ON companies.id = presets.company_id "
_READ: Final = f"{_COLUMNS} {_OF_COMPANIES} {{where}}"
_NAMES: Final = "SELECT presets.id, presets.name, presets.created FROM presets {where}"
_IDS: Final = "SELECT presets.id FROM presets {where}"
_NEWEST_FIRST: Final = " ORDER BY presets.created DESC, presets.id DESC"
_COMPANY: Final = "presets.company_id"
_BY_ID: Final = "presets.id = %(id)s"
_OWNER: Final = {"owner": "presets.owner_id = %(owner)s"}
_ASKED_FOR: Final = _OWNER | {"search": "strpos(presets.folded_name, %(search)s) > 0"}
_ALIKE: Final = "presets.fingerprint = %(fingerprint)s AND presets.id <> %(id)s AND presets.company_id "
_FIRST_ALIKE: Final = f" ORDER BY presets.id LIMIT {MOST_ALIKE}"

BY_ID: Final = Statement(_READ, company=_COMPANY, always=_BY_ID)
BY_ID_LOCKED: Final = Statement(_READ + " FOR NO KEY UPDATE OF presets", company=_COMPANY, always=_BY_ID)
BY_IDS: Final = Statement(_READ + _NEWEST_FIRST, company=_COMPANY, always="presets.id = ANY(%(ids)s)")
PAGE: Final = Statement(
    _IDS + _NEWEST_FIRST + WINDOW,
    company=_COMPANY,
    given=_ASKED_FOR,
)
"""Ids alone, so that a page however far is passed over in an index, and no document before it is read."""

COUNT: Final = Statement("SELECT count(*) AS total FROM presets {where}", company=_COMPANY, given=_ASKED_FOR)
_PAGE_WITH: Final = (
    f"{_COLUMNS}, ({{total}}) AS total {_OF_COMPANIES} WHERE presets.id = ANY(ARRAY({PAGE.text})) {_NEWEST_FIRST}"
)
COUNTED_PAGE: Final = Statement(_PAGE_WITH.replace("{total}", COUNT.text), company=_COMPANY, given=_ASKED_FOR)
"""The presets of a page, each with the number of all that were asked for: none on a page past the last."""

PAGE_OF_ALL: Final = Statement(
    _PAGE_WITH.replace("{total}", "SELECT sum(presets.presets)::bigint FROM preset_counts AS presets {where}"),
    company=_COMPANY,
)
"""The same where all are asked for, whose number is kept: of 10,000 it takes a quarter of the time."""

ALL: Final = Statement(
    _READ + _NEWEST_FIRST,
    company=_COMPANY,
    given=_OWNER | {"folded_username": "presets.folded_username = %(folded_username)s"},
)
NAMES: Final = Statement(_NAMES + _NEWEST_FIRST, company=_COMPANY, given=_OWNER)
ALIKE: Final = Statement(_NAMES + _FIRST_ALIKE, company=_COMPANY, always=_ALIKE + "= %(company_id)s", given=_OWNER)
ALIKE_OF_NO_COMPANY: Final = Statement(_NAMES + _FIRST_ALIKE, company=_COMPANY, always=_ALIKE + "IS NULL", given=_OWNER)
ADD: Final = Statement(
    """
    INSERT INTO presets (company_id, owner_id, created_by_id, username, folded_username, name, folded_name, document,
        created, updated, version, catalog, fingerprint)
    VALUES (%(company_id)s, %(owner_id)s, %(created_by_id)s, %(username)s, %(folded_username)s, %(name)s,
        %(folded_name)s, %(document)s, %(created)s, %(updated)s, %(version)s, %(catalog)s, %(fingerprint)s)
    RETURNING id
    """
)
CHANGE: Final = Statement(
    """
    UPDATE presets SET name = %(name)s, folded_name = %(folded_name)s, document = %(document)s, updated = %(updated)s,
        version = %(version)s, catalog = %(catalog)s, fingerprint = %(fingerprint)s
    {where}
    """,
    company=_COMPANY,
    always=_BY_ID,
)
DELETE: Final = Statement("DELETE FROM presets {where}", company=_COMPANY, always=_BY_ID)

KEEP_VERSION: Final = Statement(
    """
    INSERT INTO preset_versions (preset_id, version, company_id, name, document, changed, changed_by)
    SELECT presets.id, presets.version, presets.company_id, presets.name, presets.document, presets.updated,
        %(changed_by)s
    FROM presets {where}
    """,
    company=_COMPANY,
    always=_BY_ID,
)
_READ_VERSIONS: Final = """
    SELECT preset_versions.version, preset_versions.name, preset_versions.document, preset_versions.changed,
        preset_versions.changed_by
    FROM preset_versions {where} ORDER BY preset_versions.version DESC
"""
VERSIONS: Final = Statement(
    _READ_VERSIONS + WINDOW,
    company="preset_versions.company_id",
    always="preset_versions.preset_id = %(id)s",
    given={"version": "preset_versions.version = %(version)s"},
)


class PostgresPresets(Presets):
    """The presets of one unit of work."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def add(self, preset: Preset) -> Preset:
        added: int = await self._transaction.store(
            ADD,
            named=preset.name,
            company_id=preset.company_id,
            owner_id=preset.owner_id,
            created_by_id=preset.created_by_id,
            username=preset.username,
            folded_username=folded_name(preset.username),
            created=preset.created,
            **_changeable(preset),
        )
        await self._transaction.store(KEEP_VERSION, id=added, changed_by=preset.username)
        return replace(preset, id=added)

    async def by_id(self, preset_id: int, *, lock: bool = False) -> Preset | None:
        return await self._transaction.row(BY_ID_LOCKED if lock else BY_ID, Preset, id=preset_id)

    async def by_ids(self, preset_ids: Collection[int]) -> list[Preset]:
        ids = sorted(filter(is_id, preset_ids))
        found = await self._transaction.rows(BY_IDS, Preset, ids=ids) if ids else []
        return sorted(found, key=lambda preset: preset.id)

    async def change(self, preset: Preset, changed_by: str) -> None:
        await self._transaction.store(CHANGE, named=preset.name, id=preset.id, **_changeable(preset))
        await self._transaction.store(KEEP_VERSION, id=preset.id, changed_by=changed_by)

    async def delete(self, preset_id: int) -> None:
        await self._transaction.do(DELETE, id=preset_id)

    async def page(self, *, owner: int | None, search: str, offset: int, limit: int) -> tuple[list[Preset], int]:
        asked: dict[str, Any] = {"owner": owner, "search": search.casefold() or None}
        statement = PAGE_OF_ALL if owner is None and not search else COUNTED_PAGE
        page = await self._transaction.rows(statement, _counted, **asked, **window(offset, limit))
        if page:
            return [preset for preset, _ in page], page[0][1]
        return [], await self._transaction.row(COUNT, the_total, **asked) or 0

    async def all(self, *, owner: int | None, username: str | None = None) -> list[Preset]:
        folded = None if username is None else folded_name(username)
        return await self._transaction.rows(ALL, Preset, owner=owner, folded_username=folded)

    async def names(self, *, owner: int | None) -> list[NamedPreset]:
        return await self._transaction.rows(NAMES, NamedPreset, owner=owner)

    async def versions(self, preset_id: int, *, offset: int = 0, limit: int = 100) -> list[PresetVersion]:
        return await self._transaction.rows(
            VERSIONS, PresetVersion, id=preset_id, version=None, **window(offset, limit)
        )

    async def version(self, preset_id: int, version: int) -> PresetVersion | None:
        return await self._transaction.row(VERSIONS, PresetVersion, id=preset_id, version=version, **window(0, 1))

    async def alike(self, preset: Preset, *, owner: int | None) -> list[NamedPreset]:
        if preset.fingerprint is None:
            return []
        statement = ALIKE_OF_NO_COMPANY if preset.company_id is None else ALIKE
        return await self._transaction.rows(
            statement,
            NamedPreset,
            fingerprint=preset.fingerprint,
            id=preset.id,
            company_id=preset.company_id,
            owner=owner,
        )


def _counted(*, total: int, **columns: Any) -> tuple[Preset, int]:  # noqa: ANN401  columns of a row
    return Preset(**columns), total


def _changeable(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "folded_name": preset.name.casefold(),
        "document": stored(preset.document),
        "updated": preset.updated,
        "version": preset.version,
        "catalog": preset.catalog,
        "fingerprint": preset.fingerprint,
    }
