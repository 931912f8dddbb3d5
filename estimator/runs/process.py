"""Liveness of the process that measures a run.

Process ids are reused, so boot and process start times are compared, too. If the process cannot be
looked up, on another machine or in another container, a run counts as interrupted after an hour
without samples, and is restored if it writes again.
"""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from estimator.system.system_files import process_stat, text_of

SILENCE_S = 3600.0
"""Silence after which a run without a visible process is interrupted [s]."""

ENDED = ("Z", "X")
"""States of an ended process that still has its id."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """Unique identity of a process, empty where the system has none.

    Parameters
    ----------
    space : str
        In which set of process numbers: a container has its own.
    born : str
        When it started: on Linux in ticks after the start of the machine, which no change of the
        clock moves, elsewhere as time of day.
    """

    machine: str
    boot: str
    space: str
    pid: int
    born: str


def this_process(root: Path = Path("/")) -> Process:
    """Describe the current process; `root` contains proc and etc."""
    import hashlib

    proc = root / "proc"
    name = text_of(root / "etc" / "machine-id") or platform.node()
    return Process(
        machine=hashlib.sha256(name.encode()).hexdigest()[:16],
        boot=text_of(proc / "sys" / "kernel" / "random" / "boot_id"),
        space=_space(proc),
        pid=os.getpid(),
        born=born(proc, os.getpid()),
    )


def is_gone(process: Process, silent_s: float, root: Path = Path("/")) -> bool:
    """Return whether a process has ended, as far as known."""
    here = this_process(root)
    if process.machine != here.machine or not (process.born and here.born):
        return silent_s > SILENCE_S
    if process.boot != here.boot:
        return True
    if process.space != here.space:
        return silent_s > SILENCE_S
    return born(root / "proc", process.pid) != process.born


def born(proc: Path, pid: int) -> str:
    """Return the start time of a process, empty if there is none."""
    if fields := process_stat(proc, pid):
        return "" if fields[0] in ENDED else fields[19]
    import psutil

    try:
        return str(psutil.Process(pid).create_time())
    except (psutil.Error, OSError):
        return ""


def _space(proc: Path) -> str:
    try:
        return os.readlink(proc / "self" / "ns" / "pid")
    except OSError:
        return ""
