"""Step times in a table of metrics, such as Lightning's metrics.csv.

A column has step times, or they follow from differences in a column of times, as in TensorBoard and
Weights & Biases exports. The column is found by name or given.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from estimator.measure.logs.log_file import LogFile, Row, moment_of, number, table_of
from estimator.measure.logs.logged_run import LoggedRun
from estimator.measure.steady import SteadySteps, steady

STEP_TIMES = (
    *("step_time", "step_time_s", "train_step_time", "iter_time", "iteration_time", "batch_time"),
    *("time_per_step", "time_per_iteration", "step_duration", "sec_per_step", "seconds_per_step"),
)
"""Step-time columns [s], or with suffix "_ms" [ms]; text before a slash is ignored."""

MOMENTS = (
    *("wall time", "wall_time", "_timestamp", "timestamp", "_runtime", "runtime", "relative time"),
    *("elapsed", "elapsed_s", "elapsed_time", "total_time", "time"),
)
"""Columns of increasing times."""

STEPS = ("step", "global_step", "_step", "iteration", "iter", "trainer/global_step")
FEWEST = 4
"""Least times; fewer are only start-up."""

ABSOLUTE_S = 6e8
"""Times from here on are seconds since 1970 [s]."""


def is_step_times(log: LogFile) -> bool:
    """Return whether a table has step times, or a column of times and one of steps."""
    columns = [cell.strip() for cell in log.first_line.split(",")]
    if len(columns) < 2:
        return False
    return _column(columns, STEP_TIMES, ("", "_ms")) is not None or (
        _column(columns, MOMENTS) is not None and _column(columns, STEPS) is not None
    )


def read_step_times(log: LogFile) -> list[LoggedRun]:
    """Read the only run of a table."""
    rows = table_of(log)
    columns = list(rows[0]) if rows else []
    named = _column(columns, STEP_TIMES, ("", "_ms"))
    started = None
    if named is not None:
        scale = 1e-3 if named.lower().endswith(("_ms", "[ms]", "(ms)")) else 1.0
        times = [scale * one for row in rows if (one := number(row.get(named))) and one > 0]
        each = 1.0
    else:
        times, each, started = _differences(log, rows, columns)
    found = steady(times)
    if found is None or len(times) < FEWEST:
        raise log.refused(f"{len(times)} step times, and at least {FEWEST} are needed")
    spread = None if found.log_sd is None else found.log_sd * math.sqrt(each)
    steps = replace(found, steps=round(found.steps * each), log_sd=spread)
    return [
        LoggedRun(
            identity=("step times", named or "", *(f"{one:.9g}" for one in times)),
            wall_s=float(np.sum(times)) * each,
            started=started,
            steps=replace(steps, warm_up=round(found.warm_up * each)),
            all_steps=len(times) * each,
            notes=("the table has no energy", *_pauses(steps)),
        )
    ]


def _column(
    columns: Sequence[str], names: Sequence[str], ends: Sequence[str] = ("",)
) -> str | None:
    """First matching column by name."""
    plain = {one.lower().rpartition("/")[2].strip(): one for one in reversed(columns)}
    plain |= {one.lower().strip(): one for one in reversed(columns)}
    return next((plain[name + end] for name in names for end in ends if name + end in plain), None)


def _differences(
    log: LogFile, rows: Sequence[Row], columns: Sequence[str]
) -> tuple[list[float], float, datetime | None]:
    """Times per step between rows, steps between rows, and time of the first row."""
    moment, step = _column(columns, MOMENTS), _column(columns, STEPS)
    if moment is None or step is None:
        raise log.refused("no column of step times: rename it to step_time")
    points: dict[float, float] = {}
    for row in rows:
        time_s, at = _seconds(row.get(moment, "")), number(row.get(step))
        if time_s is not None and at is not None:
            points[at] = time_s
    steps = np.array(sorted(points))
    times = np.array([points[one] for one in steps.tolist()])
    done, took = np.diff(steps), np.diff(times)
    forward = (done > 0) & (took > 0)
    if not forward.any():
        raise log.refused(f"the times in {moment} do not grow with {step}")
    begin = float(times[0])
    first = datetime.fromtimestamp(begin, UTC) if ABSOLUTE_S < begin < 3e10 else None
    return (took / done)[forward].tolist(), float(np.median(done[forward])), first


def _seconds(cell: str) -> float | None:
    """Seconds of a cell with a number or date."""
    moment = moment_of(cell) if "-" in cell[1:] or "/" in cell else None
    return number(cell) if moment is None else moment.timestamp()


def _pauses(found: SteadySteps) -> list[str]:
    if not found.pauses:
        return []
    return [f"{found.pauses} pauses of {found.pause_s:.3g} s in all, which no step time holds"]
