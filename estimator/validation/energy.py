"""Accuracy of power: runs with measured energy, predicted from their hours.

Only metered power counts: of the system, the devices, or the devices with CPU and memory. Energy
from hours times power limit is excluded. Each family is predicted by a fit to the others, with an
interval from their errors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from estimator.catalog import Catalog
from estimator.core.power import LOAD_EXPONENT, busy_share, odds_by_network
from estimator.core.rows import Floats, Texts
from estimator.core.uncertainty import Uncertain
from estimator.question.hardware import BUSY_SHARE, WAITING_PARAMS
from estimator.question.provenance import uncertain_record
from estimator.validation.cross_validation import Blind, Score, score, spread_by_votes
from estimator.validation.power_fit import (
    FAMILY_EXPONENT,
    NODE,
    Meters,
    PowerModel,
    expected_power,
    fitted_power,
)
from estimator.validation.power_readings import (
    Reading,
    meters,
    own_readings,
    power_prior,
    readings,
)

SET_ASIDE = ("olmo", "dodge2022:vit")
"""Families, one busy and one lightly loaded, that no fit has seen since 2026-11-24."""

ALONE_WAITING = 0.5
"""Waiting share of a single-device run with only hours known [1]."""

WORK_KNOWN, HOURS_ALONE = "work known", "hours alone"
"""Runs whose work implies the device load, and others with larger errors."""


@dataclass(frozen=True, kw_only=True)
class MeasuredPower:
    """Metered run, and its held-out prediction.

    Parameters
    ----------
    reading : Reading
        Measurement.
    predicted_w : Uncertain
        Predicted mean power per device within the meter's scope [W].
    """

    reading: Reading
    predicted_w: Uncertain

    @property
    def groups(self) -> tuple[str, ...]:
        """Score groups of the run."""
        domain = self.reading.domain.partition(":")[0]
        aside = "set aside" if self.reading.family in SET_ASIDE else ""
        groups = (aside, "measured", domain, self.reading.scope, work_group(self.reading))
        return tuple(filter(None, groups))


def measured_power(catalog: Catalog) -> list[MeasuredPower]:
    """Return published runs with measured power, each with its held-out prediction."""
    found = readings(catalog)
    own = own_readings(catalog)
    blind = blind_power(found, power_prior(catalog), catalog.prior("power.load.tpu").value, own)
    if np.isnan(blind.log_ratio).any():
        raise ValueError("no system power on record for any other TPU")
    log_sd = np.hypot(blind.log_sd, waiting_log_sd(found, catalog))
    return [
        MeasuredPower(
            reading=one,
            predicted_w=Uncertain(one.measured_w * np.exp(float(ratio)), {"power": float(sd)}),
        )
        for one, ratio, sd in zip(found, blind.log_ratio, log_sd, strict=True)
    ]


def waiting_log_sd(found: Sequence[Reading], catalog: Catalog) -> Floats:
    """Return the power uncertainty due to the device's waiting time if the work is unknown [1]."""
    every = meters(found)
    sd = {
        name: float(uncertain_record(catalog.prior(name), "busy share").log_sd)
        for name in (WAITING_PARAMS, BUSY_SHARE)
    }
    waiting = catalog.prior(WAITING_PARAMS).value
    by_size = odds_by_network(every.params, every.peak_flop_per_s, Uncertain(waiting)).mid
    sized = ~np.isnan(every.params)
    odds = Uncertain(
        np.where(sized, by_size, every.run_odds),
        {"busy share": np.where(sized, sd[WAITING_PARAMS], sd[BUSY_SHARE] / ALONE_WAITING)},
    )
    unknown = np.isnan(every.busy) & np.array([one.kind != "tpu" for one in found])
    busy = busy_share(odds)
    load = catalog.prior("power.load.gpu-datacenter").value * busy.mid**LOAD_EXPONENT
    dynamic = load * (every.limit_w - every.idle_w)
    share = dynamic / (every.idle_w + dynamic)
    return np.where(unknown, LOAD_EXPONENT * busy.log_sd * share, 0.0)


def energy_scores(runs: Sequence[MeasuredPower]) -> dict[str, Score]:
    """Score of the predictions by group, with given hours; small groups are left out."""
    names = dict.fromkeys(name for run in runs for name in run.groups)
    grouped = {name: [run for run in runs if name in run.groups] for name in names}
    return {name: energy_score(of) for name, of in grouped.items() if len(of) >= 5}


def energy_score(runs: Sequence[MeasuredPower]) -> Score:
    """Score of the predictions, with given hours."""
    ratio = np.array([np.log(float(run.predicted_w.mid) / run.reading.measured_w) for run in runs])
    uncertainty = np.array([float(run.predicted_w.log_sd) for run in runs])
    family = np.array([run.reading.family for run in runs])
    return score(Blind(log_ratio=ratio, log_sd=uncertainty), family)


def blind_power(
    found: Sequence[Reading],
    prior: Mapping[str, Uncertain],
    tpu_load: float,
    own: Sequence[Reading] = (),
) -> Blind:
    """Predict each family's power from a fit to the others.

    Parameters
    ----------
    found : sequence of Reading
        Measurements.
    prior : mapping of str to Uncertain
        Prior of the parameters.
    tpu_load : float
        Share of the way from idle to the power limit of a busy TPU [1].
    own : sequence of Reading
        Further readings that are always in the fit but not scored.
    """
    ratio = held_out_ratio(found, prior, tpu_load, own)
    return Blind(log_ratio=ratio, log_sd=_spread(ratio, found))


def held_out_ratio(
    found: Sequence[Reading],
    prior: Mapping[str, Uncertain],
    tpu_load: float,
    own: Sequence[Reading] = (),
) -> Floats:
    """Log of predicted over measured power, each family predicted from the others [1]."""
    family = np.array([one.family for one in found])
    ratio = np.empty(len(found))
    for held in np.unique(family):
        out = family == held
        known = ~(np.isin(family, SET_ASIDE) if held in SET_ASIDE else out)
        scored, others = (
            [found[n] for n in np.flatnonzero(part).tolist()] for part in (out, known)
        )
        ratio[out] = power_ratio([*others, *own], scored, prior, tpu_load)
    return ratio


def power_ratio(
    fitted_on: Sequence[Reading],
    scored: Sequence[Reading],
    prior: Mapping[str, Uncertain],
    tpu_load: float,
) -> Floats:
    """Log of predicted over measured power for a model fitted to other readings [1]."""
    model = fitted_power(prior, meters([one for one in fitted_on if one.kind != "tpu"]))
    every = meters(scored)
    expected = expected_power(model, every)
    for place, one in enumerate(scored):
        if one.kind == "tpu":
            expected[place] = _system_power(fitted_on, one, model, tpu_load)
    return np.asarray(np.log(expected / every.measured_w), dtype=np.float64)


def work_group(reading: Reading) -> str:
    """Return whether the work of a run implies its device load."""
    return HOURS_ALONE if np.isnan(reading.busy) else WORK_KNOWN


def _spread(ratio: Floats, found: Sequence[Reading]) -> Floats:
    """Return each run's uncertainty, from errors of equally well-known other families [1]."""
    group = np.array([work_group(one) for one in found])
    family = np.array([one.family for one in found])
    alike = [(family != one.family) & (group == of) for one, of in zip(found, group, strict=True)]
    return np.array([power_spread(ratio[rows], family[rows]) for rows in alike])


def power_spread(log_ratio: Floats, family: Texts) -> float:
    """Return the standard deviation at which the 80% interval covers 80% of the errors [1].

    Readings of one family share their votes.
    """
    _, places, counts = np.unique(family, return_inverse=True, return_counts=True)
    votes = np.asarray(counts[places] ** FAMILY_EXPONENT, dtype=np.float64)
    return spread_by_votes(np.abs(log_ratio), votes)


def _system_power(
    found: Sequence[Reading], one: Reading, model: PowerModel, tpu_load: float
) -> float:
    """Return a TPU's system power from other runs on the chip, scaled by load [W], or NaN."""
    others = [
        other.measured_w for other in found if other.device == one.device and other.scope == NODE
    ]
    if not others:
        return float("nan")
    shares = np.array([1.0 if np.isnan(one.busy) else one.busy, 1.0])
    both = Meters(
        idle_w=np.full(2, one.idle_w),
        limit_w=np.full(2, one.limit_w),
        busy=shares,
        params=np.full(2, np.nan),
        peak_flop_per_s=np.full(2, one.peak_flop_per_s),
        run_odds=np.ones(2),
        scope=np.full(2, NODE),
        measured_w=np.full(2, np.nan),
        family=np.full(2, one.family),
    )
    chip = PowerModel(
        load=tpu_load,
        load_exponent=model.load_exponent,
        parts_share=1.0,
        host_share=1.0,
        waiting_params=model.waiting_params,
    )
    now, busy = expected_power(chip, both)
    return float(np.median(others) * now / busy)
