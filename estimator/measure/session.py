"""Session that times the steps of a training script that calls it.

A session records the end of each step and leaves out the slow first ones. Under `calibrate run`,
the command measures the power and receives the times; otherwise the session measures both and
stores the run.
"""

import json
import math
import os
import reprlib
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from estimator.catalog.schema import PRECISIONS
from estimator.core.uncertainty import Z_CENTRAL, student_quantile
from estimator.core.units import CENTRAL
from estimator.measure.drift import CONTENTION_SD, NOTHING_LEARNED, Strength, between, strength
from estimator.measure.steady import PAUSE, SteadySteps, steady
from estimator.networks.kinds import KINDS
from estimator.runs.record import Timing, without_unknown
from estimator.runs.record_bounds import LARGEST, TIMING

STRAY_SD = 0.02
"""Log standard deviation of the mean pace over one second [1], in addition to drift and step
spread. It falls with the square root of the time. Fitted together with `drift.STRENGTH_SD`.
"""

LEAST_WINDOW_S = 0.05
"""Observed time below which the uncertainty of the pace no longer rises [s]."""

PAUSE_SD = 0.7
"""Log standard deviation of the later pause time when predicted from one pause [1]."""

FEWEST_STEPS = 3
"""Fewest steps to extrapolate from: one warm-up step and two more."""

SYNCHRONISED_EVERY, SYNCHRONISED_EVERY_S = 16, 0.5
"""GPUs are synchronised at steps 1, 2, 4 and 8, then every so many steps or seconds."""

REPORT = "TWENTY_WATTS_REPORT"
"""Environment variable with the path of the file for a wrapped program's step report."""

STAMPS = "TWENTY_WATTS_STAMPS"
"""Environment variable with the path of the file for step stamps."""

NUMBERS = (
    *("flop", "operations", "traffic_bytes", "params", "tokens", "samples"),
    *("hidden", "seq_len", "devices"),
)
"""Numeric fields of a session."""

RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_SIZE = "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"
"""Environment variables of torchrun and similar with a process's rank and the number of ranks."""


@dataclass(frozen=True, kw_only=True)
class Reported:
    """Steps reported by a program; the meters show their devices if it reports none.

    Parameters
    ----------
    timing : Timing
        Its component is empty if unspecified.
    ranks, machines : int
        Number of processes, as torchrun starts them, that share the work, and of their machines.
    began_s, ended_s : float
        End of the warm-up and of the last step, on the monotonic clock [s].
    """

    timing: Timing
    devices: int | None = None
    ranks: int = 1
    machines: int = 1
    began_s: float
    ended_s: float


def window_times_s(ends_s: Sequence[float], edges: Sequence[int] = ()) -> list[float]:
    """Return the time of each step, from the end of the previous one to its own end [s].

    Steps between two `edges`, at which GPUs were synchronised, get their mean time.
    """
    return [
        (ends_s[last] - ends_s[first]) / (last - first)
        for first, last in pairwise(edges or range(len(ends_s)))
        for _ in range(first, last)
    ]


def with_program(reported: Sequence[Reported], program: str | None) -> tuple[Reported, ...]:
    """Add the program's name to reports, if given."""
    if program is None:
        return tuple(reported)
    return tuple(replace(one, timing=replace(one.timing, style=program)) for one in reported)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Forecast time of a whole run, from the steps seen: central 80% interval and median.

    Parameters
    ----------
    seen_s : float
        Time of the steps seen, which the others include [s].
    """

    low_s: float
    mid_s: float
    high_s: float
    seen_s: float


@dataclass(kw_only=True)
class Session:
    """Steps of one training run.

    Parameters
    ----------
    flop : float, optional
        Work of one step over all devices [FLOP].
    operations, traffic_bytes : float, optional
        Separately dispatched operations of one step [1], and their memory traffic [B], over all
        devices.
    params, hidden, seq_len : float, optional
        Parameters, hidden size and sequence length of the network.
    tokens, samples : float, optional
        Tokens or samples per step.
    precision, kind, arch, label : str, optional
        As in `Timing`.
    devices : int, optional
        Number of devices that share the work; by default as set by torchrun, or as many as the
        meters find busy.
    component : str, optional
        Key of the first device, such as "gpu:0" or "cpu"; by default the first that the meters
        find busy.

    Attributes
    ----------
    ranks, machines : int
        As in `Reported`.
    """

    flop: float | None = None
    operations: float | None = None
    traffic_bytes: float | None = None
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
    _synchronised: list[int] = field(default_factory=list, init=False, repr=False)
    _began_s: float = field(default_factory=time.monotonic, init=False, repr=False)

    def __post_init__(self) -> None:
        """Convert NumPy and PyTorch numbers to plain ones, and the label to text.

        Implausible values only cause a warning and are ignored, so that they cannot stop hours of
        training.
        """
        for name in NUMBERS:
            value = getattr(self, name)
            value = value.item() if hasattr(value, "item") else value
            _, most = TIMING.get(name, (0.0, LARGEST))
            if value is not None and not _is_count(value, most):
                got = reprlib.repr(value)
                warnings.warn(
                    f"{name} must be a number from 1 to {most:g}, got {got}: ignored", stacklevel=3
                )
                value = None
            setattr(self, name, value)
        for name, known in (("kind", KINDS), ("precision", PRECISIONS), ("arch", None)):
            word = getattr(self, name)
            if word is None or (isinstance(word, str) and (known is None or word in known)):
                continue
            needed = "text" if known is None else f"one of {', '.join(known)}"
            warnings.warn(
                f"{name} must be {needed}, got {reprlib.repr(word)}: ignored", stacklevel=3
            )
            setattr(self, name, None)
        self.label = None if self.label is None else str(self.label)

    def step(self) -> None:
        """Report the end of a step.

        GPUs are synchronised at the ends of short windows, so that steps are timed when done, not
        when queued.
        """
        count = len(self._ends_s) + 1
        if self._is_due(count) and synchronise():
            self._synchronised.append(count)
        self._ends_s.append(time.monotonic())
        if STAMPS in os.environ and os.environ.get(RANK, "0") in ("", "0"):
            self._stamp("M" if self._synchronised[-1:] == [count] else "m")

    def _is_due(self, count: int) -> bool:
        """Return whether GPUs should be synchronised at this step."""
        if count & (count - 1) == 0 or count % SYNCHRONISED_EVERY == 0:
            return True
        last_s = self._ends_s[self._synchronised[-1] - 1] if self._synchronised else math.inf
        return time.monotonic() - last_s >= SYNCHRONISED_EVERY_S

    def _stamp(self, mark: str) -> None:
        """Write the time of the last step for the watching command."""
        with suppress(OSError), open(os.environ[STAMPS], "a", encoding="utf-8") as file:
            if self.steps == 1:
                file.write(f"facts {json.dumps(self._reported_fields())}\n")
            file.write(f"{mark} {self._ends_s[-1]!r} {os.getpid()}\n")

    def _reported_fields(self) -> dict[str, Any]:
        """Return what the program reports about its steps, as fields of `Timing`."""
        names = (
            *("operations", "traffic_bytes", "precision", "kind", "arch"),
            *("params", "hidden", "seq_len", "tokens", "samples"),
        )
        said = {"flop": self._step_flop(), **{name: getattr(self, name) for name in names}}
        return {name: value for name, value in said.items() if value is not None}

    @property
    def steps(self) -> int:
        """Number of steps that have ended."""
        return len(self._ends_s)

    @property
    def times_s(self) -> list[float]:
        """Time of each step; on GPUs, means over synchronised windows [s]."""
        ends_s = [self._began_s, *self._ends_s]
        return window_times_s(ends_s, (0, *self._synchronised) if self._synchronised else ())

    def timing(self) -> Timing | None:
        """Timing of a step after the warm-up, or None before the first."""
        found = steady(self.times_s)
        if found is None:
            return None
        return Timing(
            what="training",
            component=self.component or "",
            devices=self.devices or 1,
            label=self.label,
            time_s=found.step_s,
            log_sd=found.log_sd,
            repetitions=found.steps,
            **self._reported_fields(),
        )

    def forecast(self, steps: int) -> Forecast:
        """Forecast the time of a run by its number of steps, including the steps seen.

        Pauses are assumed to continue at the same rate.

        Raises
        ------
        ValueError
            If too few steps have been seen.
        """
        if self.steps < FEWEST_STEPS:
            raise ValueError(f"a forecast needs {FEWEST_STEPS} steps, got {self.steps}")
        return forecast(self.times_s, steps)

    def _step_flop(self) -> float | None:
        """Work of a step as given, or six FLOPs per parameter and token."""
        if self.flop is not None or self.params is None or self.tokens is None:
            return self.flop
        return 6.0 * self.params * self.tokens

    def count_flop(self, step: Callable[[], Any]) -> float:
        """Run a step, count its FLOPs, and keep and return them for all devices [FLOP].

        Also sets `operations` and `traffic_bytes`, None if part of the step is compiled.

        Raises
        ------
        ImportError
            Without PyTorch.
        ValueError
            If no matrix product was counted.
        """
        from estimator.measure.step_counter import counted_step

        everywhere = self.devices or self.ranks
        counts = counted_step(step)
        if not counts.total_flop:
            raise ValueError("the counter recorded no matrix product in this step")
        if counts.missed:
            names = ", ".join(sorted(set(counts.missed)))
            warnings.warn(f"products within {names} are not counted", stacklevel=2)
        self.flop = counts.total_flop * everywhere
        self.operations = self.traffic_bytes = None
        if (done := counts.operations) is not None:
            self.operations = done.count * everywhere
            self.traffic_bytes = done.traffic_bytes * everywhere
        return self.flop

    @property
    def step_options(self) -> str:
        """Return the known step facts as options of `estimate`, empty if none."""
        return step_options(self._step_flop(), self.operations, self.traffic_bytes)

    def reported(self) -> Reported | None:
        """Return the report on the steps so far, or None before the first."""
        timing, found = self.timing(), steady(self.times_s)
        if timing is None or found is None:
            return None
        began_s, ended_s = self._ends_s[found.warm_up - 1], self._ends_s[-1]
        return Reported(
            timing=timing,
            devices=self.devices,
            ranks=self.ranks,
            machines=self.machines,
            began_s=began_s,
            ended_s=ended_s,
        )

    def report(self, path: Path) -> None:
        """Write the step times for the wrapping command.

        If that fails the program continues, and the command reports no steps.
        """
        reported = self.reported()
        if reported is not None:
            with suppress(OSError), path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(without_unknown(asdict(reported))) + "\n")


def step_options(flop: float | None, operations: float | None, traffic_bytes: float | None) -> str:
    """Return the known step facts as options of `estimate`, empty if none.

    >>> step_options(5.1e9, 812.0, None)
    '--step-flop 5.1e+09 --step-operations 812'
    """
    options = {"flop": flop, "operations": operations, "traffic": traffic_bytes}
    return " ".join(f"--step-{name} {value:.6g}" for name, value in options.items() if value)


def _is_count(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and 1.0 <= value <= most


def synchronise() -> bool:
    """Wait for the GPUs used by PyTorch; return False if there are none."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda") or not torch.cuda.is_initialized():
        return False
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


def forecast(
    times_s: Sequence[float],
    steps: int,
    stored: Strength = NOTHING_LEARNED,
    slowdown: float = 1.0,
) -> Forecast:
    """Forecast the time of a run by its number of steps, from the times of the first ones [s].

    Parameters
    ----------
    stored : Strength
        Drift of the machine, estimated from its stored runs.
    slowdown : float
        Factor by which other programs slow the steps [1].
    """
    found = steady(times_s)
    if found is None:
        raise ValueError(f"a forecast needs {FEWEST_STEPS} steps, got {len(times_s)}")
    ahead = max(0, steps - len(times_s))
    each_pause_s = found.pause_s / (found.steps + found.pauses)
    ahead_s, pauses_s = ahead * found.mean_s, ahead * each_pause_s
    total_s, seen_s = ahead_s + pauses_s, float(sum(times_s))
    factor = 1.0
    if total_s:
        drift = strength(
            [min(one, PAUSE * found.step_s) for one in times_s[found.warm_up :]], stored
        )
        pauses_sd = PAUSE_SD / math.sqrt(found.pauses or 1)
        noise = math.hypot(
            _pace_sd(found, drift, ahead_s) * ahead_s / total_s,
            pauses_sd * pauses_s / total_s,
            CONTENTION_SD * math.log(slowdown),
        )
        factor = math.exp(student_quantile(0.5 + CENTRAL / 2, drift.differences) * noise)
    return Forecast(
        low_s=seen_s + total_s / factor,
        mid_s=seen_s + total_s,
        high_s=seen_s + total_s * factor,
        seen_s=seen_s,
    )


def pace_sd(timing: Timing, steps: int) -> float:
    """Log standard deviation of the pace of further steps [1].

    It follows from the stored summary of a run, with typical drift.
    """
    found = SteadySteps(
        warm_up=0,
        steps=max(1, timing.repetitions),
        step_s=timing.time_s,
        mean_s=timing.time_s,
        log_sd=timing.log_sd,
        pauses=0,
        pause_s=0.0,
    )
    drift = strength([timing.time_s])
    wider = student_quantile(0.5 + CENTRAL / 2, drift.differences) / Z_CENTRAL
    return wider * _pace_sd(found, drift, steps * timing.time_s)


def _pace_sd(found: SteadySteps, drift: Strength, ahead_s: float) -> float:
    """Log standard deviation of the ratio of the future pace to the steady steps' pace [1]."""
    seen_s = max(LEAST_WINDOW_S, found.steps * found.step_s)
    return math.hypot(
        math.sqrt(drift.value * between(seen_s, ahead_s)),
        STRAY_SD / math.sqrt(seen_s),
        (found.log_sd or 0.0) / math.sqrt(found.steps),
    )
