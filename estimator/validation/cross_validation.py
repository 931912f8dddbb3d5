"""Held-out accuracy of utilization: each family predicted by a fit to the others.

Throughput tables inform the fit, except those of the held-out family, and are not scored. Nothing
here prints or reads a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.core.rows import Floats, Places, Texts, rows_of
from estimator.core.uncertainty import Number, Uncertain, z_score
from estimator.core.units import CENTRAL
from estimator.training.features import SMALLEST_SD
from estimator.training.mechanism import (
    MOST_EXPECTED,
    Growth,
    ThinPlaces,
    log_utilization,
    thin_places,
    thinness,
    within_bound,
)
from estimator.validation.utilization_fit import (
    PublishedArrays,
    concatenate_runs,
    fitted_logs,
    model_of,
    parameter_covariance,
    prediction_variance,
)

NEUTRAL_AT_ONE = ("_slowdown", "_per_year", "tuning")
"""Suffixes of multiplicative parameters, neutral at one."""

SMALL_GROUP = 4
"""Stacks below which a group borrows its spread from all runs [1]."""

LARGE_FOLD = 15
SMALL_FOLDS = 32
"""Runs from which a group is its own fold; smaller groups share this many folds [1]."""

RESAMPLES = 400
RESAMPLING_SEED = 7
"""Number of bootstrap resamples, and their seed [1]."""

VOTE_EXPONENT = -0.5
"""Exponent of a stack's size in the weight of its errors: between a vote per run and a vote per
stack [1].
"""

SMALLEST_SIZE = 0.02
"""Least log error when error sizes are compared [1]."""

PULL = 10.0
"""Shrinkage towards constant errors, in runs [1]."""


@dataclass(frozen=True, kw_only=True)
class Points:
    """Error statistics of predictions.

    Parameters
    ----------
    count, families : int
        Runs scored, and families they belong to [1].
    median_error, family_median_error : float
        Median of |predicted / reported - 1|, with equal weight per run, and per family [1].
    bias : float
        Median of predicted over reported [1].
    within_125, within_2 : float
        Share of predictions within a factor of 1.25 and of 2 [1].
    coverage : float
        Share of reported values inside the 80% interval [1].
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
class Score(Points):
    """Error statistics with the range of the median, which takes the longest to compute.

    Parameters
    ----------
    median_error_low, median_error_high : float
        Central 80% of the median error when families are drawn again (bootstrap) [1].
    """

    median_error_low: float
    median_error_high: float


@dataclass(frozen=True, kw_only=True)
class Blind:
    """Held-out predictions with their uncertainty.

    Parameters
    ----------
    log_ratio : array
        Logarithm of predicted over reported device-hours [1].
    log_sd : array
        Predicted log standard deviation [1].
    """

    log_ratio: Floats
    log_sd: Floats


def blind_predictions(
    prior: Mapping[str, Uncertain],
    runs: PublishedArrays,
    tables: PublishedArrays,
    groups: Texts,
    own_variance: Floats,
    *,
    by: str = "family",
) -> Blind:
    """Predict each family or stack from a fit to the others.

    Parameters
    ----------
    prior : mapping of str to Uncertain
        Prior of the parameters.
    runs, tables : PublishedArrays
        Published runs, and rows of throughput tables.
    groups : array of str
        Group of networks with the same uncertainty.
    own_variance : array
        Variance due to omitted inputs, excluding the variance of similar runs [1].
    by : str
        Unit that is held out: `family` or `stack`.
    """
    held, tables_held = getattr(runs, by), getattr(tables, by)
    ratio, variance = np.empty((2, len(runs.flop)))
    near = fitted_logs(prior, concatenate_runs(runs, tables))
    parts = folds(held)
    for part in parts:
        out = np.isin(held, part)
        others = concatenate_runs(rows_of(runs, ~out), rows_of(tables, ~np.isin(tables_held, part)))
        logs, scored = fitted_logs(prior, others, near), rows_of(runs, out)
        ratio[out] = _log_ratio(logs, scored)
        covariance = parameter_covariance(prior, others, logs)
        variance[out] = prediction_variance(scored, logs, covariance)
    uncertainty = np.empty(len(ratio))
    for part in parts:
        out = np.isin(held, part)
        spread = spread_of(ratio[~out], rows_of(runs, ~out), groups[~out], variance[~out])
        like = spread.of(rows_of(runs, out), groups[out]) ** 2 + variance[out]
        uncertainty[out] = np.sqrt(np.maximum(like + own_variance[out], SMALLEST_SD**2))
    return Blind(log_ratio=ratio, log_sd=uncertainty)


def as_answered(blind: Blind, runs: PublishedArrays) -> Blind:
    """Return held-out predictions as shown to users, with 80% intervals cut off at the peak."""
    reached = runs.log_utilization()
    answered = within_bound(Uncertain(np.exp(reached - blind.log_ratio), {"": blind.log_sd}))
    return Blind(
        log_ratio=np.asarray(reached - np.log(answered.mid)), log_sd=np.asarray(answered.log_sd)
    )


def folds(held: Texts) -> list[list[str]]:
    """Split groups into folds: large groups by themselves, small groups distributed.

    >>> parts = folds(np.array(["a"] * 30 + [f"b{n}" for n in range(40)]))
    >>> len(parts), [len(part) for part in parts[:3]]
    (33, [1, 2, 2])
    """
    names, counts = np.unique(held, return_counts=True)
    alone = [[str(name)] for name in names[counts >= LARGE_FOLD]]
    small = names[counts < LARGE_FOLD]
    dealt = [small[place::SMALL_FOLDS].tolist() for place in range(SMALL_FOLDS)]
    return [*alone, *(part for part in dealt if part)]


def ablated(prior: Mapping[str, Uncertain], parameter: str) -> dict[str, Uncertain]:
    """Return the prior with one parameter turned off, for the ablation.

    A factor is fixed at one; traffic, start-up and exponents near zero.
    """
    neutral = 1.0 if parameter.endswith(NEUTRAL_AT_ONE) else 1e-9
    return {**prior, parameter: Uncertain(neutral, {parameter: 1e-6})}


def log_hours_ratio(
    prior: Mapping[str, Uncertain],
    fitted_on: PublishedArrays,
    scored: PublishedArrays,
    near: Floats | None = None,
) -> Floats:
    """Log of predicted over reported device-hours for runs outside the fit [1].

    `near` is a starting point that saves time without changing the result.
    """
    return _log_ratio(fitted_logs(prior, fitted_on, near), scored)


def _log_ratio(logs: Floats, scored: PublishedArrays) -> Floats:
    """Log of predicted over reported hours for given parameters [1]."""
    model = model_of(logs.tolist())
    expected = log_utilization(
        model, scored.features, scored.machine, flop=scored.flop, devices=scored.devices
    )
    expected = np.minimum(expected, np.log(MOST_EXPECTED))
    return np.asarray(scored.log_utilization() - expected, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Error spread by network kind and evidence quality.

    Parameters
    ----------
    groups : mapping of str to float
        Group of networks, in vendors' code or another -> standard deviation of well-known runs
        [1].
    every : float
        Standard deviation of all networks together [1].
    growth : Growth
        Growth of the spread for less well-known runs.
    """

    groups: Mapping[str, float]
    every: float
    growth: Growth

    def of(self, runs: PublishedArrays, groups: Texts) -> Floats:
        """Return the standard deviation of each run [1]."""
        like = np.array([self.of_group(group) for group in groups.tolist()])
        return like * thinness(_places(runs), self.growth)

    def of_group(self, group: str) -> float:
        """Return the standard deviation of a group's well-evidenced runs [1], or of one stack."""
        return self.groups.get(group, self.every * _widened(1))


def spread_of(
    log_ratio: Floats,
    runs: PublishedArrays,
    groups: Texts,
    variance: Number = 0.0,
) -> Spread:
    """Spread for which the 80% interval covers 80% of each group's errors.

    It adds to `variance`, the parameter uncertainty [1]. A new stack falls outside more often than
    known ones, all the more for small groups [1]_. Runs of one stack share their votes, and groups
    of few stacks are shrunk towards all runs and widened.

    A group to come falls outside more often than those at hand, the more so the fewer they are
    [1]_. What is asked is another stack, so the runs of one share their votes, and a group of few
    stacks is drawn towards all runs and widened.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", 2005,
       sec. 2.2: of n errors the (n + 1) p-th bounds the next one with probability p.
    """
    growth = growth_of(log_ratio, runs)
    beyond = log_ratio**2 - z_score(CENTRAL) ** 2 * variance
    even = np.sqrt(np.maximum(beyond, 0.0)) / thinness(_places(runs), growth)
    votes = _votes_of_stacks(runs)
    every = spread_by_votes(even, votes)
    of_group: dict[str, float] = {}
    for group in np.unique(groups).tolist():
        own = groups == group
        stacks = len(np.unique(runs.stack[own]))
        alone = spread_by_votes(even[own], votes[own])
        trust = stacks / (stacks + SMALL_GROUP)
        mixed = np.sqrt(trust * alone**2 + (1 - trust) * every**2)
        of_group[group] = float(mixed * _widened(stacks))
    return Spread(groups=of_group, every=every, growth=growth)


def _votes_of_stacks(runs: PublishedArrays) -> Floats:
    """Return the weight of each run's error, by the size of its stack [1]."""
    _, places, counts = np.unique(runs.stack, return_inverse=True, return_counts=True)
    return np.asarray(counts[places] ** VOTE_EXPONENT, dtype=np.float64)


def _widened(stacks: int) -> float:
    """Return the correction factor for a spread estimated from few stacks."""
    return float(np.sqrt(1.0 + 1.0 / stacks))


def growth_of(log_ratio: Floats, runs: PublishedArrays) -> Growth:
    """Return the growth of errors with smaller runs and with rare features.

    A straight line through the log sizes, shrunk slightly towards zero; runs of one stack share
    their votes.
    """
    places = np.broadcast_arrays(np.ones(len(log_ratio)), *_places(runs))
    columns = np.array(places, dtype=np.float64).T
    sizes = np.log(np.maximum(np.abs(log_ratio), SMALLEST_SIZE))
    votes = _votes_of_stacks(runs)
    voted = columns.T * (votes / votes.mean())
    pulled = voted @ columns + np.diag([0.0, *(PULL for _ in places[1:])])
    slopes = np.linalg.solve(pulled, voted @ sizes)[1:]
    decade, rare = np.exp(np.maximum(slopes, 0.0)).tolist()
    return Growth(per_decade=decade, where_rare=rare)


def _places(runs: PublishedArrays) -> ThinPlaces:
    return thin_places(runs.flop, runs.features, runs.machine.rare)


def spread_by_votes(sizes: Floats, votes: Floats) -> float:
    """Return the standard deviation from a weighted 80% quantile of errors, plus one unseen [1]."""
    voters = votes.sum() ** 2 / (votes**2).sum()
    level = min(CENTRAL * (1.0 + 1.0 / voters), 1.0)
    order = np.argsort(sizes)
    reached = np.cumsum(votes[order]) / votes.sum()
    place = min(int(np.searchsorted(reached, level)), len(sizes) - 1)
    return float(sizes[order][place]) / z_score(CENTRAL)


def score(blind: Blind, family: npt.NDArray[Any]) -> Score:
    """Score some predictions; ValueError without any."""
    found = points(blind, family)
    _, places = np.unique(family, return_inverse=True)
    low, high = bootstrap_median(errors_of(blind), places)
    return Score(median_error_low=low, median_error_high=high, **vars(found))


def points(blind: Blind, family: npt.NDArray[Any]) -> Points:
    """Score some predictions without a range; ValueError without any."""
    families, votes = votes_of(family)
    median_error, family_median_error = median_errors(errors_of(blind), votes)
    size = np.abs(blind.log_ratio)
    return Points(
        count=len(size),
        families=families,
        median_error=median_error,
        family_median_error=family_median_error,
        bias=float(np.exp(_middle(np.sort(blind.log_ratio)))),
        within_125=float(np.mean(size <= np.log(1.25))),
        within_2=float(np.mean(size <= np.log(2.0))),
        coverage=float(np.mean(size <= z_score(CENTRAL) * blind.log_sd)),
    )


def votes_of(family: npt.NDArray[Any]) -> tuple[int, Floats]:
    """Return the number of families, and each run's share of its family's vote [1].

    Families are names, or numbers from zero.
    """
    numbered = family.dtype.kind == "i"
    places = family if numbered else np.unique(family, return_inverse=True)[1]
    counts = np.bincount(places)
    return int(np.count_nonzero(counts)), 1.0 / counts[places]


def median_errors(errors: Floats, votes: Floats) -> tuple[float, float]:
    """Return the median error with equal weight per run, and per family [1]."""
    if len(errors) == 0:
        raise ValueError("no runs to score")
    order = np.argsort(errors)
    return _middle(errors[order]), _reached_half(errors[order], votes[order])


def errors_of(blind: Blind) -> Floats:
    """Return the relative error of each prediction [1]."""
    errors: Floats = np.abs(np.exp(blind.log_ratio) - 1)
    return errors


def bootstrap_median(values: Floats, members: Places) -> tuple[float, float]:
    """Return the central 80% of the median under a group bootstrap [1]_.

    Parameters
    ----------
    values : array of shape (n,)
        Errors.
    members : array of shape (n,)
        Group number of each value, from zero.

    References
    ----------
    .. [1] B. Efron, R. Tibshirani, "An introduction to the bootstrap", 1993, sec. 6.4.

    >>> bootstrap_median(np.array([0.1, 0.1, 0.1]), np.array([0, 1, 2]))
    (0.1, 0.1)
    """
    groups = int(members.max()) + 1
    order = np.argsort(values)
    reached = np.cumsum(_votes(groups)[:, members[order]], axis=1)
    middle = np.argmax(reached >= reached[:, -1:] / 2, axis=1)
    low, high = np.quantile(values[order][middle], ((1 - CENTRAL) / 2, (1 + CENTRAL) / 2))
    return float(low), float(high)


@lru_cache(maxsize=64)
def _votes(groups: int) -> Places:
    """Return the number of draws of each group, a row per resample."""
    drawn = np.random.default_rng(RESAMPLING_SEED).integers(0, groups, (RESAMPLES, groups))
    votes = np.array([np.bincount(one, minlength=groups) for one in drawn])
    votes.flags.writeable = False
    return votes


def constant_utilization(runs: PublishedArrays, utilization: float, log_sd: float) -> Blind:
    """Return the prediction of a calculator with one constant utilization."""
    ratio = runs.log_utilization() - np.log(utilization)
    return Blind(log_ratio=ratio, log_sd=np.full(len(ratio), log_sd))


def _reached_half(ordered: Floats, weights: Floats) -> float:
    """Return the weighted median of sorted values."""
    reached = np.cumsum(weights)
    return float(ordered[np.searchsorted(reached, reached[-1] / 2)])


def _middle(ordered: Floats) -> float:
    """Return the median of sorted values."""
    return float(0.5 * (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]))
