"""Who may do what at all."""

from __future__ import annotations

import pytest

from segmentation_core.errors import Forbidden
from segmentation_core.permissions import MANAGE_USERS, OWN_ACCOUNT, PERMISSIONS, READ_AUDIT, Permission, require
from segmentation_core.users import Role, User

ROLES: tuple[Role, ...] = ("User", "Manager", "Admin", "SuperAdmin")


def _user(role: Role, *, dsp: bool = False) -> User:
    return User(1, "ana", role, None if role == "SuperAdmin" else "Acme", dsp=dsp)


def test_managing_and_reading_the_trail_are_for_admins() -> None:
    for permission in (MANAGE_USERS, READ_AUDIT):
        assert [role for role in ROLES if permission.is_held_by(_user(role))] == ["Admin", "SuperAdmin"]
        with pytest.raises(Forbidden, match="Only an Admin or a SuperAdmin"):
            require(permission, _user("Manager"))
        require(permission, _user("Admin"))


def test_everybody_has_an_account_of_his_own() -> None:
    assert all(OWN_ACCOUNT.is_held_by(_user(role, dsp=dsp)) for role in ROLES for dsp in (False, True))


def test_a_permission_may_be_kept_from_accounts_without_lists() -> None:
    seeing = Permission("see lists", "See lists.", ROLES, dsp=False)
    assert seeing.is_held_by(_user("User"))
    assert not seeing.is_held_by(_user("SuperAdmin", dsp=True))


def test_permissions_are_told_apart_by_their_names() -> None:
    assert len({permission.name for permission in PERMISSIONS}) == len(PERMISSIONS)
