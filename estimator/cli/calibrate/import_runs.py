"""`calibrate import`: runs from a file, another program's log, or cluster telemetry."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from estimator.cli.calibrate.import_logs import FORMATS, add_log_options, import_log
from estimator.cli.calibrate.imported import added_of
from estimator.cli.calibrate.run import OF_TRAINING, WORK
from estimator.cli.calibrate.served_options import FIELDS, add_served_options, refuse_served
from estimator.cli.options import add_fields, add_profiles, catalog_of, refuse_given
from estimator.question.inputs import option_of
from estimator.show.terminal import note, print_json

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.catalog.shared_runs import Overlay

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
A file is checked whole before any of it is stored; runs that are there already are skipped.

Logs are recognized by their content (--format names one of them):
  trainer-state  trainer_state.json of a Hugging Face Trainer: work, steps and time of a run
  codecarbon     emissions.csv: energy; boards by counter, processor and memory are modelled
  nvidia-smi     nvidia-smi --query-gpu=timestamp,index,name,power.draw,utilization.gpu,... \\
                 --format=csv -l 1: power and load of the boards
  mlperf         result log of an MLPerf training benchmark (:::MLLOG): time and samples
  metrics        CSV of step times (Lightning's CSVLogger, TensorBoard, Weights & Biases)
  serving-benchmark  JSON of `vllm bench serve --save-result`, or of SGLang's bench_serving
  load-generator     JSON of AIPerf, GenAI-Perf, GuideLLM, trtllm-bench or InferenceX
  llama-bench    llama-bench -o json
  boamps, cyclonedx  energy reports in these formats, as `report` writes them
What a log leaves out is asked for: --hardware, --devices, --precision, --flop or --params.

From Prometheus: power and energy of the boards by NVIDIA's dcgm-exporter (DCGM_FI_DEV_POWER_USAGE,
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION) with their load, heat and clock; of the nodes by
ipmi_exporter, node_exporter (ACPI, RAPL) or Kepler. Samples are read as they were scraped, so that
a gap is seen as a gap. Times without a zone are UTC. A bearer token, or user:password, is taken
from the environment variable TWENTY_WATTS_PROMETHEUS_TOKEN.
With --task serving the load of a vLLM server is read, too: tokens, requests, latencies.
From Slurm: how long a job ran on what, and its energy, which is that of whole nodes: the job's only
if it had them for itself.
If you specify what the run did (--params, --flop and so on), it also calibrates utilization;
otherwise only power. Names of nodes are not kept.
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
    "kepler_measures": ("prometheus",),
    "board": ("slurm", "log"),
    "exclusive": ("slurm",),
    "node_gpus": ("slurm",),
    "gathers": ("slurm",),
    "format": ("file", "log"),
    "device_count": ("log",),
    "wall_hours": ("log",),
    "step_work": ("log",),
    "step_time_column": ("log",),
    "this_host": ("log",),
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
        help="measured runs of a file, of another program's log, or of Prometheus or Slurm",
        description="Store measured runs of a file, of a log that another program wrote, or one "
        "run by the telemetry of its cluster.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="a file from `calibrate export`, or a log"
    )
    parser.add_argument("--format", choices=FORMATS, help="of the file (default: by its content)")
    add_log_options(parser.add_argument_group("from a log"))
    add_served_options(parser.add_argument_group("from a benchmark of a server"))
    _add_prometheus(parser.add_argument_group("from Prometheus"))
    _add_slurm(parser.add_argument_group("from Slurm"))
    group = parser.add_argument_group("what the run did, if you know it")
    add_fields(group, WORK)
    group.add_argument("--label", metavar="TEXT", help="human-readable name of the run")
    parser.add_argument("--json", action="store_true", help="the summary as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress and notes on stderr")
    add_profiles(parser)
    parser.set_defaults(run=run)


def _add_prometheus(group: Any) -> None:
    group.add_argument("--prometheus", metavar="URL", help="address of the server")
    group.add_argument("--start", metavar="TIME", dest="window_start", help="when the run began")
    group.add_argument("--end", metavar="TIME", dest="window_end", help="when it ended")
    group.add_argument("--hosts", metavar="LIST", help="its nodes, separated by commas")
    group.add_argument(
        "--selector", metavar="LABELS", help="labels of its boards, e.g. 'hpc_job=\"4711\"'"
    )
    group.add_argument(
        "--task",
        choices=("training", "serving"),
        default="training",
        help="serving: a vLLM server and the power of its boards (default: training)",
    )
    group.add_argument(
        "--server-selector",
        metavar="LABELS",
        help="labels of the vLLM server, e.g. 'model_name=\"Qwen/Qwen3-14B\"'",
    )
    group.add_argument(
        "--kepler-measures",
        action="store_true",
        help="Kepler reads counters on these nodes: else its figures count as modelled",
    )


def _add_slurm(group: Any) -> None:
    group.add_argument(
        "--slurm", metavar="FILE", help="output of sacct with its header; - is stdin"
    )
    group.add_argument(
        "--slurm-job", metavar="ID", help="the job; without --slurm, sacct is run for it"
    )
    group.add_argument(
        "--hardware", metavar="NAME", dest="board", help="devices it ran on (default: their type)"
    )
    group.add_argument("--exclusive", action="store_true", help="the job had its nodes for itself")
    group.add_argument("--node-gpus", metavar="N", help="boards of a node")
    group.add_argument(
        "--slurm-energy",
        dest="gathers",
        choices=("node", "cpu", "gpu"),
        help="what AcctGatherEnergyType counts: ipmi, xcc, pm_counters the node, rapl the "
        "processors, gpu the boards (default: node)",
    )


def run(options: argparse.Namespace) -> int:
    """Import from the selected source."""
    named = {of for name, of in SOURCES.items() if getattr(options, name) is not None}
    if len(named) != 1:
        raise ValueError("name one source: FILE, --prometheus URL, --slurm FILE or --slurm-job ID")
    source = named.pop()
    if source == "file" and not _is_exported(options):
        source = "log"
    _refuse_idle_options(options, source)
    if source == "prometheus":
        _refuse_other_task(options)
        from estimator.cli.calibrate.cluster import import_prometheus

        return import_prometheus(options)
    if options.task == "serving":
        raise ValueError("--task serving goes with --prometheus only; a log says its task itself")
    if source == "slurm":
        from estimator.cli.calibrate.cluster import import_slurm

        return import_slurm(options)
    return _import_file(options) if source == "file" else import_log(options)


def _is_exported(options: argparse.Namespace) -> bool:
    """Return whether a file comes from `calibrate export`, from --format or its name."""
    if options.format is not None:
        return bool(options.format == "toml")
    return str(options.file).lower().endswith(".toml")


def _refuse_idle_options(options: argparse.Namespace, source: str) -> None:
    """Refuse options without effect on this source."""
    for name, sources in GOES_WITH.items():
        if source not in sources:
            takers = " or ".join(NAMES[one] for one in sources)
            refuse_given(options, (name,), f"goes with {takers} only", _flag)
    if source == "file":
        refuse_given(options, (*WORK, "label"), "cannot be combined with a file")


def _refuse_other_task(options: argparse.Namespace) -> None:
    """Refuse options without effect on the Prometheus task."""
    if options.task == "serving":
        refuse_given(options, OF_TRAINING, "goes with --task training only")
    else:
        refuse_given(options, ("server_selector",), "goes with --task serving only")
        refuse_served(options, "goes with --task serving only")


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
    said += f", profile of {', '.join(skipped)} known already" if skipped else ""
    note(said, quiet=options.quiet)
    return 0


def _new_profiles(overlay: "Overlay", catalog: "Catalog") -> tuple[list[str], list[str]]:
    """Split the profiles of a file into new and known devices."""
    known = [
        name
        for name, device in overlay.devices.items()
        if any(catalog.find_device(one) for one in (name, device.name, *device.aliases))
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
