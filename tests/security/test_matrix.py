"""Who may do what to whose: every operation of the OpenAPI document, for everybody, on everybody's things.

The tables say what the contract says. An operation or a cell that they do not have fails the test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.security.stand import ELSEWHERE, HERE, LISTS, SECRET, Operation, Stand
from tests.served import PASSWORD

if TYPE_CHECKING:
    import httpx

    from segmentation_core.users import Role, User

WHO: Final = ("anonymous", "User", "dsp User", "Manager", "Admin", "SuperAdmin")
WHOSE: Final = ("own", "colleague's", "other company's", "missing")

Row = tuple[int, int, int, int, int, int]

WITHOUT_OBJECT: Final[dict[str, Row]] = {
    "getStatus": (200, 200, 200, 200, 200, 200),
    "getHealth": (200, 200, 200, 200, 200, 200),
    "getReadiness": (200, 200, 200, 200, 200, 200),
    "getMetrics": (200, 200, 200, 200, 200, 200),
    "signIn": (200, 200, 200, 200, 200, 200),
    "signOut": (200, 200, 200, 200, 200, 200),
    "forgotPassword": (200, 200, 200, 200, 200, 200),
    "resetPassword": (200, 200, 200, 200, 200, 200),
    "changePassword": (401, 200, 200, 200, 200, 200),
    "whoAmI": (401, 200, 200, 200, 200, 200),
    "whoAmIFlat": (401, 200, 200, 200, 200, 200),
    "buildAudience": (401, 200, 200, 200, 200, 200),
    "sizeAudience": (401, 200, 200, 200, 200, 200),
    "facetAudience": (401, 200, 200, 200, 200, 200),
    "profileAudience": (401, 200, 200, 200, 200, 200),
    "overlapAudiences": (401, 200, 200, 200, 200, 200),
    "impactOfConditions": (401, 200, 200, 200, 200, 200),
    "explainAudience": (401, 200, 403, 200, 200, 200),
    "listPlatformProfiles": (401, 200, 200, 200, 200, 200),
    "getCatalog": (401, 200, 200, 200, 200, 200),
    "listUsers": (401, 403, 403, 403, 200, 200),
    "findUsers": (401, 403, 403, 403, 200, 200),
    "createUser": (401, 403, 403, 403, 201, 201),
    "createPreset": (401, 201, 201, 201, 201, 201),
    "findPresets": (401, 200, 200, 200, 200, 200),
    "listPresets": (401, 200, 200, 200, 200, 200),
    "readAudit": (401, 403, 403, 403, 200, 200),
}
"""A status for each of `WHO`."""

_NOT_SIGNED_IN: Final = (401, 401, 401, 401)
_READ: Final = {
    "anonymous": _NOT_SIGNED_IN,
    "User": (200, 404, 404, 404),
    "dsp User": (200, 404, 404, 404),
    "Manager": (200, 200, 404, 404),
    "Admin": (200, 200, 404, 404),
    "SuperAdmin": (200, 200, 200, 404),
}
_WRITTEN: Final = _READ | {"Manager": (200, 403, 404, 404)}
_NO_MANAGER: Final = (403, 403, 403, 403)

ON_OBJECTS: Final[dict[str, dict[str, tuple[int, int, int, int]]]] = {
    "getPreset": _READ,
    "listPresetVersions": _READ,
    "changePreset": _WRITTEN,
    "revertPreset": _WRITTEN,
    "deletePreset": _WRITTEN,
    "listPresetsOfUser": {who: _NOT_SIGNED_IN if who == "anonymous" else (200, 200, 200, 200) for who in WHO},
    "changeUser": {
        "anonymous": _NOT_SIGNED_IN,
        "User": _NO_MANAGER,
        "dsp User": _NO_MANAGER,
        "Manager": _NO_MANAGER,
        "Admin": (200, 200, 404, 404),
        "SuperAdmin": (200, 200, 200, 404),
    },
    "deleteUser": {
        "anonymous": _NOT_SIGNED_IN,
        "User": _NO_MANAGER,
        "dsp User": _NO_MANAGER,
        "Manager": _NO_MANAGER,
        "Admin": (400, 200, 404, 404),
        "SuperAdmin": (400, 200, 200, 404),
    },
}
"""For each of `WHO` a status for each of `WHOSE`."""

MISSING: Final = 4_000_000_000
OK: Final = 200

SHOWN: Final = {"getPreset", "listPresetVersions", "listPresetsOfUser", "changePreset", "revertPreset"}
"""What shows a preset's document, segment lists included, to all but dsp accounts."""


def person(stand: Stand, who: str) -> User | None:
    role: dict[str, Role] = {"User": "User", "dsp User": "User", "Manager": "Manager", "Admin": "Admin"}
    if who == "anonymous":
        return None
    return stand.person(role.get(who, "SuperAdmin"), dsp=who == "dsp User")


def object_of(stand: Stand, operation: Operation, user: User | None, whose: str) -> str:
    """Return what stands in the path: an id, or a name."""
    if whose == "missing":
        return "nobody-at-all" if "{username}" in operation.path else str(MISSING)
    owner = user or stand.person()
    if whose == "colleague's":
        owner = stand.person("SuperAdmin" if owner.role == "SuperAdmin" else "User")
    if whose == "other company's":
        owner = stand.person(company=ELSEWHERE)
    preset = stand.preset_of(owner)
    if "{username}" in operation.path:
        return owner.username
    return str(preset if "{preset_id}" in operation.path else owner.id)


def body_of(stand: Stand, name: str, operation: Operation, user: User | None) -> dict[str, object] | None:
    """Return a body that nothing but the caller's rank can be against."""
    body = operation.example
    if name == "signIn":
        body = {"username": stand.person().username, "password": PASSWORD}
    if name == "changePassword" and body:
        body |= {"current_password": PASSWORD}
    if name == "resetPassword" and body:
        body |= {"token": stand.reset_of(stand.person())}
    if name == "createUser" and body:
        body |= {"username": stand.fresh("made")}
        body |= {"companyName": HERE} if user and user.role == "SuperAdmin" else {}
    if name == "changeUser":
        body = {"firstName": "Another"}
    if name in {"createPreset", "changePreset"} and body:
        body |= {"preset_name": stand.fresh("named")}
    return body


def asked(stand: Stand, name: str, who: str, whose: str = "") -> tuple[User | None, httpx.Response]:
    """Send the request of a cell, everybody and everything in it being fresh."""
    operation = stand.operations()[name]
    user = person(stand, who)
    if user:
        stand.preset_of(user)
    caller = stand.caller(user)
    path = operation.path
    for parameter in operation.parameters("path"):
        path = path.replace(f"{{{parameter}}}", object_of(stand, operation, user, whose))
    return user, caller.call(operation.method, path, body_of(stand, name, operation, user))


@pytest.mark.requirement(20, 23)
def test_every_operation_has_its_cells_and_no_other(stand: Stand) -> None:
    operations = stand.operations()
    assert set(WITHOUT_OBJECT) | set(ON_OBJECTS) == set(operations)
    for name, operation in operations.items():
        assert (name in ON_OBJECTS) == bool(operation.parameters("path")), name
        assert operation.protected == (WITHOUT_OBJECT.get(name, (401,))[0] == 401), name
    assert all(tuple(row) == WHO for row in ON_OBJECTS.values())


@pytest.mark.requirement(20, 22)
@pytest.mark.parametrize("name", WITHOUT_OBJECT)
def test_who_may_do_what(stand: Stand, name: str) -> None:
    seen = {who: asked(stand, name, who)[1] for who in WHO}
    assert {who: answer.status_code for who, answer in seen.items()} == dict(
        zip(WHO, WITHOUT_OBJECT[name], strict=True)
    )
    for who, answer in seen.items():
        assert "$2b$" not in answer.text, who
        if who == "dsp User":
            assert LISTS not in answer.text


@pytest.mark.requirement(20, 21, 23)
@pytest.mark.parametrize("name", ON_OBJECTS)
def test_who_may_do_what_to_whose(stand: Stand, name: str) -> None:
    seen = {who: {whose: asked(stand, name, who, whose)[1] for whose in WHOSE} for who in WHO}
    assert {who: tuple(answer.status_code for answer in row.values()) for who, row in seen.items()} == ON_OBJECTS[name]
    for who, row in seen.items():
        foreign, missing = row["other company's"], row["missing"]
        if who != "SuperAdmin":
            assert foreign.content == missing.content, who
            assert SECRET not in foreign.text
        for whose, answer in row.items():
            if name in SHOWN and answer.status_code == OK and answer.json().get("count", 1):
                assert (LISTS in answer.text) == (who != "dsp User"), (who, whose)


@pytest.mark.requirement(20, 22)
@pytest.mark.parametrize("role", ["Manager", "Admin"])
def test_a_dsp_account_sees_no_lists_in_presets_of_colleagues_either(stand: Stand, role: Role) -> None:
    preset = stand.preset_of(stand.person())
    for dsp in (False, True):
        caller = stand.caller(stand.person(role, dsp=dsp))
        for path in (f"/api/presets/{preset}", f"/api/presets/{preset}/versions", "/api/presets?limit=100"):
            answer = caller.call("GET", path)
            assert answer.status_code == OK
            assert SECRET in answer.text
            assert (LISTS in answer.text) != dsp, (path, dsp)


@pytest.mark.requirement(16, 20)
def test_nothing_protected_is_done_without_the_whole_proof_of_a_session(stand: Stand) -> None:
    user, other = stand.person("SuperAdmin"), stand.caller(stand.person("SuperAdmin"))
    caller = stand.caller(user)
    without = {
        "no token": (401, {"Cookie": f"csrf_token={caller.csrf_token}"}),
        "no cookie": (401, {"Cookie": f"token={caller.token}"}),
        "no header": (401, {"X-CSRF-TOKEN": ""}),
        "another header": (403, {"X-CSRF-TOKEN": "another"}),
        "another session's": (
            403,
            {
                "Cookie": f"token={caller.token}; csrf_token={other.csrf_token}",
                "X-CSRF-TOKEN": other.csrf_token,
            },
        ),
    }
    for name, operation in stand.operations().items():
        if not operation.protected:
            continue
        path = operation.path
        for parameter in operation.parameters("path"):
            path = path.replace(f"{{{parameter}}}", "1")
        for how, (status, headers) in without.items():
            answer = caller.call(operation.method, path, operation.example, **headers)
            assert answer.status_code == status, (name, how)
            assert "set-cookie" not in answer.headers
