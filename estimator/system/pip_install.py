"""Virtual environments: created by venv, filled by pip, with a reason on failure.

Standard library only.
"""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

FAST_PIP = 26
SIGNS_OF_NO_NETWORK = ("connection broken", "Max retries exceeded")
SHOWN_LINES = 5


class SetupError(RuntimeError):
    """Failed environment setup: cause and remedy."""


def make_venv(folder: Path) -> None:
    """Create an empty environment with pip, from the base of the running Python."""
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        raise SetupError(
            f"this Python ({sys.executable}) comes without venv or ensurepip; on Debian and Ubuntu "
            "run: apt-get install python3-venv"
        )
    import subprocess

    base = getattr(sys, "_base_executable", sys.executable)
    command = [base, "-I", "-m", "venv", str(folder)]
    venv = subprocess.run(command, capture_output=True, text=True, check=False)
    if venv.returncode:
        lines = [*venv.stdout.splitlines(), *venv.stderr.splitlines()]
        raise SetupError(f"cannot make a virtual environment:\n{tail(lines)}")


def install(folder: Path, requirements: Sequence[Path], lock: TextIO, log: list[str]) -> None:
    """Install requirement files, after updating pip to a faster version.

    Parameters
    ----------
    folder : Path
        Folder of the environment.
    requirements : sequence of Path
    lock : file
        File locked while pip runs.
    log : list of str
        Receives pip's output.

    Raises
    ------
    SetupError
        If pip fails; with reason and remedy.
    """
    sources = [word for path in requirements for word in ("-r", str(path))]
    pips = [pip.name for site in site_of(folder) for pip in Path(site).glob("pip-*.dist-info")]
    if all(int(name.split("-")[1].split(".")[0]) < FAST_PIP for name in pips):
        run_pip(folder, lock, ["--retries=0", f"pip>={FAST_PIP}"], [])
    if run_pip(folder, lock, sources, log):
        raise SetupError(f"{reason(log)}\n{tail(log)}")


def run_pip(folder: Path, lock: TextIO, what: Sequence[str], log: list[str]) -> int:
    """Run pip with the inherited lock, so that a kill does not let another start overtake it."""
    import subprocess

    command = [str(python_of(folder)), "-I", "-m", "pip", "install", "--no-user"]
    command += ["--no-input", "--no-compile", "--disable-pip-version-check", "--progress-bar=off"]
    with subprocess.Popen(
        [*command, *what],
        cwd=folder.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=() if sys.platform == "win32" else (lock.fileno(),),
    ) as pip:
        try:
            for line in pip.stdout or ():
                log.append(line.rstrip())
                show_progress(log)
        except KeyboardInterrupt:
            pip.kill()
            raise
        finally:
            show_progress([])
    return pip.returncode


def reason(log: Sequence[str]) -> str:
    """Return why pip failed and what to do, from its output.

    >>> reason(["ERROR: [Errno 28] No space left on device"])
    'the disk is full; make room and run the same command again'
    """
    text = "\n".join(log)
    if "No space left" in text:
        return "the disk is full; make room and run the same command again"
    if any(sign in text for sign in SIGNS_OF_NO_NETWORK):
        return (
            "pip could not reach a package index; connect or set a proxy, and run the same "
            "command again"
        )
    if "No matching distribution" in text:
        return (
            "pip found no such package for this Python version and system; is its package "
            "index complete?"
        )
    return "pip failed; fix the problem above and run the same command again"


def tail(log: Sequence[str]) -> str:
    """Return the last relevant lines, indented."""
    lines = [line for line in log if line.strip() and not line.startswith("WARNING")]
    return "\n".join(f"  {line.strip()}" for line in lines[-SHOWN_LINES:])


def show_progress(log: Sequence[str]) -> None:
    """Show pip's progress on a terminal line."""
    if not sys.stderr.isatty():
        return
    text = ""
    if log:
        found = sum(line.startswith("Collecting ") for line in log)
        text = f"  {found} packages found, fetching"
        if log[-1].startswith("Installing collected"):
            text = f"  {found} packages fetched, installing (the longest part)"
    sys.stderr.write(f"\r\033[K{text}")
    sys.stderr.flush()


def python_of(folder: Path) -> Path:
    """Return the path of the environment's Python."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def site_of(folder: Path) -> list[str]:
    """Return the paths of the environment's packages."""
    sites = [*folder.glob("lib/python3*/site-packages"), *folder.glob("Lib/site-packages")]
    return [str(site) for site in sites]
