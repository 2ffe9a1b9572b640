"""What every hasher of passwords promises."""

from __future__ import annotations

import asyncio

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.passwords import WAITING, BcryptPasswords, _common
from entrypoints.settings import Settings
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


@pytest.mark.requirement(5, 51)
async def test_the_last_in_line_is_answered_within_the_deadline_and_whoever_finds_it_full_at_once() -> None:
    usual, slow = 0.25, 2
    assert (WAITING + 1) * usual * slow < Settings.for_demo({}, b"a" * 32).request_seconds
    passwords = BcryptPasswords(cost=8)
    began = asyncio.get_running_loop().time()
    told: list[float] = []

    async def sign_in() -> bool:
        try:
            return await passwords.verify("a password", None)
        except Overloaded:
            told.append(asyncio.get_running_loop().time() - began)
            raise

    outcomes = await asyncio.gather(*(sign_in() for _ in range(200)), return_exceptions=True)
    assert (outcomes.count(False), sum(isinstance(one, Overloaded) for one in outcomes)) == (17, 183)
    assert max(told) < (asyncio.get_running_loop().time() - began) / 4


@pytest.mark.requirement(5, 41)
async def test_a_flood_of_strangers_takes_no_place_from_those_whom_we_know() -> None:
    passwords = BcryptPasswords(cost=8, threads=1, waiting=4)
    hashed = await passwords.hashed("a password")
    strangers = [asyncio.ensure_future(passwords.verify("guess", hashed)) for _ in range(40)]
    await asyncio.sleep(0)
    assert await passwords.verify("a password", hashed, known=1)
    assert await passwords.hashed("another password")
    assert sum(not one.done() for one in strangers) >= 1
    outcomes = await asyncio.gather(*strangers, return_exceptions=True)
    assert (outcomes.count(False), sum(isinstance(one, Overloaded) for one in outcomes)) == (5, 35)


@pytest.mark.requirement(5, 41)
async def test_those_whom_we_know_wait_in_a_bounded_line_too() -> None:
    passwords = BcryptPasswords(cost=4, waiting=2)
    outcomes = await asyncio.gather(
        *(passwords.verify("x", None, known=account) for account in range(8)), return_exceptions=True
    )
    assert (outcomes.count(False), sum(isinstance(one, Overloaded) for one in outcomes)) == (3, 5)


async def test_the_event_loop_goes_on_while_passwords_are_hashed() -> None:
    dear = BcryptPasswords(cost=11)
    hashing = asyncio.ensure_future(dear.hashed("a password"))
    turns = 0
    while not hashing.done():
        turns += 1
        await asyncio.sleep(0.001)
    assert turns > 5


@pytest.mark.requirement(5, 41)
async def test_no_account_takes_more_than_two_places_from_the_others_whom_we_know() -> None:
    passwords = BcryptPasswords(cost=4, waiting=32)
    hashed = await passwords.hashed("a password")
    for _ in range(2):  # the places are free again afterwards
        one = [passwords.verify("guess", hashed, known=7) for _ in range(20)]
        one += [passwords.hashed("a password", by=7) for _ in range(20)]  # type: ignore[misc]
        others = [passwords.verify("a password", hashed, known=8 + number) for number in range(20)]
        outcomes = await asyncio.gather(*one, *others, return_exceptions=True)
        assert (outcomes[:40].count(False), sum(isinstance(found, Overloaded) for found in outcomes[:40])) == (2, 38)
        assert outcomes[40:] == [True] * 20


@pytest.mark.parametrize("known", [None, 1])
@pytest.mark.requirement(4)
async def test_a_password_takes_the_rounds_of_the_present_cost_whatever_its_hash(
    *, known: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[int] = []
    check, make = bcrypt.checkpw, bcrypt.hashpw

    def checked(password: bytes, hashed: bytes) -> bool:
        rounds.append(2 ** int(hashed.split(b"$")[2]))
        return check(password, hashed)

    def made(password: bytes, salt: bytes) -> bytes:
        rounds.append(2 ** int(salt.split(b"$")[2]))
        return make(password, salt)

    present = BcryptPasswords(cost=7)
    hashes = [await BcryptPasswords(cost=cost).hashed("a password") for cost in (4, 5, 7)]
    plain = bcrypt.hashpw(b"a password", bcrypt.gensalt(4)).decode()
    monkeypatch.setattr(bcrypt, "checkpw", checked)
    monkeypatch.setattr(bcrypt, "hashpw", made)
    for password_hash in (*hashes, plain, None):
        rounds.clear()
        assert not await present.verify("another", password_hash, known=known)
        assert sum(rounds) == 2**7
    for password_hash in (*hashes, plain):
        rounds.clear()
        assert await present.verify("a password", password_hash, known=known)
        assert sum(rounds) == 2**7


async def test_nul_and_more_than_72_bytes_are_no_fault_of_ours(passwords: Passwords) -> None:
    plain = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    for password in ("a\0b", "\0" * 64, "ü" * 64, "x" * 10_000):
        assert await passwords.verify(password, await passwords.hashed(password))
        await passwords.verify(password, plain)
    assert not await passwords.verify("a\0c", await passwords.hashed("a\0b"))


@pytest.mark.parametrize(
    "password",
    ["password", "PASSWORD", "PassWord1", "12345678", "qwertyuiop", "iloveyou", "trustno1", "\uff50\uff41ssword"],
)
def test_a_password_that_is_guessed_first_is_common_however_it_is_written(passwords: Passwords, password: str) -> None:
    assert passwords.is_common(password)


@pytest.mark.parametrize("password", ["correct horse battery", "password correct horse", "grüße an alle 123", "\0" * 8])
def test_another_password_is_not_common(passwords: Passwords, password: str) -> None:
    assert not passwords.is_common(password)


def test_at_least_three_thousand_common_passwords_of_a_length_that_is_allowed_are_known() -> None:
    assert sum(len(password) >= 8 for password in _common()) >= 3_000
