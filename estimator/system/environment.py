"""Setup of a missing environment, once, next to the code.

In a source checkout without the required packages, `enter` creates `.venv`, installs the pinned
packages and runs the same command again inside it. It does nothing if the packages can be imported.
Standard library only.

A stamp in `.venv` has the Python version and a hash of each requirement file. It is written last
and removed first, so an environment without one is incomplete and is rebuilt. A lock serialises
setups and marks the folder as ours: a foreign `.venv` is used if complete and never changed.
"""

import importlib.util
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

from estimator.system.file_lock import try_lock
from estimator.system.pip_install import SetupError, install, make_venv, python_of, site_of
from estimator.system.whole_files import write_whole

FOLDER = ".venv"
STAMP = "twenty-watts.json"
LOCK = "twenty-watts.lock"
ENTRIES = "entries"
NO_SETUP = "TWENTY_WATTS_NO_SETUP"
"""Environment variable that disables the setup."""

POLL_S = 0.2
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Requirements of a command: checkout, requirement files, and modules."""

    root: Path
    requirements: tuple[str, ...]
    modules: Mapping[str, str]
    """Distribution -> its module."""

    instead_of: tuple[str, ...] = ()
    """Modules that tie the command to the running Python if present."""


APP = Needs(
    root=Path(__file__).resolve().parents[2],
    requirements=("requirements.txt",),
    modules=MappingProxyType(
        {
            "numpy": "numpy",
            "pandas": "pandas",
            "altair": "altair",
            "vl-convert-python": "vl_convert",
            "streamlit": "streamlit",
            "rich": "rich",
            "nvidia-ml-py": "pynvml",
            "codecarbon": "codecarbon",
            "platformdirs": "platformdirs",
            "tomli-w": "tomli_w",
            "pyarrow": "pyarrow",
            "threadpoolctl": "threadpoolctl",
            "psutil": "psutil",
            "prometheus-client": "prometheus_client",
            "segno": "segno",
        }
    ),
)
"""Requirements of the command line, the app and measurements."""


MEASURE = replace(
    APP,
    modules=MappingProxyType(
        {
            name: APP.modules[name]
            for name in (
                "numpy",
                "rich",
                "nvidia-ml-py",
                "platformdirs",
                "psutil",
                "threadpoolctl",
                "tomli-w",
            )
        }
    ),
    instead_of=("torch",),
)
"""Requirements of measurements only; a Python with PyTorch is used as it is."""


def enter(needs: Needs) -> None:
    """Return if the packages can be imported here; otherwise rerun the command where they can.

    Parameters
    ----------
    needs : Needs
        Checkout, requirement files relative to it, and modules.

    Raises
    ------
    SetupError
        If packages are missing and cannot be installed; one line with the remedy.
    """
    missing = missing_modules(needs.modules)
    if not missing:
        return
    names = few(missing)
    meant = [name for name in needs.instead_of if not missing_modules({name: name})]
    if meant:
        raise SetupError(
            f"{sys.executable} has {few(meant)}, to be measured with, but lacks {names}; "
            f"install with: {sys.executable} -m pip install {' '.join(missing)}"
        )
    if os.environ.get(NO_SETUP):
        raise SetupError(
            f"{names} not installed for {sys.executable} and {NO_SETUP} is set; "
            f"install with: python -m pip install {sources_of(needs)}"
        )
    if not all((needs.root / name).is_file() for name in (*needs.requirements, "pyproject.toml")):
        raise SetupError(
            f"{names} not installed for {sys.executable}; "
            f"install with: python -m pip install {' '.join(missing)}"
        )
    if not is_ready(needs):
        set_up(needs, missing)
    run_again(python_of(needs.root / FOLDER))


def few(names: Sequence[str]) -> str:
    """List the first few names, and count the rest.

    >>> few(["numpy", "pandas", "pyarrow", "streamlit", "rich"])
    'numpy, pandas, pyarrow and 2 more'
    """
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def sources_of(needs: Needs) -> str:
    """Return the requirement files as pip arguments."""
    return " ".join(f"-r {needs.root / name}" for name in needs.requirements)


def missing_modules(modules: Mapping[str, str], path: Sequence[str] | None = None) -> list[str]:
    """Return the distributions with missing modules, without importing any.

    A folder without the package's files does not count.

    Parameters
    ----------
    modules : mapping
        Distribution -> module.
    path : sequence of str, optional
        Folders to search, by default the running interpreter's.

    >>> missing_modules({"python-dateless": "no_such_module", "stdlib": "json"})
    ['python-dateless']
    """
    if path is None:
        found = {name: importlib.util.find_spec(module) for name, module in modules.items()}
    else:
        found = {name: PathFinder.find_spec(module, path) for name, module in modules.items()}
    return [name for name, spec in found.items() if spec is None or spec.origin is None]


def is_ready(needs: Needs) -> bool:
    """Return whether `.venv` is complete, and current if it is ours."""
    folder = needs.root / FOLDER
    if not is_whole(folder) or missing_modules(needs.modules, site_of(folder)):
        return False
    return is_foreign(folder) or wanted_stamp(needs).items() <= read_stamp(folder).items()


def is_whole(folder: Path) -> bool:
    """Return whether the environment still has its Python and all installed packages."""
    least = str(read_stamp(folder).get(ENTRIES, ""))
    fewer = least.isdecimal() and entries_of(folder) < int(least)
    return python_of(folder).exists() and not fewer


def entries_of(folder: Path) -> int:
    """Count the files and folders among the packages of an environment."""
    return sum(len(list(Path(site).iterdir())) for site in site_of(folder))


def set_up(needs: Needs, missing: Sequence[str]) -> None:
    """Create or update `.venv`; waits for a concurrent setup.

    Parameters
    ----------
    needs : Needs
        Packages that the environment needs.
    missing : sequence of str
        Missing distributions, to explain the set-up.

    Raises
    ------
    SetupError
        If there is no venv module, network, space or write permission; with the remedy.
    """
    folder = needs.root / FOLDER
    if is_foreign(folder):
        raise SetupError(
            f"{folder} was not made by this command and lacks packages; remove it, or run: "
            f"{python_of(folder)} -m pip install {sources_of(needs)}"
        )
    try:
        folder.mkdir(exist_ok=True)
        with locked(folder / LOCK) as lock:
            if is_ready(needs):
                return
            if read_stamp(folder).get("python") == PYTHON:
                say(f"updating {folder} to {' and '.join(needs.requirements)}")
            else:
                say(f"setting up {folder} once, because {few(missing)} cannot be imported here")
            started_s = time.monotonic()
            build(needs, lock)
            say(f"ready after {time.monotonic() - started_s:.0f} s")
    except OSError as error:
        raise SetupError(
            f"cannot write {error.filename or folder}: {error.strerror or error}; make room or use "
            "a copy of the repository in a folder of your own"
        ) from error


def build(needs: Needs, lock: TextIO) -> None:
    """Install the requirement files, into a new environment unless ours is only outdated."""
    folder = needs.root / FOLDER
    stamp = read_stamp(folder)
    whole = stamp.get("python") == PYTHON and is_whole(folder)
    (folder / STAMP).unlink(missing_ok=True)
    log: list[str] = []
    done = False
    try:
        if not whole:
            clear(folder)
            make_venv(folder)
        install(folder, [needs.root / name for name in needs.requirements], lock, log)
        done = True
    finally:
        if done:
            kept = stamp if whole else {}
            count = {ENTRIES: str(entries_of(folder))}
            write_stamp(folder, kept | wanted_stamp(needs) | count)
        elif whole and not any(line.startswith("Installing collected") for line in log):
            write_stamp(folder, stamp)
        else:
            clear(folder)
    importlib.invalidate_caches()
    if left := missing_modules(needs.modules, site_of(folder)):
        raise SetupError(f"{' and '.join(needs.requirements)} do not install {', '.join(left)}")


def wanted_stamp(needs: Needs) -> dict[str, str]:
    """Return the Python version and hash of each requirement file."""
    import hashlib

    digests = {
        name: hashlib.sha256((needs.root / name).read_bytes()).hexdigest()
        for name in needs.requirements
    }
    return {"python": PYTHON, **digests}


def read_stamp(folder: Path) -> dict[str, str]:
    """Read the stamp of an environment, empty if incomplete."""
    import json

    try:
        stamp = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(folder: Path, stamp: Mapping[str, str]) -> None:
    """Write the stamp atomically."""
    import json

    write_whole(folder / STAMP, json.dumps(stamp, indent=1).encode())


def is_foreign(folder: Path) -> bool:
    """Return whether someone else made this environment: it lacks our lock and stamp."""
    ours = (folder / LOCK).exists() or (folder / STAMP).exists()
    return folder.is_dir() and not ours and any(folder.iterdir())


def clear(folder: Path) -> None:
    """Remove everything in the environment except the lock."""
    import shutil

    for entry in folder.iterdir():
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextmanager
def locked(path: Path) -> Iterator[TextIO]:
    """Hold the lock file; the system releases it when its last holder ends."""
    with path.open("a", encoding="utf-8") as lock:
        if not try_lock(lock):
            say("another start is setting up; waiting for it")
            while not try_lock(lock):
                time.sleep(POLL_S)
        yield lock


def run_again(python: Path) -> None:
    """Replace this process by the same command under another Python."""
    command = [str(python), *sys.orig_argv[1:]]
    if sys.platform == "win32":
        import subprocess

        sys.exit(subprocess.run(command, check=False).returncode)
    os.execv(command[0], command)


def say(message: str) -> None:
    """Print a progress message."""
    sys.stderr.write(f"Twenty Watts: {message}\n")
    sys.stderr.flush()
