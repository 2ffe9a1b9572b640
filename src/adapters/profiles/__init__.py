"""The profiles that are shipped: a JSON file for each platform, beside this one."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from segmentation_core.errors import Problem, ProfileError, one_of
from segmentation_core.planning.profiles import Profile

if TYPE_CHECKING:
    from collections.abc import Iterator


def shipped() -> tuple[str, ...]:
    """Return the ids of the profiles that are shipped."""
    return tuple(sorted(_ids()))


def load(name: str) -> Profile:
    """Return a profile by its id. Raises ProfileError, which tells the nearest id, where none is called so."""
    if name not in shipped():
        raise ProfileError(Problem("profile", "there is no such profile", name, one_of(name, shipped())))
    return Profile.from_json((resources.files(__name__) / f"{name}.json").read_bytes())


def load_all() -> dict[str, Profile]:
    """Return every profile that is shipped, by id."""
    return {name: load(name) for name in shipped()}


def _ids() -> Iterator[str]:
    for file in resources.files(__name__).iterdir():
        if file.name.endswith(".json"):
            yield file.name.removesuffix(".json")
