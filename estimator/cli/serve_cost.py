"""`serve-cost`: what a token costs to serve, in time, energy, money and CO2e."""

import argparse
import itertools
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from estimator.cli.options import (
    add_calibration,
    add_inputs,
    add_output,
    catalog_of,
    level_of,
    listed,
    refuse_given,
)
from estimator.cli.serving_quantities import print_items, print_serving, print_serving_comparison
from estimator.inference.question import INPUTS, Comparison, Item, ServingQuestion
from estimator.question.inputs import option_of, read_question, refuse
from estimator.question.scenario import INPUTS as TRAINING
from estimator.show.terminal import note, print_csv, print_json, print_line

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.inference.quantities import Calibration, ServingAnswer

DEFAULT_HARDWARE = "h100,h200-sxm,b200,rtx-4090,apple-m2-ultra"
"""Devices that a comparison takes if none is named."""

EXAMPLES = """examples:
  twenty-watts serve-cost --preset llama-3-8b --hardware h100 --concurrency 64
  twenty-watts serve-cost --preset llama-2-70b --hardware h100 --devices 4 --precision fp8 \\
      --input-tokens 500 --output-tokens 300 --request-rate 5 --site fr
  twenty-watts serve-cost --params 8B --hardware apple-m2-ultra --precision Q4_K_M
  twenty-watts serve-cost --preset flux-dev --hardware h100 --steps 50 --image-size 1024
  twenty-watts serve-cost --preset bert-base --hardware t4 --positions 128 --concurrency 64
  twenty-watts serve-cost --preset llama-3-8b --hardware h100 --latency-goal 0.02
  twenty-watts serve-cost --preset llama-3.1-8b --hardware h100 --input-tokens 500 \\
      --output-tokens 300 --api deepinfra-llama-3.1-8b
Omitted inputs are assumed, and every assumption is listed. Numbers may be written 7e9, 7B, 300k.
"""


@contextmanager
def options_named() -> Iterator[None]:
    """Name the inputs of a refusal as the options of serving are."""
    from estimator.core.messages import render
    from estimator.core.notice import Refusal

    try:
        yield
    except Refusal as refusal:
        raise ValueError(render(refusal.notice, option_of)) from refusal


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve-cost",
        help="inference: latency, throughput, energy and cost per token or answer",
        description="Serving a language model: latency, throughput, energy, cost and CO2e of a "
        "token, with intervals.",
        epilog=EXAMPLES,
    )
    add_inputs(parser, INPUTS)
    add_calibration(parser, "loads of servers on this device")
    add_output(parser)
    parser.set_defaults(run=run)


@options_named()
def run(options: argparse.Namespace) -> int:
    """Answer one question about serving."""
    from estimator.core.messages import rendered
    from estimator.inference.figures import (
        inputs,
        memory,
        request_times,
        results,
        roofline,
        single,
    )
    from estimator.inference.quantities import answer_serving
    from estimator.question.table import check_question

    level = level_of(options)
    catalog = catalog_of(options)
    if any(getattr(options, name) for name in Item.inputs):
        return _run_items(options, level)
    held = read_question(Comparison, vars(options))
    check_question(held)
    measured = calibration_of(options, catalog)
    answer = answer_serving([question_from(options)], catalog, calibration=measured)
    single(answer)
    beside = {**memory(answer), **request_times(answer)}
    api = _api(held, catalog)
    beside |= {**_goal(held, answer), **_against_api(api, answer), **_over_life(held, answer)}
    notes = rendered(answer.notes[0], option_of)
    if options.json:
        given = {"inputs": inputs(answer), "results": results(answer, level)}
        given |= {"api": api} if api else {}
        print_json({**given, "step": roofline(answer), **beside, "warnings": list(notes)})
        return 0
    if options.csv:
        found = results(answer, level).items()
        ends = {f"{name}_{end}": value for name, one in found for end, value in one.items()}
        print_csv([{**inputs(answer), **ends, **beside}])
    else:
        print_serving(answer, level, beside)
        if "name" in api:
            print_line(API_LINE.format(**api))
    for line in notes:
        note(line, quiet=options.quiet)
    return 0


def _run_items(options: argparse.Namespace, level: float) -> int:
    """Answer one question about items that are not written token by token."""
    from estimator.core.messages import rendered
    from estimator.inference.items import answer_item
    from estimator.networks.config_file import config_name

    for name in Comparison.inputs:
        if getattr(options, name) is not None:
            raise refuse("serving_not_for_items", name)
    asked = question_from(options)
    found = answer_item(asked, read_question(Item, vars(options)), catalog_of(options))
    ranges = {
        name: one.ends(level) for name, one in found.ranges.items() if math.isfinite(one.mid[0])
    }
    notes = rendered(found.notes, option_of)
    if options.json:
        print_json({"results": ranges, "warnings": list(notes)})
        return 0
    if options.csv:
        flat = {f"{name}_{end}": one[end] for name, one in ranges.items() for end in one}
        print_csv([flat])
    else:
        config = asked.config and config_name(asked.config)
        print_items(asked.preset or config or found.row.model.name, found.row, ranges, level)
    for line in notes:
        note(line, quiet=options.quiet)
    return 0


def refuse_training(options: argparse.Namespace, further: tuple[str, ...]) -> None:
    """Refuse options of training, and further ones of its command, where serving is asked about."""
    known = {*ServingQuestion.inputs, "interval", "calibration"}
    names = (name for name in (*TRAINING, *further) if name not in known)
    refuse_given(options, names, "is for training: drop it or --task serving")


def refuse_serving(options: argparse.Namespace, names: Iterable[str]) -> None:
    """Refuse options of serving where training is asked about."""
    refuse_given(options, names, "goes with --task serving")


def question_from(options: argparse.Namespace, **instead: str) -> ServingQuestion:
    """Question of parsed options, some of them replaced."""
    return read_question(ServingQuestion, {**vars(options), **instead})


def calibration_of(options: argparse.Namespace, catalog: "Catalog") -> "Calibration | None":
    """What measured loads change, unless they shall be ignored."""
    from estimator.inference.measured_loads import known_loads
    from estimator.question.table import check_choice

    check_choice(TRAINING["calibration"], options.calibration)
    return None if options.calibration == "ignore" else known_loads(catalog).corrected


@options_named()
def compare(options: argparse.Namespace) -> int:
    """Print one model served on several devices, counts and sites."""
    from estimator.core.messages import rendered
    from estimator.core.notice import Notice
    from estimator.inference.figures import single
    from estimator.inference.quantities import answer_serving
    from estimator.inference.serving_csv import RESULT_COLUMNS, result_rows

    level = level_of(options)
    catalog = catalog_of(options)
    names = listed("--hardware", options.hardware or DEFAULT_HARDWARE, catalog)
    counts = listed("--devices", options.devices, catalog) if options.devices else [""]
    sites = listed("--site", options.site, catalog) if options.site else [""]
    cases = [
        {"hardware": hardware, "devices": count, "site": site}
        for hardware, count, site in itertools.product(names, counts, sites)
    ]
    questions = [question_from(options, **one) for one in cases]
    measured = calibration_of(options, catalog)
    answer = answer_serving(questions, catalog, calibration=measured)
    if all(isinstance(row, Notice) for row in answer.rows):
        single(answer)
    rows = [
        {**one, "region": one["site"], **dict(zip(RESULT_COLUMNS, cells, strict=True))}
        for one, cells in zip(cases, result_rows(answer, level, option_of), strict=True)
    ]
    if options.json:
        print_json(rows)
    elif options.csv:
        print_csv(rows)
    else:
        print_serving_comparison(rows, level)
    if not options.json:
        assumed = tuple(dict.fromkeys(notice for notices in answer.notes for notice in notices))
        for line in rendered(assumed, option_of):
            note(line, quiet=options.quiet)
    return 0


def _goal(held: Comparison, answer: "ServingAnswer") -> dict[str, float]:
    from estimator.inference.figures import most_within

    if held.latency_goal is None:
        return {}
    found = most_within(answer, held.latency_goal)
    if found is None:
        goal = held.latency_goal
        raise ValueError(f"no concurrency reaches {goal:g} s per token on these devices")
    return {"concurrency_within_goal": found}


API_LINE = (
    "{name}: {input_usd:g} $ per million input tokens, {output_usd:g} $ per million output tokens "
    "({date}, {source})"
)


def _api(held: Comparison, catalog: "Catalog") -> dict[str, Any]:
    """Prices of the API to compare with: on record with name, date and source, or as given."""
    prompt, answer = held.api_price_in, held.api_price_out
    if not held.api:
        if answer is None and prompt is not None:
            raise ValueError("--api-price-in needs --api-price-out")
        return {} if answer is None else {"input_usd": prompt or 0.0, "output_usd": answer}
    if prompt is not None or answer is not None:
        raise ValueError("--api and --api-price-out are mutually exclusive")
    known = catalog.api_price(held.api)
    return {
        "name": known.name,
        "date": known.date,
        "source": known.source,
        "input_usd": known.input_usd_per_million_tokens,
        "output_usd": known.output_usd_per_million_tokens,
    }


def _against_api(api: dict[str, Any], answer: "ServingAnswer") -> dict[str, float]:
    from dataclasses import asdict

    from estimator.inference.figures import compared_with_api, single

    if not api:
        return {}
    prices = {name: float(api[name]) for name in ("input_usd", "output_usd")}
    found = compared_with_api(answer, **prices)
    if found is None:
        device = single(answer)[0].device.device.name
        raise refuse("serving_price_unknown", "price", device=device)
    return {name: value for name, value in asdict(found).items() if value is not None}


SERVICE_DAYS = 365.0
"""Days in service of a model where they are not given [day]."""


def _over_life(held: Comparison, answer: "ServingAnswer") -> dict[str, float]:
    from estimator.inference.figures import single
    from estimator.inference.lifetime import lifetime

    training, tokens = held.training_kwh, held.tokens_per_day
    if training is None and tokens is None:
        return {}
    if training is None or tokens is None:
        raise ValueError("set both --training-kwh and --tokens-per-day, or neither")
    joule = float(answer.ranges["energy_per_output_token_j"].mid[0])
    if not math.isfinite(joule):
        device = single(answer)[0].device.device.name
        raise refuse("serving_energy_needed", "training_kwh", device=device)
    days = SERVICE_DAYS if held.service_days is None else held.service_days
    life = lifetime(training, joule, tokens, days)
    return {
        "serving_kwh_per_day": life.serving_kwh / days,
        "days_to_overtake_training": life.days_to_overtake,
        "lifetime_kwh": training + life.serving_kwh,
        "training_share_of_lifetime": training / (training + life.serving_kwh),
    }
