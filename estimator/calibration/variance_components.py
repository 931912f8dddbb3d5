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
        Component of one family of networks, or of one kind if no family is named [1].
    style : float
        Component of one program: code, widths and depths, number format [1].
    run : float
        Component of one run only [1].
    elsewhere : float
        Share of a run's information that carries over to another host [1].
    portable : float
        Share of a run's information that carries over to another device [1]: code and software stay
        the same, the device does not.
    user : float
        Component that all users' programs share and benchmarks lack [1].
    slope : float
        Change of the error with log size for small steps [1]. It ends by `SATURATED_S`.
    step_sd : float
        Standard deviation between repeated measurements of the same steps [1].
    usual_step_s, usual_step_sd : float
        Median time of typical steps [s], and its log standard deviation [1]; the prior of an
        unspecified size.
    usual_steps, usual_steps_sd : float, optional
        Median number of steps in a run, and its log standard deviation [1].
    """

    family: float
    style: float
    run: float
    elsewhere: float
    portable: float
    step_sd: float
    usual_step_s: float
    usual_step_sd: float
    slope: float = 0.0
    user: float = 0.0
    usual_steps: float | None = None
    usual_steps_sd: float | None = None

    @property
    def within(self) -> float:
        """Variance between runs on one device [1]."""
        return self.family**2 + self.style**2 + self.run**2

    @property
    def usual_size(self) -> float:
        """Log size of a typical step [1]."""
        return float(step_size(USUAL_SHARE * self.usual_step_s))

    def amplitudes(self, prior_sd: Floats) -> tuple[Floats, Floats]:
        """Return the device component's standard deviation [1], and a factor on all others [1]."""
        whole = prior_sd**2
        room = (1.0 - LEAST_DEVICE_SHARE) * whole
        inner = np.minimum(1.0, np.sqrt(room / self.within)) if self.within else np.ones(len(room))
        return np.sqrt(whole - inner**2 * self.within), inner
