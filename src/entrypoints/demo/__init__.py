"""The demo: 5,822 real customers with their catalogue (see ATTRIBUTION.md), and accounts to try it with."""

from __future__ import annotations

import secrets
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from segmentation_core.users import User, check_password

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmentation_core.ports import Passwords, Users

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


def demo_password(environ: Mapping[str, str]) -> str:
    """Return the password of all demo accounts: the one that was chosen, or a fresh one."""
    chosen = environ.get(PASSWORD_VARIABLE, "")
    if not chosen:
        return secrets.token_urlsafe(9)
    check_password(chosen, path=PASSWORD_VARIABLE)
    return chosen


async def add_accounts(users: Users, passwords: Passwords, password: str) -> None:
    """Add the demo accounts, all with one password."""
    for user in ACCOUNTS:
        await users.add(user, await passwords.hashed(password))
