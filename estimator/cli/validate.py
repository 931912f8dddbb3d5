"""`validate`: published runs against predictions, error and interval coverage."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_output, catalog_of
from estimator.core.units import in_percent, in_times, rows_text
from estimator.show.terminal import note, print_csv, print_json, print_line, print_table

if TYPE_CHECKING:
    from estimator.catalog import Catalog
    from estimator.validation.cost_and_carbon import Judgement
    from estimator.validation.cross_validation import Score
    from estimator.validation.held_out import Report

MONEY = {"cost": "cost at listed prices", "co2e": "CO2e behind a meter, grid given"}
"""What is scored, for people."""

SERVED = {
    "time_to_first_token_s": "Time to first token",
    "inter_token_s": "Time per output token",
    "output_tokens_per_s": "Output tokens per second, all devices",
    "device_power_w": "Power of the devices",
    "device_energy_per_output_token_j": "Energy per output token, devices",
    "decode_tokens_per_s": "Decoding one sequence, tokens per second",
    "prefill_tokens_per_s": "Prefill, tokens per second",
}
"""Quantity of serving -> what heads its scores."""

EARLIER = "The model of 2026-11-21 (fitted to a third of these runs) and the present one:"

RUN_HEADER = ("run", "device", "predicted hours", "reported hours", "ratio")

RUNS_LEGEND = (
    "in 80 %: share of the reported hours inside the 80 % interval; bias: median of predicted over "
    "reported; constant: median error with that utilization for every run."
)
PEAKS_LEGEND = (
    "too low, 15 % too low: share of the peaks predicted over 15 % too low, with the priors "
    "and held out; in 80 %: share inside the 80 % interval; bias: median of predicted over "
    "measured, less one. From held out on, each is predicted without its source."
)
"""What heads of the tables mean."""

EXAMPLES = """examples:
  twenty-watts validate
  twenty-watts validate --json
  twenty-watts validate --runs --csv > predicted.csv
  twenty-watts validate --ablation
  twenty-watts validate --task serving
  twenty-watts validate --task memory
Each family of runs is predicted by a model fitted to all the other families, so that no run helps
to predict itself; "by stack" holds out a whole benchmark, software collection or model line.
Rows whose FLOPs were worked out from their time are left out, and counted. Energy, cost and CO2e
are scored with the hours given: energy and CO2e where a meter read the energy, cost where the price
was listed; hours times a power limit or an assumed price are left out.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "validate",
        help="published runs against predictions: error and interval coverage",
        description="How right are we: device-hours of published runs, each predicted without its "
        "own family.",
        epilog=EXAMPLES,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--runs", action="store_true", help="one row per run instead of groups")
    what.add_argument(
        "--ablation", action="store_true", help="the score without each term of the mechanism"
    )
    parser.add_argument(
        "--task",
        choices=("training", "serving", "memory"),
        default="training",
        help="what is validated (default: training)",
    )
    add_output(parser, interval=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predict every published run held out and print the score."""
    if options.task == "serving":
        return _run_serving(options)
    if options.task == "memory":
        return _run_memory(options)
    if options.ablation:
        return _run_ablation(options)
    from estimator.validation.held_out import earlier_scores, validation_report
    from estimator.validation.whole_chain import whole_chain_scores

    note("fitting once per family of runs: a few seconds", quiet=options.quiet)
    catalog = catalog_of(options)
    report = validation_report(catalog)
    if options.json:
        energy = {name: asdict(shown) for name, shown in _energy(catalog).items()}
        given = {"energy_given_hours": energy, **_money_as_json(catalog)}
        before = {"earlier_model": earlier_scores(catalog)}
        whole = whole_chain_scores(catalog, report)
        before["hours_predicted"] = {name: asdict(shown) for name, shown in whole.items()}
        before["steady_rate"] = {name: asdict(shown) for name, shown in _steady(catalog).items()}
        print_json({**report.as_json(with_runs=options.runs), **before, **given})
    elif options.csv:
        print_csv(report.run_rows() if options.runs else report.group_rows())
    else:
        _print_for_people(report, with_runs=options.runs)
        if not options.runs:
            _print_change(report, catalog)
            _print_scores("Energy of runs with a meter, their hours given:", _energy(catalog))
            _print_scores(
                "Energy, cost and CO2e from the work alone, the hours predicted:",
                whole_chain_scores(catalog, report),
            )
            _print_money(catalog)
            _print_scores(
                "Steady rate of published throughput tables, each family held out:",
                _steady(catalog),
            )
    return 0


def _steady(catalog: "Catalog") -> "dict[str, Score]":
    from estimator.validation.steady_rate import steady_rates

    return steady_rates(catalog).scores()


def _run_memory(options: argparse.Namespace) -> int:
    """Print the score of the memory need, with the priors and with whole sources held out."""
    from estimator.validation.memory import left_out, memory_cases, memory_groups

    catalog = catalog_of(options)
    cases = memory_cases(catalog)
    groups = {name: asdict(score) for name, score in memory_groups(cases).items()}
    if options.runs:
        columns = ("predicted_gib", "low_gib", "high_gib", "held_out_gib", "held_out_log_sd")
        rows = [{**case.row, **{name: getattr(case, name) for name in columns}} for case in cases]
        print_json(rows) if options.json else print_csv(rows)
        return 0
    if options.json:
        print_json({"groups": groups, "left_out": left_out(catalog)})
        return 0
    if options.csv:
        print_csv([{"group": name, **score} for name, score in groups.items()])
        return 0
    print_line(PEAKS_LEGEND)
    header = ("", "peaks", "with priors", "too low", "held out", "bias", "in 80 %", "15 % too low")
    shares = ("error", "too_low", "held_out_error", "bias", "coverage", "held_out_too_low")
    print_table(
        header,
        [
            (
                _titled(name, catalog),
                str(score["cases"]),
                *(in_percent(score[share]) for share in shares),
            )
            for name, score in groups.items()
        ],
    )
    for why, count in left_out(catalog).items():
        print_line(f"left out: {rows_text(count)}, {why}")
    return 0


def _titled(group: str, catalog: "Catalog") -> str:
    """Name of a group, a source by its title."""
    by, _, source = group.partition(": ")
    return f"{by}: {catalog.source(source).title}" if by == "source" else group


def _run_serving(options: argparse.Namespace) -> int:
    """Print the score of serving, held out by line of models and by system."""
    from estimator.validation.serving_held_out import serving_report

    note("fitting once per line of models and per system: some seconds", quiet=options.quiet)
    report = serving_report(catalog_of(options))
    if options.json:
        print_json(report.as_json())
        return 0
    if options.csv:
        print_csv([asdict(score) for score in report.scores])
        return 0
    header = ("", "rows", "median error", "bias", "within ×1.5", "in 80 %", "weights only")
    for quantity in dict.fromkeys(score.quantity for score in report.scores):
        rows = [
            (
                f"{score.by}: {score.group}",
                str(score.rows),
                in_percent(score.median_error),
                in_times(score.bias),
                in_percent(score.within_1_5),
                in_percent(score.coverage),
                "" if score.roofline_error is None else in_percent(score.roofline_error),
            )
            for score in report.scores
            if score.quantity == quantity
        ]
        print_line(f"{SERVED[quantity]}:")
        print_table(header, rows)
    for reason, count in report.left_out.items():
        what = "configuration" if count == 1 else "configurations"
        print_line(f"left out: {count:,} {what}, {reason}")
    return 0


def _run_ablation(options: argparse.Namespace) -> int:
    """Print the held-out score without each term of the mechanism."""
    from estimator.validation.ablation import ablation_rows, ablation_table

    note("fitting every model without one of its terms: some twenty seconds", quiet=options.quiet)
    catalog = catalog_of(options)
    if options.json:
        print_json(list(ablation_rows(catalog)))
    elif options.csv:
        print_csv(ablation_rows(catalog))
    else:
        header = ("without", "median error", "per-family median", "large language", "within ×2")
        print_table(header, ablation_table(catalog))
    return 0


def _print_change(report: "Report", catalog: "Catalog") -> None:
    """Print the earlier model and the present one side by side."""
    from estimator.validation.held_out import change_table, earlier_scores

    print_line()
    print_line(EARLIER)
    header = ("", "runs", "error before", "now", "by stack", "bias before", "now")
    rows = change_table(report, earlier_scores(catalog))
    print_table((*header, "in 80 % before", "now"), rows)


def _energy(catalog: "Catalog") -> "dict[str, Score]":
    """Score of the energy where it was measured, by group, each family held out."""
    from estimator.validation.energy import energy_scores, measured_power

    return energy_scores(measured_power(catalog))


def _money(catalog: "Catalog") -> "dict[str, Judgement]":
    """Cost and CO2e of published runs that report them, as far as they test anything."""
    from estimator.validation.cost_and_carbon import judged_costs, judged_emissions

    found = {"cost": judged_costs(catalog), "co2e": judged_emissions(catalog)}
    return {name: judgement for name, judgement in found.items() if judgement.runs}


def _money_as_json(catalog: "Catalog") -> dict[str, Any]:
    return {
        f"{name}_given_hours": {"score": asdict(shown.score), "left_out": shown.left_out}
        for name, shown in _money(catalog).items()
    }


def _print_money(catalog: "Catalog") -> None:
    judged = _money(catalog)
    scores = {MONEY[name]: shown.score for name, shown in judged.items()}
    _print_scores("Cost and CO2e of runs, their hours given:", scores)
    for name, shown in judged.items():
        for reason, count in shown.left_out.items():
            print_line(f"left out of {MONEY[name]}: {rows_text(count)}, {reason}")


def _print_scores(title: str, scores: "dict[str, Score]") -> None:
    print_line()
    print_line(title)
    header = ("", "runs", "families", "median error", "per-family median", "bias", "in 80 %")
    rows = [
        (
            name,
            str(shown.count),
            str(shown.families),
            in_percent(shown.median_error),
            in_percent(shown.family_median_error),
            in_times(shown.bias),
            in_percent(shown.coverage),
        )
        for name, shown in scores.items()
    ]
    print_table(header, rows)


def _print_for_people(report: "Report", *, with_runs: bool) -> None:
    if with_runs:
        print_table(RUN_HEADER, report.run_table())
        return
    print_line(report.headline())
    print_line(report.strict_headline())
    print_line(RUNS_LEGEND)
    header = ("", "runs", "families", "median error", "by stack", "bias", "within ×2", "in 80 %")
    print_table((*header, "constant 0.30", "constant 0.375"), report.group_table())
    print_line("Furthest off:")
    print_table(RUN_HEADER, report.worst_table())
    for reason, count in report.left_out.items():
        print_line(f"left out: {rows_text(count)}, {reason}")
