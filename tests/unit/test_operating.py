"""What an operator does at the machine: accounts, passwords, and the audit trail as a whole."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from segmentation_core.audit import FIRST_SEAL, Head
from segmentation_core.errors import Conflict, NotFound, NotSignedIn, PasswordRefused, RequestError
from segmentation_core.usecases import Acting, Operate, operating
from segmentation_core.users import told
from tests.unit.house import AUDIT_KEY, PASSWORD, House, People

pytestmark = pytest.mark.anyio


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def operate(house: House) -> Operate:
    return Operate(house.work, house.passwords, house.clock)


async def test_the_first_super_admin_is_made_at_the_machine_and_signs_in(house: House, operate: Operate) -> None:
    made = await operate.create_user("Root", PASSWORD, "SuperAdmin", None)
    user, _ = await house.sign_in("root", PASSWORD)
    assert user.id == made.id
    (created, _) = await house.records(None)
    assert (created.entry.actor, created.entry.actor_id) == ("command line", None)
    assert created.entry.after == told(made)
    await operate.set_password("Root", "another password")
    changed = (await house.records(None))[-1].entry
    assert (changed.before, changed.after) == (told(made), told(made) | {"password": "changed"})
    await operate.create_user("Bo", PASSWORD, "User", "Demo")
    (made_there,) = await house.records((await house.users.all(Acting(made)))[-1].company_id)
    assert (made_there.entry.after or {})["company_name"] == "Demo"


async def test_others_join_a_company_that_comes_to_be(operate: Operate) -> None:
    buyer = await operate.create_user("Bo", PASSWORD, "User", "Demo", dsp=True)
    other = await operate.create_user("Al", PASSWORD, "Admin", "DEMO")
    assert (buyer.company_name, buyer.dsp, buyer.company_id) == ("Demo", True, other.company_id)


async def test_what_is_no_account_is_told_by_its_option(operate: Operate) -> None:
    await operate.create_user("Root", PASSWORD, "SuperAdmin", None)
    for username, password, role, company, error, said in (
        (" ", PASSWORD, "SuperAdmin", None, RequestError, "--username"),
        ("a", PASSWORD, "SuperAdmin", "Demo", RequestError, "--company"),
        ("a", PASSWORD, "User", None, RequestError, "--company"),
        ("a", "short", "User", "Demo", PasswordRefused, "the password"),
        ("ROOT", PASSWORD, "User", "Demo", Conflict, "taken"),
    ):
        with pytest.raises(error, match=said):
            await operate.create_user(username, password, role, company)  # type: ignore[arg-type]


async def test_a_password_that_is_set_ends_the_sessions(house: House, operate: Operate) -> None:
    await operate.create_user("Root", PASSWORD, "SuperAdmin", None)
    _, signed = await house.sign_in("root", PASSWORD)
    await operate.set_password("ROOT", "another password")
    with pytest.raises(NotSignedIn):
        await house.who(signed)
    await house.sign_in("root", "another password")
    with pytest.raises(NotFound):
        await operate.set_password("nobody", PASSWORD)
    with pytest.raises(PasswordRefused):
        await operate.set_password("root", "short")


async def test_the_trail_is_read_in_parts_and_is_whole(
    house: House, operate: Operate, monkeypatch: pytest.MonkeyPatch
) -> None:
    await People.of(house)
    monkeypatch.setattr(operating, "_AT_ONCE", 2)
    heads, problems = await operate.verify(AUDIT_KEY)
    assert problems == []
    assert [head.number for head in heads] == [4, 1]
    assert (await operate.verify(AUDIT_KEY, heads))[1] == []
    assert len((await operate.verify(b"x" * 32))[1]) == 5


async def test_ends_that_were_exported_find_what_is_missing(house: House, operate: Operate) -> None:
    await People.of(house)
    heads, _ = await operate.verify(AUDIT_KEY)
    later = [replace(heads[0], number=9), Head(10**6, 1, FIRST_SEAL)]
    _, problems = await operate.verify(AUDIT_KEY, later)
    assert [problem.message for problem in problems] == ["ends after record 4", "ends after record 0"]
    other = replace(heads[1], seal="another")
    _, problems = await operate.verify(AUDIT_KEY, [other])
    assert "when the head was exported" in problems[0].message
