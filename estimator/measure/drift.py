"""How far does the pace of a machine drift between the steps seen and those ahead?

Neighbours, clocks and caches change the pace of a machine on every scale of time: averaging longer
hardly helps, as the next minutes differ from the last ones by as much as the next seconds do. That
is flicker noise, whose spectrum falls with the frequency; the variance between the means of two
windows follows in closed form from one number, its strength [1]_.

References
----------
.. [1] D. W. Allan, "Statistics of atomic frequency standards", Proceedings of the IEEE 54(2), 1966,
   221-230: of adjacent windows of equal length the variance of the difference is 4 ln 2 times the
   strength, on every scale.
"""

import math
from collections.abc import Sequence

import numpy as np

STRENGTH_SD = 0.05
"""Root of the strength of the flicker noise of the pace [1]. Of runs of 60 steps that 20 steps
foretold on shared two-core machines, 0.02 to 0.03 were likeliest in two recordings of 30 programs,
0.06 in five later ones of 16 to 30: machines differ. With 0.05, 77 % of the 101 later runs were
inside the interval of 80 %."""

STRENGTH_DOF = 4.0
"""How many differences of windows that is worth beside those of the run itself [1]. A guess."""

BLOCK = 16
"""Steps of the shortest window of the run itself: of fewer, single steps outweigh the drift."""

EQUAL = 4.0 * math.log(2.0)
"""Variance between adjacent windows of equal length over the strength [1]."""


def drift_sd(times_s: Sequence[float], seen_s: float, ahead_s: float) -> float:
    """Standard deviation of the logarithm of the pace ahead over that seen [1].

    Parameters
    ----------
    times_s : sequence of float
        Times of the steady steps, from which the strength follows where they are many [s].
    seen_s, ahead_s : float
        Length of both windows, one after the other [s].
    """
    return math.sqrt(strength(times_s) * between(seen_s, ahead_s))


def strength(times_s: Sequence[float]) -> float:
    """Strength of the flicker noise: what is usual, corrected by windows of the run itself [1].

    >>> round(strength([0.1] * 20) ** 0.5, 3), round(strength([0.1] * 320) ** 0.5, 3)
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
    return squares / count


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
