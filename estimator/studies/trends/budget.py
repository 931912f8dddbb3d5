"""Purchasing power of a budget by year, and cost of a fixed model.

    compute = budget / price x peak x utilization x busy share x lifetime

A device is bought at its launch price and used up over its life: the compute that its price buys.
Electricity, hosts and the price of money are left out, so this is an upper bound.
"""

from dataclasses import dataclass, replace

import numpy as np

from estimator.catalog import Catalog
from estimator.core.hardware import REFERENCE_UTILIZATION
from estimator.core.units import H_PER_YEAR, S_PER_H
from estimator.studies.scaling.coefficients import scaling_law
from estimator.studies.trends.records import Series, device_per_dollar


@dataclass(frozen=True, kw_only=True)
class YearBought:
    """Best device for a budget up to a year.

    Parameters
    ----------
    year : int
        Year.
    device, row : str
        Device with the most FLOP/s per dollar, and its record.
    flop : float
        Compute that the budget bought [FLOP].
    params, tokens : float
        Optimal size and data for it, by the law of language models [parameter, token].
    """

    year: int
    device: str
    row: str
    flop: float
    params: float
    tokens: float


def compute_per_dollar(catalog: Catalog) -> Series:
    """Compute per dollar over the life of each accelerator [FLOP/USD]."""
    series = device_per_dollar(catalog)
    life_s = catalog.prior("ownership.lifetime_years").value * H_PER_YEAR * S_PER_H
    busy = catalog.prior("ownership.busy_share").value
    share = float(np.asarray(REFERENCE_UTILIZATION.mid))
    return replace(
        series,
        name="compute per dollar",
        unit="FLOP/USD",
        values=series.values * life_s * busy * share,
    )


def bought_by_year(budget_usd: float, catalog: Catalog) -> list[YearBought]:
    """Compute for a budget in each year with a better device.

    Raises
    ------
    ValueError
        If the budget is not positive.
    """
    if not (np.isfinite(budget_usd) and budget_usd > 0):
        raise ValueError(f"budget must be positive, got {budget_usd:g}")
    best = compute_per_dollar(catalog).front()
    law = scaling_law(catalog)
    found = []
    for label, row, when, per_dollar in zip(
        best.labels, best.rows, best.years, best.values, strict=True
    ):
        flop = float(budget_usd * per_dollar)
        params, tokens = law.optimum(flop)
        found.append(
            YearBought(
                year=int(when),
                device=label,
                row=row,
                flop=flop,
                params=float(params),
                tokens=float(tokens),
            )
        )
    return found


def cost_by_year(flop: float, catalog: Catalog) -> Series:
    """Return the cost of a training compute on each accelerator [USD]."""
    series = compute_per_dollar(catalog)
    return replace(series, name="cost", unit="USD", values=flop / series.values)
