"""Of which parts are the model's errors made, and how large is each: variance components."""

from dataclasses import dataclass

import numpy as np

from estimator.calibration.conditions import Floats, step_size

USUAL_SHARE = 0.3
"""Share of the peak that steps of usual size reach, roughly, where nothing tells it [1]."""

LEAST_DEVICE_SHARE = 0.1
"""Share of the prior's variance that is at least the device's own [1]."""


@dataclass(frozen=True, kw_only=True)
class Components:
    """Standard deviations of the parts of the model's errors, in the logarithm.

    The part of the device is what these leave of the variance that the prior states.

    Parameters
    ----------
    precision, kind, both : float
        Of runs in one number format, of one kind of network, of one family in one format [1].
    family : float
        Of one family of networks; of one kind, where none is named [1].
    size : float
        Of those of one family and format whose steps are of about the same size [1].
    shape : float
        Of one program at one size: its widths and depths [1].
    style : float
        Of one program: how it is written [1].
    beside : float, optional
        Of one program of a user, and of none of the benchmark: what it does beside its network,
        such as loading data, drawing samples and keeping averages [1].
    own : float, optional
        Of all programs of a user, and of none of the benchmark: both are not timed in the same
        minutes, and people's programs have in common what a benchmark lacks [1].
    run : float
        Of no other run [1].
    elsewhere : float
        Share of what a run tells on the same host that it tells on another one [1].
    portable : float
        Share of what a run tells on one device that it tells on another one [1]: how programs are
        written and what runs them goes with them, the device does not.
    slope : float
        Change of the error with the logarithm of the size where steps are small, of the device [1].
        It ends by `SATURATED_S`.
    usual_slope : float
        What that change is expected to be before any run was measured: small steps reach less [1].
    program_slope : float
        The same of one program beside its family: its own fixed costs [1].
    precision_slope : float
        The same of one number format: casts between formats cost the same at every peak [1].
    family_slope : float
        The same of one family of networks [1].
    beside_slope : float
        The same of what one program of a user does beside its network: that takes a time of its
        own, however little the work of the step [1].
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
    usual_slope: float = 0.0
    precision_slope: float = 0.0
    family_slope: float = 0.0
    beside_slope: float = 0.0
    shape: float = 0.0
    family: float = 0.0
    beside: float = 0.0
    own: float = 0.0
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
        by_network = self.precision**2 + self.kind**2 + self.family**2 + self.both**2
        by_program = self.shape**2 + self.style**2 + self.beside**2 + self.own**2
        return by_network + self.size**2 + by_program + self.run**2

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
