"""How long will the whole run take? A command runs for a while, and its steps are watched.

Steps are found automatically: those that `measure()` in the script reports, else those of
PyTorch's optimizers, through which the Trainer of Hugging Face, Lightning and Accelerate step, too.
"""

import json
import math
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from estimator.measure.command import Command, CommandError, Ended, undisturbed
from estimator.measure.recorder import Recording
from estimator.measure.session import STAMPS, Forecast, Reported, forecast, named
from estimator.measure.steady import steady
from estimator.runs import Store, StoreError, open_store
from estimator.runs.record import FORECAST, MeasuredRun, State, Timing

POLL_S = 0.05
"""How often the stamps are read [s]."""

SILENCE_S = 30.0
"""After so long without two steps it is said what is waited for [s]."""

PATIENCE_S = 5.0
"""How long a command may take to stop [s]."""

OWN, OPTIMIZER = ("m", "M"), ("o", "s")
"""Marks of steps that `measure()` in the script reports, and of those of an optimizer; the second
of each where boards had finished."""

HOOK = Path(__file__).parent / "step_hook"
"""Folder of the module that Python loads at its start."""


@dataclass(frozen=True, kw_only=True)
class Stamped:
    """Steps that were seen so far.

    Parameters
    ----------
    times_s : tuple of float
        Time of each step; on boards the mean over the window between two waits for them [s].
    began_s, ended_s : float
        First and last stamp on the monotonic clock [s].
    planned : int, optional
        Steps of the whole run, where the program's Trainer states them.
    given : mapping
        What `measure()` in the script says of its steps, as fields of `Timing`.
    """

    times_s: tuple[float, ...]
    began_s: float
    ended_s: float
    planned: int | None = None
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps seen: the first stamp ends the first of them."""
        return len(self.times_s) + 1

    def forecast(self, steps: int) -> Forecast:
        """Time of so many steps, from the start of the second [s]."""
        return forecast(self.times_s, steps - 1)


def read_stamps(text: str) -> Stamped | None:
    r"""Read the stamps of a program; None before there are two.

    >>> read_stamps("o 1.0\no 1.5\ntotal 90\no 2.0\n").times_s
    (0.5, 0.5)
    >>> read_stamps("o 1.0\nm 1.1\no 2.0\nm 2.2\n").times_s
    (1.1,)
    """
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    rows = [line.split(" ") for line in lines]
    planned = [int(row[1]) for row in rows if row[0] == "total"]
    facts = [line[6:] for line in lines if line.startswith("facts ")]
    own = [(row[0], float(row[1])) for row in rows if row[0] in OWN]
    seen = own or [(row[0], float(row[1])) for row in rows if row[0] in OPTIMIZER]
    waited = [at for at, (mark, _) in enumerate(seen) if mark in ("s", "M")]
    if waited:
        seen = seen[: waited[-1] + 1]
    if len(seen) < 2:
        return None
    edges = [0, *(at for at in waited if at)] if waited else list(range(len(seen)))
    times = [
        (seen[last][1] - seen[first][1]) / (last - first)
        for first, last in pairwise(edges)
        for _ in range(first, last)
    ]
    return Stamped(
        times_s=tuple(times),
        began_s=seen[0][1],
        ended_s=seen[-1][1],
        planned=planned[-1] if planned else None,
        given=json.loads(facts[0]) if facts else {},
    )


@dataclass(kw_only=True)
class _Marks:
    """Stamps of one kind so far: when the first was [s], how many, and up to which are done."""

    began_s: float = 0.0
    count: int = 0
    waited: int = 0

    def take(self, at_s: float, *, waited: bool) -> None:
        """Count one more."""
        self.began_s = at_s if self.count == 0 else self.began_s
        self.count += 1
        self.waited = self.count if waited else self.waited

    @property
    def steps(self) -> int:
        """Steps that have ended: on boards those up to the last wait."""
        return self.waited or self.count


@dataclass(kw_only=True)
class StampFile:
    """Stamps of a program as they are written, each read once: to look again costs little.

    Parameters
    ----------
    path : Path
        It need not exist yet.
    """

    path: Path
    _read_bytes: int = field(default=0, init=False)
    _own: _Marks = field(default_factory=_Marks, init=False)
    _optimizer: _Marks = field(default_factory=_Marks, init=False)

    def read(self) -> None:
        """Take in the lines that were written since."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read_bytes)
            whole, end, _ = file.read().rpartition(b"\n")
        self._read_bytes += len(whole) + len(end)
        for line in whole.decode("utf-8", "replace").split("\n"):
            mark, _, rest = line.partition(" ")
            if mark in OWN:
                self._own.take(float(rest), waited=mark == "M")
            elif mark in OPTIMIZER:
                self._optimizer.take(float(rest), waited=mark == "s")

    @property
    def _marks(self) -> _Marks:
        """Those that count: what `measure()` reports goes first."""
        return self._own if self._own.count else self._optimizer

    @property
    def steps(self) -> int:
        """Steps seen so far; none before there are two."""
        return self._marks.steps if self._marks.steps > 1 else 0

    @property
    def began_s(self) -> float:
        """When the first step ended, on the monotonic clock [s]."""
        return self._marks.began_s

    def stamped(self) -> Stamped | None:
        """Return the steps that were read; None before there are two."""
        if not self.steps:
            return None
        with self.path.open("rb") as file:
            return read_stamps(file.read(self._read_bytes).decode("utf-8", "replace"))


@dataclass(kw_only=True)
class Watch:
    """Watches a command until enough of it was seen.

    Parameters
    ----------
    for_s : float, optional
        Time from the first step on after which enough is seen [s].
    steps : int, optional
        Steps after which enough is seen.
    goes_on : bool
        Leave the command alone then; else it is stopped.
    on_silence : callable, optional
        Called once if no steps are seen for a while, with how long that is [s].
    """

    for_s: float | None = 60.0
    steps: int | None = None
    goes_on: bool = False
    on_silence: Callable[[float], None] | None = None
    seen: Stamped | None = field(default=None, init=False)
    enough: bool = field(default=False, init=False)

    def run(self, words: Sequence[str]) -> Ended:
        """Run the command; return how it ended, stopped by us or by itself.

        Raises
        ------
        CommandError
            If it cannot be run.
        """
        with tempfile.TemporaryDirectory(prefix="twenty-watts-") as folder:
            stamps = StampFile(path=Path(folder) / "stamps")
            python = os.pathsep.join(filter(None, (str(HOOK), os.environ.get("PYTHONPATH"))))
            command = Command(words, extra={STAMPS: str(stamps.path), "PYTHONPATH": python})
            over = threading.Event()
            watcher = threading.Thread(target=self._watch, args=(stamps, command, over))
            watcher.start()
            try:
                ended = command.wait()
            finally:
                over.set()
                watcher.join()
            self._read(stamps)
            self.seen = stamps.stamped()
        return replace(ended, exit_code=0) if self.enough and not self.goes_on else ended

    def _watch(self, stamps: StampFile, command: Command, over: threading.Event) -> None:
        silent_until_s = time.monotonic() + SILENCE_S
        while not over.wait(POLL_S):
            self._read(stamps)
            if time.monotonic() >= silent_until_s:
                silent_until_s = math.inf
                if not stamps.steps and self.on_silence is not None:
                    self.on_silence(SILENCE_S)
            if self.enough:
                if not self.goes_on:
                    _stop(command.process, over)
                return

    def _read(self, stamps: StampFile) -> None:
        """Take what was stamped, until it is enough."""
        if self.enough:
            return
        stamps.read()
        if not stamps.steps:
            return
        long = self.for_s is not None and time.monotonic() - stamps.began_s >= self.for_s
        self.enough = long or (self.steps is not None and stamps.steps >= self.steps)


def _stop(process: "subprocess.Popen[bytes]", over: threading.Event) -> None:
    """Tell a command to stop, and end it if it does not."""
    process.terminate()
    if not over.wait(PATIENCE_S):
        process.kill()


def recorded_watch(
    watch: Watch, words: Sequence[str], given: Mapping[str, Any]
) -> tuple[MeasuredRun, Ended]:
    """Watch a command with the meters on, and store what was measured as a run.

    Parameters
    ----------
    watch : Watch
    words : sequence of str
        The command.
    given : mapping
        What is known of its steps: fields of `Timing`, `flop` and `precision` among them.

    Raises
    ------
    CommandError
        If it cannot be run; nothing is stored then.
    """
    try:
        store: Store | None = open_store()
        notes: list[str] = list(store.notes) if store is not None else []
    except StoreError as error:
        store, notes = None, [str(error)]
    recording = Recording(origin="run", label=FORECAST, store=store, notes=notes)
    recording.start()
    try:
        ended = watch.run(words)
    except CommandError:
        recording.drop()
        raise
    with undisturbed():
        recording.notes += ended.notes
        reported = named(ended.reported, given.get("style")) or reported_steps(watch.seen, given)
        state: State = "finished" if watch.enough else ended.state
        measured = recording.end(
            state=state,
            exit_code=ended.exit_code,
            timings=lambda run: recording.placed(run, reported),
        )
        if store is not None:
            store.close()
    return measured, ended


def reported_steps(seen: Stamped | None, given: Mapping[str, Any]) -> tuple[Reported, ...]:
    """The steps that were stamped, as if the program had reported them; none of too few."""
    found = None if seen is None else steady(seen.times_s)
    if seen is None or found is None:
        return ()
    timing = Timing(
        what="training",
        component="",
        time_s=found.step_s,
        log_sd=found.log_sd,
        repetitions=found.steps,
        **{**seen.given, **{name: value for name, value in given.items() if value is not None}},
    )
    warm_s = sum(seen.times_s[: found.warm_up])
    return (
        Reported(
            timing=timing,
            began_s=seen.began_s + warm_s,
            ended_s=seen.ended_s,
            warm_up=found.warm_up,
            pauses=found.pauses,
            pause_s=found.pause_s,
        ),
    )
