"""What people do with the system. The only orchestration: rules are in the core's other modules, I/O behind ports."""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from segmentation_core.errors import CsrfMismatch, NotSignedIn, PlanMismatch, WrongCredentials
from segmentation_core.planning import Nearest, Plan, plan_audience
from segmentation_core.population import PlanSize
from segmentation_core.sessions import Session, SignedIn

if TYPE_CHECKING:
    from segmentation_core.catalog import Catalog
    from segmentation_core.filters import Filter
    from segmentation_core.population import Population
    from segmentation_core.ports import Clock, Passwords, Secrets, Sessions, Tokens, Users
    from segmentation_core.users import User


class Audience(msgspec.Struct, frozen=True):
    """What was built: the plan of a filter, its size, and what each clause reaches.

    `plan` and `plan_size` are None for an account that may not see lists. `count` is exact either way.
    """

    count: int
    fingerprint: str
    built_at: datetime
    built_by: str
    plan: Plan | None
    plan_size: PlanSize | None


class SignIn:
    """Check a username and password, and begin a session."""

    def __init__(  # noqa: PLR0913, PLR0917  one port each
        self, users: Users, sessions: Sessions, passwords: Passwords, tokens: Tokens, clock: Clock, secrets: Secrets
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._passwords = passwords
        self._tokens = tokens
        self._clock = clock
        self._secrets = secrets

    async def __call__(self, username: str, password: str) -> tuple[User, SignedIn]:
        """Return the user and the tokens of a new session.

        Raises WrongCredentials for an unknown name, a wrong password and a disabled account alike, after the same work.
        """
        account = await self._users.account(username)
        right = await self._passwords.verify(password, account.password_hash if account else None)
        if account is None or not right or not account.user.active:
            msg = "The username or the password is wrong."
            raise WrongCredentials(msg)
        if self._passwords.is_outdated(account.password_hash):
            await self._users.set_password_hash(account.user.id, await self._passwords.hashed(password))
        now = self._clock.now()
        session = Session(self._secrets.token(), account.user.id, created=now, seen=now)
        await self._sessions.begin(session)
        signed = SignedIn(self._tokens.sign(session, account.user), self._tokens.csrf_token(session.id))
        return account.user, signed


class Authenticate:
    """Find out who sent a request."""

    def __init__(self, users: Users, sessions: Sessions, tokens: Tokens, clock: Clock) -> None:
        self._users = users
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
        session = await self._sessions.find(session_id) if session_id else None
        user = await self._users.by_id(session.user_id) if session and session.is_alive(now) else None
        if session is None or user is None or not user.active:
            msg = "Your session has ended; please sign in again."
            raise NotSignedIn(msg)
        same = hmac.compare_digest(csrf_header.encode(), csrf_cookie.encode())
        if not same or not self._tokens.is_csrf_token(csrf_header, session.id):
            msg = "The request does not carry this session's CSRF token."
            raise CsrfMismatch(msg)
        await self._sessions.touch(session.id, now)
        return user


class SignOut:
    """End a session."""

    def __init__(self, sessions: Sessions, tokens: Tokens, clock: Clock) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock

    async def __call__(self, token: str | None) -> None:
        """End the session that the token is for; nothing happens where there is none."""
        session_id = self._tokens.session_id(token, self._clock.now()) if token else None
        if session_id:
            await self._sessions.end(session_id)


class BuildAudience:
    """Turn a filter into a size and a plan, and check one against the other."""

    def __init__(self, catalog: Catalog, population: Population, clock: Clock) -> None:
        self._catalog = catalog
        self._population = population
        self._clock = clock

    async def __call__(self, user: User, wanted: Filter) -> Audience:
        """Return the audience that `wanted` means. An account that may not see lists gets its size alone.

        Raises PlanMismatch where an exact plan reaches another number of people than the filter: a fault of ours,
        which must not be sent.
        """
        size = self._population.size(wanted)
        plan = plan_audience(wanted, self._catalog)
        plan_size = self._population.plan_size(plan)
        if plan.exact and (plan_size.total != size or sum(plan_size.clauses) != size):
            msg = f"plan {plan.fingerprint} reaches {plan_size}, its filter {size}"
            raise PlanMismatch(msg)
        plan = msgspec.structs.replace(
            plan, superset=self._counted(plan.superset, size), subset=self._counted(plan.subset, size)
        )
        shown = user.may_see_lists
        return Audience(
            count=size,
            fingerprint=plan.fingerprint,
            built_at=self._clock.now(),
            built_by=user.username,
            plan=plan if shown else None,
            plan_size=plan_size if shown else None,
        )

    def _counted(self, near: Nearest | msgspec.UnsetType | None, size: int) -> Nearest | msgspec.UnsetType | None:
        """Say how many people a superset, or a subset, of an audience of this size is off."""
        if not isinstance(near, Nearest):
            return near
        clauses = Plan(exact=False, clauses=near.clauses, certificate=None, fingerprint="")
        return msgspec.structs.replace(near, people=abs(self._population.plan_size(clauses).total - size))
