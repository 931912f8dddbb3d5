"""`plan --task serving`: devices that serve users or a request rate within goals and limits."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli import serve_cost
from estimator.cli.options import (
    add_fields,
    catalog_of,
    level_of,
    listed,
    positive,
)
from estimator.inference.question import INPUTS as SERVING
from estimator.question.inputs import option_of, read_number
from estimator.show.terminal import (
    note,
    note_reasons,
    print_blocks,
    print_csv,
    print_json,
    print_notices,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estimator.answer.report import Report
    from estimator.catalog import Catalog
    from estimator.core.notice import Notice
    from estimator.studies.search.plan import PlanAnswer
    from estimator.studies.search.serving_plan import ServingPlan, ServingRequest

TRAFFIC = (
    "request_rate",
    "users",
    "think_s",
    "input_tokens",
    "output_tokens",
    "cached_share",
    "draft_tokens",
    "kv_precision",
    "data_parallel",
    "disaggregated",
)
"""Inference inputs that a plan accepts."""

GOALS = ("latency_goal", "first_token_goal", "request_goal", "percentile")
"""Options about latency goals."""

CAPS = {
    "budget": "cost_usd",
    "carbon_cap": "co2e_kg",
    "energy_cap": "energy_kwh",
}
"""Training limit that also applies to a service over its days -> quantity."""

CHOICES = ("hardware", "devices", "precision", "site", "tensor_parallel")
"""Inputs that the plan searches."""

AS_BEFORE = {"region", "price_usd_per_h"}
"""Former keys of site and price, kept for compatibility."""

DAYS = "30"

PERCENTILE = "50"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the inference options to the command."""
    group = parser.add_argument_group("with --task serving")
    group.add_argument("--task", choices=("training", "serving"), default="training")
    add_fields(group, (*TRAFFIC, "latency_goal"), SERVING)
    group.add_argument("--first-token-goal", metavar="N", help="maximum time to first token [s]")
    group.add_argument("--request-goal", metavar="N", help="maximum latency of a whole request [s]")
    group.add_argument(
        "--percentile",
        choices=("50", "90", "99"),
        help=(
            "percentage of requests that must meet the first-token and request goals (default: 50)"
        ),
    )
    group.add_argument(
        "--days", metavar="N", help=f"days of service that the limits apply to (default: {DAYS})"
    )


def refuse_serving(options: argparse.Namespace) -> None:
    """Refuse inference options in a training plan."""
    serve_cost.refuse_serving(options, (*TRAFFIC, *GOALS, "days"))


def run(options: argparse.Namespace, count: int) -> int:
    """Plan a service."""
    from estimator.show.plans import Plans, designs_text, plans_json, plans_rows, plans_text
    from estimator.studies.search.serving_plan import best_serving_plans

    serve_cost.refuse_training(options, ("deadline",))
    catalog = catalog_of(options)
    level = level_of(options)
    request = _request(options, catalog, count)
    measured = serve_cost.calibration_of(options, catalog)
    answer = best_serving_plans(request, catalog, calibration=measured)
    goals = _goals(options)
    shown = answer.plans or ((answer.nearest,) if answer.nearest else ())
    plans = Plans(
        answer=answer,
        reports=[_report(plan, level, request) for plan in shown],
        aim=options.minimize,
        confidence=request.limits.confidence,
        limited={quantity: name for name, quantity in {**goals, **CAPS}.items()},
    )
    reasons = answer.reasons(option_of)
    if options.json:
        print_json(plans_json(plans, option_of, ("designs", "refused")))
    elif options.csv:
        print_csv(plans_rows(plans, option_of))
    else:
        sentence = _sentence(plans.reports[0], request)
        columns = (*goals.values(), "load", "cost_usd", "energy_kwh", "co2e_kg")
        if options.request_goal is None:
            columns = tuple(name for name in columns if name != goals["request_goal"])
        print_blocks(plans_text(plans, option_of, sentence, columns))
        print_blocks((_reason(shown[0], met=bool(answer.plans)),))
    quiet = options.quiet or options.json
    print_notices(_notices(answer), option_of, quiet=quiet, verbose=options.verbose)
    note(
        f"{designs_text(answer.designs)} examined: {answer.refused:,} cannot serve these requests",
        quiet=options.quiet,
    )
    note_reasons(reasons, "cannot serve", quiet=options.quiet)
    return 0


def _goals(options: argparse.Namespace) -> dict[str, str]:
    """Return the quantity that each latency option limits, at the requested percentile."""
    from estimator.studies.search.serving_plan import LATENCIES, latency_of

    percentile = options.percentile or PERCENTILE
    first, whole = (latency_of(name, percentile) for name in LATENCIES)
    return {"latency_goal": "inter_token_s", "first_token_goal": first, "request_goal": whole}


def _request(options: argparse.Namespace, catalog: "Catalog", count: int) -> "ServingRequest":
    """Return the plan's service, limits and choices."""
    from estimator.studies.search.limits import Limits
    from estimator.studies.search.serving_plan import COUNTS, ServingRequest, served_devices

    most = {
        quantity: positive(name, _number(name, getattr(options, name)))
        for name, quantity in {**_goals(options), **CAPS}.items()
        if getattr(options, name) is not None
    }
    choices: dict[str, tuple[float | str, ...]] = {
        "hardware": served_devices(catalog),
        "devices": COUNTS,
    }
    if options.disaggregated:
        choices["disaggregated"] = (0.0, 1.0)
    for name in CHOICES:
        text = getattr(options, name)
        if text is not None:
            choices[name] = _listed(name, text, catalog)
    unspecified: dict[str, Any] = {**dict.fromkeys(CHOICES, ""), "disaggregated": False}
    return ServingRequest(
        question=serve_cost.question_from(options, **unspecified),
        choices=choices,
        limits=Limits(most=most, confidence=_number("confidence", options.confidence)),
        days=_number("days", options.days or DAYS),
        minimize=options.minimize,
        count=count,
    )


def _listed(name: str, text: str, catalog: "Catalog") -> tuple[float | str, ...]:
    """Split an option's values at commas."""
    unique = dict.fromkeys(listed(option_of(name), text, catalog))
    number = SERVING[name].number
    return tuple(_number(name, part) if number else part for part in unique)


def _number(name: str, text: str) -> float:
    if not text.strip():
        raise ValueError(f"{option_of(name)} is empty: give a number")
    return read_number(name, text)


def _notices(answer: "PlanAnswer[ServingPlan]") -> "Iterator[Notice]":
    """Yield the notices of the first plan, and calibration notices of all."""
    from estimator.inference.measured_loads import OF_MEASURED_LOADS

    first, *others = answer.plans or (answer.nearest,)
    yield from first.notes if first else ()
    for plan in others:
        yield from (notice for notice in plan.notes if notice.code in OF_MEASURED_LOADS)


def _report(plan: "ServingPlan", level: float, request: "ServingRequest") -> "Report":
    """Report of a plan, headed by its choices and concurrency."""
    from estimator.answer.report import Report

    asked = plan.question
    stated: dict[str, Any] = {}
    for name, value in asked.specified_inputs().items():
        if value is False:
            continue
        declared = SERVING[name]
        stated |= dict.fromkeys([declared.column, *AS_BEFORE & {*declared.columns}], value)
    stated |= {
        "concurrency": plan.concurrency,
        "weights": plan.weights,
        "replicas": plan.replicas,
        "fewest_devices": plan.fewest_devices,
        "requests_per_s": plan.requests_per_s,
    }
    searched = [name for name in ("site", "tensor_parallel") if name in request.choices]
    pools = {"pools": "separate" if asked.disaggregated else "shared"}
    return Report(
        question="plan",
        quantities=plan.quantities,
        level=level,
        inputs=stated,
        notices=plan.notes,
        facts={"probability": plan.probability, "limits_hold": dict(plan.holds)},
        columns=(*stated, "probability"),
        details={
            "leading": {
                "": _fleet(plan),
                **{name: str(getattr(asked, name)) for name in searched},
                **(pools if "disaggregated" in request.choices else {}),
                "weights": plan.weights,
                "in flight": f"{plan.concurrency:.3g}",
            }
        },
    )


def _reason(plan: "ServingPlan", *, met: bool) -> str:
    """Describe how many devices fit the weights, and what the others are for."""
    devices, fewest = plan.question.devices or 1.0, plan.fewest_devices
    text = f"{plan.requests_per_s:.3g} requests/s arrive; "
    text += f"the {plan.weights} weights fit in {fewest:g} device{'s' * (fewest > 1)}"
    if devices > fewest:
        text += f", {devices:g} {'meet' if met else 'come closest to'} the load and the limits"
    each = devices / plan.replicas
    if each < fewest:
        text += f", as {plan.replicas:g} attention replicas that share the experts"
    elif plan.replicas > 1:
        text += f", as {plan.replicas:g} replicas of {each:g}"
    return text


def _fleet(plan: "ServingPlan") -> str:
    """Name the devices of a plan, and its replicas where there are several."""
    fleet = f"{plan.question.devices or 1:,.0f} × {plan.question.hardware}"
    return f"{fleet}, {plan.replicas:g} replicas" if plan.replicas > 1 else fleet


def _sentence(report: "Report", request: "ServingRequest") -> str:
    """Summarize a plan and its limited latencies in one sentence."""
    from estimator.show.plans import HEADS, cell

    mass = f"{cell(report, 'co2e_kg')} of CO2e"
    mass = mass if "co2e_kg" in report.quantities else "CO2e unknown"
    fleet, cost, pace = report.details["leading"][""], "cost_usd", "inter_token_s"
    kept = [
        f", {HEADS[name].replace(',', '')} {cell(report, name)}"
        for name in request.limits.most
        if name.startswith(("time_to_first_token", "request"))
    ]
    return (
        f"{fleet}: {cell(report, cost)} and {mass} in {request.days:g} days, "
        f"{cell(report, pace)} a token{''.join(kept)}"
    )
