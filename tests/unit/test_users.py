"""The rules for accounts, passwords and settings."""

from __future__ import annotations

import pytest

from adapters.passwords import BcryptPasswords
from entrypoints import demo
from segmentation_core.errors import PasswordRefused, RequestError
from segmentation_core.users import (
    ALL_COMPANIES,
    LONGEST_NAME,
    Account,
    Scope,
    User,
    check_name,
    check_password,
    folded_name,
)

is_common = BcryptPasswords(cost=4).is_common


@pytest.mark.parametrize("password", ["", "a" * 7, "a" * 65])
@pytest.mark.requirement(1)
def test_a_password_has_8_to_64_characters(password: str) -> None:
    with pytest.raises(PasswordRefused, match="8 to 64 characters"):
        check_password(password, is_common)


def test_half_a_character_is_no_password() -> None:
    with pytest.raises(PasswordRefused, match="UTF-8"):
        check_password("\udcff" * 10, is_common)


@pytest.mark.parametrize("password", ["aaaaaaah", "ü" * 64, "🙂" * 64, "    \t    "])
@pytest.mark.requirement(1, 2)
def test_characters_are_counted_and_none_is_asked_for(password: str) -> None:
    check_password(password, is_common)


def test_names_are_the_same_whatever_their_case() -> None:
    assert folded_name("Straße") == folded_name("STRASSE")


@pytest.mark.requirement(48)
def test_the_hash_stays_out_of_representations() -> None:
    assert "secret" not in repr(Account(User(1, "a", "User", "Demo"), "secret"))


@pytest.mark.requirement(6)
def test_the_demos_password_is_the_chosen_one_or_a_fresh_one() -> None:
    assert demo.demo_password({"SEGMENTATION_DEMO_PASSWORD": "chosen well"}, is_common) == "chosen well"
    fresh = {demo.demo_password({}, is_common) for _ in range(20)}
    assert len(fresh) == 20
    for password in fresh:
        check_password(password, is_common)
    with pytest.raises(PasswordRefused, match="SEGMENTATION_DEMO_PASSWORD"):
        demo.demo_password({"SEGMENTATION_DEMO_PASSWORD": "short"}, is_common)


def test_an_account_is_active_and_sees_lists_unless_it_is_said_otherwise() -> None:
    user = User(1, "ana", "User", "Demo", company_id=7)
    assert (user.active, user.status, user.dsp, user.may_see_lists) == (True, "active", False, True)
    off = User(1, "ana", "User", "Demo", company_id=7, dsp=True, active=False)
    assert (off.status, off.may_see_lists) == ("inactive", False)
    assert (user.scope, User(2, "root", "SuperAdmin", None).scope) == (Scope(7), ALL_COMPANIES)


@pytest.mark.parametrize("length", [255, 256])
def test_a_name_has_at_most_255_characters(length: int) -> None:
    if length == LONGEST_NAME:
        check_name("x" * length, path="$.name")
        check_name("", path="$.name", may_be_empty=True)
    else:
        with pytest.raises(RequestError, match="expected at most 255"):
            check_name("x" * length, path="$.name")
