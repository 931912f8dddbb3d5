"""Best next measurement: the run that leaves the least uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estimator.calibration.conditions import Conditions, Floats
from estimator.calibration.gaussian_process import Evidence


@dataclass(frozen=True, kw_only=True)
class CandidateRuns:
    """Runs that could be measured or are to be predicted.

    Parameters
    ----------
    prior_sd : array of shape (n,)
        Standard deviation of the logarithm that the prior states for each [1].
    """

    where: Conditions
    prior_sd: Floats


def uncertainty_of(evidence: Evidence, wanted: CandidateRuns) -> float:
    """Root-mean-square log standard deviation of some runs after the evidence [1].

    It is a standard deviation of the logarithm, as in `Posterior`.
    """
    log_sd = evidence.posterior(wanted.where, wanted.prior_sd).log_sd
    return float(np.sqrt(np.mean(log_sd**2)))


def uncertainty_left(
    evidence: Evidence, plans: Sequence[CandidateRuns], wanted: CandidateRuns
) -> Floats:
    """Uncertainty of the wanted runs after each plan by itself.

    Returns
    -------
    array of shape (m,)
        Standard deviations of the logarithm [1].
    """
    return np.array(
        [uncertainty_of(evidence.with_run(one.where, one.prior_sd), wanted) for one in plans],
        dtype=np.float64,
    )
