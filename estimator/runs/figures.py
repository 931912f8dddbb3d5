"""Measurements of each device over all runs: counts, medians and ranges."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from estimator.core.units import S_PER_DAY
from estimator.runs.documents import DEVICE, RUN, WHOLE_RUN

IDLE = "idle"

Peaks = Callable[[str], Mapping[str, float]]
"""Callable for the peaks of a device by number format [FLOP/s]."""

Used = Callable[[str | None, str], bool]
"""Predicate on a device's profile id and driver name."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Median and range of measurements, or middle and bounds of an 80% interval."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, kw_only=True)
class WorkFigures:
    """Measurements of one workload type in one format on one device.

    Parameters
    ----------
    utilization : Span, optional
        Share of the peak [1]; None without a peak or an amount of work.
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
    power_w : Span, optional
        Of one device in training, else the mean power of the runs [W]; idle benchmarks and modelled
        power left out.
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


def sum_up_devices(rows: Iterable[Sequence[Any]], peaks: Peaks) -> list[DeviceFigures]:
    """Summarize the devices of some runs, by name."""
    by_device: dict[tuple[str, bool], dict[tuple[str, str, str], list[Sequence[Any]]]] = {}
    for row in rows:
        _, _, simulated, hardware, _, what, precision, kind, *_ = row
        if what != RUN:
            works = by_device.setdefault((hardware, simulated), {})
            works.setdefault((what, precision, kind), []).append(row)
    return [_device(works, peaks(key[0])) for key, works in sorted(by_device.items())]


Works = Mapping[tuple[str, str, str], list[Sequence[Any]]]
"""Workload type, number format and network kind -> its rows."""

ID, STARTED, SIMULATED, HARDWARE, NAME, _, PRECISION, _, ARCH, RATE, POWER_W = range(11)
"""Indices of the fields of `FigureRow`."""


def _device(works: Works, peaks: Mapping[str, float]) -> DeviceFigures:
    runs, training = works[DEVICE, "", ""], _all_of(works, "training")
    newest, _, name = max((row[STARTED], at, row[NAME]) for at, row in enumerate(runs))
    return DeviceFigures(
        hardware=runs[0][HARDWARE],
        name=name,
        simulated=runs[0][SIMULATED],
        runs=len({row[ID] for row in runs}),
        oldest=min(row[STARTED] for row in runs),
        newest=newest,
        utilization=_utilization(training, peaks),
        power_w=_power_w(training) or _power_w(_all_of(works, WHOLE_RUN)),
        idle_w=_power_w(_all_of(works, IDLE)),
        work=tuple(
            WorkFigures(
                what=what,
                precision=precision,
                kind=kind,
                arch=found[0][ARCH],
                runs=len({row[ID] for row in found}),
                utilization=_utilization(found, peaks),
                power_w=_power_w(found),
            )
            for (what, precision, kind), found in sorted(works.items())
            if what not in (DEVICE, IDLE, WHOLE_RUN)
        ),
    )


def _all_of(works: Works, what: str) -> list[Sequence[Any]]:
    """Return the rows of one workload type in all formats."""
    return [row for work, found in works.items() if work[0] == what for row in found]


def _utilization(rows: Iterable[Sequence[Any]], peaks: Mapping[str, float]) -> Span | None:
    """Return measured utilizations in formats with a known peak [1]."""
    known = (row for row in rows if row[RATE] is not None and row[PRECISION] in peaks)
    return _span([row[RATE] / peaks[row[PRECISION]] for row in known])


def _power_w(rows: Iterable[Sequence[Any]]) -> Span | None:
    return _span([row[POWER_W] for row in rows if row[POWER_W] is not None])


def _span(values: list[float]) -> Span | None:
    """Return median and range, or None if empty."""
    if not values:
        return None
    values.sort()
    middle = values[(len(values) - 1) // 2 : len(values) // 2 + 1]
    return Span(low=values[0], mid=sum(middle) / len(middle), high=values[-1])


def days_since(started: str, now: datetime) -> float:
    """Return the time since a run started [day]; UTC by default."""
    moment = datetime.fromisoformat(started)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (now - moment).total_seconds() / S_PER_DAY)
