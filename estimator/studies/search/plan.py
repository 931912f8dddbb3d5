"""Best designs under limits, the binding limit, and the gain from relaxing it.

Every design is estimated. Among those that fit in memory, the best few that meet all limits with
the confidence are kept. Each limit is then relaxed by a tenth, by itself, to find its gain.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np

from estimator.answer.estimate_table import estimate_table
from estimator.calibration.correction import known_runs
from estimator.catalog import Catalog, once
from estimator.core.messages import Names, in_python, message, render
from estimator.core.notice import Notice, Refusal
from estimator.core.rows import Mask, Places, rows_of
from estimator.core.uncertainty import Number, Uncertain
from estimator.question.scenario import Scenario
from estimator.studies.search.designs import CHUNK_DESIGNS, memory, quantities, table_of
from estimator.studies.search.limits import (
    RELAXED,
    Limits,
    best_designs,
    gains_of_relaxing,
    holds,
    keeping,
    known_of,
    nearness,
    probabilities_within,
    probability_of_all,
)
from estimator.studies.search.space import Space

OBJECTIVES = {
    "cost": "cost_usd",
    "time": "wall_hours",
    "co2e": "co2e_kg",
    "energy": "energy_kwh",
}
"""Objective -> its quantity."""

MOST_DESIGNS = 2_000_000
"""Most designs of a plan [1], as all are estimated."""

SAME = 1e-8
"""Relative difference below which objectives are equal and ties decide [1]."""

PLANNED_KINDS = ("gpu-datacenter", "superchip", "tpu", "asic")
"""Default device types of a plan."""

PLANNED_COUNTS = tuple(float(2**power) for power in range(13))
"""Default device counts of a plan [1]."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Request for a plan.

    Parameters
    ----------
    space : Space
        Workload and fixed inputs with one value each, and choices as lists.
    limits : Limits
        Limits on `cost_usd`, `wall_hours`, `co2e_kg` and `energy_kwh`.
    minimize : str
        Key of `OBJECTIVES`.
    count : int
        Maximum number of plans [1].
    """

    space: Space
    limits: Limits
    minimize: str = "cost"
    count: int = 5


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """Design that meets all limits, or comes closest.

    Parameters
    ----------
    scenario : Scenario
        Design as a scenario.
    probability : float
        Probability of meeting all limits at once [1].
    holds : mapping of str to float
        Limited quantity -> probability of meeting the limit [1].
    quantities : mapping of str to Uncertain
        Quantities of the design.
    also_in : tuple of str
        Other sites where the design meets the limits.
    """

    scenario: Scenario
    probability: float
    holds: Mapping[str, float]
    quantities: Mapping[str, Uncertain]
    also_in: tuple[str, ...] = ()


Shown = TypeVar("Shown")
"""Training or inference plan."""


@dataclass(frozen=True, kw_only=True)
class PlanAnswer(Generic[Shown]):
    """Best plans, and the obstacles to better ones.

    Parameters
    ----------
    plans : tuple of TrainingPlan or ServingPlan
        Plans, best first; empty if no design meets the limits.
    nearest : TrainingPlan or ServingPlan, optional
        Without plans, the design most likely to meet the limits.
    gains : mapping of str to float
        Limit -> relative gain in the best plan's objective if only this limit is relaxed by a tenth
        [1]; positive if the limit binds, infinite if it makes a first plan possible.
    designs, too_large : int
        Number of designs examined, and of designs that do not fit [1].
    refusals : tuple of Notice
        Reasons why designs cannot be estimated or cannot serve the requests, one per design.
    """

    plans: tuple[Shown, ...]
    nearest: Shown | None
    gains: Mapping[str, float] = field(default_factory=dict)
    designs: int = 0
    too_large: int = 0
    refusals: tuple[Notice, ...] = ()

    @property
    def refused(self) -> int:
        """Number of designs that cannot be estimated or cannot serve the requests [1]."""
        return len(self.refusals)

    def reasons(self, names: Names = in_python) -> dict[str, int]:
        """Count the refusal reasons [1], most common first.

        Reasons that differ only by their numbers are merged.
        """
        found: dict[str, int] = {}
        for some in _alike(self.refusals):
            several = len({render(notice, names) for notice in some}) > 1
            reason = render(some.most_common(1)[0][0], names)
            found[reason + (", for example" if several else "")] = some.total()
        return found


def most_common(refusals: Iterable[Notice]) -> Notice:
    """Return the most common refusal; refusals that differ only in numbers count as one."""
    return _alike(refusals)[0].most_common(1)[0][0]


def _alike(refusals: Iterable[Notice]) -> list[Counter[Notice]]:
    """Group refusals by everything except their numbers, most common first."""
    groups: dict[str, Counter[Notice]] = {}
    for notice in refusals:
        alike = notice.code if notice.code != "text" else message(notice)
        groups.setdefault(alike, Counter())[notice] += 1
    return sorted(groups.values(), key=lambda some: -some.total())


@dataclass(frozen=True, kw_only=True)
class _Candidates:
    """Potentially best designs: numbers and quantities."""

    numbers: Places
    quantities: Mapping[str, Uncertain]

    def plans(self, request: Request, chosen: Mapping[int, float]) -> tuple[TrainingPlan, ...]:
        """Turn candidates into plans with the probability of meeting all limits [1]."""
        held = probabilities_within(self.quantities, request.limits.most, [*chosen])
        taken = known_of(self.quantities, [*chosen])
        return tuple(
            TrainingPlan(
                scenario=request.space.scenario(int(self.numbers[place])),
                probability=probability,
                holds=holds,
                quantities=takes,
            )
            for (place, probability), holds, takes in zip(chosen.items(), held, taken, strict=True)
        )


def best_plans(request: Request, catalog: Catalog) -> PlanAnswer[TrainingPlan]:
    """Find the best plans among all designs of a space.

    Raises
    ------
    ValueError
        If the objective or a limited quantity is unknown, there are more than `MOST_DESIGNS`
        designs, or none can be estimated; the message gives the most common reason.
    """
    _check(request)
    known = known_runs(catalog)
    kept: list[_Candidates] = []
    nearest: list[_Candidates] = []
    too_large, refusals = 0, list[Notice]()
    for start in range(0, request.space.size, CHUNK_DESIGNS):
        table = table_of(request.space, start, start + CHUNK_DESIGNS)
        result = estimate_table(table, catalog, known=known)
        refusals += result.errors.values()
        needed_bytes, held_bytes = memory(result)
        fits = ~(needed_bytes > held_bytes)
        fits[list(result.errors)] = False
        too_large += table.count - len(result.errors) - int(np.count_nonzero(fits))
        every = _Candidates(
            numbers=np.arange(start, start + table.count), quantities=quantities(result)
        )
        kept.append(_among(every, _possible(every, request, fits)))
        nearest.append(_among(every, _nearest(every, request, fits)))
    if len(refusals) == request.space.size:
        why = most_common(refusals)
        raise Refusal(why, f"no design can be estimated: {message(why)}")
    return replace(
        _answer(request, _join(kept), _join(nearest)),
        designs=request.space.size,
        too_large=too_large,
        refusals=tuple(refusals),
    )


@once
def planned_devices(catalog: Catalog) -> tuple[str, ...]:
    """Return the ids of the data-center devices with rental offers on record."""
    offered = {price.device for price in catalog.prices()}
    return tuple(
        device.id
        for device in catalog.devices()
        if device.kind in PLANNED_KINDS and device.id in offered
    )


def _check(request: Request) -> None:
    """Refuse a request that cannot be planned."""
    check_aim(request.minimize, OBJECTIVES, request.limits, tuple(OBJECTIVES.values()))
    if request.space.size > MOST_DESIGNS:
        raise ValueError(
            f"{request.space.size:,} designs exceed the maximum of {MOST_DESIGNS:,}: list fewer "
            "choices"
        )


def check_aim(
    aim: str, objectives: Collection[str], limits: Limits, limited: Collection[str]
) -> None:
    """Refuse an unsupported objective or limit."""
    if aim not in objectives:
        raise ValueError(f"minimize must be one of {', '.join(objectives)}, got {aim!r}")
    for name in limits.most:
        if name not in limited:
            raise ValueError(f"no limit on {name!r}: limits apply to {', '.join(limited)}")


def _possible(every: _Candidates, request: Request, fits: Mask) -> Places:
    """Return the designs that may be best now or with one limit relaxed."""
    objective = np.asarray(every.quantities[OBJECTIVES[request.minimize]].mid)
    good = fits & ~np.isnan(objective)
    for name, limit in request.limits.most.items():
        good &= holds(every.quantities[name], RELAXED * limit, request.limits.confidence)
    places = np.flatnonzero(good)
    if request.limits.most:
        return places
    ordered = places[np.argsort(objective[places], kind="stable")]
    alike = request.space.apart_from("site", every.numbers[ordered])
    first = ordered[np.sort(np.unique(alike, return_index=True)[1])][: request.count]
    worst = objective[first[-1]] if first.size else 0.0
    return places[objective[places] <= worst * (1 + SAME)]


def _nearest(every: _Candidates, request: Request, fits: Mask) -> Places:
    """Return the design that comes closest to all limits, or none if nothing fits."""
    near = np.where(fits, nearness(every.quantities, request.limits.most), np.nan)
    known = np.flatnonzero(~np.isnan(near))
    return known[np.argmax(near[known])][None] if known.size else known


def _answer(request: Request, kept: _Candidates, nearest: _Candidates) -> PlanAnswer[TrainingPlan]:
    """Select among the candidates, under the limits and with each relaxed."""
    objective = np.asarray(kept.quantities[OBJECTIVES[request.minimize]].mid)
    limits = request.limits
    ties = [np.asarray(kept.quantities[name].mid) for name in OBJECTIVES.values()]
    alike = request.space.apart_from("site", kept.numbers)
    best = best_designs(objective, kept.quantities, limits, request.count, ties=ties, alike=alike)
    gains = gains_of_relaxing(objective, kept.quantities, limits, [*best], ties=ties)
    closest = None
    if not best and nearest.numbers.size:
        (place, *_) = _nearest(nearest, request, np.ones(nearest.numbers.size, dtype=np.bool_))
        probability = probability_of_all(nearest.quantities, limits.most, int(place))
        (closest,) = nearest.plans(request, {int(place): probability})
    others = [np.flatnonzero(alike == alike[at]) for at in best if limits.most]
    rivals = sorted({place for some in others for place in some.tolist()} - {*best})
    keep = np.isin(np.arange(alike.size), keeping(kept.quantities, limits, rivals))
    plans = list(kept.plans(request, best))
    for number, some in enumerate(others):
        sites = _sites(request.space, kept.numbers[some[keep[some]]])
        plans[number] = replace(plans[number], also_in=sites)
    return PlanAnswer(plans=tuple(plans), nearest=closest, gains=gains)


def _sites(space: Space, numbers: Places) -> tuple[str, ...]:
    sites = (space.scenario(number).site for number in numbers.tolist())
    return tuple(site for site in sites if site is not None)


def _among(every: _Candidates, places: Places) -> _Candidates:
    chosen = {name: rows_of(quantity, places) for name, quantity in every.quantities.items()}
    return _Candidates(numbers=every.numbers[places], quantities=chosen)


def _join(parts: Sequence[_Candidates]) -> _Candidates:
    """Concatenate the candidates of all chunks."""
    if len(parts) == 1:
        return parts[0]
    joined = {
        name: _concatenated([part.quantities[name] for part in parts])
        for name in parts[0].quantities
    }
    return _Candidates(numbers=np.concatenate([part.numbers for part in parts]), quantities=joined)


def _concatenated(quantities: Sequence[Uncertain]) -> Uncertain:
    """Concatenate a quantity of all chunks; a missing source has loading zero."""

    def loads(source: str) -> Number:
        return np.concatenate(
            [
                np.broadcast_to(one.loadings.get(source, 0.0), np.shape(one.mid))
                for one in quantities
            ]
        )

    sources = dict.fromkeys(source for quantity in quantities for source in quantity.loadings)
    mids = [np.asarray(quantity.mid) for quantity in quantities]
    return Uncertain(np.concatenate(mids), {source: loads(source) for source in sources})
