"""What mutation tests found unwatched of presets: what others' presets tell, and the record of a deletion."""

from __future__ import annotations

import pytest

from segmentation_core.errors import NotFound
from tests.unit.house import House, People

pytestmark = pytest.mark.anyio
DOCUMENT: dict[str, object] = {"audienceFilters": {}}


@pytest.mark.requirement(21)
@pytest.mark.parametrize("version", [1, 9])
async def test_reverting_what_one_may_not_read_tells_nothing_of_its_versions(version: int) -> None:
    house = House()
    people = await People.of(house)
    preset = (await house.presets.create(people.user, "mine", DOCUMENT)).preset
    for by in (people.other, people.stranger):
        with pytest.raises(NotFound) as foreign:
            await house.presets.revert(by, preset.id, version)
        with pytest.raises(NotFound) as missing:
            await house.presets.revert(by, 4_000_000_000, version)
        assert str(foreign.value) == str(missing.value)


@pytest.mark.requirement(36)
async def test_a_deletion_has_its_record_with_what_was_deleted() -> None:
    house = House()
    people = await People.of(house)
    preset = (await house.presets.create(people.user, "mine", DOCUMENT)).preset
    await house.presets.delete(people.admin, preset.id)
    entry = (await house.records(people.user.user.company_id))[-1].entry
    assert (entry.action, entry.actor, entry.subject) == ("preset deleted", "admin", f"preset {preset.id}")
    assert entry.before
    assert (entry.before["name"], entry.after) == ("mine", None)
