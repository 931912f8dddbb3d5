"""Timing protocol robust to start-up, noise and other programs.

After a warm-up come trials with irregular pauses, each a window of slices. A slice has enough
repetitions for the system to show who used the machine; slices in which others used more than a
little are rejected and counted. Trials continue until the median is known well enough or time is
up, which is then noted.
"""

import math
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

SLICE_S = 0.25
"""Least time of a slice [s], as system clocks count in hundredths of a second."""

OTHERS_ALLOWED = 0.05
"""Largest share of the machine used by others in an accepted slice [1]."""

WELL_KNOWN = 0.01
"""Standard error of the log median at which no more trials are needed [1]."""

MEDIAN_OVER_MEAN = 1.25
"""Standard error of a median over that of a mean, for normal errors [1]."""


class Contention(Protocol):
    """Use of the machine by others."""

    def read(self) -> float | None:
        """Share of the machine used by others since the last reading, or None [1]."""
        ...


@dataclass(frozen=True, kw_only=True)
class Thoroughness:
    """Time to spend on one piece of work.

    Parameters
    ----------
    repetitions : int
        A trial of so many repetitions is long enough, too.
    trials, most_trials : int
        How many are made, and how many at most while the spread is large.
    """

    warm_up_s: float = 2.0
    window_s: float = 5.0
    repetitions: int = 32
    trials: int = 4
    most_trials: int = 8
    pause_s: float = 0.5
    patience_s: float = 20.0

    def expected_s(self, repetition_s: float) -> float:
        """Expected time for a piece of work with a given repetition time [s].

        A trial ends with the slice in which its window does, or after its repetitions but at least
        four slices, and waits one slice for others. Most timings scatter and take all trials.
        """
        slice_s = max(SLICE_S, repetition_s)
        full_s = min(self.window_s, max(self.repetitions * repetition_s, 4 * SLICE_S))
        trial_s = full_s + slice_s / 2
        calm_s = min(SLICE_S, self.patience_s)
        return max(self.warm_up_s, 2 * repetition_s) + self.most_trials * (
            trial_s + self.pause_s + calm_s
        )


THOROUGH = Thoroughness(
    warm_up_s=0.7,
    window_s=1.5,
    repetitions=16,
    trials=3,
    most_trials=4,
    pause_s=0.2,
    patience_s=1.0,
)
"""Effort for a training step with metered power: some eight seconds."""

SHORT = Thoroughness(
    warm_up_s=0.3,
    window_s=0.3,
    repetitions=8,
    trials=2,
    most_trials=2,
    pause_s=0.05,
    patience_s=0.5,
)
"""Effort for a training step without power: one second, as programs differ by far more than the
spread.
"""

QUICK = Thoroughness(
    warm_up_s=0.4,
    window_s=0.8,
    repetitions=6,
    trials=2,
    most_trials=3,
    pause_s=0.1,
    patience_s=0.5,
)
BRIEF = Thoroughness(
    warm_up_s=0.1,
    window_s=0.5,
    repetitions=8,
    trials=1,
    most_trials=2,
    pause_s=0.1,
    patience_s=0.3,
)
"""Effort for matrix products and vector sums, which are many."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Time of one repetition.

    Parameters
    ----------
    time_s : float
        Median over the slices that count [s].
    log_sd : float, optional
        Standard deviation of the logarithm over them [1]; None of a single one.
    repetitions, rejected : int
        How many counted, and in how many others disturbed.
    others : float, optional
        Share of the machine that others used, where they did in every slice [1].
    """

    time_s: float
    log_sd: float | None
    repetitions: int
    rejected: int
    windows: tuple[tuple[float, float], ...]
    others: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Slice:
    """Some consecutive repetitions."""

    repetition_s: float
    repetitions: int
    others: float | None

    @property
    def disturbed(self) -> bool:
        """Return whether others used more than a little of the machine."""
        return self.others is not None and self.others > OTHERS_ALLOWED


def timed(
    work: Callable[[], object],
    finish: Callable[[], object],
    *,
    contention: Contention,
    effort: Thoroughness = THOROUGH,
    dice: random.Random | None = None,
) -> Timed:
    """Time one repetition of some work.

    Returns
    -------
    Timed
        Of the undisturbed slices; of all of them where none was.
    """
    dice = random.Random() if dice is None else dice
    many = _repetitions_of_a_slice(work, finish, effort)
    slices: list[_Slice] = []
    windows: list[tuple[float, float]] = []
    for trial in range(effort.most_trials):
        if trial >= effort.trials and _settled(slices):
            break
        time.sleep(effort.pause_s * dice.uniform(0.5, 1.5))
        _wait_for_calm(contention, effort.patience_s)
        started = time.monotonic()
        slices.extend(_trial(work, finish, many, contention, effort))
        windows.append((started, time.monotonic()))
    calm = [one for one in slices if not one.disturbed]
    counted = calm or slices
    return Timed(
        time_s=statistics.median(one.repetition_s for one in counted),
        log_sd=_log_sd(counted),
        repetitions=sum(one.repetitions for one in calm),
        rejected=sum(one.repetitions for one in slices if one.disturbed),
        windows=tuple(windows),
        others=None if calm else statistics.fmean(one.others or 0.0 for one in slices),
    )


def _repetitions_of_a_slice(
    work: Callable[[], object], finish: Callable[[], object], effort: Thoroughness
) -> int:
    """Warm up, and determine the repetitions per slice."""
    started, count, fastest = time.monotonic(), 0, math.inf
    while count < 2 or time.monotonic() - started < effort.warm_up_s:
        begun = time.monotonic()
        work()
        finish()
        fastest = min(fastest, max(time.monotonic() - begun, 1e-7))
        count += 1
    return max(1, math.ceil(SLICE_S / fastest))


def _wait_for_calm(contention: Contention, patience_s: float) -> None:
    """Wait while others use the machine, up to a limit."""
    until = time.monotonic() + patience_s
    contention.read()
    while time.monotonic() < until:
        time.sleep(min(SLICE_S, patience_s))
        others = contention.read()
        if others is None or others <= OTHERS_ALLOWED:
            return


def _trial(
    work: Callable[[], object],
    finish: Callable[[], object],
    many: int,
    contention: Contention,
    effort: Thoroughness,
) -> Iterator[_Slice]:
    """Yield slices until the window is full or the repetitions are enough."""
    started, done = time.monotonic(), 0
    contention.read()
    while True:
        begun = time.monotonic()
        for _ in range(many):
            work()
        finish()
        took = time.monotonic() - begun
        others = contention.read()
        done += many
        yield _Slice(repetition_s=took / many, repetitions=many, others=others)
        spent = time.monotonic() - started
        enough = done >= effort.repetitions and spent >= 4 * SLICE_S
        if enough or spent >= effort.window_s:
            return


def _settled(slices: list[_Slice]) -> bool:
    """Return whether the undisturbed slices determine the median well."""
    calm = [one for one in slices if not one.disturbed]
    spread = _log_sd(calm)
    if spread is None or len(calm) < 3:
        return False
    return MEDIAN_OVER_MEAN * spread / math.sqrt(len(calm)) <= WELL_KNOWN


def _log_sd(slices: list[_Slice]) -> float | None:
    if len(slices) < 2:
        return None
    return statistics.stdev(math.log(one.repetition_s) for one in slices)
