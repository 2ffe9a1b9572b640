"""The server of an embedded cluster: found, started and stopped, and the folder of its socket."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from psycopg.pq import PGconn, Ping

from adapters.postgres.closed_files import give, lock_in, overwrite, takes, text_of, told
from adapters.postgres.processes import LONGEST_WAIT, process_of, wait_until
from adapters.postgres.programs import LINES_TOLD
from segmentation_core.errors import Problem, SettingsError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.postgres.programs import Programs

_SETTINGS: Final = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "100",
}

_LARGEST_LOG: Final = 16 * 2**20
_NO_PROCESS: Final = "2147483647"
_STATUS_LINE: Final = 7
_PING_SECONDS: Final = 5
_LAST_BREATH: Final = 3
"""The most seconds that the parts of a killed server may take to notice and end."""


class Running(NamedTuple):
    """A server that lives, and what it says of itself: `starting`, `ready`, `stopping`."""

    pid: int
    state: str


@dataclass(frozen=True)
class Server:
    """The server of the cluster in `folder`; `key` is the data folder's, and so no other server's.

    `lock` is a file that a server inherits locked, and so keeps locked as long as any of its processes lives, be it in
    another container, where nobody here sees it.
    """

    folder: Path
    key: str
    programs: Programs
    lock: Path

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def socket(self) -> Path:
        """Where clients connect: short, as libpq takes 107 bytes, and no secret, as only the server's user gets in."""
        return Path("/tmp", f"segmentation-{self.key}")  # noqa: S108  made anew, and refused if it is another's

    def running(self) -> Running | None:
        """Find the server by the file it leaves, if its process lives and was started by us for this folder."""
        lines = text_of(self.folder / "postmaster.pid").splitlines()
        pid = int(lines[0]) if lines and lines[0].isdecimal() else 0
        process = process_of(pid) if pid else None
        if process is None or f"cluster_name=segmentation-{self.key}" not in process.command:
            return None
        return Running(pid, lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else "starting")

    def serves(self) -> bool:
        """Tell whether it runs and takes connections, once a start has ended; one that is stopping does not.

        Raises Unavailable where it does not get ready.
        """
        if not wait_until(lambda: (running := self.running()) is None or self._is_settled(running)):
            raise Unavailable(f"The embedded PostgreSQL does not get ready. {self._log_told()}")
        return self.running() is not None and self._answers()

    def _is_settled(self, running: Running) -> bool:
        """Tell whether waiting changes nothing: it answers, is on its way out, or cannot be reached."""
        return self._answers() or running.state == "stopping" or (running.state == "ready" and not self.socket.exists())

    def _answers(self) -> bool:
        """Ask it as pg_isready does, without signing in."""
        asked = f"host={self.socket} port=5432 connect_timeout={_PING_SECONDS}"
        return PGconn.ping(asked.encode()) == Ping.OK

    @contextmanager
    def alone(self) -> Iterator[int]:
        """Give the lock that nobody's server has, for one to inherit. Raises Unavailable where one has it.

        What a killed server left behind ends by itself within a moment.
        """
        with lock_in(self.lock) as lock:
            if not wait_until(lambda: takes(lock), _LAST_BREATH):
                raise Unavailable(
                    f"{self.folder} is in use by a PostgreSQL that is not seen from here: another container's, or what "
                    "is left of one. End it first; of several containers each needs a data folder of its own."
                )
            yield lock

    def start(self, lock: int) -> None:
        """Start it with the lock of `alone`, and wait until it is ready."""
        self._make_socket_folder()
        if self.log.exists() and self.log.lstat().st_size > _LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        # The name tells this server from another that has come to the number of a dead one. pg_ctl gives the options
        # to a shell, and nothing in them needs quotes.
        settings = _SETTINGS | {"unix_socket_directories": self.socket, "cluster_name": f"segmentation-{self.key}"}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        waiting = ("-w", "-t", str(LONGEST_WAIT))
        try:
            self.programs.run(
                self.folder, "pg_ctl", "start", "-s", *waiting, "-l", self.log.name, "-o", options, inherited=(lock,)
            )
        except Unavailable as error:
            raise Unavailable(f"The embedded PostgreSQL cannot start. {self._log_told()}") from error
        if not self.serves():
            raise Unavailable(f"The embedded PostgreSQL ended again. {self._log_told()}")

    def stop(self) -> None:
        """Stop it if it runs: sessions end, transactions are rolled back."""
        running = self.running()
        if running:
            with suppress(ProcessLookupError):
                os.kill(running.pid, signal.SIGINT)
            if not wait_until(lambda: process_of(running.pid) is None):
                raise Unavailable(f"The embedded PostgreSQL does not stop. {self._log_told()}")
        with self.alone():
            self._remove_socket_folder()

    def forget_the_dead(self) -> None:
        """Let a dead server's number not keep ours from starting, be it a stranger's by now, or not collected yet.

        The rest of the file stays: by it PostgreSQL finds out whether parts of the dead server still hold its memory.
        A server that somebody started by hand keeps the file, and so keeps ours from starting.
        """
        file = self.folder / "postmaster.pid"
        lines = text_of(file).splitlines()
        if lines and lines[0].isdecimal():
            process = process_of(int(lines[0]))
            if not process or "postgres" not in process.command or "cluster_name=segmentation-" in process.command:
                overwrite(file, "\n".join([_NO_PROCESS, *lines[1:], ""]))

    def _log_told(self) -> str:
        lines = text_of(self.log).splitlines()[-LINES_TOLD:]
        return "\n".join([f"{self.log} ends:", *lines]) if lines else f"{self.log} is empty."

    def _make_socket_folder(self) -> None:
        self._remove_socket_folder()
        try:
            self.socket.mkdir(0o700)
        except FileExistsError as error:
            problem, expected = "is in the way of the server's socket", "a folder of the server's user, or none"
            raise SettingsError(Problem(str(self.socket), problem, told(self.socket.lstat()), expected)) from error
        give(self.socket, self.programs.user)

    def _remove_socket_folder(self) -> None:
        """Remove the socket's folder if it is the server's user's, or one that was never given to that user."""
        user = self.programs.user
        with suppress(FileNotFoundError):
            found = self.socket.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid in {os.geteuid(), user.pw_uid if user else os.geteuid()}:
                shutil.rmtree(self.socket)
