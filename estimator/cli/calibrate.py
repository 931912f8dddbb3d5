"""`calibrate`: what was measured on this machine, looked at, shared and dropped."""

import argparse
from typing import Any

from estimator.cli import calibrate_share, calibrate_show

VERBS = (calibrate_show, calibrate_share)
"""Each module adds a verb or more, whose `run` answers with the exit code."""

EXAMPLES = """examples:
  twenty-watts calibrate show
  twenty-watts calibrate export --hardware h100 -o h100.toml
  twenty-watts calibrate import h100.toml
  twenty-watts calibrate forget 20261121T050924Z-7f3a9c01
What was measured lies in runs.sqlite in your data folder; TWENTY_WATTS_DATA names another folder.
"""


def add_parser(commands: Any) -> None:
    """Add the command with its verbs."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "calibrate",
        help="measured runs: show, export, import, forget",
        description="Measured runs correct every prediction for the devices that they ran on.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for module in VERBS:
        module.add_parser(verbs)
