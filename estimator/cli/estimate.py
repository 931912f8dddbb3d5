"""`estimate`: one scenario to time, energy, cost and CO2e with intervals."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_output, add_scenario, catalog_of, scenario_of
from estimator.cli.output import note, print_csv, print_json, print_line, print_table
from estimator.question.scenario import option_of

if TYPE_CHECKING:
    from estimator.answer.scenario_estimate import Answer
    from estimator.catalog import Catalog

EXAMPLES = """examples:
  twenty-watts estimate --preset gpt-3 --hardware v100 --devices 1
  twenty-watts estimate --params 7e9 --tokens 2e12 --hardware h100 --devices 64 --site fr
  twenty-watts estimate --flop 3.14e23 --hardware v100 --utilization 0.224 --price 1.5 --json
  twenty-watts estimate --config config.json --tokens 1e10 --finetune lora --hardware rtx-4090
  twenty-watts estimate --preset gpt-3 --hardware h100 --devices 512 --power-limit 500
  twenty-watts estimate --flop 1e21 --hardware h100 --devices 8 --pay own --device-price 27000
  twenty-watts estimate --flop 1e20 --hardware a100 --carbon-profile grid.csv --start 18
Numbers may be written 7e9, 7B, 300k. Omitted inputs are assumed, and every assumption is listed.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "estimate",
        help="one scenario -> time, energy, cost, CO2e with intervals",
        description="Time, energy, cost and CO2e of one training run, with intervals.",
        epilog=EXAMPLES,
    )
    add_scenario(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer one scenario."""
    from estimator.answer import formatted_results
    from estimator.answer.design_facts import memory_too_small
    from estimator.answer.equivalents import as_json
    from estimator.answer.scenario_estimate import answer_scenario
    from estimator.core.messages import rendered

    catalog = catalog_of(options)
    answer = answer_scenario(scenario_of(options), catalog)
    if options.json:
        print_json(as_json(answer, catalog, option_of))
        return 0
    if options.csv:
        print_csv([formatted_results.as_row(answer, option_of)])
    else:
        _print_for_people(answer, catalog)
    too_small = () if options.quiet else memory_too_small(answer, catalog)
    for warning in rendered((*answer.notices, *too_small), option_of):
        note(warning, quiet=options.quiet)
    return 0


def _print_for_people(answer: "Answer", catalog: "Catalog") -> None:
    from estimator.answer import formatted_results
    from estimator.answer.design_facts import price_line
    from estimator.answer.equivalents import as_much, equivalents

    print_line(formatted_results.headline(answer))
    print_table(
        ("", "median", f"{answer.level * 100:g} % interval"), formatted_results.rows(answer)
    )
    price = price_line(answer, catalog)
    if price:
        print_line(price)
    if answer.plan is not None:
        print_line(str(formatted_results.schedule_line(answer, answer.plan)))
    shares = formatted_results.spread(answer)
    if shares:
        summary = ", ".join(
            f"{name} {share * 100:.0f} %" for name, share in shares.items() if share >= 0.005
        )
        what = "energy" if "energy_kwh" in answer.estimate else "time"
        print_line(f"What makes the {what} uncertain: {summary}")
    alike = equivalents(answer, catalog)
    if alike:
        print_line(f"As much as {'; '.join(map(str, as_much(alike)))}")
    print_line(f"The same in the app: twenty-watts app --open '{answer.link}'")
