"""What every hasher of passwords promises."""

from __future__ import annotations

import asyncio

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.passwords import BcryptPasswords
from segmentation_core.errors import Overloaded
from segmentation_core.ports import Passwords

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=[BcryptPasswords])
def passwords(request: pytest.FixtureRequest) -> Passwords:
    made: Passwords = request.param(cost=4)
    return made


PASSWORD = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)


@settings(max_examples=25)
@given(password=PASSWORD, other=PASSWORD)
def test_a_hash_verifies_its_password_and_no_other(passwords: Passwords, password: str, other: str) -> None:
    async def check() -> None:
        hashed = await passwords.hashed(password)
        assert password == "" or password not in hashed or len(password) < 8
        assert await passwords.verify(password, hashed)
        assert await passwords.verify(other, hashed) == (other == password)

    asyncio.run(check())


@pytest.mark.requirement(2)
async def test_no_byte_of_a_long_password_is_lost(passwords: Passwords) -> None:
    long = "🙂" * 63
    hashed = await passwords.hashed(long + "a")
    assert await passwords.verify(long + "a", hashed)
    assert not await passwords.verify(long + "b", hashed)


async def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert await passwords.hashed("the same") != await passwords.hashed("the same")


@pytest.mark.requirement(4)
async def test_without_a_hash_nothing_verifies(passwords: Passwords) -> None:
    assert not await passwords.verify("anything", None)


@pytest.mark.requirement(3)
async def test_a_fresh_hash_is_not_outdated_and_one_of_lower_cost_is(passwords: Passwords) -> None:
    assert not passwords.is_outdated(await passwords.hashed("a password"))
    assert BcryptPasswords(cost=5).is_outdated(await passwords.hashed("a password"))


@pytest.mark.requirement(4)
async def test_a_plain_bcrypt_hash_of_an_older_system_verifies_and_is_outdated(passwords: Passwords) -> None:
    plain = bcrypt.hashpw("ä password".encode(), bcrypt.gensalt(4)).decode()
    assert await passwords.verify("ä password", plain)
    assert not await passwords.verify("a password", plain)
    assert not await passwords.verify("x" * 100, plain)
    assert passwords.is_outdated(plain)


@pytest.mark.requirement(5)
async def test_past_the_line_it_is_overloaded_and_afterwards_it_goes_on() -> None:
    passwords = BcryptPasswords(cost=4, threads=1, waiting=2)
    outcomes = await asyncio.gather(*(passwords.hashed("a password") for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 5
    assert await passwords.hashed("a password")
