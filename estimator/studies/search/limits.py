"""Probability that a design meets its limits: budget, deadline, energy or carbon.

Quantities are log-normal and share uncertainty sources: a longer run also costs more. The
probability of one limit has a closed form; that of several at once is estimated from a fixed set of
draws.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from estimator.core.rows import Floats, Mask, Places, of_each, rows_of
from estimator.core.uncertainty import Uncertain

DRAWS = 8192
"""Draws of the uncertainty sources, in mirrored pairs [1]."""

RELAXED = 1.1
"""Factor by which a limit is relaxed [1]."""

LEAST_GAIN = 1e-9
"""Least gain beyond rounding [1]."""

DIGITS = 9
"""Digits after the first that distinguish two quantities [1]."""

HOPELESS = NormalDist().inv_cdf(0.005)
"""Deviations below which a limit's probability rounds to 0% [1]."""

SEED = 20
"""Seed of the draws, so that answers are reproducible."""

_ERF = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a plan, and the required confidence.

    Parameters
    ----------
    most : mapping of str to float
        Quantity -> its limit, positive, in the unit of its name.
    confidence : float
        Required probability of meeting all limits, in (0, 1) [1].

    Raises
    ------
    ValueError
        If a limit is not positive, or the confidence not between 0 and 1.
    """

    most: Mapping[str, float]
    confidence: float

    def __post_init__(self) -> None:
        for name, limit in self.most.items():
            if not 0 < limit < math.inf:
                raise ValueError(f"the limit of {name} must be positive, got {limit:g}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must be in (0, 1), got {self.confidence:g}")


def probability_within(quantity: Uncertain, limit: float) -> Floats:
    """Return the probability that a quantity is within a limit [1].

    Parameters
    ----------
    quantity : Uncertain
        Positive, of any shape.
    limit : float, positive
        In the unit of the quantity.

    Returns
    -------
    array
        Probabilities; 0 or 1 for exact quantities, NaN for unknown ones.

    >>> float(probability_within(Uncertain(100.0, {"power": 0.2}), 100.0))
    0.5
    """
    z = deviations_within(quantity, limit)
    return 0.5 * (1.0 + np.asarray(_ERF(z / math.sqrt(2.0)), dtype=np.float64))


def deviations_within(quantity: Uncertain, limit: float) -> Floats:
    """Log standard deviations by which a quantity is below a limit [1].

    Infinite for an exact quantity, NaN for an unknown one.
    """
    mid = np.asarray(quantity.mid, dtype=np.float64)
    spread = np.broadcast_to(np.asarray(quantity.log_sd, dtype=np.float64), mid.shape)
    slack = math.log(limit) - np.log(mid)
    exact = np.where(slack >= 0, np.inf, -np.inf)
    z = np.where(spread > 0, slack / np.where(spread > 0, spread, 1.0), exact)
    return np.where(np.isnan(mid), np.nan, z)


def nearness(quantities: Mapping[str, Uncertain], most: Mapping[str, float]) -> Floats:
    """Return the margin of designs: deviations within the least likely limit [1].

    Beyond reach, medians over limits decide, as a wide interval would look like a near miss. NaN if
    a quantity is unknown.
    """
    least, over = np.array(np.inf), np.array(-np.inf)
    for name, limit in most.items():
        least = np.minimum(least, deviations_within(quantities[name], limit))
        over = np.maximum(over, np.log(quantities[name].mid) - math.log(limit))
    return np.where(least > HOPELESS, least, HOPELESS - over)


def probabilities_within(
    quantities: Mapping[str, Uncertain], most: Mapping[str, float], places: Sequence[int]
) -> list[dict[str, float]]:
    """Return the probability that some designs meet each limit [1]."""
    if not places:
        return []
    at = np.array(places)
    found = {
        name: probability_within(rows_of(quantities[name], at), limit).tolist()
        for name, limit in most.items()
    }
    return [{name: found[name][number] for name in most} for number in range(len(places))]


def known_of(
    quantities: Mapping[str, Uncertain], places: Sequence[int]
) -> list[dict[str, Uncertain]]:
    """Return the known quantities of some designs."""
    found: list[dict[str, Uncertain]] = [{} for _ in places]
    for name, quantity in quantities.items():
        some = rows_of(quantity, np.array(places, dtype=np.intp))
        mids = np.asarray(some.mid)
        loads = [of_each(load, mids.shape).tolist() for load in some.loadings.values()]
        for taken, mid, *own in zip(found, mids.tolist(), *loads, strict=True):
            if not math.isnan(mid):
                taken[name] = Uncertain(mid, dict(zip(some.loadings, own, strict=True)))
    return found


def holds(quantity: Uncertain, limit: float, confidence: float) -> Mask:
    """Return whether a limit is met with a confidence; False for unknown quantities."""
    return deviations_within(quantity, limit) >= NormalDist().inv_cdf(confidence)


def probability_of_all(
    quantities: Mapping[str, Uncertain], most: Mapping[str, float], place: int
) -> float:
    """Return the probability that a design meets all limits [1], in closed form for one limit.

    Parameters
    ----------
    quantities : mapping of str to Uncertain, shape (n,) each
        Quantities of all designs.
    most : mapping of str to float
        Quantity -> its limit.
    place : int
        Index of the design.
    """
    chosen = [rows_of(quantities[name], place) for name in most]
    limits = list(most.values())
    if len(chosen) < 2:
        return float(probability_within(chosen[0], limits[0])) if chosen else 1.0
    sources = sorted({source for quantity in chosen for source in quantity.loadings})
    loads = np.array(
        [[quantity.loadings.get(source, 0.0) for source in sources] for quantity in chosen]
    )
    slack = np.log(limits) - np.log([quantity.mid for quantity in chosen])
    drawn, left = loads @ _half_of_draws(len(sources)), slack[:, np.newaxis]
    kept, mirrored = (drawn <= left).all(axis=0), (drawn >= -left).all(axis=0)
    return float(np.count_nonzero(kept) + np.count_nonzero(mirrored)) / DRAWS


def best_designs(
    objective: Floats,
    quantities: Mapping[str, Uncertain],
    limits: Limits,
    count: int,
    *,
    ties: Sequence[Floats] = (),
    alike: Places | None = None,
) -> dict[int, float]:
    """Find the designs with the smallest objective that meet all limits with the confidence.

    Parameters
    ----------
    objective : array, shape (n,)
        Quantity to minimize; designs with NaN are excluded.
    quantities : mapping of str to Uncertain, shape (n,) each
        Limited quantities; designs that lack one are excluded.
    limits : Limits
        The limits and the confidence.
    count : int
        Maximum number of designs.
    ties : sequence of array, shape (n,) each
        Tie-breakers, most important first; NaN sorts last.
    alike : array of int, shape (n,), optional
        Group of each design; only the best of a group is chosen.

    Returns
    -------
    dict of int to float
        Design -> probability of meeting all limits [1], best first; full ties keep their order.

    Notes
    -----
    All limits together hold at most as likely as each of them. So the closed form leaves most
    designs out, and only the others, best first, are asked for the probability of all.
    """
    possible = ~np.isnan(objective)
    for name, limit in limits.most.items():
        possible &= holds(quantities[name], limit, limits.confidence)
    places = np.flatnonzero(possible)
    return _best_of(places, [objective, *ties], quantities, limits, count, alike)


def _best_of(
    places: Places,
    keys: Sequence[Floats],
    quantities: Mapping[str, Uncertain],
    limits: Limits,
    count: int,
    alike: Places | None = None,
) -> dict[int, float]:
    """Find the best of some designs that meet each limit on its own."""
    chosen: dict[int, float] = {}
    group = places if alike is None else alike[places]
    order = _ranked([key[places] for key in keys])
    taken: set[int] = set()
    for place, its_group in zip(places[order].tolist(), group[order].tolist(), strict=True):
        if len(chosen) == count:
            break
        if its_group in taken:
            continue
        probability = probability_of_all(quantities, limits.most, place)
        if probability >= limits.confidence:
            chosen[place] = probability
            taken.add(its_group)
    return chosen


def gains_of_relaxing(
    objective: Floats,
    quantities: Mapping[str, Uncertain],
    limits: Limits,
    best: Sequence[int],
    *,
    ties: Sequence[Floats] = (),
) -> dict[str, float]:
    """Return the relative gain in the objective when each limit is relaxed by a tenth.

    Infinity means a first feasible design; a limit that does not bind has no gain [1].
    """
    gains = {}
    most, confidence = limits.most, limits.confidence
    kept = {name: holds(quantities[name], limit, confidence) for name, limit in most.items()}
    better = ~np.isnan(objective)
    if best:
        better &= objective < objective[best[0]] * (1 - LEAST_GAIN)
    for name, limit in most.items():
        relaxed = Limits(most={**most, name: RELAXED * limit}, confidence=confidence)
        possible = better & holds(quantities[name], RELAXED * limit, confidence)
        for other in most:
            possible = possible & kept[other] if other != name else possible
        keys, places = [objective, *ties], np.flatnonzero(possible)
        for found in _best_of(places, keys, quantities, relaxed, 1):
            ratio = objective[found] / objective[best[0]] if best else -math.inf
            gains[name] = float(1 - ratio)
    return gains


def _ranked(keys: Sequence[Floats]) -> Places:
    """Sort by several keys, ignoring rounding differences."""
    rounded = [_rounded(key) for key in keys]
    return np.lexsort([np.arange(len(rounded[0])), *reversed(rounded)])


def _rounded(values: Floats) -> Floats:
    """Round to ten digits; NaN stays and sorts last."""
    size = np.where(values > 0, values, 1.0)
    unit = 10.0 ** (np.floor(np.log10(size)) - DIGITS)
    return np.round(values / unit) * unit


def keeping(
    quantities: Mapping[str, Uncertain], limits: Limits, places: Sequence[int]
) -> list[int]:
    """Select the designs that meet all limits with the confidence.

    The joint probability is at most the least single one, and at least one minus the sum of all
    violations; draws are needed only in between.
    """
    kept = []
    alone = probabilities_within(quantities, limits.most, places)
    for place, held in zip(places, alone, strict=True):
        sure = 1 - sum(1 - one for one in held.values()) >= limits.confidence
        possible = min(held.values(), default=1.0) >= limits.confidence
        if sure or (
            possible and probability_of_all(quantities, limits.most, place) >= limits.confidence
        ):
            kept.append(place)
    return kept


@lru_cache(maxsize=32)
def _half_of_draws(sources: int) -> Floats:
    """Draw standard normals for the sources, half of all, shape (n, DRAWS / 2)."""
    half = np.random.default_rng(SEED).standard_normal((DRAWS // 2, sources))
    return np.ascontiguousarray(half.T)
