"""What do the runs measured here show about each device: as measured, and as fitted."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from estimator.calibration.correction import Known
from estimator.calibration.measured_utilization import Measured, network_group
from estimator.calibration.posterior import Cell, main_cell, measured_cell
from estimator.catalog import Catalog, Device
from estimator.core.uncertainty import Uncertain
from estimator.runs.documents import in_memory
from estimator.runs.figures import (
    DeviceFigures,
    Figures,
    Peaks,
    Span,
    Used,
    WorkFigures,
    rows_from,
)
from estimator.runs.record import MeasuredRun

S_PER_DAY = 86400.0

Ask = Callable[[Device, str, str], tuple[Uncertain, Uncertain]]
"""What an estimate answers for a kind of network in a number format on a device: utilization with
the measured runs, and without them [1]."""


@dataclass(frozen=True, kw_only=True)
class WorkReport:
    """One kind of work in one number format on one device.

    Parameters
    ----------
    what : str
        As in `Timing`.
    precision, kind : str
        Number format and kind of network; empty where there is none.
    runs : int
        Runs that timed it.
    utilization : Span, optional
        Share of the peak of the profile, as measured [1]; None without a peak or an amount of work.
    expected, expected_before : Span, optional
        Utilization that an estimate answers for a run of the kind now, and from published runs
        alone [1]; None where it is no training, teaches nothing, or nobody was asked.
    expected_steady : Span, optional
        Expected of steps like the middle one of those measured [1].
    power_w : Span, optional
        Of one device meanwhile [W]; None where none was measured.
    """

    what: str
    precision: str
    kind: str
    runs: int
    utilization: Span | None
    power_w: Span | None
    expected: Span | None = None
    expected_before: Span | None = None
    expected_steady: Span | None = None


@dataclass(frozen=True, kw_only=True)
class DeviceReport:
    """What was measured of one device.

    Parameters
    ----------
    hardware : str
        Id of its profile, or the name by its driver where there is no profile.
    name : str
        As its driver names it.
    simulated : bool
        Measured on a stub, which proves nothing of a device.
    runs : int
    oldest, newest : str
        When the first and the last of them began.
    age_days : float
        Time since the last of them [day].
    utilization, utilization_before : Span, optional
        What an estimate answers for a run of the kind and format that were timed most, the size of
        its steps unspecified, now and from published runs alone [1]; None where no timing teaches
        anything, or nobody was asked.
    utilization_steady : Span, optional
        Expected of steps like the middle one of those measured of it [1].
    utilization_of : str
        That kind of network and format; empty where there is none.
    utilization_measured : Span, optional
        In all training, as measured [1]; None where none was timed.
    power_w : Span, optional
        Mean power of the runs [W], idle benchmarks and modelled power left out.
    idle_w : Span, optional
        At rest [W].
    work : tuple of WorkReport
    """

    hardware: str
    name: str
    simulated: bool
    runs: int
    oldest: str
    newest: str
    age_days: float
    utilization: Span | None
    utilization_before: Span | None
    utilization_steady: Span | None
    utilization_of: str
    utilization_measured: Span | None
    power_w: Span | None
    idle_w: Span | None
    work: tuple[WorkReport, ...]


def device_reports(
    runs: Sequence[MeasuredRun],
    catalog: Catalog,
    now: datetime | None = None,
) -> list[DeviceReport]:
    """Report every device of some runs, by name; the fit rests on them alone.

    Parameters
    ----------
    runs : sequence of MeasuredRun
    catalog : Catalog
        Whose profiles tell the peaks.
    now : datetime, optional
        Against which the age is given.
    """
    with closing(in_memory(runs)) as database:
        found = Figures(rows_from(database)).devices(peaks_of(catalog))
    return reports_of(found, Known(catalog, Measured(given=tuple(runs))), now=now)


def reports_of(
    figures: Iterable[DeviceFigures],
    known: Known,
    ask: Ask | None = None,
    now: datetime | None = None,
) -> list[DeviceReport]:
    """Report devices by what was measured of them.

    Parameters
    ----------
    figures : iterable of DeviceFigures
    known : Known
        Runs that the fit rests on.
    ask : callable, optional
        Says what an estimate answers, which rests on the same runs.
    now : datetime, optional
        Against which the age is given.
    """
    moment = now or datetime.now(UTC)
    return [_report(one, _Fit(known, ask), moment) for one in figures]


def _report(figures: DeviceFigures, fit: "_Fit", now: datetime) -> DeviceReport:
    newest = datetime.fromisoformat(figures.newest)
    newest = newest if newest.tzinfo else newest.replace(tzinfo=UTC)
    catalog = fit.known.catalog
    found = None if figures.simulated else catalog.find_device(figures.hardware)
    device = None if found is None else catalog.device(found)
    cell = None if device is None else main_cell(fit.known, device)
    expected = {} if cell is None or device is None else fit.expected(device, cell)
    return DeviceReport(
        hardware=figures.hardware,
        name=figures.name,
        simulated=figures.simulated,
        runs=figures.runs,
        oldest=figures.oldest,
        newest=figures.newest,
        age_days=max(0.0, (now - newest).total_seconds() / S_PER_DAY),
        utilization=expected.get("expected"),
        utilization_before=expected.get("expected_before"),
        utilization_steady=expected.get("expected_steady"),
        utilization_of="" if cell is None else f"{cell.group}, {cell.precision}",
        utilization_measured=figures.utilization,
        power_w=figures.power_w,
        idle_w=figures.idle_w,
        work=tuple(_work(one, fit, device) for one in figures.work),
    )


def _work(work: WorkFigures, fit: "_Fit", device: Device | None) -> WorkReport:
    """Report one kind of work."""
    return WorkReport(
        what=work.what,
        precision=work.precision,
        kind=work.kind,
        runs=work.runs,
        utilization=work.utilization,
        power_w=work.power_w,
        **({} if device is None else fit.of(device, work)),
    )


@dataclass(frozen=True)
class _Fit:
    """Expectation of the kinds of training of a device."""

    known: Known
    ask: Ask | None
    answers: dict[tuple[str, str, str], tuple[Uncertain, Uncertain]] = field(default_factory=dict)

    def of(self, device: Device, work: WorkFigures) -> dict[str, Span]:
        """Expectation now and before, where a timing teaches it."""
        if work.what != "training" or work.precision not in device.peaks:
            return {}
        group = network_group(work.kind, work.arch)
        cell = measured_cell(self.known, device, group, work.precision)
        return {} if cell is None else self.expected(device, cell)

    def expected(self, device: Device, cell: Cell) -> dict[str, Span]:
        """What is expected of steps like those measured, and what an estimate answers."""
        steady = {"expected_steady": _interval(cell.now)}
        if self.ask is None:
            return steady
        asked = (device.id, cell.group, cell.precision)
        if asked not in self.answers:
            self.answers[asked] = self.ask(device, cell.group, cell.precision)
        now, before = self.answers[asked]
        return {
            "expected": _interval(now),
            "expected_before": _interval(before),
            **steady,
        }


def _interval(quantity: Uncertain) -> Span:
    low, high = quantity.interval()
    return Span(low=float(low), mid=float(quantity.mid), high=float(high))


def peaks_of(catalog: Catalog) -> Peaks:
    """Return how to find the peaks of the profile of a device; none without a profile [FLOP/s]."""

    def peaks(hardware: str) -> dict[str, float]:
        found = catalog.find_device(hardware)
        if found is None:
            return {}
        return {name: record.value for name, record in catalog.device(found).peaks.items()}

    return peaks


def used_device(hardware: str, catalog: Catalog) -> Used:
    """Return whether a device is the one of this id, alias or name.

    Raises
    ------
    ValueError
        If the name is empty.
    """
    if not hardware.strip():
        raise ValueError("hardware names no device")
    found = catalog.find_device(hardware)
    names = {hardware.casefold(), hardware if found is None else found}
    return lambda device, name: device in names or name.casefold() in names


def runs_of(hardware: str, catalog: Catalog) -> Callable[[MeasuredRun], bool]:
    """Return whether a run used a device of this id, alias or name; errors as `used_device`."""
    used = used_device(hardware, catalog)
    return lambda run: any(used(one.hardware, one.name) for one in run.devices)
