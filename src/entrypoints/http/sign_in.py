"""Signing in and out, and who one is."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from entrypoints.http.access import access, public
from entrypoints.http.auth import SIGN_IN_PATH, TOKEN, cleared_cookies, one_cookie, session_cookies
from entrypoints.http.clients import client_of, require_own_page
from entrypoints.http.headers import request_id
from entrypoints.http.requests import LARGEST_PROOF, ApiRequest
from entrypoints.settings import Settings
from segmentation_core.errors import NotSignedIn
from segmentation_core.permissions import OWN_ACCOUNT
from segmentation_core.usecases import SignIn, SignOut
from segmentation_core.users import Role, User

NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one signs in with."""

    username: NonEmpty
    password: NonEmpty

    def __repr__(self) -> str:
        """Leave the password out."""
        return f"Credentials({self.username!r})"


class UserSummary(msgspec.Struct, frozen=True):
    """The account that is signed in."""

    id: int
    username: str
    role: Role
    first_name: str
    last_name: str
    company_name: str | None
    dsp: bool

    @classmethod
    def of(cls, user: User) -> UserSummary:
        """Return what a client is told of a user."""
        return msgspec.convert(user, cls, from_attributes=True)


class SignInAnswer(msgspec.Struct, frozen=True):
    """The answer to a sign-in; the session itself is in the cookies."""

    message: str
    user: UserSummary


class Message(msgspec.Struct, frozen=True):
    """A sentence for people."""

    message: str


class ProtectedAnswer(msgspec.Struct, frozen=True):
    """Who one is, as the existing frontend reads it."""

    message: str
    user_id: int
    user_name: str
    company_name: str | None
    role: Role
    dsp: bool


class MeAnswer(msgspec.Struct, frozen=True):
    """Who one is."""

    user: UserSummary


@post(
    SIGN_IN_PATH,
    opt=public("One has no session before."),
    status_code=200,
    request_max_body_size=LARGEST_PROOF,
    operation_id="signIn",
    summary="Sign in",
)
async def login(
    request: ApiRequest,
    data: JSONBody[Credentials],
    sign_in: NamedDependency[SkipValidation[SignIn]],
    sign_out: NamedDependency[SkipValidation[SignOut]],
    settings: NamedDependency[SkipValidation[Settings]],
) -> Response[SignInAnswer]:
    """Begin a session of 8 hours, carried by the cookies `token` and `csrf_token`.

    Only failed sign-ins are limited: 10 for one name, known or not, and 100 from one address within 15 minutes. A
    device from which the user has signed in before has a count of its own; the cookie `device` shows that it is one.
    A session that the browser still has ends.
    """
    require_own_page(request, settings.cors_origins)
    user, signed = await sign_in(data.username, data.password, client_of(request))
    with suppress(NotSignedIn):  # a token sent twice is none
        await sign_out(one_cookie(request.headers, TOKEN), request_id(request.scope))
    answer = SignInAnswer("You are signed in.", UserSummary.of(user))
    return Response(answer, cookies=session_cookies(signed, secure=settings.secure_cookies))


@post(
    "/api/auth/logout",
    opt=public("Whoever has no session is signed out already."),
    status_code=200,
    operation_id="signOut",
    summary="Sign out",
)
async def logout(
    request: ApiRequest,
    sign_out: NamedDependency[SkipValidation[SignOut]],
    settings: NamedDependency[SkipValidation[Settings]],
) -> Response[Message]:
    """End the session, where there is one, and clear its cookies."""
    require_own_page(request, settings.cors_origins)
    with suppress(NotSignedIn):  # a token sent twice is none, but its cookies are cleared all the same
        await sign_out(one_cookie(request.headers, TOKEN), request_id(request.scope))
    return Response(Message("You are signed out."), cookies=cleared_cookies(secure=settings.secure_cookies))


@get(
    "/api/auth/protected",
    opt=access(OWN_ACCOUNT, "own"),
    operation_id="whoAmIFlat",
    summary="Who is signed in, in one flat object",
)
async def protected(request: ApiRequest) -> ProtectedAnswer:
    """Tell the account that the session belongs to."""
    user = request.user
    return ProtectedAnswer("You are signed in.", user.id, user.username, user.company_name, user.role, user.dsp)


@get("/api/auth/me", opt=access(OWN_ACCOUNT, "own"), operation_id="whoAmI", summary="Who is signed in")
async def me(request: ApiRequest) -> MeAnswer:
    """Tell the account that the session belongs to."""
    return MeAnswer(UserSummary.of(request.user))
