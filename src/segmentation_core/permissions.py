"""What an account may do at all. Which company's things it may do it to is told by its scope, and by `presets`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from segmentation_core.errors import Forbidden
from segmentation_core.users import Role

if TYPE_CHECKING:
    from segmentation_core.users import User


class Permission(msgspec.Struct, frozen=True):
    """Something that some roles may do. `allows` says what, `refusal` is told to those who may not.

    `dsp` tells whether accounts that may not see lists hold it too.
    """

    name: str
    allows: str
    roles: tuple[Role, ...]
    refusal: str = "This account may not do this."
    dsp: bool = True

    def is_held_by(self, user: User) -> bool:
        """Tell whether an account has it."""
        return user.role in self.roles and (self.dsp or not user.dsp)


_EVERYBODY: Final[tuple[Role, ...]] = ("User", "Manager", "Admin", "SuperAdmin")
_ADMINS: Final[tuple[Role, ...]] = ("Admin", "SuperAdmin")
_ONLY_ADMINS: Final = "Only an Admin or a SuperAdmin manages users."

OWN_ACCOUNT: Final = Permission("own account", "See one's own account, and change its password.", _EVERYBODY)
BUILD_AUDIENCES: Final = Permission(
    "build audiences", "Read the catalogue and build audiences; dsp accounts get sizes and no lists.", _EVERYBODY
)
SEE_LISTS: Final = Permission(
    "see lists",
    "See which lists a plan has, as a table, and why; dsp accounts do not.",
    _EVERYBODY,
    "This account sees sizes and no lists.",
    dsp=False,
)
READ_PRESETS: Final = Permission(
    "read presets", "Read presets: one's own; all of the company from Manager on.", _EVERYBODY
)
WRITE_PRESETS: Final = Permission(
    "write presets", "Save, change and delete presets: one's own; all of the company from Admin on.", _EVERYBODY
)
MANAGE_USERS: Final = Permission(
    "manage users", "See, make, change and delete accounts, none of them above one's own role.", _ADMINS, _ONLY_ADMINS
)
READ_AUDIT: Final = Permission("read audit", "Read who did what.", _ADMINS, "Only an Admin or a SuperAdmin reads this.")

PERMISSIONS: Final = (OWN_ACCOUNT, BUILD_AUDIENCES, SEE_LISTS, READ_PRESETS, WRITE_PRESETS, MANAGE_USERS, READ_AUDIT)
"""All that there are."""


def require(permission: Permission, user: User) -> None:
    """Raise Forbidden unless the account has the permission."""
    if not permission.is_held_by(user):
        raise Forbidden(permission.refusal)
