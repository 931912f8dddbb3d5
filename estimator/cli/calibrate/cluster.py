"""`calibrate import --prometheus` and `--slurm`: one cluster run, from its telemetry."""

import argparse
import sys

from estimator.cli.calibrate.imported import store_runs, time_of
from estimator.cli.calibrate.run import work_of
from estimator.cli.calibrate.served_options import load_of
from estimator.cli.options import catalog_of, whole
from estimator.show.terminal import note

LARGEST_BYTES = 64 * 2**20
"""Largest accepted sacct text [B]; larger ones contain several jobs."""


def import_prometheus(options: argparse.Namespace) -> int:
    """Read one run from a server and store it."""
    from estimator.inference.measured_loads import check_loads
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
    progress = _QueryProgress(quiet=options.quiet or options.json)
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
        check_loads(imported.run, catalog)
    return store_runs([imported.run], options)


def _matchers(text: str | None) -> str:
    """Matchers of a selector, with or without braces."""
    return (text or "").strip().removeprefix("{").removesuffix("}").strip(", ")


def import_slurm(options: argparse.Namespace) -> int:
    """Read one job from Slurm's accounting and store it."""
    from estimator.measure.cluster.sacct import ask_sacct, read_sacct
    from estimator.measure.cluster.slurm_import import SlurmRequest, job_run

    asked = SlurmRequest(
        job=options.slurm_job,
        hardware=options.board,
        exclusive=options.exclusive,
        node_gpus=None if options.node_gpus is None else whole("node_gpus", options.node_gpus),
        gathers=options.gathers or "node",
        label=options.label,
        work=work_of(options),
    )
    text = ask_sacct(options.slurm_job) if options.slurm is None else _text_of(options.slurm)
    return store_runs([job_run(read_sacct(text), asked, catalog_of(options))], options)


def _text_of(name: str) -> str:
    """Content of a file or pipe."""
    from pathlib import Path

    from estimator.system.whole_files import read_bounded

    if name == "-":
        data = sys.stdin.buffer.read(LARGEST_BYTES + 1)
        if len(data) > LARGEST_BYTES:
            raise ValueError("stdin has more than 64 MiB: run sacct for one job only")
    else:
        data = read_bounded(Path(name), LARGEST_BYTES)
    coding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return data.decode(coding, errors="replace")


class _QueryProgress:
    """Progress line on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._live = not quiet and sys.stderr.isatty()

    def __call__(self, share: float, what: str) -> None:
        if self._live:
            sys.stderr.write(f"\r\033[K{share:4.0%} {what}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line."""
        if self._live:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
