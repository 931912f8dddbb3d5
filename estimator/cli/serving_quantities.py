"""How does a person read the figures of serving: one headline, then a table with fitting units."""

from typing import TYPE_CHECKING

from estimator.core.units import digits, human, human_duration, human_mass, human_percent, joined
from estimator.show.terminal import note, print_line, print_table

if TYPE_CHECKING:
    from estimator.inference.quantities import ServingAnswer
    from estimator.inference.setups import Resolved

LABELS = {
    "time_to_first_token_s": ("time to first token", 1.0, "s"),
    "inter_token_s": ("time per output token", 1.0, "s"),
    "output_tokens_per_s": ("output tokens, all devices", 1.0, "tokens/s"),
    "sustained_output_tokens_per_s": ("output tokens once warm", 1.0, "tokens/s"),
    "device_power_w": ("power of the devices", 1.0, "W"),
    "device_energy_per_output_token_j": ("energy per output token, devices", 1.0, "J"),
    "energy_per_output_token_j": ("energy per output token, with host and site", 1.0, "J"),
    "cost_per_million_output_tokens_usd": ("cost per million output tokens", 1.0, "$"),
    "co2e_per_million_output_tokens_kg": ("CO2e per million output tokens", 1.0, "kg"),
    "water_per_million_output_tokens_l": ("water per million output tokens", 1.0, "L"),
    "energy_per_request_wh": ("energy per answer", 1.0, "Wh"),
    "cost_per_request_usd": ("cost per 1000 answers", 1e3, "$"),
    "battery_share_per_request": ("share of a battery charge per answer", 1.0, "%"),
    "requests_per_charge": ("answers per battery charge", 1.0, "answers"),
}
"""Quantity of an answer: label, factor to the unit shown, unit."""

ITEM_LABELS = {
    "item_s": ("time of a batch", 1.0, "s"),
    "items_per_s": ("items, all devices", 1.0, "items/s"),
    "device_power_w": ("power of the devices", 1.0, "W"),
    "device_energy_per_item_j": ("energy per item, devices", 1.0 / 3600.0, "Wh"),
    "energy_per_item_j": ("energy per item, with host and site", 1.0 / 3600.0, "Wh"),
    "co2e_per_1000_items_kg": ("CO2e per 1000 items", 1.0, "kg"),
    "cost_per_1000_items_usd": ("cost per 1000 items", 1.0, "$"),
}
"""Quantity of an item (an image, a label): label, factor to the unit shown, unit."""

SETUP_LABELS = {
    "weights_bytes": ("weights", "B"),
    "memory_bytes": ("memory of all devices", "B"),
    "most_sequences": ("concurrent sequences that fit in memory", "sequences"),
    "longest_context_tokens": ("longest context that fits, one sequence", "tokens"),
    "request_s": ("time of a whole answer without a queue", "s"),
    "waiting_p50_s": ("queueing time, median", "s"),
    "waiting_p90_s": ("queueing time, 90th percentile", "s"),
    "request_p50_s": ("latency of a request, median", "s"),
    "request_p90_s": ("latency of a request, 90th percentile", "s"),
    "concurrency_within_goal": ("highest concurrency within the latency goal", "sequences"),
    "api_cost_per_million_output_tokens_usd": ("API, per million output tokens with input", "$"),
    "break_even_tokens_per_day": ("output to undercut the API", "tokens per day"),
    "break_even_share": ("that output, of this load's", "%"),
    "own_cost_over_api": ("cost at this load, of the API's", "%"),
    "serving_kwh_per_day": ("energy of serving per day", "kWh"),
    "days_to_overtake_training": ("until serving has used as much as training", "days"),
    "lifetime_kwh": ("training and serving over the days in service", "kWh"),
    "training_share_of_lifetime": ("training, of that", "%"),
}
"""Figures of a set-up without an interval: label and unit."""

HEADLINE = (
    ("energy_per_request_wh", "per answer"),
    ("cost_per_million_output_tokens_usd", "per million output tokens"),
    ("inter_token_s", "per token"),
)
"""Quantities that the first line answers with, where they are known."""

ITEM_HEADLINE = (
    ("energy_per_item_j", "per item"),
    ("cost_per_1000_items_usd", "per 1000 items"),
    ("item_s", "per batch"),
)
"""The same of items."""

COMPARED = {
    "inter_token_s": "time per token",
    "output_tokens_per_s": "output",
    "energy_per_output_token_j": "energy per token",
    "cost_per_million_output_tokens_usd": "cost per M tokens",
    "co2e_per_million_output_tokens_kg": "CO2e per M tokens",
}
"""Quantities of a comparison -> heads of their columns."""


def figure(value: float, unit: str) -> str:
    """Write a quantity in the unit that people use for its size.

    >>> figure(0.0147, "s"), figure(0.0613, "Wh"), figure(0.00637, "kg"), figure(2064, "tokens/s")
    ('14.7 ms', '0.0613 Wh', '6.37 g', '2,060 tokens/s')
    >>> figure(8192, "tokens"), figure(1043, "sequences")
    ('8,192 tokens', '1,043 sequences')
    >>> figure(2.95e10, "B"), figure(0.542, "$"), figure(0.0469, "%"), figure(1, "sequences")
    ('29.5 GB', '0.542 $', '4.69 %', '1 sequence')
    """
    if unit == "kg":
        return human_mass(value)
    if unit == "s":
        return human_duration(value)
    if unit == "kWh":
        return human(value * 1e3, "Wh")
    if unit == "%":
        return human_percent(value)
    if unit in ("tokens", "sequences"):
        return f"{value:,.0f} {unit.removesuffix('s') if value == 1 else unit}"
    usual = unit in ("J", "Wh", "$") and 1e-3 <= abs(value) < 1e3
    if usual or unit.startswith(("tokens", "items", "days", "answers")):
        return f"{digits(value)} {unit.removesuffix('s') if value == 1 else unit}"
    return human(value, unit)


def print_serving(answer: "ServingAnswer", level: float, setup: dict[str, float]) -> None:
    """Print the headline, the figures with intervals, the decode step and the set-up."""
    from estimator.inference.figures import inputs, results, roofline, single

    named, found, step = inputs(answer), results(answer, level), roofline(answer)
    row, _ = single(answer)
    answered = [f"{_median(found, name)} {per}" for name, per in HEADLINE if name in found]
    print_line(
        f"{', '.join(answered)}: {named['model']} in {named['weights']} on "
        f"{named['devices']:.0f} × {row.device.device.name} ({named['engine']})"
    )
    _print_ranges(found, LABELS, level)
    print_line(
        f"A decode step takes {figure(step['decode_step_s'], 's')}: "
        f"memory reads {figure(step['read_s'], 's')}, compute {figure(step['compute_s'], 's')}, "
        f"launches, scheduling and links {figure(step['overhead_s'], 's')}"
    )
    rows = ((SETUP_LABELS[name], value) for name, value in setup.items())
    print_table(("set-up", ""), [(label, figure(value, unit)) for (label, unit), value in rows])


def print_items(
    model: str, row: "Resolved", found: dict[str, dict[str, float]], level: float
) -> None:
    """Print the headline and the figures of items with intervals."""
    answered = [
        f"{_median(found, name, ITEM_LABELS)} {per}" for name, per in ITEM_HEADLINE if name in found
    ]
    print_line(
        f"{', '.join(answered)}: {model} in {row.weights.name} on {row.devices:.0f} × "
        f"{row.device.device.name}"
    )
    _print_ranges(found, ITEM_LABELS, level)


def print_serving_comparison(rows: list[dict[str, str]], level: float) -> None:
    """Print one row per device; the interval stands under each median."""
    table = []
    for row in rows:
        devices = f" × {row['devices']}" if row["devices"] else ""
        where = f", {row['site']}" if row["site"] else ""
        cells = [_median_over_range(row, name) for name in COMPARED]
        table.append((f"{row['hardware']}{devices}{where}", *cells))
    print_table(("", *COMPARED.values()), table)
    print_line(f"Median, and under it the {level * 100:g} % interval.")
    for row in rows:
        if row["error"]:
            note(f"{row['hardware']}: {row['error']}")


def _median(
    found: dict[str, dict[str, float]],
    name: str,
    labels: dict[str, tuple[str, float, str]] = LABELS,
) -> str:
    _, factor, unit = labels[name]
    return figure(found[name]["mid"] * factor, unit)


def _median_over_range(row: dict[str, str], name: str) -> str:
    if not row[f"{name}_mid"]:
        return "unknown"
    _, factor, unit = LABELS[name]
    low, mid, high = (
        figure(float(row[f"{name}_{end}"]) * factor, unit) for end in ("low", "mid", "high")
    )
    return f"{mid}\n{joined(low, high)}"


def _print_ranges(
    found: dict[str, dict[str, float]], labels: dict[str, tuple[str, float, str]], level: float
) -> None:
    rows = []
    for name, one in found.items():
        label, factor, unit = labels[name]
        low, mid, high = (figure(one[end] * factor, unit) for end in ("low", "mid", "high"))
        rows.append((label, mid, joined(low, high)))
    print_table(("", "median", f"{level * 100:g} % interval"), rows)
