"""Tokens and cookies that are not quite a session's: none is accepted, and none breaks anything."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final

import pytest
from msgspec.structs import replace

from tests.security.proofs import RING, Proofs, signed
from tests.security.wire import Answer, Wire

if TYPE_CHECKING:
    from segmentation_core.ports import Stores
    from segmentation_core.users import User
    from tests.security.stand import Stand

COUNT: Final = {"dev": 1_000, "ci": 5_000, "nightly": 25_000}


@pytest.fixture(scope="module")
def proofs(stand: Stand) -> Proofs:
    user = stand.person()
    mine, other, ended = (stand.caller(one) for one in (user, user, stand.person()))
    assert ended.call("POST", "/api/auth/logout").status_code == 200
    return Proofs(mine, other, ended)


def refused(answer: Answer) -> bool:
    if answer.by_the_parser:
        return True
    told = answer.status in {401, 403} and json.loads(answer.body)["status"] == answer.status
    return told and "set-cookie" not in answer.headers


@pytest.mark.requirement(8, 9, 10, 13, 15, 16, 17)
def test_no_mutated_proof_of_a_session_is_accepted(stand: Stand, proofs: Proofs, profile: str) -> None:
    mutations = [*proofs.made()]
    mutations += islice(proofs.drawn(random.Random(5)), max(0, COUNT[profile] - len(mutations)))
    pending, accepted = iter(mutations), []

    def run() -> None:
        with Wire(stand.address) as wire:
            for name, headers in pending:
                answer = wire.send("GET", b"/api/auth/me", headers)
                if not refused(answer):
                    accepted.append((name, answer))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(run) for _ in range(4)]:
            done.result()
    assert not accepted, accepted[:20]
    assert len(mutations) >= COUNT[profile]
    with Wire(stand.address) as wire:
        assert wire.send("GET", b"/api/auth/me", proofs.sent()).status == 200
        assert wire.send("GET", b"/api/auth/me", proofs.true_key()).status == 200


@pytest.mark.requirement(9)
def test_a_token_of_an_older_key_of_the_ring_is_accepted(stand: Stand, proofs: Proofs) -> None:
    older = signed({**proofs.header, "kid": "old"}, proofs.claims, RING["old"])
    with Wire(stand.address) as wire:
        assert wire.send("GET", b"/api/auth/me", proofs.sent(older)).status == 200


@pytest.mark.requirement(10, 11)
def test_a_session_whose_user_was_shut_out_or_deleted_is_no_more(stand: Stand) -> None:
    for gone in (True, False):
        user = stand.person()
        caller = stand.caller(user)
        assert caller.call("GET", "/api/auth/me").status_code == 200

        async def ends(stores: Stores, user: User = user, *, gone: bool = gone) -> None:
            if gone:
                await stores.users.delete(user.id)
            else:
                await stores.users.change(replace(user, active=False))

        stand.do(ends)
        assert caller.call("GET", "/api/auth/me").status_code == 401
