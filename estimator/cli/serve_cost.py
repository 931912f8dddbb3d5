"""`serve-cost`: what a token costs to serve, in time, energy, money and CO2e."""

import argparse
import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_calibration, add_output, catalog_of, level_of
from estimator.cli.output import note, print_csv, print_json, print_line
from estimator.cli.serving_quantities import print_items, print_serving, print_serving_comparison

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.serving.quantities import Calibration, ServingAnswer
    from estimator.serving.question import ServingQuestion

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

OPTIONS = {
    "model and number formats": {
        "preset": ("model", "NAME", "preset or hub name (e.g. llama-3-8b, Qwen/Qwen3-14B)"),
        "config": ("config", "FILE", "a Hugging Face config.json"),
        "params": ("params_total", "N", "parameters, if there is no preset (e.g. 8B)"),
        "active-params": (
            "params_active",
            "N",
            "active parameters per token, for a mixture of experts",
        ),
        "precision": ("precision", "NAME", "weights: bf16, fp8, int4, awq, mxfp4, Q4_K_M ..."),
        "kv-precision": ("kv_precision", "NAME", "cache: bf16, fp8 (default: as usual)"),
    },
    "hardware": {
        "hardware": ("hardware", "NAME", "device by id or name (e.g. h100, 'RTX 4090')"),
        "devices": ("devices", "N", "number of devices (default: the fewest that hold the model)"),
        "tensor-parallel": ("tensor_parallel", "N", "devices that each layer is split across"),
        "expert-parallel": ("expert_parallel", "N", "devices that the experts are split across"),
        "data-parallel": ("data_parallel", "N", "replicas of the attention layers"),
        "software": ("software", "NAME", "vendor, typical, research, or vllm, llama.cpp ..."),
    },
    "traffic": {
        "concurrency": ("concurrency", "N", "sequences in flight on all devices"),
        "request-rate": ("request_rate", "N", "requests per second, instead of --concurrency"),
        "input-tokens": ("input_tokens", "N", "tokens per prompt"),
        "output-tokens": ("output_tokens", "N", "tokens per answer"),
        "cached-share": ("cached_share", "P", "share of prompt tokens found in the prefix cache"),
        "draft-tokens": ("draft_tokens", "N", "tokens drafted at a time in speculative decoding"),
        "draft-acceptance": ("draft_acceptance", "P", "probability that a draft is accepted"),
        "draft-params": ("draft_params", "N", "parameters of the draft model"),
        "duty-cycle": ("duty_cycle", "P", "share of the time that reserved machines are serving"),
    },
    "location and cost": {
        "site": ("region", "NAME", "country, cloud region or operator (e.g. fr)"),
        "pue": ("pue", "N", "power usage effectiveness of the site"),
        "price": ("price_usd_per_h", "USD", "price of a device-hour"),
    },
}
"""Options by heading: name -> field of the question, placeholder, help."""


@contextmanager
def options_named() -> Iterator[None]:
    """Name the inputs of a refusal as the options of serving are."""
    from estimator.core.messages import render
    from estimator.core.notice import Refusal
    from estimator.serving.question import option_of

    try:
        yield
    except Refusal as refusal:
        raise ValueError(render(refusal.notice, option_of)) from refusal


ITEM_OPTIONS = {
    "steps": ("N", "steps of a diffusion model (default: 1)"),
    "guidance": ("N", "passes per step: 2 with classifier-free guidance (default: 1)"),
    "image-size": ("N", "image side in pixels"),
    "positions": ("N", "tokens, patches or frames per item, if there is no image size"),
}
"""Options that ask for items: placeholder, help."""

COMPARISONS = (
    *("latency_goal", "api", "api_price_out", "api_price_in"),
    *("training_kwh", "tokens_per_day", "service_days"),
)
"""Options that compare what tokens take, and items do not."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve-cost",
        help="inference: latency, throughput, energy and cost per token or answer",
        description="Serving a language model: latency, throughput, energy, cost and CO2e of a "
        "token, with intervals.",
        epilog=EXAMPLES,
    )
    add_serving(parser)
    add_calibration(parser, "loads of servers on this device")
    group = parser.add_argument_group("items instead of tokens: images, videos, labels, texts")
    for name, (placeholder, help_) in ITEM_OPTIONS.items():
        group.add_argument(f"--{name}", metavar=placeholder, help=help_)
    group = parser.add_argument_group("comparisons")
    group.add_argument("--latency-goal", metavar="S", help="maximum seconds per output token")
    group.add_argument("--api", metavar="NAME", help="an API on record (e.g. groq-gpt-oss-120b)")
    group.add_argument(
        "--api-price-out", metavar="USD", help="price per million output tokens, instead of --api"
    )
    group.add_argument("--api-price", dest="api_price_out", help=argparse.SUPPRESS)
    group.add_argument(
        "--api-price-in",
        metavar="USD",
        help="price per million input tokens (default: not counted)",
    )
    group.add_argument("--training-kwh", metavar="KWH", help="energy used by training")
    group.add_argument(
        "--tokens-per-day", metavar="N", help="output tokens per day, with --training-kwh"
    )
    group.add_argument(
        "--service-days", metavar="N", help="days in service, for training + serving (default: 365)"
    )
    add_output(parser)
    parser.set_defaults(run=run)


def add_serving(parser: argparse.ArgumentParser) -> None:
    """Add one option per field of a question about serving."""
    for title, options in OPTIONS.items():
        group = parser.add_argument_group(title)
        for name, (field, placeholder, help_) in options.items():
            group.add_argument(f"--{name}", dest=field, metavar=placeholder, help=help_)


@options_named()
def run(options: argparse.Namespace) -> int:
    """Answer one question about serving."""
    from estimator.core.messages import rendered
    from estimator.serving.figures import (
        inputs,
        memory,
        request_times,
        results,
        roofline,
        single,
    )
    from estimator.serving.quantities import answer_serving
    from estimator.serving.question import option_of

    level = level_of(options)
    catalog = catalog_of(options)
    if any(getattr(options, name.replace("-", "_")) for name in ITEM_OPTIONS):
        return _run_items(options, level)
    measured = calibration_of(options, catalog)
    answer = answer_serving([question_from(options)], catalog, calibration=measured)
    single(answer)
    beside = {**memory(answer), **request_times(answer)}
    api = _api(options, catalog)
    beside |= {**_goal(options, answer), **_against_api(api, answer)}
    beside |= _over_life(options, answer)
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
    from estimator.core.messages import refuse, rendered
    from estimator.serving.items import Item, answer_item
    from estimator.serving.question import option_of

    for name in COMPARISONS:
        if getattr(options, name) is not None:
            raise refuse("serving_not_for_items", name)
    steps, guidance, side, positions = (
        _number(name, getattr(options, name))
        for name in (option.replace("-", "_") for option in ITEM_OPTIONS)
    )
    item = Item(passes=(steps or 1.0) * (guidance or 1.0), image_size=side, positions=positions)
    asked = question_from(options)
    found = answer_item(asked, item, catalog_of(options))
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
        print_items(asked.model or asked.config or found.row.model.name, found.row, ranges, level)
    for line in notes:
        note(line, quiet=options.quiet)
    return 0


def question_from(options: argparse.Namespace, **instead: str) -> "ServingQuestion":
    """Question of parsed options."""
    from estimator.serving.question import COLUMNS, question_of

    cells = {name: getattr(options, name, None) or "" for name in COLUMNS}
    return question_of({**cells, **instead})


def calibration_of(options: argparse.Namespace, catalog: "Catalog") -> "Calibration | None":
    """What measured loads change, unless they shall be ignored."""
    from estimator.serving.measured_loads import known_loads

    return None if options.calibration == "ignore" else known_loads(catalog).corrected


@options_named()
def compare(options: argparse.Namespace) -> int:
    """Print one model served on several devices, counts and sites."""
    from estimator.core.messages import rendered
    from estimator.core.notice import Notice
    from estimator.serving.figures import single
    from estimator.serving.quantities import answer_serving
    from estimator.serving.question import option_of
    from estimator.serving.serving_csv import RESULT_COLUMNS, result_rows

    level = level_of(options)
    names = (options.hardware or "h100,h200-sxm,b200,rtx-4090,apple-m2-ultra").split(",")
    counts = (options.devices or "").split(",")
    sites = (options.site or "").split(",")
    cases = [
        {"hardware": hardware.strip(), "devices": count.strip(), "region": site.strip()}
        for hardware, count, site in itertools.product(names, counts, sites)
    ]
    renamed = {"model": options.preset, "params_total": options.params}
    renamed |= {"params_active": options.active_params, "price_usd_per_h": options.price}
    shared = {name: value for name, value in renamed.items() if value}
    questions = [question_from(options, **shared, **one) for one in cases]
    catalog = catalog_of(options)
    measured = calibration_of(options, catalog)
    answer = answer_serving(questions, catalog, calibration=measured)
    if all(isinstance(row, Notice) for row in answer.rows):
        single(answer)
    rows = [
        {**one, **dict(zip(RESULT_COLUMNS, cells, strict=True))}
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


def _goal(options: argparse.Namespace, answer: "ServingAnswer") -> dict[str, float]:
    from estimator.serving.figures import most_within

    goal = _number("latency_goal", options.latency_goal)
    if goal is None:
        return {}
    found = most_within(answer, goal)
    if found is None:
        raise ValueError(f"no concurrency reaches {goal:g} s per token on these devices")
    return {"concurrency_within_goal": found}


API_LINE = (
    "{name}: {input_usd:g} $ per million input tokens, {output_usd:g} $ per million output tokens "
    "({date}, {source})"
)


def _api(options: argparse.Namespace, catalog: "Catalog") -> dict[str, Any]:
    """Prices of the API to compare with: on record with name, date and source, or as given."""
    read, written = (
        _number(f"api_price_{end}", getattr(options, f"api_price_{end}")) for end in ENDS
    )
    if options.api is None:
        if written is None and read is not None:
            raise ValueError("--api-price-in needs --api-price-out")
        return {} if written is None else {"input_usd": read or 0.0, "output_usd": written}
    if read is not None or written is not None:
        raise ValueError("--api and --api-price-out are mutually exclusive")
    known = catalog.api_price(options.api)
    return {
        "name": known.name,
        "date": known.date,
        "source": known.source,
        "input_usd": known.input_usd_per_million_tokens,
        "output_usd": known.output_usd_per_million_tokens,
    }


ENDS = ("in", "out")


def _against_api(api: dict[str, Any], answer: "ServingAnswer") -> dict[str, float]:
    from dataclasses import asdict

    from estimator.core.messages import refuse
    from estimator.serving.figures import compared_with_api, single

    if not api:
        return {}
    prices = {name: float(api[name]) for name in ("input_usd", "output_usd")}
    found = compared_with_api(answer, **prices)
    if found is None:
        device = single(answer)[0].device.device.name
        raise refuse("serving_price_unknown", "price_usd_per_h", device=device)
    return {name: value for name, value in asdict(found).items() if value is not None}


SERVICE_DAYS = 365.0
"""Days in service of a model where they are not given [day]."""


def _over_life(options: argparse.Namespace, answer: "ServingAnswer") -> dict[str, float]:
    from estimator.core.messages import refuse
    from estimator.serving.figures import single
    from estimator.serving.lifetime import lifetime

    training = _number("training_kwh", options.training_kwh)
    tokens = _number("tokens_per_day", options.tokens_per_day)
    if training is None and tokens is None:
        return {}
    if training is None or tokens is None:
        raise ValueError("set both --training-kwh and --tokens-per-day, or neither")
    joule = float(answer.ranges["energy_per_output_token_j"].mid[0])
    if not math.isfinite(joule):
        device = single(answer)[0].device.device.name
        raise refuse("serving_energy_needed", "training_kwh", device=device)
    days = _number("service_days", options.service_days)
    days = SERVICE_DAYS if days is None else days
    life = lifetime(training, joule, tokens, days)
    return {
        "serving_kwh_per_day": life.serving_kwh / days,
        "days_to_overtake_training": life.days_to_overtake,
        "lifetime_kwh": training + life.serving_kwh,
        "training_share_of_lifetime": training / (training + life.serving_kwh),
    }


def _number(name: str, text: str | None) -> float | None:
    """Number of an option, within its limits where it has some here."""
    from estimator.serving.question import LIMITS_BESIDE, check_number, read_number

    number = None if text is None else read_number(name, text)
    if number is not None and name in LIMITS_BESIDE:
        check_number(name, number)
    return number
