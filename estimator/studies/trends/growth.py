"""Growth rate of a quantity: an exponential fitted to records, with its interval.

    log2 y = a + t / T

T is the doubling time. The interval is that of the slope by least squares, with Student's t: the
records are taken as scattered around one exponential, which is itself the claim to be judged.
"""

from dataclasses import dataclass

import numpy as np

from estimator.core.rows import Floats, Places
from estimator.core.uncertainty import student_quantile
from estimator.core.units import CENTRAL


@dataclass(frozen=True, kw_only=True)
class GrowthRate:
    """Exponential through records.

    Parameters
    ----------
    rate, rate_low, rate_high : float
        Doublings per year, and the bounds of the central 80% interval [1/year].
    level : float
        log2 of the value in the middle of the records [1].
    middle_year : float
        The middle of the records [year].
    records : int
        Number of records.
    """

    rate: float
    rate_low: float
    rate_high: float
    level: float
    middle_year: float
    records: int

    def at(self, year: float | Floats) -> float | Floats:
        """Evaluate the fitted exponential in a year."""
        return 2.0 ** (self.level + self.rate * (year - self.middle_year))

    def factor(self, years: float) -> tuple[float, float, float]:
        """Return the growth over some years: low, middle, high [1]."""
        low, mid, high = (self.rate_low, self.rate, self.rate_high)
        return 2.0 ** (low * years), 2.0 ** (mid * years), 2.0 ** (high * years)

    def doubling_years(self) -> tuple[float, float, float]:
        """Return the doubling time: low, middle, high [year], infinite if it may not grow."""
        fast, mid, slow = self.rate_high, self.rate, self.rate_low
        return 1 / fast, 1 / mid, 1 / slow if slow > 0 else float("inf")


def growth(years: Floats, values: Floats) -> GrowthRate:
    """Fit an exponential to records by least squares of the logarithm.

    Parameters
    ----------
    years, values : array of shape (n,)
        Dates and values of at least three records in at least two years [year, any unit].

    Raises
    ------
    ValueError
        If there are too few records, or a value is not positive.

    Examples
    --------
    >>> doubling = growth(np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0, 8.0]))
    >>> round(doubling.rate, 9), round(doubling.rate_high - doubling.rate_low, 9)
    (1.0, 0.0)
    """
    if len(years) < 3 or np.ptp(years) == 0:
        raise ValueError("a trend needs at least three records from at least two different years")
    if np.any(values <= 0):
        raise ValueError("a trend needs positive values")
    logs = np.log2(values)
    middle = float(years.mean())
    across = years - middle
    spread = float(across @ across)
    rate = float(across @ logs / spread)
    residuals = logs - logs.mean() - rate * across
    freedom = len(years) - 2
    residual_sd = float(np.sqrt(residuals @ residuals / freedom))
    half = student_quantile(0.5 + CENTRAL / 2, freedom) * residual_sd / np.sqrt(spread)
    return GrowthRate(
        rate=rate,
        rate_low=rate - float(half),
        rate_high=rate + float(half),
        level=float(logs.mean()),
        middle_year=middle,
        records=len(years),
    )


def running_records(years: Floats, values: Floats) -> Places:
    """Return the indices of values that exceed all earlier ones.

    >>> running_records(np.array([2.0, 1.0, 3.0]), np.array([5.0, 4.0, 1.0])).tolist()
    [1, 0]
    """
    order = np.lexsort((-values, years))
    best = np.maximum.accumulate(values[order])
    fresh = np.concatenate([[True], best[1:] > best[:-1]])
    places: Places = order[fresh]
    return places
