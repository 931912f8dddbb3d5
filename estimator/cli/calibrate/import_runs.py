"""`calibrate import`: runs of a file, of another program's log, or of a cluster's telemetry."""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from estimator.cli.calibrate.run import OF_TRAINING, WORK, work_of
from estimator.cli.calibrate.served_options import (
    FIELDS,
    add_served_options,
    load_of,
    refuse_served,
)
from estimator.cli.options import add_fields, add_profiles, catalog_of, refuse_given, whole
from estimator.cli.options import positive as positive_number
from estimator.core.units import S_PER_H, YEAR_3000_S
from estimator.question.inputs import option_of
from estimator.show.terminal import note, print_json

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.catalog.shared_runs import Overlay
    from estimator.measure.logs.log_file import LogFile
    from estimator.measure.logs.logged_run import LoggedRun, Unlogged
    from estimator.runs.record import MeasuredRun


FORMATS = (
    *("toml", "trainer-state", "codecarbon", "nvidia-smi", "mlperf", "metrics"),
    *("serving-benchmark", "load-generator", "llama-bench", "boamps", "cyclonedx"),
)
"""File formats that can be named."""


EXAMPLES = """examples:
  twenty-watts calibrate import h100.toml
  twenty-watts calibrate import out/trainer_state.json --hardware a100 --devices 4 --precision bf16
  twenty-watts calibrate import emissions.csv
  twenty-watts calibrate import gpus.csv --params 7e9 --tokens 1e9 --precision bf16
  twenty-watts calibrate import vllm.json --hardware h100 --devices 1 --precision bf16
  twenty-watts calibrate import --prometheus http://prometheus:9090 --selector 'hpc_job="4711"' \\
      --start 2026-11-01T10:00Z --end 2026-11-01T22:00Z --params 7e9 --tokens 2e10 --precision bf16
  twenty-watts calibrate import --slurm-job 4711 --exclusive --flop 8e20 --precision bf16
  sacct -P --noconvert -j 4711 --format=JobID,State,ExitCode,Start,End,ElapsedRaw,NNodes,NodeList,\\
AllocTRES,ConsumedEnergyRaw | twenty-watts calibrate import --slurm - --hardware h100
A file is checked completely before anything is stored. Runs that are already stored are skipped.

Logs are recognized from their content, or set --format to one of:
  trainer-state  trainer_state.json of a Hugging Face Trainer: work, steps and time of a run
  codecarbon     emissions.csv: energy; GPUs are metered, CPU and memory modeled
  nvidia-smi     nvidia-smi --query-gpu=timestamp,index,name,power.draw,utilization.gpu,... \\
                 --format=csv -l 1: power and load of the GPUs
  mlperf         result log of an MLPerf training benchmark (:::MLLOG): time and samples
  metrics        CSV of step times (Lightning's CSVLogger, TensorBoard, Weights & Biases)
  serving-benchmark  JSON of `vllm bench serve --save-result`, or of SGLang's bench_serving
  load-generator     JSON of AIPerf, GenAI-Perf, GuideLLM, trtllm-bench or InferenceX
  llama-bench    llama-bench -o json
  boamps, cyclonedx  energy reports in these formats, as `report` writes them
Where a log lacks --hardware, --devices, --precision, --flop or --params, you are asked to add them.

Prometheus: power, energy, load, temperature and clock of GPUs come from NVIDIA's dcgm-exporter
(DCGM_FI_DEV_POWER_USAGE, DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION), power of nodes from ipmi_exporter,
node_exporter (ACPI, RAPL) or Kepler. Gaps between scrapes stay gaps. Times without a zone are UTC.
A bearer token or user:password is read from TWENTY_WATTS_PROMETHEUS_TOKEN. With --task serving,
tokens, requests and latencies of a vLLM server are read as well.
Slurm: duration, devices and energy of a job. Slurm meters whole nodes, so the energy is the job's
only if it had them to itself (--exclusive).
If you specify what the run did (--params, --flop and so on), it calibrates utilization as well as
power. Node names are not stored.
"""

SOURCES = {
    "file": "file",
    "prometheus": "prometheus",
    "slurm": "slurm",
    "slurm_job": "slurm",
}
"""Option -> the source that it selects."""

GOES_WITH = {
    "window_start": ("prometheus", "log"),
    "window_end": ("prometheus",),
    "hosts": ("prometheus",),
    "selector": ("prometheus",),
    "board": ("slurm", "log"),
    "exclusive": ("slurm",),
    "gathers": ("slurm",),
    "format": ("file", "log"),
    "device_count": ("log",),
    "wall_hours": ("log",),
    "step_work": ("log",),
    **dict.fromkeys(FIELDS, ("log", "prometheus")),
    "server_selector": ("prometheus",),
}
"""Option -> the sources that it applies to."""

NAMES = {"prometheus": "--prometheus", "slurm": "--slurm", "log": "a log", "file": "a file"}

FLAGS = {
    "window_start": "--start",
    "window_end": "--end",
    "board": "--hardware",
    "gathers": "--slurm-energy",
    "device_count": "--devices",
    "step_work": "--step-flop",
}
"""Flags that differ from their option's name."""


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        "import",
        help="import measured runs from a file, another program's log, Prometheus or Slurm",
        description="Store measured runs from an exported file or another program's log, or one "
        "run from cluster telemetry.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="file written by `calibrate export`, or a log"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="format of the file (default: recognized from its content)",
    )
    _add_log_options(parser.add_argument_group("from a log"))
    add_served_options(parser.add_argument_group("from a server benchmark"))
    _add_prometheus(parser.add_argument_group("from Prometheus"))
    _add_slurm(parser.add_argument_group("from Slurm"))
    group = parser.add_argument_group(
        "what the run did (optional; calibrates utilization if given)"
    )
    add_fields(group, WORK)
    group.add_argument("--label", metavar="TEXT", help="human-readable name of the run")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON on stdout")
    parser.add_argument(
        "--quiet", action="store_true", help="print no progress and no notes on stderr"
    )
    add_profiles(parser)
    parser.set_defaults(run=run)


def _add_prometheus(group: Any) -> None:
    group.add_argument("--prometheus", metavar="URL", help="address of the Prometheus server")
    group.add_argument("--start", metavar="TIME", dest="window_start", help="when the run started")
    group.add_argument("--end", metavar="TIME", dest="window_end", help="when the run ended")
    group.add_argument("--hosts", metavar="LIST", help="nodes of the run, separated by commas")
    group.add_argument(
        "--selector",
        metavar="LABELS",
        help="labels that select the run's GPUs, e.g. 'hpc_job=\"4711\"'",
    )
    group.add_argument(
        "--task",
        choices=("training", "serving"),
        default="training",
        help="training run, or vLLM server with the power of its GPUs (default: training)",
    )
    group.add_argument(
        "--server-selector",
        metavar="LABELS",
        help="labels that select the vLLM server, e.g. 'model_name=\"Qwen/Qwen3-14B\"'",
    )


def _add_slurm(group: Any) -> None:
    group.add_argument(
        "--slurm", metavar="FILE", help="output of sacct with its header; - for stdin"
    )
    group.add_argument(
        "--slurm-job", metavar="ID", help="Slurm job to import; runs sacct unless --slurm is given"
    )
    group.add_argument(
        "--hardware",
        metavar="NAME",
        dest="board",
        help="device type (default: as recorded by Slurm)",
    )
    group.add_argument(
        "--exclusive", action="store_true", help="the job had exclusive use of its nodes"
    )
    group.add_argument(
        "--slurm-energy",
        dest="gathers",
        choices=("node", "cpu", "gpu"),
        help="what AcctGatherEnergyType counts: node for ipmi, xcc and pm_counters, cpu for "
        "rapl, gpu for gpu (default: node)",
    )


def run(options: argparse.Namespace) -> int:
    """Import from the selected source."""
    named = {of for name, of in SOURCES.items() if getattr(options, name) is not None}
    if len(named) != 1:
        raise ValueError(
            "specify one source: FILE, --prometheus URL, --slurm FILE or --slurm-job ID"
        )
    source = named.pop()
    if source == "file" and not _is_exported(options):
        source = "log"
    _refuse_idle_options(options, source)
    if source == "prometheus":
        _refuse_other_task(options)
        return _import_prometheus(options)
    if options.task == "serving":
        raise ValueError("--task serving requires --prometheus; the task of a log is detected")
    if source == "slurm":
        return _import_slurm(options)
    return _import_file(options) if source == "file" else _import_log(options)


def _is_exported(options: argparse.Namespace) -> bool:
    """Return whether a file comes from `calibrate export`, from --format or its name."""
    if options.format is not None:
        return bool(options.format == "toml")
    return str(options.file).lower().endswith(".toml")


def _refuse_idle_options(options: argparse.Namespace, source: str) -> None:
    """Refuse options without effect on this source."""
    for name, sources in GOES_WITH.items():
        if source not in sources:
            takers = " or ".join(NAMES[source] for source in sources)
            refuse_given(options, (name,), f"requires {takers}", _flag)
    if source == "file":
        refuse_given(options, (*WORK, "label"), "cannot be combined with a file")


def _refuse_other_task(options: argparse.Namespace) -> None:
    """Refuse options without effect on the Prometheus task."""
    if options.task == "serving":
        refuse_given(options, OF_TRAINING, "requires --task training")
    else:
        refuse_given(options, ("server_selector",), "requires --task serving")
        refuse_served(options, "requires --task serving")


def _flag(name: str) -> str:
    return FLAGS.get(name) or option_of(FIELDS.get(name, name))


def _import_file(options: argparse.Namespace) -> int:
    """Validate a whole file, then store its runs and profiles."""
    from pathlib import Path

    from estimator.catalog.shared_runs import read_overlay
    from estimator.runs import open_store

    catalog = catalog_of(options)
    overlay = read_overlay(Path(options.file), catalog.source_ids)
    kept, skipped = _new_profiles(overlay, catalog)
    with open_store() as store:
        added = store.add_all(overlay.runs)
        notes = list(store.notes)
    _keep_profiles(overlay, kept)
    if options.json:
        there = len(overlay.runs) - added
        print_json({"added": added, "duplicates": there, "profiles": kept, "skipped": skipped})
    for line in notes:
        note(line, quiet=options.quiet)
    said = added_of(len(overlay.runs), added)
    said += f", profile of {', '.join(kept)} added" if kept else ""
    said += f", profile of {', '.join(skipped)} already known" if skipped else ""
    note(said, quiet=options.quiet)
    return 0


def _new_profiles(overlay: "Overlay", catalog: "Catalog") -> tuple[list[str], list[str]]:
    """Split the profiles of a file into new and known devices."""
    known = [
        name
        for name, device in overlay.devices.items()
        if any(catalog.find_device(alias) for alias in (name, device.name, *device.aliases))
    ]
    return [name for name in overlay.devices if name not in known], known


def _keep_profiles(overlay: "Overlay", names: Sequence[str]) -> None:
    from estimator.catalog.measured_profiles import keep_profile, kept_sources

    for name in names:
        device = overlay.devices[name]
        records = (*device.peaks.values(), *device.records.values())
        named = {source for record in records for source in (record.source, *record.sources)}
        fresh = {key: table for key, table in overlay.sources.items() if key in named}
        keep_profile(name, overlay.hardware[name], {**fresh, **kept_sources()})


SIZED_BY = ("params", "config", "preset")
"""Options that determine the network's size, so that a log's tokens imply its work."""


def _add_log_options(group: Any) -> None:
    """Add options for what a log may omit."""
    group.add_argument(
        "--devices", metavar="N", dest="device_count", help="number of devices that shared the work"
    )
    group.add_argument("--wall-hours", metavar="H", help="wall time from start to end [h]")
    group.add_argument(
        "--step-flop", metavar="N", dest="step_work", help="FLOPs of one step on all devices [FLOP]"
    )


def _import_log(options: argparse.Namespace) -> int:
    """Read the runs of a log and store them, all or none."""
    from pathlib import Path

    from estimator.inference.measured_loads import check_loads
    from estimator.measure.logs.formats import logged_runs
    from estimator.measure.logs.log_file import read_log
    from estimator.measure.logs.logged_run import measured_run

    added = _unlogged(options)
    log = read_log(Path(options.file))
    name = options.format or _recognized(log)
    catalog = catalog_of(options)
    found = logged_runs(log, name, catalog, options.board)
    if any(one.served for one in found):
        added = replace(added, load=load_of(options))
    else:
        refuse_served(options, "requires a server benchmark")
    runs = [measured_run(log, one, added, catalog) for one in found]
    for run in runs:
        if run.served:
            check_loads(run, catalog)
    return _store_runs(runs, options)


def _recognized(log: "LogFile") -> str:
    """Format of a log, from its content."""
    from estimator.measure.logs.formats import format_of

    name = format_of(log)
    if name is None and "JobID" in log.first_line:
        raise ValueError(f"{log.name}: this is output of sacct; pass it with --slurm")
    if name is None and log.first_line.count(";") > log.first_line.count(","):
        raise ValueError(
            f"{log.name}: columns are separated by semicolons; use commas between columns and "
            "decimal points in numbers"
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

    hours = _positive("wall-hours", options.wall_hours)
    started = options.window_start
    return Unlogged(
        hardware=options.board,
        devices=None if options.device_count is None else whole("devices", options.device_count),
        wall_s=None if hours is None else hours * S_PER_H,
        started=None if started is None else datetime.fromtimestamp(time_of("start", started), UTC),
        label=options.label,
        step_flop=_positive("step-flop", options.step_work),
        work=lambda run: work_of(_with_logged(options, run)),
    )


def _with_logged(options: argparse.Namespace, run: "LoggedRun") -> argparse.Namespace:
    """Return the options, with the log's tokens or samples as defaults."""
    given = argparse.Namespace(**vars(options))
    sized = any(getattr(given, name) is not None for name in SIZED_BY)
    if sized and given.flop is None and given.tokens is None and given.samples is None:
        if run.tokens is not None:
            given.tokens = repr(run.tokens)
        elif run.samples is not None:
            given.samples = repr(run.samples)
    return given


LARGEST_BYTES = 64 * 2**20
"""Largest accepted sacct text [B]; larger ones contain several jobs."""


def _import_prometheus(options: argparse.Namespace) -> int:
    """Read one run from a server and store it."""
    from estimator.inference.measured_loads import check_loads
    from estimator.measure.cluster.prometheus import Prometheus
    from estimator.measure.cluster.prometheus_import import import_run
    from estimator.measure.cluster.prometheus_series import Wanted
    from estimator.measure.cluster.vllm_series import import_server

    if options.window_start is None or options.window_end is None:
        raise ValueError("the start and end of the run are missing: set --start and --end")
    wanted = Wanted(
        start_s=time_of("start", options.window_start),
        end_s=time_of("end", options.window_end),
        hosts=tuple(part.strip() for part in (options.hosts or "").split(",") if part.strip()),
        selector=_matchers(options.selector),
        label=options.label,
        work={} if options.task == "serving" else work_of(options),
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
    return _store_runs([imported.run], options)


def _matchers(text: str | None) -> str:
    """Parse a selector's matchers, with or without braces."""
    return (text or "").strip().removeprefix("{").removesuffix("}").strip(", ")


def _import_slurm(options: argparse.Namespace) -> int:
    """Read one job from Slurm's accounting and store it."""
    from estimator.measure.cluster.sacct import ask_sacct, read_sacct
    from estimator.measure.cluster.slurm_import import SlurmRequest, job_run

    asked = SlurmRequest(
        job=options.slurm_job,
        hardware=options.board,
        exclusive=options.exclusive,
        gathers=options.gathers or "node",
        label=options.label,
        work=work_of(options),
    )
    text = ask_sacct(options.slurm_job) if options.slurm is None else _text_of(options.slurm)
    return _store_runs([job_run(read_sacct(text), asked, catalog_of(options))], options)


def _text_of(name: str) -> str:
    """Read a file or pipe."""
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


def _positive(name: str, text: str | None) -> float | None:
    """Parse a positive number, or return None."""
    from estimator.question.inputs import read_number

    if text is None:
        return None
    return positive_number(name, read_number(name, text))


def _store_runs(runs: "Sequence[MeasuredRun]", options: argparse.Namespace) -> int:
    """Store runs, all or none, and print a summary.

    In JSON, a cluster run is `run`, and the runs of a log are a list, `runs`.
    """
    from estimator.catalog.shared_runs import implausible_values
    from estimator.cli.calibrate.measured_run import run_lines
    from estimator.runs import open_store
    from estimator.runs.record import as_plain

    for key, rule in (found for run in runs for found in implausible_values(run)):
        raise ValueError(f"the source is invalid, nothing was stored: {key} {rule}")
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
    again = f" and unchanged (to import one again: twenty-watts calibrate forget {runs[0].id})"
    for line in (*notes, added_of(len(runs), added) + (again if there else "")):
        note(line, quiet=options.quiet)
    return 0


def added_of(count: int, added: int) -> str:
    """Format the number of new runs of an import.

    Examples
    --------
    >>> added_of(1, 1), added_of(3, 1), added_of(2, 0)
    ('1 run added', '1 run added, 2 already stored', '0 runs added, 2 already stored')
    """
    there = f", {count - added} already stored" if added < count else ""
    return f"{added} run{'' if added == 1 else 's'} added{there}"
