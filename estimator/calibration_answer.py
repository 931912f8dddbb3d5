"""What is expected of a run once the measured runs are heard: the prior, corrected, and said so."""

import os
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from estimator.calibration import Evidence
from estimator.calibration_lookup import (
    Lesson,
    Measured,
    Target,
    corrected,
    evidence_of,
    is_of_steps,
    lessons,
    posterior_of,
    power_shares,
    shares_of,
)
from estimator.catalog import Catalog, Device
from estimator.data_folder import data_directory
from estimator.hardware import Hardware
from estimator.lookup import find_hardware, fixed_utilization
from estimator.measure.record import Timing
from estimator.power_correction import corrected_power, device_power_w
from estimator.power_lesson_lookup import PowerLesson, power_evidence_of, power_lessons
from estimator.trail import Input, Trail
from estimator.uncertainty import Uncertain, z_score
from estimator.units import CENTRAL
from estimator.utilization import WELL_KNOWN_FLOP
from estimator.utilization_lookup import RunFacts, predicted_utilization

CALIBRATED = "calibrated"
"""Basis of a number that measured runs corrected."""

MOST_MEASURED = 0.95
"""No run is expected to reach more of the peak, whatever was measured [1]."""

STORE = ("runs.sqlite", "runs.sqlite-wal")
"""Files of the store, whose change means that there may be new runs."""


@dataclass(frozen=True)
class Known:
    """Evidence by device, worked out when it is first asked for.

    Parameters
    ----------
    catalog : Catalog
    measured : Measured
    notes : tuple of str
        What could not be read.
    """

    catalog: Catalog
    measured: Measured
    notes: tuple[str, ...] = ()
    _found: dict[str, tuple[list[Lesson], Evidence]] = field(default_factory=dict)
    _power: dict[str, tuple[list[PowerLesson], Evidence]] = field(default_factory=dict)

    def of(self, device: Device) -> tuple[list[Lesson], Evidence]:
        """Lessons on the utilization of a device, and the evidence that they make."""
        if device.id not in self._found:
            found = lessons(
                self.measured, device, lambda timing: steady_prior(timing, device, self.catalog)
            )
            shares = shares_of(self.catalog, device)
            self._found[device.id] = found, evidence_of(found, device, shares)
        return self._found[device.id]

    def taught(self) -> list[str]:
        """Ids of the devices asked for so far of which measured runs tell anything."""
        heard = (*self._found.items(), *self._power.items())
        return sorted({device for device, (found, _) in heard if found})

    def power_of(self, device: Device) -> tuple[list[PowerLesson], Evidence]:
        """Lessons on the power of a device, and the evidence that they make."""
        if device.id not in self._power:
            told = power_lessons(
                self.measured,
                device,
                self.of(device)[0],
                lambda busy: _expected_w(busy, device, self.catalog),
            )
            shares = power_shares(self.catalog)
            self._power[device.id] = told, power_evidence_of(told, device, shares)
        return self._power[device.id]


def _expected_w(busy: float | None, device: Device, catalog: Catalog) -> Uncertain | None:
    """Power expected of a device busy for such a share of the time [W]; None if unknown."""
    hardware = find_hardware(device, next(iter(device.peaks)), catalog, Trail())
    if hardware.tdp_w is None:
        return None
    return device_power_w(hardware, None if busy is None else busy * hardware.full_utilization)


def known_runs(catalog: Catalog) -> Known:
    """Return the measured runs that came with the profiles or lie in the user's store.

    Those of the store are read again when it has changed.
    """
    folder = data_directory()
    stamps = tuple(_stamp(os.path.join(folder, name)) for name in STORE)
    return _read(catalog, str(folder), stamps)


@lru_cache(maxsize=8)
def _read(catalog: Catalog, folder: str, stamps: tuple[tuple[int, int] | None, ...]) -> Known:
    """Read the runs of a state of the store."""
    shipped = [one.run for one in catalog.calibrations()]
    if stamps[0] is None:
        return Known(catalog, Measured(runs=tuple(shipped)))
    from estimator.measure.host import host_id
    from estimator.runs import read_runs

    own, notes = read_runs()
    runs = {run.id: run for run in (*shipped, *own) if run.state != "running"}
    return Known(catalog, Measured(runs=tuple(runs.values()), host=host_id()), tuple(notes))


def _stamp(path: str) -> tuple[int, int] | None:
    """When a file was last changed, and its size; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def steady_prior(timing: Timing, device: Device, catalog: Catalog) -> Uncertain:
    """What was expected of steps before they were measured [1].

    How much work the whole run is does not matter to its steps: that of a usual run is taken.
    """
    trail, precision = Trail(), timing.precision or ""
    fixed = fixed_utilization(device, catalog, trail)
    if fixed is not None:
        return fixed
    facts = RunFacts(
        kind=timing.kind or "other",
        arch=timing.arch or "",
        flop=WELL_KNOWN_FLOP,
        devices=float(timing.devices),
        params=timing.params,
        hidden=timing.hidden,
        seq_len=timing.seq_len,
        steady=is_of_steps(timing),
        told={} if timing.tokens is None else {"batch_tokens": timing.tokens},
    )
    return predicted_utilization(facts, device, precision, catalog, trail)


def calibrated_utilization(
    prior: Uncertain, device: Device, target: Target, catalog: Catalog, trail: Trail
) -> Uncertain:
    """Utilization after the measured runs of a device; the prior where there are none.

    Parameters
    ----------
    prior : Uncertain
        What published runs let expect [1].
    device : Device
    target : Target
        The run in question.
    catalog : Catalog
    trail : Trail
        Where basis, runs and date are noted.
    """
    known = known_runs(catalog)
    for line in known.notes:
        trail.warn(line)
    found, evidence = known.of(device)
    if not found or not prior.loadings:
        return prior
    posterior = posterior_of(evidence, device, target, known.measured.host, prior)
    now = _below_peak(corrected(prior, posterior), device, trail)
    low, high = now.interval()
    before = trail.inputs.get("utilization")
    trail.inputs["utilization"] = Input(
        value=float(now.mid),
        unit="1",
        basis=CALIBRATED,
        source=_source(found),
        low=float(low),
        high=float(min(high, 1.0)),
        date=max(one.run.started[:10] for one in found),
        note=_note(found, prior, posterior_sd=float(posterior.log_sd[0])),
    )
    if before is not None:
        trail.inputs["utilization.prior"] = replace(before, note=f"before the runs: {before.note}")
    _say_what_disturbed(found, trail)
    return now


def calibrated_power(
    hardware: Hardware,
    utilization: Uncertain | None,
    where: tuple[Device, Target],
    catalog: Catalog,
    trail: Trail,
) -> Hardware:
    """Device whose power the measured runs have corrected; as it was where there are none.

    Parameters
    ----------
    hardware : Hardware
    utilization : Uncertain, optional
        Of the run [1]; None where it is not known.
    where : Device, Target
        Its profile, and the run in question.
    catalog : Catalog
    trail : Trail
        Where it is noted.
    """
    device, target = where
    known = known_runs(catalog)
    found, evidence = known.power_of(device)
    if not found or hardware.tdp_w is None:
        return hardware
    at = None if utilization is None else float(utilization.mid)
    prior = device_power_w(hardware, at)
    posterior = posterior_of(evidence, device, target, known.measured.host, prior)
    left = float(posterior.log_sd[0]) / float(prior.log_sd)
    shift = float(posterior.log_shift[0])
    now = corrected_power(hardware, at, log_shift=shift, left=left)
    power_w = device_power_w(now, at)
    low, high = power_w.interval()
    runs = sorted({one.run.id for one in found})
    trail.inputs["device_power_w"] = Input(
        value=float(power_w.mid),
        unit="W",
        basis=CALIBRATED,
        source=runs[0] if len(runs) == 1 else f"{len(runs)} measured runs",
        low=float(low),
        high=float(high),
        date=max(one.run.started[:10] for one in found),
        note=f"mean power of the device alone; expected before: {float(prior.mid):.4g} W; interval "
        f"now {left:.0%} as wide",
    )
    return now


def _below_peak(now: Uncertain, device: Device, trail: Trail) -> Uncertain:
    """Utilization that does not reach the peak, nor its 80 % interval; what does so is said."""
    if now.mid <= MOST_MEASURED:
        return bounded(now)
    trail.warn(
        f"measured runs reach {float(now.mid):.0%} of the peak of {device.name} in its profile: "
        f"{MOST_MEASURED:.0%} is taken; measure it again on a quiet machine"
    )
    return bounded(Uncertain(MOST_MEASURED, now.loadings))


def bounded(now: Uncertain) -> Uncertain:
    """Utilization whose 80 % interval ends at the peak at the latest; arrays broadcast."""
    most = -np.log(now.mid) / z_score(CENTRAL)
    sd = now.log_sd
    kept = np.where(sd > most, most / np.where(sd > 0, sd, 1.0), 1.0)[()]
    return Uncertain(now.mid, {name: load * kept for name, load in now.loadings.items()})


def _source(found: list[Lesson]) -> str:
    runs = sorted({one.run.id for one in found})
    return runs[0] if len(runs) == 1 else f"{len(runs)} measured runs"


def _note(found: list[Lesson], prior: Uncertain, *, posterior_sd: float) -> str:
    """How many runs, on what, and what they changed."""
    runs, timings = len({one.run.id for one in found}), len(found)
    words = f"{timings} timing{'s' * (timings > 1)} of {runs} measured run{'s' * (runs > 1)}"
    narrower = posterior_sd / float(prior.log_sd)
    return f"{words}; expected before: {float(prior.mid):.3g}; interval now {narrower:.0%} as wide"


def _say_what_disturbed(found: list[Lesson], trail: Trail) -> None:
    """Name the runs that are weighed down, and why."""
    for one in found:
        if one.reasons:
            trail.warn(f"run {one.run.id} counts less: {', '.join(one.reasons)}")
