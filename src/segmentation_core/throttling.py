"""How often something may be tried: what is counted, under which keys, and how much of it is let through.

An attempt takes its place in every count before it is made, and gives it back where it did not fail. So of any number
of attempts at once, on any number of replicas, no more are let through than the limit says. An attempt that is refused
takes no place: whoever goes on trying does not prolong the wait, and nobody is shut out for longer than `WITHIN`.

A place counts the same whether its attempt failed or is under way. But what is under way will mostly be given back, so
whoever is refused because of it is told to try again soon, and not when it would end.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from segmentation_core.errors import Throttled
from segmentation_core.users import folded_name

if TYPE_CHECKING:
    from collections.abc import Sequence

WITHIN: Final = timedelta(minutes=15)
"""How long an attempt counts."""

UNDER_WAY: Final = timedelta(seconds=30)
"""How long an attempt may be under way: longer than the deadline of its request. After it, it counts as failed."""

SOON: Final = timedelta(seconds=2)
"""When to try again after attempts that are under way: some hashes of a password later."""

MOST_PER_NAME: Final = 10
"""Failed sign-ins with one typed name, whether anybody has it or not, from devices that nobody knows."""

MOST_PER_ADDRESS: Final = 100
"""Failed sign-ins from one address, from devices that nobody knows."""

MOST_PER_DEVICE: Final = 10
"""Failed sign-ins from a device that the user has signed in from before."""

MOST_PER_DEVICES: Final = 30
"""Failed sign-ins from all such devices of a user together: one or two stolen ones keep no other from signing in."""

MOST_PER_PASSWORD_CHANGE: Final = 10
"""Wrong present passwords of one account that is signed in."""

MOST_RESETS_PER_NAME: Final = 3
MOST_RESETS_PER_ADDRESS: Final = 20
"""Mails that are asked for; each counts, since none of them fails in the sight of who asks."""


class Limit(msgspec.Struct, frozen=True):
    """At most so many under a key. A key is a kind and a digest, and never what somebody typed."""

    key: str
    most: int


class Taken(msgspec.Struct, frozen=True):
    """The places that an attempt has taken, by the ids that the store gave them."""

    ids: tuple[int, ...]


class Refused(msgspec.Struct, frozen=True):
    """No place is free; one will be after so long, or may be, where it is taken by what is `under_way`."""

    retry_after: timedelta
    under_way: bool = False

    @classmethod
    def until(cls, ends: Sequence[timedelta | None]) -> Refused:
        """Return the refusal by full keys, of each when its failures leave room: None where they leave it now."""
        waits = [end for end in ends if end is not None]
        return cls(max(waits, default=SOON), under_way=not waits)


def of_name(name: str) -> Limit:
    """Return the limit on failed sign-ins with a typed name."""
    return Limit(_key("name", folded_name(name)), MOST_PER_NAME)


def of_address(address: str) -> Limit:
    """Return the limit on failed sign-ins from an address: of an IPv6 one, its /64."""
    return Limit(_key("address", address), MOST_PER_ADDRESS)


def of_device(user_id: int, device_id: str) -> Limit:
    """Return the limit on failed sign-ins of a user from a device that is known."""
    return Limit(_key("device", f"{user_id} {device_id}"), MOST_PER_DEVICE)


def of_devices(user_id: int, generation: int) -> Limit:
    """Return the limit on failed sign-ins of a user from all known devices, each of them of one generation."""
    return Limit(_key("devices", f"{user_id} {generation}"), MOST_PER_DEVICES)


def of_password_change(user_id: int) -> Limit:
    """Return the limit on wrong present passwords of an account."""
    return Limit(_key("password change", str(user_id)), MOST_PER_PASSWORD_CHANGE)


def of_resets(name: str, address: str) -> tuple[Limit, Limit]:
    """Return the limits on asking for mails: for a typed name, and from an address."""
    return (
        Limit(_key("reset of name", folded_name(name)), MOST_RESETS_PER_NAME),
        Limit(_key("reset from address", address), MOST_RESETS_PER_ADDRESS),
    )


def require_taken(outcome: Taken | Refused) -> Taken:
    """Return the places that were taken. Raises Throttled where none was free."""
    if isinstance(outcome, Refused):
        raise Throttled(outcome.retry_after, under_way=outcome.under_way)
    return outcome


def _key(kind: str, text: str) -> str:
    return f"{kind} {hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
