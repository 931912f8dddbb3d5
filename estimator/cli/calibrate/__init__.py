"""`calibrate`: measure this machine and its runs; show, share and delete measurements."""

import argparse
from typing import Any

from estimator.cli.calibrate import bench as calibrate_bench
from estimator.cli.calibrate import forecast as calibrate_forecast
from estimator.cli.calibrate import import_runs as calibrate_import
from estimator.cli.calibrate import run as calibrate_run
from estimator.cli.calibrate import share as calibrate_share
from estimator.cli.calibrate import show as calibrate_show

VERBS = (
    calibrate_bench,
    calibrate_run,
    calibrate_forecast,
    calibrate_show,
    calibrate_import,
    calibrate_share,
)
"""Verb modules; each `run` returns the exit code."""

EXAMPLES = """examples:
  twenty-watts calibrate bench
  twenty-watts calibrate run --params 124e6 --tokens 5e8 --precision bf16 -- python train.py
  twenty-watts calibrate forecast -- python train.py
  twenty-watts calibrate show
  twenty-watts calibrate export --hardware h100 -o h100.toml
  twenty-watts calibrate import h100.toml
  twenty-watts calibrate import --slurm-job 4711 --params 7e9 --tokens 1e9 --precision bf16
  twenty-watts calibrate forget 20261121T050924Z-7f3a9c01
Measurements are stored in runs.sqlite in your data folder, or in the folder TWENTY_WATTS_DATA.
"""


def add_parser(commands: Any) -> None:
    """Add the command with its verbs."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "calibrate",
        help="measure this machine and its runs: bench, run, forecast, show, import, export",
        description=(
            "Measure this machine and its runs. Measured runs correct every estimate for the "
            "devices they ran on."
        ),
        epilog=EXAMPLES,
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for module in VERBS:
        module.add_parser(verbs)
