"""Writing a file so that it is there as a whole or, whatever happens meanwhile, the one before it still is."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from segmentation_core.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file to write to, which takes the place of `path` when the block ends without an exception.

    It is written beside it, as `.NAME.part`, which is locked: two processes cannot write the same file at once. What a
    killed process has left there is written over by the next one. Raises DataError where that does not go.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        with _locked(part) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                part.replace(target)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
        _sync_folder(target.parent)
    except BlockingIOError as fault:
        message = "another process is writing it"
        raise DataError(Problem(str(path), message, expected="one writer at a time: wait for it to end")) from fault
    except OSError as fault:
        expected = "room on the disk" if fault.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} else None
        raise DataError(
            Problem(
                str(path), f"cannot be written: {fault.strerror or fault}; what was there is unchanged", None, expected
            )
        ) from fault


@contextmanager
def _locked(part: Path) -> Iterator[IO[bytes]]:
    """Open `part`, empty, with a lock that ends with the process, however that ends."""
    while True:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_still(part, file):
                continue  # its last writer has put it into place since it was opened
            file.truncate()
            yield file
        return


def _is_still(part: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(part.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
