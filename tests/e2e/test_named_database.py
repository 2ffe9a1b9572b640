"""The commands over a database that the environment names."""

from __future__ import annotations

import json
import time
from secrets import token_urlsafe
from typing import TYPE_CHECKING

import pytest

from adapters.postgres import APP_VARIABLE, OWNER_VARIABLE
from adapters.postgres.embedded import EmbeddedPostgres
from entrypoints.database import AUDIT_KEY
from tests.e2e.test_administration import run
from tests.served import PASSWORD, data_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = {AUDIT_KEY: "schlüssel " + token_urlsafe(32)}
CREATE = ("users", "create", "--username", "ops", "--role", "SuperAdmin")


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """Give a server whose roles have passwords."""
    with data_folder() as folder:
        assert run(folder, "db", "migrate").returncode == 0
        running = EmbeddedPostgres(folder)
        running.start()
        yield running
        running.release()


def test_the_owners_url_alone_names_the_database_for_the_migrations(server: EmbeddedPostgres, tmp_path: Path) -> None:
    data, owner = tmp_path / "data", {OWNER_VARIABLE: server.url("owner")}
    ran = run(data, "db", "migrate", "--json", **owner)
    assert (ran.returncode, json.loads(ran.stdout)["applied"]) == (0, []), ran.stderr
    assert "A database of its own" in run(data, "db", "status", **owner).stdout
    ran = run(data, *CREATE, text=PASSWORD, **owner, **KEY)
    assert (ran.returncode, ran.stderr.split(";")[0]) == (1, f"{APP_VARIABLE}: is not set")
    assert not data.exists()


def test_records_of_a_named_database_are_sealed_by_the_given_key_and_no_other(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    data, app = tmp_path / "data", {APP_VARIABLE: server.url("app")}
    for command in (CREATE, ("users", "set-password", "ops"), ("audit", "verify")):
        ran = run(data, *command, text=PASSWORD, **app)
        assert (ran.returncode, ran.stderr.split(";")[0]) == (1, f"{AUDIT_KEY}: is not set")
    assert run(data, *CREATE, text=f"\ufeff{PASSWORD}\r\n", **app, **KEY).returncode == 0
    assert run(data, "audit", "verify", **app, **KEY).stdout == "1 records in 1 chains: whole.\n"
    ran = run(data, "audit", "verify", **app, **{AUDIT_KEY: token_urlsafe(32)})
    assert ran.returncode == 1
    assert "does not have the seal" in ran.stdout
    assert not data.exists()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("host", "resolve|translate|not known|service"),
        ("password", "password authentication failed"),
        ("database", "nowhere"),
    ],
)
def test_what_keeps_from_connecting_is_told_in_one_line_and_in_time(
    server: EmbeddedPostgres, tmp_path: Path, wrong: str, told: str
) -> None:
    def broken(url: str) -> str:
        secret = url.split(":")[2].split("@", maxsplit=1)[0]
        return {
            "host": f"postgresql://app:{secret}@nowhere.invalid/segmentation",
            "password": url.replace(secret, "wr0ng" + secret[5:]),
            "database": url.replace("@/segmentation", "@/nowhere"),
        }[wrong]

    app, owner = broken(server.url("app")), broken(server.url("owner"))
    for variable, url, command in (
        (APP_VARIABLE, app, CREATE),
        (OWNER_VARIABLE, owner, ("db", "migrate")),
        (OWNER_VARIABLE, owner, ("db", "status")),
    ):
        began = time.monotonic()
        ran = run(tmp_path, *command, text=PASSWORD, **{variable: url}, **KEY)
        assert time.monotonic() - began < 8
        assert (ran.returncode, ran.stdout) == (1, "")
        (line,) = ran.stderr.splitlines()
        assert line.startswith(f"{variable}: the database cannot be reached: ")
        assert any(part in line for part in told.split("|")), line
        assert url.split(":")[2].split("@")[0] not in line


def test_a_url_that_is_none_is_told_by_its_variable_alone(tmp_path: Path) -> None:
    url = "postgresq://app:s3cret@h/db"
    for command in (CREATE, ("db", "migrate"), ("serve", "--demo", "--port", "0")):
        ran = run(tmp_path, *command, text=PASSWORD, **{APP_VARIABLE: url, OWNER_VARIABLE: url}, **KEY)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert "is no URL of a PostgreSQL database" in ran.stderr
        assert "s3cret" not in ran.stderr


@pytest.mark.parametrize("kind", ["missing", "file", "loop"])
def test_a_reset_of_what_is_no_data_folder_is_told(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "file":
        place.write_text("kept")
    if kind == "loop":
        place.symlink_to(place)
    ran = run(place, "db", "reset")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert str(place) in ran.stderr
    status = run(place, "db", "status")
    assert status.returncode == (0 if kind == "missing" else 1)
    assert "Traceback" not in ran.stderr + status.stderr


@pytest.mark.parametrize(
    "command", [CREATE, ("db", "migrate"), ("db", "status"), ("db", "stop"), ("db", "reset"), ("audit", "verify")]
)
def test_no_command_has_an_embedded_database_in_production(tmp_path: Path, command: tuple[str, ...]) -> None:
    data = tmp_path / "data"
    ran = run(data, *command, text=PASSWORD, SEGMENTATION_ENVIRONMENT="production")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"{APP_VARIABLE}: there is no database" in ran.stderr
    assert not data.exists()
