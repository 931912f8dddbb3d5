"""Profile of a CPU without a data sheet, from its benchmark.

A data sheet covers all cores, but a virtual machine or container has only some. So every CPU gets
its own profile, with peaks from the fastest measured products, to which training utilization is
relative.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from estimator.core.units import in_percent, significant
from estimator.runs.observations import slowed
from estimator.runs.record import Host, MeasuredDevice, MeasuredRun, Timing

Table = dict[str, Any]

DISTURBED = "derived"
"""Basis of a rate slowed by others in every repetition."""

LEAST_PEAK = 1e9
"""Least peak of a number format in a profile [FLOP/s]; slower ones are emulated."""


def processor_id(host: Host) -> str:
    """Id of the profile of a CPU with some usable cores on one host.

    The host counts because virtual machines give different CPUs the same name.

    >>> processor_id(Host(id="c0ffee", cpu="Intel(R) Xeon(R)", cores=2, system="", software={}))
    'intel-xeon-2-cores-c0ff'
    """
    plain = re.sub(r"\((r|tm|c)\)", "", host.cpu.lower())
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "processor"
    return f"{words}-{host.cores}-cores-{host.id[:4]}"


def source_id(host: Host) -> str:
    """Id of the source for the measurements of a host."""
    return f"measured-{host.id}"


def profile_of(run: MeasuredRun, device: MeasuredDevice) -> Table:
    """Build a device profile from its benchmark, as in profiles/hardware.

    Unmeasured values are left out.
    """
    timings = [one for one in run.timings if one.component == device.key]
    peaks = peak_rates(timings)
    if not any(one.what == "matrix" for one in timings):
        raise ValueError(f"run {run.id} timed no matrix product on {device.key}")
    host = run.host

    def record(value: float, unit: str, where: str, slow: float = 1.0) -> Table:
        """Format one measured number, with a range if others slowed it."""
        found = {
            "value": significant(value * slow, 4),
            "unit": unit,
            "basis": "measured",
            "source": source_id(host),
            "date": run.started[:10],
            "where": f"run {run.id}: {where}",
        }
        if slow == 1.0:
            return found
        return found | {
            "basis": DISTURBED,
            "low": significant(value, 4),
            "high": significant(value * slow**2, 4),
            "note": f"Others used {in_percent(1.0 - 1.0 / slow)} of the machine in every "
            "repetition: the low end was measured, the value is what all of it would make.",
        }

    table: Table = {
        "name": f"{device.name}, {host.cores} cores, as measured on {host.id[:4]}",
        "vendor": device.name.split("(")[0].split()[0],
        "kind": "cpu",
        "aliases": [],
        "note": "Peaks are the fastest matrix products or training steps on the cores in use.",
        "peak_flop_per_s": {
            precision: record(one.rate, "FLOP/s", "fastest product or training step", one.slowed)
            for precision, one in peaks.items()
        },
    }
    bandwidth = memory_rate(timings)
    if bandwidth is not None:
        table["memory_bytes_per_s"] = record(
            bandwidth.rate, "B/s", "sum of the longest vectors", bandwidth.slowed
        )
    if device.memory_bytes is not None:
        table["memory_bytes"] = record(device.memory_bytes, "B", "available main memory")
    for key, power_w, where in (
        ("tdp_w", _power_w(timings, "matrix"), "highest mean power in matrix products"),
        ("idle_w", _power_w(timings, "idle"), "power at rest"),
    ):
        if power_w is not None:
            table[key] = record(power_w, "W", where)
    return table


def merged(fresh: Table, before: Table) -> Table:
    """Merge the profile of a CPU with a further benchmark.

    A partial, stopped or disturbed benchmark removes nothing: peaks, bandwidth and full power keep
    the highest measurement, others the newest. Undisturbed measurements win over disturbed ones
    unless the latter actually reached more.
    """
    peaks = {**before.get("peak_flop_per_s", {}), **fresh["peak_flop_per_s"]}
    highest = {
        precision: _higher(record, before.get("peak_flop_per_s", {}).get(precision))
        for precision, record in peaks.items()
    }
    found = {**before, **fresh, "peak_flop_per_s": highest}
    for key in ("memory_bytes_per_s", "tdp_w"):
        if key in fresh:
            found[key] = _higher(fresh[key], before.get(key))
    return found


def _higher(fresh: Table, before: Table | None) -> Table:
    """Return the record with the higher value, the fresh one if equal.

    An undisturbed record wins over a disturbed one unless the latter reached more.
    """
    if before is None:
        return fresh
    alike = (fresh.get("basis") == DISTURBED) == (before.get("basis") == DISTURBED)
    part = "value" if alike else "low"
    reached, best = (one[part if part in one else "value"] for one in (fresh, before))
    return fresh if reached >= best else before


def source_of(host: Host, date: str) -> Table:
    """Entry of sources.toml for the measurements of a host."""
    return {
        "title": f"Benchmark of host {host.id} ({host.cpu}, {host.cores} cores)",
        "publisher": "measured by `calibrate bench`",
        "date": date,
        "licence": "whoever measured it decides",
    }


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Measured rate [1/s], and the factor by which others slowed it under fair sharing."""

    rate: float
    slowed: float

    @property
    def alone(self) -> float:
        """Return the rate on an otherwise idle machine [1/s]."""
        return self.rate * self.slowed


def peak_rates(timings: Iterable[Timing]) -> dict[str, Rate]:
    """Number format -> fastest product or training step [FLOP/s].

    Formats without native products may be emulated slowly in products, but faster in network
    layers. A timing slowed by others counts only if it reached more than all undisturbed ones.
    """
    rates: dict[str, list[Rate]] = {}
    for one in timings:
        if one.what in ("matrix", "training") and one.flop and one.precision is not None:
            found = Rate(rate=one.flop / one.time_s, slowed=slowed(one.others or 0.0))
            rates.setdefault(one.precision, []).append(found)
    peaks = {}
    for name, several in rates.items():
        calm = max((one.rate for one in several if one.slowed == 1.0), default=0.0)
        peaks[name] = max((one for one in several if one.rate >= calm), key=lambda one: one.alone)
    return {name: peak for name, peak in peaks.items() if peak.alone >= LEAST_PEAK}


def memory_rate(timings: Iterable[Timing]) -> Rate | None:
    """Memory bandwidth beyond the caches, from the longest vectors [B/s]."""
    copies = [one for one in timings if one.what == "copy" and one.moved_bytes]
    if not copies:
        return None
    longest = max(one.moved_bytes or 0.0 for one in copies)
    last = [one for one in copies if one.moved_bytes == longest]
    return Rate(
        rate=median(longest / one.time_s for one in last),
        slowed=median(slowed(one.others or 0.0) for one in last),
    )


def _power_w(timings: Iterable[Timing], what: str) -> float | None:
    """Highest measured mean power [W], or None."""
    found = [
        one.power_w
        for one in timings
        if one.what == what and one.power_w is not None and one.trust in ("counter", "sampled")
    ]
    return max(found, default=None)
