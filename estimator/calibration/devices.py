"""Measured and fitted figures of each device from this machine's runs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from estimator.calibration.correction import Known
from estimator.calibration.measured_utilization import network_group
from estimator.calibration.posterior import Cell, main_cell, measured_cell, measured_groups
from estimator.catalog import Catalog, Device
from estimator.core.uncertainty import Uncertain
from estimator.runs.documents import figure_rows
from estimator.runs.figures import (
    DeviceFigures,
    Peaks,
    Span,
    Used,
    WorkFigures,
    days_since,
    sum_up_devices,
)
from estimator.runs.record import MeasuredRun

Answers = Mapping[str, tuple[Uncertain, Uncertain]]
"""Kind of network -> utilization with and without measured runs [1]."""

Ask = Callable[[Device, Sequence[str], str], Answers]
"""Callable that estimates kinds of networks in a number format on a device."""


@dataclass(frozen=True, kw_only=True)
class DeviceExpectation:
    """Expected training utilization of one kind [1], None if no run informs it.

    Parameters
    ----------
    now, before : Span, optional
        Utilization with unspecified step size, after and before calibration; None if not predicted.
    steady : Span, optional
        Utilization of steps like the median measured one.
    """

    now: Span | None = None
    before: Span | None = None
    steady: Span | None = None


@dataclass(frozen=True, kw_only=True)
class WorkReport:
    """Measured and expected figures of one workload type in one format on one device."""

    measured: WorkFigures
    expected: DeviceExpectation


@dataclass(frozen=True, kw_only=True)
class DeviceReport:
    """Measured and expected figures of one device.

    Parameters
    ----------
    expected : DeviceExpectation
        Expectation for the workload type and format measured most.
    expected_of : str
        Workload type and format; empty if no timing informs it.
    """

    measured: DeviceFigures
    age_days: float
    expected: DeviceExpectation
    expected_of: str
    work: tuple[WorkReport, ...]


def device_figures(runs: Sequence[MeasuredRun], catalog: Catalog) -> list[DeviceFigures]:
    """Return measured figures of each device by name, with peaks from the catalog."""
    return sum_up_devices([row for run in runs for row in figure_rows(run)], peaks_of(catalog))


def reports_of(
    figures: Iterable[DeviceFigures],
    known: Known,
    ask: Ask | None = None,
    now: datetime | None = None,
) -> list[DeviceReport]:
    """Return device reports from measured figures."""
    moment = now or datetime.now(UTC)
    return [_report(one, _Fit(known, ask), moment) for one in figures]


def _report(measured: DeviceFigures, fit: "_Fit", now: datetime) -> DeviceReport:
    catalog = fit.known.catalog
    found = None if measured.simulated else catalog.find_device(measured.hardware)
    device = None if found is None else catalog.device(found)
    cell = None if device is None else main_cell(fit.known, device)
    return DeviceReport(
        measured=measured,
        age_days=days_since(measured.newest, now),
        expected=DeviceExpectation() if device is None else fit.expected(device, cell),
        expected_of="" if cell is None else f"{cell.group}, {cell.precision}",
        work=tuple(WorkReport(measured=one, expected=fit.of(device, one)) for one in measured.work),
    )


@dataclass(frozen=True)
class _Fit:
    known: Known
    ask: Ask | None
    answers: dict[tuple[str, str], Answers] = field(default_factory=dict)

    def of(self, device: Device | None, work: WorkFigures) -> DeviceExpectation:
        """Compare expected utilization before and after calibration, where a timing informs it."""
        if device is None or work.what != "training" or work.precision not in device.peaks:
            return DeviceExpectation()
        group = network_group(work.kind, work.arch)
        return self.expected(device, measured_cell(self.known, device, group, work.precision))

    def expected(self, device: Device, cell: Cell | None) -> DeviceExpectation:
        """Return the expected utilization of steps like the measured ones, and of an estimate."""
        if cell is None:
            return DeviceExpectation()
        steady = _interval(cell.now)
        if self.ask is None:
            return DeviceExpectation(steady=steady)
        asked = (device.id, cell.precision)
        if asked not in self.answers:
            groups = measured_groups(self.known, device, cell.precision)
            self.answers[asked] = self.ask(device, groups, cell.precision)
        now, before = map(_interval, self.answers[asked][cell.group])
        return DeviceExpectation(now=now, before=before, steady=steady)


def _interval(quantity: Uncertain) -> Span:
    low, high = quantity.interval()
    return Span(low=float(low), mid=float(quantity.mid), high=float(high))


def peaks_of(catalog: Catalog) -> Peaks:
    """Return a look-up for a device profile's peaks [FLOP/s]."""

    def peaks(hardware: str) -> dict[str, float]:
        found = catalog.find_device(hardware)
        if found is None:
            return {}
        return {name: record.value for name, record in catalog.device(found).peaks.items()}

    return peaks


def used_device(hardware: str, catalog: Catalog) -> Used:
    """Return a predicate for devices with this id, alias or name."""
    if not hardware.strip():
        raise ValueError("hardware contains no device")
    found = catalog.find_device(hardware)
    names = {hardware.casefold(), hardware if found is None else found}
    return lambda device, name: device in names or name.casefold() in names


def runs_of(hardware: str, catalog: Catalog) -> Callable[[MeasuredRun], bool]:
    """Return a predicate for runs on a device with this id, alias or name.

    Raises the errors of `used_device`.
    """
    used = used_device(hardware, catalog)
    return lambda run: any(used(one.hardware, one.name) for one in run.devices)
