"""One's own password: changing it with the present one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from segmentation_core.errors import NotSignedIn, Problem, RequestError, SegmentationError, Unavailable
from segmentation_core.sessions import Session, SignedIn
from segmentation_core.throttling import WITHIN, Taken, of_password_change, require_taken
from segmentation_core.users import ALL_COMPANIES, Account, check_password, check_password_of

if TYPE_CHECKING:
    from segmentation_core.ports import Clock, Passwords, Secrets, Stores, Tokens, Work
    from segmentation_core.throttling import Refused
    from segmentation_core.usecases.acting import Acting


class ChangePassword:
    """Change one's own password, and begin anew: every session of the account ends, and the caller gets a fresh one."""

    def __init__(self, work: Work, passwords: Passwords, tokens: Tokens, clock: Clock, secrets: Secrets) -> None:
        self._work = work
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock
        self._secrets = secrets

    async def __call__(self, by: Acting, current: str, new: str) -> SignedIn:
        """Return the tokens of a new session.

        Raises PasswordRefused for the new password, RequestError where the present one is wrong, and Throttled where
        it was too often wrong lately.
        """
        check_password(new, self._passwords.is_common, path="$.new_password")
        check_password_of(by.user.username, new, path="$.new_password")
        account, taken = await self._attempt(by)
        try:
            signed = await self._change(by, account, current, new)
        except RequestError:
            raise
        except SegmentationError:
            await self._settle(by, taken)
            raise
        await self._settle(by, taken, clear=True)
        return signed

    async def _attempt(self, by: Acting) -> tuple[Account, Taken]:
        now = self._clock.now()

        async def take(stores: Stores) -> tuple[Account | None, Taken | Refused]:
            account = await stores.users.account(by.user.username)
            return account, await stores.throttle.take([of_password_change(by.user.id)], now, WITHIN)

        account, outcome = await self._work.run(ALL_COMPANIES, take)
        return _still_there(account, by), require_taken(outcome)

    async def _change(self, by: Acting, account: Account, current: str, new: str) -> SignedIn:
        if not await self._passwords.verify(current, account.password_hash, known=True):
            raise RequestError(Problem("$.current_password", "is not the present password"))
        password_hash = await self._passwords.hashed(new)
        now = self._clock.now()
        session = Session(self._secrets.token(), by.user.id, created=now, seen=now)
        entry = by.entry("password changed", f"user {by.user.id}", now)

        async def store(stores: Stores) -> None:
            present = _still_there(await stores.users.account(by.user.username, lock=True), by)
            by.require_unchanged(present.user)
            if present.password_hash != account.password_hash:
                raise NotSignedIn(_ENDED)
            await stores.users.set_password_hash(by.user.id, password_hash)
            await stores.resets.end(by.user.id)
            await stores.sessions.end_all(by.user.id)
            await stores.sessions.begin(session)
            await stores.audit.add(entry)

        await self._work.run(by.user.scope, store)
        return SignedIn(self._tokens.sign(session, by.user), self._tokens.csrf_token(session.id))

    async def _settle(self, by: Acting, taken: Taken, *, clear: bool = False) -> None:
        async def give_back(stores: Stores) -> None:
            await stores.throttle.give_back(taken)
            if clear:
                await stores.throttle.clear(of_password_change(by.user.id).key)

        with suppress(Unavailable):
            await self._work.run(ALL_COMPANIES, give_back)


_ENDED = "Your session has ended; please sign in again."


def _still_there(account: Account | None, by: Acting) -> Account:
    """Return the account. Raises NotSignedIn where it is gone, disabled, or another one that took its name."""
    if account is None or account.user.id != by.user.id or not account.user.active:
        raise NotSignedIn(_ENDED)
    return account
