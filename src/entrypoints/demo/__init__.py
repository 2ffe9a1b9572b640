"""The demo: 5,822 real customers with their catalogue (see ATTRIBUTION.md), and accounts to try it with."""

from __future__ import annotations

import secrets
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from segmentation_core.errors import Conflict, Problem, SettingsError
from segmentation_core.usecases import Acting
from segmentation_core.users import ALL_COMPANIES, User, check_password

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmentation_core.ports import Clock, Passwords, Stores, Work

_FOLDER: Final = Path(str(files(__name__)))
CATALOG: Final = _FOLDER / "catalog.json"
CUSTOMERS: Final = _FOLDER / "customers.csv"

COMPANY: Final = "Demo"

PASSWORD_VARIABLE: Final = "SEGMENTATION_DEMO_PASSWORD"  # noqa: S105  the name of a variable

ACCOUNTS: Final = (
    User(0, "superadmin", "SuperAdmin", None, "Sam", "Superadmin"),
    User(0, "admin", "Admin", COMPANY, "Ada", "Admin"),
    User(0, "analyst", "User", COMPANY, "Ana", "Analyst"),
    User(0, "buyer", "User", COMPANY, "Bo", "Buyer", dsp=True),
)


def demo_password(environ: Mapping[str, str], is_common: Callable[[str], bool]) -> str:
    """Return the password of all demo accounts: the one that was chosen, or a fresh one."""
    chosen = environ.get(PASSWORD_VARIABLE, "")
    if not chosen:
        return secrets.token_urlsafe(9)
    check_password(chosen, is_common, path=PASSWORD_VARIABLE)
    return chosen


def refuse_production(environ: Mapping[str, str]) -> None:
    """Raise SettingsError where the environment is told to be production: the demo's password is everybody's."""
    if environ.get("SEGMENTATION_ENVIRONMENT") == "production":
        problem = Problem("SEGMENTATION_ENVIRONMENT", "has no demo", "production", "`serve` without --demo")
        raise SettingsError(problem)


async def add_accounts(work: Work, passwords: Passwords, clock: Clock, password: str) -> None:
    """See that the demo accounts are there as they should be, all with one password, and nobody signed in with them.

    A database is a demo's if its company Demo has an account. Raises SettingsError, and changes nothing, where that
    would take an account that is somebody else's: one of the same name in a database that is no demo's, or of another
    company. Of two that make the accounts at once, the later one finds them made.
    """
    hashed = {user.username: await passwords.hashed(password) for user in ACCOUNTS}

    async def add(stores: Stores) -> None:
        demo = await stores.companies.named(COMPANY)
        # Those that another start makes meanwhile are seen by the second question if by the first.
        found = [await stores.users.account(user.username, lock=True) for user in ACCOUNTS]
        is_demo = any(user.company_id == demo.id for user in await stores.users.all())
        others = [
            account.user
            for user, account in zip(ACCOUNTS, found, strict=True)
            if account and not (is_demo and account.user.company_id == (demo.id if user.company_name else None))
        ]
        if others:
            raise _taken(others)
        for user, known in zip(ACCOUNTS, found, strict=True):
            if known is None:
                new = replace(user, company_id=demo.id if user.company_name else None, created=clock.now())
                added = await stores.users.add(new, hashed[user.username])
                await stores.audit.add(Acting(added).entry("user created", f"user {added.id}", clock.now()))
                continue
            await stores.users.change(replace(known.user, role=user.role, dsp=user.dsp, active=True))
            await stores.users.set_password_hash(known.user.id, hashed[user.username])
            await stores.sessions.end_all(known.user.id)
            entry = Acting(known.user).entry("password changed", f"user {known.user.id}", clock.now())
            await stores.audit.add(entry)

    try:
        await work.run(ALL_COMPANIES, add)
    except Conflict:
        await work.run(ALL_COMPANIES, add)


def _taken(others: list[User]) -> SettingsError:
    problem = "is somebody's account, and would get the demo's password"
    expected = "another database or data folder for the demo, or `serve` without --demo"
    return SettingsError(Problem(f"user {user.username!r}", problem, expected=expected) for user in others)
