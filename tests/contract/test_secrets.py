"""What every source of secrets promises."""

from __future__ import annotations

import re

import pytest

from adapters.clock import SystemSecrets
from segmentation_core.ports import Secrets

SOURCES = pytest.mark.parametrize("secrets", [SystemSecrets()], ids=["system"])


@SOURCES
@pytest.mark.requirement(7)
def test_a_token_is_fit_for_urls_and_cookies_and_has_128_bits(secrets: Secrets) -> None:
    for _ in range(1_000):
        token = secrets.token()
        assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
        assert len(token) * 6 >= 128


@SOURCES
@pytest.mark.requirement(7)
def test_no_two_tokens_share_what_could_be_guessed(secrets: Secrets) -> None:
    tokens = [secrets.token() for _ in range(10_000)]
    assert len(set(tokens)) == len({token[:8] for token in tokens}) == len({token[-8:] for token in tokens}) == 10_000
    *whole, last = zip(*tokens, strict=True)
    for place in whole:
        assert len(set(place)) == 64, "every character of every place is drawn"
    assert len(set(last)) in {4, 16, 64}, "of the last place as many as there are bits left for it"
