"""Sampler that reads meters alongside a job at irregular times.

Waits are jittered, as regular ones would alias with training steps.
"""

import random
import threading
import time
from collections.abc import Callable, Collection, Sequence

from estimator.runs.meter import DeviceLost, Meter, MeterError, Sample

JITTER = 0.25
"""Relative jitter of a wait, uniformly distributed [1]."""

FULL_RATE_SAMPLES = 6000
"""Samples after which the rate decreases."""

SLOWEST_S = 1.0
"""Slowest sampling interval, unless a longer one was requested [s]."""

MOST_OF_A_CORE = 0.004
"""Largest share of one core for readings during a job [1]; slow meters are read less often."""

DEAR_EVERY_S = 5.0
"""Least interval between readings of meters that use CPU time, during a job [s]."""

FREE_S = 0.15
"""CPU time of readings before their share counts, so that short runs are read in full [s]."""

FAILURES_IN_A_ROW = 10
"""Consecutive failures after which a meter is dropped."""

PATIENCE_S = 2.0
"""Time to wait for a meter at the end before it is abandoned [s]."""


class Sampler:
    """Meter reader in its own thread.

    Parameters
    ----------
    counter_every_s : float
        Energy counters are read at both ends and no more often than this between: some fall short
        when read often [s].
    often : collection of str
        Components whose counter is read in every round all the same: those of RAPL have nothing
        else to tell of a second.
    most_of_a_core : float, optional
        Share of one core that the readings may take: the rate sinks to keep it [1].
    on_samples : callable, optional
        Is handed what was read, once per `counter_every_s` and at the end, from the thread; an
        OSError of it, a full disk perhaps, is said once and the next batch tried all the same.

    Attributes
    ----------
    cpu_s : float
        Processor time that the thread used; known after `stop` [s].

    Examples
    --------
    >>> sampler = Sampler([])
    >>> sampler.start()
    >>> sampler.stop()
    {}
    """

    def __init__(
        self,
        meters: Sequence[Meter],
        *,
        rate_hz: float = 10.0,
        counter_every_s: float = 1.0,
        often: Collection[str] = (),
        most_of_a_core: float | None = None,
        on_samples: Callable[[Sequence[tuple[str, Sample]]], None] | None = None,
    ) -> None:
        if not rate_hz > 0:
            raise ValueError(f"rate_hz must be positive, got {rate_hz}")
        components = [meter.component for meter in meters]
        if len(set(components)) < len(components):
            raise ValueError(f"one meter per component, got {', '.join(components)}")
        self.cpu_s = 0.0
        self._period_s = 1 / rate_hz
        self._counter_every_s = counter_every_s
        self._often = frozenset(often)
        self._most_of_a_core = most_of_a_core
        self._on_samples = on_samples
        self._meters = tuple(meters)
        self._live = list(meters)
        self._samples: dict[str, list[Sample]] = {component: [] for component in components}
        self._failed = dict.fromkeys(components, 0)
        self._failed_in_a_row = dict.fromkeys(components, 0)
        self._last_failure: dict[str, str] = {}
        self._notes: list[str] = []
        self._waiting: list[tuple[str, Sample]] = []
        self._refused = False
        self._reading = ""
        self._first_round = threading.Event()
        self._stopping = threading.Event()
        self._finished = False
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """Problems so far, and the meters' notes."""
        failed = [
            f"{component}: {self._failed[component]} readings failed, the last because {why}"
            for component, why in tuple(self._last_failure.items())
        ]
        return (*self._notes, *failed, *(note for one in self._meters for note in one.notes))

    def start(self) -> None:
        """Start; return once every meter was read or timed out."""
        self._thread.start()
        self._first_round.wait(PATIENCE_S)

    def so_far(self) -> dict[str, list[Sample]]:
        """Component -> its readings so far, in order."""
        return {component: list(samples) for component, samples in self._samples.items()}

    def stop(self) -> dict[str, list[Sample]]:
        """Read everything a last time and stop, without waiting for stuck meters."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE_S)
        if self._thread.is_alive():
            self._notes.append(f"{self._reading}: the meter does not respond and was abandoned")
        elif not self._finished and self._thread.ident is not None:
            self._notes.append("sampling stopped early: readings are missing")
        return self.so_far()

    def _run(self) -> None:
        dice = random.Random()
        started_s = counted_s = asked_s = time.monotonic()
        self._round(with_counter=True)
        opened_s = time.thread_time()
        self._first_round.set()
        while not self._stopping.wait(
            self._wait_s(started_s, opened_s) * dice.uniform(1 - JITTER, 1 + JITTER)
        ):
            now_s = time.monotonic()
            due = now_s - counted_s >= self._counter_every_s
            ask = due and (self._most_of_a_core is None or now_s - asked_s >= DEAR_EVERY_S)
            self._round(with_counter=due, ask=ask)
            if due:
                counted_s = now_s
                self._hand_over()
            if ask:
                asked_s = now_s
        self._round(with_counter=True)
        self._hand_over()
        self.cpu_s = time.thread_time()
        self._finished = True

    def _wait_s(self, started_s: float, opened_s: float = 0.0) -> float:
        """Time until the next round; longer for long runs and expensive readings."""
        run_s = time.monotonic() - started_s
        wait_s = run_s / FULL_RATE_SAMPLES
        if self._most_of_a_core is not None:
            spent_s = time.thread_time() - opened_s
            wait_s = max(wait_s, (spent_s - FREE_S) / self._most_of_a_core - run_s)
        counters = [one.only_counts and one.component not in self._often for one in self._live]
        least_s = self._counter_every_s / (1 - JITTER) if counters and all(counters) else 0.0
        return max(self._period_s, min(wait_s, SLOWEST_S), least_s)

    def _round(self, *, with_counter: bool, ask: bool = True) -> None:
        """Read every active meter, expensive ones only if due."""
        for meter in tuple(self._live):
            self._reading = meter.component
            try:
                counted = with_counter and (ask or not meter.dear)
                counted = counted or meter.component in self._often
                sample = meter.read(with_counter=counted)
            except (MeterError, OSError) as error:
                self._fail(meter, error)
                continue
            self._failed_in_a_row[meter.component] = 0
            if sample == Sample(time_s=sample.time_s):
                continue
            self._samples[meter.component].append(sample)
            if self._on_samples is not None:
                self._waiting.append((meter.component, sample))

    def _fail(self, meter: Meter, error: Exception) -> None:
        """Count a failure, and drop a meter that is lost or keeps failing."""
        component = meter.component
        self._failed[component] += 1
        self._failed_in_a_row[component] += 1
        self._last_failure[component] = str(error)
        in_a_row = self._failed_in_a_row[component]
        if isinstance(error, DeviceLost) or in_a_row >= FAILURES_IN_A_ROW:
            self._live.remove(meter)
            self._notes.append(f"{component}: no longer read: {error}")
            del self._last_failure[component]

    def _hand_over(self) -> None:
        """Pass on the readings; a failure is reported once."""
        if self._on_samples is None or not self._waiting:
            return
        try:
            self._on_samples(tuple(self._waiting))
        except OSError as error:
            if not self._refused:
                self._notes.append(f"readings could not be saved as they came: {error}")
            self._refused = True
        self._waiting.clear()
