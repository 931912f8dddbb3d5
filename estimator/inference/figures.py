"""Figures of one inference setup: limits, latency curve, memory, energy parts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from estimator.answer.report import bounds
from estimator.catalog import Catalog
from estimator.core.messages import refusal, refuse
from estimator.core.rows import one_of
from estimator.core.uncertainty import Uncertain
from estimator.core.units import H_PER_DAY, MILLION, S_PER_H
from estimator.inference.capacity import held_bytes, longest_context, weight_bytes
from estimator.inference.engines import ENGINES
from estimator.inference.performance import performance
from estimator.inference.quantities import (
    QUANTITIES,
    SUSTAINED,
    ServingAnswer,
    idle_factor,
    values_of,
)
from estimator.inference.queueing import flying_quantile, waiting_s
from estimator.inference.setups import Resolved, ServingTable
from estimator.inference.step import kept_values, visited_share
from estimator.question.hardware import node_devices

QUANTILES = {"p50": 0.5, "p90": 0.9}
"""Reported quantiles of request latency."""

BUSIEST = 0.97
"""Highest occupancy with a reported latency, as the queue diverges at one [1]."""

GOALS = 400
"""Concurrencies searched for a latency goal [1]."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Latency and throughput by concurrency, up to the memory limit."""

    concurrency: list[float]
    inter_token_s: list[float]
    output_tokens_per_s: list[float]


def single(answer: ServingAnswer) -> tuple[Resolved, ServingTable]:
    """Answer one question as a table with one row.

    Raises
    ------
    Refusal
        If the setup is refused, with the reason.
    """
    if answer.errors:
        raise refusal(answer.errors[min(answer.errors)])
    return answer.table.row(0), answer.table


def results(answer: ServingAnswer, level: float) -> dict[str, dict[str, float]]:
    """Return low, mid and high of each available quantity of the only setup."""
    found = {
        name: one_of(answer.ranges[name], 0)
        for name in (*QUANTITIES, SUSTAINED)
        if name in answer.ranges and np.isfinite(answer.mid(name))
    }
    return {name: bounds(one, level) for name, one in (found | battery(answer)).items()}


def roofline(answer: ServingAnswer) -> dict[str, float]:
    """Return the time of a decode step and of a prefill by cause [s].

    Measured runs report the time of a step, not of its parts, so all parts scale equally.
    """
    done = single(answer)[1].performance
    first, step = (answer.factor(name) for name in PARTS_OF_REQUEST)
    share = _first(done.pace.prefill_share)
    return {
        "read_s": step * _first(done.step.read_s),
        "compute_s": step * _first(done.step.compute_s),
        "overhead_s": step * _first(done.step.overhead_s),
        "decode_step_s": step * _first(done.step.total_s),
        "prefill_s": first * _first(done.prefill_s),
        "prefill_share": first * share / (first * share + step * (1.0 - share)),
    }


def memory(answer: ServingAnswer) -> dict[str, float]:
    """Return the memory figures: weights [B], most sequences and longest context that fit."""
    row, table = single(answer)
    layout, bytes_each = table.layout, table.machine.memory_bytes
    held = held_bytes(table.model, layout)
    if table.split[0]:
        held = held + held_bytes(table.model, table.prefill.layout)
    if not np.isfinite(np.asarray(bytes_each)).all():
        return {"weights_bytes": _first(held)}
    traffic = table.traffic
    tokens = np.asarray(traffic.input_tokens) + np.asarray(traffic.output_tokens)
    found = {
        "weights_bytes": _first(held),
        "memory_bytes": _first(np.asarray(bytes_each) * table.devices),
        "most_sequences": float(np.floor(table.most_sequences(tokens)[0])),
    }
    if _first(table.model.cache_values) > 0:
        longest = longest_context(table.model, layout, bytes_each)
        made_for = row.model.longest_context or np.inf
        found["longest_context_tokens"] = float(np.floor(min(_first(longest), made_for)))
    return found


def request_times(answer: ServingAnswer) -> dict[str, float]:
    """Return the median and 90th percentile of service, queueing and total request time [s].

    Assumes random arrivals at the completion rate. More sequences in flight slow every token, and
    requests beyond the memory limit wait. The p90 adds both p90s and is thus somewhat high. If
    memory is always full, the queue diverges and only the service time is reported.
    """
    row, table = single(answer)
    done, traffic = table.performance, table.traffic
    written = _first(traffic.output_tokens)
    first, step = (_median_factor(answer, name) for name in PARTS_OF_REQUEST)
    first_s, later_s = _first(done.pace.time_to_first_token_s), _first(done.pace.inter_token_s)
    later_s *= written - 1.0
    service = first * first_s + step * later_s
    rate = _first(done.output_tokens_per_s) / written * (row.question.duty_cycle or 1.0)
    in_flight, places = rate * (first_s + later_s), float(table.places(traffic.tokens_in_flight)[0])
    if in_flight > BUSIEST * places:
        return {"request_s": service}
    rate *= _median_factor(answer, "output_tokens_per_s")
    waiting = {name: float(waiting_s(service, rate, places, q)) for name, q in QUANTILES.items()}
    busy = _service_quantiles(answer, min(in_flight, places), places)
    return {
        "request_s": service,
        **{f"waiting_{name}_s": wait for name, wait in waiting.items()},
        **{f"request_{name}_s": busy[name] + wait for name, wait in waiting.items()},
    }


def _median_factor(answer: ServingAnswer, quantity: str) -> float:
    """Return the quantity's median over the model's value at median parameters [1].

    Uncertain parameters and measured runs both move the median.
    """
    expected = values_of(answer.table.performance)[quantity]
    return _first(answer.ranges[quantity].mid) / _first(expected)


PARTS_OF_REQUEST = ("time_to_first_token_s", "inter_token_s")
"""Quantities that scale the parts of a request."""


def _service_quantiles(answer: ServingAnswer, flying: float, places: float) -> dict[str, float]:
    """Return quantiles of the service time at a mean number in flight, without a queue [s]."""
    passes = answer.table.performance.passes
    first, step = (_median_factor(answer, name) for name in PARTS_OF_REQUEST)
    found = {}
    for name, quantile in QUANTILES.items():
        beside = np.minimum(flying_quantile(flying, quantile), np.maximum(places, flying))
        pace = passes.pace(beside, passes.step(beside))
        written = np.asarray(passes.traffic.output_tokens)
        whole = first * pace.time_to_first_token_s + step * (written - 1.0) * pace.inter_token_s
        found[name] = _first(whole)
    return found


def curve(answer: ServingAnswer, points: int = 40) -> Curve:
    """Return latency and throughput by concurrency, up to the memory limit.

    Scaled to match the answer's medians at the given concurrency.
    """
    _, table = single(answer)
    setup, traffic = table.setup, table.traffic
    flying = np.unique(
        np.round(np.geomspace(1.0, float(table.places(traffic.tokens_in_flight)[0]), points))
    )
    found = performance(setup, replace(traffic, sequences=flying))
    values = values_of(found)
    latency, rate = (
        (np.broadcast_to(values[name], flying.shape) * _median_factor(answer, name)).tolist()
        for name in ("inter_token_s", "output_tokens_per_s")
    )
    return Curve(concurrency=flying.tolist(), inter_token_s=latency, output_tokens_per_s=rate)


@dataclass(frozen=True, kw_only=True)
class RooflinePoint:
    """Arithmetic intensity of a phase [FLOP/B], and its rate [FLOP/s]."""

    intensity: float
    flop_per_s: float


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """Roofline of one device, with its phases.

    Parameters
    ----------
    peak_flop_per_s, bytes_per_s : float
        Peak and memory bandwidth of one device.
    decode, prefill : RooflinePoint
    """

    peak_flop_per_s: float
    bytes_per_s: float
    decode: RooflinePoint
    prefill: RooflinePoint


def roofline_of(answer: ServingAnswer) -> Roofline:
    """Return the position of decode and prefill under the roofline of one device.

    Calibration moves both as it moves time per token and time to first token.
    """
    _, table = single(answer)
    first, step = (answer.factor(name) for name in PARTS_OF_REQUEST)
    done, traffic = table.performance, table.traffic
    model, layout = table.model, table.layout
    each = 2.0 * _first(model.visited_params) / _first(layout.dense_shard)
    rows = _first(traffic.sequences) / _first(layout.data_parallel)
    share = _first(visited_share(model.experts, model.experts_per_token, rows))
    weights = _first(model.dense_params) * _first(layout.dense_bytes)
    weights += _first(model.routed_params) * share * _first(layout.expert_bytes)
    tokens = _first(traffic.tokens_in_flight)
    cache = rows * _first(kept_values(model, tokens)) * _first(layout.cache_bytes)
    moved = (weights + cache) / _first(layout.dense_shard)
    whole = _first(weight_bytes(model, layout)) / _first(layout.dense_shard)
    read = _first(traffic.input_tokens)
    return Roofline(
        peak_flop_per_s=_first(table.machine.peak_flop_per_s),
        bytes_per_s=_first(table.machine.bytes_per_s),
        decode=RooflinePoint(
            intensity=each * rows / moved,
            flop_per_s=each * rows / (step * _first(done.step.total_s)),
        ),
        prefill=RooflinePoint(
            intensity=each * read / whole,
            flop_per_s=each * read / (first * _first(done.prefill_s)),
        ),
    )


def energy_parts(answer: ServingAnswer, catalog: Catalog) -> dict[str, float]:
    """Split the median energy per output token into parts that add up to it [J].

    Dynamic device energy, idle energy while serving, idle energy while reserved, hosts, inter-node
    network, and site overhead.
    """
    row, table = single(answer)
    device = answer.mid("device_energy_per_output_token_j")
    whole = answer.mid("energy_per_output_token_j")
    rate = answer.mid("output_tokens_per_s")
    idle = min(_first(table.machine.idle_w) * row.devices / rate, device)
    boards = device * float(idle_factor(table)[0])
    host = boards * (catalog.prior(f"power.host_factor.{row.device.device.kind}").value - 1.0)
    computers = whole / float(row.site.pue.mid)
    networked = row.devices > node_devices(row.device.device)
    return {
        "boards, dynamic": device - idle,
        "boards, idle": idle,
        "reserved without work": boards - device,
        "host": host,
        "network": computers - boards - host if networked else 0.0,
        "PUE: cooling and losses": whole - computers,
    }


def battery(answer: ServingAnswer) -> dict[str, Uncertain]:
    """Return the battery share per request and requests per charge; empty without a battery."""
    row, _ = single(answer)
    capacity = row.device.device.records.get("battery_wh")
    energy = one_of(answer.ranges["energy_per_request_wh"], 0)
    if capacity is None or not np.isfinite(energy.mid):
        return {}
    share = energy / capacity.value
    return {"battery_share_per_request": share, "requests_per_charge": 1.0 / share}


def compared_with_api(
    answer: ServingAnswer, *, input_usd: float, output_usd: float
) -> dict[str, float]:
    """Compare reserved machines with an API's prices per million tokens.

    The API's price of output tokens includes their input. Own machines are cheaper from
    `break_even_tokens_per_day`, absent if they are more expensive even at the answer's load. Empty
    without a price of the device.
    """
    row, table = single(answer)
    if row.price is None:
        return {}
    read, written = _first(table.traffic.input_tokens), _first(table.traffic.output_tokens)
    api_usd = output_usd + input_usd * (read / written)
    if not api_usd > 0:
        raise refuse("not_positive", "api_price_out", value=api_usd)
    own_usd = float(row.price.value.mid) * H_PER_DAY * row.devices
    most = answer.mid("output_tokens_per_s") * H_PER_DAY * S_PER_H
    found = {
        "api_cost_per_million_output_tokens_usd": api_usd,
        "own_cost_over_api": own_usd / (api_usd * most / MILLION),
    }
    even = own_usd / api_usd * MILLION
    if even <= most:
        found |= {"break_even_tokens_per_day": even, "break_even_share": even / most}
    return found


def most_within(answer: ServingAnswer, goal_s: float) -> float | None:
    """Return the highest concurrency whose median inter-token latency meets a goal, or None [1]."""
    found = curve(answer, GOALS)
    met = [
        flying
        for flying, latency in zip(found.concurrency, found.inter_token_s, strict=True)
        if latency <= goal_s
    ]
    return max(met) if met else None


def inputs(answer: ServingAnswer) -> dict[str, Any]:
    """Return the resolved inputs of the setup, assumptions included."""
    row, table = single(answer)
    numbers: dict[str, Any] = {
        "model": row.model.name,
        "params_total": row.model.params,
        "params_active": float(row.model.numbers.visited_params),
        "hardware": row.device.device.id,
        "devices": row.devices,
        "weights": row.weights.name,
        "weight_bits": row.weights.bits,
        "cache_bytes_per_value": row.cache_bytes,
        "engine": ENGINES[row.engine],
        "concurrency": _first(table.traffic.sequences),
        "data_parallel": row.data_parallel,
        "tensor_parallel": _first(table.layout.dense_shard),
        "expert_parallel": row.expert_shard,
        "pipeline_stages": row.stages,
        "place": row.site.name,
        "pue": row.site.pue.mid,
    }
    if row.site.co2e_kg_per_kwh is not None:
        numbers["co2e_kg_per_kwh"] = row.site.co2e_kg_per_kwh.mid
    if row.price is not None:
        numbers |= {"price_usd_per_h": row.price.value.mid, "price_source": row.price.source}
    return numbers


def _first(value: Any) -> float:
    return float(np.ravel(np.asarray(value))[0])
