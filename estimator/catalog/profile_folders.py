"""Profile folders: the package's, the measured devices', and the user's."""

import os
from pathlib import Path

from estimator.system.data_folder import data_directory

ENVIRONMENT = "TWENTY_WATTS_PROFILES"
"""Name of the environment variable that names more folders."""


def shipped_directory() -> Path:
    """Return the profiles that came with the package: inside it, or at the repository root."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "profiles"
    return inside if inside.is_dir() else package.parent / "profiles"


def measured_directory() -> Path:
    """Return the folder of the profiles measured here; it need not exist."""
    return data_directory() / "profiles"


def further_directories(profiles_dir: str | os.PathLike[str] | None = None) -> tuple[Path, ...]:
    """Return the folders that lie over ours: measured here, in the environment, and one's own."""
    named = [part for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part]
    if profiles_dir is not None:
        named.append(os.fspath(profiles_dir))
    measured = measured_directory()
    return (*((measured,) if measured.is_dir() else ()), *(Path(part) for part in named))
