"""Power of a device implied by the counters and samples of measured runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from estimator.calibration.conditions import Conditions
from estimator.calibration.gaussian_process import Evidence
from estimator.calibration.measured_utilization import (
    UNKNOWN_SIZE,
    CalibrationObservation,
    network_group,
    text_array,
)
from estimator.calibration.variance_components import Components
from estimator.catalog import Device
from estimator.core.uncertainty import Uncertain
from estimator.runs.observations import is_of_steps


@dataclass(frozen=True, kw_only=True)
class PowerObservation(CalibrationObservation):
    """Merged measurements of a device's power under load.

    Parameters
    ----------
    expected_w : Uncertain
        Power that the prior expected at the measured utilization [W].
    """

    power_w: float
    expected_w: Uncertain


def power_observations(
    found: Sequence[CalibrationObservation], expected_w: Callable[[float], Uncertain | None]
) -> list[PowerObservation]:
    """Return power observations from the runs that timed a device, without modelled power.

    Parameters
    ----------
    expected_w : callable
        Function from busy share to the expected power [W], or None.
    """
    metered = [one for one in found if one.power_w is not None]
    expected = [expected_w(one.reached / one.ahead) for one in metered]
    return [
        PowerObservation(**vars(one), expected_w=power)
        for one, power in zip(metered, expected, strict=True)
        if power is not None and power.loadings
    ]


def power_evidence_of(
    found: Sequence[PowerObservation], device: Device, components: Components
) -> Evidence:
    """Return the power observations as arrays for the fit."""
    runs = np.array([one.runs for one in found], dtype=float)
    whole = np.array([not is_of_steps(one.timing) for one in found], dtype=bool)
    own = components.step_sd**2 + np.where(whole, components.run**2, 0.0)
    noise_sd = np.array([one.noise_sd for one in found], dtype=float)
    return Evidence(
        where=Conditions(
            device=text_array(device.id for _ in found),
            host=text_array(one.host for one in found),
            precision=text_array(one.timing.precision or "" for one in found),
            kind=text_array(network_group(one.timing.kind, one.timing.arch) for one in found),
            size=np.full(len(found), UNKNOWN_SIZE),
        ),
        log_ratio=np.array(
            [np.log(one.power_w / one.expected_w.mid) for one in found], dtype=float
        ),
        prior_sd=np.array([float(one.expected_w.log_sd) for one in found], dtype=float),
        noise_sd=np.sqrt(noise_sd**2 + own / runs),
        components=components,
    )
