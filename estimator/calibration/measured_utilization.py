"""Utilization and power of a device implied by its measured runs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.calibration.conditions import Conditions, Floats, step_size
from estimator.calibration.gaussian_process import Evidence
from estimator.calibration.law import OPERATION_S, StepLaw, with_counts
from estimator.calibration.variance_components import Components
from estimator.catalog import Catalog, Device
from estimator.catalog.records import most_possible
from estimator.core.rows import rows_of
from estimator.core.uncertainty import Number, Uncertain
from estimator.networks.kinds import WAYS, network_kind
from estimator.runs import read_runs, read_timings
from estimator.runs.observations import (
    Observation,
    TimingRow,
    devices_of_programs,
    is_of_steps,
    observed,
    timing_rows,
)
from estimator.runs.record import MeasuredRun
from estimator.training.launches import LARGE_STEP_S, is_large
from estimator.training.predict import KNOWN_KINDS

UNKNOWN_SIZE = float("nan")

MOST_COUNTED = 5.0
"""Dispatch and traffic time as counted over measured step time above which the counts must be wrong
[1].
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Runs available for calibration, and the host that will use them.

    Parameters
    ----------
    given : sequence of MeasuredRun
        Additional runs; runs in the store and profiles are included anyway.
    host : str
        Id of this host; runs on other hosts are less informative.
    store : Path, optional
        File with the user's own runs.
    shipped : Catalog, optional
        Profiles whose measured runs are also used, if they include one of the devices.
    """

    given: Sequence[MeasuredRun] = ()
    host: str = ""
    store: Path | None = None
    shipped: Catalog | None = None

    @cached_property
    def runs(self) -> tuple[MeasuredRun, ...]:
        """All finished runs, for pages and lists; a calibration does not need them."""
        own = read_runs(self.store)[0] if self.store is not None else []
        runs = {run.id: run for run in (*self._shared, *own) if run.state != "running"}
        return tuple(runs.values())

    @cached_property
    def _shared(self) -> tuple[MeasuredRun, ...]:
        """Runs outside the store."""
        shipped = () if self.shipped is None else self.shipped.calibrations()
        return (*self.given, *(one.run for one in shipped))

    @cached_property
    def _shared_timings(self) -> list[TimingRow]:
        """Timings of the runs outside the store; the last run of an id counts.

        Shipped runs never count as made on this machine, whatever their host name.
        """
        given = {run.id for run in self.given}
        runs = {run.id: run for run in self._shared if run.state != "running"}
        return [
            row if run.id in given else row._replace(host=f"shipped {row.host}")
            for run in runs.values()
            for row in timing_rows(run)
        ]

    @cached_property
    def _own_timings(self) -> list[Sequence[Any]]:
        """Timings of the runs in the store, as fields of `TimingRow`."""
        return [] if self.store is None else read_timings(self.store)

    def observed(self, device: Device) -> list[Observation]:
        """Return merged timings on a device, its memory variants included."""
        if device.id not in self._observed:
            names, most = device.variants, most_logs(device)
            shipped = self.shipped is not None and any(map(self.shipped.may_be_calibrated, names))
            shared = self._shared_timings if self.given or shipped else []
            self._observed[device.id] = [
                one
                for rows in (shared, self._own_timings)
                for name in names
                for one in observed(rows, name, most)
            ]
        return self._observed[device.id]

    @cached_property
    def _observed(self) -> dict[str, list[Observation]]:
        """Cache of observations by device."""
        return {}

    @cached_property
    def devices_of_programs(self) -> frozenset[str]:
        """Ids of the devices with measurements of named programs."""
        return devices_of_programs((*self._shared_timings, *self._own_timings))


NOTHING_MEASURED = Measured()


DISTURBED = 0.5
"""Log standard deviation above which a time is too disturbed to count as typical [1]."""


@dataclass(frozen=True, kw_only=True)
class CalibrationObservation(Observation):
    """Merged timings used to calibrate a device, with their expected utilization.

    Parameters
    ----------
    ahead : float
        The same with the host always ahead of the device [1].
    size : float
        Size of the steps; NaN if unknown [1].
    """

    reached: float
    expected: Uncertain
    ahead: float
    size: float


@dataclass(frozen=True, kw_only=True)
class Target:
    """Run to predict, with the features that its calibration depends on.

    Parameters
    ----------
    step_flop : float, optional
        Work per step and device [FLOP], None if unknown.
    flop : float, optional
        Work of the whole run per device, an upper bound of the step's [FLOP].
    """

    precision: str
    kind: str
    arch: str = ""
    name: str = ""
    step_flop: float | None = None
    flop: float | None = None
    params: float | None = None
    program: str | None = None


@dataclass(frozen=True, kw_only=True)
class Steady:
    """Prior of steady steps, as arrays.

    Parameters
    ----------
    ahead : array
        The same with the host always ahead of the device [1].
    """

    reached: Uncertain
    ahead: Floats


Expected = Callable[[Sequence[Observation]], Steady]
"""Callable for the prior of the steady utilization, one per observation."""


def calibration_observations(
    measured: Measured, device: Device, expected: Expected
) -> list[CalibrationObservation]:
    """Return the utilization observations of a device."""
    found = [
        one
        for one in measured.observed(device)
        if one.timing.flop is not None and one.timing.precision in device.peaks
    ]
    if not found:
        return []
    priors = expected(found)
    return [
        _calibration_observation(one, device, rows_of(priors, row)) for row, one in enumerate(found)
    ]


def most_logs(device: Device) -> dict[str, float]:
    """Return the highest possible log rate of each number format [FLOP/s]."""
    return {name: float(np.log(most_possible(peak))) for name, peak in device.peaks.items()}


def _calibration_observation(
    one: Observation, device: Device, expected: Steady
) -> CalibrationObservation:
    timing = one.timing
    ideal_s = (timing.flop or 0.0) / (timing.devices * device.peaks[timing.precision or ""].value)
    steps = is_of_steps(timing)
    per_device = (timing.flop or 0.0) / timing.devices
    return CalibrationObservation(
        **vars(one),
        reached=ideal_s / timing.time_s,
        expected=expected.reached,
        ahead=float(expected.ahead),
        size=size_of(device, timing.precision or "", per_device) if steps else UNKNOWN_SIZE,
    )


def evidence_of(
    found: Sequence[CalibrationObservation], device: Device, components: Components
) -> Evidence:
    """Return the calibration observations as arrays for the fit.

    Runs on accelerators correct the prediction from published runs. On processors, `StepLaw` takes
    the place of that prediction.
    """
    counts = np.array([_counts(device, one) for one in found], dtype=np.float64).reshape(-1, 2)
    where = replace(
        conditions_on(
            device,
            precisions=[one.timing.precision or "" for one in found],
            kinds=[network_group(one.timing.kind, one.timing.arch) for one in found],
            sizes=[one.size for one in found],
            families=map(family_of, found),
        ),
        host=text_array(one.host for one in found),
        program=text_array(one.program for one in found),
        own=np.fromiter((one.own for one in found), dtype=np.bool_, count=len(found)),
        operations=counts[:, 0],
        traffic=counts[:, 1],
    )
    accelerator = device.kind in KNOWN_KINDS
    expected = np.array([np.log(one.expected.mid) for one in found], dtype=float)
    reached = np.array([np.log(one.reached) for one in found], dtype=float)
    return (Evidence if accelerator else StepLaw)(
        where=where if accelerator else with_counts(where, where),
        log_ratio=reached - expected if accelerator else reached,
        prior_sd=np.array([float(one.expected.log_sd) for one in found], dtype=float),
        noise_sd=_noise(found, components),
        components=components,
        user_steps=_user_steps(found, where),
    )


def conditions_on(
    device: Device,
    precisions: Sequence[str],
    kinds: Iterable[str],
    sizes: npt.ArrayLike,
    *,
    families: Iterable[str] = (),
    host: str = "",
) -> Conditions:
    """Return the conditions of steps on one device; families are omitted if empty."""
    found = text_array(families)
    return Conditions(
        device=text_array(device.id for _ in precisions),
        host=text_array(host for _ in precisions),
        precision=text_array(precisions),
        kind=text_array(kinds),
        size=np.asarray(sizes, dtype=np.float64),
        family=found if len(found) else np.array([""]),
        peak=np.array([device.peaks[name].value for name in precisions], dtype=np.float64),
        bandwidth=np.full(len(precisions), bandwidth_of(device)),
    )


def _user_steps(found: Sequence[CalibrationObservation], where: Conditions) -> Conditions:
    """Return the user's programs, with sizes from their step and run times.

    Expected launch time is subtracted, and disturbed timings are left out.
    """
    times = np.array(
        [one.timing.time_s * float(one.expected.mid) / one.ahead for one in found], dtype=np.float64
    )
    noise = np.array([one.noise_sd for one in found], dtype=np.float64)
    own = where.own & ~np.isnan(where.size) & (noise < DISTURBED)
    return replace(where, size=step_size(times)).part(own)


def large_step_flop(device: Device, precision: str) -> float:
    """Return the work of a large step on a device [FLOP], NaN if its peak does not imply one."""
    if device.kind not in KNOWN_KINDS or precision not in device.peaks:
        return float("nan")
    return LARGE_STEP_S * device.peaks[precision].value


def assumed_step_flop(
    step_flop: Floats, flop: Floats, devices: Floats, large_flop: Number
) -> Floats:
    """Return each device's work per step; if unknown, large runs have large steps.

    See `estimator.training.launches.is_large`.

    Parameters
    ----------
    step_flop : array
        Work per step over all devices, NaN if unknown [FLOP].
    """
    ideal_s = LARGE_STEP_S * flop / (devices * large_flop)
    assumed = np.isnan(step_flop) & is_large(ideal_s, devices) & ~np.isnan(large_flop)
    found: Floats = np.where(assumed, large_flop, step_flop / devices)
    return found


def size_of(device: Device, precision: str, step_flop: float) -> float:
    """Log size of a step on one device [1]."""
    return float(step_size(step_flop / device.peaks[precision].value))


def _counts(device: Device, one: CalibrationObservation) -> tuple[float, float]:
    """Return operations and traffic per FLOP, NaN if unknown or too many for the measured time."""
    if one.operations is None or one.traffic is None:
        return np.nan, np.nan
    ratio = time_beside_products(device, one.timing.precision or "", one.operations, one.traffic)
    believed = ratio * one.reached < MOST_COUNTED
    return (one.operations, one.traffic) if believed else (np.nan, np.nan)


def time_beside_products(
    device: Device, precision: str, operations: Number, traffic: Number
) -> Number:
    """Return the ratio of dispatch and traffic time to product time at the peak [1].

    Parameters
    ----------
    operations, traffic : float or array
        Operations [1/FLOP] and memory traffic [B/FLOP] per FLOP of a step.
    """
    moved_s = 0.0 if np.isnan(bandwidth_of(device)) else traffic / bandwidth_of(device)
    return (operations * OPERATION_S + moved_s) * device.peaks[precision].value


def bandwidth_of(device: Device) -> float:
    """Return the memory bandwidth of a device [B/s], NaN if unknown."""
    found = device.records.get("memory_bytes_per_s")
    return np.nan if found is None else float(found.value)


def whole_size(device: Device, target: Target) -> Floats:
    """Log size of a whole run, NaN if unknown [1]."""
    if target.flop is None:
        return np.array([UNKNOWN_SIZE])
    return np.array([size_of(device, target.precision, target.flop)])


def _noise(found: Sequence[CalibrationObservation], components: Components) -> Floats:
    """Return each measurement's standard deviation; a whole run includes its run component."""
    runs = np.array([one.runs for one in found], dtype=float)
    whole = np.array([not is_of_steps(one.timing) for one in found], dtype=bool)
    own = components.step_sd**2 + np.where(whole, components.run**2, 0.0)
    measured = np.array([one.noise_sd for one in found], dtype=float)
    own = own + np.where([one.many for one in found], components.style**2, 0.0)
    noise: Floats = np.sqrt(measured**2 + own / runs)
    return noise


def family_of(one: CalibrationObservation) -> str:
    """Return a timing's family; benchmark styles that few programs use are their own families."""
    way = next((way for _, way in WAYS if not one.own and one.program.endswith(way)), "")
    return network_family(one.timing.kind, f"{one.timing.arch or ''} {way}".strip())


def components_of(catalog: Catalog, device: Device) -> Components:
    """Return the variance components of the model's errors on a device."""
    return _components(catalog, "accelerator" if device.kind in KNOWN_KINDS else "processor")


def power_components(catalog: Catalog) -> Components:
    """Return the variance components of the power model's errors."""
    return _components(catalog, "power")


def _components(catalog: Catalog, name: str) -> Components:
    found = catalog.priors_under(f"calibration.{name}.")
    return Components(**{key: record.value for key, record in found.items()})


def run_counts(found: Sequence[CalibrationObservation]) -> tuple[int, int]:
    """Return the number of runs and of timings behind the observations."""
    runs = round(sum(one.whole for one in found))
    return max(runs, min(1, len(found))), sum(one.timings for one in found)


def network_group(kind: str | None, arch: str | None) -> str:
    """Group of networks with correlated errors, from workload type and architecture."""
    return network_kind(kind or "other", arch or "").group


def network_family(kind: str | None, arch: str | None) -> str:
    """Return the family of networks within its group, empty if unknown."""
    return network_kind(kind or "other", arch or "").family


def text_array(texts: Iterable[str]) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    """Convert texts to a NumPy array, also if there are none."""
    return np.array(list(texts), dtype=np.str_)
