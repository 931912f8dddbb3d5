"""Benchmark of a device: idle power, products, memory and real training steps.

Matrix products overestimate training, which reaches a third to two thirds of them, by no single
factor. So real steps of each family, format and size are timed, and products only determine the
peak and the sizes that fit in the time.
"""

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from estimator.measure.bench.timing import (
    BRIEF,
    QUICK,
    THOROUGH,
    Contention,
    Thoroughness,
    timed,
)
from estimator.measure.bench.workloads import BenchEngine, Job, spread_out
from estimator.runs.observations import SMALLEST_STEP_FLOP
from estimator.runs.record import Timing, Trust

SHARE_OF_PRODUCT = 0.3
"""Typical training throughput over product throughput, for predicting step time [1]."""

SHORTEST_STEP_S, LONGEST_STEP_S = 0.001, 1.0
"""Range of predicted step times that are measured [s]."""

LONGEST_PRODUCT_S = 0.3
"""Longest predicted product that is measured [s]; smaller ones already show the peak."""

PRODUCTS_SHARE = 0.25
"""Share of the time for matrix products [1]; less time means fewer sizes."""

SIZES = 4
"""Most sizes of a style in one number format."""

BESIDE = math.e
"""Factor between typical step time and the next measured sizes, a log standard deviation of user
programs [1].
"""

MINUTES, FULL_MINUTES = 2.0, 5.0
"""Default time of a benchmark, and least time with long trials [min]."""

MEMORY_SHARE = 0.4
"""Largest share of memory for a job [1]."""

OF_JOB = (
    *("what", "precision", "kind", "arch", "label", "style", "flop", "moved_bytes"),
    *("params", "hidden", "seq_len", "tokens", "samples"),
)
"""Fields of a timing that come from its job."""

StyleKey = tuple[str, str | None]
"""Number format and style of a training step."""


class PowerMeter(Protocol):
    """Meter of a device's power over a past window."""

    def power_w(self, windows: Sequence[tuple[float, float]]) -> tuple[float, Trust] | None:
        """Mean power in some windows on the monotonic clock [W], with its trust, or None.

        Modelled power counts as unknown.
        """
        ...

    def temperature_c(self) -> float | None:
        """Current device temperature [degC], or None if unknown."""
        ...


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Thoroughness of a benchmark.

    Parameters
    ----------
    job, brief : Thoroughness
        Of one step of training, and of one product or sum.
    idle_s, cool_s : float
        Time of the idle window, and of waiting at most for the device to cool [s].
    """

    job: Thoroughness = THOROUGH
    brief: Thoroughness = BRIEF
    minutes: float = FULL_MINUTES
    sizes: int = SIZES
    idle_s: float = 10.0
    cool_s: float = 60.0


FULL = Effort()
FAST = Effort(job=QUICK, minutes=MINUTES, idle_s=3.0, cool_s=0.0)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Progress of a benchmark."""

    timing: Timing
    done: int
    left: int
    left_s: float


@dataclass(kw_only=True)
class Bench:
    """Benchmark of one device, in steps so that an interruption does not lose its results.

    Parameters
    ----------
    usual_s : float
        Typical step time; sizes near it are measured first [s].
    meter : PowerMeter, optional
        None where the power cannot be measured.
    precisions : sequence of str, optional
        Number formats to measure; None: all that the engine has.
    """

    engine: BenchEngine
    contention: Contention
    memory_bytes: float
    usual_s: float
    meter: PowerMeter | None = None
    effort: Effort = FULL
    precisions: Sequence[str] | None = None
    dice: random.Random = field(default_factory=random.Random)
    notes: list[str] = field(default_factory=list, init=False)
    _best: dict[str, float] = field(default_factory=dict, init=False)
    _reached: dict[StyleKey, float] = field(default_factory=dict, init=False)
    _times_s: dict[StyleKey, list[float]] = field(default_factory=dict, init=False)
    _until_s: float = field(default=0.0, init=False)
    _skipped: int = field(default=0, init=False)
    _left: list[float] | None = field(default=None, init=False)
    _done: int = field(default=0, init=False)

    def measure(self) -> Iterator[Progress]:
        """Measure job by job: idle, products, memory, training."""
        self._until_s = time.monotonic() + 60.0 * self.effort.minutes
        self._cool()
        if self.meter is not None:
            yield self._so_far(self._idle())
        products_until_s = time.monotonic() + PRODUCTS_SHARE * 60.0 * self.effort.minutes
        for job in self._products() + self._fitting(self.engine.copies()):
            if self._best and self._step_s(job) * SHARE_OF_PRODUCT > LONGEST_PRODUCT_S:
                continue
            known = job.what == "matrix" and job.precision in self._best
            if known and time.monotonic() > products_until_s:
                continue
            timing = self._measured(job, self.effort.brief)
            if timing is None:
                continue
            if job.what == "matrix" and job.flop is not None:
                reached = job.flop / timing.time_s
                self._best[job.precision] = max(self._best.get(job.precision, 0.0), reached)
            yield self._so_far(timing)
        yield from self._training_steps()

    def _products(self) -> list[Job]:
        """Matrix products, as many of each number format and library as time allows."""
        groups: dict[tuple[str, str], list[Job]] = {}
        for job in self._chosen(self.engine.matrix()):
            groups.setdefault((job.precision, job.label.rpartition(", ")[2]), []).append(job)
        allowed_s = PRODUCTS_SHARE * 60.0 * self.effort.minutes
        most = int(allowed_s / (self.effort.brief.expected_s(0.0) * max(1, len(groups))))
        return [job for jobs in groups.values() for job in spread_out(jobs, max(2, most))]

    def _training_steps(self) -> Iterator[Progress]:
        """Measure training steps until the time is up, one of each network and format in turn."""
        styles = self._styles()
        every = sum(map(len, styles.values()))
        while styles := {key: jobs for key, jobs in styles.items() if jobs}:
            for key, jobs in styles.items():
                job = self._most_informative(key, jobs)
                jobs.remove(job)
                self._left = [self._step_s(one) for some in styles.values() for one in some]
                if self._step_s(job) > LONGEST_STEP_S:
                    continue
                if self.effort.job.expected_s(self._step_s(job)) > self._until_s - time.monotonic():
                    self._skipped += 1
                    continue
                timing = self._measured(job, self.effort.job)
                if timing is not None:
                    self._times_s.setdefault(key, []).append(timing.time_s)
                    self._reached[key] = (job.flop or 0.0) / timing.time_s
                    yield self._so_far(timing)
        if self._skipped:
            self.notes.append(
                f"{self._skipped} of {every} training steps did not fit in the time; "
                f"--minutes {2 * self.effort.minutes:g} measures more"
            )

    def _so_far(self, timing: Timing) -> Progress:
        self._done += 1
        left_s, left = max(0.0, self._until_s - time.monotonic()), 0
        if self._left is not None:
            foreseen_s = sum(self.effort.job.expected_s(step_s) for step_s in self._left)
            left_s, left = min(foreseen_s, left_s), len(self._left)
        return Progress(timing=timing, done=self._done, left=left, left_s=left_s)

    def _cool(self) -> None:
        """Wait until the temperature no longer falls, or time is up."""
        if self.meter is None:
            return
        until, before = time.monotonic() + self.effort.cool_s, self.meter.temperature_c()
        while before is not None and time.monotonic() < until:
            time.sleep(5.0)
            now = self.meter.temperature_c()
            if now is None or now > before - 0.5:
                return
            before = now

    def _chosen(self, jobs: Sequence[Job]) -> list[Job]:
        """Jobs of the requested number formats that fit in memory."""
        return [
            job
            for job in self._fitting(jobs)
            if self.precisions is None or job.precision in self.precisions
        ]

    def _fitting(self, jobs: Sequence[Job]) -> list[Job]:
        return [job for job in jobs if job.held_bytes <= MEMORY_SHARE * self.memory_bytes]

    def _styles(self) -> dict[StyleKey, list[Job]]:
        """Some sizes of each style and number format, closest to typical step time."""
        styles: dict[StyleKey, list[Job]] = {}
        for job in self._chosen(self.engine.training()):
            step_s = self._step_s(job)
            large_enough = job.flop is not None and job.flop >= SMALLEST_STEP_FLOP
            if large_enough and SHORTEST_STEP_S <= step_s <= LONGEST_STEP_S:
                styles.setdefault(_style(job), []).append(job)
        return {
            key: sorted(jobs, key=partial(self._away_from, self.usual_s))[: self.effort.sizes]
            for key, jobs in styles.items()
        }

    def _most_informative(self, key: StyleKey, jobs: Sequence[Job]) -> Job:
        """Return the next size to measure: a typical step, then one on the less covered side."""
        times_s, usual_s = self._times_s.get(key, []), self.usual_s
        larger = sum(one > usual_s for one in times_s)
        if not times_s:
            wanted_s = usual_s
        elif larger < len(times_s) - larger:
            wanted_s = usual_s * BESIDE
        else:
            wanted_s = usual_s / BESIDE
        return min(jobs, key=partial(self._away_from, wanted_s))

    def _away_from(self, wanted_s: float, job: Job) -> float:
        """Return the log distance of a step's expected time from another."""
        return abs(math.log(self._step_s(job) / wanted_s))

    def _step_s(self, job: Job) -> float:
        """Predicted time of a step [s]."""
        reached = self._reached.get(_style(job)) if job.what == "training" else None
        return (job.flop or 0.0) / (reached or self._foreseen(job.precision))

    def _foreseen(self, precision: str) -> float:
        """Training rate in a format before any step was timed [FLOP/s].

        On a CPU, work outside products takes as long as in fp32.
        """
        fastest = self._best.get(precision) or max(self._best.values(), default=1e9)
        usual = self._best.get("fp32", fastest) if self.engine.component == "cpu" else fastest
        return 1.0 / (1.0 / fastest + (1.0 / SHARE_OF_PRODUCT - 1.0) / min(usual, fastest))

    def _measured(self, job: Job, effort: Thoroughness) -> Timing | None:
        """Prepare, time and release one job, or return None if it cannot run here."""
        try:
            work = job.prepare()
            found = timed(
                work,
                self.engine.finish,
                contention=self.contention,
                effort=effort,
                dice=self.dice,
            )
            done = self.engine.operations(work) if job.what == "training" else None
        except RuntimeError as error:
            reason = str(error).partition("\n")[0][:100]
            self.notes.append(f"{job.label}, {job.precision}: cannot run here ({reason})")
            return None
        power_w, trust = self._power_w(found.windows)
        return Timing(
            component=self.engine.component,
            time_s=found.time_s,
            log_sd=found.log_sd,
            repetitions=found.repetitions,
            rejected=found.rejected,
            others=found.others,
            power_w=power_w,
            trust=trust,
            operations=None if done is None else done.count,
            traffic_bytes=None if done is None else done.traffic_bytes,
            **{name: getattr(job, name) for name in OF_JOB},
        )

    def _idle(self) -> Timing:
        """Power with no work of ours."""
        started = time.monotonic()
        time.sleep(self.effort.idle_s)
        ended = time.monotonic()
        power_w, trust = self._power_w([(started, ended)])
        return Timing(
            what="idle",
            component=self.engine.component,
            time_s=ended - started,
            repetitions=1,
            power_w=power_w,
            trust=trust,
        )

    def _power_w(
        self, windows: Sequence[tuple[float, float]]
    ) -> tuple[float, Trust] | tuple[None, None]:
        """Mean power in some windows [W], with its trust, where known."""
        found = None if self.meter is None else self.meter.power_w(windows)
        return found or (None, None)


def _style(job: Job) -> StyleKey:
    """Return the key shared by sizes of one network."""
    return job.precision, job.style or job.kind
