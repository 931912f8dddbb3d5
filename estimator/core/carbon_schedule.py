"""Carbon intensity of a run by start time, and the savings of a better one.

The hourly profile repeats after a day of 24 hours or a year of 8,784. A run has constant power, so
its intensity is the mean over its hours: one subtraction of cumulative sums per start.
"""

from dataclasses import dataclass

import numpy as np

from estimator.core.rows import Floats
from estimator.core.uncertainty import Number

SAME = 1e-9
"""Relative difference below which starts are equally good; the earliest counts [1]."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Run at one start against the same run at the best start.

    Parameters
    ----------
    start_h, best_start_h : float
        Actual and best start, as hour of the profile; the best waits whole hours [h].
    co2e_kg_per_kwh, best_co2e_kg_per_kwh : float
        Mean carbon intensity over the run from each start [kgCO2e/kWh].
    """

    start_h: float
    best_start_h: float
    co2e_kg_per_kwh: float
    best_co2e_kg_per_kwh: float

    @property
    def saving_share(self) -> float:
        """Share of operational CO2e that the best start saves [1]."""
        if self.co2e_kg_per_kwh == 0:
            return 0.0
        return 1 - self.best_co2e_kg_per_kwh / self.co2e_kg_per_kwh


def mean_intensity(hourly: Floats, start_h: Number, duration_h: Number) -> Number:
    """Return the mean carbon intensity over a run, by start time.

    Parameters
    ----------
    hourly : array
        Carbon intensity of each hour of a repeating profile [kgCO2e/kWh].
    start_h, duration_h : float or array
        Start, as hour of the profile, and duration [h].

    Returns
    -------
    float or array, both broadcast together. [kgCO2e/kWh]

    Examples
    --------
    >>> day = np.array([0.1, 0.2, 0.6])
    >>> float(mean_intensity(day, 0.0, 2.0).round(12)), float(mean_intensity(day, 2.5, 1.0))
    (0.15, 0.35)
    """
    sums = np.concatenate(([0.0], np.cumsum(hourly)))

    def summed(hour: Number) -> Floats:
        rounds, rest = np.divmod(hour, len(hourly))
        return np.asarray(rounds * sums[-1] + np.interp(rest, np.arange(len(sums)), sums))

    covered: Floats = summed(np.add(start_h, duration_h)) - summed(start_h)
    return covered / duration_h


def schedule(hourly: Floats, start_h: float, duration_h: float) -> Schedule:
    """Return the run as scheduled, and after the shortest whole-hour wait with the least CO2e.

    Parameters
    ----------
    hourly : array
        Carbon intensity of each hour of a repeating profile [kgCO2e/kWh].
    start_h, duration_h : float
        Start, as hour of the profile, and duration [h].

    Examples
    --------
    >>> plan = schedule(np.array([0.4, 0.4, 0.1, 0.1]), 0.0, 2.0)
    >>> plan.best_start_h, round(plan.saving_share, 12)
    (2.0, 0.75)
    """
    starts = start_h + np.arange(len(hourly), dtype=np.float64)
    means = np.asarray(mean_intensity(hourly, starts, duration_h))
    best = int(np.argmax(means <= means.min() + SAME * means.max()))
    return Schedule(
        start_h=start_h,
        best_start_h=float(starts[best] % len(hourly)),
        co2e_kg_per_kwh=float(means[0]),
        best_co2e_kg_per_kwh=float(min(means[best], means[0])),
    )
