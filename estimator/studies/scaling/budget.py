"""Best model size and data for a budget in dollars, kilowatt-hours, kilograms or days.

Time, energy, cost and CO2e are nearly powers of the work, so a coarse table locates the affordable
work, and one or two logarithmic steps refine it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from estimator.answer.estimate_table import estimate_table
from estimator.answer.scenario_estimate import Answer, answer_scenario
from estimator.catalog import Catalog
from estimator.core.rows import Floats
from estimator.core.uncertainty import Uncertain
from estimator.core.units import H_PER_DAY
from estimator.question.scenario import Scenario
from estimator.question.table import Table
from estimator.studies.scaling.coefficients import CORRECTED, fitted_range_flop, scaling_law
from estimator.studies.scaling.laws import ScalingLaw

CURRENCIES: Mapping[str, str] = {
    "usd": "cost_usd",
    "kwh": "energy_kwh",
    "kg": "co2e_kg",
    "days": "wall_hours",
    "flop": "training_flop",
}
"""Unit of a budget -> quantity that it limits."""

START_FLOP = 1e21
LESS_LOSS = 0.01
STEPS = 30
CLOSE = 1e-6
LEAST_FLOP, MOST_FLOP = 1e6, 1e35
COARSE_FLOP = np.geomspace(LEAST_FLOP, MOST_FLOP, 59)
"""Training compute in half-decade steps [FLOP]."""


@dataclass(frozen=True, kw_only=True)
class Bought:
    """Best use of a budget.

    Parameters
    ----------
    flop, params, tokens, loss : float
        Training compute, its optimal size and data, and the resulting loss [FLOP, parameter, token,
        nat].
    answer : Answer
        Run on the given hardware.
    extrapolated : bool
        Whether the compute is outside the range of the law's runs.
    """

    flop: float
    params: float
    tokens: float
    loss: float
    answer: Answer
    extrapolated: bool


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """Cost of lowering the loss by 1%.

    Parameters
    ----------
    loss : float
        New loss [nat].
    flop : float
        Total training compute for it, at the optimal size [FLOP].
    factor : float
        Compute relative to before [1].
    quantities : mapping of str to Uncertain
        Time, energy, cost and CO2e of the run, with the names of `estimate`.
    """

    loss: float
    flop: float
    factor: float
    quantities: Mapping[str, Uncertain]


def bought(
    amount: float, unit: str, scenario: Scenario, catalog: Catalog, law_name: str = CORRECTED
) -> Bought:
    """Find the best size and data for a budget on a scenario's hardware.

    Parameters
    ----------
    amount, unit : float, str
        Budget in usd, kwh, kg, days or flop.
    scenario : Scenario
        Hardware, devices, site and price; its work is ignored.
    law_name : str
        Name of the law.

    Raises
    ------
    ValueError
        If the unit is unknown, the amount not positive, or the quantity unavailable.
    """
    if unit not in CURRENCIES:
        raise ValueError(f"unit must be one of {', '.join(CURRENCIES)}, got {unit!r}")
    if not (np.isfinite(amount) and amount > 0):
        raise ValueError(f"budget must be positive, got {amount:g}")
    law = scaling_law(catalog, law_name)
    limit = amount * H_PER_DAY if unit == "days" else amount
    flop, answer = _work_within(limit, CURRENCIES[unit], scenario, law, catalog)
    params, tokens = law.optimum(flop)
    least, most = fitted_range_flop(catalog)
    return Bought(
        flop=flop,
        params=float(params),
        tokens=float(tokens),
        loss=float(law.loss_at(flop)),
        answer=answer,
        extrapolated=not least <= flop <= most,
    )


def optimal_run(law: ScalingLaw, flop: float, scenario: Scenario) -> Scenario:
    """Return the scenario with the optimal model for a training compute."""
    params, tokens = law.optimum(flop)
    return replace(scenario, params=float(params), tokens=float(tokens), flop=None, preset=None)


def next_step(before: Bought, scenario: Scenario, catalog: Catalog) -> NextStep:
    """Return the cost of a 1% lower loss, at the optimal size before and after.

    Raises
    ------
    ValueError
        If no amount of compute reaches the loss.
    """
    law = scaling_law(catalog)
    loss = before.loss * (1 - LESS_LOSS)
    flop = float(law.flop_for(loss))
    answer = answer_scenario(optimal_run(law, flop, scenario), catalog)
    return NextStep(
        loss=loss,
        flop=flop,
        factor=flop / before.flop,
        quantities=answer.estimate.quantities,
    )


def _work_within(
    limit: float, quantity: str, scenario: Scenario, law: ScalingLaw, catalog: Catalog
) -> tuple[float, Answer]:
    """Return the run whose quantity reaches its limit, and its training compute [FLOP]."""
    if quantity == "training_flop":
        return limit, answer_scenario(optimal_run(law, limit, scenario), catalog)
    flop, slope = _nearby(limit, *_coarse(quantity, scenario, law, catalog))
    for _ in range(STEPS):
        answer = answer_scenario(optimal_run(law, flop, scenario), catalog)
        short = float(np.log(limit / float(np.asarray(answer.estimate[quantity].mid))))
        nearer = float(np.clip(flop * np.exp(short / slope), LEAST_FLOP, MOST_FLOP))
        if abs(short) < CLOSE or nearer == flop:
            break
        flop = nearer
    return flop, answer


@lru_cache(maxsize=64)
def _coarse(
    quantity: str, scenario: Scenario, law: ScalingLaw, catalog: Catalog
) -> tuple[Floats, Floats]:
    """Log work and log quantity on the coarse grid, where known."""
    runs = [optimal_run(law, float(flop), scenario) for flop in COARSE_FLOP]
    taken = np.log(np.asarray(estimate_table(Table.of(Scenario, runs), catalog)[quantity].mid))
    known = ~np.isnan(taken)
    return np.log(COARSE_FLOP[known]), taken[known]


def _nearby(limit: float, works: Floats, taken: Floats) -> tuple[float, float]:
    """Return the work near the limit [FLOP] and the local exponent."""
    if len(works) < 2:
        return START_FLOP, 1.0
    place = int(np.clip(np.searchsorted(taken, np.log(limit)), 1, len(taken) - 1))
    slope = (taken[place] - taken[place - 1]) / (works[place] - works[place - 1])
    work = works[place] + (np.log(limit) - taken[place]) / slope
    return float(np.clip(np.exp(work), LEAST_FLOP, MOST_FLOP)), float(slope)
