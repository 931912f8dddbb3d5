"""Energy of CPU packages and memory from CPU counters (RAPL).

Linux shows them as powercap zones, for Intel and AMD. A package contains its cores and graphics,
and the platform contains the packages, so only packages and memory are added.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from estimator.runs.meter import Meter, MeterError, Sample
from estimator.runs.record import MeasuredDevice, Trust
from estimator.system.system_files import text_of

ZONES = "sys/class/powercap"
"""Folder of the zones, below the root of the file system."""

FAVOURED = "intel-rapl"
"""Kernel name of zones read from the CPU, also for AMD."""

J_PER_UJ = 1e-6

MOST_W = 2000.0
"""Largest package power [W]; an apparent wrap above it is a reset."""

MIRRORED_J = 1.0
"""Largest difference between two consecutive readings of one counter [J]."""

TELLING_J = 100.0
"""Least energy for detecting duplicate counters [J]."""

NONE_HERE = (
    "no processor energy counters (RAPL): virtual machines, containers and kernels without "
    "powercap have none"
)
NOT_READABLE = (
    "the processor's energy counters (RAPL) are there but only root may read them; until the next "
    "start of the machine this changes it: sudo chmod a+r /sys/class/powercap/*/energy_uj"
)


@dataclass(frozen=True, kw_only=True)
class _Zone:
    """RAPL counter.

    Parameters
    ----------
    name : str
        "package-0", "package-0/dram" and so on.
    range_j : float or None
        The counter starts again at 0 from here; None if it does not say [J].
    """

    path: Path
    control: str
    name: str
    range_j: float | None

    def read_j(self) -> float:
        """Read the counter [J]."""
        return float((self.path / "energy_uj").read_text(encoding="ascii")) * J_PER_UJ


class RaplMeter(Meter):
    """Sum of the counters of all packages, or of all their memory."""

    name = "rapl"
    trust: Trust = "counter"

    def __init__(
        self, component: str, zones: Sequence[_Zone], device: MeasuredDevice | None
    ) -> None:
        self.component = component
        self.device = device
        self._zones = tuple(zones)
        self._last: Mapping[_Zone, float] = {}
        self._last_s = -math.inf
        self._total_j = 0.0

    def read(self, *, with_counter: bool) -> Sample:
        """Energy since the first reading; empty if the counter is not requested."""
        now_s = time.monotonic()
        if not with_counter:
            return Sample(time_s=now_s)
        readings = {zone: _read_j(zone) for zone in self._zones}
        if self._last:
            lapse_s = now_s - self._last_s
            self._total_j += sum(
                _gained_j(zone, self._last[zone], reading, lapse_s)
                for zone, reading in readings.items()
            )
        self._last, self._last_s = readings, now_s
        return Sample(time_s=now_s, energy_j=self._total_j)


def open_rapl(
    root: Path = Path("/"), *, processor: str = "processor"
) -> tuple[list[RaplMeter], list[str]]:
    """Open meters of the packages and main memory.

    Returns
    -------
    list of RaplMeter
        That of "cpu", and that of "dram" where the processor counts it.
    list of str
        What was left out, and why.
    """
    zones = _zones(root / ZONES)
    packages = _once([zone for zone in zones if _kind(zone.name) == "package"])
    if not packages:
        raise MeterError(NONE_HERE)
    for zone in packages:
        _read_j(zone)
    packages, mirrored = _without_mirrors(packages)
    kept = {zone.name for zone in packages}
    memory = _once([zone for zone in zones if _kind(zone.name) == "dram"])
    memory = [zone for zone in memory if zone.name.partition("/")[0] in kept]
    device = MeasuredDevice(key="cpu", kind="cpu", name=processor)
    meters = [RaplMeter("cpu", packages, device)]
    if memory:
        meters.append(RaplMeter("dram", memory, None))
    return meters, [f"cpu: {name} counts what another zone counts; left out" for name in mirrored]


def _zones(folder: Path) -> list[_Zone]:
    """All zones, named with their parent zone."""
    try:
        found = sorted(entry for entry in folder.iterdir() if ":" in entry.name)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    named = {path.name: label for path in found if (label := text_of(path / "name"))}
    zones = []
    for path in found:
        name, above = named.get(path.name), named.get(path.name.rpartition(":")[0])
        if name is None or not (path / "energy_uj").exists():
            continue
        range_uj = text_of(path / "max_energy_range_uj")
        zones.append(
            _Zone(
                path=path,
                control=path.name.partition(":")[0],
                name=f"{above}/{name}" if above else name,
                range_j=float(range_uj) * J_PER_UJ if range_uj.isdigit() else None,
            )
        )
    return zones


def _kind(name: str) -> str:
    """Return the scope of a zone.

    >>> [_kind(name) for name in ("package-0-die-1", "package-0/dram", "package-0/core", "psys")]
    ['package', 'dram', 'core', 'psys']
    """
    return name.rpartition("/")[2].partition("-")[0]


def _once(zones: Sequence[_Zone]) -> list[_Zone]:
    """Remove zones that a second driver repeats."""
    ordered = sorted(zones, key=lambda zone: (zone.control != FAVOURED, zone.control))
    first: dict[str, str] = {}
    for zone in ordered:
        first.setdefault(zone.name, zone.control)
    return [zone for zone in ordered if first[zone.name] == zone.control]


def _without_mirrors(zones: Sequence[_Zone]) -> tuple[list[_Zone], list[str]]:
    """Remove zones whose counter duplicates another: dies that all count the whole package.

    A duplicate read between two readings of the original lies between them.
    """
    kept: list[_Zone] = []
    mirrored: list[str] = []
    for zone in zones:
        if any(_is_mirror(zone, original) for original in kept):
            mirrored.append(zone.name)
        else:
            kept.append(zone)
    return kept, mirrored


def _is_mirror(zone: _Zone, original: _Zone) -> bool:
    before_j, between_j, after_j = (_read_j(one) for one in (original, zone, original))
    if before_j < TELLING_J:
        return False
    return before_j - MIRRORED_J <= between_j <= after_j + MIRRORED_J


def _read_j(zone: _Zone) -> float:
    try:
        return zone.read_j()
    except PermissionError as error:
        raise MeterError(NOT_READABLE) from error
    except (OSError, ValueError) as error:
        raise MeterError(f"the energy counter of {zone.name} cannot be read: {error}") from error


def _gained_j(zone: _Zone, before_j: float, after_j: float, lapse_s: float) -> float:
    """Energy between two readings, wraps undone; negative after a reset [J]."""
    gained_j = after_j - before_j
    if gained_j < 0 and zone.range_j is not None:
        wrapped_j = gained_j + zone.range_j
        if 0 <= wrapped_j <= MOST_W * (lapse_s + 1):
            return wrapped_j
    return gained_j
