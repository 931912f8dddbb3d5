"""Each program on the board, predicted from the benchmark and from the other programs."""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from estimator.catalog import Catalog
from estimator.catalog.shared_runs import read_overlay
from estimator.estimation.scenario_answer import Answer, answer_scenario
from estimator.measure.host import host_id
from estimator.runs import open_store, store_path
from estimator.runs.record import MeasuredRun
from estimator.scenario.scenario import Scenario

STEPS = 20_000
"""Steps of the run that is asked for: some hours, as people run on such boards [1]."""

State = Callable[[int], Sequence[MeasuredRun]]
"""Which runs are in the store while the program of this number is asked for."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was predicted of one program, and what was measured.

    Parameters
    ----------
    quantity : str
        "time" or "power".
    low, mid, high : float
        Central 80 % and median.
    true : float
        As measured.
    """

    quantity: str
    low: float
    mid: float
    high: float
    true: float


def predictions(run: MeasuredRun, *, size: bool, use: bool) -> list[Asked]:
    """Time of the steps of a program, and power of the board meanwhile, as `estimate` answers."""
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
        step_flop=flop if size else None,
    )
    answer: Answer = answer_scenario(scenario, Catalog.open())
    hours = answer.estimate.quantities["wall_hours"]
    low, high = hours.interval()
    scale = 3600.0 / STEPS
    return [
        Asked(
            quantity="time",
            low=scale * float(low),
            mid=scale * float(hours.mid),
            high=scale * float(high),
            true=timing.time_s,
        )
    ]


def line(name: str, asked: Sequence[Asked]) -> str:
    """Errors and coverage of some predictions."""
    ratio = np.array([one.mid / one.true for one in asked])
    error = np.abs(ratio - 1.0)
    inside = sum(one.low <= one.true <= one.high for one in asked)
    return (
        f"{name:42} {np.median(error):7.1%} {np.quantile(error, 0.9):7.1%} "
        f"x {statistics.median(ratio):4.2f}  {inside:2}/{len(asked)} ({inside / len(asked):.0%})"
    )


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
    print(f"{'state':42} {'median':>7} {'p90':>7} {'bias':>6}  inside the 80 % interval")
    with TemporaryDirectory() as folder:
        os.environ["TWENTY_WATTS_DATA"] = folder
        for size in (False, True):
            for name, state in states.items():
                asked = []
                for at, program in enumerate(programs):
                    keep(state(at), program.host.id)
                    asked += predictions(program, size=size, use=name != "before")
                    if each:
                        one = asked[-1]
                        print(
                            f"  {program.label}, {program.timings[0].precision}: "
                            f"x {one.mid / one.true:.2f}, "
                            f"{one.low / one.true:.2f} to {one.high / one.true:.2f}"
                        )
                print(line(f"{name}{', step size given' if size else ''}", asked))


def keep(runs: Sequence[MeasuredRun], home: str) -> None:
    """Make the store hold these runs alone; the host of this id is taken for this machine."""
    for side in ("", "-wal", "-shm"):
        Path(f"{store_path()}{side}").unlink(missing_ok=True)
    with open_store() as store:
        store.add_all(
            replace(one, host=replace(one.host, id=host_id())) if one.host.id == home else one
            for one in runs
        )
