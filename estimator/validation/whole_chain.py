"""Accuracy of energy, cost and CO2e without given hours: published runs end to end.

Device-hours and power come from models that have not seen the run's family, price and carbon
intensity from the profiles and the row. Runs count if their amount tests something
(`estimator.validation.cost_and_carbon`) and their hours can be predicted.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from estimator.catalog import Catalog
from estimator.core.uncertainty import Uncertain
from estimator.validation.cost_and_carbon import judged_costs, judged_emissions
from estimator.validation.cross_validation import Blind, Score, score
from estimator.validation.energy import measured_power
from estimator.validation.held_out import HeldOut


def whole_chain_scores(catalog: Catalog, report: HeldOut) -> dict[str, Score]:
    """Score of energy, cost and CO2e from the work only, without quantities that have no runs.

    Parameters
    ----------
    catalog : Catalog
    report : HeldOut
        Held-out scores of device-hours.

    Returns
    -------
    dict
        Score of "energy", "cost" and "co2e".
    """
    energy = [
        (run.reading.name, run.predicted_w / run.reading.measured_w)
        for run in measured_power(catalog)
    ]
    cost, co2e = (
        [(run.name, run.predicted / run.reported) for run in judged.runs]
        for judged in (judged_costs(catalog), judged_emissions(catalog))
    )
    given_hours = {"energy": energy, "cost": cost, "co2e": co2e}
    scores = {name: _end_to_end(ratios, report) for name, ratios in given_hours.items()}
    return {name: score for name, score in scores.items() if score is not None}


def _end_to_end(given_hours: Sequence[tuple[str, Uncertain]], report: HeldOut) -> Score | None:
    """Score with the error of the hours added to the error with given hours."""
    places: Mapping[str, int] = {
        row["name"]: place for place, row in enumerate(report.published.rows)
    }
    known = [(places[name], ratio) for name, ratio in given_hours if name in places]
    if not known:
        return None
    at = np.array([place for place, _ in known])
    beside = np.array([np.log(float(ratio.mid)) for _, ratio in known])
    beside_sd = np.array([float(ratio.log_sd) for _, ratio in known])
    whole = Blind(
        log_ratio=report.by_stack.log_ratio[at] + beside,
        log_sd=np.hypot(report.by_stack.log_sd[at], beside_sd),
    )
    return score(whole, report.published.stacks[at])
