"""Where are the user's own data: measured runs and profiles."""

import os
from pathlib import Path

ENVIRONMENT = "TWENTY_WATTS_DATA"
"""Name of the environment variable that names another folder."""


def data_directory() -> Path:
    """Return the folder of the user's own data; it need not exist.

    TWENTY_WATTS_DATA names it, or else it is where the system keeps such data of a user: on Linux
    ~/.local/share/twenty-watts.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("twenty-watts", appauthor=False))
