"""What it takes to know who calls, and to say that something is not there."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from adapters.postgres.sessions import FIND
from segmentation_core.users import ALL_COMPANIES
from tests.security.stand import ELSEWHERE, Stand, standing
from tests.security.test_timing import area
from tests.security.wire import Headers, Wire

if TYPE_CHECKING:
    from tests.postgres import Server
    from tests.security.stand import Caller

PAIRS: Final = {"dev": 60, "ci": 300, "nightly": 3_000}
BAND: Final = {"dev": 0.25, "ci": 0.13, "nightly": 0.06}
"""How far from a half the area may be: more than three standard errors of so many pairs that are alike."""

MISSING: Final = 4_000_000_000

MANY_SESSIONS: Final = """
    WITH one AS (SELECT * FROM users WHERE id = %s), made AS (
        INSERT INTO users (username, folded_username, role, company_id, first_name, folded_first_name, last_name,
            folded_last_name, dsp, active, password_hash, created)
        SELECT 'many ' || n, 'many ' || n, role, company_id, first_name, folded_first_name, last_name,
            folded_last_name, dsp, active, password_hash, created
        FROM one, generate_series(1, 3000) AS n RETURNING id, company_id
    )
    INSERT INTO sessions (id, user_id, company_id, created, seen)
    SELECT 'session-' || id, id, company_id, now(), now() FROM made
"""


def sent(caller: Caller) -> Headers:
    return [(name.encode(), value.encode()) for name, value in caller.headers().items()]


@pytest.mark.requirement(21)
@pytest.mark.parametrize("path", ["/api/presets/{}", "/api/presets/{}/versions"])
def test_what_is_another_companys_and_what_is_not_there_take_as_long(stand: Stand, path: str, profile: str) -> None:
    foreign = stand.preset_of(stand.person(company=ELSEWHERE))
    headers = sent(stand.caller(stand.person("Admin")))
    count = PAIRS[profile]
    targets = [foreign, MISSING] * count
    random.Random(21).shuffle(targets)
    took: dict[int, list[float]] = {foreign: [], MISSING: []}
    said = set()
    with Wire(stand.address) as wire:
        for target in (foreign, MISSING) * 5:
            wire.send("GET", path.format(target).encode(), headers)  # so that both have been planned
        for target in targets:
            answer = wire.send("GET", path.format(target).encode(), headers)
            took[target].append(answer.seconds)
            said.add((answer.status, answer.body))
    assert {status for status, _ in said} == {404}
    assert len(said) == 1
    found = area(took[foreign], took[MISSING])
    print(f"area {found:.3f} of {count} pairs")
    assert abs(found - 0.5) <= BAND[profile]


def statements(log: str) -> list[str]:
    """Return what the server was told to do, one line each, but for mere beginning and ending."""
    told = re.findall(r"LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)", log)
    lines = [" ".join(one.split()) for one in told]
    return [line for line in lines if line not in {"", "BEGIN", "COMMIT"}]


@pytest.mark.requirement(11)
def test_who_calls_is_read_once_for_each_request_and_by_an_index(server: Server) -> None:
    database = server.database()
    with psycopg.connect(database.super_url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {database.name} SET log_statement = 'all'".encode())
    with standing(database) as stand:
        for user in (stand.person("Admin"), stand.person("SuperAdmin")):
            caller = stand.caller(user)
            assert caller.call("GET", "/api/auth/me").status_code == 200  # connections for that are opened by the first
            before = len(server.log())
            times = 5
            for _ in range(times):
                assert caller.call("GET", "/api/auth/me").status_code == 200
            told = statements(server.log()[before:])
            assert told == [told[0]] * times, told
            assert told[0].startswith("SELECT sessions.id AS session_id")
        with psycopg.connect(database.super_url, autocommit=True) as admin:
            admin.execute(MANY_SESSIONS.encode(), [stand.person().id])
            admin.execute("ANALYZE")
            asked = FIND.sql(ALL_COMPANIES, {})
            plan = admin.execute(b"EXPLAIN " + asked.encode(), {"ids": ["session-17"], "scope": None}).fetchall()
    shown = "\n".join(line for (line,) in plan)
    assert "sessions_pkey" in shown, shown
    assert re.search(r"Index Scan using \w+ on users", shown), shown
    assert not re.search("Seq Scan on (sessions|users)", shown), shown
    server.drop(database)
