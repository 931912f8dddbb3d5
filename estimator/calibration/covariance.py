"""Covariance of the model's errors between two sets of runs."""

from dataclasses import dataclass

import numpy as np

from estimator.calibration.conditions import Conditions, Floats, Words, step_size
from estimator.calibration.variance_components import Components

SATURATED_S = (0.005, 0.05, 0.5)
"""Step times at the peak below which fixed costs dominate [s].

A fixed cost lowers utilization by the factor 1 / (1 + fixed / step): kernel launches and small
products (milliseconds), caches and threads, optimizer and data (tenths of a second). Measured runs
determine how much of each a device has. Utilization saturates beyond all three, so a trend among
small steps does not extrapolate above the peak.
"""

_POSITIVE = (1.1544053947399682, 2.366759410734541, 3.7504397177257425)
NODES = np.array([*(-one for one in reversed(_POSITIVE)), 0.0, *_POSITIVE])
_OUTER = (0.6018995488855944, 0.07709667658348317, 0.0013743062164795505)
WEIGHTS = np.array([*reversed(_OUTER), 1.145887211259886, *_OUTER])
"""Seven-node Gauss-Hermite quadrature over an unknown step size, as
`numpy.polynomial.hermite_e.hermegauss`, whose import takes longer than an answer.
"""


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """Correlations of the error components between two sets of runs, shape (n, m)."""

    device: Floats
    family: Floats
    program: Floats
    trend: Floats


def likeness_of(here: Conditions, there: Conditions, shared: Components) -> Likeness:
    """Return the correlations between two sets of runs, given the component shares."""
    same_device = here.device[:, np.newaxis] == there.device
    same_host = here.host[:, np.newaxis] == there.host
    same_program = here.kind[:, np.newaxis] == there.kind
    same_program &= here.program[:, np.newaxis] == there.program
    same_program &= here.program[:, np.newaxis] != ""
    connected = np.where(same_host, 1.0, shared.elsewhere)
    device = connected * np.where(same_device, 1.0, shared.portable)
    family = device * (_families(here)[:, np.newaxis] == _families(there))
    features = _bends(here.size, shared)[0] @ _bends(there.size, shared)[0].T
    return Likeness(
        device=device, family=family, program=device * same_program, trend=features * device
    )


def _families(where: Conditions) -> Words:
    """Return each run's family, or its kind if the family is unknown."""
    return np.where(where.family == "", where.kind, where.family)


def covariance(likeness: Likeness, here_sd: Floats, there_sd: Floats, shared: Components) -> Floats:
    """Return the covariance of the model's errors between two sets of runs, shape (n, m).

    Where one prior is less certain than the other, the excess is independent.
    """
    (of_here, inner_here), (of_there, inner_there) = map(shared.amplitudes, (here_sd, there_sd))
    found = shared.family**2 * likeness.family + shared.style**2 * likeness.program
    found += shared.slope**2 * likeness.trend
    found *= np.outer(inner_here, inner_there)
    total: Floats = found + np.outer(of_here, of_there) * likeness.device
    return total


def bent(size: Floats, shared: Components) -> Floats:
    """Return the mean square of the size-dependent error [1]."""
    mean, extra = _bends(size, shared)
    found: Floats = np.sum(mean**2, axis=1) + extra
    return found


def own_variance(of_size: Floats, prior_sd: Floats, shared: Components, run: float = 0.0) -> Floats:
    """Return the prior error variance of steps, or of runs with a `run` component.

    Parameters
    ----------
    of_size : array
        Their mean square error by size, from `bent` [1].
    """
    of_device, inner = shared.amplitudes(prior_sd)
    inside = shared.family**2 + shared.style**2 + run**2 + shared.slope**2 * of_size
    variance: Floats = of_device**2 + inner**2 * inside
    return variance


def _bends(size: Floats, shared: Components) -> tuple[Floats, Floats]:
    """Return how far each fixed cost is outgrown relative to size zero, shape (n, scales).

    For unknown sizes, the mean over typical sizes, and the sum of the variances.
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
    """Return the saturating trend, whose squares sum to the squared size for small steps."""
    scales = step_size(SATURATED_S)
    outgrown: Floats = np.logaddexp(0.0, scales) - np.logaddexp(0.0, scales - size[:, np.newaxis])
    outgrown /= np.sqrt(len(scales))
    return outgrown
