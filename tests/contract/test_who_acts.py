"""Who acts on accounts must be what he was when his request began, however many do so at once."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from segmentation_core.errors import NotFound, NotSignedIn
from segmentation_core.ports import Work
from segmentation_core.usecases import Acting, ManageUsers, NewUser
from segmentation_core.users import ALL_COMPANIES, User, UserChange
from tests.contract.acting import OpenPasswords
from tests.contract.examples import add_company, add_user
from tests.unit.house import HandClock

if TYPE_CHECKING:
    from collections.abc import Awaitable

pytestmark = pytest.mark.anyio


@pytest.mark.requirement(23)
@pytest.mark.parametrize("act", ["change", "delete"])
async def test_of_super_admins_who_shut_out_each_other_at_once_one_is_left(work: Work, act: str) -> None:
    users = ManageUsers(work, OpenPasswords(), HandClock())
    admins = [await add_user(work, f"s{number}", None) for number in range(5)]

    async def shut_out(by: User, other: User) -> None:
        if act == "delete":
            await users.delete(Acting(by), other.id)
        else:
            await users.change(Acting(by), other.id, UserChange(status="inactive"))

    outcomes = await asyncio.gather(*(shut_out(*pair) for pair in permutations(admins, 2)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes if outcome} <= {NotSignedIn, NotFound}
    left = [user for user in await work.run(ALL_COMPANIES, lambda stores: stores.users.all()) if user.active]
    assert len(left) == 1


class SlowPasswords(OpenPasswords):
    """Hashes that are done when they are told to be."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.done = asyncio.Event(), asyncio.Event()

    async def hashed(self, password: str, *, by: int | None = None) -> str:
        self.begun.set()
        await self.done.wait()
        return await super().hashed(password, by=by)


@pytest.mark.requirement(11)
@pytest.mark.parametrize("loss", [UserChange(role="User"), UserChange(status="inactive"), None])
@pytest.mark.parametrize("act", ["create", "change"])
async def test_an_admin_who_loses_his_rights_while_a_password_is_hashed_does_nothing(
    work: Work, loss: UserChange | None, act: str
) -> None:
    acme = await add_company(work)
    root, admin = await add_user(work, "root", None), await add_user(work, "admin", acme, role="Admin")
    bo = await add_user(work, "bo", acme)
    passwords = SlowPasswords()
    slow, quick = (ManageUsers(work, one, HandClock()) for one in (passwords, OpenPasswords()))
    new = NewUser("new", "a good password", "Admin", "N", "W")
    change = UserChange(password="a good password", role="Admin")
    acting: Awaitable[User] = (
        slow.create(Acting(admin), new) if act == "create" else slow.change(Acting(admin), bo.id, change)
    )
    under_way = asyncio.ensure_future(acting)
    await passwords.begun.wait()
    if loss:
        await quick.change(Acting(root), admin.id, loss)
    else:
        await quick.delete(Acting(root), admin.id)
    before = await work.run(ALL_COMPANIES, lambda stores: stores.users.all())
    passwords.done.set()
    with pytest.raises(NotSignedIn, match="Your account has changed"):
        await under_way
    assert await work.run(ALL_COMPANIES, lambda stores: stores.users.all()) == before
