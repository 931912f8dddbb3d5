"""`calibrate bench`: measure this machine's speed and power, and store them."""

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from estimator.show.terminal import note, print_json, print_line, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estimator.catalog import Catalog
    from estimator.measure.bench.benchmark import Progress
    from estimator.measure.bench.cpu_profile import Rate
    from estimator.runs.record import MeasuredRun, Timing

EXAMPLES = """examples:
  twenty-watts calibrate bench
  twenty-watts calibrate bench --minutes 8 --verbose
  twenty-watts calibrate bench --device gpu:0 --precision bf16,fp8
  twenty-watts calibrate bench --engine numpy --json
Measures idle power, matrix products by size, memory bandwidth, and real training steps by model
family, number format and size, most informative first. Each is timed several times; trials
disturbed by other programs are excluded and counted. Ctrl-C stops early and keeps what has been
measured.
"""

ENGINES = ("torch", "numpy")


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "bench",
        help="measure this machine in two minutes",
        description=(
            "Measure the throughput and power of one device in this machine and store the result."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--minutes",
        metavar="N",
        help="total duration; trials are longer from 5 minutes on (default: 2)",
    )
    parser.add_argument("--quick", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--device",
        metavar="KEY",
        help="cpu, gpu:0, gpu:1 and so on (default: the first GPU, or cpu if there is none)",
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="library that runs the benchmark (default: torch if installed, otherwise numpy)",
    )
    parser.add_argument(
        "--precision", metavar="LIST", help="number formats, separated by commas (default: all)"
    )
    parser.add_argument("--verbose", action="store_true", help="print every timing and all notes")
    parser.add_argument("--json", action="store_true", help="print the record as one JSON object")
    parser.add_argument(
        "--quiet", action="store_true", help="print no progress and no notes on stderr"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure, store, and print the result."""
    from estimator.measure.bench.run import BenchQuestion, benchmark
    from estimator.measure.command import undisturbed
    from estimator.question.inputs import read_number

    wanted = None
    if options.precision is not None:
        wanted = [part.strip() for part in options.precision.split(",") if part.strip()]
        if not wanted:
            raise ValueError(
                "precision contains no number format: write, for example, --precision bf16,fp8"
            )
    question = BenchQuestion(
        device=options.device,
        engine=options.engine,
        precisions=wanted,
        minutes=None if options.minutes is None else read_number("minutes", options.minutes),
    )
    measured, hardware = benchmark(question, _BenchProgress(quiet=options.quiet or options.json))
    with undisturbed():  # all is stored: what is pressed once more does not break its table
        _print(measured, hardware, options)
    return 0 if measured.state == "finished" else 130


def _print(measured: "MeasuredRun", hardware: str, options: argparse.Namespace) -> None:
    if options.json:
        from estimator.runs.record import as_plain

        print_json(as_plain(measured))
    elif options.verbose:
        rows = [_row(timing) for timing in measured.timings]
        print_table(("", "format", "time", "reached", "spread", "rejected", "power"), rows)
    if not options.json:
        for line in _brief(measured, hardware):
            print_line(line)
    notes = measured.notes if options.verbose or options.json else _worth_a_line(measured)
    for line in notes:
        note(line, quiet=options.quiet)


def _worth_a_line(measured: "MeasuredRun") -> list[str]:
    """Return the main disturbances of the timings, and the number of further notes."""
    from estimator.measure.bench.run import summary

    stopped = [line for line in measured.notes if measured.state != "finished" and "Ctrl-C" in line]
    said = [*stopped, *summary(measured.timings)][:MOST_NOTES]
    more = len(set(measured.notes) - set(said))
    return [*said, *([f"{more} more notes: --verbose"] if more else [])]


def _brief(measured: "MeasuredRun", hardware: str) -> "Iterator[str]":
    """Yield the measurement, its effect, and the next step."""
    from estimator.catalog import Catalog
    from estimator.core.units import human, human_duration
    from estimator.measure.bench.cpu_profile import memory_rate, peak_rates, source_id

    rates = peak_rates(measured.timings)
    peaks = ", ".join(f"{_rate(rate, 'FLOP/s', f' in {name}')}" for name, rate in rates.items())
    moved = memory_rate(measured.timings)
    yield (
        f"{hardware}: {len(measured.timings)} timings in {human_duration(measured.wall_s)}, stored "
        f"as {measured.id}"
    )
    yield f"peak: {peaks or 'no product timed'}"
    catalog = Catalog.open()
    known = catalog.find_device(hardware) is not None
    kept = [
        f"{human(record.value, 'FLOP/s')} in {name}"
        for name, record in (catalog.device(hardware).peaks.items() if known else ())
        if record.source == source_id(measured.host) and measured.id not in (record.where or "")
    ]
    if kept:
        yield f"kept from an earlier benchmark: {', '.join(kept)}"
    yield f"memory: {_rate(moved, 'B/s')}" if moved else "memory: not timed"
    watts = [
        timing.power_w
        for timing in measured.timings
        if timing.power_w and timing.trust != "modelled"
    ]
    yield f"power: up to {human(max(watts), 'W')}" if watts else "power: no meter here"
    trained = Counter(timing.precision for timing in measured.timings if timing.what == "training")
    precision = next((name for name, _ in trained.most_common() if name), "")
    if precision in rates and known:
        yield "estimate of a one-hour run at 30% utilization, before and after this benchmark:"
        yield from _bought(hardware, precision, catalog)
    yield "next: twenty-watts forecast -- python train.py, or estimate --hardware here"


def _rate(rate: "Rate", unit: str, of: str = "") -> str:
    """Format a stored rate, with the measured one if others slowed it."""
    from estimator.core.units import human, significant

    stored = human(significant(rate.alone, 4), unit) + of
    if rate.slowed == 1.0:
        return stored
    return f"{stored} (scaled up from {human(rate.rate, unit)}, as other programs ran)"


EXAMPLES_OF = {
    "language decoder": ("language", "dense decoder"),
    "convolutional network": ("vision", "CNN"),
    "perceptron": ("other", "MLP"),
}
"""Example workloads -> workload type and architecture."""

MOST_NOTES = 2
"""Most notes shown without --verbose."""


def _bought(hardware: str, precision: str, catalog: "Catalog") -> "Iterator[str]":
    """Yield time and interval of each example without and with measured runs."""
    from estimator.answer.scenario_estimate import answer_scenario
    from estimator.answer.usual_run import hour_flop
    from estimator.core.units import S_PER_H, format_range, human_duration
    from estimator.question.scenario import Scenario

    flop = hour_flop(catalog.device(hardware), precision)
    for name, (kind, arch) in EXAMPLES_OF.items():
        spans = []
        for calibration in ("ignore", "use"):
            asked = Scenario(
                flop=flop,
                hardware=hardware,
                devices=1.0,
                precision=precision,
                calibration=calibration,
                kind=kind,
                arch=arch,
            )
            hours = answer_scenario(asked, catalog).estimate.quantities["wall_hours"]
            low, high = hours.interval()
            mid, *ends = (human_duration(S_PER_H * float(one)) for one in (hours.mid, low, high))
            spans.append(f"{mid} ({format_range(*ends)})")
        yield f"  {name}, {precision}: {spans[0]} -> {spans[1]}"


def _row(timing: "Timing") -> tuple[str, ...]:
    from estimator.core.units import human

    reached = ""
    if timing.flop is not None:
        reached = human(timing.flop / timing.time_s, "FLOP/s")
    elif timing.moved_bytes is not None:
        reached = human(timing.moved_bytes / timing.time_s, "B/s")
    return (
        timing.label or timing.what,
        timing.precision or "",
        human(timing.time_s, "s"),
        reached,
        "" if timing.log_sd is None else f"{timing.log_sd * 100:.1f}%",
        _rejected(timing),
        "" if timing.power_w is None else human(timing.power_w, "W"),
    )


def _rejected(timing: "Timing") -> str:
    """Return the number of disturbed repetitions; if all were, the time has less weight.

    >>> from estimator.runs.record import Timing
    >>> disturbed = Timing(what="copy", component="cpu", time_s=1.0, repetitions=0, rejected=9)
    >>> _rejected(disturbed)
    'all 9: counts less'
    """
    if not timing.rejected:
        return ""
    if not timing.repetitions:
        return f"all {timing.rejected}: counts less"
    return f"{timing.rejected} of {timing.rejected + timing.repetitions}"


class _BenchProgress:
    """Progress line on the terminal, plain lines elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._warned = False

    def __call__(self, progress: "Progress") -> None:
        from estimator.core.units import human_duration, in_percent

        if self._quiet:
            return
        if progress.timing.others is not None and not self._warned:
            self._warned = True
            share = in_percent(progress.timing.others)
            sys.stderr.write("\r\033[K" if self._live else "")
            note(f"other programs use {share} of this machine: close them, or measure later")
        left = f"about {human_duration(progress.left_s)} left"
        line = f"{progress.done} measured, {left}: {progress.timing.label or progress.timing.what}"
        sys.stderr.write(f"\r\033[K{line}" if self._live else f"{line}\n")
        if self._live and not progress.left:
            sys.stderr.write("\n")
        sys.stderr.flush()
