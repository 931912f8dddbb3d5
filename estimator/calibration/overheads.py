"""What do runs reach whose operations are known? Measured ones as if products alone took time.

A step takes the time of its products, that of what it reads and writes beside them (activations,
norms, losses, the optimizer), and that of dispatching its operations. Networks of one kind differ
most in the last two, and these can be counted.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from estimator.calibration.conditions import Conditions, Flags, Floats
from estimator.calibration.gaussian_process import Evidence, Posterior

FEWEST_COUNTED = 3
"""Fewer measured runs whose steps were counted say too little of what is usual on a device [1]."""

UNCOUNTED_SD = 0.4
"""Spread among programs of the slowdown by what is beside their products, standard deviation of the
logarithm [1]: 0.40 of the 87 steps in fp32 of a benchmark on two cores, 0.43 by the quartiles of 29
programs there, by their memory traffic alone."""

WEIGHT_SD = 0.4
"""Time beside the products over that counted, standard deviation of the logarithm [1]: 3 to 8 us an
operation, and a third to all of the traffic, foretold 77 programs about as well."""


@dataclass(frozen=True, kw_only=True)
class Usual:
    """Mean over the measured runs of a device.

    Parameters
    ----------
    slowdown : float
        By what is beside the products, in the logarithm [1].
    share : float
        Of the time of a step that this takes [1].
    """

    slowdown: float
    share: float


@dataclass(frozen=True, kw_only=True)
class WithoutOverheads:
    """Measured runs of some devices, as if their products alone took time.

    Parameters
    ----------
    evidence : Evidence
        Their errors but for the rest; runs whose steps were not counted have the usual one of
        their device, with its spread as noise.
    usual : mapping of str to Usual
        By device.
    """

    evidence: Evidence
    usual: dict[str, Usual]

    @cached_property
    def _smallest(self) -> float:
        """Smallest size that was measured: below it products take no larger a share [1]."""
        sizes = self.evidence.where.size
        known = sizes[~np.isnan(sizes)]
        return float(known.min()) if known.size else -np.inf

    def knows(self, where: Conditions) -> Flags:
        """Which runs have counted steps that there is something to compare with."""
        measured = np.isin(where.device, list(self.usual))
        return measured & ~np.isnan(where.beside) & ~np.isnan(where.size)

    def posterior(self, where: Conditions, prior_sd: Floats, log_prior: Floats) -> Posterior:
        """As `Evidence.posterior`, of runs that `knows` holds of."""
        sized = replace(where, size=np.maximum(where.size, self._smallest))
        found = self.evidence.posterior(sized, prior_sd, log_prior=log_prior)
        beyond, share = _beyond(where, self.usual)
        return Posterior(
            log_shift=found.log_shift - beyond,
            log_sd=np.hypot(found.log_sd, WEIGHT_SD * share),
        )


def without_overheads(evidence: Evidence) -> WithoutOverheads | None:
    """Return the same runs as if products alone took time; None where too few were counted.

    What programs of users have in common beside those of the benchmark is counted, then.
    """
    where, usual = evidence.where, dict[str, Usual]()
    counted = ~np.isnan(where.beside)
    for device in np.unique(where.device[counted]).tolist():
        here = counted & (where.device == device)
        if np.count_nonzero(here) >= FEWEST_COUNTED:
            slowdown = log_slowdown(where.beside[here])
            share = 1.0 - np.exp(-slowdown)
            usual[device] = Usual(slowdown=float(slowdown.mean()), share=float(share.mean()))
    counted &= np.isin(where.device, list(usual))
    if not usual:
        return None
    beyond = np.zeros(len(counted))
    beyond[counted], _ = _beyond(where.part(counted), usual)
    noise = np.where(counted, 0.0, UNCOUNTED_SD)
    corrected = replace(
        evidence,
        log_ratio=evidence.log_ratio + beyond,
        noise_sd=np.hypot(evidence.noise_sd, noise),
        components=replace(evidence.components, own=0.0),
    )
    return WithoutOverheads(evidence=corrected, usual=usual)


def log_slowdown(beside: Floats) -> Floats:
    """Logarithm of the time of a step over that of its products alone [1].

    >>> float(np.exp(log_slowdown(np.log(np.array([0.25])))[0]))
    1.25
    """
    return np.logaddexp(0.0, beside)


def _beyond(where: Conditions, usual: dict[str, Usual]) -> tuple[Floats, Floats]:
    """Slowdown beyond the usual one, in the logarithm, and share of the time beyond it [1]."""
    means = [usual[device] for device in where.device.tolist()]
    slowdown = log_slowdown(where.beside)
    share = 1.0 - np.exp(-slowdown)
    return (
        slowdown - np.array([one.slowdown for one in means]),
        share - np.array([one.share for one in means]),
    )
