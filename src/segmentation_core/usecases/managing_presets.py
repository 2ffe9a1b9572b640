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
    has_known_meaning,
    may_read,
    may_write,
    meaning_of,
    preset_document,
    reads_of,
    shown_to,
    told_meaning,
)
from segmentation_core.references import References, references_in
from segmentation_core.usecases.reading_filters import looked_up
from segmentation_core.users import User, check_name

if TYPE_CHECKING:
    from segmentation_core.catalog import Catalog
    from segmentation_core.ports import Clock, Stores, Thinking, Work
    from segmentation_core.usecases.acting import Acting


class PresetView(msgspec.Struct, frozen=True):
    """A preset as an account may see it, what it means to the present catalogue, and those that mean the same."""

    preset: Preset
    meaning: Meaning
    alike: tuple[Preset, ...] = ()


class ManagePresets:
    """List, save, change, revert and delete presets, each change with its record and its version."""

    def __init__(self, work: Work, catalog: Catalog, thinking: Thinking, clock: Clock) -> None:
        self._work = work
        self._catalog = catalog
        self._thinking = thinking
        self._clock = clock
        self._no_presets = References({}, catalog)

    async def create(self, by: Acting, name: str, sent: object) -> PresetView:
        """Save a filter under a name. Raises RequestError with paths, Conflict where the caller has one of the name."""
        check_name(name, path="$.preset_name")
        document = preset_document(sent)
        user, now = by.user, self._clock.now()
        meaning = await self._meaning(by, document, user.company_id)
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
            fingerprint=_lasting(meaning, document),
        )

        async def add(stores: Stores) -> tuple[Preset, list[Preset]]:
            added = await stores.presets.add(preset)
            await stores.audit.add(by.entry("preset created", f"preset {added.id}", now, after=_told(added)))
            return added, await _alike(stores, user, added, meaning)

        return _view(user, *await self._work.run(user.scope, add), meaning)

    async def page(self, by: Acting, *, search: str, offset: int, limit: int) -> tuple[list[PresetView], int]:
        """Return some of the presets that the caller may read, the newest first, and how many there are."""
        found, total = await self._work.run(
            by.user.scope,
            lambda stores: stores.presets.page(owner=reads_of(by.user), search=search, offset=offset, limit=limit),
        )
        return await self._views(by, found), total

    async def all(self, by: Acting, username: str | None = None) -> list[PresetView]:
        """Return every preset that the caller may read, or those of one user, the newest first."""
        found = await self._work.run(
            by.user.scope, lambda stores: stores.presets.all(owner=reads_of(by.user), username=username)
        )
        return await self._views(by, found)

    async def get(self, by: Acting, preset_id: int) -> PresetView:
        """Return a preset. Raises NotFound where it is not there, or not the caller's to see."""

        async def read(stores: Stores) -> tuple[Preset, list[Preset]]:
            preset = await _found(stores, by.user, preset_id)
            return preset, await stores.presets.alike(preset, owner=reads_of(by.user))

        preset, alike = await self._work.run(by.user.scope, read)
        if not references_in(preset.document):
            (view,) = await self._views(by, [preset])
            return replace(view, alike=tuple(alike))
        meaning = await self._meaning(by, preset.document, preset.company_id)
        same = await self._work.run(by.user.scope, lambda stores: _alike(stores, by.user, preset, meaning))
        return _view(by.user, preset, same, meaning)

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
        return await self._changed(by, preset_id, "preset changed", name, document, version)

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
        return await self._changed(by, preset_id, "preset reverted", earlier.name, earlier.document, version)

    async def delete(self, by: Acting, preset_id: int, *, version: int | None = None) -> None:
        """Delete a preset with its history. Raises NotFound, Forbidden, and Stale."""
        now = self._clock.now()

        async def remove(stores: Stores) -> None:
            preset = await _writable(stores, by.user, preset_id, version)
            await stores.presets.delete(preset_id)
            await stores.audit.add(by.entry("preset deleted", f"preset {preset_id}", now, before=_told(preset)))

        await self._work.run(by.user.scope, remove)

    async def _changed(  # noqa: PLR0913, PLR0917  what is changed, and by whom
        self,
        by: Acting,
        preset_id: int,
        action: str,
        name: str | None,
        document: dict[str, Any] | None,
        version: int | None,
    ) -> PresetView:
        """Change a preset; a name or document that is None stays. What it means is worked out before it is locked."""
        present = await self._work.run(by.user.scope, lambda stores: _writable(stores, by.user, preset_id, version))
        meant = present.document if document is None else document
        meaning = await self._meaning(by, meant, present.company_id)
        now = self._clock.now()

        async def store(stores: Stores) -> tuple[Preset, list[Preset]]:
            before = await _writable(stores, by.user, preset_id, version)
            if document is None and before.document != present.document:
                msg = "Somebody else has just changed this preset."
                raise Stale(msg)
            after = replace(
                before,
                name=name or before.name,
                document=before.document if document is None else document,
                updated=now,
                version=before.version + 1,
                catalog=self._catalog.title,
                fingerprint=_lasting(meaning, meant),
            )
            await stores.presets.change(after, by.user.username)
            await stores.audit.add(
                by.entry(action, f"preset {preset_id}", now, before=_told(before), after=_told(after))
            )
            return after, await _alike(stores, by.user, after, meaning)

        return _view(by.user, *await self._work.run(by.user.scope, store), meaning)

    async def _meaning(self, by: Acting, document: dict[str, Any], company_id: int | None) -> Meaning:
        references = await self._references(by, [document])
        return await self._thinking.answer(lambda: meaning_of(document, references, company_id), by=by.user.id)

    async def _views(self, by: Acting, presets: list[Preset]) -> list[PresetView]:
        if all(has_known_meaning(preset, self._catalog) for preset in presets):
            references = self._no_presets
            return [_view(by.user, preset, [], told_meaning(preset, references)) for preset in presets]
        references = await self._references(by, [preset.document for preset in presets])
        return await self._thinking.answer(
            lambda: [_view(by.user, preset, [], told_meaning(preset, references)) for preset in presets], by=by.user.id
        )

    async def _references(self, by: Acting, documents: list[dict[str, Any]]) -> References:
        """Return the presets that some documents lead to, as the caller may read them; mostly that is none."""
        referring = [document for document in documents if references_in(document)]
        if not referring:
            return self._no_presets
        return await self._work.run(by.user.scope, lambda stores: looked_up(stores, by.user, referring, self._catalog))


def _lasting(meaning: Meaning, document: dict[str, Any]) -> str | None:
    """Return what is stored of a document's meaning; nothing where that hangs on other presets."""
    return None if references_in(document) else meaning.fingerprint


async def _alike(stores: Stores, user: User, preset: Preset, meaning: Meaning) -> list[Preset]:
    """Return the presets that mean what a preset means now."""
    return await stores.presets.alike(replace(preset, fingerprint=meaning.fingerprint), owner=reads_of(user))


def _view(user: User, preset: Preset, alike: list[Preset], meaning: Meaning) -> PresetView:
    return PresetView(replace(preset, document=shown_to(user, preset.document)), meaning, tuple(alike))


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
