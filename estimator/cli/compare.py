"""`compare`: one workload on several devices, counts and sites."""

import argparse
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from estimator.cli import serve_cost
from estimator.cli.options import add_output, add_scenario, catalog_of, scenario_of
from estimator.cli.output import note, print_csv, print_json, print_table, told
from estimator.scenario.scenario import Scenario, option_of, read_number

if TYPE_CHECKING:
    from estimator.estimation.answer import Answer

DEFAULT_HARDWARE = "v100,a100,h100,b200,tpu-v4,human-brain"
SERVED = {
    name: described
    for title in ("traffic", "model and numbers", "machines")
    for name, described in serve_cost.OPTIONS[title].items()
    if name in ("concurrency", "request-rate", "input-tokens", "output-tokens", "kv-precision")
    or name in ("data-parallel", "duty-cycle")
}
"""Options of a question about serving that training has not."""

SHOWN = ("wall_hours", "energy_kwh", "cost_usd", "co2e_kg")

EXAMPLES = """examples:
  twenty-watts compare --preset gpt-3
  twenty-watts compare --preset llama-2-7b --hardware a100,h100 --devices 64,256 --site us,fr
  twenty-watts compare --flop 1e21 --hardware v100,h100 --csv
  twenty-watts compare --task serving --preset llama-3-8b --hardware h100,b200 --concurrency 64
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare",
        help="one workload on several devices, counts, sites",
        description="One workload on every combination of the devices, counts and sites named, "
        "separated by commas.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_scenario(parser, without=("hardware", "devices", "site"))
    group = parser.add_argument_group("what to compare, separated by commas")
    group.add_argument("--hardware", metavar="NAMES", help=f"default: {DEFAULT_HARDWARE}")
    group.add_argument("--devices", metavar="COUNTS", help="e.g. 1,8,64 (default: 1)")
    group.add_argument("--site", metavar="NAMES", help="e.g. us,fr,gcp-europe-west4")
    served = parser.add_argument_group("with --task serving")
    served.add_argument("--task", choices=("training", "serving"), default="training")
    for name, (field, placeholder, help_) in SERVED.items():
        served.add_argument(f"--{name}", dest=field, metavar=placeholder, help=help_)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer every combination; one that cannot be answered carries its reason."""
    if options.task == "serving":
        return serve_cost.compare(options)
    from estimator.core.messages import rendered
    from estimator.estimation import summary as report
    from estimator.estimation.answer import answer_scenarios

    scenarios = _combinations(options)
    rows: list[dict[str, Any]] = []
    found_all = answer_scenarios(scenarios, catalog_of(options))
    answers: list[tuple[Scenario, Answer | str]] = [
        (scenario, told(found) if isinstance(found, ValueError) else found)
        for scenario, found in zip(scenarios, found_all, strict=True)
    ]
    refused = [reason for _, reason in answers if isinstance(reason, str)]
    if len(refused) == len(answers):
        raise ValueError(refused[0])
    if options.json:
        print_json([_json_row(scenario, found) for scenario, found in answers])
    elif options.csv:
        for scenario, found in answers:
            named = {"hardware": scenario.hardware, "devices": scenario.devices}
            told_of = (
                {"error": found} if isinstance(found, str) else report.as_row(found, option_of)
            )
            rows.append({**named, "site": scenario.site or "", **told_of})
        print_csv(rows)
    else:
        _print_for_people(answers)
    notices = [found.notices for _, found in answers if not isinstance(found, str)]
    for warning in rendered(tuple(itertools.chain(*notices)), option_of):
        note(warning, quiet=options.quiet)
    return 0


def _combinations(options: argparse.Namespace) -> list[Scenario]:
    """Every device with every count at every site."""
    names = _listed("--hardware", options.hardware or DEFAULT_HARDWARE)
    counts = [read_number("devices", text) for text in _listed("--devices", options.devices or "1")]
    sites: list[str | None] = [*_listed("--site", options.site)] if options.site else [None]
    plain = argparse.Namespace(**{**vars(options), "hardware": None, "devices": None, "site": None})
    base = scenario_of(plain)
    return [
        replace(base, hardware=name, devices=count, site=site)
        for name, count, site in itertools.product(names, counts, sites)
    ]


def _listed(option: str, text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError(f"{option} names nothing: give one or several, separated by commas")
    return parts


def _json_row(scenario: Scenario, found: "Answer | str") -> dict[str, Any]:
    from estimator.estimation import summary as report

    if isinstance(found, str):
        return {"inputs": scenario.said(), "error": found}
    return report.as_json(found, option_of)


def _print_for_people(answers: list[tuple[Scenario, "Answer | str"]]) -> None:
    from estimator.estimation import summary as report

    several = len({scenario.site for scenario, _ in answers}) > 1
    table = []
    for scenario, found in answers:
        site = [scenario.site or ""] if several else []
        if isinstance(found, str):
            table.append([str(scenario.hardware), *site, found])
            continue
        cells = [
            report.with_interval(found, name) if name in found.estimate else "not known"
            for name in SHOWN
        ]
        table.append([report.fleet(found), *site, *cells])
    header = ["", *(["site"] if several else []), *(report.LABELS[name] for name in SHOWN)]
    print_table(header, table)
