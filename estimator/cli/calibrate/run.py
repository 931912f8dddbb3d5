"""`calibrate run`: run a training or serving command unchanged, and record it."""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from estimator.cli.calibrate.served_options import add_served_options, load_of, refuse_served
from estimator.cli.options import add_fields, refuse_given, scenario_of
from estimator.show.terminal import note

if TYPE_CHECKING:
    from estimator.measure.command import Ended
    from estimator.measure.recorder import Recording
    from estimator.measure.served import ResultFile
    from estimator.measure.session import Reported
    from estimator.runs.record import MeasuredRun, ServedLoad

WORK = (
    *("flop", "params", "active_params", "tokens", "config", "samples", "seq_len", "preset"),
    "image_size",
    *("width", "arch", "kind", "finetune", "precision"),
    "program",
)
"""Fields of the command's work."""

EXAMPLES = """examples:
  twenty-watts calibrate run -- python train.py
  twenty-watts calibrate run --params 124e6 --tokens 5e8 --precision bf16 -- torchrun train.py
  twenty-watts calibrate run --flop 3e15 --kind vision --arch CNN --precision fp32 -- ./train.sh
  twenty-watts calibrate run --program my-gpt --flop 3e15 --precision bf16 -- python train.py
  twenty-watts estimate --program my-gpt --flop 4e18 --precision bf16 --hardware h100
The command keeps its input, output, terminal, signals and exit code. If you specify what it does,
the run calibrates estimates; otherwise it is only stored. Runs with --program count most in
estimates with the same --program. A script that you can edit can report its steps:
  from estimator import measure
  with measure(params=124e6, tokens=16384, precision="bf16", kind="language") as run:
      ...; run.step()
With a server benchmark, pass its result file; the measured power is added to it:
  twenty-watts calibrate run --task serving --result vllm.json --precision bf16 -- \\
      vllm bench serve --model Qwen/Qwen3-14B --max-concurrency 64 --save-result \\
      --result-filename vllm.json
"""

OF_SERVING = ("preset", "params", "active_params", "precision")
"""Fields of the work that also apply to a server benchmark."""

OF_TRAINING = tuple(name for name in WORK if name not in OF_SERVING)


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "run",
        help="run a training or serving command and measure it",
        description="Run a command unchanged, sample power while it runs, and store the result as "
        "a measured run.",
        epilog=EXAMPLES,
    )
    group = parser.add_argument_group(
        "what the command does (optional; calibrates utilization if given)"
    )
    add_fields(group, WORK)
    group.add_argument("--label", metavar="TEXT", help="human-readable name of the run")
    group = parser.add_argument_group("server benchmark")
    group.add_argument(
        "--task",
        choices=("training", "serving"),
        default="training",
        help="what the command does (default: training)",
    )
    group.add_argument(
        "--result", metavar="FILE", help="result file of vLLM's, SGLang's or llama.cpp's benchmark"
    )
    add_served_options(group)
    how = parser.add_argument_group("measurement")
    how.add_argument("--verbose", action="store_true", help="print all notes instead of one line")
    how.add_argument("--quiet", action="store_true", help="print no notes on stderr")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    parser.set_defaults(run=run, typed=parser.prog)


def run(options: argparse.Namespace) -> int:
    """Run and measure the command, and return its exit code."""
    from estimator.measure.command import CommandError, name_of_command, running, undisturbed
    from estimator.measure.recorder import Recording
    from estimator.measure.session import REPORT
    from estimator.runs import store_or_reason

    words = command_of(options)
    result = _result_file(options)
    work = {} if result is not None else work_of(options)
    store, notes = store_or_reason()
    if store is None:
        note(f"the run is not stored: {notes.pop(0)}", quiet=False)
    if os.environ.get(REPORT):
        notes.append(
            "another `calibrate run` also counts the energy of this one; do not add them up"
        )
    label = options.label or name_of_command(words)
    recording = Recording(origin="run", label=label, store=store, notes=notes)
    recording.start()
    with undisturbed():
        try:
            with running(words) as command:
                ended = command.wait()
        except CommandError as error:
            recording.drop()
            sys.stderr.write(f"error: {error}\n")
            return error.exit_code
        _keep(recording, ended, work, options, result)
        if store is not None:
            store.close()
    return ended.exit_code


def _result_file(options: argparse.Namespace) -> "ResultFile | None":
    """Return a server benchmark's result file, or None for training."""
    if options.task == "training":
        refuse_given(options, ("result",), "requires --task serving")
        refuse_served(options, "requires --task serving")
        return None
    from pathlib import Path

    from estimator.catalog import Catalog
    from estimator.measure.served import ResultFile

    refuse_given(options, OF_TRAINING, "requires --task training")
    if options.result is None:
        raise ValueError("--task serving needs --result FILE, the result file of the benchmark")
    return ResultFile(path=Path(options.result), catalog=Catalog.open(), stated=load_of(options))


def _served(
    recording: "Recording", ended: "Ended", result: "ResultFile | None", run: "MeasuredRun"
) -> "tuple[ServedLoad, ...]":
    """Read the measurements that the benchmark wrote; none for a failed command."""
    if result is None or ended.exit_code != 0:
        return ()
    ended_s = ended.began_s + ended.wall_s
    loads = result.loads(run, recording.meters, recording.samples(), ended_s)
    recording.notes += result.notes
    return loads


def _keep(
    recording: "Recording",
    ended: "Ended",
    work: "dict[str, Any]",
    options: argparse.Namespace,
    result: "ResultFile | None",
) -> None:
    """Summarize, store and print the run."""
    from estimator.measure.session import with_program

    recording.notes += ended.notes
    measured = recording.end(
        state=ended.state,
        exit_code=ended.exit_code,
        timings=lambda run: recording.placed(
            run,
            with_program(ended.reported, work.get("style")) or _whole(work, ended, recording.label),
        ),
        served=lambda run: _served(recording, ended, result, run),
    )
    _say(measured, options)
    for line in recording.lost if options.quiet else ():
        note(f"the run is not stored: {line}", quiet=False)


def command_of(options: argparse.Namespace) -> list[str]:
    """Return the words of the wrapped command."""
    words: list[str] = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not words:
        raise ValueError(f"no command given: {options.typed} -- python train.py")
    return words


def work_of(options: argparse.Namespace) -> "dict[str, Any]":
    """Return the work of the command as parts of a `Timing`, validated before it runs."""
    from estimator.catalog.schema import PRECISIONS
    from estimator.question.inputs import option_of
    from estimator.question.table import check_choices

    scenario = scenario_of(options)
    check_choices(scenario)
    if scenario.precision is not None and scenario.precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise ValueError(f"precision must be one of {known}, got {scenario.precision!r}")
    given = set(scenario.specified_inputs()) - {"precision", "kind", "arch", "program"}
    common = {"precision": scenario.precision, "kind": scenario.kind, "arch": scenario.arch}
    common |= {} if scenario.program is None else {"style": scenario.program}
    if not given:
        return common
    from estimator.catalog import Catalog
    from estimator.core.messages import rendered
    from estimator.question.workload import find_work

    work, notices = find_work(scenario, Catalog.open())
    for warning in rendered(notices, option_of):
        note(warning, quiet=options.quiet)
    flop = work.workload.training_flop
    return {
        **common,
        "kind": work.kind,
        "arch": work.arch or None,
        "flop": None if flop is None else float(flop.mid),
        "params": work.params,
        "hidden": work.hidden,
        "seq_len": work.seq_len,
    }


def _whole(work: "dict[str, Any]", ended: "Ended", label: str | None) -> "tuple[Reported, ...]":
    """Treat the whole command as one repetition, if its work is known and it succeeded."""
    from estimator.measure.session import Reported
    from estimator.runs.record import Timing

    if work.get("flop") is None or ended.exit_code != 0:
        return ()
    timing = Timing(
        what="training",
        component="",
        time_s=ended.wall_s,
        repetitions=1,
        label=label,
        **work,
    )
    return (Reported(timing=timing, began_s=ended.began_s, ended_s=ended.began_s + ended.wall_s),)


def _say(measured: "MeasuredRun", options: argparse.Namespace) -> None:
    """Print a summary on stderr, as stdout belongs to the command."""
    from estimator.cli.calibrate.measured_run import brief_lines, run_lines
    from estimator.measure.recorder import useful

    unknown = _work_missing(measured, options)
    if options.verbose:
        lines = [*run_lines(measured), *unknown]
    else:
        lines = list(brief_lines(measured, corrects=not unknown))
    missing = _peaks_missing(measured) if useful(measured) else []
    for line in (*lines, *missing):
        note(line, quiet=options.quiet)


def _work_missing(measured: "MeasuredRun", options: argparse.Namespace) -> tuple[str, ...]:
    """Return the notice that a training run of unknown work corrects no utilization."""
    known = any(timing.flop is not None for timing in measured.timings)
    if known or options.task != "training" or measured.state != "finished":
        return ()
    return (
        "the work is unknown, so this run does not calibrate utilization; set --flop, or --params "
        "and --tokens, report steps with measure() in the script, or use forecast --keep-going, "
        "which counts a step",
    )


def _peaks_missing(measured: "MeasuredRun") -> list[str]:
    """Return notices on devices whose timed work corrects no estimate."""
    names = {device.key: device.hardware or device.name for device in measured.devices}
    timed: dict[str, set[str]] = {}
    for one in measured.timings:
        if one.component in names and one.flop is not None and one.precision is not None:
            timed.setdefault(names[one.component], set()).add(one.precision)
    if not timed:
        return []
    from estimator.catalog import Catalog, ProfileError
    from estimator.cli.calibrate.measured_run import peak_missing

    try:
        catalog = Catalog.open()
        lines = [peak_missing(name, precisions, catalog) for name, precisions in timed.items()]
    except ProfileError:  # profiles that cannot be read stop no command
        return []
    return list(filter(None, lines))
