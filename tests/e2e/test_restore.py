"""Backup and restore as docs/operations.md writes them, line by line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.processes import wait_until
from tests.e2e.test_administration import run
from tests.postgres import VERSIONS, Server, programs
from tests.served import PASSWORD, data_folder, environ_of

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "src" / "adapters" / "postgres" / "migrations" / "roles.sql"
KEY = "the key of this trail, which nobody guesses"
CREATE = ("users", "create", "--role", "SuperAdmin", "--username")


def blocks(heading: str) -> list[str]:
    """Return the blocks of commands below a heading of the page."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def shell(script: str, folder: Path, version: int, environ: Mapping[str, str]) -> str:
    path = f"{programs(version)}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dump_is_restored_on_a_new_server(tmp_path: Path, version: int) -> None:
    back_up, restore = blocks("Backup and restore")[:2]
    (prepare,) = (block for block in blocks("The database") if "roles.sql" in block)
    assert prepare in restore, "both sections make the roles and the database alike"
    shutil.copy(ROLES, tmp_path)
    old, new = Server(version), Server(version)
    data = tmp_path / "data"
    try:
        first = old.database()
        named = {
            "SEGMENTATION_DATABASE_URL": first.app_url,
            "SEGMENTATION_DATABASE_OWNER_URL": first.owner_url,
            "SEGMENTATION_AUDIT_KEY": KEY,
        }
        for name in ("one", "two"):
            assert run(data, *CREATE, name, text=PASSWORD, **named).returncode == 0
        environ = environ_of(data) | named | {"OWNER_PASSWORD": "owners", "APP_PASSWORD": "apps"}
        shell(back_up, tmp_path, version, environ | {"SUPERUSER_URL": first.super_url})
        new.forget_roles()
        url = new.url_of("segmentation")
        environ |= {
            "SEGMENTATION_DATABASE_URL": url.app_url,
            "SEGMENTATION_DATABASE_OWNER_URL": url.owner_url,
            "SUPERUSER_URL": new.url_of("postgres").super_url,
            "RESTORED_URL": url.super_url,
        }
        told = shell(restore, tmp_path, version, environ)
        assert "missing" not in told
        assert "2 records in 1 chains: whole." in told
        restored = named | {"SEGMENTATION_DATABASE_URL": url.app_url, "SEGMENTATION_DATABASE_OWNER_URL": url.owner_url}
        assert run(data, *CREATE, "three", text=PASSWORD, **restored).returncode == 0
        assert run(data, "db", "migrate", **restored).stdout.startswith("Nothing to apply")
        assert not data.exists()
    finally:
        old.stop()
        new.stop()


def test_an_embedded_database_is_copied_with_its_key(tmp_path: Path) -> None:
    back_up, restore = blocks("Backup and restore")[2:4]
    with data_folder() as data:
        assert run(data, *CREATE, "one", text=PASSWORD).returncode == 0
        shell(back_up, tmp_path, 18, environ_of(data))
        EmbeddedPostgres(data).reset()
        shutil.rmtree(data)
        assert "1 records in 1 chains: whole." in shell(restore, tmp_path, 18, environ_of(data))


@pytest.mark.parametrize("version", VERSIONS)
def test_whoever_makes_the_roles_by_psql_keeps_others_waiting_until_all_is_made(version: int) -> None:
    server = Server(version)
    try:
        server.forget_roles()
        url = server.url_of("postgres").super_url
        command = [str(programs(version) / "psql"), "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--file={ROLES}", url]
        with psycopg.connect(url) as stranger, psycopg.connect(url, autocommit=True) as watcher:
            stranger.execute("CREATE ROLE segmentation_owner")
            makers = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(3)]
            locks = (
                "SELECT count(*) FILTER (WHERE granted), count(*) FILTER (WHERE NOT granted)"
                " FROM pg_locks WHERE locktype = 'advisory'"
            )
            assert wait_until(lambda: watcher.execute(locks).fetchone() == (1, 2), seconds=10)
            stranger.rollback()
        told = [maker.communicate()[1] for maker in makers]
        assert [maker.returncode for maker in makers] == [0] * 3, told
    finally:
        server.stop()
