"""How right are we: published runs against predictions that have never seen their family.

The utilization model is fitted to all families but one, predicts that one, and so on; the score
counts what it predicts, never what it was fitted to. Tables of throughput help the fit, those of
the family held out excepted, and are not scored. Nothing here prints or reads a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from estimator.uncertainty import Uncertain, z_score
from estimator.units import CENTRAL
from estimator.utilization import log_utilization, thinness, transformer_share
from estimator.utilization_fit import Fit, Runs, fit, joined

Floats = npt.NDArray[np.float64]

NEUTRAL_AT_ONE = ("_slowdown", "_per_year")
"""Endings of parameters that are factors, without effect at one."""

SMALL_GROUP = 8
"""Fewer runs of a group than this borrow their doubt from all runs [1]."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How far predictions are from what was reported.

    Parameters
    ----------
    count, families : int
        Runs scored, and families they belong to [1].
    median_error, family_median_error : float
        Median of |predicted / reported - 1|; with one vote a run, and with one vote a family [1].
    bias : float
        Median of predicted over reported [1].
    within_125, within_2 : float
        Share of predictions within a factor of 1.25 and of 2 [1].
    coverage : float
        Share of reported values inside the 80 % interval [1].
    """

    count: int
    families: int
    median_error: float
    family_median_error: float
    bias: float
    within_125: float
    within_2: float
    coverage: float


@dataclass(frozen=True, kw_only=True)
class Blind:
    """Predictions for runs whose family was held out, and the doubt told with them.

    Parameters
    ----------
    log_ratio : array
        Logarithm of predicted over reported device-hours [1].
    log_sd : array
        Standard deviation told with the prediction [1].
    """

    log_ratio: Floats
    log_sd: Floats


def blind_predictions(
    prior: Mapping[str, Uncertain],
    runs: Runs,
    tables: Runs,
    groups: npt.NDArray[np.str_],
    untold: Floats,
) -> Blind:
    """Hold out each family in turn, fit to the others, and predict it.

    Parameters
    ----------
    prior : mapping of str to Uncertain
        Parameters before any run was seen.
    runs, tables : Runs
        Published runs, and rows of throughput tables.
    groups : array of str
        Kind of network of each run; runs of one kind share their doubt.
    untold : array
        Variance that what a run does not tell adds to that of its like [1].
    """
    ratio = np.empty(len(runs.flop))
    doubt = np.empty(len(runs.flop))
    near = fit(prior, joined(runs, tables))
    for family in np.unique(runs.family):
        out = runs.family == family
        others = joined(runs.part(~out), tables.part(tables.family != family))
        ratio[out] = log_hours_ratio(prior, others, runs.part(out), near)
    thin = thinness(runs.flop, runs.traits.year, transformer_share(runs.traits))
    even = ratio / thin
    for family in np.unique(runs.family):
        out = runs.family == family
        for group in np.unique(groups[out]):
            chosen = out & (groups == group)
            spread = spread_of(even[~out], groups[~out], runs.family[~out], str(group))
            doubt[chosen] = np.sqrt((thin[chosen] * spread) ** 2 + untold[chosen])
    return Blind(log_ratio=ratio, log_sd=doubt)


def ablated(prior: Mapping[str, Uncertain], parameter: str) -> dict[str, Uncertain]:
    """Prior that switches one parameter of the mechanism off, for the ablation.

    A factor is held at one; values moved, start-up and exponents are held near zero.
    """
    neutral = 1.0 if parameter.endswith(NEUTRAL_AT_ONE) else 1e-9
    return {**prior, parameter: Uncertain(neutral, {parameter: 1e-6})}


def log_hours_ratio(
    prior: Mapping[str, Uncertain], fitted_on: Runs, scored: Runs, near: Fit | None = None
) -> Floats:
    """Logarithm of predicted over reported device-hours of runs that the fit has not seen [1].

    `near` is where to start looking: it saves time, and the least loss is found from anywhere.
    """
    model = fit(prior, fitted_on, near).model
    expected = log_utilization(
        model, scored.traits, scored.machine, flop=scored.flop, devices=scored.devices
    )
    return np.asarray(scored.log_utilization() - expected, dtype=np.float64)


def spread_of(
    log_ratio: Floats, groups: npt.NDArray[np.str_], family: npt.NDArray[np.str_], group: str
) -> float:
    """Standard deviation that makes the 80 % interval hold 80 % of a group's errors [1].

    Errors are told as if all runs were well known: over the `thinness` of each. A family to come
    falls outside more often than those at hand, the more so the fewer they are [1]_. A small group
    is drawn towards all runs.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", 2005,
       sec. 2.2: of n errors the (n + 1) p-th bounds the next one with probability p.
    """
    own = groups == group
    every = _spread(log_ratio, family)
    if not own.any():
        return every
    alone = _spread(log_ratio[own], family[own])
    trust = own.sum() / (own.sum() + SMALL_GROUP)
    return float(np.sqrt(trust * alone**2 + (1 - trust) * every**2))


def _spread(log_ratio: Floats, family: npt.NDArray[np.str_]) -> float:
    """Standard deviation by the size below which most errors lie [1]."""
    count = len(np.unique(family))
    level = min(CENTRAL * (1.0 + 1.0 / count), 1.0)
    return float(np.quantile(np.abs(log_ratio), level)) / z_score(CENTRAL)


def score(blind: Blind, family: npt.NDArray[np.str_]) -> Score:
    """Score some predictions; raises ValueError if there are none."""
    if len(blind.log_ratio) == 0:
        raise ValueError("no runs to score")
    error = np.abs(np.exp(blind.log_ratio) - 1)
    size = np.abs(blind.log_ratio)
    _, places, counts = np.unique(family, return_inverse=True, return_counts=True)
    return Score(
        count=len(error),
        families=len(counts),
        median_error=float(np.median(error)),
        family_median_error=weighted_median(error, 1.0 / counts[places]),
        bias=float(np.exp(np.median(blind.log_ratio))),
        within_125=float(np.mean(size <= np.log(1.25))),
        within_2=float(np.mean(size <= np.log(2.0))),
        coverage=float(np.mean(size <= z_score(CENTRAL) * blind.log_sd)),
    )


def constant_utilization(runs: Runs, utilization: float, log_sd: float) -> Blind:
    """What a calculator with one utilization for everything predicts."""
    ratio = runs.log_utilization() - np.log(utilization)
    return Blind(log_ratio=ratio, log_sd=np.full(len(ratio), log_sd))


def part_of(blind: Blind, chosen: npt.NDArray[np.bool_]) -> Blind:
    """Return the predictions where `chosen` holds."""
    return replace(blind, log_ratio=blind.log_ratio[chosen], log_sd=blind.log_sd[chosen])


def weighted_median(values: Floats, weights: Floats) -> float:
    """Smallest value at which half of the weight is reached.

    >>> weighted_median(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 3.0]))
    9.0
    """
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
