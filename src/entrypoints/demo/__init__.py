"""The demo: 5,822 real customers with their catalogue (see ATTRIBUTION.md), and accounts to try it with."""

from __future__ import annotations

import secrets
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from segmentation_core.usecases import Acting
from segmentation_core.users import ALL_COMPANIES, User, check_password

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmentation_core.ports import Clock, Passwords, Stores, Work

_FOLDER: Final = Path(str(files(__name__)))
CATALOG: Final = _FOLDER / "catalog.json"
CUSTOMERS: Final = _FOLDER / "customers.csv"

PASSWORD_VARIABLE: Final = "SEGMENTATION_DEMO_PASSWORD"  # noqa: S105  the name of a variable

ACCOUNTS: Final = (
    User(0, "superadmin", "SuperAdmin", None, "Sam", "Superadmin"),
    User(0, "admin", "Admin", "Demo", "Ada", "Admin"),
    User(0, "analyst", "User", "Demo", "Ana", "Analyst"),
    User(0, "buyer", "User", "Demo", "Bo", "Buyer", dsp=True),
)


def demo_password(environ: Mapping[str, str], is_common: Callable[[str], bool]) -> str:
    """Return the password of all demo accounts: the one that was chosen, or a fresh one."""
    chosen = environ.get(PASSWORD_VARIABLE, "")
    if not chosen:
        return secrets.token_urlsafe(9)
    check_password(chosen, is_common, path=PASSWORD_VARIABLE)
    return chosen


async def add_accounts(work: Work, passwords: Passwords, clock: Clock, password: str) -> None:
    """See that the demo accounts are there as they should be, all with one password, and nobody signed in with them."""
    hashed = {user.username: await passwords.hashed(password) for user in ACCOUNTS}

    async def add(stores: Stores) -> None:
        for user in ACCOUNTS:
            company = await stores.companies.named(user.company_name) if user.company_name else None
            known = await stores.users.account(user.username, lock=True)
            if known is None:
                new = replace(user, company_id=company.id if company else None, created=clock.now())
                added = await stores.users.add(new, hashed[user.username])
                await stores.audit.add(Acting(added).entry("user created", f"user {added.id}", clock.now()))
                continue
            present = known.user
            changed = replace(present, role=user.role, dsp=user.dsp, active=True)
            await stores.users.change(changed)
            await stores.users.set_password_hash(present.id, hashed[user.username])
            await stores.sessions.end_all(present.id)
            await stores.audit.add(Acting(present).entry("password changed", f"user {present.id}", clock.now()))

    await work.run(ALL_COMPANIES, add)
