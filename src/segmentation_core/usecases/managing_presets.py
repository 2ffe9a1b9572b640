"""Saving filters as presets, and their history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from segmentation_core.errors import Forbidden, NotFound, Problem, RequestError, Stale
from segmentation_core.presets import (
    Meaning,
    Preset,
    PresetVersion,
    may_read,
    may_write,
    meaning_of,
    preset_document,
    reads_of,
    shown_to,
)
from segmentation_core.references import References, references_in
from segmentation_core.usecases.reading_filters import looked_up
from segmentation_core.users import User, check_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from segmentation_core.catalog import Catalog
    from segmentation_core.ports import Clock, Stores, Work
    from segmentation_core.usecases.acting import Acting


class PresetView(msgspec.Struct, frozen=True):
    """A preset as an account may see it, what it means to the present catalogue, and those that mean the same."""

    preset: Preset
    meaning: Meaning
    alike: tuple[Preset, ...] = ()


class ManagePresets:
    """List, save, change, revert and delete presets, each change with its record and its version."""

    def __init__(self, work: Work, catalog: Catalog, clock: Clock) -> None:
        self._work = work
        self._catalog = catalog
        self._clock = clock
        self._no_presets = References({}, catalog)

    async def create(self, by: Acting, name: str, sent: object) -> PresetView:
        """Save a filter under a name. Raises RequestError with paths, Conflict where the caller has one of the name."""
        check_name(name, path="$.preset_name")
        document = preset_document(sent)
        user, now = by.user, self._clock.now()
        preset = Preset(
            id=0,
            company_id=user.company_id,
            company_name=user.company_name,
            owner_id=user.id,
            created_by_id=user.id,
            username=user.username,
            name=name,
            document=document,
            created=now,
            updated=now,
            version=1,
            catalog=self._catalog.title,
            fingerprint=self._lasting_fingerprint(document),
        )

        async def add(stores: Stores) -> PresetView:
            added = await stores.presets.add(preset)
            await stores.audit.add(by.entry("preset created", f"preset {added.id}", now, after=_told(added)))
            return await self._alone(stores, user, added)

        return await self._work.run(user.scope, add)

    async def page(self, by: Acting, *, search: str, offset: int, limit: int) -> tuple[list[PresetView], int]:
        """Return some of the presets that the caller may read, the newest first, and how many there are."""

        async def read(stores: Stores) -> tuple[list[PresetView], int]:
            found, total = await stores.presets.page(owner=reads_of(by.user), search=search, offset=offset, limit=limit)
            return await self._views(stores, by.user, found), total

        return await self._work.run(by.user.scope, read)

    async def all(self, by: Acting, username: str | None = None) -> list[PresetView]:
        """Return every preset that the caller may read, or those of one user, the newest first."""

        async def read(stores: Stores) -> list[PresetView]:
            found = await stores.presets.all(owner=reads_of(by.user), username=username)
            return await self._views(stores, by.user, found)

        return await self._work.run(by.user.scope, read)

    async def get(self, by: Acting, preset_id: int) -> PresetView:
        """Return a preset. Raises NotFound where it is not there, or not the caller's to see."""

        async def read(stores: Stores) -> PresetView:
            return await self._alone(stores, by.user, await _found(stores, by.user, preset_id))

        return await self._work.run(by.user.scope, read)

    async def versions(self, by: Acting, preset_id: int) -> list[PresetVersion]:
        """Return the history of a preset, the newest first. Raises NotFound."""

        async def read(stores: Stores) -> list[PresetVersion]:
            await _found(stores, by.user, preset_id)
            return [
                replace(version, document=shown_to(by.user, version.document))
                for version in await stores.presets.versions(preset_id)
            ]

        return await self._work.run(by.user.scope, read)

    async def change(
        self,
        by: Acting,
        preset_id: int,
        *,
        name: str | None = None,
        sent: object = None,
        version: int | None = None,
    ) -> PresetView:
        """Give a preset another name or filter, if it still has the version that is told, or whichever where none is.

        Raises RequestError where nothing is to change, NotFound, Forbidden, Conflict, and Stale.
        """
        if name is None and sent is None:
            raise RequestError(Problem("$", "there is nothing to change", expected="preset_name or preset_filter_json"))
        if name is not None:
            check_name(name, path="$.preset_name")
        document = None if sent is None else preset_document(sent)

        def changed(preset: Preset) -> Preset:
            return replace(preset, name=name or preset.name, document=preset.document if document is None else document)

        return await self._changed(by, preset_id, "preset changed", changed, version)

    async def revert(self, by: Acting, preset_id: int, to: int, *, version: int | None = None) -> PresetView:
        """Make a preset again what it was at a version; that is a change like any other. Raises as `change` does."""

        async def read(stores: Stores) -> PresetVersion:
            await _found(stores, by.user, preset_id)
            found = await stores.presets.version(preset_id, to)
            if found is None:
                msg = f"The preset never had a version {to}."
                raise NotFound(msg)
            return found

        earlier = await self._work.run(by.user.scope, read)

        def changed(preset: Preset) -> Preset:
            return replace(preset, name=earlier.name, document=earlier.document)

        return await self._changed(by, preset_id, "preset reverted", changed, version)

    async def delete(self, by: Acting, preset_id: int, *, version: int | None = None) -> None:
        """Delete a preset with its history. Raises NotFound, Forbidden, and Stale."""
        now = self._clock.now()

        async def remove(stores: Stores) -> None:
            preset = await _writable(stores, by.user, preset_id, version)
            await stores.presets.delete(preset_id)
            await stores.audit.add(by.entry("preset deleted", f"preset {preset_id}", now, before=_told(preset)))

        await self._work.run(by.user.scope, remove)

    async def _changed(
        self, by: Acting, preset_id: int, action: str, changed: Callable[[Preset], Preset], version: int | None
    ) -> PresetView:
        now = self._clock.now()

        async def store(stores: Stores) -> PresetView:
            before = await _writable(stores, by.user, preset_id, version)
            after = changed(before)
            after = replace(
                after,
                updated=now,
                version=before.version + 1,
                catalog=self._catalog.title,
                fingerprint=self._lasting_fingerprint(after.document),
            )
            await stores.presets.change(after, by.user.username)
            await stores.audit.add(
                by.entry(action, f"preset {preset_id}", now, before=_told(before), after=_told(after))
            )
            return await self._alone(stores, by.user, after)

        return await self._work.run(by.user.scope, store)

    def _lasting_fingerprint(self, document: dict[str, Any]) -> str | None:
        """Return what is stored of a document's meaning; nothing where that hangs on other presets."""
        return None if references_in(document) else meaning_of(document, self._no_presets).fingerprint

    async def _alone(self, stores: Stores, user: User, preset: Preset) -> PresetView:
        """Return a view of a single preset, with those that mean the same now."""
        (view,) = await self._views(stores, user, [preset])
        same = replace(preset, fingerprint=view.meaning.fingerprint)
        return replace(view, alike=tuple(await stores.presets.alike(same, owner=reads_of(user))))

    async def _views(self, stores: Stores, user: User, presets: list[Preset]) -> list[PresetView]:
        references = await looked_up(stores, user, [preset.document for preset in presets], self._catalog)
        return [
            PresetView(
                replace(preset, document=shown_to(user, preset.document)),
                meaning_of(preset.document, references, preset.company_id),
            )
            for preset in presets
        ]


async def _found(stores: Stores, user: User, preset_id: int, *, lock: bool = False) -> Preset:
    preset = await stores.presets.by_id(preset_id, lock=lock)
    if preset is None or not may_read(user, preset):
        msg = "There is no such preset."
        raise NotFound(msg)
    return preset


async def _writable(stores: Stores, user: User, preset_id: int, version: int | None) -> Preset:
    preset = await _found(stores, user, preset_id, lock=True)
    if not may_write(user, preset):
        msg = "This preset is another user's: it may be read, not changed."
        raise Forbidden(msg)
    if version not in (None, preset.version):
        msg = f"The preset is at version {preset.version} by now, not {version}."
        raise Stale(msg)
    return preset


def _told(preset: Preset) -> dict[str, Any]:
    """Return what the audit trail keeps of a preset."""
    return {"name": preset.name, "document": preset.document, "version": preset.version, "username": preset.username}
