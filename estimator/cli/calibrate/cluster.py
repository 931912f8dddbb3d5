"""`calibrate import --prometheus` and `--slurm`: one run on a cluster, by its telemetry."""

import argparse
import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from estimator.cli.calibrate.run import work_of
from estimator.cli.calibrate.served_options import check_served, load_of
from estimator.cli.options import catalog_of
from estimator.cli.output import note, print_json

if TYPE_CHECKING:
    from estimator.runs.record import MeasuredRun

LARGEST_BYTES = 64 * 2**20
"""A text of sacct above this is of more than one job [B]."""

EARLIEST_S, LATEST_S = 0.0, 32_503_680_000.0
"""Times before 1970 and after 2999 are slips [s since 1970]."""


def import_prometheus(options: argparse.Namespace) -> int:
    """Read one run from a server and store it."""
    from estimator.measure.cluster.prometheus import Prometheus
    from estimator.measure.cluster.prometheus_import import import_run
    from estimator.measure.cluster.prometheus_series import Wanted
    from estimator.measure.cluster.vllm_series import import_server

    if options.window_start is None or options.window_end is None:
        raise ValueError("say when the run began and ended: --start and --end")
    wanted = Wanted(
        start_s=time_of("start", options.window_start),
        end_s=time_of("end", options.window_end),
        hosts=tuple(one.strip() for one in (options.hosts or "").split(",") if one.strip()),
        selector=_matchers(options.selector),
        label=options.label,
        work={} if options.task == "serving" else work_of(options),
        kepler_measures=options.kepler_measures,
    )
    server = Prometheus.at(options.prometheus)
    progress = _Progress(quiet=options.quiet or options.json)
    catalog = catalog_of(options)
    stated = load_of(options) if options.task == "serving" else {}
    try:
        if options.task == "serving":
            imported = import_server(
                server,
                wanted,
                catalog,
                selector=_matchers(options.server_selector),
                stated=stated,
                progress=progress,
            )
        else:
            imported = import_run(server, wanted, catalog, progress)
    finally:
        progress.clear()
    for number, node in enumerate(imported.nodes):
        note(f"node{number} is {node}", quiet=options.quiet)
    if imported.run.served:
        check_served(imported.run, catalog)
    return _store(imported.run, options)


def _matchers(text: str | None) -> str:
    """Matchers of a selector, with or without braces."""
    return (text or "").strip().removeprefix("{").removesuffix("}").strip(", ")


def import_slurm(options: argparse.Namespace) -> int:
    """Read one job from Slurm's accounting and store it."""
    from estimator.measure.cluster.sacct import ask_sacct, read_sacct
    from estimator.measure.cluster.slurm_import import Asked, job_run
    from estimator.scenario.scenario import read_number

    node_gpus = None
    if options.node_gpus is not None:
        node_gpus = read_number("node-gpus", options.node_gpus)
        if node_gpus < 1 or node_gpus != int(node_gpus):
            raise ValueError(f"node-gpus must be a whole number of 1 or more, got {node_gpus}")
    asked = Asked(
        job=options.slurm_job,
        hardware=options.board,
        exclusive=options.exclusive,
        node_gpus=None if node_gpus is None else int(node_gpus),
        gathers=options.gathers or "node",
        label=options.label,
        work=work_of(options),
    )
    text = ask_sacct(options.slurm_job) if options.slurm is None else _text_of(options.slurm)
    return _store(job_run(read_sacct(text), asked, catalog_of(options)), options)


def time_of(name: str, text: str) -> float:
    """Read a time: ISO 8601, in UTC unless it says otherwise, or seconds since 1970.

    Returns
    -------
    float
        Seconds since 1970 [s].

    Raises
    ------
    ValueError
        If it is neither, or not of this age.

    Examples
    --------
    >>> time_of("start", "2026-11-01T11:00+01:00") == time_of("start", "1793527200")
    True
    """
    try:
        time_s = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.strip())
            time_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            time_s = math.nan
    if not EARLIEST_S <= time_s < LATEST_S:
        raise ValueError(f"{name} must be a time such as 2026-11-01T10:00Z, got {text!r}")
    return time_s


def _text_of(name: str) -> str:
    """Content of a file, or of what is piped in."""
    if name == "-":
        data = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    else:
        path = Path(name)
        if path.is_dir():
            raise ValueError(f"{name} is a directory: name a file")
        with path.open("rb") as file:
            data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise ValueError(f"{name} is larger than 64 MiB: ask sacct for one job")
    return data.decode("utf-8", errors="replace")


def _store(measured: "MeasuredRun", options: argparse.Namespace) -> int:
    """Put one run into the store, and tell of it."""
    from estimator.runs import open_store
    from estimator.runs.record import as_plain
    from estimator.runs.run_summary import lines

    with open_store() as store:
        added = store.add(measured)
        notes = list(store.notes)
    if options.json:
        print_json({"added": int(added), "duplicates": int(not added), "run": as_plain(measured)})
    for line in (*notes, *lines(measured)):
        note(line, quiet=options.quiet)
    if not added:
        again = f"to import it anew: twenty-watts calibrate forget {measured.id}"
        note(f"this run is there already, and was left as it was; {again}", quiet=options.quiet)
    return 0


class _Progress:
    """A line on the terminal that is written over; nothing where stderr is none."""

    def __init__(self, *, quiet: bool) -> None:
        self._live = not quiet and sys.stderr.isatty()

    def __call__(self, share: float, what: str) -> None:
        if self._live:
            sys.stderr.write(f"\r\033[K{share:4.0%} {what}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
