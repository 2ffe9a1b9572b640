"""Forgotten passwords: sending a token to who asks, and setting a new password with it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from segmentation_core.errors import Problem, RequestError
from segmentation_core.resets import RESET_LIFETIME, Reset, digest_of, is_mail_address, mail_of
from segmentation_core.throttling import WITHIN, Refused, of_resets
from segmentation_core.usecases.acting import Acting
from segmentation_core.users import ALL_COMPANIES, User, check_password, check_password_of

if TYPE_CHECKING:
    from segmentation_core.ports import Clock, Mailer, Passwords, Secrets, Stores, Work
    from segmentation_core.resets import AskedReset
    from segmentation_core.usecases.acting import Client

SUBJECT: Final = "Your new password"


class ResetOutcome(Enum):
    """What became of a reset that was asked for. Whoever asked is told none of it."""

    SENT = "a mail was sent"
    TOO_OFTEN = "it was asked for too often"
    NOBODY = "no active account has the name"
    NO_ADDRESS = "the name of the account is no mail address"


class SendReset:
    """Send a token to the owner of a name, who says to have forgotten the password."""

    def __init__(self, work: Work, mailer: Mailer, clock: Clock, secrets: Secrets, public_url: str) -> None:
        """Take the address under which people reach the service, without a slash at its end."""
        self._work = work
        self._mailer = mailer
        self._clock = clock
        self._secrets = secrets
        self._public_url = public_url

    async def __call__(self, asked: AskedReset) -> ResetOutcome:
        """Tell what became of it. The user's older token is good no more.

        Raises Unavailable where the stores, or the mail, cannot be reached.
        """
        now, token = self._clock.now(), self._secrets.token()

        async def begin(stores: Stores) -> User | ResetOutcome:
            await stores.throttle.forget(now - WITHIN)
            taken = await stores.throttle.take(of_resets(asked.username, asked.address), now, WITHIN)
            if isinstance(taken, Refused):
                return ResetOutcome.TOO_OFTEN
            account = await stores.users.account(asked.username)
            if account is None or not account.user.active:
                return ResetOutcome.NOBODY
            user = account.user
            if not is_mail_address(user.username):
                return ResetOutcome.NO_ADDRESS
            await stores.resets.forget(now - RESET_LIFETIME)
            await stores.resets.begin(Reset(user.id, digest_of(token), now))
            acting = Acting(user, asked.request_id)
            await stores.audit.add(acting.entry("password reset asked for", f"user {user.id}", now))
            return user

        found = await self._work.run(ALL_COMPANIES, begin)
        if isinstance(found, ResetOutcome):
            return found
        await self._mailer.send(found.username, SUBJECT, mail_of(found.username, self._public_url, token))
        return ResetOutcome.SENT


class ResetPassword:
    """Set a new password with a token, once."""

    def __init__(self, work: Work, passwords: Passwords, clock: Clock) -> None:
        self._work = work
        self._passwords = passwords
        self._clock = clock

    async def __call__(self, token: str, new: str, client: Client) -> None:
        """Set the password and end every session of the account.

        Raises PasswordRefused for the new password, and RequestError for a token that is not good: used, replaced by a
        newer one, too old, or never given.
        """
        check_password(new, self._passwords.is_common, path="$.new_password")
        digest = digest_of(token)
        user = await self._work.run(ALL_COMPANIES, lambda stores: self._user_of(stores, digest))
        check_password_of(user.username, new, path="$.new_password")
        password_hash = await self._passwords.hashed(new, by=user.id)
        entry = Acting(user, client.request_id).entry("password reset", f"user {user.id}", self._clock.now())

        async def store(stores: Stores) -> None:
            await stores.users.by_id(user.id, lock=True)
            await self._user_of(stores, digest)
            await stores.users.set_password_hash(user.id, password_hash)
            await stores.resets.end(user.id)
            await stores.sessions.end_all(user.id)
            await stores.audit.add(entry)

        await self._work.run(user.scope, store)

    async def _user_of(self, stores: Stores, digest: str) -> User:
        found = await stores.resets.find(digest)
        if found is None or not found[0].is_alive(self._clock.now()) or not found[1].active:
            raise RequestError(Problem("$.token", "is not good any more; please ask for another one"))
        return found[1]
