"""Managing accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, get_args

import msgspec
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter, SkipValidation

from entrypoints.http.access import access
from entrypoints.http.csv_tables import csv_table, rows_of, wants_csv
from entrypoints.http.entity_tags import IfNoneMatch, listed
from entrypoints.http.pages import PageNumber, PageOf20, Pagination, asked_page
from entrypoints.http.requests import ApiRequest, PathId, SearchText, asked_choice, asked_text, path_id
from entrypoints.http.sign_in import Message
from segmentation_core.permissions import MANAGE_USERS
from segmentation_core.usecases import ManageUsers, NewUser
from segmentation_core.users import Role, Status, User, UserChange, UserQuery

ROLES: Final[tuple[Role, ...]] = get_args(Role)
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

OfRole = Annotated[str, QueryParameter(description="Accounts of this role alone; empty for any.")]
OfStatus = Annotated[str, QueryParameter(description="Accounts that are active, or inactive, alone; empty for both.")]


class UserDetails(msgspec.Struct, frozen=True):
    """An account as those who manage it see it. Of its password nothing is told."""

    id: int
    first_name: str
    last_name: str
    company_name: str | None
    username: str
    role: Role
    status: Status
    dsp: bool
    created_date: datetime | None
    last_login_date: datetime | None
    created_by_id: int | None

    @classmethod
    def of(cls, user: User) -> UserDetails:
        """Return what is told of a user."""
        return cls(
            id=user.id,
            first_name=user.first_name,
            last_name=user.last_name,
            company_name=user.company_name,
            username=user.username,
            role=user.role,
            status=user.status,
            dsp=user.dsp,
            created_date=user.created,
            last_login_date=user.last_login,
            created_by_id=user.created_by_id,
        )


class UsersAnswer(msgspec.Struct, frozen=True):
    """Accounts, by role, then first name."""

    users: tuple[UserDetails, ...]


class UsersPage(msgspec.Struct, frozen=True):
    """A page of accounts, by role, then first name."""

    users: tuple[UserDetails, ...]
    pagination: Pagination


class UserAnswer(msgspec.Struct, frozen=True):
    """The account as it is now."""

    message: str
    user: UserDetails


class UserRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account to make. `companyName` is a SuperAdmin's to give, for all but a SuperAdmin; empty is not given."""

    firstName: str  # noqa: N815  the frontend's names
    lastName: str  # noqa: N815
    username: str
    password: str
    role: Role
    status: Status = "active"
    dsp: bool = False
    companyName: str | None = None  # noqa: N815

    def __repr__(self) -> str:
        """Leave the password out of logs and tracebacks."""
        return f"UserRequest(username={self.username!r}, ...)"


class UserChangeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to change of an account, one field or more. An empty password leaves it as it is."""

    password: str | msgspec.UnsetType = msgspec.UNSET
    dsp: bool | msgspec.UnsetType = msgspec.UNSET
    status: Status | msgspec.UnsetType = msgspec.UNSET
    role: Role | msgspec.UnsetType = msgspec.UNSET
    firstName: str | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    lastName: str | msgspec.UnsetType = msgspec.UNSET  # noqa: N815

    def __repr__(self) -> str:
        """Leave the password out of logs and tracebacks."""
        return "UserChangeRequest(...)"


@get(
    "/api/get_users",
    opt=access(MANAGE_USERS, "company"),
    operation_id="listUsers",
    summary="All accounts of the company",
)
async def all_users(
    request: ApiRequest,
    manage_users: NamedDependency[SkipValidation[ManageUsers]],
    if_none_match: IfNoneMatch = "",
) -> Response[UsersAnswer]:
    """Return every account of the caller's company, of all companies for a SuperAdmin, by role, then first name."""
    users = tuple(map(UserDetails.of, await manage_users.all(request.acting)))
    if wants_csv(request):
        return csv_table(rows_of(users, UserDetails), "users")
    return listed(UsersAnswer(users), if_none_match)


@get(
    "/api/users",
    opt={**access(MANAGE_USERS, "company"), "query": ("page", "per_page", "search", "role", "status")},
    operation_id="findUsers",
    summary="Accounts in pages",
)
async def find_users(  # noqa: PLR0913, PLR0917  what the query has
    request: ApiRequest,
    manage_users: NamedDependency[SkipValidation[ManageUsers]],
    page: PageNumber = "1",
    per_page: PageOf20 = "20",
    search: SearchText = "",
    role: OfRole = "",
    status: OfStatus = "",
    if_none_match: IfNoneMatch = "",
) -> Response[UsersPage]:
    """Return a page of the accounts with a part of the username, first or last name, a role and a status.

    What is empty is not asked for.
    """
    asked = asked_page(page, per_page, limit_name="per_page")
    wanted = asked_choice("status", status, STATUSES)
    query = UserQuery(
        search=asked_text("search", search),
        role=asked_choice("role", role, ROLES),
        active=None if wanted is None else wanted == "active",
    )
    users, total = await manage_users.page(request.acting, query, offset=asked.offset, limit=asked.limit)
    found = tuple(map(UserDetails.of, users))
    if wants_csv(request):
        return csv_table(rows_of(found, UserDetails), "users")
    return listed(UsersPage(found, asked.of(total)), if_none_match)


@post("/api/users", opt=access(MANAGE_USERS, "company"), operation_id="createUser", summary="Make an account")
async def create_user(
    request: ApiRequest,
    data: JSONBody[UserRequest],
    manage_users: NamedDependency[SkipValidation[ManageUsers]],
) -> UserAnswer:
    """Make an account: in the Admin's company, or in the one that a SuperAdmin names, which is made if need be."""
    new = NewUser(
        username=data.username,
        password=data.password,
        role=data.role,
        first_name=data.firstName,
        last_name=data.lastName,
        company_name=data.companyName or None,
        status=data.status,
        dsp=data.dsp,
    )
    user = await manage_users.create(request.acting, new)
    return UserAnswer("The user is created.", UserDetails.of(user))


@put(
    "/api/users/{user_id:str}",
    opt=access(MANAGE_USERS, "company"),
    operation_id="changeUser",
    summary="Change an account",
)
async def change_user(
    request: ApiRequest,
    user_id: PathId,
    data: JSONBody[UserChangeRequest],
    manage_users: NamedDependency[SkipValidation[ManageUsers]],
) -> UserAnswer:
    """Change an account. A new password or role, or being shut out, ends its sessions at once."""
    change = UserChange(
        role=data.role,
        status=data.status,
        dsp=data.dsp,
        first_name=data.firstName,
        last_name=data.lastName,
        password=data.password,
    )
    user = await manage_users.change(request.acting, path_id(user_id), change)
    return UserAnswer("The user is changed.", UserDetails.of(user))


@delete(
    "/api/users/{user_id:str}",
    opt=access(MANAGE_USERS, "company"),
    status_code=200,
    operation_id="deleteUser",
    summary="Delete an account",
)
async def delete_user(
    request: ApiRequest, user_id: PathId, manage_users: NamedDependency[SkipValidation[ManageUsers]]
) -> Message:
    """Delete an account: its sessions end, its name is free, its presets stay with the company's Admins."""
    await manage_users.delete(request.acting, path_id(user_id))
    return Message("The user is deleted.")
