"""Variance components of the model's errors."""

from dataclasses import dataclass

import numpy as np

from estimator.calibration.conditions import Floats, step_size

USUAL_SHARE = 0.3
"""Typical utilization of a step if nothing else is known [1]."""

LEAST_DEVICE_SHARE = 0.1
"""Least share of the prior's variance attributed to the device [1]."""


@dataclass(frozen=True, kw_only=True)
class Components:
    """Standard deviations of the error components, in the logarithm.

    The device component is the remainder of the prior's variance.

    Parameters
    ----------
    family : float
        Of one family of networks; of one kind, where no family is named [1].
    style : float
        Of one program: how it is written, its widths and depths, its number format [1].
    run : float
        Of no other run [1].
    elsewhere : float
        Share of what a run tells on the same host that it tells on another one [1].
    portable : float
        Share of what a run tells on one device that it tells on another one [1]: how programs are
        written and what runs them goes with them, the device does not.
    slope, family_slope : float
        Change of the error with the logarithm of the size where steps are small, of the device and
        of one family of networks [1]. It ends by `SATURATED_S`.
    usual_slope : float
        What that change is expected to be before any run was measured: small steps reach less [1].
    step_sd : float
        Between two measurements of the same steps [1].
    usual_step_s, usual_step_sd : float
        Median time of the steps that people run [s], and the standard deviation of its logarithm
        [1]: what an unspecified size may be.
    usual_perceptron_s, usual_transformer_s : float, optional
        The median of perceptrons, and of decoders and other transformers, where it is another [s].
    usual_steps, usual_steps_sd : float, optional
        Median number of steps of a whole run, and the standard deviation of its logarithm [1].
    level, level_sd : float, optional
        Expected value of devices of which published runs say nothing, in the format in which sizes
        are counted, and the standard deviation of its logarithm [1]; None where the prior of each
        run is used.
    """

    family: float
    style: float
    run: float
    elsewhere: float
    portable: float
    slope: float
    step_sd: float
    usual_step_s: float
    usual_step_sd: float
    family_slope: float = 0.0
    usual_slope: float = 0.0
    usual_perceptron_s: float | None = None
    usual_transformer_s: float | None = None
    usual_steps: float | None = None
    usual_steps_sd: float | None = None
    level: float | None = None
    level_sd: float | None = None

    @property
    def within(self) -> float:
        """Variance between runs on one device [1]."""
        return self.family**2 + self.style**2 + self.run**2

    @property
    def usual_size(self) -> float:
        """Log size of a typical step [1]."""
        return float(step_size(USUAL_SHARE * self.usual_step_s))

    def prior(self, log_prior: Floats, prior_sd: Floats, speed: Floats) -> tuple[Floats, Floats]:
        """Return the mean and standard deviation of the log ratio before calibration [1].

        Time outside matrix products does not depend on the format (Amdahl's law), so formats with
        higher peaks reach less of them; `speed` is the log of their ratio to the reference peak.
        """
        if self.level is None or self.level_sd is None:
            return log_prior, prior_sd
        expected: Floats = -np.log1p((1.0 / self.level - 1.0) * np.exp(speed))
        return expected, np.full(len(log_prior), self.level_sd)

    def amplitudes(self, prior_sd: Floats) -> tuple[Floats, Floats]:
        """Return the device component's standard deviation [1], and a factor on all others [1]."""
        whole = prior_sd**2
        room = (1.0 - LEAST_DEVICE_SHARE) * whole
        inner = np.minimum(1.0, np.sqrt(room / self.within)) if self.within else np.ones(len(room))
        return np.sqrt(whole - inner**2 * self.within), inner
