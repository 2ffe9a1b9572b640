"""What an operator does at the machine: the first accounts, forgotten passwords, and whether the trail is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segmentation_core.audit import ChainCheck, Entry
from segmentation_core.errors import NotFound, Problem, RequestError
from segmentation_core.users import ALL_COMPANIES, User, check_name, check_password, check_password_of, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from segmentation_core.audit import Head, Record
    from segmentation_core.ports import Clock, Passwords, Stores, Work
    from segmentation_core.users import Role

_ACTOR = "command line"
_AT_ONCE = 1_000


class Operate:
    """Whoever holds the database's credentials may do these; each change is recorded, as done at the command line."""

    def __init__(self, work: Work, passwords: Passwords, clock: Clock) -> None:
        self._work = work
        self._passwords = passwords
        self._clock = clock

    async def create_user(
        self, username: str, password: str, role: Role, company_name: str | None, *, dsp: bool = False
    ) -> User:
        """Make an account, and its company if need be.

        Raises RequestError with paths, PasswordRefused, and Conflict for a name that is taken.
        """
        check_name(username, path="--username")
        if role == "SuperAdmin" and company_name is not None:
            raise RequestError(Problem("--company", "a SuperAdmin belongs to no company", company_name))
        if role != "SuperAdmin":
            check_name(company_name or "", path="--company")
        check_password(password, self._passwords.is_common, path="the password")
        check_password_of(username, password, path="the password")
        password_hash = await self._passwords.hashed(password)
        now = self._clock.now()

        async def add(stores: Stores) -> User:
            company = await stores.companies.named(company_name) if company_name else None
            user = User(
                id=0,
                username=username,
                role=role,
                company_name=company.name if company else None,
                first_name=username,
                dsp=dsp,
                company_id=company.id if company else None,
                created=now,
            )
            user = await stores.users.add(user, password_hash)
            await stores.audit.add(self._entry("user created", user, after=told(user)))
            return user

        return await self._work.run(ALL_COMPANIES, add)

    async def set_password(self, username: str, password: str) -> User:
        """Set the password of an account and end its sessions. Raises NotFound, PasswordRefused."""
        check_password(password, self._passwords.is_common, path="the password")
        check_password_of(username, password, path="the password")
        password_hash = await self._passwords.hashed(password)

        async def store(stores: Stores) -> User:
            account = await stores.users.account(username, lock=True)
            if account is None:
                msg = f"There is no user {username!r}."
                raise NotFound(msg)
            await stores.users.set_password_hash(account.user.id, password_hash)
            await stores.resets.end(account.user.id)
            await stores.sessions.end_all(account.user.id)
            present = told(account.user)
            await stores.audit.add(
                self._entry("user changed", account.user, before=present, after=present | {"password": "changed"})
            )
            return account.user

        return await self._work.run(ALL_COMPANIES, store)

    async def verify(self, key: bytes, exported: Iterable[Head] = ()) -> tuple[list[Head], list[Problem]]:
        """Return the ends that the chains have, and what is wrong with them.

        They are held against their seals, the heads that the store keeps, and ends that were exported before.
        """
        ends = {end.company_id: end for end in await self._work.run(ALL_COMPANIES, lambda stores: stores.audit.ends())}
        known: dict[int | None, list[Head]] = {company_id: [] for company_id in ends}
        for head in exported:
            known.setdefault(head.company_id, []).append(head)
        heads, problems = [], []
        for company_id, once in known.items():
            check = ChainCheck(company_id, key, once)
            async for record in self._records(company_id):
                check.add(record)
            if company_id in ends:
                check.add_end(ends[company_id])
            problems += check.end()
            if check.last.number:
                heads.append(check.last)
        return heads, problems

    async def _records(self, company_id: int | None) -> AsyncIterator[Record]:
        after: int | None = None
        while True:

            async def more(stores: Stores, after: int | None = after) -> list[Record]:
                return await stores.audit.chain(company_id, after=after, limit=_AT_ONCE)

            records = await self._work.run(ALL_COMPANIES, more)
            for record in records:
                yield record
            if len(records) < _AT_ONCE:
                return
            after = records[-1].number

    def _entry(self, action: str, user: User, *, after: dict[str, Any], before: dict[str, Any] | None = None) -> Entry:
        return Entry(action, None, _ACTOR, user.company_id, f"user {user.id}", self._clock.now(), before, after)
