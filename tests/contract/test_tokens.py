"""What every signer of tokens promises."""

from __future__ import annotations

import base64
import json
import tracemalloc
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.tokens import JwtTokens
from segmentation_core.ports import Tokens
from segmentation_core.sessions import LIFETIME, Session
from segmentation_core.users import User

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SESSION = Session("a-session", 7, created=NOON, seen=NOON)
ANA = User(7, "Ana", "User", "Demo")
OLD, NEW = "o" * 32, "n" * 32


@pytest.fixture(scope="module", params=[JwtTokens])
def tokens(request: pytest.FixtureRequest) -> Tokens:
    made: Tokens = request.param({"old": OLD, "new": NEW}, "c" * 32)
    return made


def forged(key: str = NEW, kid: str | None = "new", algorithm: str = "HS256", **changes: object) -> str:
    claims = {
        "user_id": 7, "username": "Ana", "company_name": "Demo", "role": "User", "dsp": False, "jti": "a-session",
        "iat": int(NOON.timestamp()), "exp": int((NOON + LIFETIME).timestamp()),
        "aud": "segmentation-api", "iss": "segmentation",
    }  # fmt: skip
    kept = {name: value for name, value in (claims | changes).items() if value is not ...}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid} if kid is not None else None)


def test_a_token_names_its_session_while_it_lasts(tokens: Tokens) -> None:
    token = tokens.sign(SESSION, ANA)
    assert tokens.session_id(token, NOON) == "a-session"
    assert tokens.session_id(token, NOON + LIFETIME - timedelta(seconds=1)) == "a-session"
    assert tokens.session_id(token, NOON + LIFETIME) is None
    assert tokens.session_id(token, NOON - timedelta(minutes=1)) is None


LONGEST = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=255, max_size=255)
WITHOUT_CONTROLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=255, max_size=255)


@given(username=LONGEST, company=LONGEST)
@example(username="\U0001f600" * 255, company="\U0001f600" * 255)
@example(username="\1" * 255, company="\1" * 255)
def test_a_token_names_its_session_however_long_the_names(tokens: Tokens, username: str, company: str) -> None:
    token = tokens.sign(SESSION, User(2**63 - 1, username, "SuperAdmin", company))
    assert tokens.session_id(token, NOON) == "a-session"


@given(username=WITHOUT_CONTROLS, company=WITHOUT_CONTROLS)
@example(username="\U0001f600" * 255, company="\U0001f600" * 255)
def test_a_token_is_short_enough_for_a_browser(tokens: Tokens, username: str, company: str) -> None:
    session = Session("s" * 43, 2**63 - 1, created=NOON, seen=NOON)
    token = tokens.sign(session, User(2**63 - 1, username, "SuperAdmin", company))
    assert len(f"token={token}") < 4_096


@pytest.mark.requirement(9)
def test_tokens_of_every_key_of_the_ring_are_read_and_the_newest_signs(tokens: Tokens) -> None:
    assert jwt.get_unverified_header(tokens.sign(SESSION, ANA))["kid"] == "new"
    assert tokens.session_id(forged(), NOON) == "a-session"
    assert tokens.session_id(forged(OLD, "old"), NOON) == "a-session"


@pytest.mark.parametrize(
    "token",
    [
        "", "x", "a.b.c", "ü", "x" * 100_000,
        forged(OLD, "new"),
        forged(NEW, "another"),
        forged(NEW, None),
        forged("x" * 32),
        forged(algorithm="HS512", key="n" * 64),
        forged(key="", algorithm="none"),
        forged(exp="1767297600"),
        forged(exp=2**70),
        forged(exp=int((NOON + LIFETIME).timestamp()) + 1),
        forged(exp=1767297600.0 + 0.5),
        forged(exp=...), forged(iat=...), forged(jti=...), forged(aud=...), forged(iss=...), forged(role=...),
        forged(iat=True), forged(jti=None), forged(jti=7), forged(aud=["segmentation-api"]), forged(aud="other"),
        forged(iss="other"), forged(user_id="7"), forged(dsp=None),
    ],
)  # fmt: skip
@pytest.mark.requirement(8)
def test_no_other_token_is_taken(tokens: Tokens, token: str) -> None:
    assert tokens.session_id(token, NOON) is None


@given(position=st.integers(0, 10_000), replacement=st.characters(max_codepoint=126, min_codepoint=33))
def test_no_changed_token_is_taken_for_another_session(tokens: Tokens, position: int, replacement: str) -> None:
    token = tokens.sign(SESSION, ANA)
    changed = token[: position % len(token)] + replacement + token[position % len(token) + 1 :]
    assert tokens.session_id(changed, NOON) in (None, "a-session")


@pytest.mark.parametrize("padding", ["=", "==", " ", "."])
@pytest.mark.requirement(10)
def test_a_token_is_taken_in_its_one_spelling_alone(tokens: Tokens, padding: str) -> None:
    token = tokens.sign(SESSION, ANA)
    assert tokens.session_id(token, NOON) == SESSION.id
    assert tokens.session_id(token + padding, NOON) is None


@pytest.mark.requirement(8)
def test_a_token_whose_claims_were_rewritten_is_not_taken(tokens: Tokens) -> None:
    head, body, mac = tokens.sign(SESSION, ANA).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    other = base64.urlsafe_b64encode(json.dumps(claims | {"jti": "another"}).encode()).decode().rstrip("=")
    assert tokens.session_id(f"{head}.{other}.{mac}", NOON) is None


@pytest.mark.requirement(15)
def test_a_csrf_token_is_fresh_and_its_sessions_alone(tokens: Tokens) -> None:
    one, two = tokens.csrf_token("a-session"), tokens.csrf_token("a-session")
    assert one != two
    assert tokens.is_csrf_token(one, "a-session")
    assert tokens.is_csrf_token(two, "a-session")
    assert not tokens.is_csrf_token(one, "another-session")


@given(st.text(max_size=80))
@pytest.mark.requirement(15, 17)
def test_no_invented_csrf_token_is_taken(tokens: Tokens, invented: str) -> None:
    assert not tokens.is_csrf_token(invented, "a-session")


def test_what_strangers_send_fills_no_memory(tokens: Tokens) -> None:
    """A header may have 32 kB: of as many tokens as are remembered that would come to more than 100 MB."""
    tracemalloc.start()
    try:
        for number in range(5_000):
            assert tokens.session_id(f"{number}.{'a' * 30_000}.b", NOON) is None
            assert not tokens.is_csrf_token(f"{number}.{'a' * 30_000}", SESSION.id)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 10_000_000
