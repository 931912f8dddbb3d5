"""Watch the steps of a command to forecast its whole run.

Steps are detected automatically: as reported by `measure()` in the script, otherwise as taken by
PyTorch's optimizers, as used by the Hugging Face Trainer, Lightning and Accelerate.
"""

import math
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from estimator.measure import step_counter
from estimator.measure.children import descendants, end_all
from estimator.measure.command import Command, CommandError, Ended, running, undisturbed
from estimator.measure.recorder import Recording
from estimator.measure.session import STAMPS, Reported, with_program
from estimator.measure.stamps import Stamped, StampFile, missing
from estimator.measure.steady import steady
from estimator.runs import store_or_reason
from estimator.runs.record import FORECAST, MeasuredRun, Timing

POLL_S = 0.05
"""Time between reads of the stamps [s]."""

COUNTER = "TWENTY_WATTS_COUNTER"
"""Environment variable with the path of the step counter module."""

SILENCE_S = 30.0
"""Time without two steps after which a notice is given [s]."""

PROGRESS_S = 1.0
"""Shortest interval between progress reports on a continuing command [s]."""

PATIENCE_S = 5.0
"""Time that a command has to stop before it is killed [s]."""

HOOK = Path(__file__).parent / "step_hook"
"""Folder of the `sitecustomize` module that the watched Python imports at startup."""


@dataclass(kw_only=True)
class StepWatch:
    """Watch of a command until enough steps are seen.

    Parameters
    ----------
    for_s : float, optional
        Time after the first step at which enough has been seen [s].
    steps : int, optional
        Number of steps that is enough.
    goes_on : bool
        Let the command continue then, rather than stop it.
    counts : bool
        Count the FLOPs, operations and memory traffic of a step.
    on_silence : callable, optional
        Called once if no steps have been seen for a while, with that time [s].
    on_enough : callable, optional
        Called once when enough has been seen of a command that continues, with its steps.
    on_progress : callable, optional
        Called at intervals after that, with all steps so far.

    Attributes
    ----------
    seen, whole : Stamped, optional
        Steps when enough had been seen, and when the command ended.
    """

    for_s: float | None = 60.0
    steps: int | None = None
    goes_on: bool = False
    counts: bool = True
    on_silence: Callable[[float], None] | None = None
    on_enough: Callable[[Stamped], None] | None = None
    on_progress: Callable[[Stamped], None] | None = None
    seen: Stamped | None = field(default=None, init=False)
    whole: Stamped | None = field(default=None, init=False)
    enough: bool = field(default=False, init=False)
    meter_notes: Sequence[str] = field(default=(), init=False)

    def run(self, words: Sequence[str]) -> Ended:
        """Run the command and return how it ended; if stopped by the watch, with exit code 0."""
        with tempfile.TemporaryDirectory(prefix="twenty-watts-") as folder:
            stamps = StampFile(path=Path(folder) / "stamps")
            python = os.pathsep.join(filter(None, (str(HOOK), os.environ.get("PYTHONPATH"))))
            variables = {STAMPS: str(stamps.path), "PYTHONPATH": python}
            if self.counts:
                variables[COUNTER] = step_counter.__file__
            with running(words, variables) as command:
                over = threading.Event()
                watcher = threading.Thread(target=self._watch, args=(stamps, command, over))
                watcher.start()
                try:
                    ended = command.wait()
                finally:
                    over.set()
                    watcher.join()
            self._read(stamps)
            self.whole = stamps.read().stamped()
            self.seen = self.seen or self.whole
        return replace(ended, exit_code=0) if self.enough and not self.goes_on else ended

    def _watch(self, stamps: StampFile, command: Command, over: threading.Event) -> None:
        silent_until_s = time.monotonic() + SILENCE_S
        while not over.wait(POLL_S):
            self._read(stamps)
            if time.monotonic() >= silent_until_s:
                silent_until_s = math.inf
                if not stamps.stamps.steps and self.on_silence is not None:
                    self.on_silence(SILENCE_S)
            if self.enough:
                if self.goes_on:
                    self._follow(stamps, over)
                else:
                    _stop(command.process, over)
                return

    def _follow(self, stamps: StampFile, over: threading.Event) -> None:
        """Report progress of a continuing command, less often as its stamps take longer to read."""
        if self.seen is not None and self.on_enough is not None:
            self.on_enough(self.seen)
        wait_s = PROGRESS_S
        while not over.wait(wait_s):
            began_s = time.monotonic()
            so_far = stamps.read().stamped()
            if so_far is not None and self.on_progress is not None:
                self.on_progress(so_far)
            wait_s = max(PROGRESS_S, 100.0 * (time.monotonic() - began_s))

    def _read(self, stamps: StampFile) -> None:
        """Read the stamps, unless enough have been read."""
        if self.enough:
            return
        seen = stamps.read()
        if not seen.steps:
            return
        long = self.for_s is not None and time.monotonic() - seen.began_s >= self.for_s
        self.enough = long or (self.steps is not None and seen.steps >= self.steps)
        self.seen = seen.stamped() if self.enough else None


def _stop(process: "subprocess.Popen[bytes]", over: threading.Event) -> None:
    """Terminate a command and its descendants, and kill those that do not stop.

    A terminated shell exits at once and leaves its training running.
    """
    family = descendants(process.pid)
    process.terminate()
    until_s = time.monotonic() + PATIENCE_S
    while not over.wait(POLL_S) and time.monotonic() < until_s:
        family |= descendants(process.pid)
    if not over.is_set():
        process.kill()
    end_all(family, PATIENCE_S)


def recorded_watch(
    watch: StepWatch,
    words: Sequence[str],
    given: Mapping[str, Any],
    on_enough: Callable[[MeasuredRun, Stamped], None] | None = None,
) -> tuple[MeasuredRun, Ended]:
    """Watch and meter a command, and store its steps and energy as a run, if it has any.

    Parameters
    ----------
    given : mapping
        Known facts about its steps, as fields of `Timing` such as `flop` and `precision`.
    on_enough : callable, optional
        Called when enough has been seen of a command that continues, with the measurement so far
        and its steps.
    """
    store, notes = store_or_reason()
    recording = Recording(origin="run", label=FORECAST, store=store, of_steps=True, notes=notes)
    recording.start()
    if on_enough is not None:
        watch.on_enough = lambda seen: on_enough(
            recording.so_far(lambda run: recording.placed(run, reported_steps(seen, given))), seen
        )
    with undisturbed():
        try:
            ended = watch.run(words)
        except CommandError:
            recording.drop()
            raise
        recording.notes += ended.notes
        reported = with_program(ended.reported, given.get("style")) or reported_steps(
            watch.seen, given
        )
        if watch.seen is not None:
            reported = tuple(completed(one, watch.seen.counts) for one in reported)
        if watch.seen is not None and watch.seen.processes > 1:
            recording.notes.append(
                f"{watch.seen.processes} processes take steps; the longest-running one is timed"
            )
        measured = recording.end(
            state=ended.state,
            exit_code=ended.exit_code,
            timings=lambda run: recording.placed(run, reported),
        )
        watch.meter_notes = recording.meter_notes
        if store is not None:
            store.close()
    return measured, ended


def completed(reported: Reported, counted: Mapping[str, Any]) -> Reported:
    """Fill in the counts of a step that the program did not report."""
    timing = reported.timing
    return replace(reported, timing=replace(timing, **missing(vars(timing), counted)))


def reported_steps(seen: Stamped | None, given: Mapping[str, Any]) -> tuple[Reported, ...]:
    """Convert stamped steps to a report, or to none if there are too few."""
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
    began_s = seen.began_s + sum(seen.times_s[: found.warm_up])
    return (Reported(timing=timing, began_s=began_s, ended_s=seen.ended_s),)
