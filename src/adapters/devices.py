"""What a device is known by: a cookie signed by us, which nothing else has to remember.

It is `v2.user.generation.device.issued.mac`: of one generation of the user's password, so that another password makes
it worthless. It only gives a sign-in a count and a queue of its own: whoever has it still needs the password.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final

from segmentation_core.ports import Devices
from segmentation_core.sessions import DEVICE_LIFETIME

_SCHEME: Final = "v2"
_LABEL: Final = b"segmentation device cookie v2"
_LONGEST: Final = 512
"""In characters; what we sign is far shorter."""


class SignedDevices(Devices):
    """Signs with a key of its own, made from the CSRF key: HMAC under a label, as in NIST SP 800-108."""

    def __init__(self, csrf_key: str) -> None:
        self._key = hmac.digest(csrf_key.encode(), _LABEL, hashlib.sha256)

    def sign(self, user_id: int, generation: int, device_id: str, at: datetime) -> str:
        said = f"{_SCHEME}.{user_id}.{generation}.{device_id}.{int(at.timestamp())}"
        return f"{said}.{self._mac(said)}"

    def device_id(self, signed: str | None, user_id: int, generation: int, now: datetime) -> str | None:
        if not signed or len(signed) > _LONGEST:
            return None
        said, _, mac = signed.rpartition(".")
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(said).encode()):
            return None
        _, owner, of_password, device_id, issued = said.split(".")
        is_old = now - datetime.fromtimestamp(int(issued), UTC) >= DEVICE_LIFETIME
        return None if is_old or (int(owner), int(of_password)) != (user_id, generation) else device_id

    def _mac(self, said: str) -> str:
        return hmac.new(self._key, said.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
