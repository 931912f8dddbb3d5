"""Energy and condition of one component from its samples, with faults.

Power is integrated by the trapezoid rule over the sample times; an energy counter is the difference
of its readings. If both exist, both are kept and a disagreement is noted. Nothing is extrapolated:
time without readings lowers the coverage.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from estimator.core.units import in_percent
from estimator.runs.meter import Sample
from estimator.runs.record import Condition, Energy, Trust

GAP_PERIODS = 3.0
"""Interval without power readings that counts as a gap [sample period]."""

NEIGHBOURS = 5
"""Neighbours on each side for the median sample period, as rates change in long runs."""

FEW_READINGS, LONG_S = 5, 5.0
"""Fewer readings than this over longer than this [s] get a note."""

DISAGREEMENT = 0.10
"""Difference between counter and integral above which it is reported; boards and drivers both err
[1].
"""

SANE_TIMES_LIMIT = 1.5
"""Readings above this multiple of the power limit are discarded [1]."""

PUBLISHED_EVERY_S = 0.2
"""Longest delay of a counter's update [s]."""

STUCK_S, STUCK_READINGS = 10.0, 50
"""Duration [s] and readings of constant power that get a note."""

COVERED_ENOUGH = 0.95
"""Coverage of the run below which a note is added [1]."""

POWER = " power"
"""Suffix of power meters with an energy counter."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class EnergySummary:
    """Energy and condition of one component over a run.

    Parameters
    ----------
    energy : Energy or None
        None where no energy is known: never 0 J for want of readings.
    notes : tuple of str
        What is wrong with the readings, each beginning with the component.
    """

    energy: Energy | None
    condition: Condition | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Energies:
    """Energy of one series and its covered time, by interval."""

    start_s: Numbers
    length_s: Numbers
    energy_j: Numbers
    peak_w: float | None

    @property
    def total_j(self) -> float:
        return float(self.energy_j.sum())

    @property
    def covered_s(self) -> float:
        return float(self.length_s.sum())


def summarise(
    component: str,
    meter_name: str,
    trust: Trust,
    samples: Sequence[Sample],
    *,
    duration_s: float,
    limit_w: float | None = None,
) -> EnergySummary:
    """Summarize a component's energy and state over a run.

    Parameters
    ----------
    component, meter_name : str
        As in `Energy`; the name of one that reads power ends with " power", and where its counter
        is used the energy is by the counter.
    trust : str
        Of the meter; "modelled" stays so whatever is read.
    limit_w : float, optional
        Power limit of the device: more than `SANE_TIMES_LIMIT` times it is not believed [W].

    Examples
    --------
    >>> readings = [Sample(time_s=at, power_w=250.0) for at in (0.0, 0.1, 0.2)]
    >>> found = summarise("gpu:0", "nvml power", "sampled", readings, duration_s=0.2)
    >>> round(found.energy.energy_j, 9), found.notes
    (50.0, ())
    """
    if not duration_s > 0:
        raise ValueError(f"duration_s must be positive, got {duration_s}")
    found: list[str] = []
    sane_w = np.inf if limit_w is None else SANE_TIMES_LIMIT * limit_w
    if back := sum(after.time_s < before.time_s for before, after in pairwise(samples)):
        found.append(f"the clock went back {back} times; the readings across are left out")
    readings = _series(samples, lambda one: one.power_w)
    power = _integral(*readings, sane_w, found)
    counter = _counter(samples, sane_w, found)
    energy = None
    used = power if counter is None else counter
    if used is None:
        found.append(_why_nothing(samples))
    else:
        energy = Energy(
            component=component,
            meter=_name(meter_name, counted=counter is not None),
            trust=_trust(meter_name, trust, counted=counter is not None),
            energy_j=used.total_j,
            duration_s=used.covered_s,
            peak_w=used.peak_w if power is None else power.peak_w,
            check_j=_check_j(counter, power, found),
            coverage=_coverage(used, duration_s, found),
        )
    if trust != "modelled":
        _say_if_stuck(*readings, found)
    return EnergySummary(
        energy=energy,
        condition=_condition(component, samples),
        notes=tuple(f"{component}: {note}" for note in found),
    )


def _name(meter: str, *, counted: bool) -> str:
    """Name of the counter of a power meter."""
    return f"{meter.removesuffix(POWER)} counter" if counted and meter.endswith(POWER) else meter


def _trust(meter: str, trust: Trust, *, counted: bool) -> Trust:
    """Classify how far a meter's counter or power can be trusted."""
    if trust == "modelled" or (counted and not meter.endswith(POWER)):
        return trust
    return "counter" if counted else "sampled"


def _series(
    samples: Sequence[Sample], value: Callable[[Sample], float | None]
) -> tuple[Numbers, Numbers]:
    """Return times and values of the samples that have a value."""
    pairs = [(one.time_s, known) for one in samples if (known := value(one)) is not None]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _integral(
    time_s: Numbers, power_w: Numbers, sane_w: float, found: list[str]
) -> _Energies | None:
    """Integrate the power readings, excluding gaps and implausible values."""
    sound = np.isfinite(power_w) & (power_w >= 0)
    if not sound.all():
        found.append(f"{int((~sound).sum())} power readings that are no power left out")
    sane = power_w <= sane_w
    if (sound & ~sane).any():
        wild = power_w[sound & ~sane]
        found.append(
            f"{len(wild)} power readings above {sane_w:.0f} W left out, up to {wild.max():.0f} W"
        )
    time_s, power_w = time_s[sound & sane], power_w[sound & sane]
    if len(time_s) and not power_w.any():
        found.append("power reads 0 W all the time: ignored")
        return None
    length_s = np.diff(time_s)
    forward = length_s > 0
    if not forward.any():
        return None
    gap = np.zeros(len(length_s), dtype=bool)
    gap[forward] = length_s[forward] > GAP_PERIODS * _period_s(length_s[forward])
    if gap.any():
        found.append(
            f"{int(gap.sum())} gaps in the power readings, {length_s[gap].sum():.3g} s in all"
        )
    kept = forward & ~gap
    if len(time_s) < FEW_READINGS and length_s[kept].sum() > LONG_S:
        found.append(f"only {len(time_s)} power readings in {length_s[kept].sum():.3g} s")
    middle_w = (power_w[1:] + power_w[:-1]) / 2
    return _Energies(
        start_s=time_s[:-1][kept],
        length_s=length_s[kept],
        energy_j=(middle_w * length_s)[kept],
        peak_w=float(power_w.max()),
    )


def _period_s(length_s: Numbers) -> Numbers:
    """Return the typical sample period around each interval, the shortest if there are few."""
    if len(length_s) < FEW_READINGS:
        return np.full(len(length_s), length_s.min())
    around = np.pad(length_s, NEIGHBOURS, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(around, 2 * NEIGHBOURS + 1)
    return np.asarray(np.median(windows, axis=1), dtype=np.float64)


def _counter(samples: Sequence[Sample], sane_w: float, found: list[str]) -> _Energies | None:
    """Difference the counter, excluding implausible intervals."""
    time_s, energy_j = _series(samples, lambda one: one.energy_j)
    sound = np.isfinite(energy_j)
    time_s, energy_j = time_s[sound], energy_j[sound]
    length_s, gained_j = np.diff(time_s), np.diff(energy_j)
    if (backwards := gained_j < 0).any():
        found.append(f"the energy counter went backwards {int(backwards.sum())} times; left out")
    believed_s = np.maximum(length_s, 0) + PUBLISHED_EVERY_S
    wild = gained_j > (sane_w * believed_s if np.isfinite(sane_w) else np.inf)
    if wild.any():
        most_w = (gained_j / believed_s)[wild].max()
        found.append(f"the energy counter leapt by {most_w:.3g} W or more; left out")
    kept = ~backwards & ~wild & (length_s > 0)
    if not kept.any():
        return None
    if not gained_j[kept].any():
        found.append("the energy counter did not move: not used")
        return None
    whole = kept & (length_s > 2 * PUBLISHED_EVERY_S)
    return _Energies(
        start_s=time_s[:-1][kept],
        length_s=length_s[kept],
        energy_j=gained_j[kept],
        peak_w=float((gained_j / np.where(whole, length_s, 1))[whole].max())
        if whole.any()
        else None,
    )


def _check_j(counter: _Energies | None, power: _Energies | None, found: list[str]) -> float | None:
    """Integrate power over the counter's intervals, scaled over gaps."""
    if counter is None or power is None:
        return None
    if (np.diff(counter.start_s) < 0).any() or (np.diff(power.start_s) < 0).any():
        return None
    within_s, within_j = np.zeros(len(counter.start_s)), np.zeros(len(counter.start_s))
    middle_s = power.start_s + power.length_s / 2
    at = np.searchsorted(counter.start_s, middle_s) - 1
    inside = (at >= 0) & (middle_s < (counter.start_s + counter.length_s)[at])
    np.add.at(within_s, at[inside], power.length_s[inside])
    np.add.at(within_j, at[inside], power.energy_j[inside])
    seen = np.abs(within_s - counter.length_s) <= 0.01 * counter.length_s
    counted_j = float(counter.energy_j[seen].sum())
    if counted_j <= 0:
        return None
    ratio = float(within_j[seen].sum()) / counted_j
    if abs(ratio - 1) > DISAGREEMENT:
        found.append(
            f"integrated power is {ratio:.2f} times what the energy counter says: one is wrong"
        )
    return ratio * counter.total_j


def _coverage(used: _Energies, duration_s: float, found: list[str]) -> float:
    coverage = used.covered_s / duration_s
    if coverage < COVERED_ENOUGH:
        found.append(f"the readings cover {in_percent(coverage)} of the run")
    return min(1.0, coverage)


def _why_nothing(samples: Sequence[Sample]) -> str:
    """Return why there is no energy."""
    found = sum(one.power_w is not None or one.energy_j is not None for one in samples)
    if found == 0:
        return "no reading, so no energy is reported"
    if found == 1:
        return "one reading only, so no energy is reported"
    return "no two readings that fit together, so no energy is reported"


def _say_if_stuck(time_s: Numbers, power_w: Numbers, found: list[str]) -> None:
    """Add a note if the power was constant for long: stuck or truly steady."""
    if len(power_w) < STUCK_READINGS or not power_w.any():
        return
    changes = np.flatnonzero(np.diff(power_w)) + 1
    first, last = np.append(0, changes), np.append(changes, len(power_w)) - 1
    count, length_s = last - first + 1, time_s[last] - time_s[first]
    same = (count >= STUCK_READINGS) & (length_s >= STUCK_S)
    if same.any():
        found.append(f"power did not change for {length_s[same].max():.0f} s: steady, or stuck")


def _condition(component: str, samples: Sequence[Sample]) -> Condition | None:
    """Return the mean state over the samples, or None."""
    warm = _known_values(samples, lambda one: one.temperature_c)
    clocks = _known_values(samples, lambda one: one.clock_hz)
    reasons = sorted({reason for one in samples for reason in one.throttled_by})
    telling = [one for one in samples if _state(one) != UNKNOWN]
    held = sum(bool(one.throttled_by) for one in telling)
    found = Condition(
        component=component,
        temperature_c=_mean(warm),
        peak_temperature_c=max(warm, default=None),
        clock_hz=_mean(clocks),
        busy=_mean(_known_values(samples, lambda one: one.busy)),
        memory_busy=_mean(_known_values(samples, lambda one: one.memory_busy)),
        throttled=held / len(telling) if reasons or clocks else None,
        reasons=tuple(reasons),
        others=_mean(_known_values(samples, lambda one: one.others)),
    )
    return None if found == Condition(component=component) else found


def _state(sample: Sample) -> tuple[object, ...]:
    """Return the parts of a reading other than power and energy."""
    return sample.throttled_by, sample.temperature_c, sample.clock_hz, sample.busy


UNKNOWN = ((), None, None, None)
"""State of a reading without information."""


def _known_values(
    samples: Sequence[Sample], value: Callable[[Sample], float | None]
) -> list[float]:
    return [known for one in samples if (known := value(one)) is not None]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
