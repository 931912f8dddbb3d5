"""Correction of predicted utilization and power by measured runs."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from estimator.calibration.conditions import Conditions, Flags, Floats, step_size
from estimator.calibration.gaussian_process import Evidence, Posterior, merge_evidence
from estimator.calibration.law import StepLaw
from estimator.calibration.measured_power import (
    PowerObservation,
    power_evidence_of,
    power_observations,
)
from estimator.calibration.measured_utilization import (
    NOTHING_MEASURED,
    CalibrationObservation,
    Measured,
    Steady,
    calibration_observations,
    components_of,
    conditions_on,
    evidence_of,
    power_components,
    size_of,
    text_array,
)
from estimator.catalog import Catalog, Device
from estimator.core.hardware import Hardware
from estimator.core.power_correction import corrected_power, device_power_w
from estimator.core.rows import of_each, rows_of
from estimator.core.uncertainty import Number, Uncertain, z_score
from estimator.core.units import CENTRAL
from estimator.networks.kind_columns import KindColumn
from estimator.networks.kinds import network_kind
from estimator.question.hardware import find_hardware, fixed_utilization, value_bytes
from estimator.question.table import Words
from estimator.runs import readable
from estimator.runs.observations import NAMED, is_of_steps, program_key
from estimator.runs.record import Timing
from estimator.runs.store_state import FILES, State, store_state
from estimator.system.data_folder import data_directory
from estimator.training.launches import USUAL_STEPS
from estimator.training.machine import find_machine
from estimator.training.mechanism import MOST_EXPECTED, WELL_KNOWN_FLOP, within_bound
from estimator.training.predict import (
    KNOWN_KINDS,
    Predicted,
    Runs,
    machines_of,
    predicted_utilization,
)

MOST_MEASURED = 0.95
"""Highest utilization ever expected, whatever was measured [1]."""

UNIT = NormalDist()
WELL_BELOW = 3.0
"""Standard deviations below the peak from which truncation at the peak is negligible [1]."""

LAUNCHES_OF_BENCHMARK = 0.4
"""Launch time per step of the benchmark over typical programs [1]: its networks have 2 to 16
layers, mostly 6 to 8, and few of a program's metrics, losses and casts.
"""

ENDS = (0.5 - CENTRAL / 2.0, 0.5 + CENTRAL / 2.0)
"""Lower and upper quantile of the central interval [1]."""

LEAST_SHARE = 1e-300
"""Least probability mass below the peak, for numerical stability [1]."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Named programs measured on other accelerators but not on this one.

    Parameters
    ----------
    evidence : Evidence
        Evidence of these devices and the device itself.
    """

    found: list[tuple[Device, CalibrationObservation]]
    evidence: Evidence

    def of(self, program: str) -> list[CalibrationObservation]:
        """Return a program's observations, by its key."""
        return [one for _, one in self.found if one.program == program]

    def devices_of(self, program: str) -> list[str]:
        """Return the devices on which a program was measured."""
        return sorted({device.name for device, one in self.found if one.program == program})

    def applies(self, where: Conditions) -> Flags:
        """Return the runs of such programs."""
        return np.isin(where.program, list({one.program for _, one in self.found}))

    def with_sizes(self, where: Conditions, device: Device, precision: str) -> Conditions:
        """Return the runs with unknown step sizes replaced by measured ones."""
        size = where.size.copy()
        for row in np.flatnonzero(np.isnan(size)).tolist():
            steps = [one.timing for one in self.of(where.program[row]) if is_of_steps(one.timing)]
            logs = [np.log((one.flop or np.nan) / one.devices) for one in steps]
            if logs:
                size[row] = size_of(device, precision, float(np.exp(np.mean(logs))))
        return replace(where, size=size)


@dataclass(frozen=True)
class Known:
    """Evidence by device, computed on first use."""

    catalog: Catalog
    measured: Measured
    notes: tuple[str, ...] = ()
    _found: dict[str, tuple[list[CalibrationObservation], Evidence]] = field(default_factory=dict)
    _power: dict[str, tuple[list[PowerObservation], Evidence]] = field(default_factory=dict)
    _elsewhere: dict[str, Elsewhere | None] = field(default_factory=dict)

    def of(self, device: Device) -> tuple[list[CalibrationObservation], Evidence]:
        """Return a device's utilization observations and their evidence."""
        if device.id not in self._found:
            self._found[device.id] = self._observed(device)
        return self._found[device.id]

    def _observed(self, device: Device) -> tuple[list[CalibrationObservation], Evidence]:
        found = calibration_observations(
            self.measured,
            device,
            lambda seen: steady_priors(
                [one.timing for one in seen],
                device,
                self.catalog,
                launches=np.where([one.own for one in seen], 1.0, LAUNCHES_OF_BENCHMARK),
            ),
        )
        return found, evidence_of(found, device, components_of(self.catalog, device))

    def elsewhere(self, device: Device) -> Elsewhere | None:
        """Return rates of named programs on other accelerators, if any."""
        if device.id not in self._elsewhere:
            self._elsewhere[device.id] = self._measured_elsewhere(device)
        return self._elsewhere[device.id]

    def _measured_elsewhere(self, device: Device) -> Elsewhere | None:
        if device.kind not in KNOWN_KINDS:
            return None
        names = sorted(self.measured.devices_of_programs - {*device.variants})
        known = [self.catalog.device(name) for name in names if self.catalog.find_device(name)]
        others = [one for one in known if one.kind in KNOWN_KINDS]
        there = [self._observed(other) for other in others]
        here = self.programs_of(device)
        found = [
            (other, one)
            for other, (observations, _) in zip(others, there, strict=True)
            for one in observations
            if one.own and one.program.startswith(NAMED) and one.program not in here
        ]
        if not found:
            return None
        evidence = merge_evidence([self.of(device)[1], *(one for _, one in there)])
        return Elsewhere(found=found, evidence=evidence)

    def of_program(self, device: Device, program: str) -> list[CalibrationObservation]:
        """Return the runs behind an answer about a program, on this device or others."""
        away = self.elsewhere(device) if program else None
        carried = [] if away is None else away.of(program_key(None, program))
        return [*self.of(device)[0], *carried]

    def programs_of(self, device: Device) -> frozenset[str]:
        """Return the names of the programs measured on a device."""
        return frozenset(self.of(device)[1].where.program.tolist())

    def calibrated_devices(self) -> list[str]:
        """Return the ids of devices used so far that have measured runs."""
        evidence = (*self._found.items(), *self._power.items())
        return sorted({device for device, (found, _) in evidence if found})

    def power_of(self, device: Device) -> tuple[list[PowerObservation], Evidence]:
        """Return a device's power observations and their evidence."""
        if device.id not in self._power:
            observations = power_observations(
                self.of(device)[0], lambda busy: _expected_w(busy, device, self.catalog)
            )
            components = power_components(self.catalog)
            self._power[device.id] = (
                observations,
                power_evidence_of(observations, device, components),
            )
        return self._power[device.id]


def _expected_w(busy: float, device: Device, catalog: Catalog) -> Uncertain | None:
    """Return the expected power at a busy share [W], or None if unknown."""
    hardware = find_hardware(device, next(iter(device.peaks)), catalog).value
    if hardware.tdp_w is None:
        return None
    return device_power_w(hardware, busy * hardware.full_utilization)


def known_runs(catalog: Catalog, *, calibrated: bool = True) -> Known:
    """Return the measured runs of the profiles and the user's store.

    The store is read again after it has changed.
    """
    if not calibrated:
        return Known(catalog, NOTHING_MEASURED)
    folder = os.fspath(data_directory())
    return _read_runs(catalog, folder, store_state(folder))


@lru_cache(maxsize=8)
def _read_runs(catalog: Catalog, folder: str, state: State) -> Known:
    if not state:
        return Known(catalog, Measured(shipped=catalog))
    from estimator.measure.host_id import host_id

    store = Path(folder) / FILES[0]
    notes = tuple(readable(store))
    return Known(catalog, Measured(shipped=catalog, host=host_id(), store=store), notes)


def steady_prior(timing: Timing, device: Device, catalog: Catalog) -> Uncertain:
    """Return the prior of steady steps [1]; see `steady_priors`."""
    single: Steady = rows_of(steady_priors([timing], device, catalog), 0)
    return single.reached


def steady_priors(
    timings: Sequence[Timing], device: Device, catalog: Catalog, *, launches: Number = 1.0
) -> Steady:
    """Return the prior of steady steps, one per timing.

    If nothing else implies the network's size, the work of a whole run does: `USUAL_STEPS` steps. A
    program thus has the same prior before and after its measurement.
    """
    count = len(timings)
    fixed = fixed_utilization(device, catalog)
    if fixed is not None:
        mids = np.full(count, fixed.value.mid)
        return Steady(reached=Uncertain(mids, fixed.value.loadings), ahead=mids)
    columns = {
        "hidden": _column(one.hidden for one in timings),
        "seq_len": _column(one.seq_len for one in timings),
        "params_total": _column(one.params for one in timings),
        "year": np.full(count, np.nan),
        "batch_tokens": _column(one.tokens for one in timings),
        "step_flop": _column(one.flop if is_of_steps(one) else None for one in timings),
    }
    formats = sorted({one.precision or "" for one in timings})
    at = np.array([formats.index(one.precision or "") for one in timings], dtype=np.intp)
    runs = Runs(
        numbers=columns,
        kinds=[network_kind(one.kind or "other", one.arch or "") for one in timings],
        machine=machines_of([find_machine(device, name) for name in formats], at),
        flop=np.array([_whole_flop(one) for one in timings]),
        devices=np.array([float(one.devices) for one in timings]),
        value_bytes=np.array([value_bytes(name) for name in formats])[at],
        steady=np.array([float(is_of_steps(one)) for one in timings]),
        launches=launches,
    )
    found = predicted_utilization(runs, catalog)
    reached, ahead = bounded(found.own), of_each(found.ahead.mid, (count,))
    return Steady(reached=Uncertain(of_each(reached.mid, (count,)), reached.loadings), ahead=ahead)


def _whole_flop(timing: Timing) -> float:
    """Return the work of the run that a timing represents [FLOP]."""
    if timing.flop is None:
        return WELL_KNOWN_FLOP
    return timing.flop * (USUAL_STEPS if is_of_steps(timing) else 1.0)


def _column(values: Iterable[float | None]) -> Floats:
    """Convert numbers to an array, with NaN for None."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a table as inputs of their calibration.

    Parameters
    ----------
    step_flop, flop : array
        Work per step and of the whole run, per device; NaN if unknown [FLOP].
    params : array
        Parameters, which identify measured runs of the same program; NaN if unknown [1].
    programs : Words
        Program names, which identify them better.
    operations, traffic : array
        Operations per FLOP of a step [1/FLOP], and memory traffic [B/FLOP]; NaN if unknown.
    """

    devices: Sequence[Device]
    precisions: Sequence[str]
    at: npt.NDArray[np.intp]
    kinds: KindColumn
    step_flop: Floats
    flop: Floats
    params: Floats
    programs: Words
    operations: Floats
    traffic: Floats

    def on(self, number: int, host: str) -> tuple[Flags, Conditions]:
        """Return the rows on one device, and their conditions."""
        chosen = self.at == number
        places = np.flatnonzero(chosen)
        kinds, programs = self.kinds.take(places), self.programs.take(places).rows()
        count = len(kinds)
        device, precision = self.devices[number], self.precisions[number]
        where = conditions_on(
            device,
            precisions=[precision] * count,
            kinds=kinds.words(lambda kind: kind.group),
            sizes=step_size(self.step_flop[chosen] / device.peaks[precision].value),
            families=kinds.words(lambda kind: kind.family),
            host=host,
        )
        return chosen, replace(
            where,
            whole=step_size(self.flop[chosen] / device.peaks[precision].value),
            program=text_array(map(program_key, self.params[chosen].tolist(), programs)),
            operations=self.operations[chosen],
            traffic=self.traffic[chosen],
        )


@dataclass(frozen=True, kw_only=True)
class Launches:
    """Kernel launches of the steps of each row, as in `Conditions`."""

    size: Floats
    ahead: Floats


def launches_of(found: Predicted) -> Launches:
    """Return the kernel launches in the steps of some runs."""
    shape = found.launch_s.shape
    with np.errstate(divide="ignore"):
        size = step_size(found.launch_s * found.ahead.mid)
    return Launches(size=size, ahead=np.log(of_each(found.ahead.mid / found.own.mid, shape)))


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """Utilization of some rows after calibration.

    Parameters
    ----------
    reached : array
        Utilization expected from the runs, before limiting it to the peak [1].
    by_counts : array of bool
        Rows for which counted operations and memory traffic are also used.
    """

    utilization: Uncertain
    measured: Flags
    reached: Floats
    by_counts: Flags


def calibrated_utilization(
    prior: Uncertain,
    rows: Rows,
    known: Known,
    launches: Launches | None = None,
    *,
    most: float = MOST_EXPECTED,
) -> Corrected:
    """Return each row's utilization after calibration, or the prior up to `most`.

    Omit `launches` to ignore launch overhead.
    """
    before, prior = within_bound(prior, most), bounded(prior)
    evidence = [known.of(device)[1] for device in rows.devices]
    reached = np.array(of_each(prior.mid, rows.at.shape), dtype=np.float64)
    named = bool((rows.programs.codes >= 0).any())
    away = [known.elsewhere(device) if named else None for device in rows.devices]
    found = _posterior(evidence, rows, known, prior, away, launches)
    if found is None:
        nothing = np.zeros(rows.at.shape, dtype=np.bool_)
        return Corrected(utilization=before, measured=nothing, reached=reached, by_counts=nothing)
    sd = _log_sd(prior, rows)
    here = np.array([bool(known.of(device)[0]) for device in rows.devices])[rows.at]
    measured = (here | found.carried) & (sd > 0)
    reached = reached * np.exp(found.log_shift)
    left = found.log_sd / np.where(sd > 0, sd, 1.0)
    now = Uncertain(reached, {name: load * left for name, load in prior.loadings.items()})
    kept = below_peak(now)
    loadings = {
        name: np.where(measured, kept.loadings[name], load)
        for name, load in before.loadings.items()
    }
    mid = np.where(measured, kept.mid, before.mid)
    return Corrected(
        utilization=Uncertain(mid, loadings, np.where(measured, 1.0, before.most)),
        measured=measured,
        reached=reached,
        by_counts=measured & found.by_counts,
    )


def calibrated_power(
    hardware: Hardware, utilization: Uncertain | None, rows: Rows, known: Known
) -> tuple[Hardware, Floats | None]:
    """Return each row's device with its calibrated power.

    Returns
    -------
    Hardware, array or None
        Device, and the remaining share of its power uncertainty if runs were measured [1].
    """
    if hardware.tdp_w is None:
        return hardware, None
    evidence = [known.power_of(device)[1] for device in rows.devices]
    if not any(len(one.log_ratio) for one in evidence):
        return hardware, None
    at = None if utilization is None else utilization.mid
    prior = device_power_w(hardware, at)
    found = _posterior(evidence, rows, known, prior)
    if found is None:
        return hardware, None
    left = found.log_sd / _log_sd(prior, rows)
    return corrected_power(hardware, at, log_shift=found.log_shift, left=left), left


def _log_sd(quantity: Uncertain, rows: Rows) -> Floats:
    return np.array(of_each(quantity.log_sd, rows.at.shape), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class _Expected(Posterior):
    """Expected utilization of rows, with flags for its evidence."""

    carried: Flags
    by_counts: Flags


def _posterior(
    evidence: Sequence[Evidence],
    rows: Rows,
    known: Known,
    prior: Uncertain,
    away: Sequence[Elsewhere | None] = (),
    launches: Launches | None = None,
) -> _Expected | None:
    """Return the posterior of each row, or None if no measurement is relevant."""
    if not any(away) and not any(len(one.log_ratio) for one in evidence):
        return None
    prior_sd = _log_sd(prior, rows)
    log_prior = np.log(np.broadcast_to(prior.mid, rows.at.shape))
    shift, left = np.zeros(len(rows.at)), prior_sd.copy()
    carried, by_counts = np.zeros((2, *rows.at.shape), dtype=np.bool_)
    for number, (here, there) in enumerate(zip_longest(evidence, away)):
        if not len(here.log_ratio) and there is None:
            continue
        chosen, where = rows.on(number, known.measured.host)
        at = np.flatnonzero(chosen)
        if launches is not None:
            where = replace(where, launch=launches.size[at], ahead=launches.ahead[at])
        if len(here.log_ratio) and len(at):
            found = here.posterior(where, prior_sd[at], log_prior=log_prior[at])
            shift[at], left[at] = found.log_shift, found.log_sd
            if isinstance(here, StepLaw):
                counted = ~np.isnan(where.operations) & ~np.isnan(where.traffic)
                by_counts[at] = counted & ~np.isnan(where.size)
        if there is not None and (same := there.applies(where)).any():
            at, device = at[same], rows.devices[number]
            sized = there.with_sizes(where.part(same), device, rows.precisions[number])
            found = there.evidence.posterior(sized, prior_sd[at], log_prior=log_prior[at])
            shift[at], left[at], carried[at] = found.log_shift, found.log_sd, True
    return _Expected(log_shift=shift, log_sd=left, carried=carried, by_counts=by_counts)


def below_peak(now: Uncertain) -> Uncertain:
    """Condition the utilization on being below the peak; arrays broadcast.

    The 80% interval and median are those of the truncated log-normal: a certain utilization ends up
    close to the peak, an uncertain one stays wide.

    >>> sure, vague = (below_peak(Uncertain(1.5, {"all": sd})) for sd in (0.1, 1.5))
    >>> [f"{end:.2f}" for end in (*sure.interval(), *vague.interval())]
    ['0.93', '0.97', '0.11', '0.86']
    """
    shape = np.broadcast_shapes(np.shape(now.mid), np.shape(now.log_sd))
    mid, sds = (
        np.array(of_each(one, shape or (1,)), dtype=np.float64) for one in (now.mid, now.log_sd)
    )
    left = np.ones(mid.shape)
    for row in np.flatnonzero((np.log(mid) + WELL_BELOW * sds > 0.0) & (sds > 0.0)).tolist():
        log_mid, sd = float(np.log(mid[row])), float(sds[row])
        share = max(0.5 * math.erfc(log_mid / sd / math.sqrt(2.0)), LEAST_SHARE)
        low, high = (log_mid + sd * UNIT.inv_cdf(part * share) for part in ENDS)
        mid[row] = math.exp(0.5 * (low + high))
        left[row] = (high - low) / (2.0 * z_score(CENTRAL)) / sd
    mid, left = np.minimum(mid, MOST_MEASURED).reshape(shape)[()], left.reshape(shape)[()]
    return bounded(Uncertain(mid, {name: load * left for name, load in now.loadings.items()}))


def bounded(now: Uncertain) -> Uncertain:
    """Clip the utilization's 80% interval at the peak; arrays broadcast."""
    most = -np.log(now.mid) / z_score(CENTRAL)
    sd = now.log_sd
    kept = np.where(sd > most, most / np.where(sd > 0, sd, 1.0), 1.0)[()]
    return Uncertain(now.mid, {name: load * kept for name, load in now.loadings.items()})
