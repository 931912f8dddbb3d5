"""`plan`: the best designs under a budget, deadline, energy or carbon limit."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli import plan_serving
from estimator.cli.options import (
    add_output,
    add_scenario,
    catalog_of,
    level_of,
    listed,
    positive,
    scenario_of,
    shape_of,
    whole,
)
from estimator.question.inputs import option_of, read_number
from estimator.question.scenario import NUMBERS, OF_METER
from estimator.show.terminal import note, note_reasons, print_notices, print_shaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from estimator.answer.report import Report
    from estimator.catalog import Catalog
    from estimator.show.plans import Plans
    from estimator.show.text import Block
    from estimator.studies.search.plan import TrainingPlan
    from estimator.studies.search.space import Space

AIMS = ("cost", "time", "co2e", "energy")
"""Objectives of a plan."""

LIMITS = {
    "budget": ("cost_usd", "USD", "maximum cost"),
    "deadline": ("wall_hours", "HOURS", "maximum wall time"),
    "carbon_cap": ("co2e_kg", "KG", "maximum CO2e"),
    "energy_cap": ("energy_kwh", "KWH", "maximum energy"),
}
"""Option -> quantity, unit, help."""

CHOICES = (
    *("hardware", "devices", "precision", "site", "price_kind", "start"),
    *("tensor_parallel", "pipeline_parallel", "micro_batches", "recomputation"),
)
"""Inputs that a plan searches, each with comma-separated values."""

COLUMNS = ("wall_hours", "cost_usd", "energy_kwh", "co2e_kg")
"""Quantities of a plan shown to people."""

MOST_SITES = 2
"""Most further sites named in the table [1]."""

EXAMPLES = """examples:
  twenty-watts plan --params 7e9 --tokens 140e9 --budget 20000 --deadline 336 --carbon-cap 5000
  twenty-watts plan --preset llama-2-7b --hardware h100,a100 --deadline 168 --site us,fr,se
  twenty-watts plan --params 1e9 --tokens 20e9 --minimize co2e --budget 2000 --confidence 0.9
  twenty-watts plan --flop 1e22 --hardware h100 --devices 8,16,32 --price-kind on-demand,spot
  twenty-watts plan --task serving --preset llama-3-8b --users 200 --first-token-goal 2 \\
      --percentile 90 --input-tokens 500 --output-tokens 300 --budget 5000 --days 30
List the values to choose from, separated by commas; --site 'gcp-*' matches all such sites.
By default, the plan considers all data-center devices with rental offers on record, in powers of
two up to 4096. A limit is listed if raising it by 10% would improve the plan.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "plan",
        help="find the best designs under a budget, deadline, energy or carbon limit",
        description="Find the cheapest, fastest or cleanest way to train or serve a model within "
        "limits.",
        epilog=EXAMPLES,
    )
    group = parser.add_argument_group("limits and aim")
    for name, (_, unit, text) in LIMITS.items():
        group.add_argument(option_of(name), metavar=unit, help=text)
    group.add_argument(
        "--minimize", choices=AIMS, default="cost", help="what to minimize (default: %(default)s)"
    )
    group.add_argument(
        "--confidence",
        metavar="P",
        default="0.8",
        help="probability that all limits are met (default: 0.8)",
    )
    group.add_argument(
        "--plans", metavar="N", default="5", help="maximum number of plans to show (default: 5)"
    )
    plan_serving.add_options(parser)
    add_scenario(parser, without=OF_METER)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Plan a training run or a service."""
    if options.task == "serving":
        return plan_serving.run(options, whole("plans", options.plans))
    plan_serving.refuse_serving(options)
    from estimator.answer.scenario_estimate import answer_scenario
    from estimator.show.plans import Plans, designs_text, plans_json, plans_rows
    from estimator.studies.search.limits import Limits
    from estimator.studies.search.plan import Request, best_plans

    catalog = catalog_of(options)
    level = level_of(options)
    most = {
        quantity: positive(name, read_number(name, getattr(options, name)))
        for name, (quantity, _, _) in LIMITS.items()
        if getattr(options, name) is not None
    }
    request = Request(
        space=_space(options, catalog),
        limits=Limits(most=most, confidence=read_number("confidence", options.confidence)),
        minimize=options.minimize,
        count=whole("plans", options.plans),
    )
    answer = best_plans(request, catalog)
    shown = answer.plans or ((answer.nearest,) if answer.nearest else ())
    swept = _swept(shown)
    plans = Plans(
        answer=answer,
        reports=[_report(plan, level, swept) for plan in shown],
        aim=options.minimize,
        confidence=request.limits.confidence,
        limited={quantity: name for name, (quantity, _, _) in LIMITS.items()},
    )
    found = [answer_scenario(plan.scenario, catalog) for plan in shown]
    prices = [notice for one in found for notice in one.notices if notice.code == "few_offers"]
    reasons = answer.reasons(option_of)
    print_shaped(
        shape_of(options),
        data=lambda: plans_json(plans, option_of, ("designs", "too_large", "refused")),
        rows=lambda: plans_rows(plans, option_of),
        text=lambda: _text(plans),
    )
    note(
        f"{designs_text(answer.designs)} examined: {answer.too_large:,} do not fit in memory, "
        f"{answer.refused:,} cannot be estimated",
        quiet=options.quiet,
    )
    for best in found[:1]:
        print_notices(
            (*best.notices, *prices),
            option_of,
            quantities=best.estimate.quantities,
            quiet=options.quiet,
            verbose=options.verbose,
        )
    note_reasons(reasons, "not estimated", quiet=options.quiet)
    return 0


def _text(plans: "Plans") -> "Iterator[Block]":
    """Return the best plans, and the link that opens the best one."""
    from estimator.show.plans import plans_text

    if not plans.reports:
        yield "No plan: no design fits in the memory of its devices."
        return
    first = plans.reports[0]
    yield from plans_text(plans, option_of, _sentence(first), COLUMNS)
    yield f"The best in the app: twenty-watts app --open '{first.facts['link']}'"


def _space(options: argparse.Namespace, catalog: "Catalog") -> "Space":
    """Return the fixed inputs and the choices of the plan."""
    from estimator.studies.search.plan import PLANNED_COUNTS, planned_devices
    from estimator.studies.search.space import Space

    searched = {
        name: getattr(options, name) for name in CHOICES if getattr(options, name, None) is not None
    }
    plain = {name: None for name in searched} | {"interval": None}
    fixed = scenario_of(argparse.Namespace(**{**vars(options), **plain}))
    values: dict[str, tuple[float | str, ...]] = {
        name: (value,) for name, value in fixed.specified_inputs().items()
    }
    values["hardware"] = planned_devices(catalog)
    values["devices"] = PLANNED_COUNTS
    for name, text in searched.items():
        parts = dict.fromkeys(listed(option_of(name), text, catalog))
        values[name] = tuple(read_number(name, part) if name in NUMBERS else part for part in parts)
    return Space(values=values)


def _swept(shown: "Sequence[TrainingPlan]") -> list[str]:
    """Return the inputs in which plans differ, besides devices and their number."""
    swept = [name for name in CHOICES if len({getattr(plan.scenario, name) for plan in shown}) > 1]
    swept = [name for name in swept if name not in ("hardware", "devices", "site")]
    if any(plan.also_in for plan in shown) or len({plan.scenario.site for plan in shown}) > 1:
        swept.insert(0, "site")
    return swept


def _report(plan: "TrainingPlan", level: float, swept: "Sequence[str]") -> "Report":
    """Report of one plan, headed by its devices and distinguishing inputs."""
    from estimator.answer.report import Report
    from estimator.question.scenario import link

    scenario = plan.scenario
    chosen = {name: str(getattr(scenario, name)) for name in swept}
    if "site" in chosen:
        more = len(plan.also_in) - MOST_SITES
        sites = ", ".join((chosen["site"], *plan.also_in[:MOST_SITES]))
        chosen["site"] = f"{sites} and {more} more" if more > 0 else sites
    return Report(
        question="plan",
        quantities=plan.quantities,
        level=level,
        inputs=scenario.specified_inputs(),
        facts={
            "probability": plan.probability,
            "limits_hold": dict(plan.holds),
            "also_in": plan.also_in,
            "link": link(scenario),
        },
        columns=(*scenario.specified_inputs(), "probability"),
        details={"leading": {"": f"{scenario.devices or 1:,.0f} × {scenario.hardware}", **chosen}},
    )


def _sentence(report: "Report") -> str:
    """Summarize a plan in one sentence."""
    site = report.inputs.get("site")
    where = f" in {site}" if site else ""
    mass = " of CO2e" if "co2e_kg" in report.quantities else ""
    from estimator.show.plans import cell

    taken = ", ".join(cell(report, name) for name in COLUMNS)
    return f"{report.details['leading']['']}{where}: {taken}{mass}"
