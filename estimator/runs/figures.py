"""Measurements of each device over all runs: counts, medians and ranges."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from estimator.core.units import S_PER_DAY
from estimator.runs.documents import WHOLE_RUN, RunFigure, RunFigures

IDLE = "idle"

Peaks = Callable[[str], Mapping[str, float]]
"""Number format -> peak of a device, by the id of its profile [FLOP/s]."""

Used = Callable[[str | None, str], bool]
"""Return whether a device is meant, by the id of its profile and its driver's name."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Median and range of some measurements, or middle and bounds of an 80 % interval."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, kw_only=True)
class WorkFigures:
    """One kind of work in one number format on one device, as measured.

    Parameters
    ----------
    what : str
        As in `Timing`.
    precision, kind : str
        Number format and kind of network; empty where there is none.
    arch : str
        Architecture of the first of them; empty where unknown.
    runs : int
        Runs that timed it.
    utilization : Span, optional
        Share of the peak [1]; None without a peak or an amount of work.
    power_w : Span, optional
        Of one device meanwhile [W]; None where none was measured.
    """

    what: str
    precision: str
    kind: str
    arch: str
    runs: int
    utilization: Span | None
    power_w: Span | None


@dataclass(frozen=True, kw_only=True)
class DeviceFigures:
    """Measurements of one device.

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
    utilization : Span, optional
        In all training [1]; None where none was timed.
    power_w : Span, optional
        Of one device in training, else the mean power of the runs [W]; idle benchmarks and modelled
        power left out.
    idle_w : Span, optional
        At rest [W].
    work : tuple of WorkFigures
        Every kind of work by itself, idleness aside.
    """

    hardware: str
    name: str
    simulated: bool
    runs: int
    oldest: str
    newest: str
    utilization: Span | None
    power_w: Span | None
    idle_w: Span | None
    work: tuple[WorkFigures, ...]


def sum_up_devices(runs: Iterable[RunFigures], peaks: Peaks) -> list[DeviceFigures]:
    """Sum up the devices of some runs, by name.

    Parameters
    ----------
    runs : iterable of RunFigures
        In the order in which they were stored.
    peaks : callable
        Peaks of a device by its id; empty without a profile [FLOP/s].
    """
    used: dict[tuple[str, bool], list[tuple[str, int, str]]] = {}
    works: dict[tuple[str, bool], dict[tuple[str, str, str], list[tuple[int, RunFigure]]]] = {}
    for number, run in enumerate(runs):
        for hardware, name in run.devices:
            used.setdefault((hardware, run.simulated), []).append((run.started, number, name))
        for figure in map(RunFigure._make, run.figures):
            work = works.setdefault((figure.hardware, run.simulated), {})
            work.setdefault(figure[1:4], []).append((number, figure))
    return [_device(key, used[key], works.get(key, {}), peaks(key[0])) for key in sorted(used)]


def _device(
    key: tuple[str, bool],
    runs: Sequence[tuple[str, int, str]],
    works: Mapping[tuple[str, str, str], Sequence[tuple[int, RunFigure]]],
    peaks: Mapping[str, float],
) -> DeviceFigures:
    by_work = {work: [figure for _, figure in found] for work, found in works.items()}
    training = _all_of(by_work, "training")
    newest, _, name = max((started, at, name) for at, (started, _, name) in enumerate(runs))
    return DeviceFigures(
        hardware=key[0],
        name=name,
        simulated=key[1],
        runs=len({number for _, number, _ in runs}),
        oldest=min(runs)[0],
        newest=newest,
        utilization=_utilization(training, peaks),
        power_w=_power_w(training) or _power_w(by_work.get((WHOLE_RUN, "", ""), ())),
        idle_w=_power_w(_all_of(by_work, IDLE)),
        work=tuple(
            WorkFigures(
                what=work[0],
                precision=work[1],
                kind=work[2],
                arch=found[0].arch,
                runs=len({number for number, _ in works[work]}),
                utilization=_utilization(found, peaks),
                power_w=_power_w(found),
            )
            for work, found in sorted(by_work.items())
            if work[0] not in (IDLE, WHOLE_RUN)
        ),
    )


def _all_of(by_work: Mapping[tuple[str, str, str], list[RunFigure]], what: str) -> list[RunFigure]:
    """Figures of one kind of work in all formats."""
    return [figure for work, found in by_work.items() if work[0] == what for figure in found]


def _utilization(figures: Iterable[RunFigure], peaks: Mapping[str, float]) -> Span | None:
    """Shares of the peaks reached, in the formats that have one [1]."""
    return _span(
        [
            figure.rate / peaks[figure.precision]
            for figure in figures
            if figure.rate is not None and figure.precision in peaks
        ]
    )


def _power_w(figures: Iterable[RunFigure]) -> Span | None:
    return _span([figure.power_w for figure in figures if figure.power_w is not None])


def _span(values: list[float]) -> Span | None:
    """Median and range; None of nothing."""
    if not values:
        return None
    values.sort()
    middle = values[(len(values) - 1) // 2 : len(values) // 2 + 1]
    return Span(low=values[0], mid=sum(middle) / len(middle), high=values[-1])


def days_since(started: str, now: datetime) -> float:
    """Time since a run began [day]; a time without a zone is in UTC."""
    moment = datetime.fromisoformat(started)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (now - moment).total_seconds() / S_PER_DAY)
