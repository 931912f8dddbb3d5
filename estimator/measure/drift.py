"""Drift of a machine between the steps seen and the steps ahead.

Neighbours, clocks and caches change the pace of a machine on every scale of time: averaging longer
hardly helps, as the next minutes differ from the last ones by as much as the next seconds do. That
is flicker noise, whose spectrum falls with the frequency; the variance between the means of two
windows follows in closed form from one number, its strength [1]_. That is known from few
differences, so what lies ahead follows Student's t distribution of as many degrees of freedom.

References
----------
.. [1] D. W. Allan, "Statistics of atomic frequency standards", Proceedings of the IEEE 54(2), 1966,
   221-230: of adjacent windows of equal length the variance of the difference is 4 ln 2 times the
   strength, on every scale.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STRENGTH_SD = 0.05
"""Root of the strength of the flicker noise of the pace [1]. Of runs of 60 steps that 20 steps
foretold on shared two-core machines, 0.02 to 0.03 were likeliest in two recordings of 30 programs,
0.06 in five later ones of 16 to 30: machines differ. With 0.05, 82% of the 101 later runs
were inside the interval of 80%."""

STRENGTH_DOF = 4.0
"""How many differences of windows that is worth beside those of the run itself [1]. A guess: the
tails of the errors of those runs are those of Student's t of about four degrees of freedom."""

BLOCK = 16
"""Steps of the shortest window of the run itself: of fewer, single steps outweigh the drift."""

EQUAL = 4.0 * math.log(2.0)
"""Variance between adjacent windows of equal length over the strength [1]."""


@dataclass(frozen=True, kw_only=True)
class Strength:
    """Strength of the flicker noise, and how many differences of windows it is worth [1]."""

    value: float
    differences: float


def strength(times_s: Sequence[float]) -> Strength:
    """Strength of the flicker noise: what is usual, corrected by windows of the run itself [1].

    >>> round(strength([0.1] * 20).value ** 0.5, 3), round(strength([0.1] * 320).value ** 0.5, 3)
    (0.05, 0.023)
    """
    squares, count = STRENGTH_DOF * STRENGTH_SD**2, STRENGTH_DOF
    times = np.asarray(times_s, dtype=np.float64)
    windows = 2 ** int(math.log2(max(1, len(times) // BLOCK)))
    means = times[: len(times) // windows * windows].reshape(windows, -1).mean(axis=1)
    while len(means) > 1:
        apart = np.log(means[::2] / means[1::2])
        squares += float(np.sum(apart**2)) / EQUAL
        count += len(apart)
        means = 0.5 * (means[::2] + means[1::2])
    return Strength(value=squares / count, differences=count)


def between(seen_s: float, ahead_s: float) -> float:
    """Variance between the means of two adjacent windows, over the strength [1].

    >>> round(between(2.0, 2.0), 3) == round(EQUAL, 3)
    True
    """
    ratio = ahead_s / seen_s
    both = _twice(1.0 + ratio) - _twice(1.0) - _twice(ratio)
    return 3.0 - math.log(ratio) + 2.0 * both / ratio


def _twice(length: float) -> float:
    """The logarithm integrated twice, from zero."""
    return 0.5 * length**2 * math.log(length) - 0.75 * length**2
