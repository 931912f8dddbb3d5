"""What do the runs measured here show about each device: as measured, and as fitted."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from estimator.calibration.correction import Known
from estimator.calibration.measured_utilization import Measured, network_group
from estimator.calibration.posterior import Cell, cells, main_cell
from estimator.catalog import Catalog, Device
from estimator.core.uncertainty import Uncertain
from estimator.runs.record import Energy, MeasuredDevice, MeasuredRun, Timing

S_PER_DAY = 86400.0

Ask = Callable[[Device, str, str], tuple[Uncertain, Uncertain]]
"""What an estimate answers for a kind of network in a number format on a device: utilization with
the measured runs, and without them [1]."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Median and range of some measurements, or middle and bounds of an 80 % interval."""

    low: float
    mid: float
    high: float


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


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One device of one run."""

    run: MeasuredRun
    device: MeasuredDevice

    @property
    def timings(self) -> list[Timing]:
        return [one for one in self.run.timings if one.component == self.device.key]

    @property
    def energy(self) -> list[Energy]:
        return [one for one in self.run.energy if one.component == self.device.key]


def device_reports(
    runs: Sequence[MeasuredRun],
    catalog: Catalog,
    now: datetime | None = None,
    known: Known | None = None,
    ask: Ask | None = None,
) -> list[DeviceReport]:
    """Report every device of some runs, by name.

    Parameters
    ----------
    runs : sequence of MeasuredRun
    catalog : Catalog
        Whose profiles tell the peaks.
    now : datetime, optional
        Against which the age is given.
    known : Known, optional
        Runs that the fit rests on; by default those that are reported.
    ask : callable, optional
        Says what an estimate answers, which rests on the same runs.
    """
    known = known or Known(catalog, Measured(given=tuple(runs)))
    groups: dict[tuple[str, bool], list[_Part]] = {}
    for run in runs:
        for device in run.devices:
            key = (device.hardware or device.name, run.simulated)
            groups.setdefault(key, []).append(_Part(run=run, device=device))
    moment = now or datetime.now(UTC)
    return [
        _report(name, simulated, groups[name, simulated], _Fit(known, ask), moment)
        for name, simulated in sorted(groups)
    ]


def _report(
    hardware: str, simulated: bool, parts: Sequence[_Part], fit: "_Fit", now: datetime
) -> DeviceReport:
    started = sorted(part.run.started for part in parts)
    newest = datetime.fromisoformat(started[-1])
    newest = newest if newest.tzinfo else newest.replace(tzinfo=UTC)
    catalog = fit.known.catalog
    found = None if simulated else catalog.find_device(hardware)
    peaks = _peaks(hardware, catalog)
    device = None if found is None else catalog.device(found)
    cell = None if device is None else main_cell(fit.known, device)
    expected = {} if cell is None or device is None else fit.expected(device, cell)
    training = [one for part in parts for one in part.timings if one.what == "training"]
    idle = [one for part in parts for one in part.timings if one.what == "idle"]
    return DeviceReport(
        hardware=hardware,
        name=parts[-1].device.name,
        simulated=simulated,
        runs=len({part.run.id for part in parts}),
        oldest=started[0],
        newest=started[-1],
        age_days=max(0.0, (now - newest).total_seconds() / S_PER_DAY),
        utilization=expected.get("expected"),
        utilization_before=expected.get("expected_before"),
        utilization_steady=expected.get("expected_steady"),
        utilization_of="" if cell is None else f"{cell.group}, {cell.precision}",
        utilization_measured=_span(_utilization(one, peaks) for one in training),
        power_w=_span(_power_w(training)) or _span(_mean_power_w(parts)),
        idle_w=_span(_power_w(idle)),
        work=tuple(_work(parts, peaks, fit, device)),
    )


def _work(
    parts: Sequence[_Part], peaks: dict[str, float], fit: "_Fit", device: Device | None
) -> list[WorkReport]:
    """Report every kind of work by itself, idleness aside."""
    groups: dict[tuple[str, str, str], list[tuple[str, Timing]]] = {}
    for part in parts:
        for one in part.timings:
            if one.what != "idle":
                key = (one.what, one.precision or "", one.kind or "")
                groups.setdefault(key, []).append((part.run.id, one))
    return [
        WorkReport(
            what=what,
            precision=precision,
            kind=kind,
            runs=len({run_id for run_id, _ in found}),
            utilization=_span(_utilization(one, peaks) for _, one in found),
            power_w=_span(_power_w([one for _, one in found])),
            **({} if device is None else fit.of(device, what, precision, found[0][1])),
        )
        for (what, precision, kind), found in sorted(groups.items())
    ]


@dataclass(frozen=True)
class _Fit:
    """Expectation of the kinds of training of a device."""

    known: Known
    ask: Ask | None

    def of(self, device: Device, what: str, precision: str, timing: Timing) -> dict[str, Span]:
        """Expectation now and before, where a timing teaches it."""
        if what != "training" or precision not in device.peaks:
            return {}
        group = network_group(timing.kind, timing.arch)
        for cell in cells(self.known, device, precision):
            if cell.group == group and cell.observations:
                return self.expected(device, cell)
        return {}

    def expected(self, device: Device, cell: Cell) -> dict[str, Span]:
        """What is expected of steps like those measured, and what an estimate answers."""
        steady = {"expected_steady": _interval(cell.now)}
        if self.ask is None:
            return steady
        now, before = self.ask(device, cell.group, cell.precision)
        return {
            "expected": _interval(now),
            "expected_before": _interval(before),
            **steady,
        }


def _interval(quantity: Uncertain) -> Span:
    low, high = quantity.interval()
    return Span(low=float(low), mid=float(quantity.mid), high=float(high))


def _peaks(hardware: str, catalog: Catalog) -> dict[str, float]:
    """Number format -> peak of the profile [FLOP/s]; none without a profile."""
    found = catalog.find_device(hardware)
    if found is None:
        return {}
    return {name: record.value for name, record in catalog.device(found).peaks.items()}


def _utilization(timing: Timing, peaks: dict[str, float]) -> float | None:
    peak = peaks.get(timing.precision or "")
    if peak is None or timing.flop is None:
        return None
    return timing.flop / (timing.time_s * timing.devices * peak)


def _power_w(timings: Sequence[Timing]) -> list[float | None]:
    return [one.power_w for one in timings if one.trust != "modelled"]


def _mean_power_w(parts: Sequence[_Part]) -> list[float | None]:
    """Mean power over runs that were no benchmark, whose parts differ too much [W]."""
    return [
        one.mean_w
        for part in parts
        if part.run.origin != "bench"
        for one in part.energy
        if one.trust != "modelled"
    ]


def _span(values: Iterable[float | None]) -> Span | None:
    known = [value for value in values if value is not None]
    return Span(low=min(known), mid=median(known), high=max(known)) if known else None


Keep = Callable[[MeasuredRun], bool]


def runs_of(hardware: str, catalog: Catalog) -> Keep:
    """Return whether a run used a device of this id, alias or name.

    Raises
    ------
    ValueError
        If the name is empty.
    """
    if not hardware.strip():
        raise ValueError("hardware names no device")
    found = catalog.find_device(hardware)
    names = {hardware.casefold(), hardware if found is None else found}

    def used(run: MeasuredRun) -> bool:
        return any(one.hardware in names or one.name.casefold() in names for one in run.devices)

    return used
