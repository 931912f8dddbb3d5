"""Stamped steps of a program, and their times.

A line contains a mark, the monotonic time and the process: `o 12.5 4711`. If several processes take
steps, the longest-running one counts.
"""

import json
import math
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

from estimator.measure.drift import NOTHING_LEARNED, Strength
from estimator.measure.network_seen import network_seen
from estimator.measure.session import Forecast, forecast, window_times_s
from estimator.measure.steady import steady
from estimator.measure.step_counter import PRECISIONS
from estimator.runs.record_bounds import MOST_COUNTED

OF_KIND = ("kind", "arch")
"""Fields of a timing that are set together."""

COUNTED = ("flop", "operations", "traffic_bytes")
"""Counted fields of a timing."""

OWN, OPTIMIZER = ("m", "M"), ("o", "s")
"""Marks of steps reported by `measure()`, and by an optimizer; the second of each follows a
synchronisation.
"""


COUNTED_AT = 2
"""Number of the step that is counted, so that later ones take their usual time [1]."""

PHASE_STEPS, PHASE_RATIO = 10, 1.5
"""Fewest steps and least time ratio at which early steps are other work, not warm-up [1]."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Early steps of a program that continues with different ones."""

    steps: int
    step_s: float
    later_s: float


@dataclass(frozen=True, kw_only=True)
class Stamped:
    """Steps seen so far.

    Parameters
    ----------
    times_s : tuple of float
        Time of each step; on GPUs the mean over the window between two synchronisations [s].
    began_s, ended_s : float
        First and last stamp on the monotonic clock [s].
    planned : int, optional
        Steps of the whole run, if the program's Trainer reports them.
    given, counted : mapping
        Facts about the steps that `measure()` in the script reports, and counts of one step, as
        fields of `Timing`.
    missed : tuple of str
        Operations of the counted step that may contain uncounted work; if any, nothing is counted.
    processes : int
        Number of processes that take steps; the others' steps are left out.
    optimizers : tuple of (str, int)
        Name and steps of each optimizer; only the first one's steps count.
    memory : mapping of str to float
        Memory of the program: its "peak", the part independent of the batch ("held"), and the
        "limit" of the GPU [B]; empty if unknown.
    """

    times_s: tuple[float, ...]
    began_s: float
    ended_s: float
    planned: int | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    counted: Mapping[str, Any] = field(default_factory=dict)
    missed: tuple[str, ...] = ()
    processes: int = 1
    optimizers: tuple[tuple[str, int], ...] = ()
    memory: Mapping[str, float] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Number of steps seen; the first stamp ends the first."""
        return len(self.times_s) + 1

    @cached_property
    def counted_phase(self) -> Phase | None:
        """Finished phase in which a step was counted, or None if there is one phase.

        For example, a script that trains two networks in turn, or on growing images, so that the
        counted work does not match the later times.
        """
        found = steady(self.times_s) if self.counted else None
        first = self.times_s[COUNTED_AT : found.warm_up] if found is not None else ()
        if found is None or len(first) < PHASE_STEPS:
            return None
        step_s = median(first)
        if 1 / PHASE_RATIO < step_s / found.step_s < PHASE_RATIO:
            return None
        return Phase(steps=found.warm_up, step_s=step_s, later_s=found.step_s)

    @cached_property
    def counts(self) -> Mapping[str, Any]:
        """Counts of a step like those timed, as fields of `Timing`."""
        if self.counted_phase is None:
            return self.counted
        return {name: value for name, value in self.counted.items() if name not in COUNTED}

    def forecast(
        self, steps: int, stored: Strength = NOTHING_LEARNED, slowdown: float = 1.0
    ) -> Forecast:
        """Time of some steps from the start of the second [s]; see `session.forecast`."""
        return forecast(self.times_s, steps - 1, stored, slowdown)


@dataclass(kw_only=True)
class _Marks:
    """Stamps of one mark and process: end times [s], and which were synchronised."""

    ends_s: "array[float]" = field(default_factory=lambda: array("d"))
    waits: list[int] = field(default_factory=list)

    def take(self, at_s: float, *, waited: bool) -> None:
        """Count one more stamp."""
        if waited:
            self.waits.append(len(self.ends_s))
        self.ends_s.append(at_s)

    @property
    def steps(self) -> int:
        """Number of ended steps, on GPUs up to the last synchronisation."""
        return self.waits[-1] + 1 if self.waits else len(self.ends_s)

    @property
    def lasts_s(self) -> float:
        """Time from the first step's end to the last one's [s]."""
        return self.ends_s[self.steps - 1] - self.ends_s[0]

    def times_s(self) -> tuple[float, ...]:
        """Time of each step except the first [s]."""
        edges = [0, *(at for at in self.waits if at)] if self.waits else ()
        return tuple(window_times_s(self.ends_s, edges))


@dataclass(kw_only=True)
class Stamps:
    r"""Stamps so far.

    >>> stamps = Stamps()
    >>> stamps.take("o 1.0 7\no 1.5 7\ntotal 90\nm 1.6 7\nm 2.0 8\nm 2.2 7\nm 2.5 8\nm 2.9 8\n")
    >>> stamps.stamped().times_s
    (0.5, 0.3999999999999999)
    """

    _facts: dict[str, Any] = field(default_factory=dict, init=False)
    _own: dict[str, _Marks] = field(default_factory=dict, init=False)
    _optimizer: dict[str, _Marks] = field(default_factory=dict, init=False)

    def take(self, text: str) -> None:
        """Parse whole lines; invalid ones are skipped."""
        for line in text.split("\n"):
            mark, _, rest = line.partition(" ")
            with suppress(ValueError, TypeError, AttributeError, RecursionError):
                if mark in (*OWN, *OPTIMIZER):
                    self._take_mark(mark, *rest.split(" "))
                elif mark == "total":
                    self._facts["planned"] = int(rest)
                elif mark == "facts":
                    self._facts.setdefault("given", dict(json.loads(rest)))
                elif mark == "optimizers":
                    found = tuple((str(name), int(n)) for name, n in json.loads(rest))
                    self._facts["optimizers"] = found
                elif mark == "memory":
                    sizes = {str(name): float(value) for name, value in json.loads(rest).items()}
                    sound = all(map(math.isfinite, sizes.values()))
                    self._facts["memory"] = sizes if sound else {}
                elif mark == "counted" and not self._facts.get("counted"):
                    self._take_counts(**json.loads(rest))

    def _take_counts(
        self,
        *,
        products: Mapping[str, float] = MappingProxyType({}),
        seen: Mapping[str, int] = MappingProxyType({}),
        missed: Sequence[str] = (),
        **counted: Any,
    ) -> None:
        """Store the counts of a step as fields of `Timing`, if plausible."""
        numbers = {name: float(value) for name, value in counted.items() if name != "precision"}
        known = set(numbers) <= set(COUNTED) and counted.get("precision", "fp32") in PRECISIONS
        values = (*numbers.values(), *products.values(), *seen.values())
        if known and all(0 < float(value) <= MOST_COUNTED["traffic_bytes"] for value in values):
            found = {**counted, **numbers, **network_seen(products, seen)}
            self._facts |= {"counted": found, "missed": tuple(map(str, missed))}

    def _take_mark(self, mark: str, time: str, process: str = "", *_more: str) -> None:
        at_s = float(time)
        if math.isfinite(at_s):
            kind = self._own if mark in OWN else self._optimizer
            kind.setdefault(process, _Marks()).take(at_s, waited=mark in (OWN[1], OPTIMIZER[1]))

    @property
    def _processes(self) -> Mapping[str, _Marks]:
        """Processes whose steps count; reports of `measure()` take precedence."""
        return self._own or self._optimizer

    @property
    def _marks(self) -> _Marks:
        """Marks of the longest-running process."""
        return max(self._processes.values(), key=lambda one: one.lasts_s, default=_Marks())

    @property
    def steps(self) -> int:
        """Steps seen so far, zero before the second."""
        steps = self._marks.steps
        return steps if steps > 1 else 0

    @property
    def began_s(self) -> float:
        """End of the first step on the monotonic clock [s]."""
        return self._marks.ends_s[0]

    def stamped(self) -> Stamped | None:
        """Return the steps, or None before the second."""
        marks = self._marks
        if not self.steps:
            return None
        return Stamped(
            times_s=marks.times_s(),
            began_s=marks.ends_s[0],
            ended_s=marks.ends_s[marks.steps - 1],
            processes=len(self._processes),
            **self._facts | ({"optimizers": ()} if self._own else {}),
        )


def missing(said: Mapping[str, Any], counted: Mapping[str, Any]) -> dict[str, Any]:
    """Counted fields that were not reported; kind and architecture go together.

    >>> counted = {"flop": 2.0, "kind": "vision", "arch": "ViT"}
    >>> missing({"flop": None, "kind": "language"}, counted), missing({"flop": 1.0}, counted)
    ({'flop': 2.0}, {'kind': 'vision', 'arch': 'ViT'})
    """
    known = {name for name, value in said.items() if value is not None}
    if known & set(OF_KIND):
        known |= set(OF_KIND)
    return {name: value for name, value in counted.items() if name not in known}


@dataclass(kw_only=True)
class StampFile:
    """Stamps of a program, read incrementally."""

    path: Path
    stamps: Stamps = field(default_factory=Stamps, init=False)
    _read_bytes: int = field(default=0, init=False)

    def read(self) -> Stamps:
        """Read the lines written since the last call."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read_bytes)
                whole, end, _ = file.read().rpartition(b"\n")
            self._read_bytes += len(whole) + len(end)
            self.stamps.take(whole.decode("utf-8", "replace"))
        return self.stamps
