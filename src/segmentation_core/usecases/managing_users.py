"""Managing the accounts of a company, or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from segmentation_core.errors import Forbidden, NotFound, Problem, RequestError
from segmentation_core.permissions import MANAGE_USERS, require
from segmentation_core.users import (
    Role,
    Status,
    User,
    UserChange,
    UserQuery,
    check_name,
    check_password,
    check_password_of,
    require_may_change,
    require_may_give,
    told,
)

if TYPE_CHECKING:
    from datetime import datetime

    from segmentation_core.audit import Entry
    from segmentation_core.ports import Clock, Passwords, Stores, Work
    from segmentation_core.usecases.acting import Acting


class NewUser(msgspec.Struct, frozen=True):
    """An account to make. `company_name` is a SuperAdmin's to give, for all but a SuperAdmin."""

    username: str
    password: str
    role: Role
    first_name: str
    last_name: str
    company_name: str | None = None
    status: Status = "active"
    dsp: bool = False

    def __repr__(self) -> str:
        """Leave the password out of logs and tracebacks."""
        return f"NewUser(username={self.username!r}, ...)"


class ManageUsers:
    """List, make, change and delete accounts, each change with its record."""

    def __init__(self, work: Work, passwords: Passwords, clock: Clock) -> None:
        self._work = work
        self._passwords = passwords
        self._clock = clock

    async def all(self, by: Acting) -> list[User]:
        """Return every account in the caller's scope, by role, then first name. Raises Forbidden below an Admin."""
        require(MANAGE_USERS, by.user)
        return await self._work.run(by.user.scope, lambda stores: stores.users.all())

    async def page(self, by: Acting, query: UserQuery, *, offset: int, limit: int) -> tuple[list[User], int]:
        """Return some of the accounts asked for, and how many there are. Raises Forbidden below an Admin."""
        require(MANAGE_USERS, by.user)
        return await self._work.run(by.user.scope, lambda stores: stores.users.page(query, offset=offset, limit=limit))

    async def create(self, by: Acting, new: NewUser) -> User:
        """Make an account. An Admin's joins the Admin's company; a SuperAdmin names one, which is made if need be.

        Raises Forbidden for who may not, NotSignedIn where the caller's account has changed meanwhile, RequestError
        with paths, PasswordRefused, and Conflict for a name taken.
        """
        require(MANAGE_USERS, by.user)
        require_may_give(by.user, new.role, dsp=new.dsp)
        company_name = _company_for(by.user, new)
        for name, path in (
            (new.username, "$.username"),
            (new.first_name, "$.firstName"),
            (new.last_name, "$.lastName"),
        ):
            check_name(name, path=path)
        check_password(new.password, self._passwords.is_common)
        check_password_of(new.username, new.password)
        password_hash = await self._passwords.hashed(new.password, by=by.user.id)
        now = self._clock.now()

        async def add(stores: Stores) -> User:
            by.require_unchanged(await stores.users.by_id(by.user.id, lock=True))
            company = await stores.companies.named(company_name) if company_name else None
            user = User(
                id=0,
                username=new.username,
                role=new.role,
                company_name=company.name if company else None,
                first_name=new.first_name,
                last_name=new.last_name,
                dsp=new.dsp,
                active=new.status == "active",
                company_id=company.id if company else None,
                created=now,
                created_by_id=by.user.id,
            )
            user = await stores.users.add(user, password_hash)
            await stores.audit.add(
                by.entry("user created", f"user {user.id}", now, company_id=user.company_id, after=told(user))
            )
            return user

        return await self._work.run(by.user.scope, add)

    async def change(self, by: Acting, user_id: int, change: UserChange) -> User:
        """Change an account. A new password or role, or being shut out, ends its sessions at once.

        Raises NotFound where there is none in scope, NotSignedIn where the caller's account has changed meanwhile,
        Forbidden, RequestError and PasswordRefused.
        """
        require(MANAGE_USERS, by.user)
        if change == UserChange():
            raise RequestError(Problem("$", "there is nothing to change"))
        for name, path in ((change.first_name, "$.firstName"), (change.last_name, "$.lastName")):
            if name is not msgspec.UNSET:
                check_name(name, path=path)
        password = change.new_password
        if password and user_id == by.user.id:
            msg = "One's own password is changed with the present one: POST /api/auth/change-password."
            raise Forbidden(msg)
        if password:
            check_password(password, self._passwords.is_common)
        password_hash = await self._passwords.hashed(password, by=by.user.id) if password else None
        now = self._clock.now()

        async def store(stores: Stores) -> User:
            before = await _locked(stores, by, user_id)
            after = change.applied(before)
            require_may_change(by.user, before, after)
            check_password_of(before.username, password or "")
            await stores.users.change(after)
            if password_hash:
                await stores.users.set_password_hash(user_id, password_hash)
                await stores.resets.end(user_id)
            if password_hash or after.role != before.role or not after.active:
                await stores.sessions.end_all(user_id)
            now_told = told(after) | ({"password": "changed"} if password_hash else {})
            await stores.audit.add(_entry(by, "user changed", before, now, before=told(before), after=now_told))
            return after

        return await self._work.run(by.user.scope, store)

    async def delete(self, by: Acting, user_id: int) -> None:
        """Delete an account: its sessions end, its name is free, its presets stay with the company's Admins.

        Raises RequestError for oneself, NotSignedIn as above, NotFound and Forbidden.
        """
        require(MANAGE_USERS, by.user)
        if user_id == by.user.id:
            raise RequestError(Problem("$.id", "nobody deletes himself"))
        now = self._clock.now()

        async def remove(stores: Stores) -> None:
            before = await _locked(stores, by, user_id)
            require_may_change(by.user, before, before)
            await stores.users.delete(user_id)
            await stores.audit.add(
                by.entry("user deleted", f"user {user_id}", now, company_id=before.company_id, before=told(before))
            )

        await self._work.run(by.user.scope, remove)


async def _locked(stores: Stores, by: Acting, user_id: int) -> User:
    """Return the account that is acted on. Both it and the one that acts stay as they are from now on.

    They are locked in the order of their ids: of two that act on each other, one is done before the other is looked at,
    and finds that it may not act any more. So the last SuperAdmin stays, since nobody shuts out himself.

    Raises NotSignedIn where the account that acts has changed, and NotFound.
    """
    found = {number: await stores.users.by_id(number, lock=True) for number in sorted({by.user.id, user_id})}
    by.require_unchanged(found[by.user.id])
    user = found[user_id]
    if user is None:
        msg = "There is no such user."
        raise NotFound(msg)
    return user


def _company_for(actor: User, new: NewUser) -> str | None:
    """Return the name of the company that a new account joins."""
    if actor.role != "SuperAdmin":
        if new.company_name is not None:
            raise RequestError(Problem("$.companyName", "is a SuperAdmin's to give", new.company_name))
        return actor.company_name
    if new.role == "SuperAdmin":
        if new.company_name is not None:
            raise RequestError(Problem("$.companyName", "a SuperAdmin belongs to no company", new.company_name))
        return None
    check_name(new.company_name or "", path="$.companyName")
    return new.company_name


def _entry(  # noqa: PLR0913  what an entry says
    by: Acting,
    action: str,
    user: User,
    at: datetime,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> Entry:
    return by.entry(action, f"user {user.id}", at, company_id=user.company_id, before=before, after=after)
