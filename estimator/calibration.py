"""What do measured runs teach: the prior from published runs, updated in closed form.

What the model gets wrong about a run, the logarithm of what was reached over what was expected, is
a sum of parts: one of the machine, one of its number format, one of the kind of network, one of
both together, one that changes with the size of a step, and one of the run alone. Each part is
normal and shared by all runs that have it in common, so that the errors of measured runs say what
to expect of the next one: Gaussian conditioning [1]_. Far from what was measured the prior is all
that is left. The same holds for the power.

References
----------
.. [1] C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006,
   eq. 2.23 and 2.24 (conditioning), eq. 5.12 (leave one out).
"""

from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.str_]

REFERENCE_STEP_S = 0.5
"""Time of a step at the peak that has size zero: that of usual large runs [s].

GPT-3 on its 10,000 V100: 3.2e6 tokens x 6 x 1.75e11 FLOP / (10,000 x 125e12 FLOP/s) = 2.7 s;
ResNet-50 at 256 images on a V100: 0.05 s.
"""

SATURATED_S = (0.005, 0.05, 0.5)
"""Times at the peak at which steps begin to outweigh what does not grow with them [s].

A cost of a fixed time lowers what is reached by the factor 1 / (1 + fixed / step): launches of
kernels and small products (milliseconds), caches and threads, optimizer and data (tenths of a
second). How much of each a device has, its measured runs tell; beyond all of them what is reached
no longer rises, so a trend of small steps does not run on to shares above the peak.
"""

UNKNOWN_SIZE_SD = 1.5
"""Standard deviation of the size of large runs where it is not told [1]: a factor of 4.5."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Which part of the variance of the model's errors is common to whom; the shares sum to one.

    Parameters
    ----------
    device : float
        Of all runs on one device [1].
    precision, kind, both : float
        Of those in one number format, of one kind of network, of both the same [1].
    size : float
        Of those of the same kind and format whose steps are of about the same size [1].
    run : float
        Of no other run [1].
    elsewhere : float
        What a run on another host tells, over what it would tell on the same one [1].
    slope : float
        Change of the error with the logarithm of the size where steps are small, of the device and
        of the kind: its standard deviation over that of the error [1]. It ends by `SATURATED_S`.
    length : float
        Distance in the logarithm of the size at which runs begin to differ [1].
    step_sd : float
        Standard deviation between two measurements of the same steps [1].
    """

    device: float
    precision: float
    kind: float
    both: float
    size: float
    run: float
    elsewhere: float
    slope: float
    length: float
    step_sd: float

    def __post_init__(self) -> None:
        total = self.device + self.precision + self.kind + self.both + self.size + self.run
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"the shares of the variance must sum to 1, got {total:.4g}")


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """Where and on what some runs were made, arrays of one length.

    Parameters
    ----------
    device, host : array of str
        What it ran on, and on whose machine.
    precision, kind : array of str
        Number format, and kind of network.
    size : array
        Logarithm of the time of a step at the peak over `REFERENCE_STEP_S`; NaN if unknown [1].
    """

    device: Words
    host: Words
    precision: Words
    kind: Words
    size: Floats

    def part(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int_]) -> "Circumstances":
        """Return those where `chosen` holds."""
        return Circumstances(
            device=self.device[chosen],
            host=self.host[chosen],
            precision=self.precision[chosen],
            kind=self.kind[chosen],
            size=self.size[chosen],
        )


def step_size(ideal_s: npt.ArrayLike) -> Floats:
    """Size of a step from its time at the peak [s].

    >>> float(step_size(0.5))
    0.0
    """
    return np.log(np.asarray(ideal_s, dtype=np.float64) / REFERENCE_STEP_S)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """What is expected after the measured runs, arrays of one length.

    Parameters
    ----------
    log_shift : array
        Logarithm of what is expected now over what the prior expects [1].
    log_sd : array
        Standard deviation of the logarithm that is left; never above the prior's [1].
    """

    log_shift: Floats
    log_sd: Floats


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Measured runs against what the model expected of them, arrays of one length.

    Parameters
    ----------
    where : Circumstances
    log_ratio : array
        Logarithm of what was reached over what the prior expected [1].
    prior_sd : array
        Standard deviation of the logarithm that the prior stated [1].
    noise_sd : array
        Standard deviation of the measurement: its spread, and how far conditions differed [1].
    shares : Shares
    """

    where: Circumstances
    log_ratio: Floats
    prior_sd: Floats
    noise_sd: Floats
    shares: Shares = field(repr=False)

    def __post_init__(self) -> None:
        counts = {len(self.log_ratio), len(self.prior_sd), len(self.noise_sd)}
        if counts != {len(self.where.size)}:
            raise ValueError(f"measured runs need arrays of one length, got {sorted(counts)}")

    @cached_property
    def _inverse(self) -> Floats:
        """Inverse of the covariance of what was measured."""
        noise = self.noise_sd**2 + self.shares.step_sd**2 + self._of_unknown_size()
        signal = _covariance((self.where, self.prior_sd), (self.where, self.prior_sd), self.shares)
        return np.asarray(np.linalg.inv(signal + np.diag(noise)), dtype=np.float64)

    def _of_unknown_size(self) -> Floats:
        """Variance that comes from not knowing the size of a step: its trend, and its own part.

        Two runs of unknown size are alike on the average only; each is wholly like itself.
        """
        unknown = np.array([np.nan])
        strange = 1.0 - float(_nearness(unknown, unknown, self.shares.length)[0])
        share = _trend_of_unknown_size(self.shares) + self.shares.size * strange
        return np.where(np.isnan(self.where.size), share * self.prior_sd**2, 0.0)

    def posterior(
        self, where: Circumstances, prior_sd: Floats, *, whole_run: bool = True
    ) -> Posterior:
        """What to expect of further runs.

        Parameters
        ----------
        where : Circumstances
            Of the runs to predict, n of them.
        prior_sd : array of shape (n,)
            Standard deviation of the logarithm that the prior states for them [1].
        whole_run : bool
            False for the mean time of a few steps: what befalls a whole run alone is left out.
        """
        if not len(self.log_ratio):
            return Posterior(log_shift=np.zeros(len(prior_sd)), log_sd=prior_sd.copy())
        cross = _covariance((where, prior_sd), (self.where, self.prior_sd), self.shares)
        weights = cross @ self._inverse
        shift = weights @ self.log_ratio
        steps = self.shares.step_sd**2
        of_run = self.shares.run * prior_sd**2 if whole_run else steps
        trend = 2 * self.shares.slope**2 * np.sum(_bends(where.size) ** 2, axis=1)
        own = (1.0 - self.shares.run + trend) * prior_sd**2
        unknown = np.where(np.isnan(where.size), self._slope_doubt(where, prior_sd), 0.0)
        left = own - np.sum(weights * cross, axis=1) + unknown + of_run
        return Posterior(
            log_shift=shift, log_sd=np.minimum(np.sqrt(np.maximum(left, steps)), prior_sd)
        )

    def _slope_doubt(self, where: Circumstances, prior_sd: Floats) -> Floats:
        """Variance of runs whose steps are of unknown size: the trend, as far as it is known."""
        moved = [
            replace(where, size=np.full(len(prior_sd), side * UNKNOWN_SIZE_SD))
            for side in (-1.0, 1.0)
        ]
        low, high = (
            _covariance((side, prior_sd), (self.where, self.prior_sd), self.shares) @ self._inverse
            for side in moved
        )
        learned = ((high - low) @ self.log_ratio / 2) ** 2
        doubt: Floats = learned + _trend_of_unknown_size(self.shares) * prior_sd**2
        return np.where(np.isin(where.device, self.where.device), doubt, 0.0)

    def left_out(self) -> Posterior:
        """Each measured run as the others alone would predict its steps.

        `log_shift` is the prediction of its `log_ratio`, `log_sd` the doubt of the measurement.
        """
        diagonal = np.diag(self._inverse)
        predicted = self.log_ratio - self._inverse @ self.log_ratio / diagonal
        return Posterior(log_shift=predicted, log_sd=np.sqrt(1.0 / diagonal))

    def with_run(self, where: Circumstances, prior_sd: Floats) -> "Evidence":
        """Evidence after one more run that reaches what is expected: what it would be worth.

        The doubt that it leaves does not depend on what it will find.
        """
        expected = self.posterior(where, prior_sd).log_shift
        joined = {
            part.name: np.concatenate([getattr(self.where, part.name), getattr(where, part.name)])
            for part in fields(Circumstances)
        }
        return Evidence(
            where=Circumstances(**joined),
            log_ratio=np.concatenate([self.log_ratio, expected]),
            prior_sd=np.concatenate([self.prior_sd, prior_sd]),
            noise_sd=np.concatenate([self.noise_sd, np.zeros(len(prior_sd))]),
            shares=self.shares,
        )


def _covariance(
    one: tuple[Circumstances, Floats], other: tuple[Circumstances, Floats], shares: Shares
) -> Floats:
    """Covariance of the model's errors between two sets of runs, shape (n, m).

    Where one is less sure than the other, what it doubts beyond is its own.
    """
    (here, here_sd), (there, there_sd) = one, other
    device = here.device[:, np.newaxis] == there.device
    host = here.host[:, np.newaxis] == there.host
    precision = device & (here.precision[:, np.newaxis] == there.precision)
    kind = device & (here.kind[:, np.newaxis] == there.kind)
    both = precision & kind
    near = _nearness(here.size[:, np.newaxis], there.size, shares.length)
    common: Floats = (
        shares.device * device
        + shares.precision * precision
        + shares.kind * kind
        + shares.both * both
        + shares.size * both * near
    )
    trend = _bends(here.size) @ _bends(there.size).T
    common += shares.slope**2 * trend * (device * 1.0 + kind * 1.0)
    heard = np.where(host, 1.0, shares.elsewhere)
    variance = np.minimum(here_sd[:, np.newaxis], there_sd) ** 2
    covariance: Floats = common * heard * variance
    return covariance


def _nearness(one: Floats, other: Floats, length: float) -> Floats:
    """How alike runs are by the size of their steps [1]; of an unknown size, on the average.

    The squared-exponential kernel, and its mean over the normal that stands for an unknown size.
    """
    unknown = np.isnan(one) * 1.0 + np.isnan(other)
    spread = length**2 + unknown * UNKNOWN_SIZE_SD**2
    distance = np.nan_to_num(one) - np.nan_to_num(other)
    near: Floats = length / np.sqrt(spread) * np.exp(-0.5 * distance**2 / spread)
    return near


def _bends(size: Floats) -> Floats:
    """How far each fixed cost of a step is outgrown, from that at size zero: shape (n, scales).

    Its squares sum to that of the size where steps are small; an unknown size counts as zero.
    """
    scales = step_size(SATURATED_S)
    known = np.nan_to_num(size)[:, np.newaxis]
    outgrown: Floats = np.logaddexp(0.0, scales) - np.logaddexp(0.0, scales - known)
    outgrown /= np.sqrt(len(scales))
    return outgrown


def _trend_of_unknown_size(shares: Shares) -> float:
    """Variance that the trends of device and kind have over sizes that are not told [1]."""
    sides = np.array([-UNKNOWN_SIZE_SD, UNKNOWN_SIZE_SD])
    return float(2 * shares.slope**2 * np.mean(np.sum(_bends(sides) ** 2, axis=1)))
