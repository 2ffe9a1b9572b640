"""Saved filters: who reads and writes them, their versions, and what they mean."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from adapters.thinking import InlineThinking
from segmentation_core import Catalog, Filter
from segmentation_core.errors import Conflict, Forbidden, NotFound, RequestError, Stale
from segmentation_core.presets import NamedPreset, Preset, fingerprint_of, preset_document
from segmentation_core.references import References
from segmentation_core.usecases import Acting, ManagePresets
from tests.unit.house import CATALOG, House, People

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

YES: dict[str, Any] = {"audienceFilters": {"car": ["yes"]}}
NOT_NO: dict[str, Any] = {"filter": {"not": {"car": ["no"]}}, "metadata": {"z": 1, "a": [None, 1.5, "\0"]}}


def named(preset: Preset) -> NamedPreset:
    return NamedPreset(preset.id, preset.name, preset.created)


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def people(house: House) -> People:
    return await People.of(house)


async def test_what_was_sent_is_kept_unchanged_and_has_a_meaning(house: House, people: People) -> None:
    view = await house.presets.create(people.user, "mine", NOT_NO)
    preset = view.preset
    assert list(preset.document) == list(NOT_NO)
    assert preset.document == NOT_NO
    assert (preset.name, preset.username, preset.company_name, preset.version) == ("mine", "user", "Here", 1)
    assert (preset.created, preset.updated, preset.catalog) == (house.clock.time, house.clock.time, "small 1")
    assert view.problems == ()
    assert preset.fingerprint == fingerprint_of(YES, CATALOG)
    assert await house.presets.get(people.user, preset.id) == view
    record = (await house.records(preset.company_id))[-1].entry
    assert (record.action, record.after) == ("preset created", {"name": "mine", "document": NOT_NO, "version": 1, "username": "user", "company_name": "Here"})  # fmt: skip


async def test_presets_that_mean_the_same_are_told_and_not_refused(house: House, people: People) -> None:
    first = (await house.presets.create(people.user, "first", YES)).preset
    second = await house.presets.create(people.user, "second", NOT_NO)
    assert second.alike == (named(first),)
    assert (await house.presets.get(people.user, first.id)).alike == (named(second.preset),)
    third = await house.presets.create(people.other, "third", YES)
    assert third.alike == (), "a User is not told of others' presets"
    assert [one.name for one in (await house.presets.get(people.manager, first.id)).alike] == ["second", "third"]
    assert (await house.presets.create(people.stranger, "fourth", YES)).alike == ()


async def test_what_the_catalogue_does_not_know_is_stored_and_told(house: House, people: People) -> None:
    view = await house.presets.create(people.user, "odd", {"audienceFilters": {"boat": ["yes"]}})
    assert [problem.path for problem in view.problems] == ["$.audienceFilters.boat"]
    assert view.preset.fingerprint is None
    assert view.alike == ()
    other = Catalog.from_json(
        b'{"name": "x", "version": "2", "dimensions": [{"id": "boat", "kind": "single", "values": [{"id": "yes"}, {"id": "no"}]}]}'
    )
    later = ManagePresets(house.work, other, InlineThinking(), house.clock)
    assert (await later.get(people.user, view.preset.id)).problems == ()


def test_a_filter_past_the_bounds_is_valid_and_compared_with_none() -> None:
    values = [{"id": f"v{j}"} for j in range(300)]
    dimensions = [{"id": f"d{i}", "kind": "multi", "values": values} for i in range(2)]
    wide = Catalog.from_json(json.dumps({"name": "wide", "version": "1", "dimensions": dimensions}))
    everything = {f"d{i}": [f"v{j}" for j in range(300)] for i in range(2)}
    assert fingerprint_of({"audienceFilters": everything}, wide) is None
    assert References({}, wide).read({"audienceFilters": everything}).catalog is wide


async def test_a_fingerprint_is_made_once_for_a_change_before_anybody_waits_and_never_for_a_view(
    house: House, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bool] = []

    def counted(self: Filter) -> str:
        made.append(house.work._turn.locked())
        return self.region.fingerprint

    monkeypatch.setattr(Filter, "fingerprint", property(counted))
    preset = (await house.presets.create(people.user, "mine", YES)).preset
    assert made == [False]
    await house.presets.change(people.user, preset.id, sent=NOT_NO)
    assert made == [False] * 2
    await house.presets.revert(people.user, preset.id, 1)
    assert made == [False] * 3
    await house.presets.change(people.user, preset.id, name="another")
    await house.presets.get(people.user, preset.id)
    await house.presets.page(people.user, search="", offset=0, limit=9)
    await house.presets.all(people.user)
    assert made == [False] * 3


async def test_a_new_name_leaves_what_the_filter_meant_to_its_catalogue(house: House, people: People) -> None:
    preset = (await house.presets.create(people.user, "mine", YES)).preset
    other = Catalog.from_json(
        b'{"name": "x", "version": "2", "dimensions": [{"id": "boat", "kind": "single", "values": [{"id": "yes"}]}]}'
    )
    later = ManagePresets(house.work, other, InlineThinking(), house.clock)
    renamed = (await later.change(people.user, preset.id, name="another")).preset
    assert (renamed.catalog, renamed.fingerprint) == (preset.catalog, preset.fingerprint)
    changed = (await later.change(people.user, preset.id, sent=YES)).preset
    assert (changed.catalog, changed.fingerprint) == ("x 2", None)


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (None, "$.preset_filter_json"),
        ([], "$.preset_filter_json"),
        ("[]", "$.preset_filter_json"),
        ({}, "$.preset_filter_json"),
        ({"audienceFilters": {}, "filter": {}}, "$.preset_filter_json"),
        ({"audienceFilters": []}, "$.preset_filter_json.audienceFilters"),
        ({"filter": 1}, "$.preset_filter_json.filter"),
        ({"audienceFilters": {}, "segments": []}, "$.preset_filter_json.segments"),
        ({"audienceFilters": {}, "other": {}}, "$.preset_filter_json.other"),
    ],
)
def test_a_document_of_another_shape_is_refused_with_its_place(sent: object, path: str) -> None:
    with pytest.raises(RequestError) as refused:
        preset_document(sent)
    assert path in [problem.path for problem in refused.value.problems]


def test_a_text_that_holds_an_object_is_that_object() -> None:
    assert preset_document('{"audienceFilters": {"car": ["yes"]}}') == YES


@pytest.mark.parametrize("name", ["", " ", "x" * 256, "a\0"])
async def test_what_is_no_name(house: House, people: People, name: str) -> None:
    with pytest.raises(RequestError, match=r"\$\.preset_name"):
        await house.presets.create(people.user, name, YES)
    preset = (await house.presets.create(people.user, "fine", YES)).preset
    with pytest.raises(RequestError, match=r"\$\.preset_name"):
        await house.presets.change(people.user, preset.id, name=name)


async def test_one_owner_has_one_preset_of_a_name(house: House, people: People) -> None:
    await house.presets.create(people.user, "mine", YES)
    await house.presets.create(people.other, "mine", YES)
    await house.presets.create(people.user, "Mine", YES)
    with pytest.raises(Conflict, match="already"):
        await house.presets.create(people.user, "mine", YES)
    other = (await house.presets.create(people.user, "other", YES)).preset
    with pytest.raises(Conflict):
        await house.presets.change(people.user, other.id, name="mine")
    await house.presets.change(people.user, other.id, name="other", sent=NOT_NO)


READERS = {"user": True, "other": False, "manager": True, "admin": True, "root": True, "stranger": False}
WRITERS = {"user", "admin", "root"}


@pytest.mark.parametrize("who", READERS)
async def test_who_reads_and_writes_a_users_preset(house: House, people: People, who: str) -> None:
    preset = (await house.presets.create(people.user, "mine", YES)).preset
    acting: Acting = getattr(people, who)
    listed = [view.preset.id for view in await house.presets.all(acting)]
    of_user = [view.preset.id for view in await house.presets.all(acting, "USER")]
    by_name = [one.id for one in await house.presets.names(acting)]
    paged = [view.preset.id for view in (await house.presets.page(acting, search="", offset=0, limit=9))[0]]
    assert listed == by_name == of_user == paged == ([preset.id] if READERS[who] else [])
    assert await house.presets.all(acting, "nobody") == []
    acts: list[Callable[[], Awaitable[object]]] = [
        lambda: house.presets.change(acting, preset.id, name="changed"),
        lambda: house.presets.revert(acting, preset.id, 1),
        lambda: house.presets.delete(acting, preset.id),
    ]
    if not READERS[who]:
        with pytest.raises(NotFound):
            await house.presets.get(acting, preset.id)
        with pytest.raises(NotFound):
            await house.presets.versions(acting, preset.id)
    for act in acts:
        if who in WRITERS:
            await act()
        else:
            with pytest.raises(Forbidden if READERS[who] else NotFound):
                await act()


async def test_changes_are_versions_and_can_be_reverted(house: House, people: People) -> None:
    preset = (await house.presets.create(people.user, "one", YES)).preset
    house.clock.time += timedelta(hours=1)
    changed = (await house.presets.change(people.admin, preset.id, name="two", sent=NOT_NO, versions={1})).preset
    assert (changed.version, changed.created, changed.updated) == (2, preset.created, house.clock.time)
    renamed = (await house.presets.change(people.user, preset.id, name="three")).preset
    with pytest.raises(RequestError):
        await house.presets.change(people.user, preset.id, sent=[])
    assert (renamed.version, renamed.document) == (3, NOT_NO)
    back = (await house.presets.revert(people.user, preset.id, 1, versions={3})).preset
    assert (back.version, back.name, back.document) == (4, "one", YES)
    told = [(one.version, one.name, one.changed_by) for one in await house.presets.versions(people.user, preset.id)]
    assert told == [(4, "one", "user"), (3, "three", "user"), (2, "two", "admin"), (1, "one", "user")]
    with pytest.raises(NotFound, match="never had a version 9"):
        await house.presets.revert(people.user, preset.id, 9)
    actions = [record.entry.action for record in await house.records(preset.company_id)][-3:]
    assert actions == ["preset changed", "preset changed", "preset reverted"]


async def test_a_version_that_is_not_the_present_one_changes_nothing(house: House, people: People) -> None:
    preset = (await house.presets.create(people.user, "one", YES)).preset
    await house.presets.change(people.user, preset.id, name="two")
    for act in (
        house.presets.change(people.user, preset.id, name="three", versions={1}),
        house.presets.revert(people.user, preset.id, 1, versions={1}),
    ):
        with pytest.raises(Stale, match="version 2 by now, not 1"):
            await act
    for versions, said in (({3, 1}, "not 1 or 3"), (frozenset[int](), "and no version of it was named")):
        with pytest.raises(Stale, match=said):
            await house.presets.delete(people.user, preset.id, versions=versions)
    assert (await house.presets.get(people.user, preset.id)).preset.name == "two"
    assert (await house.presets.change(people.user, preset.id, name="three", versions={1, 2})).preset.version == 3


async def test_a_change_by_a_super_admin_is_in_the_trail_of_the_presets_company(house: House, people: People) -> None:
    preset = (await house.presets.create(people.user, "one", YES)).preset
    own = (await house.presets.create(people.root, "own", YES)).preset
    await house.presets.change(people.root, preset.id, name="two")
    await house.presets.revert(people.root, preset.id, 1)
    await house.presets.delete(people.root, preset.id)
    told = [record.entry for record in await house.records(preset.company_id)][-3:]
    assert [one.action for one in told] == ["preset changed", "preset reverted", "preset deleted"]
    assert {(one.actor, one.actor_id) for one in told} == {("root", people.root.user.id)}
    assert [record.entry.subject for record in await house.records(None)] == [f"preset {own.id}"]


async def test_nothing_to_change_is_told(house: House, people: People) -> None:
    preset = (await house.presets.create(people.user, "one", YES)).preset
    with pytest.raises(RequestError, match="nothing to change"):
        await house.presets.change(people.user, preset.id)


async def test_a_dsp_account_sees_no_segments_in_presets(house: House, people: People) -> None:
    document = YES | {"segments": {"included": ["car_yes"]}}
    preset = (await house.presets.create(people.user, "one", document)).preset
    blind = Acting(replace(people.user.user, dsp=True))
    assert (await house.presets.get(blind, preset.id)).preset.document == YES
    assert [one.document for one in await house.presets.versions(blind, preset.id)] == [YES]
    assert (await house.presets.get(people.user, preset.id)).preset.document == document


async def test_a_dsp_account_that_writes_a_preset_leaves_its_segments_as_they_are(house: House, people: People) -> None:
    lists, others = {"segments": {"included": ["car_yes"]}}, {"segments": {"included": ["car_no"]}}
    preset = (await house.presets.create(people.user, "one", YES | lists)).preset
    plain = (await house.presets.create(people.user, "two", YES)).preset
    blind = Acting(replace(people.admin.user, dsp=True))
    for sent in (NOT_NO, NOT_NO | others, YES | {"segments": {}}):
        shown = {name: part for name, part in sent.items() if name != "segments"}
        for one, kept in ((preset, lists), (plain, {})):
            assert (await house.presets.change(blind, one.id, sent=sent)).preset.document == shown
            assert (await house.presets.get(people.user, one.id)).preset.document == shown | kept
    await house.presets.change(people.user, preset.id, sent=YES | others)
    assert (await house.presets.get(people.user, preset.id)).preset.document == YES | others
    await house.presets.revert(blind, preset.id, 1)
    assert (await house.presets.get(people.user, preset.id)).preset.document == YES | lists


async def test_pages_are_the_newest_first_and_search_means_a_part_of_the_name(house: House, people: People) -> None:
    for name in ("a%b", "a_b", "aXb", "ÄRGER"):
        await house.presets.create(people.user, name, YES)
        house.clock.time += timedelta(seconds=1)

    async def names(search: str, offset: int = 0, limit: int = 10) -> tuple[list[str], int]:
        found, total = await house.presets.page(people.user, search=search, offset=offset, limit=limit)
        return [view.preset.name for view in found], total

    assert await names("") == (["ÄRGER", "aXb", "a_b", "a%b"], 4)
    assert await names("", 1, 2) == (["aXb", "a_b"], 4)
    assert await names("%") == (["a%b"], 1)
    assert await names("_") == (["a_b"], 1)
    assert await names("ärg") == (["ÄRGER"], 1)
    assert await names("Ax") == (["aXb"], 1)


async def test_deleting_takes_the_history_too(house: House, people: People) -> None:
    preset = (await house.presets.create(people.user, "one", YES)).preset
    await house.presets.delete(people.user, preset.id)
    for act in (
        house.presets.get(people.user, preset.id),
        house.presets.versions(people.user, preset.id),
        house.presets.delete(people.user, preset.id),
    ):
        with pytest.raises(NotFound):
            await act
    assert (await house.presets.create(people.user, "one", YES)).preset.id != preset.id
