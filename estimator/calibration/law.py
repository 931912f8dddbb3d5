"""Four-parameter law of step time from FLOPs, operations and memory traffic.

A step takes `FLOP / P + operations * o + bytes / B`: matrix products at a peak per number format,
dispatch of operations, and other memory traffic [1]_. Priors of the four come from the device's
benchmark; runs with counted steps update them. Residuals are correlated within a family of networks
and within a program.

References
----------
.. [1] S. Williams, A. Waterman, D. Patterson, "Roofline", CACM 52(4), 2009, without overlap.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from estimator.calibration.conditions import Conditions, Flags, Floats
from estimator.calibration.covariance import likeness_of
from estimator.calibration.gaussian_process import Evidence, Posterior
from estimator.calibration.one_thread import on_one_thread

OPERATION_S = 4e-6
"""Time for a framework to dispatch one operation on a processor, without its computation [s]. 3 to
8 us predicted 77 programs on two cores equally well, 4 to 6 us 24 programs on one core.
"""

PEAK_SHARE = 0.75
"""Expected share of the fastest matrix product that a network's products reach [1]."""

PEAK_SD, DISPATCH_SD, MEMORY_SD = 0.25, 0.5, 0.5
"""Log standard deviations among devices [1]. After products, copies and one program, 14 programs
measured when these were set had errors of 13% in the median and 36% at the 90th percentile; the 80%
interval covered 11.
"""

FAMILY_SD, PROGRAM_SD = 0.15, 0.2
"""Log standard deviations of the residual among families and among programs [1]. Without families,
the leave-one-out median error of the 24 programs was 17% instead of 14%, and the 90th percentile
31% instead of 24%.
"""

ROUNDS = 40
"""Maximum number of Gauss-Newton iterations [1]."""

SETTLED = 1e-6
"""Log change below which the iteration has converged [1]."""

LARGEST_STEP = 0.7
"""Largest log change per iteration [1]."""


@dataclass(frozen=True, kw_only=True)
class StepLaw:
    """Law of one device, learned from its counted runs.

    Parameters
    ----------
    evidence : Evidence
        Runs of the device; only ones with counts are used.
    """

    evidence: Evidence

    def knows(self, where: Conditions) -> Flags:
        """Return the runs with counted steps."""
        return _has_counts(where) & ~np.isnan(where.size)

    @cached_property
    def _informative(self) -> Flags:
        """Mask of the observations that inform the law."""
        return _has_counts(self.evidence.where)

    @cached_property
    def _where(self) -> Conditions:
        return self.evidence.where.part(self._informative)

    @cached_property
    def _log_time(self) -> Floats:
        """Log step time over product time at the peak."""
        evidence = self.evidence
        expected, _ = evidence.components.prior(
            np.zeros(len(evidence.log_ratio)), evidence.prior_sd, evidence.where.speed
        )
        found: Floats = -(evidence.log_ratio + expected)[self._informative]
        return found

    @on_one_thread
    def posterior(self, where: Conditions, log_prior: Floats) -> Posterior:
        """Return the posterior of counted runs relative to their prior."""
        formats = np.union1d(where.precision, self._where.precision)
        numbers = np.log([*np.full(len(formats), 1.0 / PEAK_SHARE), 1.0, 1.0])
        wide = np.array([*np.full(len(formats), PEAK_SD), DISPATCH_SD, MEMORY_SD])
        ahead, known = _parts(where, formats), _parts(self._where, formats)
        likeness, prior = self._inverse, numbers.copy()
        for _ in range(ROUNDS if len(known) else 0):
            times = known @ np.exp(numbers)
            slopes = known * np.exp(numbers) / times[:, np.newaxis]
            curve = slopes.T @ likeness @ slopes + np.diag(wide**-2.0)
            pull = slopes.T @ likeness @ (self._log_time - np.log(times))
            change = np.linalg.solve(curve, pull - (numbers - prior) / wide**2)
            numbers = numbers + np.clip(change, -LARGEST_STEP, LARGEST_STEP)
            if np.max(np.abs(change)) < SETTLED:
                break
        times = known @ np.exp(numbers)
        slopes = known * np.exp(numbers) / times[:, np.newaxis]
        found = ahead @ np.exp(numbers)
        apart = ahead * np.exp(numbers) / found[:, np.newaxis]
        cross = _alike(where, self._where, self.evidence)
        weights = cross @ likeness
        log_time = np.log(found) + weights @ (self._log_time - np.log(times))
        open_slopes = apart - weights @ slopes
        spread = np.linalg.inv(slopes.T @ likeness @ slopes + np.diag(wide**-2.0))
        left = FAMILY_SD**2 + PROGRAM_SD**2 - np.sum(weights * cross, axis=1)
        variance = left + np.sum(open_slopes @ spread * open_slopes, axis=1)
        least = self.evidence.components.step_sd**2
        return Posterior(
            log_shift=-log_time - log_prior, log_sd=np.sqrt(np.maximum(variance, least))
        )

    @cached_property
    @on_one_thread
    def _inverse(self) -> Floats:
        """Inverse covariance of the counted runs' residuals."""
        own = FAMILY_SD**2 + PROGRAM_SD**2
        total = _alike(self._where, self._where, self.evidence)
        np.fill_diagonal(total, own + self.evidence.noise_sd[self._informative] ** 2)
        return np.asarray(np.linalg.inv(total), dtype=np.float64)


def step_law(evidence: Evidence) -> StepLaw | None:
    """Return the step-time law of a processor with measured runs, or None."""
    known = evidence.components.level is not None and len(evidence.log_ratio) > 0
    return StepLaw(evidence=evidence) if known else None


def _has_counts(where: Conditions) -> Flags:
    return ~np.isnan(where.dispatch) & ~np.isnan(where.moved)


def _parts(where: Conditions, formats: np.ndarray[tuple[int], np.dtype[np.str_]]) -> Floats:
    """Return the time of each part of a step over its products at the peak, (n, formats + 2)."""
    of_format = where.precision[:, np.newaxis] == formats
    return np.column_stack([of_format, where.dispatch, where.moved]).astype(np.float64)


def _alike(here: Conditions, there: Conditions, evidence: Evidence) -> Floats:
    """Return the covariance of the residuals between two sets of runs, shape (n, m)."""
    found = likeness_of(here, there, evidence.components)
    same: Floats = FAMILY_SD**2 * found.family + PROGRAM_SD**2 * found.program
    return same
