"""Processes told apart by number and beginning: in containers the same few numbers come again after each restart."""

from __future__ import annotations

import os
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
    """The processes that need the server: in the folder an empty file for each, `<pid>.<when that process began>`.

    Whoever changes them holds the data folder's lock.
    """

    folder: Path

    def living(self) -> tuple[int, ...]:
        """Tell the numbers of those that live."""
        return tuple(sorted(int(file.name.partition(".")[0]) for file in self.folder.glob("*.*") if _lives(file)))

    def add_ours(self) -> None:
        """Let this process be one of them."""
        self.folder.mkdir(0o700, exist_ok=True)
        self._ours().touch(0o600)

    def remove_ours(self) -> None:
        """Let this process be none of them, and those that died neither."""
        ours = self._ours()
        for file in list(self.folder.glob("*.*")):
            if file == ours or not _lives(file):
                file.unlink(missing_ok=True)

    def _ours(self) -> Path:
        process = process_of(os.getpid())
        return self.folder / f"{os.getpid()}.{process.began if process else ''}"


def _lives(owner: Path) -> bool:
    pid, _, began = owner.name.partition(".")
    process = process_of(int(pid)) if pid.isdecimal() else None
    return process is not None and process.began == began


def wait_until(done: Callable[[], bool]) -> bool:
    """Wait until it is done, and say whether it came to be in time."""
    end = time.monotonic() + LONGEST_WAIT
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
