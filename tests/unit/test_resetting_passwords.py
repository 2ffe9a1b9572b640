"""Resetting a forgotten password, over the stores in memory and a folder of mail."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from adapters.mail import FolderMailer
from segmentation_core.errors import NotSignedIn, Overloaded, PasswordRefused, RequestError, WrongCredentials
from segmentation_core.resets import RESET_LIFETIME, AskedReset, Reset, digest_of, is_mail_address
from segmentation_core.throttling import MOST_RESETS_PER_ADDRESS, MOST_RESETS_PER_NAME, WITHIN
from segmentation_core.usecases import Acting, Client, ResetOutcome
from segmentation_core.users import ALL_COMPANIES, UserChange
from tests.unit.house import PASSWORD, House

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

ANA = "Ana@example.com"
NEW = "another good password"
HERE = Client("192.0.2.1", request_id="a request")
TICK = timedelta(microseconds=1)


class Post:
    """A house with Ana in it, and the mail that its people get."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.house = House()
        self.send = self.house.sending_resets(FolderMailer(folder, "audience@example.com"))

    async def ask(self, name: str = ANA, address: str = "192.0.2.1") -> ResetOutcome:
        return await self.send(AskedReset(name, address, "a request"))

    async def token(self) -> str:
        assert await self.ask() is ResetOutcome.SENT
        newest = max(self.folder.glob("*.eml"))
        message = message_from_bytes(newest.read_bytes(), policy=policy.default)
        assert message["To"] == ANA
        body = message.get_body()
        assert body
        found = re.search(r"https://audience\.test/reset-password#token=([\w-]{43})\s", body.get_content())
        assert found
        return found[1]

    async def is_refused(self, token: str) -> bool:
        with pytest.raises(RequestError) as refused:
            await self.house.reset_password(token, NEW, HERE)
        return [problem.path for problem in refused.value.problems] == ["$.token"]


@pytest.fixture
async def post(tmp_path: Path) -> Post:
    post = Post(tmp_path / "mail")
    await post.house.add(await post.house.root(), ANA, company="Demo")
    return post


async def ana_of(post: Post) -> Acting:
    account = await post.house.work.run(ALL_COMPANIES, lambda stores: stores.users.account(ANA))
    assert account
    return Acting(account.user, "a request")


@pytest.mark.requirement(7)
async def test_a_token_sets_a_password_once_and_ends_every_session(post: Post) -> None:
    user, signed = await post.house.sign_in(ANA, PASSWORD)
    token = await post.token()
    await post.house.reset_password(token, NEW, HERE)
    with pytest.raises(NotSignedIn):
        await post.house.who(signed)
    with pytest.raises(WrongCredentials):
        await post.house.sign_in(ANA, PASSWORD)
    await post.house.sign_in(ANA, NEW)
    assert await post.is_refused(token)
    told = [(one.entry.action, one.entry.request_id) for one in await post.house.records(user.company_id)][-3:-1]
    assert told == [("password reset asked for", "a request"), ("password reset", "a request")]


@pytest.mark.requirement(7)
async def test_a_token_is_good_for_half_an_hour(post: Post) -> None:
    token = await post.token()
    post.house.clock.time += RESET_LIFETIME - TICK
    await post.house.reset_password(token, NEW, HERE)
    token = await post.token()
    post.house.clock.time += RESET_LIFETIME
    assert await post.is_refused(token)


async def test_a_newer_token_takes_the_place_of_the_older(post: Post) -> None:
    older, newer = await post.token(), await post.token()
    assert await post.is_refused(older)
    await post.house.reset_password(newer, NEW, HERE)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "x" * 100_000, digest_of("x")])
async def test_what_was_never_given_is_no_token(post: Post, token: str) -> None:
    await post.token()
    assert await post.is_refused(token)


@pytest.mark.requirement(7)
async def test_the_digest_is_not_the_token(post: Post) -> None:
    token = await post.token()
    assert await post.is_refused(digest_of(token))
    assert token not in repr(post.house.work._tables)


@pytest.mark.requirement(7)
async def test_of_many_at_once_one_sets_the_password(post: Post) -> None:
    token = await post.token()
    tries = [post.house.reset_password(token, f"{NEW} {number}", HERE) for number in range(8)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    refused = [*filter(None, outcomes)]
    assert len(refused) == 7
    assert {type(outcome) for outcome in refused} == {RequestError, Overloaded}, "an account has two places in line"


async def test_the_new_password_keeps_the_rules_and_the_token_stays_good(post: Post) -> None:
    token = await post.token()
    for new in ("short", "password123", "ANA@EXAMPLE.COM"):
        with pytest.raises(PasswordRefused) as refused:
            await post.house.reset_password(token, new, HERE)
        assert [problem.path for problem in refused.value.problems] == ["$.new_password"]
    await post.house.reset_password(token, NEW, HERE)


@pytest.mark.parametrize("change", [UserChange(status="inactive"), UserChange(password=NEW)])
async def test_a_token_ends_when_the_account_is_disabled_or_has_another_password(
    post: Post, change: UserChange
) -> None:
    token, ana = await post.token(), (await ana_of(post)).user
    root = await post.house.work.run(ALL_COMPANIES, lambda stores: stores.users.account("root"))
    assert root
    await post.house.users.change(Acting(root.user), ana.id, change)
    assert await post.is_refused(token)


async def test_nothing_is_sent_to_nobody_the_disabled_and_those_without_an_address(post: Post) -> None:
    root = Acting((await post.house.work.run(ALL_COMPANIES, lambda stores: stores.users.all()))[0])
    await post.house.add(root, "plain name", company="Demo")
    ana = await ana_of(post)
    await post.house.work.run(ALL_COMPANIES, lambda stores: stores.users.change(replace(ana.user, active=False)))
    assert await post.ask() is ResetOutcome.NOBODY
    assert await post.ask("nobody@example.com") is ResetOutcome.NOBODY
    assert await post.ask("plain name") is ResetOutcome.NO_ADDRESS
    assert not post.folder.exists()
    assert not post.house.work._tables.resets
    assert all("asked" not in one.entry.action for one in await post.house.records(ana.user.company_id))


@pytest.mark.parametrize("name", [ANA, "nobody@example.com"])
async def test_a_name_is_asked_for_three_times_in_a_quarter_of_an_hour(post: Post, name: str) -> None:
    for _ in range(MOST_RESETS_PER_NAME):
        assert await post.ask(name) is not ResetOutcome.TOO_OFTEN
    post.house.clock.time += WITHIN - TICK
    assert await post.ask(name.upper(), "198.51.100.1") is ResetOutcome.TOO_OFTEN
    post.house.clock.time += TICK
    assert await post.ask(name) is not ResetOutcome.TOO_OFTEN


async def test_an_address_asks_twenty_times(post: Post) -> None:
    for number in range(MOST_RESETS_PER_ADDRESS):
        assert await post.ask(f"name {number}") is ResetOutcome.NOBODY
    assert await post.ask() is ResetOutcome.TOO_OFTEN
    assert await post.ask(address="198.51.100.1") is ResetOutcome.SENT


async def test_tokens_past_their_time_are_forgotten(post: Post) -> None:
    old = await post.house.add(await root_of(post), "old@example.com", company="Demo")
    begun = Reset(old.user.id, digest_of("old"), post.house.clock.now())
    await post.house.work.run(ALL_COMPANIES, lambda stores: stores.resets.begin(begun))
    post.house.clock.time += RESET_LIFETIME + TICK
    await post.ask()
    assert old.user.id not in post.house.work._tables.resets


async def root_of(post: Post) -> Acting:
    account = await post.house.work.run(ALL_COMPANIES, lambda stores: stores.users.account("root"))
    assert account
    return Acting(account.user)


@pytest.mark.parametrize("name", ["a@b", "ana@example.com", "o'brien+x@sub.example.co.uk", "segmentation@localhost"])
def test_a_plain_address_is_one(name: str) -> None:
    assert is_mail_address(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "ana", "@", "ana@", "@example.com", "a b@example.com", "ana@exa mple.com", "ana@example.com\n",
        "ana@example.com\r\nBcc: eve@evil.test", "ana@example.com, eve@evil.test", "Ana <ana@example.com>",
        "ana@@example.com", ".ana@example.com", "ana.@example.com", "a..b@example.com", "ana@-example.com",
        "ana@example.com.", "añá@example.com", "ana@exämple.com", '"ana"@example.com', "ana@[127.0.0.1]",
        "a" * 250 + "@b.de", "ana@example.com\0", "-oProxy@", "ana;@example.com",
    ],
)  # fmt: skip
def test_what_could_be_more_or_less_than_one_plain_address_is_none(name: str) -> None:
    assert not is_mail_address(name)
