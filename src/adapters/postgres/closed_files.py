"""Files and folders that are kept closed: nobody reads, swaps or half writes them.

The server's user may lay links in its own folders, and root must not follow them. What is made here is made for its
owner alone, and comes to its place when it is whole.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final

from segmentation_core.errors import Problem, SettingsError

if TYPE_CHECKING:
    import pwd
    from collections.abc import Iterator

_UNFINISHED: Final = "postgres.unfinished-"


def bytes_of(file: Path) -> bytes:
    """Read a file, or nothing where there is none; not through a link."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    with os.fdopen(descriptor, "rb") as opened:
        return opened.read()


def text_of(file: Path) -> str:
    """Read a text as `bytes_of` reads a file."""
    return bytes_of(file).decode("utf-8", "replace")


def overwrite(file: Path, text: str) -> None:
    """Replace what is in a file that is there; not through a link."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "w", encoding="utf-8") as opened:
        opened.write(text)


def write_secret(file: Path, text: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)


def unfinished(home: Path) -> Path:
    """Make a folder for what is not whole yet, or no more. Those that a killed process left are swept away."""
    return Path(mkdtemp(prefix=_UNFINISHED, dir=home))


def sweep(home: Path) -> None:
    """Delete what is unfinished, as far as that can be done."""
    for folder in home.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(folder, ignore_errors=True)


def give(folder: Path, user: pwd.struct_passwd | None) -> None:
    """Make a folder that was made just now this user's, or leave it ours."""
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid, follow_symlinks=False)


def make_roots_folder(folder: Path) -> None:
    """Make a folder that only root changes and anybody may look into, or see that the one that is there is so."""
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o755)
    found = folder.lstat()
    if found.st_uid or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o023 != 0o001:
        problem = "PostgreSQL cannot be kept here"
        raise SettingsError(Problem(str(folder), problem, told(found), "root's own folder of mode 0755, or none"))


@contextmanager
def lock_in(file: Path) -> Iterator[int]:
    """Open a file that is locked, made where it is not there, and give its descriptor; not through a link."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def takes(lock: int) -> bool:
    """Take a lock for ourselves, unless somebody has it. The system takes it from a process that dies."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def check_data_folder(folder: Path) -> None:
    """Raise SettingsError where nothing can be kept in this folder, or in what is there of the way to it.

    Root keeps nothing where another user can swap what it wrote, nor leaves that user files which are not his.
    """
    try:
        found = folder.stat()
    except FileNotFoundError:
        check_data_folder(folder.parent)
        return
    except OSError as error:
        raise no_data_folder(folder, error) from error
    if not stat.S_ISDIR(found.st_mode):
        raise no_data_folder(folder, NotADirectoryError(0, "it is no folder"))
    if found.st_uid and os.geteuid() == 0:
        problem, expected = "root keeps no data in another user's folder", "a folder of root's, or to be that user"
        raise SettingsError(Problem(str(folder), problem, told(found), expected))


def no_data_folder(folder: Path, error: OSError) -> SettingsError:
    """Return the error of a folder in which nothing can be kept."""
    problem = f"cannot be the data folder: {error.strerror}"
    return SettingsError(Problem(str(folder), problem, expected="a folder that this user may write to"))


def told(found: os.stat_result) -> str:
    """Say for an error what stands in the way."""
    return f"{stat.filemode(found.st_mode)} of user {found.st_uid}"
