"""How is a file written so that there is never half of it: beside its place, then put there."""

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
