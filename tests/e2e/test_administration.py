"""The commands of an operator, as processes over an embedded database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from secrets import token_urlsafe
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from tests.served import COMMAND, PASSWORD, Browser, data_folder, environ_of, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder


def run(data: Path, *arguments: str, text: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environ_of(data) | environ,
    )


def test_the_schema_is_applied_once_and_the_status_tells_so() -> None:
    with data_folder() as fresh:
        assert "not made yet" in run(fresh, "db", "status").stdout
        first, second = (json.loads(run(fresh, "db", "migrate", "--json").stdout) for _ in range(2))
        assert first["applied"] == first["migrations"] == second["migrations"]
        assert second["applied"] == []
        status = json.loads(run(fresh, "db", "status", "--json").stdout)["embedded"]
        assert (status["running"], status["version"]) == (False, "18")
        assert json.loads(run(fresh, "db", "stop", "--json").stdout) == {"stopped": True}
        assert "is deleted" in run(fresh, "db", "reset").stdout
        assert "not made yet" in run(fresh, "db", "status").stdout


def test_accounts_made_at_the_machine_sign_in(data: Path) -> None:
    made = run(data, "users", "create", "--username", "Ops", "--role", "SuperAdmin", text=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("Ops is there: SuperAdmin")
    with serving(data=data) as (address, _):
        browser = Browser(address)
        assert browser.sign_in("ops").status_code == 200
        changed = run(data, "users", "set-password", "ops", text="another password")
        assert changed.returncode == 0, changed.stderr
        assert browser.get("/api/auth/me").status_code == 401
        assert browser.sign_in("ops", "another password").status_code == 200


@pytest.mark.parametrize(
    ("arguments", "text", "told"),
    [
        (("users", "create", "--username", "a", "--role", "User"), PASSWORD, "--company"),
        (("users", "create", "--username", "a", "--role", "User", "--company", "C"), "short", "8 to 64"),
        (("users", "set-password", "nobody"), PASSWORD, "no user 'nobody'"),
        (("audit", "verify", "--head", "/nowhere/at/all"), "", "/nowhere/at/all: cannot be read"),
    ],
)
def test_what_an_operator_got_wrong_is_told_with_its_place(
    data: Path, arguments: tuple[str, ...], text: str, told: str
) -> None:
    ran = run(data, *arguments, text=text)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert told in ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_a_database_both_ways_to_one_are_named(data: Path) -> None:
    keys = {
        "SEGMENTATION_TOKEN_KEYS": f"a:{token_urlsafe(32)}",
        "SEGMENTATION_CSRF_KEY": token_urlsafe(32),
        "SEGMENTATION_AUDIT_KEY": token_urlsafe(32),
        "SEGMENTATION_HOSTS": "api.a.test",
        "SEGMENTATION_CORS_ORIGINS": "https://a.test",
    }
    served = ("serve", "--catalog", "src/entrypoints/demo/catalog.json", "--data", "src/entrypoints/demo/customers.csv")
    ran = run(data, *served, **keys)
    assert ran.returncode == 1
    assert "SEGMENTATION_DATABASE_URL" in ran.stderr
    assert "serve --demo" in ran.stderr


def test_the_embedded_commands_leave_a_named_database_alone(data: Path) -> None:
    for command in ("stop", "reset"):
        ran = run(data, "db", command, SEGMENTATION_DATABASE_URL="postgresql:///elsewhere")
        assert ran.returncode == 1
        assert "SEGMENTATION_DATABASE_URL: names a database" in ran.stderr


EDITED = "UPDATE audit_records SET actor = 'nobody' WHERE number = 2"
CUT = "DELETE FROM audit_records WHERE number = 3"
PUT_BACK = """
    DELETE FROM audit_records;
    INSERT INTO audit_records (company_id, number, action, actor_id, actor, subject, at, before, after, request_id, seal)
        SELECT company_id, number, action, actor_id, actor, subject, at, before, after, request_id, seal FROM kept;
    UPDATE audit_heads SET (number, seal) = (SELECT number, seal FROM head);
    DROP TABLE kept, head;
"""
HEAD_MOVED_BACK = "UPDATE audit_heads SET (number, seal) = (SELECT number, seal FROM audit_records WHERE number = 2)"


def test_an_audit_trail_that_was_tampered_with_is_found_out(tmp_path: Path) -> None:
    with data_folder() as fresh:
        for name in ("one", "two", "three"):
            run(fresh, "users", "create", "--username", name, "--role", "SuperAdmin", text=PASSWORD)
        heads = tmp_path / "heads.json"
        heads.write_text(run(fresh, "audit", "verify", "--json").stdout, "utf-8")
        assert [head["number"] for head in json.loads(heads.read_text("utf-8"))["heads"]] == [3]
        against = ("--head", str(heads))
        whole = run(fresh, "audit", "verify", *against)
        assert (whole.returncode, whole.stdout) == (0, "3 records in 1 chains: whole.\n")
        server = EmbeddedPostgres(fresh)
        server.start()
        try:
            for tampering, alone, with_export in (
                (EDITED, "record 2: does not have the seal", "record 2: does not have the seal"),
                (
                    "DELETE FROM audit_records WHERE number = 2",
                    "record 3: does not follow",
                    "record 3: does not follow",
                ),
                (
                    CUT,
                    "ends after record 2, and its head is at record 3",
                    "ends after record 2; expected record 3, as was exported",
                ),
                (
                    f"{CUT}; {HEAD_MOVED_BACK}",
                    "2 records in 1 chains: whole.",
                    "ends after record 2; expected record 3, as was",
                ),
            ):
                with psycopg.connect(server.url("super"), autocommit=True) as connection:
                    connection.execute(
                        "CREATE TABLE kept AS TABLE audit_records; CREATE TABLE head AS TABLE audit_heads"
                    )
                    connection.execute(tampering.encode())
                    ran = run(fresh, "audit", "verify")
                    assert (ran.returncode, alone in ran.stdout) == (int("whole" not in alone), True), ran.stdout
                    ran = run(fresh, "audit", "verify", *against)
                    assert (ran.returncode, with_export in ran.stdout) == (1, True), ran.stdout
                    connection.execute(PUT_BACK)
        finally:
            server.release()


def test_no_demo_is_served_in_production(tmp_path: Path) -> None:
    ran = run(tmp_path / "data", "serve", "--demo", "--port", "0", SEGMENTATION_ENVIRONMENT="production")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "SEGMENTATION_ENVIRONMENT: has no demo" in ran.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.requirement(52)
def test_what_was_saved_is_there_after_the_service_was_killed() -> None:
    with data_folder() as fresh:
        environ = environ_of(fresh) | {"SEGMENTATION_DEMO_PASSWORD": PASSWORD}
        process = subprocess.Popen(
            [COMMAND, "serve", "--demo", "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ,
        )
        assert process.stdout
        address = next(line.split()[-1] for line in process.stdout if "http://" in line)
        browser = Browser(address)
        browser.sign_in("analyst")
        saved = browser.post("/api/presets", {"preset_name": "kept", "preset_filter_json": {"audienceFilters": {}}})
        assert saved.status_code == 201
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        with serving(data=fresh) as (again, _):
            browser = Browser(again)
            browser.sign_in("analyst")
            assert [preset["preset_name"] for preset in browser.get("/api/presets").json()["presets"]] == ["kept"]


@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.5])
def test_a_service_told_to_end_while_it_starts_leaves_no_database_running(seconds: float) -> None:
    with data_folder() as fresh:
        process = subprocess.Popen(
            [COMMAND, "serve", "--demo", "--port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environ_of(fresh),
        )
        time.sleep(seconds)
        process.terminate()
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors, errors
        assert not EmbeddedPostgres(fresh).status().running
