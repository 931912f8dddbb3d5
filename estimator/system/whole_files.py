"""Whole-file operations: atomic writes, bounded reads."""

import errno
import os
from threading import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: "Path", content: bytes) -> None:
    """Write a file atomically; errors name the file, not its draft.

    A link is followed; a device or pipe is written directly.
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
    """Return the content of a file, pipe or device, up to `most_bytes`.

    A named pipe without a writer reads as empty.

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
    """Open a file without waiting for a pipe's writer."""
    descriptor = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(descriptor, True)
    return descriptor
