"""What every store of presets promises."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, timedelta
from itertools import pairwise

import pytest
from msgspec.structs import replace

from segmentation_core.errors import Conflict
from segmentation_core.ports import Stores, Work
from segmentation_core.presets import NamedPreset, Preset, PresetVersion
from segmentation_core.users import ALL_COMPANIES, Scope, User
from tests.contract.examples import (
    DOCUMENTS,
    NAMES,
    NO_IDS,
    NOON,
    a_preset,
    add_company,
    add_preset,
    add_user,
    delete_user,
    preset_by_id,
    second_waits_for_first,
    versions_of,
)

pytestmark = pytest.mark.anyio


def names_of(presets: list[Preset]) -> list[NamedPreset]:
    return [NamedPreset(one.id, one.name, one.created) for one in presets]


async def page(  # noqa: PLR0913  the port's, and where
    work: Work,
    search: str = "",
    *,
    owner: int | None = None,
    offset: int = 0,
    limit: int = 100,
    scope: Scope = ALL_COMPANIES,
) -> tuple[list[Preset], int]:
    return await work.run(
        scope, lambda stores: stores.presets.page(owner=owner, search=search, offset=offset, limit=limit)
    )


async def delete(work: Work, preset: Preset) -> None:
    await work.run(ALL_COMPANIES, lambda stores: stores.presets.delete(preset.id))


async def change(work: Work, preset: Preset, changed_by: str = "ana") -> None:
    async def store(stores: Stores) -> None:
        assert await stores.presets.by_id(preset.id, lock=True)
        await stores.presets.change(preset, changed_by)

    await work.run(ALL_COMPANIES, store)


async def test_what_was_added_is_found_with_its_first_version(work: Work) -> None:
    for home in (await add_company(work), None):
        ana = await add_user(work, f"ana of {home}", home)
        preset = await add_preset(work, ana, updated=NOON + timedelta(seconds=1), fingerprint=None)
        found = await preset_by_id(work, preset.id)
        assert found == preset
        assert found.created.tzinfo is UTC
        first = PresetVersion(1, "Buyers", preset.document, preset.updated, ana.username)
        assert await versions_of(work, preset) == [first]


async def test_documents_come_back_equal_with_their_members_in_order(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    for number, document in enumerate(DOCUMENTS):
        preset = await add_preset(work, ana, f"preset {number}", document=document)
        await change(work, replace(preset, version=2, document={"was": document}))

        found = await preset_by_id(work, preset.id)
        second, first = [version.document for version in await versions_of(work, preset)]
        assert found
        assert second == {"was": document}
        for one in (found.document["was"], first):
            assert json.dumps(one) == json.dumps(document)


async def test_names_are_kept_and_found_by_each_part_whatever_the_case(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    await add_preset(work, ana, "other")
    for name in NAMES:
        preset = await add_preset(work, ana, name)
        assert await preset_by_id(work, preset.id) == preset
        for part in {name, name.upper(), name.casefold(), name[1:], name[:-1]}:
            for owner in (None, ana.id):
                assert await page(work, part, owner=owner, scope=ana.scope) == ([preset], 1)
        await delete(work, preset)
    for nothing in ("%", "_", "\\", "\0", "o_her", "\ud800"):
        assert await page(work, nothing) == ([], 0)


async def test_an_id_that_no_preset_has_finds_and_changes_nothing(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    preset = await add_preset(work, ana)

    async def try_all(stores: Stores) -> None:
        for no_id in NO_IDS:
            assert await stores.presets.by_id(no_id) is None
            assert await stores.presets.by_id(no_id, lock=True) is None
            assert await stores.presets.versions(no_id) == []
            assert await stores.presets.version(no_id, 1) is None
            assert await stores.presets.version(preset.id, no_id) is None
            assert await stores.presets.all(owner=no_id) == []
            assert await stores.presets.names(owner=no_id) == []
            assert await stores.presets.page(owner=no_id, search="", offset=0, limit=9) == ([], 0)
            assert await stores.presets.alike(preset, owner=no_id) == []
            await stores.presets.delete(no_id)

    await work.run(ALL_COMPANIES, try_all)
    assert await preset_by_id(work, preset.id) == preset


@pytest.mark.requirement(26)
async def test_a_name_is_taken_for_its_owner_alone_and_as_it_is_typed(work: Work) -> None:
    company = await add_company(work)
    ana, bo = await add_user(work, "ana", company), await add_user(work, "bo", company)
    preset = await add_preset(work, ana)
    with pytest.raises(Conflict, match="There is a preset named 'Buyers' already"):
        await add_preset(work, ana)
    other = await add_preset(work, ana, "buyers")
    await add_preset(work, bo)
    with pytest.raises(Conflict, match="Buyers"):
        await change(work, replace(other, name="Buyers", version=2))
    assert await preset_by_id(work, other.id) == other
    assert len(await versions_of(work, other)) == 1
    await change(work, replace(preset, version=2))


async def test_presets_without_an_owner_may_share_a_name(work: Work) -> None:
    company = await add_company(work)
    for name in ("ana", "bo"):
        user = await add_user(work, name, company)
        await add_preset(work, user)
        await delete_user(work, user)
    orphans, total = await page(work)
    assert ([one.name for one in orphans], total) == (["Buyers", "Buyers"], 2)
    await change(work, replace(orphans[0], version=2))


async def test_of_many_that_add_one_name_at_once_one_succeeds(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    outcomes = await asyncio.gather(*(add_preset(work, ana) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(outcome, Preset) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 9
    assert (await page(work))[1] == 1


async def test_a_change_is_kept_with_its_history_and_nothing_else_changes(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    preset, other = await add_preset(work, ana), await add_preset(work, ana, "other")
    later = NOON + timedelta(days=1)
    second = replace(
        preset, name="Sellers", document={"filter": {}}, updated=later, version=2, catalog="demo 2", fingerprint=None
    )
    third = replace(second, name="Buyers", document=preset.document, version=3)
    await change(work, second, "bo")
    await change(work, third, "cy")

    async def look(stores: Stores) -> None:
        assert await stores.presets.by_id(preset.id) == third
        assert await stores.presets.by_id(other.id) == other
        history = [
            PresetVersion(3, "Buyers", preset.document, later, "cy"),
            PresetVersion(2, "Sellers", {"filter": {}}, later, "bo"),
            PresetVersion(1, "Buyers", preset.document, NOON, "ana"),
        ]
        assert await stores.presets.versions(preset.id) == history
        assert [await stores.presets.version(preset.id, number) for number in (3, 2, 1)] == history
        assert await stores.presets.version(preset.id, 4) is None
        assert await stores.presets.version(other.id, 2) is None

    await work.run(ana.scope, look)


@pytest.mark.requirement(34)
async def test_of_changes_at_once_none_is_lost_and_versions_have_no_gap(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    preset = await add_preset(work, ana, document={"by": []})

    async def append(client: int) -> None:
        async def store(stores: Stores) -> None:
            present = await stores.presets.by_id(preset.id, lock=True)
            assert present
            document = {"by": [*present.document["by"], client]}
            await stores.presets.change(replace(present, document=document, version=present.version + 1), "ana")

        await work.run(ana.scope, store)

    await asyncio.gather(*(append(client) for client in range(16)))
    versions = await versions_of(work, preset)
    assert [one.version for one in versions] == [*range(17, 0, -1)]
    assert sorted(versions[0].document["by"]) == [*range(16)]
    for later, earlier in pairwise(versions):
        assert later.document["by"][:-1] == earlier.document["by"]


async def test_who_locks_a_preset_makes_others_that_lock_change_or_delete_it_wait(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    preset = await add_preset(work, ana)
    changed = replace(preset, name="Sellers", version=2)

    async def lock(stores: Stores) -> Preset | None:
        return await stores.presets.by_id(preset.id, lock=True)

    async def lock_and_change(stores: Stores) -> None:
        assert await lock(stores) == preset
        await stores.presets.change(changed, "ana")

    async def delete(stores: Stores) -> None:
        await stores.presets.delete(preset.id)

    assert await second_waits_for_first(work, lock_and_change, lock, scope=ana.scope) == changed
    await second_waits_for_first(work, lock, delete, scope=ana.scope)
    assert await preset_by_id(work, preset.id) is None


async def test_a_deleted_preset_is_gone_with_its_history_and_its_name_is_free(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    preset = await add_preset(work, ana)
    await change(work, replace(preset, version=2))
    await work.run(ana.scope, lambda stores: stores.presets.delete(preset.id))
    assert await preset_by_id(work, preset.id) is None
    assert await versions_of(work, preset) == []
    again = await add_preset(work, ana)
    assert again.id != preset.id
    assert len(await versions_of(work, again)) == 1


async def test_pages_have_the_newest_first_of_one_time_the_greater_id(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    hours = [3, 1, 2, 2, 2, 1, 5, 0]
    added = [
        await add_preset(
            work, ana, f"{number} {'even' if number % 2 == 0 else 'ODD'}", created=NOON + timedelta(hours=h)
        )
        for number, h in enumerate(hours)
    ]
    newest = sorted(added, key=lambda one: (one.created, one.id), reverse=True)
    assert await work.run(ana.scope, lambda stores: stores.presets.all(owner=None)) == newest
    assert await work.run(ana.scope, lambda stores: stores.presets.names(owner=None)) == names_of(newest)
    for offset, limit in ((0, 3), (3, 3), (6, 3), (8, 3), (10**30, 3), (0, 10**30), (2, 0)):
        assert await page(work, offset=offset, limit=limit, scope=ana.scope) == (newest[offset : offset + limit], 8)
    odd = [one for one in newest if "ODD" in one.name]
    assert await page(work, "odd", offset=1, limit=2) == (odd[1:3], 4)


async def test_an_owner_or_a_name_narrows_to_their_presets(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    ana, bo, cy = await add_user(work, "Ana", acme), await add_user(work, "bo", acme), await add_user(work, "cy", other)
    of_ana, of_bo, of_cy = [await add_preset(work, user) for user in (ana, bo, cy)]

    async def found(owner: int | None, username: str | None, scope: Scope) -> list[Preset]:
        return await work.run(scope, lambda stores: stores.presets.all(owner=owner, username=username))

    assert await found(None, None, ALL_COMPANIES) == [of_cy, of_bo, of_ana]
    acme_scope = ana.scope
    assert await found(ana.id, None, acme_scope) == [of_ana]
    assert await work.run(acme_scope, lambda stores: stores.presets.names(owner=bo.id)) == names_of([of_bo])
    assert await found(None, "ANA", acme_scope) == [of_ana]
    assert await found(None, "an", acme_scope) == []
    assert await found(None, "ana\0", acme_scope) == []
    assert await found(bo.id, "ana", acme_scope) == []
    assert await page(work, owner=bo.id, scope=acme_scope) == ([of_bo], 1)
    assert await page(work, owner=cy.id, scope=acme_scope) == ([], 0)
    await work.run(acme_scope, lambda stores: stores.users.delete(ana.id))
    assert await found(None, "ana", acme_scope) == [replace(of_ana, owner_id=None)]
    assert await found(ana.id, None, acme_scope) == []


async def test_alike_are_the_others_of_the_company_that_mean_the_same_at_most_ten(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    for home, foreign in ((acme, other), (None, acme)):
        ana, bo = await add_user(work, f"ana {home}", home), await add_user(work, f"bo {home}", home)
        fingerprint = f"same {home}"
        mine = [await add_preset(work, ana, f"{number}", fingerprint=fingerprint) for number in range(8)]
        of_bo = [await add_preset(work, bo, f"{number}", fingerprint=fingerprint) for number in range(5)]
        stranger = await add_user(work, f"cy {home}", foreign)
        await add_preset(work, stranger, fingerprint=fingerprint)
        await add_preset(work, ana, "another", fingerprint="another")
        nameless = await add_preset(work, ana, "no meaning", fingerprint=None)

        async def look(
            stores: Stores,
            mine: list[Preset] = mine,
            of_bo: list[Preset] = of_bo,
            users: tuple[User, User] = (ana, bo),
            nameless: Preset = nameless,
        ) -> None:
            assert await stores.presets.alike(mine[0], owner=None) == names_of([*mine[1:], *of_bo[:3]])
            assert await stores.presets.alike(mine[0], owner=users[1].id) == names_of(of_bo)
            assert await stores.presets.alike(of_bo[0], owner=users[0].id) == names_of(mine)
            assert await stores.presets.alike(nameless, owner=None) == []

        await work.run(ana.scope, look)
        await work.run(ALL_COMPANIES, look)


async def test_within_a_company_presets_of_others_are_not_seen_nor_deleted(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    people = [await add_user(work, name, home) for name, home in (("ana", acme), ("bo", other), ("root", None))]
    presets = [await add_preset(work, user) for user in people]
    for mine, of_mine in zip(people[:2], presets, strict=False):

        async def reach(stores: Stores, of_mine: Preset = of_mine) -> None:
            assert await stores.presets.all(owner=None) == [of_mine]
            assert await stores.presets.names(owner=None) == names_of([of_mine])
            assert await stores.presets.page(owner=None, search="", offset=0, limit=9) == ([of_mine], 1)
            assert await stores.presets.alike(of_mine, owner=None) == []
            for foreign in presets:
                if foreign != of_mine:
                    for lock in (False, True):
                        assert await stores.presets.by_id(foreign.id, lock=lock) is None
                    assert await stores.presets.versions(foreign.id) == []
                    assert await stores.presets.version(foreign.id, 1) is None
                    assert await stores.presets.alike(foreign, owner=None) == []
                    assert await stores.presets.all(owner=foreign.owner_id) == []
                    assert await stores.presets.all(owner=None, username=foreign.username) == []
                    await stores.presets.delete(foreign.id)

        await work.run(mine.scope, reach)
    assert await work.run(ALL_COMPANIES, lambda stores: stores.presets.all(owner=None)) == presets[::-1]
    for preset in presets:
        versions = await versions_of(work, preset)
        assert len(versions) == 1


async def test_a_preset_for_a_user_who_is_gone_is_the_companys(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    preset = await work.run(ana.scope, lambda stores: stores.presets.add(a_preset(ana, owner_id=None)))
    assert await preset_by_id(work, preset.id) == preset


async def test_several_are_found_by_their_ids_in_their_order_and_within_the_scope(work: Work) -> None:
    ana, bob = [await add_user(work, name, await add_company(work, name)) for name in ("ana", "bob")]
    first, second, foreign = [await add_preset(work, user, name) for user, name in ((ana, "a"), (ana, "b"), (bob, "c"))]
    asked = {foreign.id, second.id, first.id, *NO_IDS}
    found = await work.run(ana.scope, lambda stores: stores.presets.by_ids(asked))
    assert found == [first, second]
    assert await work.run(ALL_COMPANIES, lambda stores: stores.presets.by_ids(asked)) == [first, second, foreign]
    assert await work.run(ana.scope, lambda stores: stores.presets.by_ids(())) == []
