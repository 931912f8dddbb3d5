"""Devices that serve users or a request rate within latency and other limits.

Every design is evaluated at the request rate and at its memory limit. The ratio of arriving to
possible requests is its load, which must be below one with the confidence, as latencies and other
limits must be met.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from estimator.catalog import Catalog, once
from estimator.core.messages import refusal, refuse
from estimator.core.notice import Notice
from estimator.core.rows import Floats
from estimator.core.uncertainty import Uncertain
from estimator.core.units import H_PER_DAY, MILLION, S_PER_H, WH_PER_KWH
from estimator.inference.quantities import (
    Calibration,
    ServingAnswer,
    answer_questions,
    cost_of,
    delivered,
)
from estimator.inference.question import ServingQuestion
from estimator.inference.queueing import fewest_devices, waiting_s
from estimator.inference.setups import THINK_S, ServingTable
from estimator.question.provenance import Found
from estimator.question.table import Table
from estimator.studies.search.limits import (
    Limits,
    best_designs,
    gains_of_relaxing,
    known_of,
    nearness,
    probabilities_within,
    probability_of_all,
)
from estimator.studies.search.plan import PlanAnswer, check_aim, most_common, planned_devices

OBJECTIVES = {
    "cost": "cost_usd",
    "time": "inter_token_s",
    "co2e": "co2e_kg",
    "energy": "energy_kwh",
}
"""Objective -> its quantity."""

LOAD = "load"
"""Arriving over possible requests [1]; above one, they pile up."""

PERCENTILES = {"50": "", "90": "_p90", "99": "_p99"}
"""Percentile of a latency -> part of its quantity's name."""

LATENCIES = ("time_to_first_token", "request")
"""Percentiles of request latencies."""


def latency_of(name: str, percentile: str) -> str:
    """Return the latency that a percentage of requests stays within.

    >>> latency_of("request", "90")
    'request_p90_s'
    """
    return f"{name}{PERCENTILES[percentile]}_s"


LIMITED = (
    *OBJECTIVES.values(),
    *(latency_of(name, percentile) for name in LATENCIES for percentile in PERCENTILES),
    LOAD,
)
"""Quantities that a plan may limit."""

COUNTS = tuple(float(2**power) for power in range(9))
"""Default device counts of a plan [1]."""

MOST_DESIGNS = 5_000
"""Most designs of a plan [1]; each takes about 10 ms."""


@dataclass(frozen=True, kw_only=True)
class ServingRequest:
    """Request for an inference plan.

    Parameters
    ----------
    question : ServingQuestion
        Model and traffic, including `request_rate` or `users`.
    choices : mapping of str to tuple
        Fields of the question -> values to choose from: `hardware`, `devices` and others.
    limits : Limits
        Limits on quantities of `LIMITED`; `load` is always below one.
    days : float
        Duration of the service, for cost, energy and CO2e [day].
    minimize : str
        Key of `OBJECTIVES`.
    count : int
        Maximum number of plans [1].
    """

    question: ServingQuestion
    choices: Mapping[str, tuple[float | str, ...]]
    limits: Limits
    days: float = 30.0
    minimize: str = "cost"
    count: int = 5

    @property
    def designs(self) -> Table[ServingQuestion]:
        """One question per combination of the choices, in order."""
        return Table.of_choices(self.question, self.choices)


@dataclass(frozen=True, kw_only=True)
class ServingPlan:
    """Design that meets all limits, or comes closest.

    Parameters
    ----------
    question : ServingQuestion
        Design as a question.
    weights : str
        Weight format.
    replicas : float
        Replicas of the model, or of attention if replicas share experts [1].
    fewest_devices : float
        Least devices whose memory fits the weights once [1].
    concurrency : float
        Sequences in flight on all devices. [1]
    requests_per_s : float
        Arriving requests, for users at the latency of this design.
    price : Found of Uncertain, optional
        Price per device-hour, None if not on record.
    probability : float
        Probability of meeting all limits at once [1].
    holds : mapping of str to float
        Limited quantity -> probability of meeting the limit [1].
    quantities : mapping of str to Uncertain
        Quantities of the design over the days, with latencies and load.
    notes : tuple of Notice
        Assumptions, and the measured runs that calibrate it.
    """

    question: ServingQuestion
    weights: str
    replicas: float
    fewest_devices: float
    concurrency: float
    requests_per_s: float
    price: Found[Uncertain] | None
    probability: float
    holds: Mapping[str, float]
    quantities: Mapping[str, Uncertain]
    notes: tuple[Notice, ...] = ()


def best_serving_plans(
    request: ServingRequest, catalog: Catalog, *, calibration: Calibration | None = None
) -> PlanAnswer[ServingPlan]:
    """Find the best plans among all combinations of the choices."""
    aim = request.minimize
    return serving_plans_by_aim(request, catalog, (aim,), calibration=calibration)[aim]


def serving_plans_by_aim(
    request: ServingRequest,
    catalog: Catalog,
    aims: Sequence[str],
    *,
    dearest: float = math.inf,
    calibration: Calibration | None = None,
) -> dict[str, PlanAnswer[ServingPlan]]:
    """Find the best plans for each aim among all combinations of the choices.

    Parameters
    ----------
    request : ServingRequest
        Request; its `minimize` is ignored.
    catalog : Catalog
    aims : sequence of str
        Keys of `OBJECTIVES`.
    dearest : float
        Maximum cost of plans for other aims, relative to the cheapest, without a budget [1].
    calibration : callable, optional
        See `KnownLoads.corrected`; without it, measured runs are not used.

    Raises
    ------
    ValueError
        If the load is missing, an aim or a limit is unknown, there are more than `MOST_DESIGNS`
        designs, or none can serve; the message gives the most common reason.
    """
    _check(request, aims)
    designs = request.designs
    answer = answer_questions(designs, catalog, calibration=calibration)
    if not answer.table.count:
        why = most_common(answer.errors.values())
        alike = [notice for notice in answer.errors.values() if notice.code == why.code]
        raise refusal(
            max(alike, key=lambda one: one.values["most"]) if "most" in why.values else why
        )
    rates = requests_per_s(request.question, answer)
    load = _load(rates, answer.table, calibration)
    quantities = {**served_quantities(request, answer), LOAD: load}
    limits = replace(request.limits, most={LOAD: 1.0, **request.limits.most})
    ties = [np.asarray(quantities[name].mid) for name in OBJECTIVES.values()]
    cost_usd, most_usd = np.asarray(quantities["cost_usd"].mid), math.inf
    found = {}
    for aim in aims:
        objective = np.asarray(quantities[OBJECTIVES[aim]].mid)
        objective = np.where(cost_usd > most_usd, np.nan, objective)
        best = best_designs(objective, quantities, limits, request.count, ties=ties)
        gains = gains_of_relaxing(objective, quantities, limits, [*best], ties=ties)
        nearest = None
        if not best:
            place = _nearest(quantities, limits)
            probability = probability_of_all(quantities, limits.most, place)
            (nearest,) = _plans(answer, rates, quantities, limits, {place: probability})
        found[aim] = PlanAnswer(
            plans=_plans(answer, rates, quantities, limits, best),
            nearest=nearest,
            gains={name: gain for name, gain in gains.items() if name != LOAD},
            designs=designs.count,
            refusals=tuple(answer.errors.values()),
        )
        if aim == "cost" and best and "cost_usd" not in limits.most:
            most_usd = dearest * objective[next(iter(best))]
    return found


def requests_per_s(question: ServingQuestion, answer: ServingAnswer) -> Floats:
    """Return the request rate of each design: given, or from users as fast as they are served."""
    service_s = np.asarray(answer.ranges["request_s"].mid)
    if question.users is None:
        return np.full(service_s.shape, question.request_rate or 0.0)
    return np.asarray(question.users / ((question.think_s or THINK_S) + service_s))


@once
def served_devices(catalog: Catalog) -> tuple[str, ...]:
    """Return data-center devices with rental offers and a memory bandwidth on record."""
    return tuple(
        name
        for name in planned_devices(catalog)
        if "memory_bytes_per_s" in catalog.device(name).records
    )


def served_quantities(request: ServingRequest, answer: ServingAnswer) -> dict[str, Uncertain]:
    """Return the quantities of designs that can serve, one value each, except for their load.

    Slower steps lengthen all latencies and raise the load, so these share an uncertainty source.
    The price of rented devices does not depend on speed; the rest has its own sources.
    """
    ranges, hours = answer.ranges, H_PER_DAY * request.days
    step = ranges["inter_token_s"]
    rates = requests_per_s(request.question, answer)
    requests = rates * hours * S_PER_H
    energy = ranges["energy_per_request_wh"]
    energy_kwh = Uncertain(energy.mid * requests / WH_PER_KWH, {"power": energy.log_sd})
    carbon = ranges["co2e_per_million_output_tokens_kg"]
    tokens = requests * _output_tokens(energy, ranges["energy_per_output_token_j"]) / MILLION
    grid = np.sqrt(np.maximum(carbon.log_sd**2 - energy.log_sd**2, 0.0))
    co2e_kg = Uncertain(carbon.mid * tokens, {"power": energy.log_sd, "grid": grid})
    return {
        "cost_usd": _cost(answer.table, hours, np.asarray(energy_kwh.mid)),
        "inter_token_s": Uncertain(step.mid, {"speed": step.log_sd}),
        "co2e_kg": co2e_kg,
        "energy_kwh": energy_kwh,
        **_latencies(rates, answer),
    }


def _latencies(rates: Floats, answer: ServingAnswer) -> dict[str, Uncertain]:
    """Return request latencies including the queue, by percentile."""
    found, table = {}, answer.table
    tokens = answer.table.traffic.tokens_in_flight
    service_s, places = np.asarray(answer.ranges["request_s"].mid), table.places(tokens)
    for percentile in PERCENTILES:
        wait_s = waiting_s(service_s, rates, places, float(percentile) / 100.0)
        for name in LATENCIES:
            quantity = latency_of(name, percentile)
            alone = answer.ranges[quantity]
            found[quantity] = Uncertain(alone.mid + wait_s, {"speed": alone.log_sd})
    return found


def _output_tokens(per_request: Uncertain, per_token: Uncertain) -> Floats:
    """Return the output tokens per request, from the energy of each [token]."""
    return np.asarray(per_request.mid * S_PER_H / per_token.mid)


def _cost(table: ServingTable, hours: float, energy_kwh: Floats) -> Uncertain:
    """Return the cost of each design's devices for that time [USD]."""
    device_hours = table.devices * hours
    cost = cost_of(table, Uncertain(device_hours), energy_kwh)
    return Uncertain(cost.mid, {"price": cost.log_sd})


def _load(rates: Floats, table: ServingTable, calibration: Calibration | None) -> Uncertain:
    """Arriving requests over those served at the memory limit."""
    written, layout = table.output_tokens, table.layout
    tokens = table.input_tokens + 0.5 * written
    saturated = table.under(
        concurrency=np.floor(table.places(tokens)),
        duty_cycle=np.full(table.count, np.nan),
        devices=np.asarray(layout.devices),
        data_parallel=np.asarray(layout.data_parallel),
    )
    served = delivered(saturated, calibration=calibration)["output_tokens_per_s"]
    return Uncertain(rates * written / served.mid, {"speed": served.log_sd})


def _plans(
    answer: ServingAnswer,
    rates: Floats,
    quantities: Mapping[str, Uncertain],
    limits: Limits,
    chosen: Mapping[int, float],
) -> tuple[ServingPlan, ...]:
    """Turn designs into plans with the probability of meeting all limits [1]."""
    held = probabilities_within(quantities, limits.most, [*chosen])
    taken = known_of(quantities, [*chosen])
    plans = []
    for (place, probability), holds, takes in zip(chosen.items(), held, taken, strict=True):
        row = answer.table.row(place)
        busy = row.question.duty_cycle or 1.0
        plans.append(
            ServingPlan(
                question=_with_pools(row.question, answer.table, place),
                weights=row.weights.name,
                replicas=row.data_parallel,
                fewest_devices=fewest_devices(answer.table, place),
                requests_per_s=float(rates[place]),
                price=row.price,
                concurrency=(row.question.concurrency or 1.0) * busy,
                probability=probability,
                holds=holds,
                quantities=takes,
                notes=answer.notices.of(place),
            )
        )
    return tuple(plans)


def _with_pools(question: ServingQuestion, table: ServingTable, place: int) -> ServingQuestion:
    """Return the design with its split into prefill and decode devices, if any."""
    if not table.split[place]:
        return question
    prompts = float(np.asarray(table.prefill.devices)[place])
    whole = float(table.devices[place])
    return replace(question, devices=whole, prefill_devices=prompts, decode_devices=whole - prompts)


def _nearest(quantities: Mapping[str, Uncertain], limits: Limits) -> int:
    """Return the index of the design that comes closest to all limits."""
    near = nearness(quantities, limits.most)
    return int(np.argmax(np.where(np.isnan(near), -np.inf, near)))


def _check(request: ServingRequest, aims: Sequence[str]) -> None:
    """Refuse a request that cannot be planned."""
    if request.question.request_rate is None and request.question.users is None:
        raise refuse("serving_plan_without_rate", "request_rate")
    for aim in aims:
        check_aim(aim, OBJECTIVES, request.limits, LIMITED)
    if not 0 < request.days < math.inf:
        raise refuse("serving_plan_without_days", value=request.days)
    designs = math.prod(map(len, request.choices.values()))
    if designs > MOST_DESIGNS:
        most = float(MOST_DESIGNS)
        raise refuse("serving_plan_too_large", designs=float(designs), most=most)
