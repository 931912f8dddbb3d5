"""Profile folders: the package's, the measured devices', and the user's."""

import os
from pathlib import Path

from estimator.system.data_folder import data_directory

ENVIRONMENT = "TWENTY_WATTS_PROFILES"
"""Environment variable with additional folders."""


def shipped_directory() -> Path:
    """Return the built-in profiles, inside the package or at the repository root."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "profiles"
    return inside if inside.is_dir() else package.parent / "profiles"


def measured_directory() -> Path:
    """Return the folder of the profiles measured here, which may not exist."""
    return data_directory() / "profiles"


def further_directories(profiles_dir: str | os.PathLike[str] | None = None) -> tuple[Path, ...]:
    """Return the folders that override the built-in one: measured, environment, user."""
    named = [part for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part]
    if profiles_dir is not None:
        named.append(os.fspath(profiles_dir))
    measured = measured_directory()
    return (*((measured,) if measured.is_dir() else ()), *(Path(part) for part in named))
