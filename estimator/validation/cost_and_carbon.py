"""Accuracy of cost and CO2e, predicted from the hours of published runs.

A reported cost counts if its price was the list price at the time; hours times an assumed round
price test nothing. Reported CO2e counts if its energy was metered; hours times power limit times
grid factor test nothing either.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estimator.catalog import Catalog
from estimator.core.uncertainty import Uncertain
from estimator.core.units import W_PER_KW
from estimator.question.hardware import find_price
from estimator.validation.cross_validation import Blind, Score, score
from estimator.validation.energy import measured_power
from estimator.validation.published_runs import USABLE_TIERS, row_number

KG_PER_T = 1e3

LISTED = re.compile(r"^\$[\d.,]+/h\b")
"""Pattern of costs from a listed rental price."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Run with a reported amount and its prediction.

    Parameters
    ----------
    name, family, device : str
        Names of run, family and device.
    reported : float
        Cost or CO2e as reported [USD or kgCO2e].
    predicted : Uncertain
        From the hours of the run, in the same unit.
    """

    name: str
    family: str
    device: str
    reported: float
    predicted: Uncertain


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Runs that can be scored, and why others cannot.

    Parameters
    ----------
    runs : sequence of Judged
        Runs whose reported amount is a real test.
    left_out : dict of str to int
        Reason -> number of excluded rows with a reported amount.
    """

    runs: Sequence[Judged]
    left_out: dict[str, int]

    @property
    def score(self) -> Score:
        """Error and coverage; ValueError without runs."""
        ratio = np.array([np.log(float(run.predicted.mid) / run.reported) for run in self.runs])
        uncertainty = np.array([float(run.predicted.log_sd) for run in self.runs])
        families = np.array([run.family for run in self.runs])
        return score(Blind(log_ratio=ratio, log_sd=uncertainty), families)


def judged_costs(catalog: Catalog) -> Judgement:
    """Compare costs at list prices with recorded rental prices of the year, with given hours."""
    runs: list[Judged] = []
    left_out: Counter[str] = Counter()
    for row in _reporting(catalog, "cost_usd"):
        found = _cost(row, catalog)
        if isinstance(found, Judged):
            runs.append(found)
        else:
            left_out[found] += 1
    return Judgement(runs=runs, left_out=dict(left_out))


def judged_emissions(catalog: Catalog) -> Judgement:
    """Compare metered operational CO2e with predictions from given hours, PUE and grid."""
    measured = {run.reading.name: run for run in measured_power(catalog)}
    runs: list[Judged] = []
    left_out: Counter[str] = Counter()
    for row in _reporting(catalog, "co2e_t"):
        power, grid = measured.get(row["name"]), row_number(row, "grid_kg_per_kwh")
        reason = _unusable(row)
        if not reason and power is None:
            reason = "circular: its energy was not measured"
        if not reason and np.isnan(grid):
            reason = "no carbon intensity stated"
        if reason or power is None:
            left_out[reason] += 1
            continue
        it_kwh = power.predicted_w * (row_number(row, "accelerator_hours") / W_PER_KW)
        runs.append(
            Judged(
                name=row["name"],
                family=row["family"],
                device=power.reading.device,
                reported=row_number(row, "co2e_t") * KG_PER_T,
                predicted=it_kwh * row_number(row, "pue", default=1.0) * grid,
            )
        )
    return Judgement(runs=runs, left_out=dict(left_out))


def _reporting(catalog: Catalog, column: str) -> list[dict[str, str]]:
    """Return the rows that report an amount."""
    return [row for row in catalog.published_runs() if row_number(row, column, default=0.0) > 0]


def _unusable(row: dict[str, str]) -> str:
    if row["validation_tier"] not in USABLE_TIERS:
        return "tier C, D or X: time or hardware not trusted"
    return "" if row["accelerator_hours"] else "no device time"


def _cost(row: dict[str, str], catalog: Catalog) -> Judged | str:
    """Run with its rental price, or why it cannot be scored."""
    reason = _unusable(row)
    if not reason and not LISTED.match(row["cost_basis"]):
        reason = "circular: the price behind it was assumed, or is not stated"
    if reason:
        return reason
    try:
        device = catalog.device(row["accelerator"])
    except ValueError:
        return "device not on record"
    rent = find_price(device, catalog, year=row_number(row, "year"))
    if rent is None:
        return "no rental price of the device on record"
    return Judged(
        name=row["name"],
        family=row["family"],
        device=device.id,
        reported=row_number(row, "cost_usd"),
        predicted=rent.value * row_number(row, "accelerator_hours"),
    )
