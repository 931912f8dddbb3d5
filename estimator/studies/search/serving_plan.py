"""Devices that serve a request rate within latency and other limits.

Every design is answered at the rate of requests that arrive, and once more with all that its memory
holds: the requests that arrive over those that it can serve are its load, which must stay below one
with the confidence asked, as the latencies and the caps must.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from estimator.catalog import Catalog, once
from estimator.core.messages import refusal, refuse
from estimator.core.notice import Notice
from estimator.core.rows import Floats
from estimator.core.uncertainty import Uncertain
from estimator.core.units import H_PER_DAY, MILLION, S_PER_H, WH_PER_KWH
from estimator.inference.engines import fitted
from estimator.inference.figures import MOST_PLACES
from estimator.inference.quantities import (
    Calibration,
    ServingAnswer,
    answer_questions,
    cost_of,
    delivered,
)
from estimator.inference.question import ServingQuestion
from estimator.inference.resolver import ServingResolver
from estimator.inference.setups import ServingTable
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
"""Requests that arrive over those that can be served: below one, or they pile up [1]."""

LIMITED = (*OBJECTIVES.values(), "time_to_first_token_s", LOAD)
"""Quantities that a plan may limit."""

COUNTS = tuple(float(2**power) for power in range(9))
"""Device counts that a plan looks at where none are given [1]."""

MOST_DESIGNS = 5_000
"""Designs of a plan at most [1]: each takes about 10 ms."""


@dataclass(frozen=True, kw_only=True)
class ServingRequest:
    """Request for a plan of inference.

    Parameters
    ----------
    question : ServingQuestion
        The model and the traffic, its `request_rate` among it.
    choices : mapping of str to tuple
        Fields of the question -> values to choose from: `hardware`, `devices` and others.
    limits : Limits
        What must be kept, by quantity of `LIMITED`; `load` is always below one.
    days : float
        How long the service runs, for cost, energy and CO2e. [day]
    minimize : str
        A key of `OBJECTIVES`.
    count : int
        Plans at most [1].
    """

    question: ServingQuestion
    choices: Mapping[str, tuple[float | str, ...]]
    limits: Limits
    days: float = 30.0
    minimize: str = "cost"
    count: int = 5

    @property
    def designs(self) -> Table[ServingQuestion]:
        """One question per combination of the choices, in their order."""
        return Table.of_choices(self.question, self.choices)


@dataclass(frozen=True, kw_only=True)
class ServingPlan:
    """One design that keeps the limits, or comes nearest to that.

    Parameters
    ----------
    question : ServingQuestion
        The design as a question of its own.
    weights : str
        Format of its weights.
    concurrency : float
        Sequences in flight on all devices. [1]
    probability : float
        That all limits are met at once [1].
    holds : mapping of str to float
        Quantity that is limited -> probability that this limit holds [1].
    quantities : mapping of str to Uncertain
        What the design takes over the days, its latencies and its load.
    notes : tuple of Notice
        What was assumed for it, and which measured loads correct it.
    """

    question: ServingQuestion
    weights: str
    concurrency: float
    probability: float
    holds: Mapping[str, float]
    quantities: Mapping[str, Uncertain]
    notes: tuple[Notice, ...] = ()


def best_serving_plans(
    request: ServingRequest, catalog: Catalog, *, calibration: Calibration | None = None
) -> PlanAnswer[ServingPlan]:
    """Find the best plans among all combinations of the choices.

    Parameters
    ----------
    request : ServingRequest
    catalog : Catalog
    calibration : callable, optional
        As `KnownLoads.corrected`; without it measured loads are left out.

    Raises
    ------
    ValueError
        If the rate of requests is missing, the objective or a limit is unknown, there are more
        than `MOST_DESIGNS` designs, or none can serve; the message gives the most common reason.
    """
    _check(request)
    designs, resolver = request.designs, ServingResolver(catalog, fitted(catalog))
    answer = answer_questions(designs, resolver, calibration=calibration)
    if not answer.table.count:
        raise refusal(most_common(answer.errors.values()))
    load = _load(request, answer.table, resolver, calibration)
    quantities = {**served_quantities(request, answer), LOAD: load}
    limits = replace(request.limits, most={LOAD: 1.0, **request.limits.most})
    objective = np.asarray(quantities[OBJECTIVES[request.minimize]].mid)
    ties = [np.asarray(quantities[name].mid) for name in OBJECTIVES.values()]
    best = best_designs(objective, quantities, limits, request.count, ties=ties)
    gains = gains_of_relaxing(objective, quantities, limits, [*best], ties=ties)
    nearest = None
    if not best:
        place = _nearest(quantities, limits)
        probability = probability_of_all(quantities, limits.most, place)
        (nearest,) = _plans(answer, quantities, limits, {place: probability})
    return PlanAnswer(
        plans=_plans(answer, quantities, limits, best),
        nearest=nearest,
        gains={name: gain for name, gain in gains.items() if name != LOAD},
        designs=designs.count,
        refusals=tuple(answer.errors.values()),
    )


@once
def served_devices(catalog: Catalog) -> tuple[str, ...]:
    """Ids of the data-center devices with rental offers and a memory bandwidth on record."""
    return tuple(
        name
        for name in planned_devices(catalog)
        if "memory_bytes_per_s" in catalog.device(name).records
    )


def served_quantities(request: ServingRequest, answer: ServingAnswer) -> dict[str, Uncertain]:
    """Return the quantities of designs that can serve, one value each, except for their load.

    Slower steps make every latency longer and every load larger: these share one source of
    uncertainty. Rented devices cost the same however fast they are; the rest has its own sources.
    """
    ranges, hours = answer.ranges, H_PER_DAY * request.days
    requests = (request.question.request_rate or 0.0) * hours * S_PER_H
    energy = ranges["energy_per_request_wh"]
    energy_kwh = Uncertain(energy.mid * requests / WH_PER_KWH, {"power": energy.log_sd})
    carbon = ranges["co2e_per_million_output_tokens_kg"]
    tokens = requests * _output_tokens(energy, ranges["energy_per_output_token_j"]) / MILLION
    grid = np.sqrt(np.maximum(carbon.log_sd**2 - energy.log_sd**2, 0.0))
    co2e_kg = Uncertain(carbon.mid * tokens, {"power": energy.log_sd, "grid": grid})
    return {
        "cost_usd": _cost(answer.table, hours, np.asarray(energy_kwh.mid)),
        "inter_token_s": _slower(ranges["inter_token_s"]),
        "co2e_kg": co2e_kg,
        "energy_kwh": energy_kwh,
        "time_to_first_token_s": _slower(ranges["time_to_first_token_s"]),
    }


def _output_tokens(per_request: Uncertain, per_token: Uncertain) -> Floats:
    """Tokens per answer, from its energy and that of a token [token]."""
    return np.asarray(per_request.mid * S_PER_H / per_token.mid)


def _slower(quantity: Uncertain) -> Uncertain:
    return Uncertain(quantity.mid, {"speed": quantity.log_sd})


def _cost(table: ServingTable, hours: float, energy_kwh: Floats) -> Uncertain:
    """Return the cost of all devices of each design for that time [USD]."""
    device_hours = table.devices * hours
    cost = cost_of(table, Uncertain(device_hours), energy_kwh)
    return Uncertain(cost.mid, {"price": cost.log_sd})


def _load(
    request: ServingRequest,
    table: ServingTable,
    resolver: ServingResolver,
    calibration: Calibration | None,
) -> Uncertain:
    """Requests that arrive over those that the devices serve with all that their memory holds."""
    written, layout = table.output_tokens, table.layout
    most = table.most_sequences(table.input_tokens(resolver.parameters) + 0.5 * written)
    saturated = table.under(
        concurrency=np.clip(np.floor(most), 1.0, MOST_PLACES),
        duty_cycle=np.full(table.count, np.nan),
        devices=np.asarray(layout.devices),
        data_parallel=np.asarray(layout.data_parallel),
    )
    served = delivered(saturated, resolver, calibration=calibration)["output_tokens_per_s"]
    rate = request.question.request_rate or 0.0
    return Uncertain(rate * written / served.mid, {"speed": served.log_sd})


def _plans(
    answer: ServingAnswer,
    quantities: Mapping[str, Uncertain],
    limits: Limits,
    chosen: Mapping[int, float],
) -> tuple[ServingPlan, ...]:
    """Some designs with the probability that they keep all limits [1], as they are shown."""
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
                concurrency=(row.question.concurrency or 1.0) * busy,
                probability=probability,
                holds=holds,
                quantities=takes,
                notes=answer.notes[place],
            )
        )
    return tuple(plans)


def _with_pools(question: ServingQuestion, table: ServingTable, place: int) -> ServingQuestion:
    """Design with the division of its devices, where prefill and decode have their own."""
    if not table.split[place]:
        return question
    prompts = float(np.asarray(table.prefill.devices)[place])
    whole = float(table.devices[place])
    return replace(question, devices=whole, prefill_devices=prompts, decode_devices=whole - prompts)


def _nearest(quantities: Mapping[str, Uncertain], limits: Limits) -> int:
    """Design that comes nearest to all limits."""
    near = nearness(quantities, limits.most)
    return int(np.argmax(np.where(np.isnan(near), -np.inf, near)))


def _check(request: ServingRequest) -> None:
    """Refuse a request that cannot be planned."""
    if request.question.request_rate is None:
        raise refuse("serving_plan_without_rate", "request_rate")
    check_aim(request.minimize, OBJECTIVES, request.limits, LIMITED)
    if not 0 < request.days < math.inf:
        raise refuse("serving_plan_without_days", value=request.days)
    designs = math.prod(map(len, request.choices.values()))
    if designs > MOST_DESIGNS:
        most = float(MOST_DESIGNS)
        raise refuse("serving_plan_too_large", designs=float(designs), most=most)
