"""Steady part of a run: warm-up, step time, and pauses.

The warm-up ends where the marginal standard error of the rest is least (MSER [1]_), a test on the
times rather than a fixed count. Step time is a trimmed mean, robust to stragglers; the plain mean,
which includes them, predicts the time of many steps. Steps several times as long, such as
evaluation or checkpoints, count as pauses.

References
----------
.. [1] K. P. White, "An effective truncation heuristic for bias reduction in simulation output",
   Simulation 69(6), 1997, 323-334.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST_WARM_UP = 1
"""Least warm-up [1]; the first step takes up to four times as long as the others."""

MOST_WARM_UP = 0.6
"""Largest warm-up share of the steps [1]."""

PAUSE = 3.0
"""Multiple of the median above which a step is a pause [1]."""

MOST_PAUSES = 0.1
"""Share of long steps above which they are ordinary steps rather than pauses [1]."""

TRIMMED = 0.1
"""Share of the steps trimmed at each end of the mean [1]."""

MANY = 4096
"""Steps above which neighbours are merged."""


@dataclass(frozen=True, kw_only=True)
class SteadySteps:
    """Steady part of some steps.

    Parameters
    ----------
    steps : int
        Number of steady steps, without pauses.
    step_s, mean_s : float
        Typical step time, and the mean including stragglers [s].
    log_sd : float, optional
        Log standard deviation of step time, including correlation in time [1]; None for a single
        step.
    """

    warm_up: int
    steps: int
    step_s: float
    mean_s: float
    log_sd: float | None
    pauses: int
    pause_s: float


def steady(times_s: Sequence[float]) -> SteadySteps | None:
    """Find the steady part of step times, or None for a single step.

    >>> found = steady([0.9, 0.3] + [0.1] * 20 + [2.1] + [0.1] * 10)
    >>> found.warm_up, round(found.step_s, 3), found.pauses, round(found.pause_s, 3)
    (2, 0.1, 1, 2.0)
    """
    times = np.maximum(np.asarray(times_s, dtype=np.float64), 1e-9)
    if len(times) <= LEAST_WARM_UP:
        return None
    warm_up = warm_up_steps(times)
    rest = times[warm_up:]
    median = float(np.median(rest))
    long = rest > PAUSE * median
    if np.mean(long) > MOST_PAUSES:
        long = np.zeros(len(rest), dtype=bool)
    plain = rest[~long]
    return SteadySteps(
        warm_up=warm_up,
        steps=len(plain),
        step_s=trimmed_mean(plain),
        mean_s=float(np.mean(plain)),
        log_sd=_spread(plain),
        pauses=int(np.sum(long)),
        pause_s=float(np.sum(rest[long] - median)),
    )


def warm_up_steps(times_s: Floats) -> int:
    """Number of steps until the times are stationary, by the least error of the mean.

    Single stragglers are clipped to pause length first, so that one late step is no warm-up.
    """
    each = max(1, len(times_s) // MANY)
    whole = len(times_s) // each * each
    times = times_s[:whole].reshape(-1, each).mean(axis=1)
    logs = np.log(np.minimum(times, PAUSE * np.median(times)))
    if len(logs) < 4:
        return LEAST_WARM_UP
    counts = np.arange(len(logs), 0, -1)
    sums, squares = (np.cumsum(one[::-1])[::-1] for one in (logs, logs**2))
    errors = np.maximum(squares / counts - (sums / counts) ** 2, 0.0) / counts
    most = max(1, int(MOST_WARM_UP * len(logs)))
    found = int(np.argmin(errors[:most]))
    return max(LEAST_WARM_UP, found * each)


def trimmed_mean(times_s: Floats) -> float:
    """Mean without the shortest and longest tenth [s].

    >>> trimmed_mean(np.array([1.0] * 9 + [100.0]))
    1.0
    """
    cut = int(TRIMMED * len(times_s))
    if len(times_s) > 2 and cut == 0 and len(times_s) < 10:
        return float(np.median(times_s))
    return float(np.mean(np.sort(times_s)[cut : len(times_s) - cut]))


def _spread(times_s: Floats) -> float | None:
    """Step spread consistent with the error of batch means."""
    count = len(times_s)
    if count < 2:
        return None
    size = max(1, count // 10)
    batches = times_s[: count // size * size].reshape(-1, size).mean(axis=1)
    return float(statistics.stdev(np.log(batches).tolist())) * math.sqrt(size)
