"""Share of the machine that a Linux control group allows this process.

Supports both cgroup versions; the tightest limit in the hierarchy applies.
"""

from collections.abc import Iterator
from pathlib import Path

from estimator.core.units import NS_PER_S
from estimator.system.system_files import text_of

MOUNT = "sys/fs/cgroup"
US_PER_S = 1e6


def quota_cores(root: Path = Path("/")) -> float | None:
    """CPU quota of the group, or None if unlimited [1]."""
    quotas = []
    for group in _groups(root, "cpu"):
        quota, _, period = text_of(group / "cpu.max").partition(" ")
        if not period:
            quota, period = (
                text_of(group / "cpu.cfs_quota_us"),
                text_of(group / "cpu.cfs_period_us"),
            )
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def memory_limit_bytes(root: Path = Path("/")) -> float | None:
    """Memory limit of the group, or None if unlimited [B]."""
    limits = [
        float(limit)
        for group in _groups(root, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := text_of(group / name)).isdigit()
    ]
    return min(limits, default=None)


def used_cpu_s(root: Path = Path("/")) -> float | None:
    """CPU time used by the group since its start, or None if not reported [s]."""
    for group in _groups(root, "cpuacct"):
        for line in text_of(group / "cpu.stat").splitlines():
            if line.startswith("usage_usec "):
                return int(line.split()[1]) / US_PER_S
        if (usage := text_of(group / "cpuacct.usage")).isdigit():
            return int(usage) / NS_PER_S
    return None


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's group and its parents, innermost first.

    A container often shows its own group as the root, whatever its path.
    """
    for line in text_of(root / "proc" / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mounts = [root / MOUNT, root / MOUNT / "unified"]
        elif controller in controllers.split(","):
            mounts = [root / MOUNT / controllers, root / MOUNT / controller]
        else:
            continue
        parts = [part for part in path.split("/") if part and part != ".."]
        for mount in mounts:
            for depth in range(len(parts), -1, -1):
                folder = mount.joinpath(*parts[:depth])
                if folder.is_dir():
                    yield folder
