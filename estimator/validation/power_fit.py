"""Maximum a posteriori fit of five power parameters to metered runs.

Each parameter has a log-normal prior from physical reasoning. A measurement informs only what its
meter covers: device counters the load, a node meter also the host, counters of devices, CPU and
memory those parts. Pseudo-Huber loss; measurements of one family share their weight, as in the
utilization fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from estimator.core.power import odds_by_network
from estimator.core.rows import Floats, Texts
from estimator.core.uncertainty import Uncertain, uncertain

DEVICES, PARTS, NODE = "devices", "parts", "node"
"""Scope of a power meter: devices; devices, CPU and memory; or the whole node."""

ERROR_SCALE = 0.15
"""Log error beyond which a measurement is an outlier [1]."""

FAMILY_EXPONENT = -0.25
"""Exponent of a family's size in the weight of its measurements, between a vote each and a vote per
family.
"""

STEPS = 60
SMALLEST_STEP = 1e-9
SLOPE_STEP = 1e-5
"""Most iterations, convergence step, and finite-difference step [1]."""


@dataclass(frozen=True, kw_only=True)
class PowerModel:
    """Power parameters of GPUs and their nodes, all positive.

    Parameters
    ----------
    load : float
        Share of the way from idle to the power limit of a device that never waits [1].
    load_exponent : float
        Elasticity of the load to the share of the time that the device is busy [1].
    parts_share, host_share : float
        Power of CPU and memory, and of everything in the node except devices, over device power
        [1].
    waiting_params : float
        Network size at which device and host take equally long per sample, at `REFERENCE_PEAK` [1].
    """

    load: float
    load_exponent: float
    parts_share: float
    host_share: float
    waiting_params: float


PARAMETERS = tuple(field.name for field in fields(PowerModel))
"""Names of the parameters, in order."""


@dataclass(frozen=True, kw_only=True)
class Meters:
    """Measurements as arrays of one length.

    Parameters
    ----------
    idle_w, limit_w : array
        Idle power and power limit of the device [W].
    busy : array
        Busy share of the time [1]; NaN if the work is unknown.
    params, peak_flop_per_s : array
        Parameters of the network, NaN where unknown [1]; peak of the device [FLOP/s].
    run_odds : array
        Odds of being busy if neither work nor parameters are known [1].
    scope : array of str
        `DEVICES`, `PARTS` or `NODE`.
    measured_w : array
        Mean power per device [W].
    family : array of str
        Family; measurements of a family are held out together.
    """

    idle_w: Floats
    limit_w: Floats
    busy: Floats
    params: Floats
    peak_flop_per_s: Floats
    run_odds: Floats
    scope: Texts
    measured_w: Floats
    family: Texts


def expected_power(model: PowerModel, meters: Meters) -> Floats:
    """Return the mean power per device as seen by each meter [W].

    Parameters
    ----------
    model : PowerModel
    meters : Meters
        Meters; `measured_w` and `family` are ignored.

    Returns
    -------
    array of shape (n,) [W]
    """
    waiting = uncertain(model.waiting_params)
    by_size = odds_by_network(meters.params, meters.peak_flop_per_s, waiting).mid
    odds = np.where(np.isnan(meters.params), meters.run_odds, by_size)
    busy = np.where(np.isnan(meters.busy), odds / (1.0 + odds), np.minimum(meters.busy, 1.0))
    load = np.minimum(model.load * busy**model.load_exponent, 1.0)
    device = meters.idle_w + load * (meters.limit_w - meters.idle_w)
    beside = {DEVICES: 0.0, PARTS: model.parts_share, NODE: model.host_share}
    return np.asarray(device * (1.0 + np.array([beside[one] for one in meters.scope.tolist()])))


def fitted_power(prior: Mapping[str, Uncertain], meters: Meters) -> PowerModel:
    """Fit the maximum a posteriori power parameters.

    Parameters
    ----------
    prior : mapping of str to Uncertain
        Prior median and spread of each parameter.
    meters : Meters
        Measurements.

    Returns
    -------
    PowerModel
    """
    centre = np.array([np.log(float(prior[name].mid)) for name in PARAMETERS])
    precision = np.array([float(prior[name].log_sd) ** -2.0 for name in PARAMETERS])
    weight = _weight(meters.family) / ERROR_SCALE

    def errors(logs: Floats) -> Floats:
        return np.asarray(
            np.log(expected_power(_model_of(logs), meters) / meters.measured_w) * weight
        )

    logs = centre
    for _ in range(STEPS):
        error = errors(logs)
        moves = SLOPE_STEP * np.eye(len(logs))
        slopes = np.array(
            [(errors(logs + move) - errors(logs - move)) / (2 * SLOPE_STEP) for move in moves]
        )
        soft = 1.0 / np.sqrt(1.0 + error**2)
        gradient = slopes @ (soft * error) + precision * (logs - centre)
        curvature = (slopes * soft) @ slopes.T + np.diag(precision)
        step = np.asarray(np.linalg.solve(curvature, -gradient))
        logs = logs + step
        if np.max(np.abs(step)) < SMALLEST_STEP:
            break
    return _model_of(logs)


def _model_of(logs: Floats) -> PowerModel:
    return PowerModel(**dict(zip(PARAMETERS, np.exp(logs).tolist(), strict=True)))


def _weight(family: Texts) -> Floats:
    """Return each measurement's weight, by the size of its family [1]."""
    _, places, counts = np.unique(family, return_inverse=True, return_counts=True)
    return np.asarray(counts[places] ** FAMILY_EXPONENT, dtype=np.float64)
