"""`plan --task serving`: the devices that serve a rate of requests, within goals and caps."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli import serve_cost
from estimator.cli.best_plans import (
    designs_text,
    gains_json,
    plan_json,
    plan_row,
    print_binding,
    print_plans,
)
from estimator.cli.options import (
    add_fields,
    catalog_of,
    level_of,
    listed,
    positive,
)
from estimator.core.units import in_percent
from estimator.inference.question import INPUTS as SERVING
from estimator.question.inputs import option_of, read_number
from estimator.show.terminal import note, note_reasons, print_csv, print_json

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.studies.search.plan import PlanAnswer
    from estimator.studies.search.serving_plan import ServingPlan, ServingRequest

TRAFFIC = ("request_rate", "input_tokens", "output_tokens", "cached_share", "kv_precision")
"""Inputs of a question about serving that a plan takes, and training has not."""

GOALS = {"latency_goal": "inter_token_s", "first_token_goal": "time_to_first_token_s"}
"""Options that limit a latency -> its quantity."""

CAPS = {
    "budget": "cost_usd",
    "carbon_cap": "co2e_kg",
    "energy_cap": "energy_kwh",
}
"""Options of a plan of training that limit the service, too, over its days."""

CHOICES = ("hardware", "devices", "precision", "site", "tensor_parallel")
"""Inputs over which the plan searches."""

AS_BEFORE = {"region", "price_usd_per_h"}
"""Keys by which the site and the price were named before; they are kept."""

DAYS = "30"

HEADER = ("", "weights", "in flight", "per token", "first token", "load", "cost", "energy", "CO2e")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of serving to the command."""
    group = parser.add_argument_group("with --task serving")
    group.add_argument("--task", choices=("training", "serving"), default="training")
    add_fields(group, (*TRAFFIC, "latency_goal"), SERVING)
    group.add_argument(
        "--first-token-goal", metavar="N", help="maximum time to the first token [s]"
    )
    group.add_argument(
        "--days", metavar="N", help=f"length of the service, for the caps (default: {DAYS})"
    )


def refuse_serving(options: argparse.Namespace) -> None:
    """Refuse options of serving in a plan of training."""
    serve_cost.refuse_serving(options, (*TRAFFIC, *GOALS, "days"))


@serve_cost.options_named()
def run(options: argparse.Namespace, count: int) -> int:
    """Plan a service."""
    from estimator.studies.search.serving_plan import best_serving_plans

    serve_cost.refuse_training(options, ("deadline",))
    catalog = catalog_of(options)
    level = level_of(options)
    request = _request(options, catalog, count)
    measured = serve_cost.calibration_of(options, catalog)
    answer = best_serving_plans(request, catalog, calibration=measured)
    if options.json:
        print_json(_as_json(answer, level))
    elif options.csv:
        print_csv([plan_row(plan, _said(plan), level) for plan in answer.plans])
    else:
        _print_for_people(request, answer, options)
    for line in () if options.json else _notes(answer):
        note(line, quiet=options.quiet)
    note(
        f"{designs_text(answer.designs)} examined: {answer.refused:,} cannot serve these requests",
        quiet=options.quiet,
    )
    note_reasons(answer.reasons(option_of), "cannot serve", quiet=options.quiet)
    return 0


def _request(options: argparse.Namespace, catalog: "Catalog", count: int) -> "ServingRequest":
    """The service, its limits and what the plan chooses from."""
    from estimator.studies.search.limits import Limits
    from estimator.studies.search.serving_plan import COUNTS, ServingRequest, served_devices

    most = {
        quantity: positive(name, _number(name, getattr(options, name)))
        for name, quantity in {**GOALS, **CAPS}.items()
        if getattr(options, name) is not None
    }
    choices: dict[str, tuple[float | str, ...]] = {
        "hardware": served_devices(catalog),
        "devices": COUNTS,
    }
    for name in CHOICES:
        text = getattr(options, name)
        if text is not None:
            choices[name] = _listed(name, text, catalog)
    unspecified = dict.fromkeys((name for name in CHOICES), "")
    return ServingRequest(
        question=serve_cost.question_from(options, **unspecified),
        choices=choices,
        limits=Limits(most=most, confidence=_number("confidence", options.confidence)),
        days=_number("days", options.days or DAYS),
        minimize=options.minimize,
        count=count,
    )


def _listed(name: str, text: str, catalog: "Catalog") -> tuple[float | str, ...]:
    """Values of an option, separated by commas."""
    unique = dict.fromkeys(listed(option_of(name), text, catalog))
    number = SERVING[name].number
    return tuple(_number(name, part) if number else part for part in unique)


def _number(name: str, text: str) -> float:
    if not text.strip():
        raise ValueError(f"{option_of(name)} is empty: give a number")
    return read_number(name, text)


def _said(plan: "ServingPlan") -> dict[str, Any]:
    """What the question of a plan states."""
    stated: dict[str, Any] = {}
    for name, value in plan.question.given().items():
        declared = SERVING[name]
        stated |= dict.fromkeys({declared.column, *(AS_BEFORE & {*declared.columns})}, value)
    return {**stated, "concurrency": plan.concurrency, "weights": plan.weights}


def _notes(answer: "PlanAnswer[ServingPlan]") -> tuple[str, ...]:
    """What was assumed for the first plan, and the measured loads that correct any."""
    from estimator.core.messages import rendered
    from estimator.inference.measured_loads import OF_MEASURED_LOADS

    first, *others = answer.plans or (answer.nearest,)
    notes = list(first.notes) if first else []
    notes += [one for plan in others for one in plan.notes if one.code in OF_MEASURED_LOADS]
    return rendered(tuple(notes), option_of)


def _as_json(answer: "PlanAnswer[ServingPlan]", level: float) -> dict[str, Any]:
    """The whole answer."""
    from estimator.core.messages import rendered

    def shown(plan: "ServingPlan") -> dict[str, Any]:
        notes = rendered(plan.notes, option_of)
        return {**plan_json(plan, _said(plan), level), "warnings": list(notes)}

    return {
        "plans": [shown(plan) for plan in answer.plans],
        "nearest": shown(answer.nearest) if answer.nearest else None,
        "relaxing_by_a_tenth": gains_json(answer.gains),
        "designs": answer.designs,
        "refused": answer.refused,
    }


def _print_for_people(
    request: "ServingRequest", answer: "PlanAnswer[ServingPlan]", options: argparse.Namespace
) -> None:
    """The answer in one sentence, the plans as a table, what binds."""
    shown = answer.plans or ((answer.nearest,) if answer.nearest else ())
    first = shown[0]
    cells = _cells(first, [])
    mass = f"{cells[8]} of CO2e" if "co2e_kg" in first.quantities else "CO2e unknown"
    sentence = f"{cells[0]}: {cells[6]} and {mass} in {request.days:g} days, {cells[3]} a token"
    searched = [name for name in ("site", "tensor_parallel") if name in request.choices]
    header = (HEADER[0], *searched, *HEADER[1:], "limits hold")
    rows = [[*_cells(plan, searched), in_percent(plan.probability)] for plan in shown]
    print_plans(answer, request.limits.confidence, sentence, header, rows)
    limits = {quantity: name for name, quantity in {**GOALS, **CAPS}.items()}
    print_binding(answer.gains, limits, options.minimize)


def _cells(plan: "ServingPlan", searched: list[str]) -> list[str]:
    """A plan as cells for people."""
    from estimator.core.units import human_duration
    from estimator.show.quantities import amount

    taken, asked = plan.quantities, plan.question

    def shown(name: str) -> str:
        if name not in taken:
            return "unknown"
        value = float(taken[name].mid)
        return human_duration(value) if name.endswith("_s") else amount(name, value)

    return [
        f"{asked.devices or 1:,.0f} × {asked.hardware}",
        *(str(getattr(asked, name)) for name in searched),
        plan.weights,
        f"{plan.concurrency:.3g}",
        shown("inter_token_s"),
        shown("time_to_first_token_s"),
        in_percent(float(taken["load"].mid)),
        *(shown(name) for name in ("cost_usd", "energy_kwh", "co2e_kg")),
    ]
