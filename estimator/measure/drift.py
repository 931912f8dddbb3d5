"""Drift of a machine between observed and future steps.

Neighbours, clocks and caches change a machine's pace on all time scales, so longer averaging hardly
helps. This is flicker noise, whose spectrum falls with frequency; the variance between the means of
two windows has a closed form with one parameter, its strength [1]_. It is estimated from few
differences, so predictions follow a Student's t distribution with as many degrees of freedom.

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

STRENGTH_SD = 0.03
"""Square root of the pace's flicker-noise strength [1]. Set with nine one-minute runs on a quiet
two-core virtual machine, whose times differed by 0.2 to 3% from the forecast after 20 s; the 80%
interval covered 21 of 23 others. Other programs on the machine widen it by `CONTENTION_SD`.
"""

STRENGTH_DOF = 2.0
"""Weight of the prior, in window differences [1]. Assumed, and low because some machines drift
several times as much.
"""

MOST_OWN = 8.0
"""Largest weight of the run's own windows, in differences [1]; limited because they only show the
observed seconds. Assumed.
"""

MOST_LEARNED = 16.0
"""Largest weight of stored runs, in differences [1]. Assumed."""

CONTENTION_SD = 0.25
"""Log standard deviation of the future pace per log of the slowdown by other programs [1], as these
come and go. Seven runs of 100 to 215 s took 0.94 to 2.4 times their forecast from the first 15 s
while others used 74 to 86% of two cores; per log of the slowdown, the root mean square is 0.24.
"""

BLOCK = 16
"""Steps of the run's shortest window; in shorter ones, step noise exceeds drift."""

EQUAL = 4.0 * math.log(2.0)
"""Variance between adjacent windows of equal length over the strength [1]."""


@dataclass(frozen=True, kw_only=True)
class Strength:
    """Flicker-noise strength, and its weight in window differences [1]."""

    value: float
    differences: float


NOTHING_LEARNED = Strength(value=0.0, differences=0.0)


def learned(pairs: Sequence[tuple[float, float]]) -> Strength:
    """Return the strength learned from times of the same steps in pairs of stored runs [s].

    >>> round(learned([(1.0, 1.1), (1.0, 0.92)]).value ** 0.5, 3)
    0.054
    """
    if not pairs:
        return NOTHING_LEARNED
    squares = [math.log(after / before) ** 2 / EQUAL for before, after in pairs]
    return Strength(
        value=sum(squares) / len(squares), differences=min(MOST_LEARNED, float(len(squares)))
    )


def strength(times_s: Sequence[float], stored: Strength = NOTHING_LEARNED) -> Strength:
    """Return the flicker-noise strength: the prior, updated by stored runs and the run itself.

    >>> round(strength([0.1] * 20).value ** 0.5, 3), round(strength([0.1] * 320).value ** 0.5, 3)
    (0.03, 0.013)
    """
    squares = STRENGTH_DOF * STRENGTH_SD**2 + stored.differences * stored.value
    count, own, windows_apart = STRENGTH_DOF + stored.differences, 0.0, 0
    times = np.asarray(times_s, dtype=np.float64)
    windows = 2 ** int(math.log2(max(1, len(times) // BLOCK)))
    means = times[: len(times) // windows * windows].reshape(windows, -1).mean(axis=1)
    while len(means) > 1:
        apart = np.log(means[::2] / means[1::2])
        own += float(np.sum(apart**2)) / EQUAL
        windows_apart += len(apart)
        means = 0.5 * (means[::2] + means[1::2])
    if windows_apart:
        counts_for = min(MOST_OWN, float(windows_apart))
        squares += own / windows_apart * counts_for
        count += counts_for
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
    """Second antiderivative of the logarithm."""
    return 0.5 * length**2 * math.log(length) - 0.75 * length**2
