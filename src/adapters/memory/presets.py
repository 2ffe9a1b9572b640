"""Saved filters with their history, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from msgspec.structs import replace

from adapters.memory.tables import GONE, Log, window
from adapters.memory.values import REFUSED, columns, copied, require_storable
from segmentation_core.errors import Conflict, RequestError
from segmentation_core.ports import Presets
from segmentation_core.presets import NamedPreset, Preset, PresetVersion
from segmentation_core.users import folded_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from adapters.memory.tables import Unit

MOST_ALIKE: Final = 10


class MemoryPresets(Presets):
    """The presets of one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    async def add(self, preset: Preset) -> Preset:
        kept = replace(preset, document=copied(preset.document))
        require_storable(**columns(kept))
        self._unit.require_in_scope(kept.company_id)
        self._require_fit(kept)
        self._require_owner(kept)
        tables = self._unit.tables
        kept = replace(kept, id=tables.next_id())
        tables.presets[kept.id] = kept
        tables.versions[kept.id] = Log[PresetVersion]([], 0).with_one_more(_version_of(kept, kept.username))
        return _read(kept)

    async def by_id(self, preset_id: int, *, lock: bool = False) -> Preset | None:  # noqa: ARG002  work is serial here
        preset = self._visible(preset_id)
        return _read(preset) if preset else None

    async def by_ids(self, preset_ids: Collection[int]) -> list[Preset]:
        found = (self._visible(preset_id) for preset_id in sorted(set(preset_ids)))
        return [_read(preset) for preset in found if preset]

    async def change(self, preset: Preset, changed_by: str) -> None:
        present = self._visible(preset.id)
        if present is None:
            return
        changed = replace(
            present,
            name=preset.name,
            document=copied(preset.document),
            updated=preset.updated,
            version=preset.version,
            catalog=preset.catalog,
            fingerprint=preset.fingerprint,
        )
        require_storable(**columns(changed), changed_by=changed_by)
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
        return [_read(one) for one in window(found, offset, limit)], len(found)

    async def all(self, *, owner: int | None, username: str | None = None) -> list[Preset]:
        name = None if username is None else folded_name(username)
        return [_read(one) for one in self._newest_first(owner) if name in (None, folded_name(one.username))]

    async def names(self, *, owner: int | None) -> list[NamedPreset]:
        return [_named(one) for one in self._newest_first(owner)]

    async def versions(self, preset_id: int) -> list[PresetVersion]:
        if not self._visible(preset_id):
            return []
        return [_read(one) for one in reversed(self._unit.tables.versions[preset_id].all())]

    async def version(self, preset_id: int, version: int) -> PresetVersion | None:
        return next((one for one in await self.versions(preset_id) if one.version == version), None)

    async def alike(self, preset: Preset, *, owner: int | None) -> list[NamedPreset]:
        found = [
            one
            for one in self._newest_first(owner)
            if preset.fingerprint is not None
            and one.fingerprint == preset.fingerprint
            and one.company_id == preset.company_id
            and one.id != preset.id
        ]
        return [_named(one) for one in sorted(found, key=lambda one: one.id)[:MOST_ALIKE]]

    def _visible(self, preset_id: int) -> Preset | None:
        preset = self._unit.tables.presets.get(preset_id)
        return preset if preset and self._unit.sees(preset.company_id) else None

    def _newest_first(self, owner: int | None) -> list[Preset]:
        seen = [one for one in self._unit.tables.presets.values() if self._unit.sees(one.company_id)]
        found = [one for one in seen if owner in (None, one.owner_id)]
        return sorted(found, key=lambda one: (one.created, one.id), reverse=True)

    def _require_fit(self, preset: Preset) -> None:
        if preset.version < 1:
            raise RequestError(REFUSED)
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
            raise Conflict(GONE)


def _named(preset: Preset) -> NamedPreset:
    return NamedPreset(preset.id, preset.name, preset.created)


def _version_of(preset: Preset, changed_by: str) -> PresetVersion:
    return PresetVersion(preset.version, preset.name, preset.document, preset.updated, changed_by)


Kept = TypeVar("Kept", Preset, PresetVersion)


def _read(kept: Kept) -> Kept:
    return replace(kept, document=copied(kept.document))
