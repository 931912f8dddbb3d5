"""Folder of the user's own data: measured runs and profiles."""

import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

ENVIRONMENT = "TWENTY_WATTS_DATA"
"""Name of the environment variable that names another folder."""

DEPENDS_ON = ("HOME", "XDG_DATA_HOME")
"""Names of the environment variables that move the system's folder while a program runs."""


def data_directory() -> Path:
    """Return the folder of the user's own data; it need not exist.

    TWENTY_WATTS_DATA names it, or else it is where the system keeps such data of a user: on Linux
    ~/.local/share/twenty-watts. The home of a user who is not there stays as it is written, as in
    shells.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        with suppress(RuntimeError):
            return Path(named).expanduser().absolute()
        return Path(named).absolute()
    return _of_system(*(os.environ.get(name) for name in DEPENDS_ON))


@lru_cache(maxsize=8)
def _of_system(*_environment: str | None) -> Path:
    """Return the system's data folder; cached, as looking it up takes a tenth of an estimate."""
    import platformdirs

    return Path(platformdirs.user_data_dir("twenty-watts", appauthor=False))
