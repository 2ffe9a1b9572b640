"""A real PostgreSQL of our own, for demos, development and tests: nothing to install, and the same SQL.

In the data folder:

    postgres.lock        held while a process starts or stops the server
    postgres.owners/     a file for each process that needs it, which that keeps locked as long as it lives
    postgres.server      locked as long as the server lives, in whatever container
    postgres.passwords   the passwords of the roles, for nobody but the folder's user
    postgres/            the cluster; where root runs us, instead of it:
    postgres.folder      says which folder has the cluster and a copy of the programs, for a server that is not root's

PostgreSQL refuses to run as root, so there it runs as `postgres` or `nobody`. For Linux and macOS. Why it is so:
docs/decisions/0006. What it is built of:

    cluster.py           the cluster's place, making and deletion
    server.py            the server's start and stop, and its socket
    programs.py          PostgreSQL's programs, out of a wheel
    processes.py         who lives, and who needs the server
    closed_files.py      files that nobody else reads or swaps, and locks
"""

from __future__ import annotations

import os
import pwd
import secrets
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from adapters.postgres.closed_files import (
    bytes_of,
    check_data_folder,
    lock_in,
    no_data_folder,
    takes,
    text_of,
    write_secret,
)
from adapters.postgres.cluster import ROLE_NAMES, Cluster, Role
from adapters.postgres.processes import wait_until
from segmentation_core.errors import Conflict, Problem, SettingsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EmbeddedPostgres", "EmbeddedStatus", "Role"]


_NAMES: Final = ("postgres", "postgres.folder", "postgres.lock", "postgres.owners", "postgres.passwords")
_SECRET_BYTES: Final = 48


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
        with self._locked() as cluster:
            cluster.check_version()
            try:
                cluster.owners.add_ours()
                cluster.bring_up()
            except BaseException:
                with suppress(Unavailable, OSError):
                    cluster.let_go()
                raise

    def stop(self) -> None:
        """Stop the server, whoever needs it: sessions end, transactions are rolled back. Nothing where none runs."""
        if self.is_there():
            with self._locked() as cluster:
                cluster.owners.remove_ours()
                cluster.server.stop()

    def release(self) -> None:
        """Need the server no more: it stops, unless another live process needs it."""
        if self.is_there():
            with self._locked() as cluster:
                cluster.let_go()

    def reset(self) -> None:
        """Stop the server and delete the cluster and all that is in it. Raises Conflict where a process needs it."""
        if self.is_there():
            with self._locked() as cluster:
                others = cluster.owners.others()
                if others:
                    numbers = ", ".join(map(str, others))
                    raise Conflict(
                        f"The embedded PostgreSQL in {self._data} is needed by process {numbers}: end it first."
                    )
                cluster.owners.remove_ours()
                cluster.server.stop()
                cluster.delete()

    def is_there(self) -> bool:
        """Tell whether the folder has anything of a server's, as it does from the first start on."""
        check_data_folder(self._data)
        return any(os.path.lexists(self._data / name) for name in _NAMES)

    def secret(self, name: str) -> bytes:
        """Return a secret that the folder keeps in a file of this name; it is drawn when it is first asked for."""
        with self._locked() as cluster:
            file = cluster.data / name
            if not os.path.lexists(file):
                write_secret(file, secrets.token_urlsafe(_SECRET_BYTES).encode())
            return bytes_of(file)

    def status(self) -> EmbeddedStatus:
        """Look at the files and processes, and change nothing."""
        with _failures_told():
            check_data_folder(self._data)
            cluster = Cluster.of(self._data)
            server = cluster.server
            running = server.running()
            return EmbeddedStatus(
                running=running is not None,
                pid=running.pid if running else None,
                version=cluster.version(),
                user=(cluster.user or pwd.getpwuid(os.geteuid())).pw_name,
                cluster=str(cluster.folder),
                log=str(server.log),
                socket=str(server.socket) if running else None,
                owners=cluster.owners.living(),
            )

    def url(self, role: Role) -> str:
        """Say how libpq connects to the database as this role. Raises Unavailable before the first start."""
        with _failures_told():
            cluster = Cluster.of(self._data)
            passwords = text_of(cluster.passwords)
            if not passwords:
                raise Unavailable(f"The embedded PostgreSQL in {self._data} was never started.")
            name = ROLE_NAMES[role]
            try:
                password = msgspec.json.decode(passwords, type=dict[str, str])[name]
            except (msgspec.DecodeError, KeyError) as error:
                expected = "to be removed while the server is stopped: the next start makes new ones"
                raise SettingsError(
                    Problem(str(cluster.passwords), "does not hold the roles' passwords", expected=expected)
                ) from error
            return f"postgresql://{name}:{password}@/segmentation?host={cluster.server.socket}&port=5432"

    @contextmanager
    def _locked(self) -> Iterator[Cluster]:
        """Have the folder to ourselves. The system takes the lock from a process that dies."""
        with _failures_told():
            check_data_folder(self._data)
            with ExitStack() as stack:
                try:
                    self._data.mkdir(0o700, parents=True, exist_ok=True)
                    lock = stack.enter_context(lock_in(self._data / "postgres.lock"))
                except OSError as error:
                    raise no_data_folder(self._data, error) from error
                if not wait_until(lambda: takes(lock)):
                    raise Unavailable(
                        f"Another process is starting or stopping the embedded PostgreSQL in {self._data}."
                    )
                yield Cluster.of(self._data)


@contextmanager
def _failures_told() -> Iterator[None]:
    """Tell what the system refuses as one of our errors."""
    try:
        yield
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"The embedded PostgreSQL's {Path(error.cmd[0]).name} takes too long.") from error
    except OSError as error:
        raise Unavailable(f"The embedded PostgreSQL cannot be run: {error}") from error
