"""What sign-ins take, at the real cost of a hash: the same for every name, and nothing from whoever asks meanwhile."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest

from adapters.passwords import COST
from tests.security.stand import Stand, standing
from tests.security.wire import Answer, Wire
from tests.served import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Server

PAIRS: Final = {"dev": 6, "ci": 60, "nightly": 500}
BAND: Final = {"dev": 0.5, "ci": 0.18, "nightly": 0.06}
"""How far from a half the area may be: three standard errors of so many pairs that are alike, and a little."""

AT_ONCE: Final = 200
SLOWEST_HEALTH: Final = 0.1


@pytest.fixture(scope="module")
def dear(server: Server) -> Iterator[Stand]:
    """A service that hashes as one in production does."""
    database = server.database()
    with standing(database, TRUSTED_PROXIES="127.0.0.1", PASSWORD_COST=str(COST)) as stand:
        yield stand
    server.drop(database)


def sign_in(wire: Wire, username: str, password: str, number: int) -> Answer:
    """Sign in from an address of one's own, so that no limit but that of hashing is met."""
    address = f"198.51.{number // 250}.{number % 250}".encode()
    body = json.dumps({"username": username, "password": password}).encode()
    return wire.send(
        "POST", b"/api/auth/login", [(b"Content-Type", b"application/json"), (b"X-Forwarded-For", address)], body
    )


def area(ones: list[float], others: list[float]) -> float:
    """Return how often one is greater than another (the area under the ROC curve): a half where none can tell them."""
    return sum((one > other) + (one == other) / 2 for one in ones for other in others) / (len(ones) * len(others))


@pytest.mark.requirement(3, 4)
def test_known_unknown_and_disabled_names_cannot_be_told_apart(dear: Stand, profile: str) -> None:
    count, drawn = PAIRS[profile], random.Random(4)
    names = [("known", dear.person(active=n % 4 > 0).username) for n in range(count)]
    names += [("unknown", dear.fresh("user")) for _ in range(count)]
    drawn.shuffle(names)
    took: dict[str, list[float]] = {"known": [], "unknown": []}
    said = set()
    with Wire(dear.address) as wire:
        for number, (kind, name) in enumerate(names):
            answer = sign_in(wire, name, "not the password", number)
            took[kind].append(answer.seconds)
            told = {name for name in answer.headers if name not in {"date", "x-request-id"}}
            said.add((answer.status, answer.body, frozenset(told)))
    assert len(said) == 1, said
    print(f"area {area(took['known'], took['unknown']):.3f} of {count} pairs")
    assert abs(area(took["known"], took["unknown"]) - 0.5) <= BAND[profile]
    assert min(*took["known"], *took["unknown"]) > 0.05  # a hash was made for each


@pytest.mark.requirement(5, 51)
def test_health_is_told_at_once_while_two_hundred_sign_in(dear: Stand) -> None:
    users = [dear.person().username for _ in range(AT_ONCE)]
    waits: list[float] = []

    def one(number: int) -> int:
        with Wire(dear.address) as wire:
            answer = sign_in(wire, users[number], PASSWORD, 10_000 + number)
            assert (answer.status == 503) == ("retry-after" in answer.headers)
            return answer.status

    with ThreadPoolExecutor(AT_ONCE) as pool, Wire(dear.address) as wire:
        pending = [pool.submit(one, number) for number in range(AT_ONCE)]
        while not all(done.done() for done in pending):
            answer = wire.send("GET", b"/health", [])
            assert answer.status == 200
            waits.append(answer.seconds)
            time.sleep(0.005)
        seen = Counter(done.result() for done in pending)
    waits.sort()
    print(
        f"{dict(seen)}, /health {len(waits)} times: p99 {waits[int(len(waits) * 0.99)]:.4f} s, at most {waits[-1]:.4f} s"
    )
    assert set(seen) <= {200, 503}, seen
    assert seen[200] >= 4, seen  # all 17 for whom there is room, where nobody else needs the processors
    assert waits[int(len(waits) * 0.99)] < SLOWEST_HEALTH, (len(waits), waits[-10:])
