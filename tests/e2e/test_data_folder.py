"""Which data folders the embedded PostgreSQL takes, and what becomes of one that several containers have."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from segmentation_core.errors import Conflict, SettingsError, Unavailable
from tests.e2e.test_embedded_postgres import NOBODY, as_root, ask, number_from, owner_process

if TYPE_CHECKING:
    from collections.abc import Iterator

ELSEWHERE = ("unshare", "--pid", "--fork", "--ipc", "--mount-proc", "--kill-child")
"""Runs a command as another container would: with processes and shared memory of its own, and the same files."""

as_container = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run([*ELSEWHERE, "true"], check=False, capture_output=True).returncode != 0,
    reason="a second container needs `unshare`, and the right to use it",
)


@pytest.fixture
def data() -> Iterator[Path]:
    """Give the place of a data folder that is not there yet; what a test makes of it is deleted."""
    parent = Path(mkdtemp(prefix="data-folder-"))
    yield parent / "data"
    EmbeddedPostgres(parent / "data").reset()
    shutil.rmtree(parent)


def files_in(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.lstat().st_uid, path.lstat().st_mode) for path in (folder, *folder.rglob("*")))


@as_root
@pytest.mark.parametrize("is_made", [True, False], ids=["there", "to be made"])
def test_root_writes_nothing_in_another_users_folder(tmp_path: Path, *, is_made: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    server = EmbeddedPostgres(home if is_made else home / "made" / "by root")
    before = files_in(tmp_path)
    for refused in (server.start, server.stop, server.release, server.reset, server.status, lambda: server.secret("s")):
        with pytest.raises(SettingsError, match="another user's folder"):
            refused()
    assert files_in(tmp_path) == before


def test_where_nothing_is_nothing_is_made(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        server = EmbeddedPostgres(folder)
        assert not server.is_there()
        for nothing in (server.stop, server.release, server.reset):
            nothing()
        assert server.status().version is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "loop", "below a file"])
def test_what_is_no_folder_is_told(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "place"
    if kind == "loop":
        place.symlink_to(place)
    else:
        place.touch()
    server = EmbeddedPostgres(place / "below" if kind == "below a file" else place)
    for refused in (server.start, server.stop, server.release, server.reset, server.status, lambda: server.secret("s")):
        with pytest.raises(SettingsError, match="cannot be the data folder"):
            refused()


@pytest.mark.parametrize("name", ["postgres.lock", "secret"])
def test_a_link_in_the_folder_is_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises((SettingsError, Unavailable), match="symbolic links"):
        EmbeddedPostgres(tmp_path / "data").secret("secret")
    assert not (tmp_path / "elsewhere").exists()


def test_passwords_that_cannot_be_read_are_told_and_made_anew(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    for garbage in ("garbage", "[]", "{}"):
        (data / "postgres.passwords").write_text(garbage)
        with pytest.raises(SettingsError, match="does not hold the roles' passwords"):
            server.url("app")
    server.stop()
    (data / "postgres.passwords").unlink()
    server.start()
    assert ask(server, "SELECT 1") == [(1,)]


def test_a_reset_spares_a_server_that_another_process_needs(data: Path) -> None:
    server = EmbeddedPostgres(data)
    with owner_process(data) as child:
        number_from(child)
        with pytest.raises(Conflict, match=f"needed by process {child.pid}"):
            server.reset()
        server.start()
        assert ask(server, "SELECT 1") == [(1,)]
        with pytest.raises(Conflict, match=f"needed by process {child.pid}"):
            server.reset()
        child.communicate("")
    assert ask(server, "SELECT 1") == [(1,)]
    server.reset()
    assert not server.status().running


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_server_that_is_ending_is_not_taken_for_one_that_runs(data: Path, ending: signal.Signals) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    for pause in (0, 0, 0.005):
        pid = server.status().pid
        assert pid
        with psycopg.connect(server.url("app")):  # SIGTERM waits for it to end by itself
            os.kill(pid, ending)
            time.sleep(pause)
            server.start()
            assert server.status().pid != pid
            assert ask(server, "SELECT 1", "app") == [(1,)]


@as_container
def test_two_containers_never_have_one_cluster(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    ask(server, "CREATE TABLE kept AS SELECT 1 AS number")
    before = server.status()
    with owner_process(data, *ELSEWHERE) as other:
        assert other.communicate("")[0] == ""
    assert other.wait() != 0
    assert server.status() == before, "it is there, and its owner too"
    assert ask(server, "SELECT number FROM kept") == [(1,)]
    server.stop()
    with owner_process(data, *ELSEWHERE) as other:
        number_from(other)
        for refused in (server.start, server.stop):
            with pytest.raises(Unavailable, match="another container's"):
                refused()
        with pytest.raises(Conflict, match="needed by process"):
            server.reset()
        other.communicate("")
    server.start()
    assert ask(server, "SELECT number FROM kept") == [(1,)]


@as_container
def test_a_server_left_in_another_container_is_not_joined_by_a_second(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    pid = server.status().pid
    shutil.rmtree(data / "postgres.owners")
    with owner_process(data, *ELSEWHERE) as other:
        assert other.communicate("")[0] == ""
    assert server.status().pid == pid
    assert ask(server, "SELECT 1") == [(1,)]
