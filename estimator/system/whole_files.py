"""Whole files: written in one step, read up to a size."""

import errno
import os
from threading import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: "Path", content: bytes) -> None:
    """Write a file in one step; its name, not that of the draft, is in the error if that fails.

    A link stays, and leads to what was written; a device or a pipe is written to as it is.
    """
    place = path.resolve()
    draft = place.with_name(f".{place.name}.{os.getpid()}.{get_ident()}.part")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            draft.write_bytes(content)
            draft.replace(place)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        draft.unlink(missing_ok=True)


def read_bounded(path: "Path", most_bytes: int) -> bytes:
    """Return the content of a file, pipe or device; refuse more than `most_bytes`.

    A named pipe without a writer is empty: it is not waited for.

    Raises
    ------
    OSError
        If the file cannot be read, or with errno EFBIG if it is larger.
    """
    with open(path, "rb", opener=_open_now) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes / 1e6:,.0f} MB", str(path))
    return content


def _open_now(name: str, flags: int) -> int:
    """Open a file without waiting for the writer of a pipe."""
    descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(descriptor, True)
    return descriptor
