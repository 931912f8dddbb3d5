"""Maximum a posteriori fit of utilization parameters to published runs.

Each parameter has a log-normal prior from physical reasoning. The pseudo-Huber ("soft L1") loss
limits the influence of single runs, and runs of one family share their weight, as their errors are
correlated. Rows of a throughput table share the weight of a single run, as they come from one team
and machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np

from estimator.core.rows import Floats, Texts
from estimator.core.uncertainty import Uncertain
from estimator.core.units import S_PER_H
from estimator.training.launches import UsualSteps
from estimator.training.mechanism import (
    PARAMETERS,
    RunFeatures,
    UtilizationModel,
    log_utilization,
)
from estimator.training.parallelism import TrainingLayout, TrainingMachine

Residuals = Callable[[Floats], Floats]
Part = TypeVar("Part", "PublishedArrays", TrainingLayout, TrainingMachine, RunFeatures, UsualSteps)

ERROR_SCALE = 0.25
"""Log error beyond which a run is an outlier [1]."""

FAMILY_EXPONENT = -0.25
"""Exponent of a family's size in the weight of its runs, between a vote per run and a vote per
family [1].
"""

TABLE_EXPONENT = -0.5
"""Same exponent for table rows: a vote per family [1]."""

VALUES = "_values"
"""Suffix of parameters that count values moved per FLOP, one per network kind."""

SMALLEST_SCALE = 0.1
"""Least scale of their prior variance [1]."""

STEPS = 60
SMALLEST_GAIN = 1e-3
"""Most iterations, and loss decrease below which the fit stops."""

SLOPE_STEP = 1e-6
"""Finite-difference step [1]."""

DAMPING = 1e-2
"""Initial damping of the curvature [1]."""


@dataclass(frozen=True, kw_only=True)
class PublishedArrays:
    """Published runs as arrays of one length.

    Parameters
    ----------
    flop, devices, device_hours : array
        Work [FLOP], devices [1] and device time [h] of each run.
    machine, features
        Device and run, with arrays as fields.
    family : array of str
        Family: model line, or submitter and device; held out together.
    stack : array of str
        Stack: benchmark, software collection or model line; held out together in the stricter
        score.
    """

    flop: Floats
    devices: Floats
    device_hours: Floats
    machine: TrainingMachine
    features: RunFeatures
    family: Texts
    stack: Texts

    @property
    def kin(self) -> Texts:
        """Groups of runs with correlated errors, which share their weight."""
        is_benchmark = np.char.startswith(self.stack, "mlperf ")
        return np.where(is_benchmark, self.stack, self.family)

    def log_utilization(self) -> Floats:
        """Log of the reported utilization [1]."""
        ideal_h = self.flop / self.machine.peak_flop_per_s / S_PER_H
        return np.log(ideal_h / self.device_hours)


def fitted_model(prior: Mapping[str, Uncertain], runs: PublishedArrays) -> UtilizationModel:
    """Fit the maximum a posteriori parameters to some runs.

    Parameters
    ----------
    prior : mapping of str to Uncertain
        Prior median and spread of each parameter.
    runs : PublishedArrays
        Published runs.

    Returns
    -------
    UtilizationModel
    """
    return model_of(fitted_logs(prior, runs).tolist())


def fitted_logs(
    prior: Mapping[str, Uncertain], runs: PublishedArrays, start: Floats | None = None
) -> Floats:
    """Return the logarithms of the fitted parameters, in the order of `PARAMETERS` [1].

    `start` is a starting point from a similar fit, to save time.
    """
    return _minimised(_objective(prior, runs), start)


def parameter_covariance(
    prior: Mapping[str, Uncertain], runs: PublishedArrays, logs: Floats
) -> Floats:
    """Return the covariance of the log parameters at the end of a fit [1]_: the inverse curvature.

    A parameter without informative runs keeps its prior variance. The prior variance of values
    moved per FLOP is scaled by the network kinds that the runs do inform.

    References
    ----------
    .. [1] D. MacKay, "Information theory, inference, and learning algorithms", 2003, ch. 27:
       Laplace's method.
    """
    objective = _objective(prior, runs)
    _, curvature = objective.slopes(logs)
    known = 1.0 - np.diag(np.linalg.inv(curvature)) / objective.spread**2
    of_values = np.array([name.endswith(VALUES) for name in PARAMETERS])
    off = ((logs - objective.centre) / objective.spread) ** 2
    scale = np.sum((known * off)[of_values]) / max(np.sum(known[of_values]), 1.0)
    rescaled = np.where(of_values, 1.0 / max(scale, SMALLEST_SCALE) - 1.0, 0.0)
    curvature += np.diag(rescaled / objective.spread**2)
    return np.asarray(np.linalg.inv(curvature), dtype=np.float64)


def prediction_variance(runs: PublishedArrays, logs: Floats, covariance: Floats) -> Floats:
    """Return the variance of log utilization due to parameter uncertainty [1]."""
    moved = logs + SLOPE_STEP * np.eye(len(logs), len(logs) + 1).T
    *ahead, there = _expected(moved.T[:, :, np.newaxis], runs)
    jacobian = (np.array(ahead) - there) / SLOPE_STEP
    return np.asarray(np.sum(jacobian * (covariance @ jacobian), axis=0), dtype=np.float64)


def _expected(logs: Floats, runs: PublishedArrays) -> Floats:
    """Log utilization for given parameters [1]."""
    expected = log_utilization(
        model_of(logs), runs.features, runs.machine, flop=runs.flop, devices=runs.devices
    )
    return np.asarray(expected, dtype=np.float64)


def _objective(prior: Mapping[str, Uncertain], runs: PublishedArrays) -> "_Objective":
    centre = np.array([np.log(float(prior[name].mid)) for name in PARAMETERS])
    spread = np.array([float(prior[name].log_sd) for name in PARAMETERS])
    weight = row_weight(runs) / ERROR_SCALE
    seen = runs.log_utilization()

    def residuals(logs: Floats) -> Floats:
        return np.asarray((_expected(logs, runs) - seen) * weight, dtype=np.float64)

    return _Objective(residuals=residuals, centre=centre, spread=spread)


def model_of(logs: Floats | Sequence[float]) -> UtilizationModel:
    """Convert log parameters, in the order of `PARAMETERS`, with columns of shape (n, 1)."""
    return UtilizationModel(**dict(zip(PARAMETERS, np.exp(logs), strict=True)))


def row_weight(runs: PublishedArrays) -> Floats:
    """Return the weight of each run or table row, by the size of its family [1]."""
    steady = np.broadcast_to(np.asarray(runs.features.steady) > 0, runs.flop.shape)
    weight = np.empty(len(runs.flop))
    for like, exponent in ((~steady, FAMILY_EXPONENT), (steady, TABLE_EXPONENT)):
        _, places, counts = np.unique(runs.kin[like], return_inverse=True, return_counts=True)
        weight[like] = counts[places] ** exponent
    return weight


def concatenate_runs(runs: PublishedArrays, more: PublishedArrays) -> PublishedArrays:
    """Concatenate two sets of runs."""
    return _join_fields(runs, more, (len(runs.flop), len(more.flop)))


def _join_fields(one: Part, other: Part, sizes: tuple[int, int]) -> Part:
    """Concatenate all array fields of two dataclasses, recursively."""
    changed: dict[str, Any] = {}
    for field in fields(one):
        pair = getattr(one, field.name), getattr(other, field.name)
        if is_dataclass(pair[0]):
            changed[field.name] = _join_fields(*pair, sizes)
        else:
            changed[field.name] = np.concatenate(list(map(np.broadcast_to, pair, sizes)))
    return replace(one, **changed)


@dataclass(frozen=True, kw_only=True)
class _Objective:
    """Soft-L1 loss of the residuals plus the prior, with finite-difference derivatives."""

    residuals: Residuals
    centre: Floats
    spread: Floats

    def loss(self, logs: Floats) -> float:
        error, pull = self.residuals(logs), (logs - self.centre) / self.spread
        return float(2 * np.sum(np.sqrt(1 + error**2) - 1) + np.sum(pull**2))

    def slopes(self, logs: Floats) -> tuple[Floats, Floats]:
        """Return half the gradient, and the Gauss-Newton curvature."""
        moved = logs + SLOPE_STEP * np.eye(len(logs), len(logs) + 1).T
        *ahead, error = self.residuals(moved.T[:, :, np.newaxis])
        jacobian = (np.array(ahead) - error) / SLOPE_STEP
        soft = 1.0 / np.sqrt(1.0 + error**2)
        gradient: Floats = jacobian @ (soft * error) + (logs - self.centre) / self.spread**2
        straight: Floats = (jacobian * soft) @ jacobian.T + np.diag(1.0 / self.spread**2)
        return gradient, straight


def _minimised(objective: _Objective, start: Floats | None) -> Floats:
    """Minimize a loss by damped Gauss-Newton steps (Levenberg-Marquardt)."""
    logs = objective.centre if start is None else start
    damping, loss = DAMPING, objective.loss(logs)
    for _ in range(STEPS):
        gradient, curvature = objective.slopes(logs)
        step, moved_loss, damping = _step_down(objective, logs, (gradient, curvature), damping)
        if loss - moved_loss < SMALLEST_GAIN:
            break
        logs, loss = logs + step, moved_loss
    return logs


def _step_down(
    objective: _Objective, logs: Floats, slopes: tuple[Floats, Floats], damping: float
) -> tuple[Floats, float, float]:
    """Find a step that lowers the loss; return it with its loss and the next damping."""
    gradient, curvature = slopes
    loss = objective.loss(logs)
    for _ in range(STEPS):
        raised = curvature + damping * np.diag(np.diag(curvature))
        step = np.asarray(np.linalg.solve(raised, -gradient), dtype=np.float64)
        moved_loss = objective.loss(logs + step)
        if moved_loss <= loss:
            return step, moved_loss, damping / 4
        damping *= 5
    return np.zeros_like(logs), loss, damping
