"""How right is the power: runs whose energy was measured, predicted from their hours alone.

Only what a meter read counts: power of the system or of the devices alone. Energy worked out as
hours times the power limit tests nothing and is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from estimator.batch_finder import Finder
from estimator.catalog import Catalog
from estimator.power import REFERENCE_UTILIZATION, node_power
from estimator.published import NUMBERS, row_number
from estimator.run_traits import kinds_of_rows, training_flop
from estimator.uncertainty import Uncertain
from estimator.units import S_PER_H, W_PER_KW
from estimator.validation import Blind, Score, score

DEVICES_ALONE = "GPU only (measured)"
AT_THE_METER = ("measured system power", "power measured", "system (GPU+CPU+DRAM)", "system x PUE")
WALL_POWER = "AC power measured"
"""How the table says what was measured: devices, systems behind a PUE, nodes at the wall."""

SEEN_BY_THE_PRIORS = ("MLPerf", "GPT-3")
"""Runs that the load and the host factor were set by; the score is told without them, too."""


@dataclass(frozen=True, kw_only=True)
class MeasuredPower:
    """One run with a meter.

    Parameters
    ----------
    name, family, device : str
        What ran where.
    measured_w : float
        Mean power per device that was read, without the site's PUE [W].
    predicted_w : Uncertain
        What the power model says [W].
    seen : bool
        Whether the priors of the power were set with this run in view.
    """

    name: str
    family: str
    device: str
    measured_w: float
    predicted_w: Uncertain
    seen: bool


def measured_power(catalog: Catalog) -> list[MeasuredPower]:
    """Published runs with measured power, each with the prediction."""
    finder = Finder(catalog)
    return [
        run
        for row in catalog.published_runs()
        for run in _measured(row, finder)
        if row["validation_tier"] in ("A", "B")
    ]


def energy_score(runs: list[MeasuredPower]) -> Score:
    """Score of the predictions, the hours given."""
    ratio = np.array([np.log(float(run.predicted_w.mid) / run.measured_w) for run in runs])
    doubt = np.array([float(run.predicted_w.log_sd) for run in runs])
    return score(Blind(log_ratio=ratio, log_sd=doubt), np.array([run.family for run in runs]))


def _measured(row: dict[str, str], finder: Finder) -> Iterator[MeasuredPower]:
    watts = _measured_w(row)
    if watts is None:
        return
    try:
        named = finder.named(row["accelerator"], row["precision"])
    except ValueError:
        return
    power = node_power(
        named.hardware,
        utilization=_utilization(row, float(named.machine.peak_flop_per_s)),
        devices=row_number(row, "accelerator_count", default=1.0),
        network_share=finder.prior("power.network_share", "network"),
    )
    alone = row["energy_scope"] == DEVICES_ALONE
    yield MeasuredPower(
        name=row["name"],
        family=row["family"],
        device=named.device.id,
        measured_w=watts,
        predicted_w=power.device_w if alone else power.node_w,
        seen=row["name"].startswith(SEEN_BY_THE_PRIORS),
    )


def _measured_w(row: dict[str, str]) -> float | None:
    """Mean measured power per device, the PUE taken out; None where nothing was measured."""
    if WALL_POWER in row["name"]:
        return row_number(row, "avg_chip_power_w")
    metered = row["energy_scope"] == DEVICES_ALONE or row["energy_scope"].startswith(AT_THE_METER)
    if not metered or not row["energy_kwh"] or not row["accelerator_hours"]:
        return None
    kwh = row_number(row, "energy_kwh") / row_number(row, "pue", default=1.0)
    return kwh * W_PER_KW / row_number(row, "accelerator_hours")


def _utilization(row: dict[str, str], peak_flop_per_s: float) -> float:
    """Utilization that the run reached, or the reference where its work is not known [1]."""
    numbers = {name: np.array([row_number(row, name)]) for name in NUMBERS}
    flop = training_flop(numbers, kinds_of_rows([row["domain"]], [row["arch"]], [row["name"]]))[0]
    reached = flop / (peak_flop_per_s * S_PER_H * row_number(row, "accelerator_hours"))
    return REFERENCE_UTILIZATION if np.isnan(reached) else float(min(reached, 1.0))
