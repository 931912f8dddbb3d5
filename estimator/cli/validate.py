"""`validate`: published runs against predictions, error and interval coverage."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_output, catalog_of, shape_of
from estimator.show.terminal import note, print_csv, print_json, print_shaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from estimator.catalog import Catalog
    from estimator.show.text import Block, TextTable
    from estimator.validation.cost_and_carbon import Judgement
    from estimator.validation.cross_validation import Score
    from estimator.validation.held_out import HeldOut

MONEY = {"cost": "cost at listed prices", "co2e": "CO2e behind a meter, grid given"}
"""Scored quantity -> its description."""

EXAMPLES = """examples:
  twenty-watts validate
  twenty-watts validate --json
  twenty-watts validate --runs --csv > predicted.csv
  twenty-watts validate --ablation
  twenty-watts validate --task serving
  twenty-watts validate --task serving --ablation
  twenty-watts validate --task memory
Recent runs are predicted by a fit to earlier ones. Then each run is predicted by a fit without its
stack: its benchmark, software collection or model line. "By family" holds out only its family, so
other runs of the same software are seen.
Rows whose FLOPs were derived from their duration are excluded and counted. Energy, cost and CO2e
are scored with the hours given: energy and CO2e where energy was metered, cost where the price was
listed.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "validate",
        help="score predictions against published runs: error and interval coverage",
        description="Score predictions against published runs that the model has not seen: later "
        "runs from earlier ones, and each run without others of its software stack.",
        epilog=EXAMPLES,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--runs", action="store_true", help="print one row per run instead of one per group"
    )
    what.add_argument(
        "--ablation",
        action="store_true",
        help="print the score of the model without each of its terms",
    )
    parser.add_argument(
        "--task",
        choices=("training", "serving", "memory"),
        default="training",
        help="predictions to validate (default: training)",
    )
    add_output(parser, interval=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predict every published run held out and print the score."""
    catalog = catalog_of(options)
    if options.task == "serving" and options.ablation:
        return _run_serving_ablation(options, catalog)
    if options.task == "serving":
        return _run_serving(options, catalog)
    if options.task == "memory":
        return _run_memory(options, catalog)
    if options.ablation:
        return _run_ablation(options, catalog)
    from estimator.show.scores import runs_table
    from estimator.validation.held_out import earlier_scores, validation_report
    from estimator.validation.splits import later_scores, set_aside_scores
    from estimator.validation.steady_rate import steady_rates
    from estimator.validation.whole_chain import whole_chain_scores

    note("fitting once per family of runs: a few seconds", quiet=options.quiet)
    report = validation_report(catalog)
    print_shaped(
        shape_of(options),
        data=lambda: {
            **report.as_json(with_runs=options.runs),
            "earlier_model": earlier_scores(catalog),
            "hours_predicted": _as_dicts(whole_chain_scores(catalog, report)),
            "later_runs": _as_dicts(later_scores(catalog)),
            "set_aside": _as_dicts(set_aside_scores(catalog)),
            "steady_rate": _as_dicts(steady_rates(catalog).scores()),
            "energy_given_hours": _as_dicts(_energy(catalog)),
            **{
                f"{name}_given_hours": {"score": asdict(one.score), "left_out": one.left_out}
                for name, one in _money(catalog).items()
            },
        },
        rows=lambda: report.run_rows() if options.runs else report.group_rows(),
        text=lambda: [runs_table(report)] if options.runs else _training_text(report, catalog),
    )
    return 0


def _training_text(report: "HeldOut", catalog: "Catalog") -> "Iterator[Block]":
    """Return the training scores in reading order."""
    from estimator.show.scores import change_text, held_out_text, left_out, titled
    from estimator.validation.held_out import earlier_scores
    from estimator.validation.splits import LAST_YEAR, later_scores, set_aside_scores
    from estimator.validation.steady_rate import steady_rates
    from estimator.validation.whole_chain import whole_chain_scores

    money = _money(catalog)
    scored = {MONEY[name]: one.score for name, one in money.items()}
    yield from held_out_text(report, later_scores(catalog)["all"], LAST_YEAR)
    yield from change_text(report, earlier_scores(catalog))
    aside = "Set aside while the model was made, predicted by a fit to all others:"
    yield from titled(aside, set_aside_scores(catalog))
    yield from titled("Energy of runs with a meter, their hours given:", _energy(catalog))
    chain = "Energy, cost and CO2e from the work alone, the hours predicted:"
    yield from titled(chain, whole_chain_scores(catalog, report))
    yield from titled("Cost and CO2e of runs, their hours given:", scored)
    for name, one in money.items():
        yield from left_out(one.left_out, f" of {MONEY[name]}")
    steady = "Steady rate of published throughput tables, each family held out:"
    yield from titled(steady, steady_rates(catalog).scores())


def _as_dicts(scores: "Mapping[str, Score]") -> dict[str, dict[str, Any]]:
    return {name: asdict(score) for name, score in scores.items()}


def _energy(catalog: "Catalog") -> "dict[str, Score]":
    """Score of metered energy by group, with each family held out."""
    from estimator.validation.energy import energy_scores, measured_power

    return energy_scores(measured_power(catalog))


def _money(catalog: "Catalog") -> "dict[str, Judgement]":
    """Compare cost and CO2e of published runs whose values can be tested."""
    from estimator.validation.cost_and_carbon import judged_costs, judged_emissions

    found = {"cost": judged_costs(catalog), "co2e": judged_emissions(catalog)}
    return {name: judgement for name, judgement in found.items() if judgement.runs}


def _run_memory(options: argparse.Namespace, catalog: "Catalog") -> int:
    """Print the memory score, with the priors and with whole sources held out."""
    from estimator.show.scores import PEAKS, PEAKS_LEGEND, left_out, scores_table
    from estimator.validation.memory import left_out as not_scored
    from estimator.validation.memory import memory_cases, memory_groups

    cases = memory_cases(catalog)
    groups = {name: asdict(score) for name, score in memory_groups(cases).items()}
    if options.runs:
        columns = ("predicted_gib", "low_gib", "high_gib", "held_out_gib", "held_out_log_sd")
        rows = [{**case.row, **{name: getattr(case, name) for name in columns}} for case in cases]
        print_json(rows) if options.json else print_csv(rows)
        return 0
    named = [(_titled(name, catalog), score) for name, score in groups.items()]
    unscored = not_scored(catalog)
    print_shaped(
        shape_of(options),
        data=lambda: {"groups": groups, "left_out": unscored},
        rows=lambda: [{"group": name, **score} for name, score in groups.items()],
        text=lambda: (PEAKS_LEGEND, scores_table("", named, PEAKS), *left_out(unscored)),
    )
    return 0


def _titled(group: str, catalog: "Catalog") -> str:
    """Name of a group, with the title of a source."""
    by, _, source = group.partition(": ")
    return f"{by}: {catalog.source(source).title}" if by == "source" else group


def _run_serving(options: argparse.Namespace, catalog: "Catalog") -> int:
    """Print the inference score, held out by model line, system, release and half."""
    from estimator.show.scores import SERVED, SERVING, scores_table
    from estimator.validation.serving_held_out import WAYS, serving_report

    note(
        "fitting without each line of models, system, release and half: a minute",
        quiet=options.quiet,
    )
    report = serving_report(catalog)

    def text() -> "Iterator[Block]":
        yield COUNTED.format(configurations=report.configurations, ways=len(WAYS))
        for quantity in dict.fromkeys(score.quantity for score in report.scores):
            some = [score for score in report.scores if score.quantity == quantity]
            rows = [(f"{score.by}: {score.group}", score) for score in some]
            yield f"{SERVED[quantity]}:"
            yield scores_table("", rows, SERVING)
        for reason, count in report.left_out.items():
            what = "configuration" if count == 1 else "configurations"
            yield f"left out: {count:,} {what}, {reason}"

    print_shaped(
        shape_of(options),
        data=report.as_json,
        rows=lambda: map(asdict, report.scores),
        text=text,
    )
    return 0


COUNTED = (
    "{configurations:,} measured loads. Each is predicted {ways} times, by a fit that has not seen "
    "its model line, system, engine release, or half: rows count these predictions."
)
"""Explanation of the row counts."""


def _run_serving_ablation(options: argparse.Namespace, catalog: "Catalog") -> int:
    """Print the held-out inference score without each term of the model."""
    from estimator.show.scores import SERVING_ABLATION, scores_table
    from estimator.validation.serving_ablation import serving_ablation

    note("fitting serving without one of its terms: two minutes", quiet=options.quiet)
    rows = list(serving_ablation(catalog))
    named = [(row["without"], row) for row in rows]
    _print_rows(rows, scores_table("without", named, SERVING_ABLATION), options)
    return 0


def _run_ablation(options: argparse.Namespace, catalog: "Catalog") -> int:
    """Print the held-out score without each term of the mechanism."""
    from estimator.show.scores import ABLATION, scores_table
    from estimator.validation.ablation import ablation_rows

    note("fitting every model without one of its terms: some twenty seconds", quiet=options.quiet)
    rows = list(ablation_rows(catalog))
    named = [(row["without"].removesuffix("_s").replace("_", " "), row) for row in rows]
    _print_rows(rows, scores_table("without", named, ABLATION), options)
    return 0


def _print_rows(
    rows: "list[dict[str, Any]]", table: "TextTable", options: argparse.Namespace
) -> None:
    print_shaped(shape_of(options), data=lambda: rows, rows=lambda: rows, text=lambda: [table])
