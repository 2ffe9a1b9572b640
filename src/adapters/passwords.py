"""Password hashes: bcrypt, over a digest so that no byte of a long password is lost.

bcrypt takes at most 72 bytes and raises for more. The password therefore goes through HMAC-SHA256 and base64 first
(OWASP Password Storage Cheat Sheet, "Pre-Hashing Passwords with bcrypt"), and the stored text names its scheme:
`v1:$2b$12$...`. Text without a scheme is a plain bcrypt hash of an older system.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

import bcrypt

from segmentation_core.errors import Overloaded
from segmentation_core.ports import Passwords

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

COST: Final = 12
"""log2 of bcrypt's rounds; about a quarter of a second a hash."""

_SCHEME: Final = "v1:"
_DOMAIN: Final = b"segmentation password v1"
_MOST_BCRYPT_BYTES: Final = 72
_DIGEST_CHARACTERS: Final = 31


class BcryptPasswords(Passwords):
    """Hashes on threads of its own, so that the event loop goes on; at most `waiting` requests stand in line."""

    def __init__(self, cost: int = COST, *, threads: int = 2, waiting: int = 64) -> None:
        """Keep the numbers; the threads start with the first password."""
        self._cost = cost
        self._free = threads + waiting
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._nobodys = _SCHEME + bcrypt.gensalt(cost).decode() + "." * _DIGEST_CHARACTERS

    async def hashed(self, password: str) -> str:
        return await self._off_loop(lambda: _hash(password, self._cost))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        right = await self._off_loop(lambda: _is_hash_of(password_hash or self._nobodys, password))
        return right and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        return not password_hash.startswith(_SCHEME) or int(password_hash.split("$")[2]) < self._cost

    async def _off_loop(self, work: Callable[[], Result]) -> Result:
        if not self._free:
            msg = "Too many sign-ins at once; please try again in a moment."
            raise Overloaded(msg)
        self._free -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._free += 1


def _hash(password: str, cost: int) -> str:
    return _SCHEME + bcrypt.hashpw(_digest(password), bcrypt.gensalt(cost)).decode()


def _is_hash_of(password_hash: str, password: str) -> bool:
    if password_hash.startswith(_SCHEME):
        return bcrypt.checkpw(_digest(password), password_hash.removeprefix(_SCHEME).encode())
    return bcrypt.checkpw(password.encode()[:_MOST_BCRYPT_BYTES], password_hash.encode())


def _digest(password: str) -> bytes:
    return base64.b64encode(hmac.digest(_DOMAIN, password.encode(), hashlib.sha256))
