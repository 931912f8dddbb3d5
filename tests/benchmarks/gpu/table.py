"""Each program on the board, predicted from the benchmark and from the other programs."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from estimator.catalog.shared_runs import read_overlay
from estimator.measure.host_id import host_id
from estimator.question.scenario import Scenario
from estimator.runs import open_store
from estimator.runs.record import MeasuredRun
from tests.benchmarks.prediction import COUNTED, HEADER, KNOWN, line, predicted_s, store_only

STEPS = 20_000
"""Steps of the run that is asked for: some hours, as people run on such boards [1]."""

State = Callable[[int], Sequence[MeasuredRun]]
"""Which runs are in the store while the program of this number is asked for."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Time of a step that was predicted of one program, and what was measured.

    Parameters
    ----------
    low, mid, high : float
        Central 80% and median [s].
    true : float
        As measured [s].
    """

    low: float
    mid: float
    high: float
    true: float


def prediction(run: MeasuredRun, *, known: str, use: bool, name: bool = False) -> Asked:
    """Time of the steps of a program as `estimate` answers; `name` says which program it is.

    `known` is one of `KNOWN`: what the user tells of a step.
    """
    timing = run.timings[0]
    flop = timing.flop or 0.0
    scenario = Scenario(
        flop=flop * STEPS,
        kind=timing.kind,
        arch=timing.arch,
        precision=timing.precision,
        hardware=next(one.hardware for one in run.devices if one.key == timing.component),
        devices=1.0,
        calibration="use" if use else "ignore",
        step_flop=flop if known else None,
        step_operations=timing.operations if known == COUNTED else None,
        step_traffic=timing.traffic_bytes if known == COUNTED else None,
        program=timing.style if name else None,
    )
    low, mid, high = (whole_s / STEPS for whole_s in predicted_s(scenario))
    return Asked(low=low, mid=mid, high=high, true=timing.time_s)


def print_table(path: Path, *, each: bool = False) -> None:
    """Print how far off each state is, over all programs of a file of runs."""
    runs = [one for one in read_overlay(path).runs if not one.served]
    bench = [one for one in runs if one.origin == "bench"]
    programs = [one for one in runs if one.origin != "bench" and one.timings]
    states: dict[str, State] = {
        "before": lambda at: (),
        "after bench": lambda at: bench,
        f"after bench and {len(programs) - 1} others": lambda at: [
            *bench,
            *(one for number, one in enumerate(programs) if number != at),
        ],
    }
    print(HEADER)
    with TemporaryDirectory() as folder:
        os.environ["TWENTY_WATTS_DATA"] = folder
        for known in KNOWN:
            for name, state in states.items():
                asked = []
                for at, program in enumerate(programs):
                    keep(state(at), program.host.id)
                    asked.append(prediction(program, known=known, use=name != "before"))
                    if each:
                        one = asked[-1]
                        print(
                            f"  {program.label}, {program.timings[0].precision}: "
                            f"x {one.mid / one.true:.2f}, "
                            f"{one.low / one.true:.2f} to {one.high / one.true:.2f}"
                        )
                answers = [(one.low, one.mid, one.high) for one in asked]
                print(line(f"{name}{known}", answers, [one.true for one in asked]))


def both_measured(here: Sequence[MeasuredRun], there: Sequence[MeasuredRun]) -> list[MeasuredRun]:
    """Programs of one board that were measured on another one in the same format, the newest."""

    def programs(runs: Sequence[MeasuredRun]) -> dict[tuple[str, str], MeasuredRun]:
        trained = [one for one in runs if one.origin != "bench" and one.timings]
        return {(one.label, one.timings[0].precision or ""): one for one in trained}

    common = programs(there)
    return [one for key, one in programs(here).items() if key in common]


def of_program(runs: Sequence[MeasuredRun], program: MeasuredRun) -> list[MeasuredRun]:
    """Runs of the same program, in any format."""
    return [one for one in runs if one.origin != "bench" and one.label == program.label]


def keep(runs: Sequence[MeasuredRun], home: str) -> None:
    """Make the store hold these runs alone; the host of this id is taken for this machine."""
    store_only(_at_home(one, home) for one in runs)


def _at_home(run: MeasuredRun, home: str) -> MeasuredRun:
    ours = run.host.id == home
    return replace(run, host=replace(run.host, id=host_id())) if ours else run


@contextmanager
def left_out(run: MeasuredRun) -> Iterator[None]:
    """Take one run of this machine out of the store for a while."""
    with open_store() as store:
        store.forget([run.id])
    yield
    with open_store() as store:
        store.add(_at_home(run, run.host.id))
