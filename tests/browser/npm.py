"""Packages of npm that only tests in a browser need."""

import shutil
import subprocess
import tarfile

import pytest


def fetched(package, place):
    """Folder of a package, unpacked; the test is skipped where npm cannot fetch it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"no npm found: the test needs {package}")
    done = subprocess.run(
        [npm, "pack", "--silent", package], cwd=place, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"npm cannot fetch {package} here")
    with tarfile.open(next(place.glob("*.tgz"))) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", None)  # of Python 3.11.4 on
        packed.extractall(place)
    return place / "package"
