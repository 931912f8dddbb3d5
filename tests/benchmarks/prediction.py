"""What `estimate` says of a run while certain runs are in the store, against what was measured."""

import statistics
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.runs import open_store, store_path
from estimator.runs.record import MeasuredRun

HEADER = f"{'state':42} {'median':>7} {'p90':>7} {'bias':>6}  inside the 80% interval"
"""Names of the columns of `line`."""

SIZE, COUNTED = ", step size given", ", step counted"
KNOWN = ("", SIZE, COUNTED)
"""What the user tells of a step: nothing, its work, all that count_flop counts."""


def predicted_s(scenario: Scenario) -> tuple[float, float, float]:
    """Time of the whole run that `estimate` answers: low, middle, high [s]."""
    hours = answer_scenario(scenario, Catalog.open()).estimate.quantities["wall_hours"]
    low, high = hours.interval()
    return 3600.0 * float(low), 3600.0 * float(hours.mid), 3600.0 * float(high)


def line(name: str, answers: Iterable[tuple[float, float, float]], true_s: list[float]) -> str:
    """Errors and coverage of some answers."""
    low, mid, high = np.array(list(answers)).T
    true = np.array(true_s)
    error = np.abs(mid / true - 1.0)
    inside = int(np.sum((low <= true) & (true <= high)))
    return (
        f"{name:42} {np.median(error):7.1%} {np.quantile(error, 0.9):7.1%} "
        f"x {statistics.median(mid / true):4.2f}  {inside:2}/{len(true)} ({inside / len(true):.0%})"
    )


def store_only(runs: Iterable[MeasuredRun]) -> None:
    """Make the store of the data folder hold these runs alone."""
    for side in ("", "-wal", "-shm"):
        Path(f"{store_path()}{side}").unlink(missing_ok=True)
    with open_store() as store:
        store.add_all(runs)
