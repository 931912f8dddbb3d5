"""Law of step time on processors, from FLOPs, operations and memory traffic.

A step takes `FLOP / P + operations * o + bytes / B`: the matrix products at a rate `P` for their
number format, the dispatch of operations, and their memory traffic [1]_. The priors of these
parameters are relative to the peaks and bandwidth in the device's profile, and measured runs update
them. If the operations and traffic of a step were not counted, typical counts for its type of
network are used, and their spread widens the interval. Residuals are correlated within a family of
networks, within a program, and among users' programs, which do more per step than a benchmark.

References
----------
.. [1] S. Williams, A. Waterman, D. Patterson, "Roofline", CACM 52(4), 2009; here the parts add up,
   as they do not overlap.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from estimator.calibration.conditions import REFERENCE_STEP_S, Conditions, Floats
from estimator.calibration.covariance import Likeness, likeness_of
from estimator.calibration.gaussian_process import Evidence, outlier_weights
from estimator.calibration.one_thread import on_one_thread
from estimator.catalog.schema import PRECISIONS

OPERATION_S = 4e-6
"""Time for a framework to dispatch one operation on a processor, without its computation [s].
Values of 3 to 8 us predicted 77 programs on two cores equally well, and values of 4 to 6 us 24
programs on one core.
"""

PEAK_SHARE = 0.75
"""Expected rate of a network's matrix products over the rate of the fastest product [1]."""

PEAK_SD, DISPATCH_SD, MEMORY_SD = 0.25, 0.5, 0.5
"""Log standard deviations of the parameters among devices [1]. Predicted from measured products,
copies and one program, 14 programs measured when these were set had a median error of 13%, and 36%
at the 90th percentile; the 80% interval covered 11.
"""

USER_SHIFT = 0.2
"""Log ratio of a user program's step time to a benchmark's with equal counts [1], due to losses,
metrics, data and casts. After the benchmark, 71 programs on two cores took 1.1 times the predicted
time with this shift, and 1.3 times without it.
"""


class UsualCounts(NamedTuple):
    """Typical counts of a training step of 1e10 FLOP: medians and log standard deviations [1].

    Parameters
    ----------
    operations, traffic : float
        Operations [1], and memory traffic [B/FLOP].
    """

    operations: float
    operations_sd: float
    traffic: float
    traffic_sd: float


USUAL_COUNTS = {
    "decoder": UsualCounts(750.0, 0.6, 0.08, 0.4),
    "transformer": UsualCounts(950.0, 0.6, 0.1, 0.4),
    "convolution": UsualCounts(215.0, 1.0, 0.038, 0.7),
    "depthwise": UsualCounts(750.0, 0.5, 0.14, 0.6),
    "unet": UsualCounts(500.0, 1.1, 0.035, 0.5),
    "recurrent": UsualCounts(800.0, 1.5, 0.046, 1.0),
}
"""Group of networks -> typical counts, from 90 programs by seven authors on processors; their
traffic includes that of products, from 71 of them.
"""

OTHER_COUNTS = UsualCounts(215.0, 1.0, 0.08, 1.1)
"""Typical counts of all other networks."""

USUAL_STEP_FLOP, TRAFFIC_SLOPE = 1e10, -0.28
"""FLOPs of the step in `USUAL_COUNTS`, and the exponent with which traffic per FLOP scales with
the FLOPs [1], from the same programs: larger products reuse more data.
"""

FAMILY_SHARE = 0.5
"""Share of the unknown counts' variance that a family of networks has in common [1]. Assumed."""

USUAL_BALANCE = 10.0
"""Peak over memory bandwidth where the bandwidth is unknown [FLOP/B]. Assumed; two server
processors have 12 and 5.
"""

ROUNDS = 40
"""Maximum number of Gauss-Newton iterations [1]."""

SETTLED = 1e-6
"""Change of the log parameters below which the iteration has converged [1]."""

LARGEST_STEP = 0.7
"""Largest change of a log parameter per iteration [1]."""

FORMATS = np.array(PRECISIONS)
MEDIANS = np.log([*np.full(len(FORMATS), 1.0 / PEAK_SHARE), 1.0, 1.0])
SDS = np.array([*np.full(len(FORMATS), PEAK_SD), DISPATCH_SD, MEMORY_SD])
"""Prior medians and standard deviations of the log parameters [1]: time of products in each format,
of dispatch and of traffic, relative to the peak, `OPERATION_S` and the bandwidth.
"""


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """Step times predicted with given parameters of the law, as arrays of one length.

    Parameters
    ----------
    log_time : array of shape (n,)
        Log ratio of step time to the time of its products at the peak [1].
    shares : array of shape (n, parameters)
        Share of the step time due to each parameter [1], also the derivative of `log_time`.
    unknown_sd : array of shape (n,)
        Log standard deviation due to unknown counts [1].
    """

    log_time: Floats
    shares: Floats
    unknown_sd: Floats


@dataclass(frozen=True, kw_only=True)
class StepLaw(Evidence):
    """Measured runs of one processor, to which its law is fitted.

    `log_ratio` is the log of the measured utilization itself, not of its ratio to a prediction.
    """

    def _expected(self, log_prior: Floats) -> Floats:
        return np.zeros(len(log_prior))

    @cached_property
    @on_one_thread
    def weights(self) -> Floats:
        """Weight of each observation [1], below one for outliers among users' programs.

        Benchmark networks have full weight, as they are repeated until their times are steady.
        """
        equal = np.ones(len(self.log_ratio))
        _, inverse, residuals, _ = self._measured(self._most_probable(equal), equal)
        return np.where(self.where.own, outlier_weights(inverse, residuals), 1.0)

    def _sizes_of_programs(self, where: Conditions) -> Conditions:
        """Replace unknown sizes and counts of measured programs by measured ones."""
        return with_counts(super()._sizes_of_programs(where), self.where)

    def _steps(self, where: Conditions, parameters: Floats) -> StepTimes:
        """Predict step times with given log parameters."""
        unsized = np.isnan(where.size)
        size = np.where(unsized, self.sizes.usual_size(where), where.size)
        size_sd = np.where(unsized, self.components.usual_step_sd, 0.0)
        ideal_s = REFERENCE_STEP_S * np.exp(size)
        flop = ideal_s * where.peak
        bandwidth = np.where(np.isnan(where.bandwidth), where.peak / USUAL_BALANCE, where.bandwidth)
        of_kinds = [USUAL_COUNTS.get(kind, OTHER_COUNTS) for kind in where.kind.tolist()]
        usual = UsualCounts(*np.array(of_kinds).reshape(-1, 4).T)
        reused = (flop / USUAL_STEP_FLOP) ** TRAFFIC_SLOPE
        counted = ~np.isnan(where.operations) & ~np.isnan(where.traffic)
        operations = np.where(counted, where.operations * flop, usual.operations)
        traffic = np.where(counted, where.traffic, usual.traffic * reused)
        times = np.column_stack(
            [
                where.precision[:, np.newaxis] == FORMATS,
                operations * OPERATION_S / ideal_s,
                traffic * where.peak / bandwidth,
            ]
        ) * np.exp(parameters)
        total = times.sum(axis=1)
        shares = times / total[:, np.newaxis]
        of_operations = shares[:, -2] * np.hypot(usual.operations_sd, size_sd)
        of_traffic = shares[:, -1] * np.hypot(usual.traffic_sd, TRAFFIC_SLOPE * size_sd)
        return StepTimes(
            log_time=np.log(total) + USER_SHIFT * where.own,
            shares=shares,
            unknown_sd=np.where(counted, 0.0, np.hypot(of_operations, of_traffic)),
        )

    def _own_variance(self, here: Conditions, steps: StepTimes) -> Floats:
        """Return the variance of the residuals of steps, shape (n,)."""
        shared = self.components
        own = shared.family**2 + shared.style**2 + shared.user**2 * here.own
        found: Floats = own + steps.unknown_sd**2
        return found

    def _covariance(
        self, here: Conditions, found: Likeness, steps: StepTimes, measured: StepTimes
    ) -> Floats:
        """Return the covariance of residuals with the measured steps' residuals, shape (n, m)."""
        shared = self.components
        both = np.outer(steps.unknown_sd, measured.unknown_sd)
        alike = shared.family**2 * found.family + shared.style**2 * found.program
        alike += shared.user**2 * found.device * np.outer(here.own, self.where.own)
        alike += both * (FAMILY_SHARE * found.family + (1.0 - FAMILY_SHARE) * found.program)
        return alike

    def _measured(
        self, parameters: Floats, weights: Floats
    ) -> tuple[StepTimes, Floats, Floats, Floats]:
        """Return the measured steps, predicted, and their inverse covariance and residuals.

        The last array is the curvature of the log posterior by the parameters.
        """
        steps = self._steps(self.where, parameters)
        own = self._own_variance(self.where, steps) + self.noise_sd**2
        total = self._covariance(self.where, self.likeness, steps, steps)
        np.fill_diagonal(total, own / weights)
        inverse = np.asarray(np.linalg.inv(total), dtype=np.float64)
        curve = steps.shares.T @ inverse @ steps.shares + np.diag(SDS**-2.0)
        return steps, inverse, -self.log_ratio - steps.log_time, curve

    def _most_probable(self, weights: Floats) -> Floats:
        """Return the most probable log parameters by Gauss-Newton iteration."""
        parameters = MEDIANS.copy()
        for _ in range(ROUNDS):
            steps, inverse, residuals, curve = self._measured(parameters, weights)
            pull = steps.shares.T @ inverse @ residuals - (parameters - MEDIANS) / SDS**2
            change = np.clip(np.linalg.solve(curve, pull), -LARGEST_STEP, LARGEST_STEP)
            parameters = parameters + change
            if np.max(np.abs(change)) < SETTLED:
                break
        return parameters

    @cached_property
    @on_one_thread
    def _parameters(self) -> Floats:
        """Most probable log parameters."""
        return self._most_probable(self.weights)

    @cached_property
    @on_one_thread
    def _at_optimum(self) -> tuple[StepTimes, Floats, Floats, Floats]:
        """Result of `_measured` at the most probable parameters."""
        return self._measured(self._parameters, self.weights)

    @cached_property
    def _excess(self) -> Floats:
        """Variance that the weight of each observation adds to it [1]."""
        measured, *_ = self._at_optimum
        own = self._own_variance(self.where, measured) + self.noise_sd**2
        return np.asarray(own * (1.0 / self.weights - 1.0), dtype=np.float64)

    def _conditioned(
        self, where: Conditions, prior_sd: Floats, _expected: Floats
    ) -> tuple[Floats, Floats]:
        """Return mean and variance of the log utilization, for steps of known size."""
        measured, inverse, residuals, curve = self._at_optimum
        steps = self._steps(where, self._parameters)
        likeness = likeness_of(where, self.where, self.components)
        far = self._far_off(where, likeness)
        cross = self._covariance(where, likeness, steps, measured) + likeness.program * far
        weights = cross @ inverse
        open_shares = steps.shares - weights @ measured.shares
        variance = (
            self._own_variance(where, steps) + far.sum(axis=1) - np.sum(weights * cross, axis=1)
        )
        variance += np.sum(open_shares @ np.linalg.inv(curve) * open_shares, axis=1)
        log_time = steps.log_time + weights @ residuals
        return -log_time, np.maximum(variance, self.components.step_sd**2)


def with_counts(where: Conditions, measured: Conditions) -> Conditions:
    """Replace unknown counts of steps by counts of the same program in measured runs.

    Steps of another size have the same number of operations, and traffic by `TRAFFIC_SLOPE`.
    """
    counted = ~np.isnan(measured.operations + measured.traffic + measured.size)
    known = measured.part(counted & (measured.program != ""))
    operations, traffic = where.operations.copy(), where.traffic.copy()
    unknown = np.isnan(operations + traffic) & np.isin(where.program, known.program)
    for row in np.flatnonzero(unknown).tolist():
        same = (known.program == where.program[row]) & (known.kind == where.kind[row])
        if same.any():
            one = known.part(same)
            larger = where.size[row] + np.log(where.peak[row] / one.peak) - one.size
            operations[row] = np.exp(np.mean(np.log(one.operations) - larger))
            traffic[row] = np.exp(np.mean(np.log(one.traffic) + TRAFFIC_SLOPE * larger))
    return replace(where, operations=operations, traffic=traffic)
