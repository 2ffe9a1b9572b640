"""Saving filters as presets, and their history."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec.structs import replace

from segmentation_core.errors import Forbidden, NotFound, Problem, RequestError, Stale
from segmentation_core.presets import (
    NamedPreset,
    Preset,
    PresetVersion,
    fingerprint_of,
    has_known_meaning,
    may_read,
    may_write,
    preset_document,
    problems_of,
    reads_of,
    shown_to,
    written_by,
)
from segmentation_core.references import References, references_in
from segmentation_core.usecases.reading_filters import looked_up
from segmentation_core.users import User, check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from segmentation_core.audit import Entry
    from segmentation_core.catalog import Catalog
    from segmentation_core.ports import Clock, Stores, Thinking, Work
    from segmentation_core.usecases.acting import Acting


LARGEST_TOLD = 16_384
"""How many bytes a document may have that the audit trail keeps as it is: a page of it has up to 200 of them."""

_WithAlike: TypeAlias = "tuple[Preset, list[NamedPreset]]"
"""A preset, and those that mean the same."""


class PresetView(msgspec.Struct, frozen=True):
    """A preset as an account may see it, what the present catalogue does not know of it, and those that mean the same.

    `problems` is empty where the catalogue knows all that the document names.
    """

    preset: Preset
    problems: tuple[Problem, ...]
    alike: tuple[NamedPreset, ...] = ()


class ManagePresets:
    """List, save, change, revert and delete presets, each change with its record and its version."""

    def __init__(self, work: Work, catalog: Catalog, thinking: Thinking, clock: Clock) -> None:
        self._work = work
        self._catalog = catalog
        self._thinking = thinking
        self._clock = clock

    async def create(self, by: Acting, name: str, sent: object) -> PresetView:
        """Save a filter under a name. Raises RequestError with paths, Conflict where the caller has one of the name."""
        check_name(name, path="$.preset_name")
        document = preset_document(sent)
        meaning = await self._meaning(by, document)
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
            **meaning,
        )

        async def add(stores: Stores) -> _WithAlike:
            added = await stores.presets.add(preset)
            await stores.audit.add(_entry(by, "preset created", added, now, after=added))
            return added, await stores.presets.alike(added, owner=reads_of(user))

        return await self._view(by, *await self._work.run(user.scope, add))

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

    async def names(self, by: Acting) -> list[NamedPreset]:
        """Return what every preset that the caller may read is known by, the newest first."""
        return await self._work.run(by.user.scope, lambda stores: stores.presets.names(owner=reads_of(by.user)))

    async def get(self, by: Acting, preset_id: int) -> PresetView:
        """Return a preset. Raises NotFound where it is not there, or not the caller's to see."""

        async def read(stores: Stores) -> _WithAlike:
            preset = await _found(stores, by.user, preset_id)
            return preset, await stores.presets.alike(preset, owner=reads_of(by.user))

        return await self._view(by, *await self._work.run(by.user.scope, read))

    async def versions(
        self, by: Acting, preset_id: int, *, offset: int = 0, limit: int = 100
    ) -> tuple[list[PresetVersion], int]:
        """Return some of the history of a preset, the newest first, and how many versions it has. Raises NotFound."""

        async def read(stores: Stores) -> tuple[list[PresetVersion], int]:
            preset = await _found(stores, by.user, preset_id)
            found = [
                replace(version, document=shown_to(by.user, version.document))
                for version in await stores.presets.versions(preset_id, offset=offset, limit=limit)
            ]
            return found, preset.version  # versions count from 1 without a gap

        return await self._work.run(by.user.scope, read)

    async def change(
        self,
        by: Acting,
        preset_id: int,
        *,
        name: str | None = None,
        sent: object = None,
        versions: Collection[int] | None = None,
    ) -> PresetView:
        """Give a preset another name or filter, if it still has one of some versions, or whichever where none are told.

        Raises RequestError where nothing is to change, NotFound, Forbidden, Conflict, and Stale.
        """
        if name is None and sent is None:
            raise RequestError(Problem("$", "there is nothing to change", expected="preset_name or preset_filter_json"))
        if name is not None:
            check_name(name, path="$.preset_name")
        document = None if sent is None else preset_document(sent)
        meaning = {} if document is None else await self._meaning(by, document)

        def changed(preset: Preset) -> Preset:
            written = preset.document if document is None else written_by(by.user, document, preset.document)
            return replace(preset, name=name or preset.name, document=written, **meaning)

        return await self._changed(by, preset_id, "preset changed", changed, versions)

    async def revert(
        self, by: Acting, preset_id: int, to: int, *, versions: Collection[int] | None = None
    ) -> PresetView:
        """Make a preset again what it was at a version; that is a change like any other. Raises as `change` does."""

        async def read(stores: Stores) -> PresetVersion:
            await _found(stores, by.user, preset_id)
            found = await stores.presets.version(preset_id, to)
            if found is None:
                msg = f"The preset never had a version {to}."
                raise NotFound(msg)
            return found

        earlier = await self._work.run(by.user.scope, read)
        meaning = await self._meaning(by, earlier.document)

        def changed(preset: Preset) -> Preset:
            return replace(preset, name=earlier.name, document=earlier.document, **meaning)

        return await self._changed(by, preset_id, "preset reverted", changed, versions)

    async def delete(self, by: Acting, preset_id: int, *, versions: Collection[int] | None = None) -> None:
        """Delete a preset with its history. Raises NotFound, Forbidden, and Stale."""
        now = self._clock.now()

        async def remove(stores: Stores) -> None:
            preset = await _writable(stores, by.user, preset_id, versions)
            await stores.presets.delete(preset_id)
            await stores.audit.add(_entry(by, "preset deleted", preset, now, before=preset))

        await self._work.run(by.user.scope, remove)

    async def _meaning(self, by: Acting, document: dict[str, Any]) -> dict[str, Any]:
        """Return what a preset keeps of a document's meaning.

        It is made before a unit of work begins: so nobody waits for it at a lock.
        """
        made = await self._thinking.answer(lambda: fingerprint_of(document, self._catalog), by=by.user.id)
        return {"catalog": self._catalog.title, "fingerprint": made}

    async def _changed(
        self,
        by: Acting,
        preset_id: int,
        action: str,
        changed: Callable[[Preset], Preset],
        versions: Collection[int] | None,
    ) -> PresetView:
        now = self._clock.now()

        async def store(stores: Stores) -> _WithAlike:
            before = await _writable(stores, by.user, preset_id, versions)
            after = replace(changed(before), updated=now, version=before.version + 1)
            await stores.presets.change(after, by.user.username)
            await stores.audit.add(_entry(by, action, before, now, before=before, after=after))
            return after, await stores.presets.alike(after, owner=reads_of(by.user))

        return await self._view(by, *await self._work.run(by.user.scope, store))

    async def _view(self, by: Acting, preset: Preset, alike: Sequence[NamedPreset]) -> PresetView:
        (view,) = await self._views(by, [preset])
        return replace(view, alike=tuple(alike))

    async def _views(self, by: Acting, presets: list[Preset]) -> list[PresetView]:
        """Return presets as the caller may see them; what was saved with this catalogue is not read again."""
        references = await self._references(by, [preset.document for preset in presets])

        def views() -> list[PresetView]:
            return [PresetView(_as_shown(preset, by.user), problems_of(preset, references)) for preset in presets]

        if all(has_known_meaning(preset, self._catalog) for preset in presets):
            return views()
        return await self._thinking.read(views, by=by.user.id)

    async def _references(self, by: Acting, documents: list[dict[str, Any]]) -> References:
        """Return the presets that some documents lead to, as the caller may read them; mostly that is none."""
        referring = [document for document in documents if references_in(document)]
        if not referring:
            return References({}, self._catalog)
        return await self._work.run(by.user.scope, lambda stores: looked_up(stores, by.user, referring, self._catalog))


def _as_shown(preset: Preset, user: User) -> Preset:
    shown = shown_to(user, preset.document)
    return preset if shown is preset.document else replace(preset, document=shown)


async def _found(stores: Stores, user: User, preset_id: int, *, lock: bool = False) -> Preset:
    preset = await stores.presets.by_id(preset_id, lock=lock)
    if preset is None or not may_read(user, preset):
        msg = "There is no such preset."
        raise NotFound(msg)
    return preset


async def _writable(stores: Stores, user: User, preset_id: int, versions: Collection[int] | None) -> Preset:
    preset = await _found(stores, user, preset_id, lock=True)
    if not may_write(user, preset):
        msg = "This preset is another user's: it may be read, not changed."
        raise Forbidden(msg)
    if versions is not None and preset.version not in versions:
        wanted = f"not {' or '.join(map(str, sorted(versions)))}" if versions else "and no version of it was named"
        msg = f"The preset is at version {preset.version} by now, {wanted}."
        raise Stale(msg)
    return preset


def _entry(  # noqa: PLR0913  what an entry says
    by: Acting,
    action: str,
    preset: Preset,
    at: datetime,
    *,
    before: Preset | None = None,
    after: Preset | None = None,
) -> Entry:
    return by.entry(
        action,
        f"preset {preset.id}",
        at,
        company_id=preset.company_id,
        before=_told(before) if before else None,
        after=_told(after) if after else None,
    )


def _told(preset: Preset) -> dict[str, Any]:
    """Return what the audit trail keeps of a preset: of a large document its size in bytes, and the hash of its text.

    That text is JSON without blanks, its members sorted by name.
    """
    text = json.dumps(preset.document, sort_keys=True, separators=(",", ":")).encode()
    document: dict[str, Any] = {"document": preset.document}
    if len(text) > LARGEST_TOLD:
        document = {"document_bytes": len(text), "document_sha256": sha256(text).hexdigest()}
    return {
        "name": preset.name,
        **document,
        "version": preset.version,
        "username": preset.username,
        "company_name": preset.company_name,
    }
