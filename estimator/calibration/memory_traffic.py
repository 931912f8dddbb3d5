"""What do runs reach whose memory traffic is known? Measured ones as if theirs took no time.

A step takes the time of its products and that of what it reads and writes beside them: activations,
norms, losses, the optimizer. Networks of one kind differ most in the second, and it can be counted.
"""

from dataclasses import dataclass, replace

import numpy as np

from estimator.calibration.conditions import Conditions, Flags, Floats
from estimator.calibration.gaussian_process import Evidence, Posterior

FEWEST_COUNTED = 3
"""Fewer measured runs of counted traffic say too little of what is usual on a device [1]."""

UNCOUNTED_SD = 0.4
"""Spread of the slowdown by traffic among programs, standard deviation of the logarithm [1]: 0.40
of the 87 steps in fp32 of a benchmark on two cores, 0.43 by the quartiles of 29 programs there."""

WEIGHT_SD = 0.4
"""Time that traffic takes over that at the measured bandwidth, standard deviation of the logarithm
[1]: of factors from 0.6 to 1.7 none foretold the same programs clearly better than one."""


@dataclass(frozen=True, kw_only=True)
class Usual:
    """Mean over the measured runs of a device.

    Parameters
    ----------
    slowdown : float
        By traffic, in the logarithm [1].
    share : float
        Of the time of a step that its traffic takes [1].
    """

    slowdown: float
    share: float


@dataclass(frozen=True, kw_only=True)
class WithoutTraffic:
    """Measured runs of some devices, as if their memory traffic took no time.

    Parameters
    ----------
    evidence : Evidence
        Their errors but for it; runs whose traffic was not counted have the usual one of their
        device, with its spread as noise.
    usual : mapping of str to Usual
        By device.
    """

    evidence: Evidence
    usual: dict[str, Usual]

    def knows(self, where: Conditions) -> Flags:
        """Which runs have traffic that something is known to compare with, and a size of step."""
        measured = np.isin(where.device, list(self.usual))
        return measured & ~np.isnan(where.traffic) & ~np.isnan(where.size)

    def posterior(self, where: Conditions, prior_sd: Floats, log_prior: Floats) -> Posterior:
        """As `Evidence.posterior`, of runs that `knows` holds of."""
        found = self.evidence.posterior(where, prior_sd, log_prior=log_prior)
        beyond, share = _beyond(where, self.usual)
        return Posterior(
            log_shift=found.log_shift - beyond,
            log_sd=np.hypot(found.log_sd, WEIGHT_SD * share),
        )


def without_traffic(evidence: Evidence) -> WithoutTraffic | None:
    """Return the same runs as if their traffic took no time; None where too few tell theirs."""
    where, usual = evidence.where, dict[str, Usual]()
    counted = ~np.isnan(where.traffic)
    for device in np.unique(where.device[counted]).tolist():
        here = counted & (where.device == device)
        if np.count_nonzero(here) >= FEWEST_COUNTED:
            slowdown = log_slowdown(where.traffic[here])
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
    )
    return WithoutTraffic(evidence=corrected, usual=usual)


def log_slowdown(traffic: Floats) -> Floats:
    """Logarithm of the time of a step over that of its products alone [1].

    >>> float(np.exp(log_slowdown(np.log(np.array([0.25])))[0]))
    1.25
    """
    return np.logaddexp(0.0, traffic)


def _beyond(where: Conditions, usual: dict[str, Usual]) -> tuple[Floats, Floats]:
    """Slowdown beyond the usual one, in the logarithm, and share of the time beyond it [1]."""
    means = [usual[device] for device in where.device.tolist()]
    slowdown = log_slowdown(where.traffic)
    share = 1.0 - np.exp(-slowdown)
    return (
        slowdown - np.array([one.slowdown for one in means]),
        share - np.array([one.share for one in means]),
    )
