"""Description of this machine, and load by other processes.

Facts that the system does not report are left out, more of them outside Linux. Nothing names a
person, machine or path.
"""

import math
import os
import platform
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from estimator.measure.cgroup import memory_limit_bytes, quota_cores, used_cpu_s
from estimator.measure.children import running_children_s
from estimator.measure.host_id import host_id
from estimator.runs.record import Host
from estimator.system.system_files import text_of

CONTAINER_SIGNS = (".dockerenv", "run/.containerenv", "run/systemd/container")
GUEST_SIGNS = ("sys/hypervisor/type", "proc/device-tree/hypervisor")
ASKED_S = 2.0
"""Timeout of a system command [s]."""

SMALLEST_LAPSE_S = 1e-3
"""Least time between two readings of the machine's use [s]."""


def this_host(root: Path = Path("/")) -> Host:
    """Describe this machine and its installed software."""
    cpu = processor_name(root)
    return Host(
        id=host_id(root),
        cpu=cpu,
        cores=math.ceil(usable_cores(root)),
        system=_system(),
        memory_bytes=_memory_bytes(root),
        virtual=_virtual(root),
        software=_software(),
    )


def usable_cores(root: Path = Path("/")) -> float:
    """CPUs available to this process, by affinity and quota [1]."""
    quota = quota_cores(root)
    return float(len(_affinity())) if quota is None else min(float(len(_affinity())), quota)


@dataclass(frozen=True, kw_only=True)
class Use:
    """CPU time used up to some moment.

    Parameters
    ----------
    all_s : float
        By everyone, on the processors that we may use [s].
    own_s : float
        By this process and those it started that have ended [s].
    group_s : float, optional
        By our control group [s].
    """

    time_s: float
    all_s: float
    own_s: float
    group_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class ProcessorShares:
    """Shares of the available CPUs used by others, and by all [1]."""

    others: float
    busy: float


class ContentionMeter:
    """Share of the available CPU used by others between readings.

    Own use includes ended child processes.

    Parameters
    ----------
    running_children : bool
        Whether those that it started and that still run are its own, too: to find them takes
        milliseconds.
    """

    def __init__(self, root: Path = Path("/"), *, running_children: bool = False) -> None:
        self._root = root
        self._quota = quota_cores(root)
        self._running_children = running_children
        self._before = self._use()

    def read(self) -> float | None:
        """Share used by others since the last reading or the start [1]."""
        before, self._before = self._before, self._use()
        found = self._shares(before, self._before)
        return None if found is None else found.others

    def shares(self) -> ProcessorShares | None:
        """Return the use by others and by all since the last `read` or the start."""
        return self._shares(self._before, self._use())

    def _shares(self, before: Use | None, after: Use | None) -> ProcessorShares | None:
        if before is None or after is None or after.time_s - before.time_s < SMALLEST_LAPSE_S:
            return None
        cores = len(_affinity())
        every = (after.all_s - before.all_s) / (after.time_s - before.time_s)
        return ProcessorShares(
            others=others_share(before, after, cores=cores, quota=self._quota),
            busy=min(1.0, every / cores),
        )

    def _use(self) -> Use | None:
        use = _use(self._root)
        if use is None or not self._running_children:
            return use
        return replace(use, own_s=use.own_s + running_children_s())


def others_share(before: Use, after: Use, *, cores: int, quota: float | None) -> float:
    """Share of our available CPU used by others between two moments [1].

    With a quota, processes outside our control group matter only once the rest of the machine is
    full.

    Examples
    --------
    >>> before = Use(time_s=0, all_s=0, own_s=0)
    >>> others_share(before, Use(time_s=10, all_s=20, own_s=15), cores=4, quota=None)
    0.125
    """
    lapse_s = after.time_s - before.time_s
    own = (after.own_s - before.own_s) / lapse_s
    others = max(0.0, (after.all_s - before.all_s) / lapse_s - own)
    if quota is None or quota >= cores:
        return min(1.0, others / cores)
    inside = 0.0
    if before.group_s is not None and after.group_s is not None:
        inside = max(0.0, (after.group_s - before.group_s) / lapse_s - own)
    outside = max(0.0, others - inside - (cores - quota))
    return min(1.0, (inside + outside) / quota)


def own_cpu_s() -> float:
    """CPU time of this process and its ended children [s]."""
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system


def _use(root: Path) -> Use | None:
    """Used CPU time, or None if not reported."""
    all_s = _used_s(root)
    if all_s is None:
        return None
    return Use(time_s=time.monotonic(), all_s=all_s, own_s=own_cpu_s(), group_s=used_cpu_s(root))


def _used_s(root: Path) -> float | None:
    """CPU time used by all on the CPUs available to us [s], or None if not reported.

    Windows reports it, but without ended children of ours, which would count as others. Time that a
    hypervisor gave to others counts as used.
    """
    if sys.platform == "darwin":
        import psutil

        times = psutil.cpu_times()
        return float(times.user + times.nice + times.system)
    mine = {f"cpu{number}" for number in _affinity()}
    lines = (line.split() for line in text_of(root / "proc" / "stat").splitlines())
    used = [map(int, counts[:8]) for name, *counts in lines if name in mine and len(counts) >= 8]
    ticks = 0
    for user, nice, system, _idle, _iowait, interrupt, soft, stolen in used:
        ticks += user + nice + system + interrupt + soft + stolen
    return ticks / os.sysconf("SC_CLK_TCK") if used else None


def _affinity() -> set[int]:
    """Numbers of the CPUs that this process may run on."""
    if sys.platform == "linux":
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def processor_name(root: Path = Path("/")) -> str:
    """Name of the CPU, on Arm from its vendor codes."""
    facts = _cpu_facts(root)
    if name := facts.get("model name") or facts.get("Model"):
        return name
    if "CPU part" in facts:
        return f"Arm, implementer {facts.get('CPU implementer', '?')}, part {facts['CPU part']}"
    if name := _name_elsewhere():
        return name
    return platform.processor() or platform.machine() or "unknown processor"


def _name_elsewhere() -> str:
    """Name of the CPU on macOS or Windows."""
    if sys.platform == "darwin":
        return _command_output("sysctl", "-n", "machdep.cpu.brand_string")
    if sys.platform == "win32":
        import winreg

        place = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
    return ""


def _cpu_facts(root: Path) -> dict[str, str]:
    """Return Linux's CPU facts, the first value of each key."""
    facts: dict[str, str] = {}
    for line in text_of(root / "proc" / "cpuinfo").splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    return facts


def _memory_bytes(root: Path) -> float | None:
    """Main memory, or the control group's limit [B]."""
    import psutil

    known = [memory_limit_bytes(root)]
    with suppress(OSError):
        known.append(float(psutil.virtual_memory().total))
    return min((one for one in known if one is not None), default=None)


def _virtual(root: Path) -> bool | None:
    """Return whether this is a virtual machine or container, or None if unknown."""
    if any((root / sign).exists() for sign in (*CONTAINER_SIGNS, *GUEST_SIGNS)):
        return True
    facts = _cpu_facts(root)
    if "flags" in facts:
        return "hypervisor" in facts["flags"].split()
    if sys.platform == "darwin":
        return {"1": True, "0": False}.get(_command_output("sysctl", "-n", "kern.hv_vmm_present"))
    return None


def _system() -> str:
    """Operating system, version numbers, and instruction set.

    The rest of a kernel's version may contain names of people and machines.
    """
    numbers = re.match(r"[\d.]+", platform.release())
    version = numbers[0].strip(".") if numbers else ""
    return " ".join(word for word in (platform.system(), version, platform.machine()) if word)


def _software() -> dict[str, str]:
    """Versions of the libraries of this interpreter, without importing them."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "numpy": np.__version__, "blas": _blas()}
    for name in ("torch", "cupy", "codecarbon", "nvidia-ml-py"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _blas() -> str:
    """Name and version of numpy's BLAS, with kernels and threads where reported."""
    from threadpoolctl import threadpool_info

    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    name = f"{built.get('name', 'unknown')} {built.get('version', '')}".strip()
    for one in threadpool_info():
        if one["internal_api"] == "openblas":
            return f"{name}, {one['architecture']} kernels, {one['num_threads']} threads"
    return name


def _command_output(*command: str) -> str:
    """Return the output of a system command, empty if it fails."""
    import subprocess

    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ASKED_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
