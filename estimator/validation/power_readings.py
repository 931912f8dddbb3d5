"""Measured power of published runs and facts, by meter scope."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from estimator.answer.named_device import NamedDevice, find_device
from estimator.calibration.correction import steady_priors
from estimator.catalog import Catalog
from estimator.catalog.shared_runs import read_overlay
from estimator.core.power import odds_by_run
from estimator.core.rows import Floats
from estimator.core.uncertainty import Uncertain
from estimator.core.units import S_PER_H, W_PER_KW
from estimator.question.hardware import find_hardware, value_bytes
from estimator.question.provenance import uncertain_record
from estimator.question.workload_columns import training_flop
from estimator.runs.record import Timing
from estimator.training.features import (
    features_of_rows,
    fitted_model,
    kinds_of_rows,
    shipped_spreads,
)
from estimator.training.machine import stacked
from estimator.training.mechanism import expected_ahead
from estimator.training.predict import alone
from estimator.validation.power_fit import DEVICES, NODE, PARAMETERS, PARTS, Meters
from estimator.validation.published_runs import NUMBERS, USABLE_TIERS, row_number

SCOPES = {
    "GPU only (measured)": DEVICES,
    "system (GPU+CPU+DRAM)": PARTS,
    "system x PUE": PARTS,
    "measured system power": NODE,
    "power measured": NODE,
}
"""Prefix of a table entry -> scope of its meter; Strubell et al. count the parts, with a PUE."""

WALL_POWER = "AC power measured"
"""Marker of runs whose nodes were metered at the wall."""

OWN = "own programs"
OWN_RUNS = {"measured_h100.toml": "h100-sxm", "measured_h200.toml": "h200-sxm"}
"""File of own measured runs -> device."""

METERED_ELSEWHERE = re.compile(r"measured on \d+ ([^,]+)")
"""Pattern of entries with power from a different device than the run's."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Metered power reading.

    Parameters
    ----------
    name, family, domain, kind, device : str
        Name, family, domain, kind and device of the reading.
    scope : str
        Scope of the meter.
    measured_w : float
        Mean power per device, without the site's PUE [W].
    idle_w, limit_w : float
        Idle power and power limit of the device [W].
    busy : float
        Busy share of the time [1]; NaN if the work is unknown.
    params, devices, peak_flop_per_s : float
        Network parameters [1] and number of devices [1], NaN if unknown; peak of the device
        [FLOP/s].
    """

    name: str
    family: str
    domain: str
    kind: str
    device: str
    scope: str
    measured_w: float
    idle_w: float
    limit_w: float
    busy: float
    params: float
    devices: float
    peak_flop_per_s: float


def readings(catalog: Catalog) -> list[Reading]:
    """Return all metered readings: runs of trusted tiers, then facts."""
    metered: list[tuple[dict[str, str], str, float, NamedDevice]] = []
    for row in catalog.published_runs():
        found = _metered(row)
        if found is not None and row["validation_tier"] in USABLE_TIERS:
            metered.append(
                (row, *found, find_device(row["accelerator"], row["precision"], catalog))
            )
    busy = _busy([row for row, *_ in metered], [named for *_, named in metered], catalog)
    readings = [
        _reading(row, scope, watts, _meter_device(row, named, catalog), catalog)
        for row, scope, watts, named in metered
    ]
    return [
        *(replace(one, busy=share) for one, share in zip(readings, busy.tolist(), strict=True)),
        *(
            _reading(row, row["scope"], float(row["power_w"]), row["hardware"], catalog)
            for row in catalog.table("runs/power_facts.csv")
        ),
    ]


def own_readings(catalog: Catalog) -> list[Reading]:
    """Return our own steps measured on an H100 and H200, mostly small; used only in the fit.

    They are the only ones metered over a wide range of busy shares.
    """
    found = []
    for name, device_id in OWN_RUNS.items():
        runs = read_overlay(catalog.layers[0] / "runs" / name).runs
        steps = [one for run in runs for one in run.timings if _is_metered_step(one)]
        device = catalog.device(device_id)
        ahead = np.broadcast_to(steady_priors(steps, device, catalog).ahead, len(steps))
        for step, full in zip(steps, ahead.tolist(), strict=True):
            precision = step.precision or ""
            hardware = find_hardware(device, precision, catalog).value
            peak = float(hardware.peak_flop_per_s.mid)
            idle, limit = hardware.idle_w, hardware.tdp_w
            assert step.flop and step.power_w and idle is not None and limit is not None
            found.append(
                Reading(
                    name=step.label or "",
                    family=f"{OWN}: {step.kind} on {device.id}",
                    domain=step.kind or "",
                    kind=device.kind,
                    device=device.id,
                    scope=DEVICES,
                    measured_w=step.power_w,
                    idle_w=float(idle.mid),
                    limit_w=float(limit.mid),
                    busy=step.flop / (step.time_s * step.devices * peak * full),
                    params=float("nan"),
                    devices=float(step.devices),
                    peak_flop_per_s=peak,
                )
            )
    return found


def _is_metered_step(timing: Timing) -> bool:
    on_gpu = timing.component.startswith("gpu")
    return on_gpu and timing.what == "training" and bool(timing.flop and timing.power_w)


def meters(found: Sequence[Reading]) -> Meters:
    """Return the readings as arrays."""
    devices = np.array([one.devices for one in found])
    return Meters(
        idle_w=np.array([one.idle_w for one in found]),
        limit_w=np.array([one.limit_w for one in found]),
        busy=np.array([one.busy for one in found]),
        params=np.array([one.params for one in found]),
        peak_flop_per_s=np.array([one.peak_flop_per_s for one in found]),
        run_odds=np.asarray(odds_by_run(np.where(np.isnan(devices), 1.0, devices), 0.0)),
        scope=np.array([one.scope for one in found]),
        measured_w=np.array([one.measured_w for one in found]),
        family=np.array([one.family for one in found]),
    )


def power_prior(catalog: Catalog) -> dict[str, Uncertain]:
    """Return the prior of the power parameters."""
    return {
        name: uncertain_record(catalog.prior(f"power.prior.{name}"), name) for name in PARAMETERS
    }


def _metered(row: dict[str, str]) -> tuple[str, float] | None:
    """Return the meter's scope and the mean power per device without PUE, if metered."""
    if WALL_POWER in row["name"]:
        return NODE, row_number(row, "avg_chip_power_w")
    scope = next((SCOPES[one] for one in SCOPES if row["energy_scope"].startswith(one)), None)
    if scope is None or not row["energy_kwh"] or not row["accelerator_hours"]:
        return None
    kwh = row_number(row, "energy_kwh") / row_number(row, "pue", default=1.0)
    return scope, kwh * W_PER_KW / row_number(row, "accelerator_hours")


def _meter_device(row: dict[str, str], named: NamedDevice, catalog: Catalog) -> str:
    """Return the id of the metered device, by default the run's."""
    other = METERED_ELSEWHERE.search(row["energy_scope"])
    found = None if other is None else catalog.find_device(other[1])
    return named.device.id if found is None else found


def _reading(
    row: dict[str, str], scope: str, watts: float, device: str, catalog: Catalog
) -> Reading:
    named = find_device(device, "", catalog)
    tdp, idle = named.hardware.tdp_w, named.hardware.idle_w
    if tdp is None or idle is None:
        raise ValueError(f"the power limit of {named.device.name} is not known: give its tdp_w")
    return Reading(
        name=row["name"],
        family=row["family"],
        domain=row["domain"],
        kind=named.device.kind,
        device=named.device.id,
        scope=scope,
        measured_w=watts,
        idle_w=float(idle.mid),
        limit_w=float(tdp.mid),
        busy=float("nan"),
        params=row_number(row, "params_total" if "params_total" in row else "params"),
        devices=row_number(row, "accelerator_count" if "accelerator_count" in row else "devices"),
        peak_flop_per_s=float(named.hardware.peak_flop_per_s.mid),
    )


def _busy(rows: Sequence[dict[str, str]], named: Sequence[NamedDevice], catalog: Catalog) -> Floats:
    """Return each run's utilization over the utilization of steady steps on one device [1]."""
    numbers = {name: np.array([row_number(row, name) for row in rows]) for name in NUMBERS}
    kinds = kinds_of_rows(*([row[name] for row in rows] for name in ("domain", "arch", "name")))
    flop = training_flop(numbers, kinds)
    known = np.flatnonzero(~np.isnan(flop))
    flop = flop[known]
    numbers = {name: column[known] for name, column in numbers.items()}
    which = [named[place] for place in known.tolist()]
    machine = stacked([one.machine for one in which])
    features = features_of_rows(
        numbers,
        [kinds[place] for place in known.tolist()],
        flop=flop,
        value_bytes=np.array([value_bytes(one.precision) for one in which]),
        spreads=shipped_spreads(catalog),
    )
    full = expected_ahead(
        fitted_model(catalog), alone(features), machine, flop=flop, devices=1.0
    ).mid
    reached = flop / (machine.peak_flop_per_s * S_PER_H * numbers["accelerator_hours"])
    busy = np.full(len(rows), np.nan)
    busy[known] = reached / full
    return busy
