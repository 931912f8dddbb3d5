"""Folder of the user's own data: measured runs and profiles."""

import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

ENVIRONMENT = "TWENTY_WATTS_DATA"
"""Environment variable that sets the data folder."""

DEPENDS_ON = ("HOME", "XDG_DATA_HOME")
"""Environment variables that affect the system's data folder."""


def data_directory() -> Path:
    """Return the user's data folder, which may not exist.

    TWENTY_WATTS_DATA, otherwise the system's location, on Linux ~/.local/share/twenty-watts. The
    home of an unknown user is not expanded, as in shells.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        with suppress(RuntimeError):
            return Path(named).expanduser().absolute()
        return Path(named).absolute()
    return _of_system(*(os.environ.get(name) for name in DEPENDS_ON))


@lru_cache(maxsize=8)
def _of_system(*_environment: str | None) -> Path:
    """Return the system's data folder, cached, as it takes a tenth of an estimate."""
    import platformdirs

    return Path(platformdirs.user_data_dir("twenty-watts", appauthor=False))
