"""Descendants of a process, and their CPU time.

Without /proc, as in some sandboxes, none are seen.
"""

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psutil import Process

POLL_S = 0.05
"""Time between checks for ended processes [s]."""


def descendants(pid: int) -> "set[Process]":
    """Return the running descendants of a process."""
    import psutil

    try:
        return set(psutil.Process(pid).children(recursive=True))
    except (psutil.Error, OSError):
        return set()


def end_all(processes: "set[Process]", patience_s: float) -> None:
    """Terminate processes, and kill those still running after a while."""
    import psutil

    for end in (psutil.Process.terminate, psutil.Process.kill):
        for one in processes:
            with suppress(psutil.Error):
                end(one)
        until_s = time.monotonic() + patience_s
        while any(map(_runs, processes)) and time.monotonic() < until_s:
            time.sleep(POLL_S)


def running_children_s() -> float:
    """CPU time of this process's running descendants [s].

    The time of ended descendants is included in their parents' where the system reports it, as
    Linux does.
    """
    import psutil

    used_s = 0.0
    for one in descendants(os.getpid()):
        with suppress(psutil.Error):
            times = one.cpu_times()
            used_s += times.user + times.system + times.children_user + times.children_system
    return used_s


def _runs(process: "Process") -> bool:
    """Return whether a process is running; a zombie is not."""
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
