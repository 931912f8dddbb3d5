"""Gaussian-process prediction of a run from measured runs, in closed form.

The model's log error on a run is a sum of components: device, kind of network, family, trends with
step size of device and family, program, and run. Each is normal and shared by all runs that have it
in common, so errors of measured runs inform the next one by Gaussian conditioning [1]_. Different
programs of one kind share no program component, so the interval of an unmeasured program keeps that
spread. Component sizes are fixed: fitting them per machine gained nothing on 153 recorded programs,
nor did components for formats, sizes and shapes. Far from all measurements the prior remains. Power
uses the same method.

References
----------
.. [1] C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006,
   eq. 2.23 and 2.24 (conditioning), eq. 5.12 (leave one out).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np

from estimator.calibration.conditions import Conditions, Floats, one_after_another
from estimator.calibration.covariance import (
    Likeness,
    bent,
    covariance,
    likeness_of,
    own_variance,
)
from estimator.calibration.one_thread import on_one_thread
from estimator.calibration.step_sizes import StepSizes
from estimator.calibration.variance_components import USUAL_SHARE, Components
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.training.launches import log_slowdown

GRID = np.linspace(-8.0, 8.0, 33)
"""Grid of possible log sizes for an unspecified step size [standard deviation]."""

MOST_AT_ONCE = 512
"""Largest batch of runs conditioned together, to limit memory."""

TAILS = (0.5 * (1.0 - CENTRAL), 0.5, 0.5 * (1.0 + CENTRAL))
"""Probabilities below the lower end, middle and upper end of the central interval."""

BISECTIONS = 14
"""Bisection steps for mixture quantiles, for a log precision of 1e-3."""

FAR_OUT = 9.0
"""Standard deviations beyond which a normal CDF is 0 or 1 in double precision [1]."""

LEAST_GAIN = 0.05
"""Least elasticity of step time to step size [1]."""

DEGREES = 4.0
"""Degrees of freedom of the Student's t that down-weights outliers [1]."""

FAR_OFF = 3.0
"""Standard deviations from the leave-one-out prediction beyond which an observation is an outlier.
"""


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Posterior given the measured runs, as arrays of one length.

    Parameters
    ----------
    log_shift : array
        Log of the calibrated over the prior expectation [1].
    log_sd : array
        Remaining log standard deviation [1].
    """

    log_shift: Floats
    log_sd: Floats


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Measured runs against the model's expectation, as arrays of one length.

    Parameters
    ----------
    log_ratio : array
        Log of measured utilization over the expectation before any measured run [1].
    prior_sd : array
        Log standard deviation of the expectation [1].
    noise_sd : array
        Standard deviation of the measurement: repeatability, spread, and differing conditions [1].
    user_steps : Conditions, optional
        The user's programs, with sizes from step and run times, to learn typical sizes.
    """

    where: Conditions
    log_ratio: Floats
    prior_sd: Floats
    noise_sd: Floats
    components: Components = field(repr=False)
    user_steps: Conditions | None = None

    def __post_init__(self) -> None:
        counts = {len(self.log_ratio), len(self.prior_sd), len(self.noise_sd)}
        if counts != {len(self.where.size)}:
            raise ValueError(f"measured runs need arrays of one length, got {sorted(counts)}")

    @cached_property
    def likeness(self) -> Likeness:
        """Correlations among the measured runs."""
        return likeness_of(self.where, self.where, self.components)

    @property
    def _total(self) -> Floats:
        """Covariance of the measurements."""
        components = self.components
        signal = covariance(self.likeness, self.prior_sd, self.prior_sd, components)
        of_size = bent(self.where.size, components)
        own = own_variance(of_size, self.prior_sd, components)
        total: Floats = signal + np.diag(self.noise_sd**2 + own - np.diag(signal))
        return total

    @cached_property
    @on_one_thread
    def weights(self) -> Floats:
        """Weight of each observation [1], below one for outliers."""
        inverse = np.asarray(np.linalg.inv(self._total), dtype=np.float64)
        return outlier_weights(inverse, self.log_ratio)

    @cached_property
    @on_one_thread
    def _inverse(self) -> Floats:
        """Inverse covariance of the measurements, with outliers down-weighted."""
        return np.asarray(np.linalg.inv(self._total + np.diag(self._excess)), dtype=np.float64)

    @cached_property
    def _excess(self) -> Floats:
        """Variance that the weight of each observation adds to it [1]."""
        return np.diag(self._total) * (1.0 / self.weights - 1.0)

    @on_one_thread
    def posterior(
        self, where: Conditions, prior_sd: Floats, log_prior: Floats | None = None
    ) -> Posterior:
        """Return the posterior of further runs, never wider than the prior.

        Parameters
        ----------
        log_prior : array of shape (n,), optional
            Log prior expectation, to which the shift is relative [1]; zero by default.
        """
        if not len(self.log_ratio):
            return Posterior(log_shift=np.zeros(len(prior_sd)), log_sd=prior_sd.copy())
        stated = np.zeros(len(prior_sd)) if log_prior is None else log_prior
        expected = self._expected(stated + where.ahead)
        where = self._sizes_of_programs(where)
        unknown = np.isnan(where.size)
        shift, variance = np.zeros(len(prior_sd)), np.zeros(len(prior_sd))
        for rows, conditioned in ((~unknown, self._conditioned), (unknown, self._over_sizes)):
            if rows.any():
                shift[rows], variance[rows] = conditioned(
                    where.part(rows), prior_sd[rows], expected[rows]
                )
        log_sd = np.minimum(np.sqrt(variance), prior_sd)
        return Posterior(log_shift=shift + expected - stated, log_sd=log_sd)

    def _expected(self, log_prior: Floats) -> Floats:
        """Return the log expectation to which `log_ratio` is relative [1]."""
        return log_prior

    def _sizes_of_programs(self, where: Conditions) -> Conditions:
        """Replace the sizes of measured programs by measured step sizes."""
        size = where.size.copy()
        for row in np.flatnonzero(np.isnan(size) & (where.program != "")).tolist():
            same = (self.where.program == where.program[row]) & (self.where.kind == where.kind[row])
            known = self.where.size[same & ~np.isnan(self.where.size)]
            size[row] = float(np.mean(known)) if len(known) else np.nan
        return replace(where, size=size)

    def _conditioned(
        self, where: Conditions, prior_sd: Floats, _expected: Floats
    ) -> tuple[Floats, Floats]:
        """Return the error's mean and variance for runs of known size."""
        components = self.components
        likeness = likeness_of(where, self.where, components)
        cross = covariance(likeness, prior_sd, self.prior_sd, components)
        far = self._far_off(where, likeness)
        cross += likeness.program * far
        weights = cross @ self._inverse
        own = own_variance(bent(where.size, components), prior_sd, components, components.run)
        left = own + far.sum(axis=1) - np.sum(weights * cross, axis=1)
        mean = weights @ self.log_ratio - _late(where, where.size)
        return mean, np.maximum(left, components.step_sd**2)

    def _far_off(self, where: Conditions, likeness: Likeness) -> Floats:
        """Return the variance that runs share with measured outliers of their program.

        The measured runs of a program predict its next one as far off as they are. Of several,
        those of similar size count most, and outliers less than others. The shape is (n, m).
        """
        apart = np.nan_to_num(where.size[:, np.newaxis] - self.where.size)
        near = (likeness.program > 0.0) * self.weights / (1.0 + apart**2) ** 2
        total = near.sum(axis=1, keepdims=True)
        found: Floats = near * self._excess / np.where(total > 0.0, total, 1.0)
        return found

    def _over_sizes(
        self, where: Conditions, prior_sd: Floats, expected: Floats
    ) -> tuple[Floats, Floats]:
        """Return the error's median and interval variance over possible step sizes.

        Sizes are weighted by how typical the step time is without launches and, if the work of the
        whole run is known, how typical the implied step count is. Steps that would take unusually
        long are more probable for programs that run faster than expected.
        """
        usual, spread = self.sizes.usual_times(where)
        width = self.components.usual_step_sd
        sizes = usual + np.log(USUAL_SHARE) + width * GRID[:, np.newaxis]
        means, variances = self._at_sizes(where, prior_sd, sizes, expected)
        work = means + _late(where, sizes)
        times = sizes - (expected + work)
        gain = np.maximum(np.gradient(times, width * GRID, axis=0), LEAST_GAIN)
        both = spread**2 + variances
        weights = np.log(gain) - 0.5 * (times - usual) ** 2 / both - 0.5 * np.log(both)
        weights += self.sizes.log_density(where.whole - sizes)
        weights = np.exp(weights - weights.max(axis=0))
        weights /= weights.sum(axis=0)
        means = means + variances / both * (times - usual)
        sds = np.sqrt(variances / both) * spread
        low, middle, high = _quantiles(np.array(TAILS), weights, means, sds)
        return middle, ((high - low) / (2.0 * z_score(CENTRAL))) ** 2

    def _at_sizes(
        self, where: Conditions, prior_sd: Floats, sizes: Floats, expected: Floats
    ) -> tuple[Floats, Floats]:
        """Return the error's mean and variance at several step sizes, one row per size."""
        at_once = max(1, MOST_AT_ONCE // len(prior_sd))
        means, variances = [], []
        for start in range(0, len(sizes), at_once):
            some = sizes[start : start + at_once]
            every = np.tile(np.arange(len(prior_sd)), len(some))
            mean, variance = self._conditioned(
                replace(where.part(every), size=some.ravel()), prior_sd[every], expected[every]
            )
            means.append(mean.reshape(some.shape))
            variances.append(variance.reshape(some.shape))
        return np.concatenate(means), np.concatenate(variances)

    @cached_property
    def sizes(self) -> StepSizes:
        """Prior over step sizes on this machine."""
        return StepSizes(components=self.components, user_steps=self.user_steps)

    def with_run(self, where: Conditions, prior_sd: Floats) -> Self:
        """Return the evidence after one more run that meets its expectation.

        The remaining uncertainty does not depend on the outcome.
        """
        shift = self.posterior(where, prior_sd).log_shift
        found = replace(
            self,
            where=one_after_another([self.where, where]),
            log_ratio=np.concatenate([self.log_ratio, shift]),
            prior_sd=np.concatenate([self.prior_sd, prior_sd]),
            noise_sd=np.append(self.noise_sd, np.full(len(prior_sd), self.components.step_sd)),
        )
        found.__dict__["weights"] = np.concatenate([self.weights, np.ones(len(prior_sd))])
        return found


def outlier_weights(inverse: Floats, apart: Floats) -> Floats:
    """Return the weight of each residual [1] by one pass of Student's t reweighting.

    Parameters
    ----------
    inverse : array of shape (n, n)
        Inverse covariance of the residuals.
    apart : array of shape (n,)
        Residuals; each is compared with its leave-one-out prediction.
    """
    if len(apart) < 3:
        return np.ones(len(apart))
    distance = inverse @ apart / np.sqrt(np.diag(inverse))
    found: Floats = np.minimum(1.0, (DEGREES + 1.0) / (DEGREES + distance**2))
    return np.where(np.abs(distance) > FAR_OFF, found, 1.0)


def _late(where: Conditions, sizes: Floats) -> Floats:
    """Log slowdown of steps whose launches are not hidden [1]."""
    return np.asarray(log_slowdown(np.exp(where.launch - sizes)), dtype=np.float64)


def merge_evidence(parts: Sequence[Evidence]) -> Evidence:
    """Merge the evidence of several devices, with the components of the first.

    See `Components.portable` for shared components.
    """
    first = parts[0]
    return Evidence(
        where=one_after_another([one.where for one in parts]),
        log_ratio=np.concatenate([one.log_ratio for one in parts]),
        prior_sd=np.concatenate([one.prior_sd for one in parts]),
        noise_sd=np.concatenate([one.noise_sd for one in parts]),
        components=first.components,
        user_steps=first.user_steps,
    )


def _quantiles(shares: Floats, weights: Floats, means: Floats, sds: Floats) -> Floats:
    """Return quantiles of normal mixtures along the first axis, by bisection."""
    low = np.tile((means - 4.0 * sds).min(axis=0), (len(shares), 1))
    high = np.tile((means + 4.0 * sds).max(axis=0), (len(shares), 1))
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        below = _normal_share((middle[:, np.newaxis] - means) / sds)
        few = np.sum(weights * below, axis=1) < shares[:, np.newaxis]
        low, high = np.where(few, middle, low), np.where(few, high, middle)
    return np.asarray(0.5 * (low + high), dtype=np.float64)


def _normal_share(z: Floats) -> Floats:
    """Approximate the normal CDF by a logistic, accurate to 2e-4 (Page 1977)."""
    z = np.clip(z, -FAR_OUT, FAR_OUT)
    return np.asarray(1.0 / (1.0 + np.exp(-z * (1.5976 + 0.070566 * z**2))), dtype=np.float64)
