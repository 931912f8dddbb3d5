"""`compare`: one workload on several devices, counts and sites."""

import argparse
import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from estimator.cli import serve_cost
from estimator.cli.options import (
    add_fields,
    add_output,
    add_scenario,
    catalog_of,
    error_text,
    listed,
    positive,
    scenario_of,
    shape_of,
)
from estimator.inference.question import ServingQuestion
from estimator.question.inputs import option_of, read_number
from estimator.question.scenario import INPUTS, OF_RUN, WORK, Scenario
from estimator.show.terminal import note, print_notices, print_shaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estimator.answer.report import Report
    from estimator.answer.scenario_estimate import Answer
    from estimator.catalog import Catalog
    from estimator.core.notice import Notice

    Row = tuple[Scenario, Answer | str]
    """Combination with its answer, or the reason for its failure."""

DEFAULT_HARDWARE = "v100,a100,h100,b200,tpu-v4,human-brain"
SERVED = tuple(name for name in ServingQuestion.inputs if name not in INPUTS)
"""Inference inputs that training does not have."""

LIMITS = {
    "max_days": ("wall_hours", 24.0, "DAYS", "exclude runs with a longer median wall time"),
    "max_cost": ("cost_usd", 1.0, "USD", "exclude runs with a higher median cost"),
}
"""Option -> quantity, option units per quantity unit, placeholder, help."""

SORTED_BY = {
    "time": "wall_hours",
    "cost": "cost_usd",
    "energy": "energy_kwh",
    "co2e": "co2e_kg",
}
"""Sort order -> quantity."""

SHOWN = ("wall_hours", "energy_kwh", "cost_usd", "co2e_kg")

EXAMPLES = """examples:
  twenty-watts compare --preset gpt-3
  twenty-watts compare --preset llama-2-7b --hardware a100,h100 --devices 64,256 --site us,fr
  twenty-watts compare --flop 1e21 --hardware v100,h100 --csv
  twenty-watts compare --preset llama-2-7b --device-hours 184320 --hardware a100,h100,b200
  twenty-watts compare --preset llama-2-7b --devices 64,256 --max-days 30 --sort cost
  twenty-watts compare --preset llama-2-7b --hardware h100 --site 'gcp-*' --sort co2e
  twenty-watts compare --task serving --preset llama-3-8b --hardware h100,b200 --concurrency 64
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare",
        help="compare one workload on several devices, counts and sites",
        description=(
            "Compare one workload on every combination of devices, device counts and sites."
        ),
        epilog=EXAMPLES,
    )
    add_scenario(parser, without=("hardware", "devices", "site"))
    group = parser.add_argument_group("what to compare (lists separated by commas)")
    group.add_argument("--hardware", metavar="NAMES", help=f"default: {DEFAULT_HARDWARE}")
    group.add_argument(
        "--devices",
        metavar="COUNTS",
        help="e.g. 1,8,64 (default: 1; for a TPU slice, its number of chips)",
    )
    group.add_argument("--site", metavar="NAMES", help="e.g. us,fr,'gcp-*'")
    for name, (_, _, placeholder, help_) in LIMITS.items():
        group.add_argument(option_of(name), metavar=placeholder, help=help_)
    group.add_argument(
        "--sort", choices=tuple(SORTED_BY), help="sort by this quantity, lowest first"
    )
    served = parser.add_argument_group("with --task serving")
    served.add_argument("--task", choices=("training", "serving"), default="training")
    add_fields(served, SERVED, ServingQuestion.inputs)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer every combination, with a reason for each failure."""
    if options.task == "serving":
        serve_cost.refuse_training(options, (*LIMITS, "sort"))
        return serve_cost.compare(options)
    serve_cost.refuse_serving(options, SERVED)
    from estimator.answer.design_facts import with_memory
    from estimator.answer.scenario_estimate import answer_scenarios

    catalog = catalog_of(options)
    scenarios = _combinations(options, catalog)
    limits = _limits(options)
    found_all = answer_scenarios(scenarios, catalog)
    answers: list[Row] = [
        (scenario, error_text(found) if isinstance(found, ValueError) else found)
        for scenario, found in zip(scenarios, found_all, strict=True)
    ]
    refused = [reason for _, reason in answers if isinstance(reason, str)]
    if len(refused) == len(answers):
        raise ValueError(refused[0])
    answers, left_out = _within(answers, limits)
    notices = {
        id(found): with_memory(found, catalog) for _, found in answers if not isinstance(found, str)
    }
    _print(_sorted(answers, options.sort), notices, catalog, shape_of(options))
    timed = scenarios[0]
    if any(
        getattr(scenario, name) != getattr(timed, name) for scenario in scenarios for name in OF_RUN
    ):
        what = f"the run was timed on {timed.hardware}: the others are predicted from its work"
        note(what, quiet=options.quiet)
    known = [found for _, found in answers if not isinstance(found, str)]
    print_notices(
        itertools.chain.from_iterable(notices.values()),
        option_of,
        quantities=known[0].estimate.quantities if known else None,
        quiet=options.quiet,
        verbose=options.verbose,
    )
    if left_out:
        note(f"{left_out} of {len(scenarios)} left out by the limits", quiet=options.quiet)
    return 0


def _print(
    answers: "list[Row]",
    notices: "Mapping[int, tuple[Notice, ...]]",
    catalog: "Catalog",
    shape: str,
) -> None:
    """Print the rows in the requested format; `notices` has those of each answer by its `id`."""
    from estimator.answer.training_report import estimate_report
    from estimator.show.comparison import comparison_table, design_facts, flattened
    from estimator.show.quantities import label
    from estimator.show.values import as_json, as_row

    rows: list[dict[str, Any]] = []
    shown: list[tuple[list[str], Report]] = []
    refused = []
    several = len({scenario.site for scenario, _ in answers}) > 1
    for scenario, found in answers:
        named = {"hardware": scenario.hardware, "devices": scenario.devices}
        named["site"] = scenario.site or ""
        site = [scenario.site or ""] if several else []
        if isinstance(found, str):
            row = {"inputs": scenario.specified_inputs()} if shape == "json" else named
            rows.append({**row, "error": found})
            refused.append(": ".join([str(scenario.hardware), *site, found]))
            continue
        facts = design_facts(found, catalog, option_of)
        report = replace(estimate_report(found), notices=notices[id(found)])
        if shape == "json":
            rows.append({**as_json(report, option_of), **facts})
        elif shape == "csv":
            rows.append({**named, **as_row(report, option_of), **flattened(facts)})
        else:
            details = {**report.details, "memory": facts.get("memory"), **facts}
            leading = [report.details["fleet"], *site]
            shown.append((leading, replace(report, details=details)))
    heads, first = {name: label(name) for name in SHOWN}, ("", "site") if several else ("",)
    print_shaped(
        shape,
        data=lambda: rows,
        rows=lambda: rows,
        text=lambda: (comparison_table(shown, heads, first=first, unknown="not known"), *refused),
    )


def _limits(options: argparse.Namespace) -> dict[str, float]:
    """Return the upper limit of each limited quantity."""
    limits = {}
    for name, (quantity, factor, _, _) in LIMITS.items():
        text = getattr(options, name)
        if text is not None:
            limits[quantity] = factor * positive(name, read_number(name, text))
    return limits


def _within(answers: "list[Row]", limits: dict[str, float]) -> "tuple[list[Row], int]":
    """Return the rows within the limits or without an answer, and the number of excluded ones."""
    from estimator.show.quantities import amount

    kept = [
        (one, found) for one, found in answers if isinstance(found, str) or _keeps(found, limits)
    ]
    if not any(not isinstance(found, str) for _, found in kept):
        known = [found for _, found in answers if not isinstance(found, str)]
        least = ", ".join(
            amount(name, min(mids))
            for name in limits
            if (mids := [float(one.estimate[name].mid) for one in known if name in one.estimate])
        )
        reason = f"the lowest value of each is {least}" if least else "no design has this figure"
        raise ValueError(f"no combination is within the limits: {reason}")
    return kept, len(answers) - len(kept)


def _keeps(found: "Answer", limits: dict[str, float]) -> bool:
    """Return whether every limited quantity is known and its median within the limit."""
    return all(
        name in found.estimate and float(found.estimate[name].mid) <= most
        for name, most in limits.items()
    )


def _sorted(answers: "list[Row]", by: str | None) -> "list[Row]":
    """Sort rows in ascending order, unknown values last."""
    if by is None:
        return answers

    def rank(row: "Row") -> float:
        found = row[1]
        if isinstance(found, str) or SORTED_BY[by] not in found.estimate:
            return math.inf
        return float(found.estimate[SORTED_BY[by]].mid)

    return sorted(answers, key=rank)


def _combinations(options: argparse.Namespace, catalog: "Catalog") -> list[Scenario]:
    """Combine devices, counts and sites; a timed run was timed on the first device."""
    from estimator.catalog.device_names import chips_of_slice

    names = listed("--hardware", options.hardware or DEFAULT_HARDWARE, catalog)
    counts: list[str | None] = [None]
    if options.devices:
        counts = [*listed("--devices", options.devices, catalog)]
    sites: list[str | None] = [None]
    if options.site:
        sites = [*listed("--site", options.site, catalog)]
    plain = argparse.Namespace(**{**vars(options), "hardware": None, "devices": None, "site": None})
    base = scenario_of(plain)
    moved = base
    if any(getattr(base, name) is not None for name in WORK):
        moved = replace(base, **dict.fromkeys(OF_RUN))
    return [
        replace(
            base if name == names[0] else moved,
            hardware=name,
            devices=read_number("devices", count) if count else float(chips_of_slice(name)),
            site=site,
        )
        for name, count, site in itertools.product(names, counts, sites)
    ]
