"""The platforms that audiences can be planned for."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from entrypoints.http.access import access
from entrypoints.http.entity_tags import IfNoneMatch, listed
from segmentation_core.permissions import BUILD_AUDIENCES
from segmentation_core.planning import Profile


class ProfilesAnswer(msgspec.Struct, frozen=True):
    """What each platform takes of an ad set, every figure with its source and the date when it was read; and how many.

    A figure that is not known is null.
    """

    profiles: tuple[Profile, ...]
    count: int


@get(
    "/api/platform-profiles",
    opt=access(BUILD_AUDIENCES, "nobody's"),
    operation_id="listPlatformProfiles",
    summary="Platforms to plan for",
)
async def list_profiles(
    profiles: NamedDependency[SkipValidation[Mapping[str, Profile]]], if_none_match: IfNoneMatch = ""
) -> Response[ProfilesAnswer]:
    """Return what `profile` may name where an audience is built or explained, by id."""
    return listed(ProfilesAnswer(tuple(profiles.values()), len(profiles)), if_none_match)
