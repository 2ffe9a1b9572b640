"""Who may manage whom, and what it does to sessions, names and presets."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from segmentation_core.errors import (
    Conflict,
    Forbidden,
    NotFound,
    NotSignedIn,
    PasswordRefused,
    RequestError,
    WrongCredentials,
)
from segmentation_core.resets import Reset, digest_of
from segmentation_core.usecases import Acting, NewUser
from segmentation_core.users import ALL_COMPANIES, Role, UserChange, UserQuery, require_may_change
from tests.unit.house import PASSWORD, House, People

pytestmark = pytest.mark.anyio


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def people(house: House) -> People:
    return await People.of(house)


NEW = NewUser("new", PASSWORD, "User", "N", "W")


async def test_an_account_is_made_as_asked_for(house: House, people: People) -> None:
    made = (await house.add(people.admin, "Neu", "Manager", dsp=True, status="inactive")).user
    assert (made.username, made.role, made.company_name, made.company_id) == (
        "Neu",
        "Manager",
        "Here",
        people.admin.user.company_id,
    )
    assert (made.first_name, made.last_name, made.dsp, made.status) == ("Neu", "Tester", True, "inactive")
    assert (made.created, made.created_by_id, made.last_login) == (house.clock.time, people.admin.user.id, None)
    record = (await house.records(made.company_id))[-1].entry
    assert (record.action, record.subject, record.before) == ("user created", f"user {made.id}", None)
    assert record.after == {"username": "Neu", "role": "Manager", "company_name": "Here", "first_name": "Neu", "last_name": "Tester", "dsp": True, "status": "inactive"}  # fmt: skip


async def test_what_a_super_admin_does_is_in_the_trail_of_the_accounts_company(house: House, people: People) -> None:
    made = (await house.add(people.root, "new", company="Here")).user
    await house.users.change(people.root, made.id, UserChange(dsp=True))
    await house.users.delete(people.root, made.id)
    second = (await house.add(people.root, "second", "SuperAdmin")).user
    told = [record.entry for record in await house.records(made.company_id)][-3:]
    assert [one.action for one in told] == ["user created", "user changed", "user deleted"]
    assert {(one.actor, one.actor_id) for one in told} == {("root", people.root.user.id)}
    assert [record.entry.subject for record in await house.records(None)] == [f"user {second.id}"]


async def test_companies_come_to_be_when_a_super_admin_names_them_whatever_the_case(
    house: House, people: People
) -> None:
    one, other = (
        await house.add(people.root, "one", company="Neu"),
        await house.add(people.root, "other2", company="NEU"),
    )
    assert one.user.company_id == other.user.company_id
    assert other.user.company_name == "Neu"


@pytest.mark.parametrize(
    ("by", "role", "company", "error", "said"),
    [
        ("user", "User", None, Forbidden, "Only an Admin or a SuperAdmin manages users"),
        ("manager", "User", None, Forbidden, "Only an Admin"),
        ("admin", "SuperAdmin", None, Forbidden, "Only a SuperAdmin makes a SuperAdmin"),
        ("admin", "User", "Elsewhere", RequestError, r"\$\.companyName"),
        ("root", "User", None, RequestError, r"\$\.companyName"),
        ("root", "SuperAdmin", "Here", RequestError, r"\$\.companyName"),
    ],
)
@pytest.mark.requirement(23)
async def test_who_may_make_whom(  # noqa: PLR0913, PLR0917  one parameter a column
    house: House, people: People, by: str, role: Role, company: str | None, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        await house.users.create(getattr(people, by), replace(NEW, role=role, company_name=company))


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"username": " "}, RequestError, r"\$\.username: is missing or empty"),
        ({"username": "x" * 256}, RequestError, "256 characters; expected at most 255"),
        ({"username": "a\0b"}, RequestError, "NUL"),
        ({"first_name": ""}, RequestError, r"\$\.firstName"),
        ({"last_name": ""}, RequestError, r"\$\.lastName"),
        ({"password": "short"}, PasswordRefused, "8 to 64"),
        ({"username": "USER"}, Conflict, "taken"),
        ({"username": "Stranger"}, Conflict, "taken"),
    ],
)
async def test_what_no_account_can_be(
    house: House, people: People, more: dict[str, str], error: type[Exception], said: str
) -> None:
    before = await house.users.all(people.root)
    with pytest.raises(error, match=said):
        await house.users.create(people.admin, replace(NEW, **more))
    assert await house.users.all(people.root) == before


async def test_accounts_are_listed_within_ones_scope_by_role_then_first_name(house: House, people: People) -> None:
    assert [user.username for user in await house.users.all(people.admin)] == ["admin", "manager", "other", "user"]
    assert [user.username for user in await house.users.all(people.root)] == [
        "admin", "stranger", "manager", "root", "other", "user",
    ]  # fmt: skip
    found, total = await house.users.page(people.root, UserQuery(search="ER", role="User"), offset=1, limit=1)
    assert ([user.username for user in found], total) == (["user"], 2)
    found, total = await house.users.page(people.admin, UserQuery(active=False), offset=0, limit=9)
    assert (found, total) == ([], 0)
    for listing in (house.users.all(people.manager), house.users.page(people.user, UserQuery(), offset=0, limit=1)):
        with pytest.raises(Forbidden):
            await listing


async def test_a_change_changes_what_is_given_and_nothing_else(house: House, people: People) -> None:
    user = people.user.user
    change = UserChange(role="Manager", status="inactive", dsp=True, first_name="A", last_name="B")
    changed = await house.users.change(people.admin, user.id, change)
    assert changed == replace(user, role="Manager", active=False, dsp=True, first_name="A", last_name="B")
    assert changed in await house.users.all(people.admin)
    record = (await house.records(user.company_id))[-1].entry
    assert record.before
    assert record.after
    assert (record.before["role"], record.after["role"], "password" in record.after) == ("User", "Manager", False)


async def test_the_same_value_again_and_an_empty_password_succeed_and_nothing_at_all_does_not(
    house: House, people: People
) -> None:
    _, signed = await house.sign_in("user", PASSWORD)
    same = UserChange(role="User", status="active", dsp=False, password="")
    assert (await house.users.change(people.admin, people.user.user.id, same)).role == "User"
    await house.who(signed)
    await house.sign_in("user", PASSWORD)
    with pytest.raises(RequestError, match="nothing to change"):
        await house.users.change(people.admin, people.user.user.id, UserChange())


@pytest.mark.parametrize(
    "change", [UserChange(password="another password"), UserChange(role="Manager"), UserChange(status="inactive")]
)
@pytest.mark.requirement(10)
async def test_a_new_password_or_role_and_being_shut_out_end_sessions(
    house: House, people: People, change: UserChange
) -> None:
    _, signed = await house.sign_in("user", PASSWORD)
    _, others = await house.sign_in("other", PASSWORD)
    await house.users.change(people.admin, people.user.user.id, change)
    with pytest.raises(NotSignedIn):
        await house.who(signed)
    await house.who(others)


@pytest.mark.requirement(7)
@pytest.mark.parametrize(
    ("change", "is_left"), [(UserChange(password="another password"), False), (UserChange(dsp=True), True)]
)
async def test_with_a_new_password_a_reset_that_was_mailed_before_is_good_no_more(
    house: House, people: People, change: UserChange, *, is_left: bool
) -> None:
    user, digest = people.user.user, digest_of("a token that was mailed")
    reset = Reset(user.id, digest, house.clock.now())
    await house.work.run(ALL_COMPANIES, lambda stores: stores.resets.begin(reset))
    await house.users.change(people.admin, user.id, change)
    found = await house.work.run(ALL_COMPANIES, lambda stores: stores.resets.find(digest))
    assert (found is not None) == is_left


async def test_a_new_password_replaces_the_old_one_and_stays_out_of_the_trail(house: House, people: People) -> None:
    await house.users.change(people.admin, people.user.user.id, UserChange(password="another password"))
    await house.sign_in("user", "another password")
    with pytest.raises(WrongCredentials):
        await house.sign_in("user", PASSWORD)
    records = await house.records(people.admin.user.company_id)
    assert [record for record in records if (record.entry.after or {}).get("password") == "changed"]
    assert "another password" not in str(msgspec.json.encode(records))


@pytest.mark.parametrize(
    ("by", "of", "change", "error", "said"),
    [
        ("user", "other", UserChange(dsp=True), Forbidden, "Only an Admin"),
        ("admin", "stranger", UserChange(dsp=True), NotFound, "no such user"),
        ("admin", "root", UserChange(dsp=True), NotFound, "no such user"),
        ("admin", "user", UserChange(role="SuperAdmin"), Forbidden, "Only a SuperAdmin makes"),
        ("admin", "admin", UserChange(role="SuperAdmin"), Forbidden, "Only a SuperAdmin makes"),
        (
            "root",
            "user",
            UserChange(role="SuperAdmin"),
            RequestError,
            r"\$\.role: .*expected one of Admin, Manager, User",
        ),
        ("root", "root", UserChange(role="Admin"), RequestError, r"\$\.role: .*expected SuperAdmin"),
        ("admin", "admin", UserChange(status="inactive"), RequestError, r"\$\.status"),
        ("admin", "user", UserChange(password="short"), PasswordRefused, "8 to 64"),
        ("admin", "user", UserChange(first_name=" "), RequestError, r"\$\.firstName"),
        ("admin", "user", UserChange(last_name="\0"), RequestError, r"\$\.lastName"),
    ],
)
@pytest.mark.requirement(23)
async def test_what_nobody_may_change(  # noqa: PLR0913, PLR0917  one parameter a column
    house: House, people: People, by: str, of: str, change: UserChange, error: type[Exception], said: str
) -> None:
    before = await house.users.all(people.root)
    with pytest.raises(error, match=said):
        await house.users.change(getattr(people, by), getattr(people, of).user.id, change)
    assert await house.users.all(people.root) == before


@pytest.mark.requirement(6)
@pytest.mark.parametrize("who", ["admin", "root"])
async def test_nobody_sets_his_own_password_without_the_present_one(house: House, people: People, who: str) -> None:
    acting: Acting = getattr(people, who)
    with pytest.raises(Forbidden, match="change-password"):
        await house.users.change(acting, acting.user.id, UserChange(password="another password"))
    with pytest.raises(WrongCredentials):
        await house.sign_in(who, "another password")
    await house.sign_in(who, PASSWORD)


@pytest.mark.requirement(23)
async def test_nobody_acts_on_a_higher_role(people: People) -> None:
    """A SuperAdmin is in nobody else's scope, so this is the rule alone."""
    root, admin = people.root.user, people.admin.user
    with pytest.raises(Forbidden, match="Only a SuperAdmin changes a SuperAdmin"):
        require_may_change(admin, root, root)


@pytest.mark.requirement(23)
async def test_who_sees_sizes_only_has_no_say_over_who_sees_lists(house: House, people: People) -> None:
    blind = Acting(await house.users.create(people.admin, NewUser("blind", PASSWORD, "Admin", "B", "A", dsp=True)))
    blinder = await house.users.create(blind, NewUser("blinder", PASSWORD, "User", "B", "B", dsp=True))
    await house.users.change(blind, blinder.id, UserChange(first_name="Bea"))
    for change in (UserChange(dsp=False), UserChange(dsp=False, password="another password")):
        for who in (blind.user, blinder):
            with pytest.raises(Forbidden):
                await house.users.change(blind, who.id, change)
    with pytest.raises(Forbidden, match="sizes only"):
        await house.users.change(blind, people.user.user.id, UserChange(password="another password"))
    with pytest.raises(Forbidden, match="sizes only"):
        await house.users.delete(blind, people.user.user.id)
    with pytest.raises(Forbidden, match="sizes only"):
        await house.users.create(blind, NewUser("seer", PASSWORD, "User", "S", "S"))


@pytest.mark.requirement(23)
async def test_the_last_super_admin_who_can_sign_in_stays(house: House, people: People) -> None:
    second = await house.add(people.root, "second", "SuperAdmin")
    await house.users.change(people.root, second.user.id, UserChange(status="inactive"))
    await house.users.change(people.root, second.user.id, UserChange(status="active"))
    await house.users.delete(second, people.root.user.id)
    for act in (
        house.users.delete(people.root, second.user.id),
        house.users.change(people.root, second.user.id, UserChange(status="inactive")),
        house.add(people.root, "third", "SuperAdmin"),
    ):
        with pytest.raises(NotSignedIn, match="Your account has changed"):
            await act
    with pytest.raises(RequestError):
        await house.users.delete(second, second.user.id)
    assert second.user in await house.users.all(second)


@pytest.mark.requirement(11)
@pytest.mark.parametrize("loss", [UserChange(role="Manager"), UserChange(status="inactive")])
async def test_who_has_lost_his_rights_since_his_request_began_changes_nothing(
    house: House, people: People, loss: UserChange
) -> None:
    await house.users.change(people.root, people.admin.user.id, loss)
    before = await house.users.all(people.root)
    for act in (
        house.users.create(people.admin, NEW),
        house.users.change(people.admin, people.user.user.id, UserChange(dsp=True)),
        house.users.change(people.admin, people.admin.user.id, UserChange(first_name="Mine")),
        house.users.delete(people.admin, people.user.user.id),
    ):
        with pytest.raises(NotSignedIn, match="Your account has changed"):
            await act
    assert await house.users.all(people.root) == before


async def test_deleting_ends_sessions_frees_the_name_and_leaves_the_presets_to_admins(
    house: House, people: People
) -> None:
    _, signed = await house.sign_in("user", PASSWORD)
    preset = (await house.presets.create(people.user, "mine", {"audienceFilters": {}})).preset
    await house.users.delete(people.admin, people.user.user.id)
    with pytest.raises(NotSignedIn):
        await house.who(signed)
    again = await house.add(people.admin, "User")
    assert again.user.id != people.user.user.id
    with pytest.raises(NotFound):
        await house.presets.get(again, preset.id)
    left = (await house.presets.get(people.admin, preset.id)).preset
    assert (left.owner_id, left.username, left.created_by_id) == (None, "user", people.user.user.id)
    await house.presets.delete(people.admin, preset.id)


@pytest.mark.parametrize(
    ("by", "of", "error"),
    [("admin", "admin", RequestError), ("admin", "stranger", NotFound), ("user", "other", Forbidden)],
)
async def test_whom_nobody_deletes(house: House, people: People, by: str, of: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await house.users.delete(getattr(people, by), getattr(people, of).user.id)
    acting: Acting = getattr(people, of)
    assert acting.user in await house.users.all(people.root)


@pytest.mark.requirement(48)
def test_a_new_account_keeps_its_password_to_itself() -> None:
    assert PASSWORD not in repr(NEW)
