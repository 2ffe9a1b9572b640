"""Processes told apart by number and beginning: in containers the same few numbers come again after each restart."""

from __future__ import annotations

import fcntl
import os
import secrets
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_WAIT: Final = 60
"""The most seconds that a start, a stop, or the wait for another process's may take."""


class Process(NamedTuple):
    """A process that lives: `began` is the same as long as it does, in no unit; `command` is its command line."""

    began: str
    command: str


def process_of(pid: int) -> Process | None:
    """Find the process of this number; None where none lives, or it has ended and was not collected yet."""
    if not Path("/proc/self/stat").exists():
        return process_by_ps(pid)
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in b"ZX" else Process(fields[18].decode(), command.decode(errors="replace"))


def process_by_ps(pid: int) -> Process | None:
    """Find it where there is no /proc, as on macOS."""
    asked = ["ps", "-ww", "-o", "stat=,lstart=,command=", "-p", str(pid)]
    environ = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    told = subprocess.run(asked, capture_output=True, env=environ, timeout=LONGEST_WAIT, check=False)  # noqa: S603
    state, *words = told.stdout.decode(errors="replace").split(maxsplit=6) or ["Z"]
    return None if state.startswith("Z") else Process("-".join(words[:5]), words[5])


@dataclass(frozen=True)
class Owners:
    """The processes that need the server: in the folder a file for each, which it keeps locked as long as it lives.

    So a container sees those of another one, whose numbers mean nothing to it. A file's name is
    `<pid>.<when that process began>.<something random>`. Whoever changes them holds the data folder's lock.
    """

    folder: Path

    def living(self) -> tuple[int, ...]:
        """Tell the numbers of those that live, as they are where they live."""
        return tuple(sorted(_number(file) for file in self.folder.glob("*.*") if _lives(file)))

    def others(self) -> tuple[int, ...]:
        """Tell those that live and are not this process."""
        ours = self._ours()
        files = (file for file in self.folder.glob("*.*") if _lives(file))
        return tuple(sorted(_number(file) for file in files if ours is None or not _is_open(file, ours)))

    def add_ours(self) -> None:
        """Let this process be one of them."""
        self.folder.mkdir(0o700, exist_ok=True)
        if self._ours() is not None:
            return
        process = process_of(os.getpid())
        name = f"{os.getpid()}.{process.began if process else ''}.{secrets.token_hex(4)}"
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _held[self._key()] = descriptor

    def remove_ours(self) -> None:
        """Let this process be none of them, and those that died neither."""
        descriptor = _held.pop(self._key(), None)
        if descriptor is not None:
            os.close(descriptor)
        for file in list(self.folder.glob("*.*")):
            if not _lives(file):
                file.unlink(missing_ok=True)

    def _ours(self) -> int | None:
        """Return the open file by which this process is one of them, None where it is none, or was taken out."""
        descriptor = _held.get(self._key())
        if descriptor is None or os.fstat(descriptor).st_nlink == 0:
            return None
        return descriptor

    def _key(self) -> tuple[Path, int]:
        return self.folder, os.getpid()


_held: Final[dict[tuple[Path, int], int]] = {}
"""The open files by which this process owns: of a fork, what its parent holds is not its own."""


def _number(owner: Path) -> int:
    return int(owner.name.partition(".")[0])


def _lives(owner: Path) -> bool:
    """Tell whether a process keeps the file locked. To ask is no claim: two that ask at once do not see each other."""
    if not owner.name.partition(".")[0].isdecimal():
        return False
    try:
        descriptor = os.open(owner, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_open(file: Path, descriptor: int) -> bool:
    return os.path.samestat(file.lstat(), os.fstat(descriptor))


def wait_until(done: Callable[[], bool], seconds: float = LONGEST_WAIT) -> bool:
    """Wait until it is done, and say whether it came to be in time."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
