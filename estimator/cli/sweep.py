"""`sweep`: every design of a space, as a table with its Pareto front."""

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from estimator.cli.options import (
    add_calibration,
    add_profiles,
    catalog_of,
    level_of,
    matched,
    refuse_missing_folder,
)
from estimator.question.inputs import option_of
from estimator.show.terminal import note_reasons, print_json, print_line

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.studies.search.designs import Evaluation
    from estimator.studies.search.space import Space
    from estimator.studies.search.sweep import Runner, Swept

EVERY_S = 1.0
"""Time between progress updates [s]."""

EXAMPLES = """examples:
  twenty-watts sweep space.toml -o designs.parquet --pareto time,cost,co2e
  twenty-watts sweep space.toml -o designs.csv
  twenty-watts sweep space.toml -o designs.parquet --dask tcp://scheduler:8786
space.toml names inputs of `estimate`, each with one value, a list, or a range:
  params = "7B"
  tokens = "140B"
  hardware = ["h100", "a100", "mi3*"]
  devices = { from = 8, to = 1024, scale = "log2" }
  pue = { from = 1.05, to = 1.6, steps = 12 }
  utilization = { from = 0.2, to = 0.6, step = 0.1 }
An interrupted sweep resumes when the same command is run again. Designs that do not fit in
memory are excluded and counted.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "sweep",
        help="estimate every combination of inputs and mark the Pareto front",
        description=(
            "Estimate every combination of the given inputs and write one table. Memory use "
            "does not grow with the table."
        ),
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "space", metavar="SPACE.toml", help="TOML file with inputs and the values to combine"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="output table, .parquet or .csv: the varied inputs, then low, mid and high of each "
        "result",
    )
    parser.add_argument(
        "--pareto",
        metavar="COSTS",
        help=(
            "mark designs that are Pareto-optimal in these quantities: time,cost,energy,co2e,memory"
        ),
    )
    parser.add_argument("--dask", metavar="ADDRESS", help="run on the workers of a Dask cluster")
    parser.add_argument(
        "--keep-too-large", action="store_true", help="keep designs that do not fit in memory"
    )
    add_calibration(parser, "runs on these devices")
    parser.add_argument(
        "--interval",
        metavar="P",
        help="probability that an interval covers the true value (default: 0.8)",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    parser.add_argument("--quiet", action="store_true", help="print no progress and no notes")
    add_profiles(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Sweep a space."""
    from dataclasses import asdict
    from pathlib import Path

    from estimator.studies.search.designs import Evaluation
    from estimator.studies.search.parts import Parts
    from estimator.studies.search.space import read_space
    from estimator.studies.search.sweep import sweep

    out = Path(options.output)
    refuse_missing_folder(out)
    space = read_space(Path(options.space))
    level = level_of(options)
    space = _matched(space, catalog_of(options))
    evaluation = Evaluation(
        level=level,
        profiles=options.profiles or "",
        calibrated=options.calibration == "use",
        keep_too_large=options.keep_too_large,
    )
    costs = [part.strip() for part in (options.pareto or "").split(",") if part.strip()]
    belongs = {"space": space.fingerprint, **asdict(evaluation)}
    progress = _Progress(space.size) if not options.quiet else _silent
    swept = sweep(
        space,
        Parts(out=out, belongs=belongs),
        _runner(options.dask, evaluation),
        costs=costs,
        progress=progress,
    )
    _tell(swept, options)
    return 0


def _matched(space: "Space", catalog: "Catalog") -> "Space":
    """Expand the patterns of a space to devices and sites."""
    from dataclasses import replace

    named = {name: space.values[name] for name in ("hardware", "site") if name in space.values}
    found = {
        name: tuple(matched(option_of(name), [str(value) for value in values], catalog))
        for name, values in named.items()
    }
    return replace(space, values={**space.values, **found})


def _runner(address: str | None, evaluation: "Evaluation") -> "Runner":
    from estimator.studies.search.sweep import in_process

    if address is None:
        return in_process(evaluation)
    from estimator.studies.search.cluster import on_cluster

    return on_cluster(address, evaluation)


def _tell(swept: "Swept", options: argparse.Namespace) -> None:
    """Print the outcome of the sweep, and why designs were left out."""
    if options.json:
        print_json({"output": options.output, **vars(swept)})
    else:
        front = f", {swept.front:,} on the Pareto front" if options.pareto else ""
        plural = "s" * (swept.designs != 1)
        print_line(
            f"{swept.designs:,} design{plural}: {swept.rows:,} in {options.output}{front}, "
            f"{swept.designs - swept.rows:,} left out"
        )
    note_reasons(swept.left_out, "left out", quiet=options.quiet)
    if not swept.rows:
        why = max(swept.left_out, key=lambda reason: swept.left_out[reason])
        raise ValueError(f"no design is left: {why}")


class _Progress:
    """Progress line on a terminal, updated every second."""

    def __init__(self, designs: int) -> None:
        self.designs = designs
        self.began_s: float | None = None
        self.before = 0
        self.shown_s = 0.0

    def __call__(self, done: int, of: int) -> None:
        now_s = time.monotonic()
        if self.began_s is None:
            self.began_s, self.before = now_s, done
        last = done == of
        if not sys.stderr.isatty() or (now_s - self.shown_s < EVERY_S and not last):
            return
        self.shown_s = now_s
        made = done - self.before
        left_s = (now_s - self.began_s) / made * (of - done) if made else None
        left = "" if left_s is None else f", {left_s:,.0f} s left"
        sys.stderr.write(f"\r{done / of:4.0%} of {self.designs:,} designs{left}\x1b[K")
        sys.stderr.write("\n" if last else "")
        sys.stderr.flush()


def _silent(done: int, of: int) -> None:
    """Show no progress."""
