"""Three replicas on one database: guesses are counted, and sessions end, as if there were one."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import TYPE_CHECKING, Final

import pytest

from tests.security.stand import HERE, Stand, standing
from tests.security.wire import Answer, Wire
from tests.served import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from segmentation_core.users import User
    from tests.postgres import Server
    from tests.security.stand import Caller

REPLICAS: Final = 3
THREADS: Final = 6
GUESSES: Final = {"dev": 300, "ci": 10_000, "nightly": 10_000}
"""From one address; and as many from a thousand."""

HEARD_OF_A_NAME, HEARD_OF_AN_ADDRESS = 10, 100
EVENTS: Final = {"dev": 10, "ci": 200, "nightly": 1_000}


@pytest.fixture(scope="module")
def stand3(server: Server) -> Iterator[Stand]:
    database = server.database()
    with standing(database, REPLICAS, TRUSTED_PROXIES="127.0.0.1") as stand:
        yield stand
    server.drop(database)


def sign_in(wire: Wire, username: str, password: str, address: str, device: str = "") -> Answer:
    headers = [(b"Content-Type", b"application/json"), (b"X-Forwarded-For", address.encode())]
    headers += [(b"Cookie", f"device={device}".encode())] if device else []
    return wire.send(
        "POST", b"/api/auth/login", headers, json.dumps({"username": username, "password": password}).encode()
    )


def guess(stand: Stand, guesses: list[tuple[str, str]]) -> Counter[int]:
    """Let several guess at once on all replicas, each guess a name and an address; count the statuses."""
    seen: Counter[int] = Counter()
    pending = iter(guesses)

    def run(addresses: Iterator[str]) -> None:
        wires = {address: Wire(address) for address in stand.addresses}
        for name, address in pending:
            answer = sign_in(wires[next(addresses)], name, "not the password", address)
            assert (answer.status == 429) == ("retry-after" in answer.headers)
            seen[answer.status] += 1
        for wire in wires.values():
            wire.close()

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(run, cycle(stand.addresses)) for _ in range(THREADS)]:
            done.result()
    return seen


@pytest.mark.requirement(26, 40, 41, 43)
def test_of_all_guesses_from_one_address_a_hundred_are_heard(stand3: Stand, profile: str) -> None:
    names = [stand3.fresh("guessed") for _ in range(GUESSES[profile] // 5)]
    seen = guess(stand3, [(name, "203.0.113.7") for _ in range(5) for name in names])
    assert seen == {401: HEARD_OF_AN_ADDRESS, 429: GUESSES[profile] - HEARD_OF_AN_ADDRESS}


@pytest.mark.requirement(40, 41, 42, 43)
def test_of_guesses_from_a_thousand_addresses_ten_are_heard_and_the_user_signs_in(stand3: Stand, profile: str) -> None:
    user = stand3.person()
    known = stand3.caller(user)
    assert known.device
    count = GUESSES[profile]
    addresses = [f"198.51.{n // 250}.{n % 250}" for n in range(1_000)]
    guesses = [(user.username, addresses[n % 1_000]) for n in range(count)]
    tries = 100 if profile != "dev" else 10

    def signs_in() -> Counter[int]:
        seen: Counter[int] = Counter()
        for _, address in zip(range(tries), cycle(stand3.addresses), strict=False):
            with Wire(address) as wire:
                seen[sign_in(wire, user.username, PASSWORD, "192.0.2.1", known.device).status] += 1
        return seen

    with ThreadPoolExecutor(1) as pool:
        signed_in = pool.submit(signs_in)
        seen = guess(stand3, guesses)
    assert seen == {401: HEARD_OF_A_NAME, 429: count - HEARD_OF_A_NAME}
    assert signed_in.result()[200] >= tries * 0.99
    with Wire(stand3.address) as wire:
        assert sign_in(wire, user.username, PASSWORD, "192.0.2.2").status == 429


def _ends_by() -> dict[str, Callable[[Caller, Caller, User], int]]:
    """Return what ends a session: who does it, the session's own caller or an admin, and the status of doing so."""
    return {
        "signing out": lambda own, _, __: own.call("POST", "/api/auth/logout").status_code,
        "another role": lambda _, admin, user: admin.call("PUT", f"/api/users/{user.id}", {"role": "User"}).status_code,
        "shutting out": lambda _, admin, user: (
            admin.call("PUT", f"/api/users/{user.id}", {"status": "inactive"}).status_code
        ),
        "deletion": lambda _, admin, user: admin.call("DELETE", f"/api/users/{user.id}").status_code,
        "another password": lambda _, admin, user: (
            admin.call("PUT", f"/api/users/{user.id}", {"password": f"{PASSWORD}!"}).status_code
        ),
    }


@pytest.mark.requirement(10, 11)
@pytest.mark.parametrize("how", _ends_by())
def test_what_ends_a_session_on_one_replica_ends_it_on_all(stand3: Stand, how: str, profile: str) -> None:
    end = _ends_by()[how]
    admin = stand3.caller(stand3.person("Admin", HERE))
    for n in range(EVENTS[profile] // len(_ends_by())):
        user = stand3.person("Manager", HERE)
        caller = stand3.caller(user, n % REPLICAS)
        where = stand3.addresses[(n + 1) % REPLICAS]
        assert all(caller.at(address).call("GET", "/api/auth/me").status_code == 200 for address in stand3.addresses)
        assert end(caller.at(where), admin.at(where), user) == 200
        after = [caller.at(address).call("GET", "/api/auth/me").status_code for address in stand3.addresses]
        assert after == [401] * REPLICAS, (how, n)
