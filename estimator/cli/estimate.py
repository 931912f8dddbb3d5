"""`estimate`: time, energy, cost and CO2e of one scenario, with intervals."""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_output, add_scenario, catalog_of, scenario_of, shape_of
from estimator.question.inputs import option_of
from estimator.show.terminal import note, print_report

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.question.scenario import Scenario

EXAMPLES = """examples:
  twenty-watts estimate --preset gpt-3 --hardware v100 --devices 1
  twenty-watts estimate --params 7e9 --tokens 2e12 --hardware h100 --devices 64 --site fr
  twenty-watts estimate --flop 3.14e23 --hardware v100 --utilization 0.224 --price 1.5 --json
  twenty-watts estimate --config config.json --tokens 1e10 --finetune lora --hardware rtx-4090
  twenty-watts estimate --preset gpt-3 --hardware h100 --devices 512 --power-limit 500
  twenty-watts estimate --flop 1e21 --hardware h100 --devices 8 --pay own --device-price 27000
  twenty-watts estimate --flop 1e18 --precision bf16 --hardware here
  twenty-watts estimate --flop 1e20 --hardware a100 --carbon-profile grid.csv --start 18
`--hardware here` is the device last measured on this machine, and the default if there is one.
Numbers may be written 7e9, 7B, 300k. Omitted inputs are assumed, and every assumption is listed.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "estimate",
        help="estimate the time, energy, cost and CO2e of a training run",
        description="Estimate the time, energy, cost and CO2e of one training run, with intervals.",
        epilog=EXAMPLES,
    )
    add_scenario(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer one scenario."""
    from estimator.answer.scenario_estimate import answer_scenario
    from estimator.answer.training_report import training_report

    catalog = catalog_of(options)
    scenario = scenario_of(options)
    if scenario.hardware is None and not _device_of_preset(scenario, catalog):
        scenario = _here(scenario, catalog, quiet=options.quiet)
    answer = answer_scenario(scenario, catalog)
    report = training_report(answer, catalog)
    print_report(report, option_of, shape_of(options), quiet=options.quiet, verbose=options.verbose)
    return 0


def _device_of_preset(scenario: "Scenario", catalog: "Catalog") -> bool:
    """Return whether the scenario's preset has a device."""
    preset = scenario.preset
    return preset is not None and (
        not catalog.knows_preset(preset) or catalog.preset(preset).hardware is not None
    )


def _here(scenario: "Scenario", catalog: "Catalog", *, quiet: bool) -> "Scenario":
    """Use the device measured on this machine, if any."""
    from estimator.measure.host_id import measured_here
    from estimator.runs import store_path

    found = measured_here() if store_path().exists() else None
    if found is None or catalog.find_device(found) is None:
        return scenario
    note(f"no device given: using {found}, measured on this machine (--hardware here)", quiet=quiet)
    return replace(scenario, hardware=found)
