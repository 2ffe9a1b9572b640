"""Presets: saved filters with a name, their history, and who may read and write them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from segmentation_core.documents import parse_json
from segmentation_core.errors import FilterError, Problem, RequestError, TooComplex, excerpt
from segmentation_core.references import References, references_in

if TYPE_CHECKING:
    from segmentation_core.catalog import Catalog
    from segmentation_core.users import User

_MEMBERS = ("audienceFilters", "filter", "segments", "metadata")


class Preset(msgspec.Struct, frozen=True):
    """A saved filter, as it is now. `document` is what the client sent, unchanged.

    `owner_id` is None once the owner's account is deleted; `username` and `created_by_id` stay. `catalog` is the name
    and version of the catalogue that `fingerprint` was made with; the fingerprint is None where the document does not
    mean anything there. `version` counts from 1.
    """

    id: int
    company_id: int | None
    company_name: str | None
    owner_id: int | None
    created_by_id: int
    username: str
    name: str
    document: dict[str, Any]
    created: datetime
    updated: datetime
    version: int
    catalog: str
    fingerprint: str | None


class PresetVersion(msgspec.Struct, frozen=True):
    """What a preset was at one version, and who made it so."""

    version: int
    name: str
    document: dict[str, Any]
    changed: datetime
    changed_by: str


class NamedPreset(msgspec.Struct, frozen=True):
    """What a preset is known by."""

    id: int
    name: str
    created: datetime


def preset_document(sent: object, *, path: str = "$.preset_filter_json") -> dict[str, Any]:
    """Return the filter document of a preset: an object, or the one that a text holds. Raises RequestError by shape.

    It has `audienceFilters` or `filter`, one of the two, and may have `segments` and `metadata`; each is an object.
    Whether the catalogue knows what it names is not looked at here.
    """
    document = parse_json(sent) if isinstance(sent, str) else sent
    if not isinstance(document, dict):
        raise RequestError(Problem(path, "is no JSON object", excerpt(document), "an object, or a text that holds one"))
    problems = [
        Problem(f"{path}.{name}", "there is no such member", excerpt(name), f"one of {', '.join(_MEMBERS)}")
        for name in document
        if name not in _MEMBERS
    ]
    problems += [
        Problem(f"{path}.{name}", "is no JSON object", excerpt(part), "an object")
        for name, part in document.items()
        if name in _MEMBERS and not isinstance(part, dict)
    ]
    if ("audienceFilters" in document) == ("filter" in document):
        problems.append(Problem(path, "has not one filter", expected="one of audienceFilters and filter"))
    if problems:
        raise RequestError(problems)
    return document


def has_known_meaning(preset: Preset, catalog: Catalog) -> bool:
    """Tell whether a preset's filter was saved with this catalogue, which knew all that it names."""
    return preset.fingerprint is not None and preset.catalog == catalog.title


def problems_of(preset: Preset, references: References) -> tuple[Problem, ...]:
    """Return what a catalogue does not know of a preset's document; nothing where the preset is valid.

    What it refers to is among that where it leads nowhere. It is no dearer than reading the document.
    """
    if has_known_meaning(preset, references.catalog):
        return ()
    try:
        references.read(preset.document, company_id=preset.company_id)
    except FilterError as fault:
        return fault.problems
    return ()


def fingerprint_of(document: dict[str, Any], catalog: Catalog) -> str | None:
    """Return what equals another document's exactly if both mean the same people.

    It is None where the document means nothing to the catalogue, refers to presets, with which its meaning may change,
    or is past the bounds of what can be compared. It may take long: the filter's whole region is made for it.
    """
    if references_in(document):
        return None
    try:
        return References({}, catalog).read(document).fingerprint
    except (FilterError, TooComplex):
        return None


def shown_to(user: User, document: dict[str, Any]) -> dict[str, Any]:
    """Return a preset's document as an account may see it: a dsp account sees no segment lists."""
    if user.may_see_lists:
        return document
    return {name: part for name, part in document.items() if name != "segments"}


def written_by(user: User, sent: dict[str, Any], present: dict[str, Any]) -> dict[str, Any]:
    """Return what becomes of a preset's present document where an account writes another one over it.

    What the account may not see it leaves as it is: a dsp account the segment lists.
    """
    if user.may_see_lists:
        return sent
    return shown_to(user, sent) | {name: part for name, part in present.items() if name == "segments"}


def reads_of(user: User) -> int | None:
    """Return whose presets an account may read within its scope: an owner's id, None for everybody's."""
    return user.id if user.role == "User" else None


def may_read(user: User, preset: Preset) -> bool:
    """Tell whether an account may read a preset of its scope."""
    return preset.owner_id == user.id or reads_of(user) is None


def may_write(user: User, preset: Preset) -> bool:
    """Tell whether an account may change a preset that it may read: its own, or an Admin any of the company."""
    return preset.owner_id == user.id or user.role in ("Admin", "SuperAdmin")
