"""What do two sets of runs have in common: the covariance of the model's errors in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estimator.calibration.conditions import Conditions, Floats, Words, step_size
from estimator.calibration.variance_components import Components

SATURATED_S = (0.005, 0.05, 0.5)
"""Times at the peak at which steps begin to outweigh what does not grow with them [s].

A cost of a fixed time lowers what is reached by the factor 1 / (1 + fixed / step): launches of
kernels and small products (milliseconds), caches and threads, optimizer and data (tenths of a
second). How much of each a device has, its measured runs tell; beyond all of them what is reached
no longer rises, so a trend of small steps does not run on to shares above the peak.
"""

_POSITIVE = (1.1544053947399682, 2.366759410734541, 3.7504397177257425)
NODES = np.array([*(-one for one in reversed(_POSITIVE)), 0.0, *_POSITIVE])
_OUTER = (0.6018995488855944, 0.07709667658348317, 0.0013743062164795505)
WEIGHTS = np.array([*reversed(_OUTER), 1.145887211259886, *_OUTER])
"""Gauss-Hermite quadrature over the size of steps of which nothing is known, of seven nodes (as
`numpy.polynomial.hermite_e.hermegauss`, whose import takes longer than an answer)."""

SAME_SIZE = 0.1
"""Steps of one program whose sizes differ by less, in the logarithm, are the same [1]."""

LIKENESS = {
    **dict.fromkeys(("precision", "kind", "family", "both", "size", "shape", "own")),
    "slope": "trend",
    "family_slope": "family_trend",
    "precision_slope": "precision_trend",
    "style": "program",
    "program_slope": "program_trend",
    "beside": "own_program",
    "beside_slope": "own_program_trend",
}
"""Component -> the likeness that it goes with, where that has another name."""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """What two sets of runs have in common, arrays of shape (n, m).

    Each is a correlation of one part of the model's errors; none depends on how large the part is,
    so the factors on the spread are tried without working it out again.
    """

    device: Floats
    precision: Floats
    kind: Floats
    family: Floats
    both: Floats
    size: Floats
    trend: Floats
    family_trend: Floats
    program: Floats
    program_trend: Floats
    own_program: Floats
    own_program_trend: Floats
    precision_trend: Floats
    shape: Floats
    own: Floats


def likeness_of(here: Conditions, there: Conditions, shared: Components) -> Likeness:
    """What two sets of runs have in common, of components with these lengths and shares."""
    same_device = here.device[:, np.newaxis] == there.device
    same_host = here.host[:, np.newaxis] == there.host
    alike = here.kind[:, np.newaxis] == there.kind
    same_program = alike & (here.program[:, np.newaxis] == there.program)
    same_program &= here.program[:, np.newaxis] != ""
    connected = np.where(same_host, 1.0, shared.elsewhere)
    device = connected * np.where(same_device, 1.0, shared.portable)
    precision = device * (here.precision[:, np.newaxis] == there.precision)
    kind = device * alike
    same_family = _families(here)[:, np.newaxis] == _families(there)
    family, both = device * same_family, precision * same_family
    features = _bends(here.size, shared)[0] @ _bends(there.size, shared)[0].T
    program = same_program * device
    both_own = np.outer(here.own, there.own)
    own_program = program * both_own
    return Likeness(
        device=device,
        precision=precision,
        kind=kind,
        family=family,
        both=both,
        size=both * _nearness(here.size, there.size, shared),
        trend=features * device,
        family_trend=features * family,
        program=program,
        program_trend=features * program,
        own_program=own_program,
        own_program_trend=features * own_program,
        precision_trend=features * precision,
        shape=program * precision * _same_steps(here.size, there.size),
        own=device * both_own,
    )


def _families(where: Conditions) -> Words:
    """Family of each run; where none is known, its kind."""
    return np.where(where.family == "", where.kind, where.family)


def covariance(likeness: Likeness, here_sd: Floats, there_sd: Floats, shared: Components) -> Floats:
    """Covariance of the model's errors between two sets of runs, shape (n, m).

    Where one is less sure than the other, the rest of its uncertainty is its own.
    """
    (of_here, inner_here), (of_there, inner_there) = map(shared.amplitudes, (here_sd, there_sd))
    found = common(likeness, shared, tuple(LIKENESS))
    found *= np.outer(inner_here, inner_there)
    return found + np.outer(of_here, of_there) * likeness.device


def common(likeness: Likeness, shared: Components, names: Sequence[str]) -> Floats:
    """Covariance of some components of the model's errors, the device's part aside."""
    found: Floats = np.zeros_like(likeness.device)
    for name in names:
        found += getattr(shared, name) ** 2 * getattr(likeness, LIKENESS[name] or name)
    return found


def bent(size: Floats, shared: Components) -> Floats:
    """Mean square of what changes with the size of steps [1]."""
    mean, extra = _bends(size, shared)
    found: Floats = np.sum(mean**2, axis=1) + extra
    return found


def usual_trend(size: Floats, shared: Components) -> Floats:
    """Expected change of the error with the size of the steps, from that at size zero [1]."""
    found: Floats = shared.usual_slope * np.sum(_bends(size, shared)[0], axis=1)
    return found


def own_variance(
    where: Conditions, of_size: Floats, prior_sd: Floats, shared: Components, *, whole_run: bool
) -> Floats:
    """Variance of the error of each run before any is measured; `of_size` is its `bent`."""
    of_device, inner = shared.amplitudes(prior_sd)
    slopes = (shared.slope, shared.family_slope, shared.precision_slope, shared.program_slope)
    trend = sum(slope**2 for slope in slopes) * of_size
    absent = shared.beside**2 + shared.own**2
    beside = np.where(where.own, shared.beside_slope**2 * of_size, -absent)
    steady = shared.within - shared.run**2 + beside + trend
    alone = shared.run**2 * inner**2 if whole_run else 0.0
    variance: Floats = of_device**2 + inner**2 * steady + alone
    return variance


def _nearness(one: Floats, other: Floats, shared: Components) -> Floats:
    """How alike runs are by the size of their steps, shape (n, m); of unknown ones, on the average.

    The squared-exponential kernel, and its mean over the normal that stands for an unknown size.
    """
    here, there = one[:, np.newaxis], other[np.newaxis]
    unknown = np.isnan(here) * 1.0 + np.isnan(there)
    spread = shared.length**2 + unknown * shared.usual_step_sd**2
    distance = np.where(np.isnan(here), shared.usual_size, here) - np.where(
        np.isnan(there), shared.usual_size, there
    )
    near: Floats = shared.length / np.sqrt(spread) * np.exp(-0.5 * distance**2 / spread)
    return near


def _same_steps(one: Floats, other: Floats) -> Floats:
    """Flag of pairs of runs of one program whose steps may be the same, shape (n, m)."""
    apart = np.abs(one[:, np.newaxis] - other)
    same: Floats = np.where(np.isnan(apart) | (apart < SAME_SIZE), 1.0, 0.0)
    return same


def _bends(size: Floats, shared: Components) -> tuple[Floats, Floats]:
    """How far each fixed cost of a step is outgrown, from that at size zero: shape (n, scales).

    Of an unknown size the mean over those that people run, and the sum of its variances beside it.
    """
    unknown = np.isnan(size)
    found = _outgrown(np.where(unknown, shared.usual_size, size))
    extra = np.zeros(len(size))
    if unknown.any():
        shares = WEIGHTS / WEIGHTS.sum()
        nodes = _outgrown(shared.usual_size + shared.usual_step_sd * NODES)
        mean = shares @ nodes
        found[unknown] = mean
        extra[unknown] = np.sum(shares @ (nodes - mean) ** 2)
    return found, extra


def _outgrown(size: Floats) -> Floats:
    """Its squares sum to that of the size where steps are small."""
    scales = step_size(SATURATED_S)
    outgrown: Floats = np.logaddexp(0.0, scales) - np.logaddexp(0.0, scales - size[:, np.newaxis])
    outgrown /= np.sqrt(len(scales))
    return outgrown
