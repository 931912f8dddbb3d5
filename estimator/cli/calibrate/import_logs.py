"""`calibrate import FILE`: runs from the log of a trainer, meter or benchmark."""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from estimator.cli.calibrate.imported import positive, store_runs, time_of
from estimator.cli.calibrate.run import work_of
from estimator.cli.calibrate.served_options import load_of, refuse_served
from estimator.cli.options import catalog_of, whole
from estimator.core.units import S_PER_H

if TYPE_CHECKING:
    from estimator.measure.logs.log_file import LogFile
    from estimator.measure.logs.logged_run import LoggedRun, Unlogged

FORMATS = (
    *("toml", "trainer-state", "codecarbon", "nvidia-smi", "mlperf", "metrics"),
    *("serving-benchmark", "load-generator", "llama-bench", "boamps", "cyclonedx"),
)
"""File formats that can be named."""

SIZED_BY = ("params", "config", "preset")
"""Options that determine the network's size, so that a log's tokens imply its work."""


def add_log_options(group: Any) -> None:
    """Add options for what a log may omit."""
    group.add_argument(
        "--devices", metavar="N", dest="device_count", help="how many devices shared the work"
    )
    group.add_argument("--wall-hours", metavar="H", help="time from start to end [h]")
    group.add_argument(
        "--step-flop", metavar="N", dest="step_work", help="work of one step, all devices [FLOP]"
    )
    group.add_argument("--step-time-column", metavar="NAME", help="column of the step times")
    group.add_argument("--this-host", action="store_true", help="the run was made on this machine")


def import_log(options: argparse.Namespace) -> int:
    """Read the runs of a log and store them, all or none."""
    from pathlib import Path

    from estimator.inference.measured_loads import check_loads
    from estimator.measure.logs.formats import LogReading, logged_runs
    from estimator.measure.logs.log_file import read_log
    from estimator.measure.logs.logged_run import measured_run

    added = _unlogged(options)
    log = read_log(Path(options.file))
    name = options.format or _recognized(log)
    catalog = catalog_of(options)
    reading = LogReading(
        catalog=catalog, hardware=options.board, step_time_column=options.step_time_column
    )
    found = logged_runs(log, name, reading)
    if any(one.served for one in found):
        added = replace(added, load=load_of(options))
    else:
        refuse_served(options, "goes with a benchmark of a server only")
    runs = [measured_run(log, one, added, catalog) for one in found]
    for run in runs:
        if run.served:
            check_loads(run, catalog)
    return store_runs(runs, options)


def _recognized(log: "LogFile") -> str:
    """Format of a log, from its content."""
    from estimator.measure.logs.formats import format_of

    name = format_of(log)
    if name is None and "JobID" in log.first_line:
        raise ValueError(f"{log.name}: this is output of sacct: pass it by --slurm")
    if name is None and log.first_line.count(";") > log.first_line.count(","):
        raise ValueError(
            f"{log.name}: columns are separated by semicolons: write it with commas, and numbers "
            "with a decimal point"
        )
    if name is None:
        raise ValueError(
            f"{log.name}: format not recognized; set --format to one of {', '.join(FORMATS)}"
        )
    return name


def _unlogged(options: argparse.Namespace) -> "Unlogged":
    """Return the facts that the options add to the log."""
    from datetime import UTC, datetime

    from estimator.measure.logs.logged_run import Unlogged

    hours = positive("wall-hours", options.wall_hours)
    started = options.window_start
    return Unlogged(
        hardware=options.board,
        devices=None if options.device_count is None else whole("devices", options.device_count),
        wall_s=None if hours is None else hours * S_PER_H,
        started=None if started is None else datetime.fromtimestamp(time_of("start", started), UTC),
        label=options.label,
        on_this_host=options.this_host,
        step_flop=positive("step-flop", options.step_work),
        work=lambda run: work_of(_with_logged(options, run)),
    )


def _with_logged(options: argparse.Namespace, run: "LoggedRun") -> argparse.Namespace:
    """Options with the log's tokens or samples as defaults."""
    given = argparse.Namespace(**vars(options))
    sized = any(getattr(given, name) is not None for name in SIZED_BY)
    if sized and given.flop is None and given.tokens is None and given.samples is None:
        if run.tokens is not None:
            given.tokens = repr(run.tokens)
        elif run.samples is not None:
            given.samples = repr(run.samples)
    return given
