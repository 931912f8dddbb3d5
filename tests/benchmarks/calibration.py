"""How true are predictions after a calibration? Programs that the benchmark does not contain.

    python -m tests.benchmarks.calibration measure -o FILE [--minutes 8] [--rounds 3]
    python -m tests.benchmarks.calibration measure -o OTHER --programs PATH [--bench FILE]
    python -m tests.benchmarks.calibration table FILE [--steps 1000]

The first runs `calibrate bench` in a data folder of its own, then every program of
`tests.benchmarks.training` for some seconds; on a quiet machine with PyTorch that takes fourteen
minutes. The second runs the programs of a module, or of all in a folder, instead, after the
benchmark of an earlier file: a function `programs()` returns some `training.programs.Program`.
A shared machine is faster in one minute than in the next; a whole run averages that, six seconds
do not: in several rounds every program is measured again, and the median of its rounds counts.
The third asks for each program what a user would ask: before any measurement, after the benchmark,
and after the benchmark and all other programs; without and with the size of a step, and with what
it does beside its products, too, where PyTorch can count that.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from runpy import run_path
from statistics import median
from typing import TYPE_CHECKING, Any

from estimator.measure.bench.run import BenchQuestion, benchmark, keep_processor
from estimator.measure.session import Session, forecast
from estimator.measure.step_counter import counted_step
from estimator.question.scenario import Scenario
from estimator.runs.record import MeasuredRun, Timing, as_plain, read_run
from tests.benchmarks.prediction import COUNTED, HEADER, KNOWN, line, predicted_s, store_only

if TYPE_CHECKING:
    from tests.benchmarks.training.programs import Program

PROGRAMS = Path(__file__).parent / "training" / "programs.py"
"""Programs that are measured unless others are named."""

SEEN = 20
"""Steps from which a whole run is extrapolated."""

STEPS, LONGEST_S = 60, 6.0
"""A program runs for so many steps, or for so long [s] if it has made twice `SEEN`."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One program as it ran here: its steps and its run are those of the first round."""

    name: str
    kind: str
    arch: str
    precision: str
    flop: float
    step_s: float
    steps: int
    run_s: float
    forecast_s: tuple[float, float, float]
    operations: float | None = None
    traffic_bytes: float | None = None
    times_s: tuple[float, ...] = ()
    rounds_s: tuple[float, ...] = ()


def extrapolated_s(times_s: Sequence[float]) -> tuple[float, float, float]:
    """Time of a whole run that its first steps foretell: low, middle, high [s]."""
    found = forecast(times_s[:SEEN], len(times_s))
    return found.low_s, found.mid_s, found.high_s


def ran(program: "Program") -> Trial:
    """Run a program, and extrapolate it from its first steps."""
    step, flop = program.prepared()
    session, begun = Session(flop=flop), time.monotonic()
    while session.steps < STEPS and (
        session.steps < 2 * SEEN or time.monotonic() - begun < LONGEST_S
    ):
        step()
        session.step()
    run_s = time.monotonic() - begun
    timing = session.timing()
    assert timing is not None
    done = counted_step(step).operations
    return Trial(
        name=program.name,
        kind=program.kind,
        arch=program.arch,
        precision=program.precision,
        flop=flop,
        step_s=timing.time_s,
        steps=session.steps,
        run_s=run_s,
        forecast_s=extrapolated_s(session.times_s),
        operations=None if done is None else done.count,
        traffic_bytes=None if done is None else done.traffic_bytes,
        times_s=tuple(session.times_s),
    )


def benched(minutes: float) -> MeasuredRun:
    """Run the benchmark."""
    run, _ = benchmark(
        BenchQuestion(minutes=minutes),
        lambda progress: print(
            f"{progress.left_s:.0f} s left: {progress.timing.label}", flush=True
        ),
    )
    return run


def programs_of(place: Path) -> "list[Program]":
    """Programs of a module, or of those in a folder."""
    found: list[Program] = []
    for path in [place] if place.is_file() else sorted(place.glob("*.py")):
        made = run_path(str(path)).get("programs")
        found += made() if made is not None else []
    if not found:
        raise ValueError(f"no programs in {place}: it needs modules with a function programs()")
    return found


def bench_of(path: Path) -> MeasuredRun:
    """Benchmark that an earlier file keeps."""
    return read_run(json.loads(path.read_text(encoding="utf-8"))["bench"])


def measure(path: Path, bench: MeasuredRun, chosen: "Sequence[Program]", rounds: int) -> None:
    """Run every program in each round, and keep the figures beside those of the benchmark."""
    trials = dict[str, list[Trial]]()
    for number in range(rounds):
        for program in chosen:
            try:
                trial = ran(program)
            except RuntimeError as error:
                print(f"{program.name}: cannot run here ({error})")
                continue
            trials.setdefault(program.name, []).append(trial)
            print(f"{number + 1}: {trial.name}: {trial.step_s * 1e3:.1f} ms a step", flush=True)
        found = [over_rounds(one) for one in trials.values()]
        kept = {"bench": as_plain(bench), "trials": list(map(asdict, found))}
        path.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def over_rounds(trials: Sequence[Trial]) -> Trial:
    """One program over its rounds: the median of what a step took in each."""
    steps_s = tuple(one.step_s for one in trials)
    return replace(trials[0], step_s=median(steps_s), rounds_s=steps_s)


def as_run(trial: Trial, bench: MeasuredRun, number: int) -> MeasuredRun:
    """What `measure()` would have stored of a program."""
    timing = Timing(
        what="training",
        component="cpu",
        precision=trial.precision,
        kind=trial.kind,
        arch=trial.arch,
        label=trial.name,
        flop=trial.flop,
        operations=trial.operations,
        traffic_bytes=trial.traffic_bytes,
        time_s=trial.step_s,
        repetitions=trial.steps,
    )
    name = f"{bench.id}-{number}"
    return replace(
        bench,
        id=name,
        origin="script",
        label=trial.name,
        timings=(timing,),
        notes=(),
        conditions=(),
    )


def asked(
    trial: Trial, hardware: str, *, known: str, use: bool = True, steps: int | None = None
) -> tuple[float, float, float]:
    """Time of a run of so many steps that `estimate` answers: low, middle, high [s].

    `known` is one of `KNOWN`: what the user tells of a step.
    """
    scenario = Scenario(
        flop=trial.flop * (steps or trial.steps),
        kind=trial.kind,
        arch=trial.arch,
        precision=trial.precision,
        hardware=hardware,
        devices=1.0,
        calibration="use" if use else "ignore",
        step_flop=trial.flop if known else None,
        step_operations=trial.operations if known == COUNTED else None,
        step_traffic=trial.traffic_bytes if known == COUNTED else None,
    )
    return predicted_s(scenario)


def table(path: Path, steps: int | None) -> None:
    """Print how far off each state is, over all programs; by default of the steps that they ran."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    bench = read_run(found["bench"])
    hardware = keep_processor(bench)
    trials = [Trial(**one) for one in found["trials"]]
    runs = [as_run(one, bench, number) for number, one in enumerate(trials)]
    steady = [one.step_s * (steps or one.steps) for one in trials]
    ask = partial(asked, hardware=hardware, steps=steps)
    print(HEADER)
    for known in KNOWN:
        if known != COUNTED:
            answers = [ask(one, known=known, use=False) for one in trials]
            print(line(f"before{known}", answers, steady))
        store_only([bench])
        answers = [ask(one, known=known) for one in trials]
        print(line(f"after bench{known}", answers, steady))
        for one, answer in zip(trials, answers, strict=True):
            if os.environ.get("EACH"):
                share = answer[1] / (steps or one.steps) / one.step_s
                print(f"  {one.name:22} {one.precision} {share:.2f}")
        answers = []
        for number, one in enumerate(trials):
            store_only([bench, *runs[:number], *runs[number + 1 :]])
            answers.append(ask(one, known=known))
        print(line(f"after bench and {len(runs) - 1} others{known}", answers, steady))
    forecasts = [extrapolated_s(one.times_s) if one.times_s else one.forecast_s for one in trials]
    print(line(f"{SEEN} steps extrapolated", forecasts, [one.run_s for one in trials]))


def main() -> None:
    """Measure, or print the table of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=("measure", "table"))
    parser.add_argument("file", nargs="?", type=Path, default=Path("calibration.json"))
    parser.add_argument("-o", dest="file", type=Path, default=argparse.SUPPRESS)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    parser.add_argument("--programs", type=Path, metavar="PATH")
    parser.add_argument("--bench", type=Path, metavar="FILE")
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("TWENTY_WATTS_DATA", folder)
        if options.verb == "measure":
            try:
                chosen = programs_of(options.programs or PROGRAMS)
            except (ValueError, ModuleNotFoundError) as error:
                parser.error(str(error))
            bench = bench_of(options.bench) if options.bench else benched(options.minutes)
            measure(options.file, bench, chosen, max(options.rounds, 1))
        else:
            table(options.file, options.steps)


if __name__ == "__main__":
    main()
