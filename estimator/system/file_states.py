"""Have files changed: a digest of which there are, and of when the system last changed each."""

import os
import time
from collections.abc import Iterable, Iterator
from itertools import islice

SETTLED_S = 2.0
"""A file changed so recently may change again with no trace in its times [s]."""

MOST_FILES = 20_000
"""Folders of more files are not looked through [1]."""

Stamp = tuple[str, int, int, int]
"""Path, inode, size [B] and time of the last change [ns]."""


def digest_of(folders: Iterable[str | os.PathLike[str]]) -> str | None:
    """Digest that changes with any file of some folders or files, compiled modules left out.

    None while one of them has just been changed, where one cannot be looked at, or there are too
    many.
    """
    import hashlib

    each = (stamp for folder in folders for stamp in _stamps(os.path.abspath(folder)))
    try:
        stamps = sorted(islice(each, MOST_FILES + 1))
    except OSError:
        return None
    if len(stamps) > MOST_FILES:
        return None
    newest_s = max((changed_ns for *_, changed_ns in stamps), default=0) / 1e9
    if newest_s > time.time() - SETTLED_S:
        return None
    return hashlib.sha256(repr(stamps).encode()).hexdigest()


def _stamps(path: str) -> Iterator[Stamp]:
    """Stamps of a file, or of the files below a folder."""
    folders = [path] if os.path.isdir(path) else []
    if not folders:
        yield _stamp(path, os.stat(path))
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if not entry.is_dir():
                    yield _stamp(entry.path, entry.stat())
                elif entry.name != "__pycache__":
                    folders.append(entry.path)


def _stamp(path: str, status: os.stat_result) -> Stamp:
    return path, status.st_ino, status.st_size, status.st_ctime_ns
