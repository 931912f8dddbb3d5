"""File locks that the kernel releases when the holder ends."""

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

POLL_S = 0.05
"""Interval between attempts to take a lock [s]."""


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold a lock file, created if needed; wait for other processes."""
    with path.open("a", encoding="utf-8") as lock:
        while not try_lock(lock):
            time.sleep(POLL_S)
        yield


def try_lock(lock: TextIO) -> bool:
    """Take a free lock; a file system without locks counts as free."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK):
            return True
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True
