"""Signing in and out, and finding out who sent a request."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from segmentation_core.errors import CsrfMismatch, NotSignedIn, WrongCredentials
from segmentation_core.sessions import LIFETIME, Session, SignedIn
from segmentation_core.throttling import of_address, of_device, of_devices, of_name
from segmentation_core.usecases.acting import Acting
from segmentation_core.usecases.throttled import Attempt, throttled
from segmentation_core.users import ALL_COMPANIES, Account, User

if TYPE_CHECKING:
    from segmentation_core.ports import Clock, Devices, Passwords, Secrets, SessionReads, Stores, Tokens, Work
    from segmentation_core.usecases.acting import Client

NOBODY: Final = 0
"""The id of no user: they count from 1."""

_WRONG: Final = "The username or the password is wrong."

_NOTED_AFTER: Final = timedelta(minutes=1)
"""A session's requests are noted this often at the most: each note is a write."""


class SignIn:
    """Check a username and password, and begin a session."""

    def __init__(  # noqa: PLR0913, PLR0917  all that a sign-in needs
        self, work: Work, passwords: Passwords, tokens: Tokens, devices: Devices, clock: Clock, secrets: Secrets
    ) -> None:
        self._work = work
        self._passwords = passwords
        self._tokens = tokens
        self._devices = devices
        self._clock = clock
        self._secrets = secrets

    async def __call__(self, username: str, password: str, client: Client) -> tuple[User, SignedIn]:
        """Return the user and the tokens of a new session.

        Raises WrongCredentials for an unknown name, a wrong password and a disabled account alike, after the same work;
        Throttled where too many sign-ins failed lately; Overloaded and Unavailable, which do not count as failed.
        """
        now = self._clock.now()

        async def find(stores: Stores) -> Attempt[_SigningIn]:
            account = await stores.users.account(username)
            user_id, generation = (account.user.id, account.generation) if account else (NOBODY, 0)
            device_id = self._devices.device_id(client.device, user_id, generation, now)
            signing_in = _SigningIn(username, account, device_id)
            if account and device_id:
                own = of_device(user_id, device_id)
                return Attempt(signing_in, (own, of_devices(user_id, generation)), clears=(own,))
            return Attempt(signing_in, (of_name(username), of_address(client.address)))

        async with throttled(self._work, now, find, failure=WrongCredentials) as attempt:
            return await self._begin(attempt, password, client)

    async def _begin(self, attempt: _SigningIn, password: str, client: Client) -> tuple[User, SignedIn]:
        account = attempt.account
        known = account.user.id if account and attempt.device_id else None
        right = await self._passwords.verify(password, account.password_hash if account else None, known=known)
        if account is None or not right or not account.user.active:
            raise WrongCredentials(_WRONG)
        is_outdated = self._passwords.is_outdated(account.password_hash)
        newer = await self._passwords.hashed(password, by=account.user.id) if is_outdated else None
        now = self._clock.now()
        user = replace(account.user, last_login=now)
        session = Session(self._secrets.token(), user.id, created=now, seen=now)
        entry = Acting(user, client.request_id).entry("signed in", f"user {user.id}", now)

        async def begin(stores: Stores) -> None:
            present = await stores.users.account(attempt.username, lock=True)
            if present is None or not present.user.active or present.password_hash != account.password_hash:
                raise WrongCredentials(_WRONG)
            await stores.users.change(replace(present.user, last_login=now))
            if newer:
                await stores.users.set_password_hash(user.id, newer, same=True)
            await stores.sessions.forget(now - LIFETIME)
            await stores.sessions.begin(session)
            await stores.audit.add(entry)

        await self._work.run(user.scope, begin)
        device_id = attempt.device_id or self._secrets.token()
        device = self._devices.sign(user.id, account.generation, device_id, now)
        return user, SignedIn(self._tokens.sign(session, user), self._tokens.csrf_token(session.id), device)


class _SigningIn(msgspec.Struct, frozen=True):
    """A sign-in that is let through: whose it would be, and from which known device."""

    username: str
    account: Account | None
    device_id: str | None


class Authenticate:
    """Find out who sent a request."""

    def __init__(self, work: Work, sessions: SessionReads, tokens: Tokens, clock: Clock) -> None:
        self._work = work
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock

    async def __call__(self, token: str | None, csrf_cookie: str | None, csrf_header: str | None) -> User:
        """Return the user whose session the token is for, as the store has the account now.

        Raises NotSignedIn where one of the three is missing, or the token or its session is not good any more;
        CsrfMismatch where the header is not the cookie's text, or not a CSRF token of this session.
        """
        if not token or not csrf_cookie or not csrf_header:
            msg = "You are not signed in."
            raise NotSignedIn(msg)
        now = self._clock.now()
        session_id = self._tokens.session_id(token, now)
        found = await self._sessions.find(session_id) if session_id else None
        if found is None or not found[0].is_alive(now) or not found[1].active:
            msg = "Your session has ended; please sign in again."
            raise NotSignedIn(msg)
        session, user = found
        same = hmac.compare_digest(csrf_header.encode(), csrf_cookie.encode())
        if not same or not self._tokens.is_csrf_token(csrf_header, session.id):
            msg = "The request does not carry this session's CSRF token."
            raise CsrfMismatch(msg)
        if now >= session.seen + _NOTED_AFTER:
            await self._work.run(user.scope, lambda stores: stores.sessions.touch(session.id, now))
        return user


class SignOut:
    """End a session."""

    def __init__(self, work: Work, tokens: Tokens, clock: Clock) -> None:
        self._work = work
        self._tokens = tokens
        self._clock = clock

    async def __call__(self, token: str | None, request_id: str | None = None) -> None:
        """End the session that the token is for; nothing happens where there is none."""
        now = self._clock.now()
        session_id = self._tokens.session_id(token, now) if token else None
        if session_id is None:
            return

        async def end(stores: Stores) -> None:
            found = await stores.sessions.find(session_id)
            if found:
                await stores.sessions.end(session_id)
                await stores.audit.add(Acting(found[1], request_id).entry("signed out", f"user {found[1].id}", now))

        await self._work.run(ALL_COMPANIES, end)
