"""Password hashes: bcrypt, over a digest so that no byte of a long password is lost; and the most common passwords.

bcrypt takes at most 72 bytes and raises for more. The password therefore goes through HMAC-SHA256 and base64 first
(OWASP Password Storage Cheat Sheet, "Pre-Hashing Passwords with bcrypt"), and the stored text names its scheme:
`v1:$2b$12$...`. Text without a scheme is a plain bcrypt hash of an older system.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

import bcrypt

from segmentation_core.errors import Overloaded
from segmentation_core.ports import Passwords
from segmentation_core.users import folded_password

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

COST: Final = 12
"""log2 of bcrypt's rounds; about a quarter of a second a hash."""

WAITING: Final = 16
"""How many stand in line for a hash: at half a second each, twice what is usual, the last of them is answered within
the deadline of a request. Whoever finds the line full is told so at once, and not after the deadline."""

_NICENESS: Final = 5
"""Of 0 to 19, the nicest: a third of the processor time of what is not nice."""

MOST_OF_AN_ACCOUNT: Final = 2
"""How many places one account has in the queue of those whom we know, waiting or being served."""

_SCHEME: Final = "v1:"
_DOMAIN: Final = b"segmentation password v1"
_MOST_BCRYPT_BYTES: Final = 72
_DIGEST_CHARACTERS: Final = 31
_LOWEST_COST: Final = 4
"""Of bcrypt."""


class BcryptPasswords(Passwords):
    """Hashes on threads of its own, so that the event loop goes on: `threads` for everybody, and one for the known.

    In either queue at most `waiting` requests stand in line.
    """

    def __init__(self, cost: int = COST, *, threads: int = 1, waiting: int = WAITING) -> None:
        """Keep the numbers; the threads start with the first password."""
        self._cost = cost
        self._everybodys = _Queue("passwords", threads, waiting)
        self._knowns = _Queue("passwords-known", 1, waiting)
        self._nobodys = _SCHEME + bcrypt.gensalt(cost).decode() + "." * _DIGEST_CHARACTERS

    async def hashed(self, password: str, *, by: int | None = None) -> str:
        return await self._knowns.run(lambda: _hash(password, self._cost), by)

    async def verify(self, password: str, password_hash: str | None, *, known: int | None = None) -> bool:
        queue = self._everybodys if known is None else self._knowns
        right = await queue.run(lambda: _is_hash_of(password_hash or self._nobodys, password, self._cost), known)
        return right and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        return not password_hash.startswith(_SCHEME) or _cost_of(password_hash) < self._cost

    def is_common(self, password: str) -> bool:
        return folded_password(password) in _common()


class _Queue:
    """Threads, and a line before them, in which no account has more than a few places."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._free = threads + waiting
        self._taken: Counter[int] = Counter()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=_yield_to_others)

    async def run(self, work: Callable[[], Result], account: int | None) -> Result:
        if account is None:
            return await self._run(work)
        if self._taken[account] >= MOST_OF_AN_ACCOUNT:
            msg = "Your account has other passwords to be checked; please try again in a moment."
            raise Overloaded(msg)
        self._taken[account] += 1
        try:
            return await self._run(work)
        finally:
            self._taken[account] -= 1
            if not self._taken[account]:
                del self._taken[account]

    async def _run(self, work: Callable[[], Result]) -> Result:
        if not self._free:
            msg = "Too many sign-ins at once; please try again in a moment."
            raise Overloaded(msg)
        self._free -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._free += 1


def _yield_to_others() -> None:
    """Let the event loop, and the database, run before this thread wherever they compete for a processor.

    On Linux alone a thread has a niceness of its own: setpriority(2), "C library/kernel differences".
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _hash(password: str, cost: int) -> str:
    return _SCHEME + bcrypt.hashpw(_digest(password), bcrypt.gensalt(cost)).decode()


def _is_hash_of(password_hash: str, password: str, cost: int) -> bool:
    """Tell whether it is, after as many rounds as a hash of `cost` takes.

    So an old hash does not show, even where the password is right and the account disabled. A hash of cost c takes 2^c
    rounds: with one more of each cost from c to `cost` - 1 that makes 2^`cost`.
    """
    if password_hash.startswith(_SCHEME):
        right = bcrypt.checkpw(_digest(password), password_hash.removeprefix(_SCHEME).encode())
    else:
        right = bcrypt.checkpw(password.encode()[:_MOST_BCRYPT_BYTES], password_hash.encode())
    for missing in range(max(_cost_of(password_hash), _LOWEST_COST), cost):
        bcrypt.hashpw(b"", bcrypt.gensalt(missing))
    return right


def _cost_of(password_hash: str) -> int:
    return int(password_hash.split("$")[2])


def _digest(password: str) -> bytes:
    return base64.b64encode(hmac.digest(_DOMAIN, password.encode(), hashlib.sha256))


@cache
def _common() -> frozenset[str]:
    """Return the 30,000 passwords that zxcvbn ranks first (Dropbox, from leaked ones), read when first asked for."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]  # noqa: PLC0415  large, and most commands set no password

    return frozenset(map(folded_password, FREQUENCY_LISTS["passwords"]))
