"""Presets: saved filters with a name, their history, and who may read and write them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from segmentation_core.documents import parse_json
from segmentation_core.errors import FilterError, Problem, RequestError, TooComplex, excerpt
from segmentation_core.references import references_in

if TYPE_CHECKING:
    from segmentation_core.catalog import Catalog
    from segmentation_core.references import References
    from segmentation_core.users import User

_MEMBERS = ("audienceFilters", "filter", "segments", "metadata")


class Preset(msgspec.Struct, frozen=True):
    """A saved filter, as it is now. `document` is what the client sent, unchanged.

    `owner_id` is None once the owner's account is deleted; `username` and `created_by_id` stay. `catalog` is the name
    and version of the catalogue that `fingerprint` was made with; the fingerprint is None where the document does not
    mean anything there, or refers to other presets, with which its meaning may change. `version` counts from 1.
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


class Meaning(msgspec.Struct, frozen=True):
    """What a document means to a catalogue: a fingerprint, or the problems for which it means nothing."""

    fingerprint: str | None
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        """Whether the catalogue knows all that the document names."""
        return not self.problems


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


def meaning_of(document: dict[str, Any], references: References, company_id: int | None = None) -> Meaning:
    """Return what a preset's document means to a catalogue, with the presets that it may refer to.

    `company_id` is the preset's.
    """
    try:
        return Meaning(references.read(document, company_id=company_id).fingerprint, ())
    except FilterError as fault:
        return Meaning(None, fault.problems)
    except TooComplex as fault:
        return Meaning(None, (Problem("$", str(fault)),))


def has_known_meaning(preset: Preset, catalog: Catalog) -> bool:
    """Tell whether a preset was saved with this catalogue, which knew all that it names."""
    return preset.fingerprint is not None and preset.catalog == catalog.title


def told_meaning(preset: Preset, references: References) -> Meaning:
    """Return what can be said of a preset's meaning without working it out, as that of a hundred in a list.

    Whether the catalogue knows all that it names is found by reading it; the fingerprint is only there where it was
    saved with this catalogue.
    """
    catalog = references.catalog
    if has_known_meaning(preset, catalog):
        return Meaning(preset.fingerprint, ())
    try:
        references.read(preset.document, company_id=preset.company_id)
    except FilterError as fault:
        return Meaning(None, fault.problems)
    was_read = preset.catalog == catalog.title and not references_in(preset.document)
    return Meaning(None, (Problem("$", "is too complex to be planned"),) if was_read else ())


def shown_to(user: User, document: dict[str, Any]) -> dict[str, Any]:
    """Return a preset's document as an account may see it: a dsp account sees no segment lists."""
    if user.may_see_lists:
        return document
    return {name: part for name, part in document.items() if name != "segments"}


def reads_of(user: User) -> int | None:
    """Return whose presets an account may read within its scope: an owner's id, None for everybody's."""
    return user.id if user.role == "User" else None


def may_read(user: User, preset: Preset) -> bool:
    """Tell whether an account may read a preset of its scope."""
    return preset.owner_id == user.id or reads_of(user) is None


def may_write(user: User, preset: Preset) -> bool:
    """Tell whether an account may change a preset that it may read: its own, or an Admin any of the company."""
    return preset.owner_id == user.id or user.role in ("Admin", "SuperAdmin")
