"""One's own password: changing it with the present one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmentation_core.errors import NotSignedIn, Problem, RequestError
from segmentation_core.sessions import Session, SignedIn
from segmentation_core.throttling import of_password_change
from segmentation_core.usecases.throttled import Attempt, throttled
from segmentation_core.users import Account, check_password, check_password_of

if TYPE_CHECKING:
    from segmentation_core.ports import Clock, Devices, Passwords, Secrets, Stores, Tokens, Work
    from segmentation_core.usecases.acting import Acting


class ChangePassword:
    """Change one's own password, and begin anew: every session of the account ends, and the caller gets a fresh one."""

    def __init__(  # noqa: PLR0913, PLR0917  all that a sign-in needs
        self, work: Work, passwords: Passwords, tokens: Tokens, devices: Devices, clock: Clock, secrets: Secrets
    ) -> None:
        self._work = work
        self._passwords = passwords
        self._tokens = tokens
        self._devices = devices
        self._clock = clock
        self._secrets = secrets

    async def __call__(self, by: Acting, current: str, new: str) -> SignedIn:
        """Return the tokens of a new session, and what the device is known by: all others are known no more.

        Raises PasswordRefused for the new password, RequestError where the present one is wrong, and Throttled where
        it was too often wrong lately.
        """
        check_password(new, self._passwords.is_common, path="$.new_password")
        check_password_of(by.user.username, new, path="$.new_password")

        async def find(stores: Stores) -> Attempt[Account]:
            account = _still_there(await stores.users.account(by.user.username), by)
            limits = (of_password_change(by.user.id),)
            return Attempt(account, limits, clears=limits)

        async with throttled(self._work, self._clock.now(), find, failure=RequestError) as account:
            return await self._change(by, account, current, new)

    async def _change(self, by: Acting, account: Account, current: str, new: str) -> SignedIn:
        if not await self._passwords.verify(current, account.password_hash, known=by.user.id):
            raise RequestError(Problem("$.current_password", "is not the present password"))
        password_hash = await self._passwords.hashed(new, by=by.user.id)
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
        device = self._devices.sign(by.user.id, account.generation + 1, self._secrets.token(), now)
        return SignedIn(self._tokens.sign(session, by.user), self._tokens.csrf_token(session.id), device)


_ENDED = "Your session has ended; please sign in again."


def _still_there(account: Account | None, by: Acting) -> Account:
    """Return the account. Raises NotSignedIn where it is gone, disabled, or another one that took its name."""
    if account is None or account.user.id != by.user.id or not account.user.active:
        raise NotSignedIn(_ENDED)
    return account
