"""Saved filters."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, SkipValidation

from entrypoints.http.access import access
from entrypoints.http.csv_tables import csv_table, rows_of, wants_csv
from entrypoints.http.entity_tags import IfMatch, IfNoneMatch, listed, required_versions, version_tag
from entrypoints.http.pages import PageNumber, PageOf10, PageOf100, Pagination, asked_page
from entrypoints.http.requests import LARGEST_ID, ApiRequest, PathId, SearchText, asked_text, path_id
from entrypoints.http.sign_in import Message
from segmentation_core.documents import parse_json
from segmentation_core.errors import DocumentError, Problem, RequestError
from segmentation_core.permissions import READ_PRESETS, WRITE_PRESETS
from segmentation_core.presets import NamedPreset, PresetVersion
from segmentation_core.usecases import ManagePresets, PresetView

Sent = dict[str, Any] | str
"""A filter document as clients send it: an object, or a text that holds one."""

Username = Annotated[str, PathParameter(description="Whose presets, in whatever case.")]


class PresetName(msgspec.Struct, frozen=True):
    """Which preset."""

    preset_id: int
    preset_name: str

    @classmethod
    def of(cls, preset: NamedPreset) -> PresetName:
        """Return what a preset is known by."""
        return cls(preset.id, preset.name)


class PresetDetails(msgspec.Struct, frozen=True):
    """A preset as it is now. `preset_filter_json` is what was sent, without `segments` for a dsp account.

    `valid` tells whether the present catalogue knows all that it names, `problems` what it does not know. `same_as`
    are other presets that mean the same people; lists do without it.
    """

    preset_id: int
    company_name: str | None
    username: str
    preset_name: str
    preset_filter_json: dict[str, Any]
    created_date: datetime
    created_by_id: int
    updated_date: datetime
    version: int
    valid: bool
    problems: tuple[Problem, ...]
    same_as: tuple[PresetName, ...] | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, view: PresetView) -> PresetDetails:
        """Return what is told of a preset in a list."""
        preset = view.preset
        return cls(
            preset_id=preset.id,
            company_name=preset.company_name,
            username=preset.username,
            preset_name=preset.name,
            preset_filter_json=preset.document,
            created_date=preset.created,
            created_by_id=preset.created_by_id,
            updated_date=preset.updated,
            version=preset.version,
            valid=not view.problems,
            problems=view.problems,
        )

    @classmethod
    def alone(cls, view: PresetView) -> PresetDetails:
        """Return what is told of a single preset: those that mean the same too."""
        return msgspec.structs.replace(cls.of(view), same_as=tuple(map(PresetName.of, view.alike)))


class PresetAnswer(msgspec.Struct, frozen=True):
    """One preset."""

    preset: PresetDetails


class SavedAnswer(msgspec.Struct, frozen=True):
    """The preset as it was saved; the message names those that mean the same people."""

    message: str
    preset: PresetDetails


class PresetsPage(msgspec.Struct, frozen=True):
    """A page of presets, the newest first."""

    presets: tuple[PresetDetails, ...]
    pagination: Pagination


class PresetsAnswer(msgspec.Struct, frozen=True):
    """Presets, the newest first, and how many they are."""

    presets: tuple[PresetDetails, ...]
    count: int


class PresetEntry(msgspec.Struct, frozen=True):
    """A preset to choose from a list."""

    preset_id: int
    preset_name: str
    created_date: datetime

    @classmethod
    def of(cls, preset: NamedPreset) -> PresetEntry:
        """Return what a list tells of a preset."""
        return cls(preset.id, preset.name, preset.created)


class PresetList(msgspec.Struct, frozen=True):
    """Every preset by name, the newest first, and how many they are."""

    presets: tuple[PresetEntry, ...]
    count: int


class VersionDetails(msgspec.Struct, frozen=True):
    """What a preset was at one version, and who made it so."""

    version: int
    preset_name: str
    preset_filter_json: dict[str, Any]
    changed_date: datetime
    changed_by: str

    @classmethod
    def of(cls, version: PresetVersion) -> VersionDetails:
        """Return what is told of a version."""
        return cls(version.version, version.name, version.document, version.changed, version.changed_by)


class VersionsAnswer(msgspec.Struct, frozen=True):
    """A page of the history of a preset, the newest first, and how many versions it has."""

    versions: tuple[VersionDetails, ...]
    count: int
    pagination: Pagination


class PresetRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A filter to save.

    `preset_filter_json` has `audienceFilters` (dimension -> values) or `filter` (the full language), one of the two,
    and what the client keeps with it in `segments` and `metadata`. It is an object, or a text that holds one.
    """

    preset_name: str
    preset_filter_json: Sent


class PresetChangeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change of a preset, the name or the filter or both."""

    preset_name: str | msgspec.UnsetType = msgspec.UNSET
    preset_filter_json: Sent | msgspec.UnsetType = msgspec.UNSET


class RevertRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version that a preset is to be again."""

    version: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_ID)]


@post("/api/presets", opt=access(WRITE_PRESETS, "presets"), operation_id="createPreset", summary="Save a filter")
async def create_preset(
    request: ApiRequest,
    data: JSONBody[PresetRequest],
    manage_presets: NamedDependency[SkipValidation[ManagePresets]],
) -> Response[SavedAnswer]:
    """Save a filter under a name. One that means the same as others is saved, and the answer names them."""
    view = await manage_presets.create(
        request.acting, data.preset_name, await _document(request, data.preset_filter_json)
    )
    return _saved(view, "saved", status=201)


@get(
    "/api/presets",
    opt={**access(READ_PRESETS, "presets"), "query": ("page", "limit", "search")},
    operation_id="findPresets",
    summary="Presets in pages",
)
async def find_presets(  # noqa: PLR0913, PLR0917  what the query has
    request: ApiRequest,
    manage_presets: NamedDependency[SkipValidation[ManagePresets]],
    page: PageNumber = "1",
    limit: PageOf10 = "10",
    search: SearchText = "",
    if_none_match: IfNoneMatch = "",
) -> Response[PresetsPage]:
    """Return a page of the presets that the caller may read and whose name has a part, the newest first."""
    asked = asked_page(page, limit)
    views, total = await manage_presets.page(
        request.acting, search=asked_text("search", search), offset=asked.offset, limit=asked.limit
    )
    found = tuple(map(PresetDetails.of, views))
    if wants_csv(request):
        return await request.told(found, lambda: csv_table(rows_of(found, PresetDetails), "presets"))
    page_found = PresetsPage(found, asked.of(total))
    return await request.told(found, lambda: listed(page_found, if_none_match))


@get(
    "/api/presets/list", opt=access(READ_PRESETS, "presets"), operation_id="listPresets", summary="All presets by name"
)
async def list_presets(
    request: ApiRequest,
    manage_presets: NamedDependency[SkipValidation[ManagePresets]],
    if_none_match: IfNoneMatch = "",
) -> Response[PresetList]:
    """Return the names of all presets that the caller may read, the newest first."""
    found = tuple(map(PresetEntry.of, await manage_presets.names(request.acting)))
    if wants_csv(request):
        return csv_table(rows_of(found, PresetEntry), "presets")
    return listed(PresetList(found, len(found)), if_none_match)


@get(
    "/api/presets/user/{username:path}",
    opt=access(READ_PRESETS, "presets"),
    operation_id="listPresetsOfUser",
    summary="A user's presets",
)
async def list_presets_of_user(
    request: ApiRequest,
    username: Username,  # noqa: ARG001  the address as it was sent has it whole
    manage_presets: NamedDependency[SkipValidation[ManagePresets]],
    if_none_match: IfNoneMatch = "",
) -> Response[PresetsAnswer]:
    """Return the presets that a user made, as far as the caller may read them, the newest first."""
    views = await manage_presets.all(request.acting, _username(request.scope["raw_path"]))
    found = tuple(map(PresetDetails.of, views))
    if wants_csv(request):
        return await request.told(found, lambda: csv_table(rows_of(found, PresetDetails), "presets"))
    return await request.told(found, lambda: listed(PresetsAnswer(found, len(found)), if_none_match))


@get("/api/presets/{preset_id:str}", opt=access(READ_PRESETS, "presets"), operation_id="getPreset", summary="A preset")
async def get_preset(
    request: ApiRequest, preset_id: PathId, manage_presets: NamedDependency[SkipValidation[ManagePresets]]
) -> Response[PresetAnswer]:
    """Return a preset. Its ETag names its version; as If-Match it lets nobody else's change be overwritten."""
    view = await manage_presets.get(request.acting, path_id(preset_id))
    return Response(PresetAnswer(PresetDetails.alone(view)), headers=version_tag(view.preset))


@put(
    "/api/presets/{preset_id:str}",
    opt=access(WRITE_PRESETS, "presets"),
    operation_id="changePreset",
    summary="Change a preset",
)
async def change_preset(
    request: ApiRequest,
    preset_id: PathId,
    data: JSONBody[PresetChangeRequest],
    manage_presets: NamedDependency[SkipValidation[ManagePresets]],
    if_match: IfMatch = None,  # noqa: ARG001  every line of it is read from the request
) -> Response[SavedAnswer]:
    """Give a preset another name or filter, if it still is what If-Match says, where that is sent."""
    number, sent = path_id(preset_id), data.preset_filter_json
    view = await manage_presets.change(
        request.acting,
        number,
        name=None if data.preset_name is msgspec.UNSET else data.preset_name,
        sent=None if sent is msgspec.UNSET else await _document(request, sent),
        versions=required_versions(request, number),
    )
    return _saved(view, "changed")


@delete(
    "/api/presets/{preset_id:str}",
    opt=access(WRITE_PRESETS, "presets"),
    status_code=200,
    operation_id="deletePreset",
    summary="Delete a preset",
)
async def delete_preset(
    request: ApiRequest,
    preset_id: PathId,
    manage_presets: NamedDependency[SkipValidation[ManagePresets]],
    if_match: IfMatch = None,  # noqa: ARG001  every line of it is read from the request
) -> Message:
    """Delete a preset with its history, if it still is what If-Match says, where that is sent."""
    number = path_id(preset_id)
    await manage_presets.delete(request.acting, number, versions=required_versions(request, number))
    return Message("The preset is deleted.")


@get(
    "/api/presets/{preset_id:str}/versions",
    opt={**access(READ_PRESETS, "presets"), "query": ("page", "limit")},
    operation_id="listPresetVersions",
    summary="The history of a preset",
)
async def list_versions(  # noqa: PLR0913, PLR0917  what the query has
    request: ApiRequest,
    preset_id: PathId,
    manage_presets: NamedDependency[SkipValidation[ManagePresets]],
    page: PageNumber = "1",
    limit: PageOf100 = "100",
    if_none_match: IfNoneMatch = "",
) -> Response[VersionsAnswer]:
    """Return a page of what a preset was at each version, the newest first, the present one included."""
    asked = asked_page(page, limit)
    versions, total = await manage_presets.versions(
        request.acting, path_id(preset_id), offset=asked.offset, limit=asked.limit
    )
    found = VersionsAnswer(tuple(map(VersionDetails.of, versions)), total, asked.of(total))
    return await request.told(found.versions, lambda: listed(found, if_none_match))


@post(
    "/api/presets/{preset_id:str}/revert",
    opt=access(WRITE_PRESETS, "presets"),
    status_code=200,
    operation_id="revertPreset",
    summary="Make a preset what it was",
)
async def revert_preset(
    request: ApiRequest,
    preset_id: PathId,
    data: JSONBody[RevertRequest],
    manage_presets: NamedDependency[SkipValidation[ManagePresets]],
    if_match: IfMatch = None,  # noqa: ARG001  every line of it is read from the request
) -> Response[SavedAnswer]:
    """Make a preset again what it was at a version: a change like any other, with a version of its own."""
    number = path_id(preset_id)
    versions = required_versions(request, number)
    view = await manage_presets.revert(request.acting, number, data.version, versions=versions)
    return _saved(view, f"again what it was at version {data.version}")


async def _document(request: ApiRequest, sent: Sent) -> Sent:
    """Return the object that a text holds, else what was sent. Raises RequestError, with the place in the body."""
    if not isinstance(sent, str):
        return sent
    path = "$.preset_filter_json"
    if not sent.strip():
        raise RequestError(Problem(path, "is missing or empty"))
    try:
        document = await request.aside(lambda: parse_json(sent))
    except DocumentError as fault:
        raise RequestError(Problem(path, problem.message, problem.found) for problem in fault.problems) from fault
    return document if isinstance(document, dict) else sent


def _username(raw_path: bytes) -> str:
    """Return the name in an address, slashes included."""
    name = unquote_to_bytes(raw_path).partition(b"/user/")[2]
    try:
        return asked_text("username", name.decode(), source="path")
    except UnicodeDecodeError as fault:
        raise RequestError(Problem("path.username", "is not UTF-8")) from fault


def _saved(view: PresetView, what: str, *, status: int = 200) -> Response[SavedAnswer]:
    message = f"The preset is {what}."
    if view.alike:
        message += f" It means the same people as {_in_words([preset.name for preset in view.alike])}."
    if view.problems:
        message += " The catalogue does not know all that it names."
    answer = SavedAnswer(message, PresetDetails.alone(view))
    return Response(answer, status_code=status, headers=version_tag(view.preset))


def _in_words(names: list[str]) -> str:
    *others, last = (f"“{name}”" for name in names)
    return f"{', '.join(others)} and {last}" if others else last
