"""What every store of accounts promises."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

import pytest
from msgspec.structs import replace

from segmentation_core.errors import Conflict
from segmentation_core.ports import Stores, Work
from segmentation_core.users import ALL_COMPANIES, Account, Scope, User, UserQuery
from tests.contract.examples import (
    NAMES,
    NO_IDS,
    NOON,
    add_company,
    add_preset,
    add_user,
    begin_session,
    delete_user,
    find_session,
    inside,
    preset_by_id,
    second_waits_for_first,
)

pytestmark = pytest.mark.anyio


async def by_id(work: Work, user_id: int, scope: Scope = ALL_COMPANIES) -> User | None:
    return await work.run(scope, lambda stores: stores.users.by_id(user_id))


async def account_of(work: Work, username: str) -> Account | None:
    return await work.run(ALL_COMPANIES, lambda stores: stores.users.account(username))


async def page(
    work: Work, query: UserQuery, offset: int = 0, limit: int = 100, scope: Scope = ALL_COMPANIES
) -> tuple[list[str], int]:
    users, total = await work.run(scope, lambda stores: stores.users.page(query, offset=offset, limit=limit))
    return [user.username for user in users], total


async def test_what_was_added_is_found_by_id_and_by_name_in_any_case(work: Work) -> None:
    ana = await add_user(work, "Ana ẞ", await add_company(work), first_name="Ana", last_name="Li", dsp=True)
    assert await by_id(work, ana.id) == ana
    assert ana.created == NOON
    for name in ("Ana ẞ", "ana ß", "ANA SS"):
        account = await account_of(work, name)
        assert account
        assert (account.user, account.password_hash) == (ana, "hash of Ana ẞ")


async def test_times_come_back_in_utc(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work), last_login=NOON + timedelta(microseconds=1))
    found = await by_id(work, ana.id)
    assert found
    assert found.created
    assert found.last_login
    assert found.created.tzinfo is UTC
    assert (found.created, found.last_login) == (NOON, NOON + timedelta(microseconds=1))


async def test_names_are_kept_as_typed_and_found_by_each_part(work: Work) -> None:
    company = await add_company(work)
    await add_user(work, "other", company)
    for name in NAMES:
        ana = await add_user(work, name, company, first_name=name, last_name=name)
        assert await by_id(work, ana.id) == ana
        for part in {name, name.upper(), name.casefold(), name[1:], name[:-1]}:
            assert await page(work, UserQuery(search=part)) == ([name], 1)
        await delete_user(work, ana)


async def test_an_id_that_nobody_has_finds_and_changes_nothing(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))

    async def try_all(stores: Stores) -> None:
        for no_id in NO_IDS:
            assert await stores.users.by_id(no_id) is None
            assert await stores.users.by_id(no_id, lock=True) is None
            await stores.users.change(replace(ana, id=no_id, first_name="Changed"))
            await stores.users.set_password_hash(no_id, "changed")
            await stores.users.delete(no_id)

    await work.run(ALL_COMPANIES, try_all)
    assert await page(work, UserQuery()) == (["ana"], 1)
    assert await by_id(work, ana.id) == ana


async def test_a_name_that_nobody_has_finds_nothing(work: Work) -> None:
    await add_user(work, "ana", await add_company(work))
    for name in ("an", "", "ana ", "ana\0", "%", "a_a", "\ud800", "x" * 100_000):
        assert await account_of(work, name) is None
        assert await page(work, UserQuery(search=name * 2 + "?")) == ([], 0)


@pytest.mark.requirement(26)
async def test_a_taken_name_is_a_conflict_whatever_its_case_and_company(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    ana = await add_user(work, "Ana", acme)
    for company in (acme, other, None):
        with pytest.raises(Conflict, match="The username 'ANA' is taken"):
            await add_user(work, "ANA", company)
    assert await work.run(ALL_COMPANIES, lambda stores: stores.users.all()) == [ana]


async def test_of_many_that_add_one_name_at_once_one_succeeds(work: Work) -> None:
    companies = [await add_company(work, name) for name in ("Acme", "Other")]
    outcomes = await asyncio.gather(
        *(add_user(work, name, company) for name in ("ana", "Ana", "ANA") for company in (*companies, None)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes if not isinstance(outcome, User)] == [Conflict] * 8
    assert len({user.id for user in outcomes if isinstance(user, User)}) == 1


async def test_an_account_is_changed_in_all_that_may_change(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    changed = replace(
        ana, role="Admin", dsp=True, active=False, first_name="A", last_name="B%", last_login=NOON + timedelta(hours=1)
    )
    await work.run(ana.scope, lambda stores: stores.users.change(changed))
    assert await by_id(work, ana.id) == changed
    assert await page(work, UserQuery(search="b%", role="Admin", active=False)) == (["ana"], 1)


async def test_a_change_to_one_who_is_gone_does_nothing(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))
    await work.run(ana.scope, lambda stores: stores.users.delete(ana.id))
    await work.run(ana.scope, lambda stores: stores.users.change(ana))
    await work.run(ana.scope, lambda stores: stores.users.set_password_hash(ana.id, "x"))
    await work.run(ana.scope, lambda stores: stores.users.delete(ana.id))
    assert await page(work, UserQuery()) == ([], 0)


async def test_a_hash_is_replaced_and_nothing_else_changes(work: Work) -> None:
    company = await add_company(work)
    ana, bo = await add_user(work, "ana", company), await add_user(work, "bo", company)
    await work.run(ana.scope, lambda stores: stores.users.set_password_hash(ana.id, "new hash"))

    async def look(stores: Stores) -> list[tuple[User, str]]:
        found = [await stores.users.account(name) for name in ("ana", "bo")]
        return [(account.user, account.password_hash) for account in found if account]

    assert await work.run(ALL_COMPANIES, look) == [(ana, "new hash"), (bo, "hash of bo")]


@pytest.mark.requirement(41)
async def test_each_new_password_is_a_generation_and_another_hash_of_it_is_none(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))

    async def generation() -> tuple[str, int]:
        account = await account_of(work, "ana")
        assert account
        return account.password_hash, account.generation

    assert await generation() == ("hash of ana", 0)
    for password_hash, same, expected in (("a", False, 1), ("b", True, 1), ("c", False, 2)):
        await work.run(
            ana.scope,
            lambda stores, new=password_hash, same=same: stores.users.set_password_hash(ana.id, new, same=same),  # type: ignore[misc]
        )
        assert await generation() == (password_hash, expected)


async def test_deletion_ends_sessions_frees_the_name_and_leaves_presets_without_an_owner(work: Work) -> None:
    company = await add_company(work)
    for home in (company, None):
        ana, bo = await add_user(work, "ana", home), await add_user(work, f"bo of {home}", home)
        await begin_session(work, ana, "of ana")
        kept_session = await begin_session(work, bo, f"of bo of {home}")
        preset, kept = await add_preset(work, ana), await add_preset(work, bo)
        await delete_user(work, ana)

        assert await find_session(work, "of ana") is None
        assert await find_session(work, kept_session.id) == (kept_session, bo)
        assert await preset_by_id(work, preset.id) == replace(preset, owner_id=None)
        assert await preset_by_id(work, kept.id) == kept
        again = await add_user(work, "ANA", home)
        assert again.id != ana.id
        await delete_user(work, again)


async def test_all_come_by_role_then_first_name_then_id_by_code_points(work: Work) -> None:
    company = await add_company(work)
    names = ["b", "B", "ä", "Z", "", "a", "é", "é", "\uffff", "\U0001f600", " ", "B", "10", "9", "a b", "ab"]
    added = [await add_user(work, f"u{i}", company, first_name=name) for i, name in enumerate(names)]
    added += [await add_user(work, role, company, role=role, first_name="m") for role in ("Manager", "Admin")]
    added.append(await add_user(work, "super", None, first_name="a"))
    expected = sorted(added, key=lambda user: (user.role, user.first_name, user.id))
    assert await work.run(ALL_COMPANIES, lambda stores: stores.users.all()) == expected
    for offset, limit in ((0, 5), (5, 5), (15, 10), (19, 1), (10**30, 5), (0, 10**30), (3, 0)):
        usernames = [user.username for user in expected[offset : offset + limit]]
        assert await page(work, UserQuery(), offset, limit) == (usernames, len(expected))


async def test_a_query_narrows_by_search_role_and_status_together(work: Work) -> None:
    company = await add_company(work)
    await add_user(work, "ana", company, first_name="Ana", last_name="100%")
    await add_user(work, "bo", company, first_name="Bo", last_name="_Ana", role="Manager")
    await add_user(work, "cy", company, first_name="ANABEL", active=False)
    for query, found in (
        (UserQuery(), ["bo", "cy", "ana"]),
        (UserQuery(search="ANA"), ["bo", "cy", "ana"]),
        (UserQuery(search="%"), ["ana"]),
        (UserQuery(search="_"), ["bo"]),
        (UserQuery(search="\\"), []),
        (UserQuery(search="a_a"), []),
        (UserQuery(role="Manager"), ["bo"]),
        (UserQuery(active=False), ["cy"]),
        (UserQuery(active=True), ["bo", "ana"]),
        (UserQuery(search="ana", role="User", active=True), ["ana"]),
        (UserQuery(role="SuperAdmin"), []),
    ):
        assert sorted((await page(work, query))[0]) == sorted(found), query
        assert (await page(work, query, limit=1))[1] == len(found)


async def test_within_a_company_nobody_else_is_seen_or_changed(work: Work) -> None:
    acme, other = await add_company(work, "Acme"), await add_company(work, "Other")
    ana, bo, root = (
        await add_user(work, "ana", acme),
        await add_user(work, "bo", other),
        await add_user(work, "s", None),
    )
    for mine, foreign in ((ana, (bo, root)), (bo, (ana, root))):
        scope = mine.scope
        assert await work.run(scope, lambda stores: stores.users.all()) == [mine]
        assert await page(work, UserQuery(), scope=scope) == ([mine.username], 1)
        for user in foreign:

            async def reach(stores: Stores, user: User = user) -> None:
                for lock in (False, True):
                    assert await stores.users.by_id(user.id, lock=lock) is None
                    assert await stores.users.account(user.username, lock=lock) is None
                await stores.users.change(replace(user, first_name="Changed"))
                await stores.users.set_password_hash(user.id, "changed")
                await stores.users.delete(user.id)

            await work.run(scope, reach)

    async def look(stores: Stores) -> None:
        assert await stores.users.all() == [root, ana, bo]
        for user in (ana, bo, root):
            account = await stores.users.account(user.username)
            assert account
            assert account.password_hash == f"hash of {user.username}"

    await work.run(ALL_COMPANIES, look)


async def test_who_locks_an_account_makes_others_that_lock_or_change_it_wait(work: Work) -> None:
    ana = await add_user(work, "ana", await add_company(work))

    async def lock(stores: Stores) -> User | None:
        return await stores.users.by_id(ana.id, lock=True)

    async def lock_by_name(stores: Stores) -> User | None:
        account = await stores.users.account("ANA", lock=True)
        return account.user if account else None

    async def lock_and_change(stores: Stores) -> None:
        assert await lock(stores) == ana
        await stores.users.change(replace(ana, first_name="first"))

    async def delete(stores: Stores) -> None:
        await stores.users.delete(ana.id)

    changed = replace(ana, first_name="first")
    assert await second_waits_for_first(work, lock_and_change, lock, scope=ana.scope) == changed
    assert await second_waits_for_first(work, lock_by_name, lock, scope=ana.scope) == changed
    assert await second_waits_for_first(work, lock, lock_by_name, scope=ana.scope) == changed
    await second_waits_for_first(work, lock_by_name, lambda stores: stores.users.change(ana), scope=ana.scope)
    await second_waits_for_first(work, lock, delete, scope=ana.scope)
    assert await by_id(work, ana.id) is None


async def test_ids_are_distinct(work: Work) -> None:
    company = await add_company(work)
    added = await asyncio.gather(*(add_user(work, f"u{number}", company) for number in range(8)))
    assert len({user.id for user in added}) == 8
    assert {user.id for user in await work.run(inside(company), lambda stores: stores.users.all())} == {
        user.id for user in added
    }
