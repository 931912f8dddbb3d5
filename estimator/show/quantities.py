"""Labels and units of quantities, and formatting of their amounts."""

from collections.abc import Mapping

from estimator.core.uncertainty import Uncertain
from estimator.core.units import (
    H_PER_YEAR,
    J_PER_WH,
    digits,
    format_range,
    human,
    human_quantity,
)

QUANTITIES: Mapping[str, tuple[str, str]] = {
    # of a training run
    "training_flop": ("training compute", "FLOP"),
    "utilization": ("utilization", "share"),
    "device_hours": ("device time", "device-hours"),
    "wall_hours": ("wall time", "hour"),
    "power_w": ("power, site included", "W"),
    "energy_kwh": ("energy", "kWh"),
    "cost_usd": ("cost", "USD"),
    "co2e_kg": ("CO2e", "kgCO2e"),
    "embodied_co2e_kg": ("embodied part of it", "kgCO2e"),
    "water_l": ("water", "L"),
    "brain_years": ("one brain at 20 W", "brain-years"),
    # of inference, per token and request
    "time_to_first_token_s": ("time to first token", "s"),
    "inter_token_s": ("time per output token", "s"),
    "prefill_s": ("prefill without other requests", "s"),
    "time_to_first_token_p90_s": ("time to first token, 90th percentile", "s"),
    "time_to_first_token_p99_s": ("time to first token, 99th percentile", "s"),
    "inter_token_p90_s": ("gap between tokens, 90th percentile", "s"),
    "output_tokens_per_s": ("output tokens, all devices", "tokens/s"),
    "sustained_output_tokens_per_s": ("output tokens once warm", "tokens/s"),
    "device_power_w": ("power of the devices", "W"),
    "device_energy_per_output_token_j": ("energy per output token, devices", "J"),
    "energy_per_output_token_j": ("energy per output token, with host and site", "J"),
    "cost_per_million_output_tokens_usd": ("cost per million output tokens", "USD"),
    "co2e_per_million_output_tokens_kg": ("CO2e per million output tokens", "kgCO2e"),
    "water_per_million_output_tokens_l": ("water per million output tokens", "L"),
    "energy_per_request_wh": ("energy per answer", "Wh"),
    "cost_per_request_usd": ("cost per 1000 answers", "USD per 1000"),
    "battery_share_per_request": ("share of a battery charge per answer", "share"),
    "requests_per_charge": ("answers per battery charge", "answers"),
    # of one use of a model, a day or a year of them
    "energy_wh": ("energy", "Wh"),
    "co2e_g": ("CO2e", "gCO2e"),
    "water_ml": ("water", "mL"),
    "electricity_usd": ("electricity", "cent"),
    # of items that are not written token by token
    "item_s": ("time of a batch", "s"),
    "items_per_s": ("items, all devices", "items/s"),
    "device_energy_per_item_j": ("energy per item, devices", "J as Wh"),
    "energy_per_item_j": ("energy per item, with host and site", "J as Wh"),
    "co2e_per_1000_items_kg": ("CO2e per 1000 items", "kgCO2e"),
    "cost_per_1000_items_usd": ("cost per 1000 items", "USD"),
    # of an inference set-up
    "memory_bytes": ("memory of all devices", "B"),
    "most_sequences": ("concurrent sequences that fit in memory", "sequences"),
    "longest_context_tokens": ("longest context that fits, one sequence", "tokens"),
    "request_s": ("time of a whole request", "s"),
    "waiting_p50_s": ("queueing time, median", "s"),
    "waiting_p90_s": ("queueing time, 90th percentile", "s"),
    "request_p50_s": ("latency of a request, median", "s"),
    "request_p90_s": ("latency of a request, 90th percentile", "s"),
    "request_p99_s": ("latency of a request, 99th percentile", "s"),
    "concurrency_within_goal": ("highest concurrency within the latency goal", "sequences"),
    "api_cost_per_million_output_tokens_usd": ("API, per million output tokens with input", "USD"),
    "break_even_tokens_per_day": ("output to undercut the API", "tokens per day"),
    "break_even_share": ("that output, of this load's", "share"),
    "own_cost_over_api": ("cost at this load, of the API's", "share"),
    "serving_kwh_per_day": ("energy of serving per day", "kWh"),
    "days_to_overtake_training": ("until serving has used as much as training", "days"),
    "lifetime_kwh": ("training and serving over the days in service", "kWh"),
    "training_share_of_lifetime": ("training, of that", "share"),
    # of device memory
    "weights_bytes": ("weights", "B"),
    "gradients_bytes": ("gradients", "B"),
    "master_weights_bytes": ("fp32 master weights", "B"),
    "optimizer_bytes": ("optimizer state", "B"),
    "gathered_bytes": ("layers gathered", "B"),
    "activations_bytes": ("activations", "B"),
    "logits_bytes": ("logits", "B"),
    "working_bytes": ("loss and working space", "B"),
    "kv_cache_bytes": ("KV cache", "B"),
    "context_bytes": ("device context, buffers", "B"),
    "fragmentation_bytes": ("fragmentation", "B"),
    "total_bytes": ("total", "B"),
}
"""Quantity or fact -> label and display unit, in display order."""

COUNTED = ("tokens/s", "items/s", "answers", "days", "tokens per day")
"""Units of fractional numbers, shown with three digits."""

SMALL: Mapping[str, tuple[str, float, float, str, float]] = {
    "gCO2e": ("g", 1.0, 1e3, "kgCO2e", 1e-3),
    "mL": ("mL", 1.0, 1e3, "L", 1e-3),
    "cent": ("¢", 1e2, 1.0, "USD", 1.0),
}
"""Unit of small amounts -> name, factor, and threshold of the larger unit."""

LEAST_DEVICE_HOURS = 1e-4


def label(name: str) -> str:
    """Label of a quantity."""
    return QUANTITIES[name][0]


def amount(name: str, value: float) -> str:
    """Format an amount of a quantity with three digits in a suitable unit.

    >>> amount("wall_hours", 3115079), amount("energy_kwh", 1.287e6), amount("cost_usd", 4.67e6)
    ('355 years', '1.29 GWh', '$4.67M')
    >>> amount("inter_token_s", 0.0147), amount("energy_per_request_wh", 0.0613)
    ('14.7 ms', '0.0613 Wh')
    >>> amount("output_tokens_per_s", 2064), amount("most_sequences", 1)
    ('2,060 tokens/s', '1 sequence')
    >>> amount("training_share_of_lifetime", 2e-12), amount("cost_per_request_usd", 5e-4)
    ('below 0.0001%', '$0.50')
    """
    unit = QUANTITIES[name][1]
    if unit == "device-hours":
        least = LEAST_DEVICE_HOURS
        return f"{digits(value)} {unit}" if value >= least else f"below {least:.4f} {unit}"
    if unit == "brain-years":
        return human_quantity(value * H_PER_YEAR, "hour")
    if unit == "USD per 1000":
        return human(1e3 * value, "$")
    if unit in SMALL:
        word, factor, most, larger, scale = SMALL[unit]
        few = value < most
        return f"{digits(factor * value)} {word}" if few else human_quantity(scale * value, larger)
    if unit == "J as Wh":
        value, unit = value / J_PER_WH, "Wh"
    if unit in ("J", "Wh"):
        usual = 1e-3 <= abs(value) < 1e3
        return f"{digits(value)} {unit}" if usual else human(value, unit)
    if unit in ("tokens", "sequences"):
        return f"{value:,.0f} {unit.removesuffix('s') if value == 1 else unit}"
    if unit in COUNTED:
        return f"{digits(value)} {unit}"
    return human_quantity(value, unit)


def interval(name: str, quantity: Uncertain, level: float, between: str = "to") -> str:
    """Format an interval of a quantity, empty if exact.

    >>> interval("energy_kwh", Uncertain(100.0, {"load": 0.5}), 0.8), interval(
    ...     "energy_kwh", Uncertain(1e3), 0.8
    ... )
    ('52.7 to 190 kWh', '')
    """
    low, high = (float(bound) for bound in quantity.interval(level))
    return "" if low == high else format_range(amount(name, low), amount(name, high), between)


def with_interval(name: str, quantity: Uncertain, level: float) -> str:
    """Return the median over its interval, for a table cell."""
    lines = (amount(name, float(quantity.mid)), interval(name, quantity, level))
    return "\n".join(filter(None, lines))
