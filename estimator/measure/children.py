"""How much processor time have the processes used that this one started and that still run?"""

import os
from pathlib import Path

from estimator.system.system_files import process_stat


def running_children_s(root: Path = Path("/")) -> float:
    """Processor time of all that descends from this process and has not ended [s].

    The time of those of them that have ended themselves is in that of their parents.

    Parameters
    ----------
    root : Path
        Of the file system; 0 s where it has no /proc.
    """
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    try:
        pids = [int(entry.name) for entry in (root / "proc").iterdir() if entry.name.isdecimal()]
    except OSError:
        return 0.0
    for pid in pids:
        if fields := process_stat(root / "proc", pid):
            parents[pid] = int(fields[1])
            ticks[pid] = sum(map(int, fields[11:15]))
    mine = sum(ticks[pid] for pid in ticks if _descends(pid, os.getpid(), parents))
    return mine / os.sysconf("SC_CLK_TCK") if mine else 0.0


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    """Whether a process descends from another; one that has ended meanwhile ends the line."""
    seen = {pid}
    while (pid := parents.get(pid, 0)) not in seen and pid:
        if pid == ancestor:
            return True
        seen.add(pid)
    return False
