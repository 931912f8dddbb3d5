"""`validate`: published runs against predictions, error and interval coverage."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_profiles, catalog_of
from estimator.cli.output import note, print_csv, print_json, print_line, print_table

if TYPE_CHECKING:
    from estimator.validation_report import Report

RUN_HEADER = ("run", "device", "predicted hours", "reported hours", "ratio")

EXAMPLES = """examples:
  twenty-watts validate
  twenty-watts validate --json
  twenty-watts validate --runs --csv > predicted.csv
Each family of runs is predicted by a model fitted to all the other families, so that no run helps
to predict itself. Rows whose FLOPs were worked out from their time are left out, and counted.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "validate",
        help="published runs against predictions: error and interval coverage",
        description="How right are we: device-hours of published runs, each predicted without its "
        "own family.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", action="store_true", help="one row per run instead of groups")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one JSON object")
    shape.add_argument("--csv", action="store_true", help="one CSV table")
    parser.add_argument("--quiet", action="store_true", help="no notes on stderr")
    add_profiles(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predict every published run blindly and print the score."""
    from estimator.validation_report import validation_report

    note("fitting once per family of runs, some ten seconds", quiet=options.quiet)
    report = validation_report(catalog_of(options))
    if options.json:
        print_json(report.as_json(with_runs=options.runs))
    elif options.csv:
        print_csv(report.run_rows() if options.runs else report.group_rows())
    else:
        _print_for_people(report, with_runs=options.runs)
    return 0


def _print_for_people(report: "Report", *, with_runs: bool) -> None:
    if with_runs:
        print_table(RUN_HEADER, report.run_table())
        return
    print_line(report.headline())
    header = ("", "runs", "families", "median error", "a family a vote", "within 2x", "in 80 %")
    print_table((*header, "constant 0.30", "constant 0.375"), report.group_table())
    print_line("Furthest off:")
    print_table(RUN_HEADER, report.worst_table())
    for reason, count in report.left_out.items():
        print_line(f"left out: {count} rows, {reason}")
