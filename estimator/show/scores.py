"""Tables of scores: a row per group, with errors as percentages and factors."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from estimator.core.units import digits, in_percent, in_times, rows_text
from estimator.show.text import Block, TextTable
from estimator.validation.cross_validation import Points
from estimator.validation.held_out import WORST, HeldOut

Columns = Sequence[tuple[str, str, Callable[[Any], str]]]
"""Header, row field and formatter of each column."""

SERVED = {
    "time_to_first_token_s": "Time to first token",
    "inter_token_s": "Time per output token",
    "median_gap_s": "Gap between output tokens, median",
    "closed_loop_tokens_per_s": "Output tokens per second of a closed loop, by its latencies",
    "output_tokens_per_s": "Output tokens per second, all devices",
    "device_power_w": "Power of the devices",
    "device_energy_per_output_token_j": "Energy per output token, devices",
    "decode_tokens_per_s": "Decoding one sequence, tokens per second",
    "prefill_tokens_per_s": "Prefill, tokens per second",
}
"""Inference quantity -> heading of its scores."""

EARLIER = "The model of 2026-11-21 (fitted to a third of these runs) and the present one:"

RUNS_LEGEND = (
    "in 80%: share of the reported hours inside the 80% interval; bias: median of predicted over "
    "reported; by family: in-sample for the software, without the family alone; constant: median "
    "error with that utilization for every run."
)
PEAKS_LEGEND = (
    "as answered: median error of the memory command; held out: of a fit that saw neither the "
    "source nor those set aside; in 80%: share inside the 80% interval; too low: share of the "
    "peaks predicted over 15% too low; bias: median of predicted over measured, less one."
)
"""Legend of the tables' headers."""


def _known_percent(share: float | None) -> str:
    return "" if share is None else in_percent(share)


def _tenth(share: float) -> str:
    return in_percent(share, 1)


GROUPS: Columns = (
    ("runs", "count", str),
    ("median error", "by_stack_median_error", in_percent),
    ("bias", "by_stack_bias", in_times),
    ("within ×2", "by_stack_within_2", in_percent),
    ("in 80%", "by_stack_coverage", in_percent),
    ("by family", "median_error", in_percent),
    ("in 80%", "coverage", in_percent),
    ("constant 0.30", "constant_0.30", in_percent),
    ("constant 0.375", "constant_0.375", in_percent),
    ("", "remark", str),
)
CHAIN: Columns = (
    ("runs", "count", str),
    ("families", "families", str),
    ("median error", "median_error", in_percent),
    ("per-family median", "family_median_error", in_percent),
    ("bias", "bias", in_times),
    ("in 80%", "coverage", in_percent),
)
CHANGE: Columns = (
    ("runs", "runs", str),
    ("error before", "error_before", in_percent),
    ("now", "median_error", in_percent),
    ("by stack", "by_stack_median_error", in_percent),
    ("bias before", "bias_before", in_times),
    ("now", "bias", in_times),
    ("in 80% before", "coverage_before", in_percent),
    ("now", "coverage", in_percent),
)
PEAKS: Columns = (
    ("peaks", "cases", str),
    ("as answered", "error", in_percent),
    ("in 80%", "covered", in_percent),
    ("too low", "too_low", in_percent),
    ("held out", "held_out_error", in_percent),
    ("in 80%", "coverage", in_percent),
    ("too low", "held_out_too_low", in_percent),
    ("bias", "bias", in_percent),
)
SERVING: Columns = (
    ("rows", "rows", str),
    ("median error", "median_error", in_percent),
    ("bias", "bias", in_times),
    ("within ×1.5", "within_1_5", in_percent),
    ("in 80%", "coverage", in_percent),
    ("weights only", "roofline_error", _known_percent),
)
ABLATION: Columns = (
    ("median error", "median_error", _tenth),
    ("per-family median", "family_median_error", _tenth),
    ("large language", "large_language_median_error", _tenth),
    ("within ×2", "within_2", in_percent),
)
SERVING_ABLATION: Columns = (
    ("time per token", "time_per_token", _tenth),
    ("first token", "first_token", _tenth),
    ("throughput", "throughput", _tenth),
    ("energy per token", "energy", _tenth),
)
RUNS: Columns = (
    ("device", "hardware", str),
    ("predicted hours", "device_hours_mid", digits),
    ("reported hours", "device_hours_reported", digits),
    ("ratio", "ratio", in_times),
)


def scores_table(first: str, rows: Iterable[tuple[str, Any]], columns: Columns) -> TextTable:
    """Format named rows of mappings or dataclasses as a table."""
    cells = []
    for name, row in rows:
        known = row if isinstance(row, Mapping) else vars(row)
        cells.append([name, *(write(known[field]) for _, field, write in columns)])
    return TextTable(header=[first, *(head for head, _, _ in columns)], rows=cells)


def left_out(counts: Mapping[str, int], of: str = "") -> Iterator[str]:
    """Yield how many rows are not scored, and why."""
    for reason, count in counts.items():
        yield f"left out{of}: {rows_text(count)}, {reason}"


def titled(title: str, scores: Mapping[str, Points]) -> Iterator[Block]:
    """Return the end-to-end scores under a title."""
    yield ""
    yield title
    yield scores_table("", scores.items(), CHAIN)


def runs_table(report: HeldOut, most: int | None = None) -> TextTable:
    """Return the published runs against their predictions, the worst first."""
    rows = report.run_rows()[:most]
    ratios = (row["device_hours_mid"] / row["device_hours_reported"] for row in rows)
    named = [(row["name"], {**row, "ratio": at}) for row, at in zip(rows, ratios, strict=True)]
    return scores_table("run", named, RUNS)


def held_out_text(report: HeldOut, later: Points, last_year: float) -> Iterator[Block]:
    """Score of device-hours: headlines, groups, worst misses."""
    yield (
        f"Device-hours of the {later.count} published runs after {last_year:.0f}, predicted by a "
        f"fit to earlier runs: median error {in_percent(later.median_error)}, the 80% "
        f"interval covers {in_percent(later.coverage)}."
    )
    strict, (ours, baselines) = report.stack_scores["all"], report.scores["all"]
    low, high = in_percent(strict.median_error_low), in_percent(strict.median_error_high)
    yield str(report.headline())
    yield (
        f"The median error is {low} to {high} by bootstrap over stacks (benchmarks, software "
        f"collections, model lines); the median error of a constant utilization of 0.30 is "
        f"{in_percent(baselines['constant_0.30'])}."
    )
    by_family, by_stack = map(in_percent, report.mean_over_kinds)
    yield (
        "In-sample for their software, each without its own family only: median error "
        f"{in_percent(ours.median_error)}, coverage {in_percent(ours.coverage)}. Mean over kinds "
        f"of network: {by_stack} by stack, {by_family} by family."
    )
    yield RUNS_LEGEND
    yield scores_table("", ((row["group"], row) for row in report.group_rows()), GROUPS)
    yield "Furthest off:"
    yield runs_table(report, WORST)
    yield from left_out(report.left_out)


def change_text(report: HeldOut, earlier: Mapping[str, Mapping[str, float]]) -> Iterator[Block]:
    """Return the scores of the previous and current model, side by side."""
    yield ""
    yield EARLIER
    rows = []
    for row in report.group_rows():
        before = earlier.get(row["group"])
        if before is not None:
            beside = {f"{name}_before": before[name] for name in ("bias", "coverage")}
            beside["error_before"] = before["median_error"]
            runs = f"{before['count']:.0f} / {row['count']}"
            rows.append((row["group"], {**row, **beside, "runs": runs}))
    yield scores_table("", rows, CHANGE)
