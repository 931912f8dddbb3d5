"""Which profile does a processor get that no data sheet describes: what its benchmark measured.

The data sheet of a processor speaks of all its cores; a virtual machine or a container has some of
them. So a processor always gets a profile of its own, whose peaks are the fastest products of
matrices that were measured, and the utilization of training is relative to these.
"""

import re
from collections.abc import Iterable
from statistics import median
from typing import Any

from estimator.runs.record import Host, MeasuredDevice, MeasuredRun, Timing

Table = dict[str, Any]

LEAST_PEAK = 1e9
"""A number format in which a processor reaches less is computed by emulation, and no profile holds
it [FLOP/s]."""


def processor_id(host: Host) -> str:
    """Id of the profile of a processor with so many cores in use, on one host.

    Virtual machines call very different processors by one name, so the host counts.

    >>> processor_id(Host(id="c0ffee", cpu="Intel(R) Xeon(R)", cores=2, system="", software={}))
    'intel-xeon-2-cores-c0ff'
    """
    plain = re.sub(r"\((r|tm|c)\)", "", host.cpu.lower())
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "processor"
    return f"{words}-{host.cores}-cores-{host.id[:4]}"


def source_id(host: Host) -> str:
    """Id of the source that stands for the measurements of a host."""
    return f"measured-{host.id}"


def profile_of(run: MeasuredRun, device: MeasuredDevice) -> Table:
    """Profile of a device from its benchmark, as a file of profiles/hardware holds it.

    What was not measured is left out.

    Raises
    ------
    ValueError
        If no product of matrices was measured: there is no peak.
    """
    timings = [one for one in run.timings if one.component == device.key]
    peaks = _peaks(timings)
    if not any(one.what == "matrix" for one in timings):
        raise ValueError(f"run {run.id} measured no product of matrices on {device.key}")
    host = run.host

    def record(value: float, unit: str, where: str) -> Table:
        """Write one measured number."""
        return {
            "value": float(f"{value:.4g}"),
            "unit": unit,
            "basis": "measured",
            "source": source_id(host),
            "date": run.started[:10],
            "where": f"run {run.id}: {where}",
        }

    table: Table = {
        "name": f"{device.name}, {host.cores} cores, as measured on {host.id[:4]}",
        "vendor": device.name.split("(")[0].split()[0],
        "kind": "cpu",
        "aliases": [],
        "note": "Peaks are the fastest products or steps of training measured on the cores in use.",
        "peak_flop_per_s": {
            precision: record(flop_per_s, "FLOP/s", "fastest product or step of training")
            for precision, flop_per_s in peaks.items()
        },
    }
    bandwidth = _bandwidth(timings)
    if bandwidth is not None:
        table["memory_bytes_per_s"] = record(bandwidth, "B/s", "sum of the longest vectors")
    if device.memory_bytes is not None:
        table["memory_bytes"] = record(device.memory_bytes, "B", "main memory that it may use")
    for key, power_w, where in (
        ("tdp_w", _power_w(timings, "matrix"), "highest mean power in products of matrices"),
        ("idle_w", _power_w(timings, "idle"), "power at rest"),
    ):
        if power_w is not None:
            table[key] = record(power_w, "W", where)
    return table


def merged(fresh: Table, before: Table) -> Table:
    """Profile of a processor after one more benchmark of it.

    A benchmark of some number formats, or one that was stopped, or disturbed, takes nothing away:
    of peaks, bandwidth and full power the highest that was measured holds, of the rest the newest.
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
    """Return the record of the higher value; the fresh one if they are the same."""
    return fresh if before is None or fresh["value"] >= before["value"] else before


def source_of(host: Host, date: str) -> Table:
    """Entry of sources.toml for the measurements of a host."""
    return {
        "title": f"Benchmark of host {host.id} ({host.cpu}, {host.cores} cores)",
        "publisher": "measured by `calibrate bench`",
        "date": date,
        "licence": "whoever measured it decides",
    }


def _peaks(timings: Iterable[Timing]) -> dict[str, float]:
    """Number format -> fastest product, or step of training if one was faster [FLOP/s].

    Where a processor has no product in a number format, PyTorch computes it in a slow way, and
    layers of a network in a faster one.
    """
    peaks: dict[str, float] = {}
    for one in timings:
        if (
            one.what in ("matrix", "training")
            and one.flop is not None
            and one.precision is not None
        ):
            peaks[one.precision] = max(peaks.get(one.precision, 0.0), one.flop / one.time_s)
    return {name: peak for name, peak in peaks.items() if peak >= LEAST_PEAK}


def _bandwidth(timings: Iterable[Timing]) -> float | None:
    """Bandwidth of the memory beyond the caches: of the longest vectors [B/s]."""
    copies = [(one.moved_bytes, one.time_s) for one in timings if one.what == "copy"]
    known = [(moved, time_s) for moved, time_s in copies if moved is not None]
    if not known:
        return None
    longest = max(moved for moved, _ in known)
    return median(moved / time_s for moved, time_s in known if moved == longest)


def _power_w(timings: Iterable[Timing], what: str) -> float | None:
    """Highest mean power that was truly measured [W]; None if none was."""
    found = [
        one.power_w
        for one in timings
        if one.what == what and one.power_w is not None and one.trust in ("counter", "sampled")
    ]
    return max(found, default=None)
