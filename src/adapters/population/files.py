"""Opening what a table or an index is read from."""

from __future__ import annotations

import errno
import os
import stat


def regular(path: str, flags: int) -> int:
    """Open a file, as the opener of `open`. Raises OSError for a pipe or a device, which may never say or end anything.

    A pipe that nobody writes to is not waited for.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # `open` itself refuses a folder
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Is no file, but a pipe or a device", path)
    return descriptor
