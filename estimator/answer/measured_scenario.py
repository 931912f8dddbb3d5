"""Scenario from a measured run: its device, hours and metered energy."""

from collections.abc import Mapping, Sequence
from typing import Any

from estimator.core.units import S_PER_H
from estimator.core.work import DEVICES, FACILITY, NODES
from estimator.question.scenario import Scenario
from estimator.runs.record import Energy, MeasuredRun

MOST = 1e300
"""Upper limit on any number in a forecast."""

WHOLE = {"facility": FACILITY, "host": NODES, "gpu": DEVICES}
"""Component that covers everything within a boundary -> boundary, the widest first."""


def scenario_of_run(run: MeasuredRun) -> tuple[Scenario, bool]:
    """Return a run as a scenario, and whether all of its energy was metered.

    Raises
    ------
    ValueError
        If no device of the run is known.
    """
    used = [one for one in run.devices if one.kind == "gpu"] or list(run.devices)
    if not used:
        raise ValueError(f"run {run.id} names no device: nothing is known of its power")
    timing = next((one for one in run.timings if one.what == "training"), None)
    count = float(len(used) if timing is None else timing.devices)
    energy, boundary = _energy(run, {one.key for one in used})
    work = None
    if timing is not None and timing.flop:
        work = timing.flop * run.wall_s / timing.time_s
    scenario = Scenario(
        name=run.label,
        hardware=used[0].hardware or used[0].name,
        devices=count,
        device_hours=count * run.wall_s / S_PER_H,
        flop=work,
        precision=None if timing is None else timing.precision,
        kind=None if timing is None else timing.kind,
        energy_kwh=None if not energy else sum(one.energy_kwh for one in energy),
        metered=boundary or None,
    )
    return scenario, bool(energy) and all(one.trust != "modelled" for one in energy)


def scenario_of_forecast(found: Any, given: Scenario) -> Scenario:
    """Return a forecast as a timed scenario on the given devices.

    Parameters
    ----------
    found : object
        JSON of a forecast: `wall_s` and `energy_kwh`, each with low, mid and high.
    given : Scenario
        Scenario with device and count.

    Raises
    ------
    ValueError
        If it is not the forecast of a whole run.
    """
    wall, energy = (
        found.get(name) if isinstance(found, Mapping) else None for name in ("wall_s", "energy_kwh")
    )
    if not isinstance(wall, Mapping):
        raise ValueError("the forecast lacks wall_s: rerun it with --total-steps")
    hours = (given.devices or 1.0) * _positive(wall, "wall_s", "mid") / S_PER_H
    if not isinstance(energy, Mapping):
        return Scenario(device_hours=hours)
    mid, high = (_positive(energy, "energy_kwh", end) for end in ("mid", "high"))
    if high < mid:
        raise ValueError("no forecast of a whole run: its energy_kwh.high is below its mid")
    return Scenario(
        device_hours=hours, energy_kwh=mid, metered=FACILITY, energy_uncertainty=high / mid - 1.0
    )


def _positive(span: Mapping[str, Any], name: str, end: str) -> float:
    """Return a positive number from a forecast.

    Raises
    ------
    ValueError
        If it is missing, or not positive and finite.
    """
    value = span.get(end)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < MOST:
        raise ValueError(f"no forecast of a whole run: its {name}.{end} is no positive number")
    return float(value)


def _energy(run: MeasuredRun, used: set[str]) -> tuple[Sequence[Energy], str]:
    """Return the energy within the widest metered boundary, and the boundary."""
    for component, boundary in WHOLE.items():
        found = [one for one in run.energy if one.component.rpartition("/")[2] == component]
        if found:
            return found, boundary
    found = [one for one in run.energy if one.component in used]
    return found, DEVICES if found else ""
