"""How long do the steps of a training script take: for those who can edit it.

A session is told of each step as it ends; the first ones, slower by their start-up, do not count.
Under `calibrate run` the command around it measures the power, and the session hands it the times;
by itself it measures both and stores the run.
"""

import json
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

from estimator.measure.record import Timing, without_unknown

WARM_UP_STEPS = 2
"""Steps that do not count: the first takes up to four times as long as the others [1]."""

SLICES = 10
"""Into so many parts the steps are cut to see how much their time varies."""

STEP_ERROR = 0.03
"""Steps seen against all steps of a run, standard deviation of the logarithm, at `ENOUGH_STEPS`
steps [1]: 20 steps foretold runs of 40 to 120 to 3.7 % at worst in trials on a processor."""

ENOUGH_STEPS = 20

REPORT = "TWENTY_WATTS_REPORT"
"""Environment variable that names the file into which a wrapped program reports its steps."""


RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_SIZE = "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"
"""Environment variables by which torchrun and its like tell a process which of how many it is."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """Steps that a program told of; on which devices they ran is known from the meters, too.

    Parameters
    ----------
    timing : Timing
        Its component is empty where the program did not say it.
    devices : int, optional
        How many shared the work; None where the program did not say it.
    ranks, machines : int
        How many processes share it, as torchrun starts them, and on how many machines.
    began_s, ended_s : float
        From the end of the warm-up to the last step, on the monotonic clock [s].
    """

    timing: Timing
    devices: int | None = None
    ranks: int = 1
    machines: int = 1
    began_s: float
    ended_s: float


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Time of a whole run from the steps seen [s]: central 80 % and median."""

    low_s: float
    mid_s: float
    high_s: float


@dataclass(kw_only=True)
class Session:
    """Steps of one training run.

    Parameters
    ----------
    flop : float, optional
        Work of one step over all devices [FLOP].
    params, tokens, samples, hidden, seq_len : float, optional
        Of the network, and tokens or samples of one step.
    precision, kind, arch, label : str, optional
        As in `Timing`.
    devices : int, optional
        How many share the work; by default what torchrun tells, or those that the meters see busy.
    component : str, optional
        Key of the device, the first of them: "gpu:0"; "cpu" for the processor; by default the
        first that the meters see busy.

    Attributes
    ----------
    ranks, machines : int
        As in `Reported`.
    """

    flop: float | None = None
    params: float | None = None
    tokens: float | None = None
    samples: float | None = None
    hidden: float | None = None
    seq_len: float | None = None
    precision: str | None = None
    kind: str | None = None
    arch: str | None = None
    label: str | None = None
    devices: int | None = None
    component: str | None = None
    ranks: int = field(default=1, init=False)
    machines: int = field(default=1, init=False)
    _ends_s: list[float] = field(default_factory=list, init=False, repr=False)
    _began_s: float = field(default_factory=time.monotonic, init=False, repr=False)

    def step(self) -> None:
        """Say that a step has ended."""
        self._ends_s.append(time.monotonic())

    @property
    def steps(self) -> int:
        """Steps that have ended."""
        return len(self._ends_s)

    def timing(self) -> Timing | None:
        """Time of one step after the warm-up; None before there is one."""
        ends = self._ends_s[WARM_UP_STEPS - 1 :]
        count = len(ends) - 1
        if count < 1:
            return None
        return Timing(
            what="training",
            component=self.component or "",
            devices=self.devices or 1,
            precision=self.precision,
            kind=self.kind,
            arch=self.arch,
            label=self.label,
            flop=self._step_flop(),
            time_s=(ends[-1] - ends[0]) / count,
            log_sd=_spread(ends),
            repetitions=count,
            params=self.params,
            hidden=self.hidden,
            seq_len=self.seq_len,
            tokens=self.tokens,
            samples=self.samples,
        )

    def forecast(self, steps: int) -> Forecast:
        """Time of a run of so many steps, those seen included.

        Raises
        ------
        ValueError
            Before enough steps were seen: two of warm-up and one more.
        """
        timing = self.timing()
        if timing is None:
            raise ValueError(f"a forecast needs {WARM_UP_STEPS + 1} steps, got {self.steps}")
        seen_s = self._ends_s[-1] - self._began_s
        ahead_s = max(0, steps - self.steps) * timing.time_s
        seen = timing.repetitions
        parts = SLICES if seen >= 2 * SLICES else seen
        noise = math.hypot(
            STEP_ERROR * math.sqrt(max(1.0, ENOUGH_STEPS / seen)),
            (timing.log_sd or 0.0) / math.sqrt(parts),
        )
        factor = math.exp(statistics.NormalDist().inv_cdf(0.9) * noise)
        return Forecast(
            low_s=seen_s + ahead_s / factor,
            mid_s=seen_s + ahead_s,
            high_s=seen_s + ahead_s * factor,
        )

    def _step_flop(self) -> float | None:
        """Work of a step as told, or by the rule of six from parameters and tokens."""
        if self.flop is not None or self.params is None or self.tokens is None:
            return self.flop
        return 6.0 * self.params * self.tokens

    def count_flop(self, step: Callable[[], Any]) -> float:
        """Run one step under PyTorch's counter and keep its FLOPs for all of them [FLOP].

        Attention is counted by its plain form: the counter does not know every fast one.

        Raises
        ------
        ImportError
            Without PyTorch.
        ValueError
            If it counted nothing.
        """
        attention: Any = import_module("torch.nn.attention")
        counting: Any = import_module("torch.utils.flop_counter")
        plain = attention.sdpa_kernel(attention.SDPBackend.MATH)
        with counting.FlopCounterMode(display=False) as counter, plain:
            step()
        counted = float(counter.get_total_flops())
        if counted <= 0:
            raise ValueError("the counter saw no product of matrices in this step")
        self.flop = counted * (self.devices or self.ranks)
        return self.flop

    def told(self) -> Reported | None:
        """What there is to tell of the steps; None before there is anything."""
        timing = self.timing()
        if timing is None:
            return None
        began_s, ended_s = self._ends_s[WARM_UP_STEPS - 1], self._ends_s[-1]
        return Reported(
            timing=timing,
            devices=self.devices,
            ranks=self.ranks,
            machines=self.machines,
            began_s=began_s,
            ended_s=ended_s,
        )

    def report(self, path: Path) -> None:
        """Hand the time of the steps to the command around this program.

        Where that cannot be written the program goes on: the command says that it knows no steps.
        """
        told = self.told()
        if told is not None:
            with suppress(OSError), path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(without_unknown(asdict(told))) + "\n")


@contextmanager
def measure(**told: Any) -> Iterator[Session]:
    """Measure the training steps inside a with block, and store the run.

    Where torchrun or its like starts several processes, each runs this: the first of all tells of
    the steps, which all take alike, and the first of each machine measures its devices.

    Parameters
    ----------
    told
        As for `Session`: `flop` or `params` and `tokens` of one step, `precision`, `kind`, ...

    Yields
    ------
    Session
        Call its `step` at the end of each step.

    Examples
    --------
    >>> with measure(flop=1e9, precision="fp32", kind="other") as run:  # doctest: +SKIP
    ...     for batch in batches:
    ...         train(batch)
    ...         run.step()
    """
    session = Session(**told)
    session.ranks = max(1, _number(WORLD_SIZE))
    session.machines = max(1, session.ranks // max(1, _number(LOCAL_SIZE)))
    wrapped = os.environ.get(REPORT)
    if _number(LOCAL_RANK):
        yield session
    elif wrapped:
        try:
            yield session
        finally:
            if not _number(RANK):
                session.report(Path(wrapped))
    else:
        from estimator.measure.recording import recorded

        with recorded(session, tells=not _number(RANK)):
            yield session


def _number(name: str) -> int:
    """Return a number of the environment; 0 where there is none."""
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 0


def _spread(ends: list[float]) -> float | None:
    """Standard deviation of the logarithm of the time of slices of the steps; None of too few."""
    count = len(ends) - 1
    cuts = [round(at * count / SLICES) for at in range(SLICES + 1)] if count >= 2 * SLICES else []
    if not cuts:
        cuts = list(range(count + 1))
    times = [(ends[after] - ends[before]) / (after - before) for before, after in pairwise(cuts)]
    if len(times) < 2 or min(times) <= 0:
        return None
    return statistics.stdev(math.log(one) for one in times)
