"""Which processes that one started still run, and how much processor time have they used?"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from estimator.runs.process import born
from estimator.system.system_files import process_stat

PROC = Path("/proc")


@dataclass(frozen=True)
class Descendant:
    """A process that another one started, and when it started: numbers are used again."""

    pid: int
    born: str

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return born(PROC, self.pid) == self.born

    def send(self, number: int) -> None:
        """Send it a signal, if it runs and is ours."""
        if self.runs:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)


def descendants(pid: int) -> set[Descendant]:
    """What descends from a process and has not ended; empty where the system has no /proc."""
    found = _descendants(PROC, pid)
    pids = list(_all_descendants(PROC, pid)) if found is None else found
    some = (Descendant(one, born(PROC, one)) for one in pids)
    return {one for one in some if one.born}


def running_children_s(root: Path = Path("/")) -> float:
    """Processor time of all that descends from this process and has not ended [s].

    The time of those of them that have ended themselves is in that of their parents.

    Parameters
    ----------
    root : Path
        Of the file system; 0 s where it has no /proc.
    """
    proc = root / "proc"
    found = _descendants(proc, os.getpid())
    stats = _stats(proc, found) if found is not None else _all_descendants(proc, os.getpid())
    ticks = sum(int(field) for fields in stats.values() for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def _descendants(proc: Path, pid: int) -> list[int] | None:
    """Processes below one, by the lists of children that Linux keeps; None where it keeps none."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        tasks = proc / str(waiting.pop()) / "task"
        try:
            texts = [(tasks / task / "children").read_text("ascii") for task in os.listdir(tasks)]
        except OSError:
            if not found:
                return None
            continue
        children = [int(word) for text in texts for word in text.split()]
        found += children
        waiting += children
    return found


def _all_descendants(proc: Path, pid: int) -> dict[int, list[str]]:
    """The same with what the system says of each, by the parents of all processes."""
    try:
        pids = [int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal()]
    except OSError:
        return {}
    stats = _stats(proc, pids)
    parents = {pid: int(fields[1]) for pid, fields in stats.items()}
    return {one: stats[one] for one in stats if _descends(one, pid, parents)}


def _stats(proc: Path, pids: Iterable[int]) -> dict[int, list[str]]:
    """Process -> what the system says of it; one that has ended meanwhile is left out."""
    read = {pid: process_stat(proc, pid) for pid in pids}
    return {pid: fields for pid, fields in read.items() if fields}


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    """Whether a process descends from another; one that has ended meanwhile ends the line."""
    seen = {pid}
    while (pid := parents.get(pid, 0)) not in seen and pid:
        if pid == ancestor:
            return True
        seen.add(pid)
    return False
