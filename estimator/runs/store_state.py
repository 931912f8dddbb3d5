"""State of the store: modification times and sizes of its files."""

import os

FILES = ("runs.sqlite", "runs.sqlite-wal")
"""Store and its write-ahead log."""

State = tuple[tuple[int, int] | None, ...]


def store_state(folder: str | os.PathLike[str]) -> State:
    """Return the state of a folder's store, to detect changes; empty if there is none.

    Reading leaves an empty log, which counts as none.
    """
    store = _stamp(os.path.join(folder, FILES[0]))
    if store is None:
        return ()
    log = _stamp(os.path.join(folder, FILES[1]))
    return store, log if log is not None and log[1] else None


def _stamp(path: str) -> tuple[int, int] | None:
    """Return the modification time and size of a file, or None."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
