"""`serve-cost`: time, energy, cost and CO2e of serving a token."""

import argparse
import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from estimator.cli.options import (
    add_calibration,
    add_inputs,
    add_output,
    catalog_of,
    level_of,
    listed,
    refuse_given,
    shape_of,
)
from estimator.inference.question import INPUTS, Comparison, Item, ServingQuestion
from estimator.question.inputs import option_of, read_question, refuse
from estimator.question.scenario import INPUTS as TRAINING
from estimator.show.terminal import note, print_notices, print_report, print_shaped

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.inference.quantities import Calibration, ServingAnswer
    from estimator.show.text import Block

DEFAULT_HARDWARE = "h100,h200-sxm,b200,rtx-4090,apple-m2-ultra"
"""Default devices of a comparison."""

EXAMPLES = """examples:
  twenty-watts serve-cost --preset llama-3-8b --hardware h100 --concurrency 64
  twenty-watts serve-cost --preset llama-2-70b --hardware h100 --devices 4 --precision fp8 \\
      --input-tokens 500 --output-tokens 300 --request-rate 5 --site fr
  twenty-watts serve-cost --params 8B --hardware apple-m2-ultra --precision Q4_K_M
  twenty-watts serve-cost --preset flux-dev --hardware h100 --denoising-steps 50 --image-size 1024
  twenty-watts serve-cost --preset bert-base --hardware t4 --positions 128 --concurrency 64
  twenty-watts serve-cost --preset llama-3-8b --hardware h100 --latency-goal 0.02
  twenty-watts serve-cost --preset llama-3.1-8b --hardware h100 --input-tokens 500 \\
      --output-tokens 300 --api deepinfra-llama-3.1-8b
  twenty-watts serve-cost --preset llama-3.1-70b --hardware h100 --precision fp8 --concurrency 64 \\
      --input-tokens 8000 --output-tokens 500 --prefill-devices 8 --decode-devices 8
Omitted inputs are assumed, and every assumption is listed. Numbers may be written 7e9, 7B, 300k.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "serve-cost",
        help="estimate the latency, throughput, energy and cost of inference",
        description="Estimate the latency, throughput, energy, cost and CO2e of inference, per "
        "token or per item.",
        epilog=EXAMPLES,
    )
    add_inputs(parser, INPUTS)
    add_calibration(parser, "loads of servers on this device")
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer one inference question."""
    level, catalog = level_of(options), catalog_of(options)
    asked = question_from(options)
    if any(getattr(options, name) for name in Item.inputs):
        from estimator.inference.items import answer_item
        from estimator.inference.report import items_report
        from estimator.networks.config_file import config_name

        for name in Comparison.inputs:
            if getattr(options, name) is not None:
                raise refuse("serving_not_for_items", name)
        found = answer_item(asked, read_question(Item, vars(options)), catalog)
        named = asked.preset or (asked.config and config_name(asked.config)) or ""
        report = items_report(found, named, level)
    else:
        from estimator.inference.quantities import answer_serving
        from estimator.inference.report import inference_report
        from estimator.question.table import check_question

        held = read_question(Comparison, vars(options))
        check_question(held)
        answer = answer_serving([asked], catalog, calibration=calibration_of(options, catalog))
        report = inference_report(answer, catalog, level, held)
    print_report(report, option_of, shape_of(options), quiet=options.quiet, verbose=options.verbose)
    return 0


def refuse_training(options: argparse.Namespace, further: tuple[str, ...]) -> None:
    """Refuse training options for an inference question."""
    known = {*ServingQuestion.inputs, "interval", "calibration"}
    names = (name for name in (*TRAINING, *further) if name not in known)
    refuse_given(options, names, "applies to training: omit it or --task serving")


def refuse_serving(options: argparse.Namespace, names: Iterable[str]) -> None:
    """Refuse inference options for a training question."""
    refuse_given(options, names, "requires --task serving")


def question_from(options: argparse.Namespace, **instead: Any) -> ServingQuestion:
    """Build a question from parsed options, some of them replaced."""
    return read_question(ServingQuestion, {**vars(options), **instead})


def calibration_of(options: argparse.Namespace, catalog: "Catalog") -> "Calibration | None":
    """Load the calibration from measured inference runs, or None with `--calibration ignore`."""
    from estimator.inference.measured_loads import known_loads
    from estimator.question.table import check_choice

    check_choice(TRAINING["calibration"], options.calibration)
    return None if options.calibration == "ignore" else known_loads(catalog).corrected


COMPARED = {
    "inter_token_s": "time per token",
    "output_tokens_per_s": "output",
    "energy_per_output_token_j": "energy per token",
    "cost_per_million_output_tokens_usd": "cost per M tokens",
    "co2e_per_million_output_tokens_kg": "CO2e per M tokens",
}
"""Quantity of a comparison -> column header."""


def compare(options: argparse.Namespace) -> int:
    """Compare one model on several devices, counts and sites."""
    from estimator.core.messages import refusal
    from estimator.inference.quantities import answer_serving
    from estimator.inference.report import set_ups_report
    from estimator.show.csv_table import served_rows

    level, catalog = level_of(options), catalog_of(options)
    names = listed("--hardware", options.hardware or DEFAULT_HARDWARE, catalog)
    counts = listed("--devices", options.devices, catalog) if options.devices else [""]
    sites = listed("--site", options.site, catalog) if options.site else [""]
    cases = [
        {"hardware": hardware, "devices": count, "site": site}
        for hardware, count, site in itertools.product(names, counts, sites)
    ]
    questions = [question_from(options, **case) for case in cases]
    answer = answer_serving(questions, catalog, calibration=calibration_of(options, catalog))
    if not answer.places.size:
        raise refusal(answer.errors[0])
    report = set_ups_report(answer, len(cases), level)
    rows = [
        {**one, "region": one["site"], **cells}
        for one, cells in zip(cases, served_rows(report, option_of), strict=True)
    ]
    print_shaped(
        shape_of(options),
        data=lambda: rows,
        rows=lambda: rows,
        text=lambda: _comparison(answer, rows, level),
    )
    if options.json:
        return 0
    for row in rows if not options.csv else ():
        if row["error"]:
            note(f"{row['hardware']}: {row['error']}")
    print_notices(
        itertools.chain.from_iterable(answer.notices.distinct()[0]),
        option_of,
        quiet=options.quiet,
        verbose=options.verbose,
    )
    return 0


def _comparison(
    answer: "ServingAnswer", rows: list[dict[str, str]], level: float
) -> Iterator["Block"]:
    """Yield a table with one row per setup."""
    from estimator.answer.report import Report
    from estimator.inference.report import quantities_of
    from estimator.show.comparison import comparison_table

    places = {question: place for place, question in enumerate(answer.places.tolist())}
    shown = []
    for question, row in enumerate(rows):
        known = {}
        if question in places:
            known = quantities_of(answer.ranges, COMPARED, places[question])
        devices = f" × {row['devices']}" if row["devices"] else ""
        where = f", {row['region']}" if row["region"] else ""
        report = Report(question="inference", quantities=known, level=level)
        shown.append(((f"{row['hardware']}{devices}{where}",), report))
    yield comparison_table(shown, COMPARED, unknown="unknown")
    yield f"Median, and under it the {level * 100:g}% interval."
