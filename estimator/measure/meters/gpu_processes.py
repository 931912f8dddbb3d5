"""Other processes that compute on a board, and their share of its time."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from estimator.measure.meters.nvml_binding import Code, Driver, NotReported
from estimator.runs.meter import DeviceLost, MeterError
from estimator.system.system_files import process_stat

FROM_THE_FIRST, OF_LATE_US = 0, 1_000_000
"""Start of the requested history, and the part that counts [us]."""

HOSTS_OWN = "pid:[4026531836]"
"""PID namespace of the host, always numbered so by the kernel."""

LISTS = ("nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2")
"""Versioned names of the process list, as the binding refuses older drivers otherwise."""

NOT_LISTED = "who else computes on the board is not known: the driver does not tell"
HIDDEN = (
    "who else computes on the board is not known: this container or system does not show the "
    "host's process numbers"
)


class Users:
    """Processes on one board that do not belong to this process.

    Ours are its descendants and its process group, a shell's job.
    """

    def __init__(self, driver: Driver, handle: Any, root: Path) -> None:
        self._driver = driver
        self._handle = handle
        self._proc = root / "proc"
        self._ours = {os.getpid()}
        self._most = 0
        answer = (name for name in LISTS if driver.tells(name, handle) is not None)
        self._list = next(answer, "")
        self._why_unknown = "" if self._list else NOT_LISTED
        if not self._numbers_are_the_hosts():
            self._why_unknown = HIDDEN
        self._guessed = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the processes."""
        found = [self._why_unknown] if self._why_unknown else []
        if self._most:
            guess = "; their share of its time is guessed as equal" if self._guessed else ""
            found.append(f"up to {self._most} processes of others on the board{guess}")
        return tuple(found)

    def share(self, busy: float | None) -> float | None:
        """Share of the board's time recently used by others [1], or None if unknown."""
        if self._why_unknown:
            return None
        listed = self._driver.tells(self._list, self._handle)
        if listed is None:
            return None
        pids = {int(one.pid) for one in listed}
        others = sorted(pid for pid in pids if not self._is_ours(pid))
        self._most = max(self._most, len(others))
        if not others:
            return 0.0
        answer = self._reported_share(others)
        if answer is None:
            self._guessed = True
            return len(others) / len(pids) * (1.0 if busy is None else busy)
        return answer

    def _reported_share(self, pids: Sequence[int]) -> float | None:
        """Share of the last second reported for these processes, or None."""
        try:
            answer = self._driver.ask(
                "nvmlDeviceGetProcessUtilization", self._handle, FROM_THE_FIRST
            )
        except DeviceLost:
            raise
        except NotReported as error:
            return 0.0 if error.code in (Code.SUCCESS, Code.NOT_FOUND) else None
        except MeterError:
            return None
        newest_us = max((int(one.timeStamp) for one in answer), default=0)
        late = [one for one in answer if newest_us - one.timeStamp <= OF_LATE_US]
        percents = {pid: [int(one.smUtil) for one in late if one.pid == pid] for pid in pids}
        return min(1.0, sum(sum(one) / len(one) for one in percents.values() if one) / 100)

    def _numbers_are_the_hosts(self) -> bool:
        """Return whether the driver uses our process ids."""
        try:
            return os.readlink(self._proc / "self" / "ns" / "pid") == HOSTS_OWN
        except OSError:
            return False

    def _is_ours(self, pid: int) -> bool:
        """Return whether a process belongs to our job, cached once true."""
        line = [pid]
        parent, group = self._parent_and_group(pid)
        while line[-1] not in self._ours and parent > 0:
            line.append(parent)
            parent, _ = self._parent_and_group(parent)
        if line[-1] in self._ours:
            self._ours.update(line)
        elif group == os.getpgrp():
            self._ours.add(pid)
        return pid in self._ours

    def _parent_and_group(self, pid: int) -> tuple[int, int]:
        """Parent and group of a process, 0 if not visible."""
        fields = process_stat(self._proc, pid)
        return (int(fields[1]), int(fields[2])) if fields else (0, 0)
