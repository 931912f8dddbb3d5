"""Attribution of reported work and power to devices, with a plausibility check."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from estimator.core.units import human
from estimator.measure.session import Reported
from estimator.runs.energy import summarise
from estimator.runs.meter import Meter, Sample
from estimator.runs.record import Condition, MeasuredDevice, MeasuredRun, ServedLoad, Timing, Trust

IN_USE = 0.05
"""Busy share of the time below which a device counts as unused [1]."""

PARTS = "the work ran on partitions of GPUs: no utilization is derived"
UNKNOWN = (
    "which devices did the work is unknown, since not all report how busy they are: no utilization "
    "is derived"
)


def used_devices(run: MeasuredRun) -> list[str]:
    """Return the keys of the devices that a run used: its busy accelerators, or the CPU.

    Empty if no board is seen busy and one does not report it.
    """
    boards = [one.key for one in run.devices if one.kind == "gpu"]
    busy = {
        one.component: one.busy - (one.others or 0.0)
        for one in run.conditions
        if one.busy is not None
    }
    used = [key for key in boards if busy.get(key, 0.0) >= IN_USE]
    return used or ([] if set(boards) - set(busy) else ["cpu"])


def at_work(
    devices: Sequence[MeasuredDevice], conditions: Sequence[Condition]
) -> list[MeasuredDevice]:
    """Return the devices that worked, including those that do not report their load."""
    busy = {one.component: one.busy for one in conditions if one.busy is not None}
    return [one for one in devices if busy.get(one.key, 1.0) >= IN_USE]


def placed(
    reported: Reported,
    run: MeasuredRun,
    meters: Sequence[Meter] = (),
    samples: Mapping[str, Sequence[Sample]] | None = None,
) -> tuple[Timing | None, list[str]]:
    """Return the timing of some steps on their devices, or None and the reasons."""
    component = reported.timing.component
    used = [component] if component else used_devices(run)
    if not used:
        return None, [UNKNOWN]
    if any(one.key in used and one.shares_board for one in run.devices):
        return None, [PARTS]
    devices = reported.devices or _devices(reported, used)
    timing = replace(reported.timing, component=used[0], devices=devices, power_w=None, trust=None)
    window = (reported.began_s, reported.ended_s)
    power = total_power_w(used, meters, samples or {}, window)
    if power is None:
        return timing, []
    return replace(timing, power_w=power[0] / len(used), trust=power[1]), []


def _devices(reported: Reported, used: Sequence[str]) -> int:
    """Return the number of devices that shared the work; a CPU counts once for all its ranks."""
    if used == ["cpu"]:
        return reported.machines
    return reported.ranks if reported.ranks > 1 else len(used)


def total_power_w(
    keys: Collection[str],
    meters: Sequence[Meter],
    samples: Mapping[str, Sequence[Sample]],
    window: tuple[float, float],
) -> tuple[float, Trust] | None:
    """Power of some devices in a window [W], with its trust, or None if any is unknown."""
    powers = [
        mean_power_w(meter, samples.get(meter.component, ()), [window])
        for meter in meters
        if meter.component in keys and meter.trust != "modelled"
    ]
    known = [one for one in powers if one is not None]
    if len(known) < len(keys):
        return None
    counted = all(trust == "counter" for _, trust in known)
    return sum(power_w for power_w, _ in known), "counter" if counted else "sampled"


def with_power(load: ServedLoad, power_w: float, trust: Trust) -> ServedLoad:
    """Return a server's load with device power and the resulting energy per token."""
    measured = {**load.measured, "device_power_w": power_w}
    if rate := load.measured.get("output_tokens_per_s"):
        measured["device_energy_per_output_token_j"] = power_w / rate
    return replace(load, measured=measured, trust=trust)


def mean_power_w(
    meter: Meter, samples: Sequence[Sample], windows: Sequence[tuple[float, float]]
) -> tuple[float, Trust] | None:
    """Mean power from a meter in some windows [W], with its trust, or None if not read."""
    energy_j = time_s = 0.0
    trust: Trust = meter.trust
    for begin, end in windows:
        inside = [one for one in samples if begin <= one.time_s <= end]
        if not inside or end <= begin:
            continue
        reported = summarise(
            meter.component, meter.name, meter.trust, inside, duration_s=end - begin
        ).energy
        if reported is not None:
            energy_j, time_s, trust = (
                energy_j + reported.energy_j,
                time_s + reported.duration_s,
                reported.trust,
            )
    return (energy_j / time_s, trust) if time_s > 0 else None


def implausible(run: MeasuredRun) -> list[str]:
    """Return notices on timings that cannot be used, with reasons."""
    devices = {one.key: one for one in run.devices}
    found = []
    for timing in run.timings:
        if timing.what != "training" or timing.flop is None:
            continue
        device = devices.get(timing.component)
        if timing.precision is None:
            found.append(
                f"{timing.component}: the number format of the work is unknown, and so is the "
                "utilization; set --precision, or precision in measure()"
            )
        elif device is not None and device.hardware is not None:
            found += _too_fast(timing, device.hardware)
    return found


def _too_fast(timing: Timing, hardware: str) -> list[str]:
    """Return the notice that the reported work exceeds the device's peak."""
    from estimator.catalog import Catalog, ProfileError
    from estimator.catalog.records import most_possible

    try:
        catalog = Catalog.open()
        known = catalog.has_device(hardware)
        peak = catalog.device(hardware).peaks.get(timing.precision or "") if known else None
    except ProfileError:
        return []
    if peak is None or timing.flop is None:
        return []
    reached = timing.flop / timing.time_s / timing.devices
    if reached <= most_possible(peak):
        return []
    return [
        f"{timing.component}: {human(reached, 'FLOP/s')} would be {reached / peak.value:.3g} times "
        f"the peak of {hardware} in {timing.precision}, so the timing is ignored; check the work, "
        "number format and number of devices"
    ]
