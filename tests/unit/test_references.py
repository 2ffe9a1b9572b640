"""Presets inside filters: what they stand for, for whom, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from segmentation_core import Catalog, FilterError, parse_filter
from segmentation_core.references import MOST_PRESETS
from segmentation_core.usecases import Acting, Asked, PresetView, ReadFilters
from segmentation_core.users import User
from tests.unit.house import CATALOG, House, People

if TYPE_CHECKING:
    from segmentation_core.errors import Problem

pytestmark = pytest.mark.anyio

YES: dict[str, Any] = {"audienceFilters": {"car": ["yes"]}}
YOUNG: dict[str, Any] = {"filter": {"dimension": "age", "in": ["young"]}}
BOTH = parse_filter({"car": ["yes"], "age": ["young"]}, CATALOG).fingerprint


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def people(house: House) -> People:
    return await People.of(house)


async def saved(house: House, by: Acting, document: dict[str, Any]) -> int:
    """Save a filter, and return the id of the preset."""
    _, total = await house.presets.page(by, search="", offset=0, limit=1)
    return (await house.presets.create(by, f"preset {total}", document)).preset.id


async def meant(house: House, by: Acting, document: object) -> str:
    """Return the fingerprint of a filter that is asked for."""
    read = await ReadFilters(house.work, CATALOG).one(by, Asked(document))
    return read().fingerprint


async def refused(house: House, by: Acting, document: object) -> tuple[Problem, ...]:
    with pytest.raises(FilterError) as caught:
        await meant(house, by, document)
    return caught.value.problems


async def viewed(house: House, by: Acting, preset_id: int) -> PresetView:
    return await house.presets.get(by, preset_id)


async def test_a_preset_stands_for_its_filter_as_it_is_now(house: House, people: People) -> None:
    yes, young = await saved(house, people.user, YES), await saved(house, people.user, YOUNG)
    both = {"and": [{"preset": yes}, {"not": {"not": {"preset": young}}}]}
    assert await meant(house, people.user, both) == BOTH
    assert await meant(house, people.user, {"or": [both, both]}) == BOTH
    await house.presets.change(people.user, young, sent={"filter": {}})
    assert await meant(house, people.user, both) == parse_filter({"car": ["yes"]}, CATALOG).fingerprint


async def test_presets_may_refer_to_presets(house: House, people: People) -> None:
    yes, young = await saved(house, people.user, YES), await saved(house, people.user, YOUNG)
    both = await saved(house, people.user, {"filter": {"and": [{"preset": yes}, {"preset": young}]}})
    again = await saved(house, people.user, {"filter": {"preset": both}})
    assert await meant(house, people.user, {"preset": again}) == BOTH
    assert (await viewed(house, people.user, again)).problems == ()


async def test_several_filters_are_read_at_once_each_at_its_place(house: House, people: People) -> None:
    yes = await saved(house, people.user, YES)
    reader = ReadFilters(house.work, CATALOG)
    choices = Asked({"age": ["young"], "boat": []}, choices=True)
    first, second = (await reader.several(people.user, Asked({"preset": yes}), choices))()
    assert first.fingerprint == parse_filter({"car": ["yes"]}, CATALOG).fingerprint
    assert second.fingerprint == parse_filter({"age": ["young"]}, CATALOG).fingerprint
    read = await reader.several(people.user, Asked({}), Asked({"or": [{"preset": 999}]}, "$.filters[1]"))
    with pytest.raises(FilterError) as caught:
        read()
    assert caught.value.problems[0].path == "$.filters[1].or[0].preset"


async def test_what_the_caller_may_not_read_is_told_as_what_does_not_exist(house: House, people: People) -> None:
    foreign = await saved(house, people.stranger, YES)
    others = await saved(house, people.other, YES)
    deleted = await saved(house, people.user, YES)
    await house.presets.delete(people.user, deleted)
    told = {
        (await refused(house, people.user, {"and": [{}, {"preset": one}]}))[0].message
        for one in (foreign, others, deleted, 10**6, 0, -1, 10**30)
    }
    assert told == {"there is no such preset"}
    (problem,) = await refused(house, people.user, {"and": [{}, {"preset": foreign}]})
    assert (problem.path, problem.found) == ("$.filter.and[1].preset", str(foreign))
    wanted = await meant(house, people.manager, {"preset": others})
    assert wanted == parse_filter({"car": ["yes"]}, CATALOG).fingerprint


async def test_a_preset_refers_within_its_own_company_whoever_asks(house: House, people: People) -> None:
    foreign = await saved(house, people.stranger, YES)
    mine = await saved(house, people.admin, {"filter": {"preset": foreign}})
    for by in (people.admin, people.root):
        assert [p.message for p in (await viewed(house, by, mine)).problems] == ["there is no such preset"]
        (problem,) = await refused(house, by, {"preset": mine})
        assert "it means nothing here" in problem.message
    assert await meant(house, people.root, {"preset": foreign}) == parse_filter({"car": ["yes"]}, CATALOG).fingerprint


async def test_circles_are_refused_with_the_path(house: House, people: People) -> None:
    first = await saved(house, people.user, YES)
    second = await saved(house, people.user, {"filter": {"not": {"preset": first}}})
    third = await saved(house, people.user, {"filter": {"and": [{"preset": second}]}})
    await house.presets.change(people.user, first, sent={"filter": {"or": [YOUNG["filter"], {"preset": second}]}})
    (problem,) = await refused(house, people.user, {"and": [{"preset": third}]})
    assert problem.path == "$.filter.and[0].preset"
    assert problem.message == f"it leads round in a circle: {second} → {first} → {second}"
    itself = await viewed(house, people.user, first)
    assert [told.path for told in itself.problems] == ["$.filter.or[1].preset"]
    await house.presets.change(people.user, first, sent={"filter": {"preset": first}})
    (problem,) = (await viewed(house, people.user, first)).problems
    assert problem.message == f"it leads round in a circle: {first} → {first}"


async def test_a_preset_tells_when_its_reference_broke_and_when_it_is_mended(house: House, people: People) -> None:
    yes = await saved(house, people.user, YES)
    outer = await saved(house, people.user, {"filter": {"preset": yes}})
    top = await saved(house, people.user, {"filter": {"or": [{"preset": outer}]}})
    assert (await viewed(house, people.user, top)).problems == ()
    await house.presets.change(people.user, yes, sent={"audienceFilters": {"boat": ["yes"]}})
    (problem,) = (await viewed(house, people.user, top)).problems
    assert problem.path == "$.filter.or[0].preset"
    assert "no such dimension" in problem.message
    await house.presets.change(people.user, yes, sent=YES)
    assert (await viewed(house, people.user, top)).problems == ()
    await house.presets.delete(people.user, yes)
    views, _ = await house.presets.page(people.user, search="", offset=0, limit=10)
    assert [bool(view.problems) for view in views] == [True, True]
    assert [view.problems[0].message for view in views][-1] == "there is no such preset"


async def test_a_preset_that_refers_to_others_is_compared_with_none_since_its_meaning_may_change(
    house: House, people: People
) -> None:
    yes = await saved(house, people.user, YES)
    outer = await viewed(house, people.user, await saved(house, people.user, {"filter": {"preset": yes}}))
    assert (outer.preset.fingerprint, outer.alike) == (None, ())


async def test_what_is_no_reference_is_refused_at_its_place(house: House, people: People) -> None:
    yes = await saved(house, people.user, YES)
    cases: list[tuple[object, str, str]] = [
        ({"preset": "17"}, "$.filter.preset", "is not the id of a preset"),
        ({"preset": True}, "$.filter.preset", "is not the id of a preset"),
        ({"preset": 1.0}, "$.filter.preset", "is not the id of a preset"),
        ({"preset": yes, "car": ["no"]}, "$.filter.car", "stands beside 'preset', which stands alone"),
        ({"and": {"preset": yes}}, "$.filter.and", "is not a list"),
        ({"and": [[{"preset": yes}]]}, "$.filter.and[0]", "is not a filter"),
    ]
    for document, path, message in cases:
        (problem,) = await refused(house, people.user, document)
        assert (problem.path, problem.message) == (path, message)


async def chained(house: House, by: Acting, length: int) -> int:
    """Save presets each of which refers to the one before, and return the last."""
    last = await saved(house, by, YES)
    for _ in range(length - 1):
        last = await saved(house, by, {"filter": {"preset": last}})
    return last


async def test_how_many_presets_one_filter_leads_to_is_bounded(house: House, people: People) -> None:
    most = await chained(house, people.user, MOST_PRESETS)
    assert await meant(house, people.user, {"preset": most}) == parse_filter({"car": ["yes"]}, CATALOG).fingerprint
    past = await saved(house, people.user, {"filter": {"preset": most}})
    (problem,) = await refused(house, people.user, {"preset": past})
    assert f"more than {MOST_PRESETS} presets" in problem.message
    wide = {"or": [{"preset": number} for number in range(10_000, 10_000 + MOST_PRESETS + 1)]}
    (problem,) = await refused(house, people.user, wide)
    assert (problem.path, f"more than {MOST_PRESETS} presets" in problem.message) == ("$.filter", True)
    assert (await viewed(house, people.user, await saved(house, people.user, {"filter": wide}))).problems


async def test_depth_and_size_are_bounded_with_presets_in_their_places(house: House, people: People) -> None:
    doubled = await saved(house, people.user, YES)
    for _ in range(12):
        doubled = await saved(house, people.user, {"filter": {"or": [{"preset": doubled}] * 2}})
    (problem,) = await refused(house, people.user, {"or": [{"preset": doubled}, {"preset": doubled}]})
    assert "with its presets in place" in problem.message
    many = await saved(house, people.user, {"filter": {"or": [{"car": ["yes"]}] * 4_000}})
    (problem,) = await refused(house, people.user, {"or": [{"preset": many}, {"preset": many}]})
    assert problem.message == "is made of more than 20000 parts, with its presets in place"
    deep = await saved(house, people.user, {"filter": {"not": {"not": {"and": [{"car": ["yes"]}]}}}})
    for _ in range(14):
        deep = await saved(house, people.user, {"filter": {"and": [{"preset": deep}]}})
    (problem,) = await refused(house, people.user, {"not": {"preset": deep}})
    assert "is nested more than 32 deep, with its presets in place" in problem.message


async def test_an_account_of_sizes_only_may_refer_to_what_it_may_read(house: House, people: People) -> None:
    yes = await saved(house, people.user, YES)
    blind = Acting(replace(people.user.user, dsp=True))
    assert await meant(house, blind, {"preset": yes}) == parse_filter({"car": ["yes"]}, CATALOG).fingerprint


@pytest.mark.parametrize(
    ("asked", "short"),
    [
        (Asked({"car": ["yes"], "owns": ["a", "b"], "boat": []}, choices=True), True),
        (Asked({"owns": ["a", "b"], "likes": ["a"]}, choices=True), True),
        (Asked({"owns": ["a", "b"], "likes": ["a", "b"]}, choices=True), True),
        (Asked({"owns": ["a", "b"] * 4, "likes": ["a", "b"] * 4}, choices=True), True),
        (Asked({"owns": ["a", "b"] * 4, "likes": ["a"] * 9}, choices=True), False),
        (Asked({name: ["a", "b"] for name in ("owns", "likes", "reads")}, choices=True), False),
        (Asked({"car": ["yes"] * 201}, choices=True), False),
        (Asked({"car": "yes"}, choices=True), True),
        (Asked(["car"], choices=True), True),
        (Asked({"car": ["yes"]}), False),
    ],
)
async def test_what_is_read_and_planned_at_once_is_known_beforehand(house: House, asked: Asked, short: bool) -> None:  # noqa: FBT001
    multi = [{"id": name, "kind": "multi", "values": [{"id": "a"}, {"id": "b"}]} for name in ("owns", "likes", "reads")]
    single = {"id": "car", "kind": "single", "values": [{"id": "yes"}, {"id": "no"}]}
    catalog = Catalog.from_json(json.dumps({"name": "two", "version": "1", "dimensions": [single, *multi]}))
    nobody = Acting(User(1, "ana", "User", "Here", company_id=1))
    assert (await ReadFilters(house.work, catalog).one(nobody, asked)).short is short
