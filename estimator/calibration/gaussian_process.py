"""What do measured runs predict for the next one: variance components, conditioned in closed form.

What the model gets wrong about a run, the logarithm of what was reached over what was expected, is
a sum of parts: one of the device, one of its number format, one of the kind of network, one of both
together, one that changes with the size of a step, one of the program (how it is written), and one
of the run alone. Each part is normal and shared by all runs that have it in common, so that the
errors of measured runs say what to expect of the next one: Gaussian conditioning [1]_. Two programs
of one kind never share how they are written: that spread stays in the interval of a program that
was not measured, and its size is estimated from the measured programs themselves (empirical Bayes
[2]_). Far from what was measured the prior is all that is left. The same holds for the power.

References
----------
.. [1] C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006,
   eq. 2.23 and 2.24 (conditioning), eq. 5.8 (marginal likelihood), eq. 5.12 (leave one out).
.. [2] S. R. Searle, G. Casella, C. E. McCulloch, "Variance Components", 1992, ch. 9.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from estimator.calibration.one_thread import on_one_thread
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL

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

_POSITIVE = (1.1544053947399682, 2.366759410734541, 3.7504397177257425)
NODES = np.array([*(-one for one in reversed(_POSITIVE)), 0.0, *_POSITIVE])
_OUTER = (0.6018995488855944, 0.07709667658348317, 0.0013743062164795505)
WEIGHTS = np.array([*reversed(_OUTER), 1.145887211259886, *_OUTER])
"""Gauss-Hermite quadrature over the size of steps of which nothing is known, of seven nodes (as
`numpy.polynomial.hermite_e.hermegauss`, whose import takes longer than an answer)."""

GRID = np.linspace(-3.5, 3.5, 15)
"""Sizes that an unspecified one may have, in standard deviations of the logarithm."""

MOST_AT_ONCE = 512
"""Runs at one size each that are conditioned together: more would take memory and no less time."""

TAILS = (0.5 * (1.0 - CENTRAL), 0.5, 0.5 * (1.0 + CENTRAL))
"""Shares of a mixture below the ends and the middle of its central interval."""

BISECTIONS = 14
"""Halvings of the span of a mixture: a precision of 1e-3 of the logarithm."""

USUAL_SHARE = 0.3
"""Share of the peak that steps of usual size reach, roughly, where nothing tells it [1]."""

LEAST_GAIN = 0.05
"""Larger steps take longer: the least change of the logarithm of their time with that of their
size [1]."""

FACTORS = np.exp(np.linspace(-1.5, 1.5, 9))
"""Factors on each spread of `SPREADS` among which the measured runs choose [1]."""

FACTOR_SD = 0.4
"""How far a spread is expected to differ from machine to machine, in the logarithm [1]."""

WIDENED_SD = 0.3
"""The same of the whole that the prior states [1]."""

ENOUGH_PROGRAMS = 8
"""So many different programs can show that the prior is too narrow; fewer may be odd ones [1]."""

SPREADS = (
    *(("widened",), ("style", "family"), ("precision", "kind", "both")),
    *(("size", "shape"), ("slope",), ("program_slope",)),
)
"""Components that differ from machine to machine together: all that the prior states, which is
never taken as narrower; between programs; between kinds and formats; between shapes of one program;
with the size of steps, of all and of one program."""

FACTORS_SD = np.where([names == ("widened",) for names in SPREADS], WIDENED_SD, FACTOR_SD)
"""How far each of these is expected to differ, in the logarithm [1]."""

SAME_SIZE = 0.1
"""Steps of one program whose sizes differ by less, in the logarithm, are the same [1]."""

SWEEPS = 2
"""How often each factor is chosen, given the others [1]."""

USER, SIMILAR, SINGLE = 0.3, 0.2, 0.3
"""Shares of the variance of the size of steps, in the logarithm: what all programs of a user have
in common; those of one kind, and those in one format; and each alone [1]. A guess."""

PERCEPTRON, TRANSFORMERS = "perceptron", ("decoder", "transformer")
"""Family whose steps are mostly smaller than those of others, and kinds whose are larger."""

AS_MEASURED = 0.5
"""Chance that a run to predict has as many steps as measured ones of the user, and not as runs of
all people have [1]. A guess."""

RUNS_DOF = 2.0
"""Degrees of freedom with which the spread of the number of steps of one user is known before any
run was measured [1]: next to nothing."""

MOST_FOR_FACTORS = 160
"""So many observations suffice to choose the factors; of more a regular sample is taken."""

DEGREES = 4.0
"""Degrees of freedom of Student's t, by which an observation far off all others counts less [1]."""

FAR_OFF = 3.0
"""Standard deviations from what the others predict at which an observation is called far off."""

LEAST_DEVICE_SHARE = 0.1
"""Share of the prior's variance that is at least the device's own [1]."""


@dataclass(frozen=True, kw_only=True)
class Components:
    """Standard deviations of the parts of the model's errors, in the logarithm.

    The part of the device is what these leave of the variance that the prior states.

    Parameters
    ----------
    precision, kind, both : float
        Of runs in one number format, of one kind of network, of both the same [1].
    family : float
        Of one family of networks of a kind [1].
    size : float
        Of those of the same kind and format whose steps are of about the same size [1].
    unusual : float
        Of styles of the benchmark in which few programs are written [1].
    shape : float
        Of one program at one size: its widths and depths [1].
    style : float
        Of one program: how it is written [1].
    run : float
        Of no other run [1].
    elsewhere : float
        Share of what a run tells on the same host that it tells on another one [1].
    portable : float
        Share of what a run tells on one device that it tells on another one [1]: how programs are
        written and what runs them goes with them, the device does not.
    slope : float
        Change of the error with the logarithm of the size where steps are small, of the device and
        of the kind [1]. It ends by `SATURATED_S`.
    program_slope : float
        The same of one program beside its kind: its own fixed costs [1].
    length : float
        Distance in the logarithm of the size at which runs begin to differ [1].
    step_sd : float
        Between two measurements of the same steps [1].
    usual_step_s, usual_step_sd : float
        Median time of the steps that people run [s], and the standard deviation of its logarithm
        [1]: what an unspecified size may be.
    usual_perceptron_s, usual_transformer_s : float, optional
        The median of perceptrons, and of decoders and other transformers, where it is another [s].
    usual_steps, usual_steps_sd : float, optional
        Median number of steps of a whole run, and the standard deviation of its logarithm [1].
    widened : float
        Factor on the spread that the prior states, where measured runs show that it is too narrow
        [1].
    level, level_sd : float, optional
        Expected value of devices of which published runs say nothing, in the format in which sizes
        are counted, and the standard deviation of its logarithm [1]; None where the prior of each
        run is used.
    """

    precision: float
    kind: float
    both: float
    size: float
    style: float
    run: float
    elsewhere: float
    portable: float
    slope: float
    length: float
    step_sd: float
    usual_step_s: float
    usual_step_sd: float
    program_slope: float = 0.0
    shape: float = 0.0
    family: float = 0.0
    unusual: float = 0.0
    widened: float = 1.0
    usual_perceptron_s: float | None = None
    usual_transformer_s: float | None = None
    usual_steps: float | None = None
    usual_steps_sd: float | None = None
    level: float | None = None
    level_sd: float | None = None

    @property
    def within(self) -> float:
        """Variance between runs on one device [1]."""
        parts = (
            *(self.precision, self.kind, self.family, self.both),
            *(self.size, self.shape, self.style, self.run),
        )
        return float(sum(part**2 for part in parts))

    @property
    def usual_size(self) -> float:
        """Size of the steps that people run [1]."""
        return float(step_size(USUAL_SHARE * self.usual_step_s))

    def prior(self, log_prior: Floats, prior_sd: Floats, speed: Floats) -> tuple[Floats, Floats]:
        """Expected logarithm and its standard deviation before any measured run [1].

        What is left beside the products takes as long in every format (Amdahl's law), so that a
        format of higher peak reaches less of it; `speed` is the logarithm of how much higher.
        """
        if self.level is None or self.level_sd is None:
            return log_prior, prior_sd
        expected: Floats = -np.log1p((1.0 / self.level - 1.0) * np.exp(speed))
        return expected, np.full(len(log_prior), self.level_sd)

    def amplitudes(self, prior_sd: Floats) -> tuple[Floats, Floats]:
        """Standard deviation of the device's part [1], and the factor on all others [1]."""
        whole = (self.widened * prior_sd) ** 2
        room = (1.0 - LEAST_DEVICE_SHARE) * whole
        inner = np.minimum(1.0, np.sqrt(room / self.within)) if self.within else np.ones(len(room))
        return np.sqrt(whole - inner**2 * self.within), inner


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Where and on what some runs were made, arrays of one length.

    Parameters
    ----------
    device, host : array of str
        What it ran on, and on whose machine.
    precision, kind : array of str
        Number format, and kind of network.
    size : array
        Logarithm of the time of a step at the peak over `REFERENCE_STEP_S`; NaN if unknown [1].
    family : array of str, optional
        Which of the networks of one kind; empty, or left out, where that is unknown.
    program : array of str, optional
        What tells programs of one kind apart; empty, or left out, where that is unknown.
    speed : array, optional
        Logarithm of the peak of the number format over that at which sizes are counted; zero where
        left out [1].
    whole : array, optional
        Logarithm of the time of the whole run at the peak over `REFERENCE_STEP_S`; NaN, or left
        out, where that is unknown [1].
    """

    device: Words
    host: Words
    precision: Words
    kind: Words
    size: Floats
    family: Words | None = None
    program: Words | None = None
    speed: Floats | None = None
    whole: Floats | None = None

    @property
    def wholes(self) -> Floats:
        """Logarithm of the time of the whole run at the peak; NaN where unknown [1]."""
        return np.full(len(self.size), np.nan) if self.whole is None else self.whole

    @property
    def speeds(self) -> Floats:
        """Logarithm of the peak over that at which sizes are counted [1]."""
        return np.zeros(len(self.size)) if self.speed is None else self.speed

    @property
    def families(self) -> Words:
        """Family of each run; empty where unknown."""
        return np.full(len(self.size), "") if self.family is None else self.family

    @property
    def programs(self) -> Words:
        """Program of each run; empty where unknown."""
        return np.full(len(self.size), "") if self.program is None else self.program

    def part(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int_]) -> "Conditions":
        """Return those where `chosen` holds."""
        return Conditions(
            device=self.device[chosen],
            host=self.host[chosen],
            precision=self.precision[chosen],
            kind=self.kind[chosen],
            size=self.size[chosen],
            family=self.families[chosen],
            program=self.programs[chosen],
            speed=self.speeds[chosen],
            whole=self.wholes[chosen],
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
        Standard deviation of the logarithm that is left [1].
    """

    log_shift: Floats
    log_sd: Floats


@dataclass(frozen=True, kw_only=True)
class _Likeness:
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
    program: Floats
    program_trend: Floats
    shape: Floats


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Measured runs against what the model expected of them, arrays of one length.

    Parameters
    ----------
    where : Conditions
    log_ratio : array
        Logarithm of what was reached over what was expected before any measured run [1].
    prior_sd : array
        Standard deviation of the logarithm of that expectation [1].
    noise_sd : array
        Standard deviation of the measurement: that between two of the same steps, its spread, and
        how far conditions differed [1].
    components : Components
    own : Conditions, optional
        Of the user's programs, their sizes being those of the time that their steps and whole runs
        took: what is usual here.
    """

    where: Conditions
    log_ratio: Floats
    prior_sd: Floats
    noise_sd: Floats
    components: Components = field(repr=False)
    own: Conditions | None = None

    def __post_init__(self) -> None:
        counts = {len(self.log_ratio), len(self.prior_sd), len(self.noise_sd)}
        if counts != {len(self.where.size)}:
            raise ValueError(f"measured runs need arrays of one length, got {sorted(counts)}")

    @cached_property
    @on_one_thread
    def spread(self) -> Components:
        """Components whose spreads the runs have corrected.

        The factors that make the measured runs likeliest, under a log-normal prior around one.
        """
        count = len(self.log_ratio)
        if count < 2:
            return self.components
        step = -(-count // MOST_FOR_FACTORS)
        some = self._part(np.arange(0, count, step))
        scores, chosen = _Scores(some), (1.0,) * len(SPREADS)
        for at in list(range(len(SPREADS))) * SWEEPS:
            chosen = scores.best(chosen, at, self._factors(SPREADS[at]))
        return _scaled(self.components, chosen)

    def _factors(self, names: tuple[str, ...]) -> Floats:
        """Factors among which one of `SPREADS` is chosen: the prior is widened only by many."""
        if names != ("widened",):
            return FACTORS
        return FACTORS[FACTORS >= 1.0] if self._many_programs else np.ones(1)

    @cached_property
    def _many_programs(self) -> bool:
        """Whether so many programs were measured that they may contradict the prior."""
        return len(np.unique(self._programs)) >= ENOUGH_PROGRAMS

    def _part(self, chosen: npt.NDArray[np.int_]) -> "Evidence":
        return Evidence(
            where=self.where.part(chosen),
            log_ratio=self.log_ratio[chosen],
            prior_sd=self.prior_sd[chosen],
            noise_sd=self.noise_sd[chosen],
            components=self.components,
        )

    @cached_property
    def likeness(self) -> _Likeness:
        """What the measured runs have in common."""
        return _likeness(self.where, self.where, self.components)

    @property
    def _noise(self) -> Floats:
        """Variance of each measurement."""
        noise: Floats = self.noise_sd**2
        return noise

    def _total(self, components: Components, noise: Floats) -> Floats:
        """Covariance of what was measured."""
        signal = _covariance(self.likeness, self.prior_sd, self.prior_sd, components)
        bent = _bent(self.where.size, components)
        own = _own_variance(bent, self.prior_sd, components, whole_run=False)
        total: Floats = signal + np.diag(noise + own - np.diag(signal))
        return total

    @cached_property
    @on_one_thread
    def weights(self) -> Floats:
        """How much each observation counts [1]: below one if it is far off all the others.

        One pass of reweighting by Student's t on the leave-one-out residuals.
        """
        if len(self.log_ratio) < 3:
            return np.ones(len(self.log_ratio))
        inverse = np.linalg.inv(self._total(self.spread, self._noise))
        distance = inverse @ self.log_ratio / np.sqrt(np.diag(inverse))
        found: Floats = np.minimum(1.0, (DEGREES + 1.0) / (DEGREES + distance**2))
        return np.where(np.abs(distance) > FAR_OFF, found, 1.0)

    @cached_property
    @on_one_thread
    def _inverse(self) -> Floats:
        """Inverse of the covariance of what was measured, those far off counting less."""
        total = self._total(self.spread, self._noise)
        total += np.diag(np.diag(total) * (1.0 / self.weights - 1.0))
        return np.asarray(np.linalg.inv(total), dtype=np.float64)

    @on_one_thread
    def posterior(
        self,
        where: Conditions,
        prior_sd: Floats,
        *,
        log_prior: Floats | None = None,
        whole_run: bool = True,
    ) -> Posterior:
        """What to expect of further runs.

        Parameters
        ----------
        where : Conditions
            Of the runs to predict, n of them.
        prior_sd : array of shape (n,)
            Standard deviation of the logarithm that the prior states for them [1].
        log_prior : array of shape (n,), optional
            Logarithm of what the prior expects of them; needed where `components` have a level.
        whole_run : bool
            False for the mean time of a few steps: what befalls a whole run alone is left out.
        """
        if not len(self.log_ratio):
            return Posterior(log_shift=np.zeros(len(prior_sd)), log_sd=prior_sd.copy())
        nothing = np.zeros(len(prior_sd))
        expected, sd = self.components.prior(
            nothing if log_prior is None else log_prior, prior_sd, where.speeds
        )
        stated = expected if log_prior is None else log_prior
        where = self._sizes_of_programs(where)
        unknown = np.isnan(where.size)
        shift, variance = np.zeros(len(sd)), np.zeros(len(sd))
        if not unknown.all():
            shift[~unknown], variance[~unknown] = self._conditioned(
                where.part(~unknown), sd[~unknown], whole_run=whole_run
            )
        if unknown.any():
            shift[unknown], variance[unknown] = self._over_sizes(
                where.part(unknown), sd[unknown], expected[unknown], whole_run=whole_run
            )
        log_sd = np.sqrt(variance)
        if not self._many_programs:
            log_sd = np.minimum(log_sd, sd)
        return Posterior(log_shift=shift + expected - stated, log_sd=log_sd)

    def _sizes_of_programs(self, where: Conditions) -> Conditions:
        """The same runs; where a program was measured, its steps are of the size measured."""
        size = where.size.copy()
        for row in np.flatnonzero(np.isnan(size) & (where.programs != "")).tolist():
            same = (self.where.programs == where.programs[row]) & (
                self.where.kind == where.kind[row]
            )
            known = self.where.size[same & ~np.isnan(self.where.size)]
            size[row] = float(np.mean(known)) if len(known) else np.nan
        return replace(where, size=size)

    @cached_property
    def _programs(self) -> Words:
        return np.array([name for name in self.where.programs if name], dtype=np.str_)

    def _conditioned(
        self, where: Conditions, prior_sd: Floats, *, whole_run: bool
    ) -> tuple[Floats, Floats]:
        """Mean and variance of the error of runs of known size."""
        likeness = _likeness(where, self.where, self.spread)
        cross = _covariance(likeness, prior_sd, self.prior_sd, self.spread)
        weights = cross @ self._inverse
        bent = _bent(where.size, self.spread)
        own = _own_variance(bent, prior_sd, self.spread, whole_run=whole_run)
        left = own - np.sum(weights * cross, axis=1)
        return weights @ self.log_ratio, np.maximum(left, self.components.step_sd**2)

    def _over_sizes(
        self, where: Conditions, prior_sd: Floats, expected: Floats, *, whole_run: bool
    ) -> tuple[Floats, Floats]:
        """Median over the sizes that steps may have, and the variance that their interval shows.

        A size counts by how usual the time is that its steps would take, and, where the work of the
        whole run is known, by how usual the number of steps is that it leaves.
        """
        usual, spread = self.usual_times(where)
        width = self.components.usual_step_sd
        sizes = usual + np.log(USUAL_SHARE) + width * GRID[:, np.newaxis]
        means, variances = self._at_sizes(where, prior_sd, sizes, whole_run=whole_run)
        times = sizes - where.speeds - (expected + means)
        gain = np.maximum(np.gradient(times, width * GRID, axis=0), LEAST_GAIN)
        weights = np.log(gain) - 0.5 * ((times - usual) / spread) ** 2
        weights += self._of_steps(where.wholes - sizes)
        weights = np.exp(weights - weights.max(axis=0))
        weights /= weights.sum(axis=0)
        low, middle, high = _quantiles(np.array(TAILS), weights, means, np.sqrt(variances))
        return middle, ((high - low) / (2.0 * z_score(CENTRAL))) ** 2

    def _at_sizes(
        self, where: Conditions, prior_sd: Floats, sizes: Floats, *, whole_run: bool
    ) -> tuple[Floats, Floats]:
        """Mean and variance of the error at several sizes of the steps, a row for each size."""
        at_once = max(1, MOST_AT_ONCE // len(prior_sd))
        means, variances = [], []
        for start in range(0, len(sizes), at_once):
            some = sizes[start : start + at_once]
            every = np.tile(np.arange(len(prior_sd)), len(some))
            mean, variance = self._conditioned(
                replace(where.part(every), size=some.ravel()),
                prior_sd[every],
                whole_run=whole_run,
            )
            means.append(mean.reshape(some.shape))
            variances.append(variance.reshape(some.shape))
        return np.concatenate(means), np.concatenate(variances)

    def _of_steps(self, log_steps: Floats) -> Floats:
        """Logarithm of how usual a number of steps is, up to a constant; of an unknown one zero.

        It is as usual as in all runs of all people, or as in those that this user measured: which
        of the two is open, as many measured runs are trials of longer ones.
        """
        if self.components.usual_steps is None or self.components.usual_steps_sd is None:
            return np.zeros(log_steps.shape)
        usual, sd = float(np.log(self.components.usual_steps)), self.components.usual_steps_sd
        unknown = np.isnan(log_steps)
        steps = np.where(unknown, usual, log_steps)
        found: Floats = _normal_log_density(steps, usual, sd)
        measured = self._own_log_steps
        if len(measured):
            near = _normal_log_density(steps, *_pooled(measured, usual, sd))
            found = np.logaddexp(found + np.log1p(-AS_MEASURED), near + np.log(AS_MEASURED))
        return np.where(unknown, 0.0, found)

    @cached_property
    def _own_log_steps(self) -> Floats:
        """Logarithm of the number of steps of the user's own runs, where it is known."""
        if self.own is None:
            return np.zeros(0)
        found = self.own.wholes - self.own.size
        return found[~np.isnan(found)]

    def usual_times(self, where: Conditions) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the time of the steps of such runs, as sizes [1].

        Those that people run; and the closer to those of the user's own programs, the more of
        these there are, above all of one kind and format (partial pooling).
        """
        variance = self.components.usual_step_sd**2
        usual = self._usual_of_all(where)
        if self.own is None or not len(self.own.size):
            return usual, np.full(len(where.size), np.sqrt(variance))
        cross = _alike_in_size(where, self.own)
        weights = cross @ self._inverse_of_sizes
        apart = self.own.size - self._usual_of_all(self.own)
        left = 1.0 - np.sum(weights * cross, axis=1)
        return usual + weights @ apart, np.sqrt(variance * left)

    def _usual_of_all(self, where: Conditions) -> Floats:
        """Time of the steps that people run, as a size [1].

        Those of perceptrons are mostly small, those of transformers large.
        """
        usual = self.components.usual_step_s
        perceptron = self.components.usual_perceptron_s or usual
        transformer = self.components.usual_transformer_s or usual
        times = np.where(np.isin(where.kind, TRANSFORMERS), transformer, usual)
        return step_size(np.where(where.families == PERCEPTRON, perceptron, times))

    def usual_size(self, where: Conditions) -> Floats:
        """Size of the steps that such runs have, at `USUAL_SHARE` of the peak."""
        found: Floats = self.usual_times(where)[0] + np.log(USUAL_SHARE)
        return found

    @cached_property
    @on_one_thread
    def _inverse_of_sizes(self) -> Floats:
        """Inverse of the correlation of the sizes of the user's own programs."""
        assert self.own is not None
        total = _alike_in_size(self.own, self.own) + SINGLE * np.eye(len(self.own.size))
        return np.asarray(np.linalg.inv(total), dtype=np.float64)

    def left_out(self) -> Posterior:
        """Each measured run as the others alone would predict its steps.

        `log_shift` is the prediction of its `log_ratio`, `log_sd` that of the measurement.
        """
        diagonal = np.diag(self._inverse)
        predicted = self.log_ratio - self._inverse @ self.log_ratio / diagonal
        return Posterior(log_shift=predicted, log_sd=np.sqrt(1.0 / diagonal))

    def with_run(self, where: Conditions, prior_sd: Floats) -> "Evidence":
        """Evidence after one more run that reaches what is expected: what it would be worth.

        The uncertainty that it leaves does not depend on what it will find.
        """
        expected, sd = self.components.prior(np.zeros(len(prior_sd)), prior_sd, where.speeds)
        shift = self.posterior(where, sd, log_prior=expected).log_shift
        found = Evidence(
            where=_one_after_another([self.where, where]),
            log_ratio=np.concatenate([self.log_ratio, shift]),
            prior_sd=np.concatenate([self.prior_sd, sd]),
            noise_sd=np.append(self.noise_sd, np.full(len(prior_sd), self.components.step_sd)),
            components=self.components,
            own=self.own,
        )
        found.__dict__["spread"] = self.spread
        found.__dict__["weights"] = np.concatenate([self.weights, np.ones(len(prior_sd))])
        return found


class _Scores:
    """How likely measured runs are under factors on the spreads, each combination once."""

    def __init__(self, runs: Evidence) -> None:
        self._runs, self._found = runs, dict[tuple[float, ...], float]()
        self._bent = _bent(runs.where.size, runs.components)
        count = len(runs.log_ratio)
        self._bordered = np.zeros((count + 1, count + 1))
        self._bordered[count, :count] = self._bordered[:count, count] = runs.log_ratio
        least = max(float(np.min(runs.noise_sd)) ** 2, 1e-12)
        self._bordered[count, count] = 1.0 + 1e3 * float(np.sum(runs.log_ratio**2)) / least

    def best(self, chosen: tuple[float, ...], at: int, factors: Floats) -> tuple[float, ...]:
        """Likeliest factors with another one on the spreads of one place."""
        tried = [(*chosen[:at], float(factor), *chosen[at + 1 :]) for factor in factors]
        unknown = [one for one in tried if one not in self._found]
        if unknown:
            shared, names = _scaled(self._runs.components, chosen), SPREADS[at]
            changed = [name for name in LIKENESS if name in names]
            same = [name for name in LIKENESS if name not in names]
            part = _common(self._runs.likeness, shared, changed) / chosen[at] ** 2
            rest = _common(self._runs.likeness, shared, same)
            for one in unknown:
                self._found[one] = self._score(one, rest + one[at] ** 2 * part)
        return max(tried, key=self._found.__getitem__)

    def _score(self, factors: tuple[float, ...], common: Floats) -> float:
        """Log-likelihood of the runs plus the log-prior of the factors, up to a constant.

        The last row of the Cholesky factor of the covariance, bordered by what was measured, holds
        that divided by the factor: one decomposition does for both.
        """
        runs, shared = self._runs, _scaled(self._runs.components, factors)
        of_device, inner = shared.amplitudes(runs.prior_sd)
        common *= np.outer(inner, inner)
        common += np.outer(of_device, of_device) * runs.likeness.device
        own = _own_variance(self._bent, runs.prior_sd, shared, whole_run=False)
        np.fill_diagonal(common, runs.noise_sd**2 + own)
        self._bordered[:-1, :-1] = common
        lower = np.linalg.cholesky(self._bordered)
        white = lower[-1, :-1]
        likelihood = -0.5 * float(white @ white) - float(np.sum(np.log(np.diag(lower)[:-1])))
        return likelihood - 0.5 * float(np.sum((np.log(factors) / FACTORS_SD) ** 2))


def joined(parts: Sequence[Evidence]) -> Evidence:
    """Evidence of several devices as one, with the components of the first.

    What they have in common: see `Components.portable`.
    """
    first = parts[0]
    return Evidence(
        where=_one_after_another([one.where for one in parts]),
        log_ratio=np.concatenate([one.log_ratio for one in parts]),
        prior_sd=np.concatenate([one.prior_sd for one in parts]),
        noise_sd=np.concatenate([one.noise_sd for one in parts]),
        components=first.components,
        own=first.own,
    )


def _one_after_another(parts: Sequence[Conditions]) -> Conditions:
    """Conditions of several sets of runs as one."""
    whole = [one.part(np.arange(len(one.size))) for one in parts]
    return Conditions(
        **{
            part.name: np.concatenate([getattr(one, part.name) for one in whole])
            for part in fields(Conditions)
        }
    )


def condensed(evidence: Evidence, most: int) -> Evidence:
    """Evidence in which programs alike count as one, where there are more than so many.

    Those of one host, format, kind and size of step (to a factor of e) become their mean, whose
    noise holds what programs differ by: it shrinks with their number.
    """
    if len(evidence.log_ratio) <= most:
        return evidence
    where, own = evidence.where, evidence.components
    rounded = np.where(np.isnan(where.size), -99.0, np.round(where.size)).astype(np.int64)
    names = [where.device, where.host, where.precision, where.kind, rounded.astype(str)]
    _, first, member = np.unique(np.array(names).T, axis=0, return_index=True, return_inverse=True)
    count = np.bincount(member.ravel()).astype(np.float64)

    def mean(values: Floats) -> Floats:
        found: Floats = np.bincount(member.ravel(), weights=values) / count
        return found

    single = own.style**2 + own.shape**2
    noise = mean(evidence.noise_sd**2) / count + single * np.where(count > 1, 1 / count, 0.0)
    kept = where.part(first)
    return Evidence(
        where=replace(kept, size=mean(where.size), program=np.where(count > 1, "", kept.programs)),
        log_ratio=mean(evidence.log_ratio),
        prior_sd=mean(evidence.prior_sd),
        noise_sd=np.sqrt(noise),
        components=own,
        own=evidence.own,
    )


def _pooled(values: Floats, usual: float, sd: float) -> tuple[float, float]:
    """Mean and standard deviation of one more value like these, from those of all people.

    Of the variance among all people one half is among users, the other among the runs of one, which
    may differ less or more from user to user: a normal-inverse-gamma prior of `RUNS_DOF` degrees
    of freedom, whose predictive Student's t is taken as a normal (Gelman et al., "Bayesian Data
    Analysis", 2013, eq. 3.9).
    """
    count, within = len(values), 0.5 * sd**2
    mean = (float(values.sum()) + usual) / (count + 1)
    squares = float(np.sum((values - values.mean()) ** 2))
    squares += count / (count + 1) * (float(values.mean()) - usual) ** 2
    variance = (RUNS_DOF * within + squares) / (RUNS_DOF + count) * (1.0 + 1.0 / (count + 1))
    return mean, float(np.sqrt(variance))


def _normal_log_density(values: Floats, mean: float, sd: float) -> Floats:
    """Logarithm of the density of a normal, up to a constant that all have in common."""
    found: Floats = -0.5 * ((values - mean) / sd) ** 2 - np.log(sd)
    return found


def _quantiles(shares: Floats, weights: Floats, means: Floats, sds: Floats) -> Floats:
    """Quantiles of mixtures of normals, parts along the first axis, by bisection; a row a share."""
    low = np.tile((means - 4.0 * sds).min(axis=0), (len(shares), 1))
    high = np.tile((means + 4.0 * sds).max(axis=0), (len(shares), 1))
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        below = _normal_share((middle[:, np.newaxis] - means) / sds)
        few = np.sum(weights * below, axis=1) < shares[:, np.newaxis]
        low, high = np.where(few, middle, low), np.where(few, high, middle)
    return np.asarray(0.5 * (low + high), dtype=np.float64)


def _normal_share(z: Floats) -> Floats:
    """Share of a normal below `z`; by a logistic curve, exact to 2e-4 (Page 1977)."""
    return np.asarray(1.0 / (1.0 + np.exp(-z * (1.5976 + 0.070566 * z**2))), dtype=np.float64)


def _scaled(components: Components, factors: Sequence[float]) -> Components:
    """Components of other spreads, by a factor on each group of `SPREADS`."""
    changed = {
        name: getattr(components, name) * factor
        for names, factor in zip(SPREADS, factors, strict=True)
        for name in names
    }
    return replace(components, **changed)


def _alike_in_size(here: Conditions, there: Conditions) -> Floats:
    """Correlation of the sizes of different programs, shape (n, m)."""
    kind = here.kind[:, np.newaxis] == there.kind
    precision = here.precision[:, np.newaxis] == there.precision
    found: Floats = USER + SIMILAR * kind + SIMILAR * precision
    return found


def _likeness(here: Conditions, there: Conditions, shared: Components) -> _Likeness:
    same_device = here.device[:, np.newaxis] == there.device
    same_host = here.host[:, np.newaxis] == there.host
    alike = here.kind[:, np.newaxis] == there.kind
    same_program = alike & (here.programs[:, np.newaxis] == there.programs)
    same_program &= here.programs[:, np.newaxis] != ""
    connected = np.where(same_host, 1.0, shared.elsewhere)
    device = connected * np.where(same_device, 1.0, shared.portable)
    precision = device * (here.precision[:, np.newaxis] == there.precision)
    kind, both = device * alike, precision * alike
    family = kind * (here.families[:, np.newaxis] == there.families)
    family *= here.families[:, np.newaxis] != ""
    features = _bends(here.size, shared)[0] @ _bends(there.size, shared)[0].T
    program = same_program * device
    return _Likeness(
        device=device,
        precision=precision,
        kind=kind,
        family=family,
        both=both,
        size=both * _nearness(here.size, there.size, shared),
        trend=features * (device + kind),
        program=program,
        program_trend=features * program,
        shape=program * precision * _same_steps(here.size, there.size),
    )


def _covariance(
    likeness: _Likeness, here_sd: Floats, there_sd: Floats, shared: Components
) -> Floats:
    """Covariance of the model's errors between two sets of runs, shape (n, m).

    Where one is less sure than the other, the rest of its uncertainty is its own.
    """
    (of_here, inner_here), (of_there, inner_there) = map(shared.amplitudes, (here_sd, there_sd))
    common = _common(likeness, shared, tuple(LIKENESS))
    common *= np.outer(inner_here, inner_there)
    return common + np.outer(of_here, of_there) * likeness.device


LIKENESS = {
    **dict.fromkeys(("precision", "kind", "family", "both", "size", "shape")),
    "slope": "trend",
    "style": "program",
    "program_slope": "program_trend",
}
"""Component -> the likeness that it goes with, where that has another name."""


def _common(likeness: _Likeness, shared: Components, names: Sequence[str]) -> Floats:
    """Covariance of some components of the model's errors, the device's part aside."""
    common: Floats = np.zeros_like(likeness.device)
    for name in names:
        common += getattr(shared, name) ** 2 * getattr(likeness, LIKENESS[name] or name)
    return common


def _bent(size: Floats, shared: Components) -> Floats:
    """Mean square of what changes with the size of steps [1]."""
    mean, extra = _bends(size, shared)
    bent: Floats = np.sum(mean**2, axis=1) + extra
    return bent


def _own_variance(bent: Floats, prior_sd: Floats, shared: Components, *, whole_run: bool) -> Floats:
    """Variance of the error of each run before any is measured; `bent` is of its size."""
    of_device, inner = shared.amplitudes(prior_sd)
    trend = (2.0 * shared.slope**2 + shared.program_slope**2) * bent
    steady = shared.within - shared.run**2 + trend
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
