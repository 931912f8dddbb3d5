"""Shared parts of imports: times, numbers, and storing runs."""

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from estimator.cli.options import positive as positive_number
from estimator.core.units import YEAR_3000_S
from estimator.show.terminal import note, print_json

if TYPE_CHECKING:
    from estimator.runs.record import MeasuredRun

SHOWN = 10
"""Most runs of one import that are printed."""


def time_of(name: str, text: str) -> float:
    """Parse a time: ISO 8601, UTC by default, or seconds since 1970.

    Examples
    --------
    >>> time_of("start", "2026-11-01T11:00+01:00") == time_of("start", "1793527200")
    True
    """
    from datetime import UTC, datetime

    try:
        time_s = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.strip())
            time_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            time_s = math.nan
    if not 0 <= time_s < YEAR_3000_S:
        raise ValueError(f"{name} must be a time such as 2026-11-01T10:00Z, got {text!r}")
    return time_s


def positive(name: str, text: str | None) -> float | None:
    """Parse a positive number, or return None."""
    from estimator.question.inputs import read_number

    if text is None:
        return None
    return positive_number(name, read_number(name, text))


def store_runs(runs: "Sequence[MeasuredRun]", options: argparse.Namespace) -> int:
    """Store runs, all or none, and print a summary.

    In JSON, a cluster run is `run`, and the runs of a log are a list, `runs`.
    """
    from estimator.catalog.shared_runs import implausible_values
    from estimator.cli.calibrate.measured_run import run_lines
    from estimator.runs import open_store
    from estimator.runs.record import as_plain

    for key, rule in (found for run in runs for found in implausible_values(run)):
        raise ValueError(f"the source is damaged, nothing is stored: {key} {rule}")
    with open_store() as store:
        added = store.add_all(runs)
        notes = list(store.notes)
    there = len(runs) - added
    if options.json:
        plain = [as_plain(run) for run in runs]
        shown = {"run": plain[0]} if options.file is None else {"runs": plain}
        print_json({"added": added, "duplicates": there, **shown})
    for run in runs[:SHOWN]:
        notes += run_lines(run)
    if len(runs) > SHOWN:
        notes.append(f"{len(runs) - SHOWN} more runs; see them all with `calibrate show`")
    again = f" and unchanged (to import one anew: twenty-watts calibrate forget {runs[0].id})"
    for line in (*notes, added_of(len(runs), added) + (again if there else "")):
        note(line, quiet=options.quiet)
    return 0


def added_of(count: int, added: int) -> str:
    """Format the number of new runs of an import.

    Examples
    --------
    >>> added_of(1, 1), added_of(3, 1), added_of(2, 0)
    ('1 run added', '1 run added, 2 there already', '0 runs added, 2 there already')
    """
    there = f", {count - added} there already" if added < count else ""
    return f"{added} run{'' if added == 1 else 's'} added{there}"
