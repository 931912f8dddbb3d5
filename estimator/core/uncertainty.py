"""Uncertainty: log-normal factors, multiplied in closed form.

Every link from work to CO2e is a factor, so a quantity is a median and, for each independent
source, the shift of its logarithm for one standard deviation of that source (its *loading*).
Products and powers are again log-normal and exact; sources shared by two factors (utilization in
time and energy) stay shared. Sums are first-order: loadings weighted by each term's share.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, reduce
from operator import add
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from estimator.core.units import CENTRAL

Number: TypeAlias = float | npt.NDArray[np.float64]
"""Float or float array; all arrays of one call broadcast together."""

Loadings: TypeAlias = Mapping[str, Number]
"""Source of uncertainty -> shift of the logarithm per standard deviation [1]."""

Z_CENTRAL = 1.2815515655446008
"""Half-width of the central 80% of a normal, in standard deviations."""

_NO_LOADINGS: Loadings = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Uncertain:
    """Positive quantity with a normally distributed logarithm.

    Parameters
    ----------
    mid : float or array
        Median, in the unit stated by the variable's name; zero is exactly zero.
    loadings : mapping of str to float or array
        Source of uncertainty -> shift of log(quantity) per standard deviation of the source [1].
    most : float or array
        Upper bound of every interval, at least the median; not passed on to derived quantities.

    Raises
    ------
    ValueError
        If a median exceeds the bound.

    Examples
    --------
    >>> rate = Uncertain(10.0, {"rate": 0.3})
    >>> time = 100 / rate
    >>> time.mid, round(float(time.log_sd), 12)
    (10.0, 0.3)
    >>> (time * rate).log_sd == 0          # the same source cancels
    np.True_
    """

    mid: Number
    loadings: Loadings = field(default_factory=lambda: _NO_LOADINGS)
    most: Number = field(default=math.inf, repr=False)

    def __post_init__(self) -> None:
        if self.most is not math.inf and np.any(np.asarray(self.mid) > self.most):
            worst = float(np.max(np.asarray(self.mid) / self.most))
            raise ValueError(f"a median is above its bound, {worst:g} times it")

    __array_ufunc__ = None  # an array on the left leaves the operation to this class

    def __mul__(self, other: "Quantity") -> "Uncertain":
        if isinstance(other, Uncertain):
            return Uncertain(self.mid * other.mid, _sum(self.loadings, other.loadings))
        return Uncertain(self.mid * other, self.loadings)

    __rmul__ = __mul__

    def __truediv__(self, other: "Quantity") -> "Uncertain":
        if isinstance(other, Uncertain):
            return Uncertain(self.mid / other.mid, _difference(self.loadings, other.loadings))
        return Uncertain(self.mid / other, self.loadings)

    def __rtruediv__(self, other: Number) -> "Uncertain":
        return Uncertain(other / self.mid, {name: -load for name, load in self.loadings.items()})

    def __pow__(self, exponent: float) -> "Uncertain":
        scaled = {name: exponent * load for name, load in self.loadings.items()}
        return Uncertain(self.mid**exponent, scaled)

    def __add__(self, other: "Quantity") -> "Uncertain":
        return total((self, other))

    __radd__ = __add__

    @cached_property
    def log_sd(self) -> Number:
        """Standard deviation of the natural logarithm [1]."""
        return np.sqrt(self.log_variance)

    @property
    def log_variance(self) -> Number:
        """Variance of the natural logarithm [1]."""
        squares = [load * load for load in self.loadings.values()]
        return reduce(add, squares) if squares else 0.0

    def interval(self, level: float = CENTRAL) -> tuple[Number, Number]:
        """Return the central interval that covers the probability `level`."""
        spread = np.exp(z_score(level) * self.log_sd)
        high = self.mid * spread
        return self.mid / spread, high if self.most is math.inf else np.minimum(high, self.most)

    def shares(self) -> dict[str, Number]:
        """Share of each source in the log-variance [1], empty if exact."""
        variance = np.asarray(self.log_variance)
        if not np.any(variance > 0):
            return {}
        whole = np.where(variance > 0, variance, 1.0)[()]
        shares = {name: load * load / whole for name, load in self.loadings.items()}
        return {name: share for name, share in shares.items() if np.any(np.asarray(share) > 0)}


Quantity: TypeAlias = Uncertain | Number
"""Argument of a formula, exact or uncertain."""


LEAST_LEVEL = 1e-6
"""Least meaningful probability inside or outside an interval [1]."""

EXACTLY_ONE = Uncertain(1.0)
"""Exact one [1]."""

EXACTLY_ZERO = Uncertain(0.0)
"""Exact zero, in any unit."""


def uncertain(value: Quantity) -> Uncertain:
    """Convert an exact number to a quantity.

    >>> uncertain(3.0)
    Uncertain(mid=3.0, loadings=mappingproxy({}))
    """
    return value if isinstance(value, Uncertain) else Uncertain(value)


def spread_between(
    low: Number, high: Number, source: str, *, mid: Number | None = None, level: float = CENTRAL
) -> Uncertain:
    """Return the quantity with a central interval from `low` to `high`.

    Parameters
    ----------
    low, high : float or array, positive
        Bounds of the central interval, in the unit of the quantity.
    source : str
        Name of the source of uncertainty behind this range.
    mid : float or array, optional
        Median, by default the geometric mean of the bounds.
    level : float
        Probability between the bounds [1].

    Examples
    --------
    >>> brain = spread_between(1e13, 1e17, "brain equivalence")
    >>> f"{brain.mid:.0e}", [f"{bound:.0e}" for bound in brain.interval()]
    ('1e+15', ['1e+13', '1e+17'])
    """
    centre = np.sqrt(low) * np.sqrt(high) if mid is None else mid
    log_sd = np.log(high / low) / (2 * z_score(level))
    return Uncertain(centre, {source: log_sd} if (log_sd > 0).any() else {})


def total(terms: Iterable[Quantity]) -> Uncertain:
    """Sum of quantities with shared sources, to first order in the loadings.

    >>> host_and_gpu = total([Uncertain(100.0, {"power": 0.2}), 100.0])
    >>> host_and_gpu.mid, host_and_gpu.loadings
    (200.0, {'power': 0.1})
    """
    quantities = [uncertain(term) for term in terms]
    whole = reduce(add, (quantity.mid for quantity in quantities))
    nonzero = whole if np.asarray(whole).all() else np.where(whole == 0, 1.0, whole)[()]
    loadings: dict[str, Number] = {}
    for quantity in quantities:
        if not quantity.loadings:
            continue
        share = quantity.mid / nonzero
        for name, load in quantity.loadings.items():
            weighted = share * load
            loadings[name] = loadings[name] + weighted if name in loadings else weighted
    return Uncertain(whole, loadings)


@lru_cache(maxsize=64)
def z_score(level: float) -> float:
    """Return the half-width of the central interval of a standard normal distribution [1].

    Raises
    ------
    ValueError
        If the level is not strictly between 0 and 1.

    Examples
    --------
    >>> round(z_score(0.8), 4)
    1.2816
    """
    if not 0 < level < 1:
        raise ValueError(f"interval must be between 0 and 1, got {level:g}: try 0.8")
    if not LEAST_LEVEL <= level <= 1 - LEAST_LEVEL:
        raise ValueError(f"interval must be {LEAST_LEVEL:g} away from 0 and 1, got {level:.10g}")
    if level == CENTRAL:
        return Z_CENTRAL
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + level / 2)


def _sum(left: Loadings, right: Loadings) -> Loadings:
    if not right:
        return left
    merged = dict(left)
    for name, load in right.items():
        merged[name] = merged[name] + load if name in merged else load
    return merged


def _difference(left: Loadings, right: Loadings) -> Loadings:
    if not right:
        return left
    merged = dict(left)
    for name, load in right.items():
        merged[name] = merged[name] - load if name in merged else -load
    return merged


def student_quantile(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t distribution, by numerical integration [1].

    >>> round(student_quantile(0.9, 5), 3), round(student_quantile(0.9, 1000), 3)
    (1.476, 1.282)
    """
    angles = np.linspace(0.0, np.pi / 2, 20001)[:-1]
    weights = np.cos(angles) ** (freedom - 1)
    steps = (weights[1:] + weights[:-1]) / 2
    mass = np.concatenate([[0.0], np.cumsum(steps)])
    shares = 0.5 + 0.5 * mass / mass[-1]
    return float(np.sqrt(freedom) * np.tan(np.interp(probability, shares, angles)))
