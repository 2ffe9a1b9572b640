"""One's own password: changing it, and resetting one that is forgotten."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation

from adapters.asked_resets import AskedResets
from entrypoints.http.access import access, public
from entrypoints.http.auth import session_cookies
from entrypoints.http.clients import client_of, require_own_page
from entrypoints.http.requests import LARGEST_PROOF, ApiRequest
from entrypoints.http.sign_in import Message
from entrypoints.settings import Settings
from segmentation_core.permissions import OWN_ACCOUNT
from segmentation_core.resets import AskedReset
from segmentation_core.usecases import ChangePassword, ResetPassword

NonEmpty = Annotated[str, msgspec.Meta(min_length=1)]


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The present password, and the one to come: 8 to 64 characters, not a common one, nothing else is asked of it."""

    current_password: NonEmpty
    new_password: NonEmpty

    def __repr__(self) -> str:
        """Leave the passwords out."""
        return "PasswordChange(...)"


class ForgottenPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose password is forgotten."""

    username: NonEmpty


class PasswordReset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of the mail, and the password to come."""

    token: NonEmpty
    new_password: NonEmpty

    def __repr__(self) -> str:
        """Leave the token and the password out."""
        return "PasswordReset(...)"


@post(
    "/api/auth/change-password",
    opt=access(OWN_ACCOUNT, "own"),
    status_code=200,
    request_max_body_size=LARGEST_PROOF,
    operation_id="changePassword",
    summary="Change one's own password",
)
async def change_password(
    request: ApiRequest,
    data: JSONBody[PasswordChange],
    change_password: NamedDependency[SkipValidation[ChangePassword]],
    settings: NamedDependency[SkipValidation[Settings]],
) -> Response[Message]:
    """Set a new password. Every session of the account ends; the caller's goes on with the cookies of a fresh one.

    No device that the user has signed in from is known any more but the caller's. The present password may be wrong
    10 times within 15 minutes.
    """
    signed = await change_password(request.acting, data.current_password, data.new_password)
    cookies = session_cookies(signed, secure=settings.secure_cookies)
    return Response(Message("Your password is changed."), cookies=cookies)


@post(
    "/api/auth/forgot-password",
    opt=public("Whoever has forgotten the password cannot sign in."),
    status_code=200,
    request_max_body_size=LARGEST_PROOF,
    operation_id="forgotPassword",
    summary="Ask for a mail to reset a password",
)
async def forgot_password(
    request: ApiRequest,
    data: JSONBody[ForgottenPassword],
    asked_resets: NamedDependency[SkipValidation[AskedResets]],
    settings: NamedDependency[SkipValidation[Settings]],
) -> Message:
    """Answer the same for every name, at once; the mail goes out later, if the name is an active account's address.

    It holds a token that is good for 30 minutes, and once. A name gets 3 mails within 15 minutes.
    """
    require_own_page(request, settings.cors_origins)
    client = client_of(request)
    asked_resets.add(AskedReset(data.username, client.address, client.request_id))
    return Message("If that is the mail address of an account, a mail is on its way to it.")


@post(
    "/api/auth/reset-password",
    opt=public("The token shows who may."),
    status_code=200,
    request_max_body_size=LARGEST_PROOF,
    operation_id="resetPassword",
    summary="Set a new password with the token of a mail",
)
async def reset_password(
    request: ApiRequest,
    data: JSONBody[PasswordReset],
    reset_password: NamedDependency[SkipValidation[ResetPassword]],
    settings: NamedDependency[SkipValidation[Settings]],
) -> Message:
    """Set a new password. Every session of the account ends; one signs in with it then."""
    require_own_page(request, settings.cors_origins)
    await reset_password(data.token, data.new_password, client_of(request))
    return Message("Your password is changed; please sign in with it.")
