"""What is shown of a value that holds a secret, as in a traceback or a log: never the secret."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

import adapters
import entrypoints
import segmentation_core

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRETS: Final = {
    "password",
    "current_password",
    "new_password",
    "password_hash",
    "token",
    "csrf_token",
    "device",
}
"""Fields that hold what nobody else may know."""


def _import_all() -> None:
    for package in (segmentation_core, adapters, entrypoints):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def _structs(kind: type[msgspec.Struct] = msgspec.Struct) -> Iterator[type[msgspec.Struct]]:
    for below in kind.__subclasses__():
        if below.__module__.startswith(("segmentation_core.", "adapters.", "entrypoints.")):
            yield below
        yield from _structs(below)


def _with_secrets() -> list[type[msgspec.Struct]]:
    _import_all()
    found = {shape.__name__: shape for shape in _structs() if SECRETS & {*shape.__struct_fields__}}
    return [found[name] for name in sorted(found)]


@pytest.mark.requirement(48)
@pytest.mark.parametrize("shape", _with_secrets())
def test_what_holds_a_secret_does_not_show_it(shape: type[msgspec.Struct]) -> None:
    hidden = {name: f"hidden {name}" for name in shape.__struct_fields__}
    shown = f"{shape(**hidden)!r} {shape(**hidden)}"
    assert not [name for name in SECRETS if f"hidden {name}" in shown], shown


@pytest.mark.requirement(48)
def test_every_request_that_carries_a_secret_is_among_them() -> None:
    requests = {shape.__name__ for shape in _with_secrets() if shape.__module__.startswith("entrypoints.http")}
    assert requests == {"Credentials", "PasswordChange", "PasswordReset", "UserRequest", "UserChangeRequest"}
