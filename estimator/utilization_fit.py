"""Which parameters of the utilization do published runs speak for: a maximum a posteriori fit.

Each parameter has a log-normal prior from physical reasoning; the data move it as far as they can.
The loss is the pseudo-Huber ("soft L1") loss, so that no single run pulls far, and runs of one
family share their weight: their errors are not independent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from estimator.uncertainty import Uncertain
from estimator.utilization import (
    PARAMETERS,
    Machine,
    Traits,
    UtilizationModel,
    log_utilization,
)

Floats = npt.NDArray[np.float64]
Residuals = Callable[[Floats], Floats]
Cut = TypeVar("Cut", Machine, Traits)

ERROR_SCALE = 0.3
"""Error of the logarithm beyond which a run counts as unusual [1]."""

FAMILY_EXPONENT = -0.25
"""Power of the family's size that weighs a run: between one vote a run and one a family [1]."""

STEPS = 60
"""Most steps of the fit; it stops when a step moves no parameter by more than 1e-9."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Published runs as arrays, all of one length.

    Parameters
    ----------
    flop, devices, device_hours : array
        Work [FLOP], devices [1] and device time [h] of each run.
    machine, traits
        Device and run, fields as arrays.
    family : sequence of str
        Runs of one family are held out together.
    """

    flop: Floats
    devices: Floats
    device_hours: Floats
    machine: Machine
    traits: Traits
    family: npt.NDArray[np.str_]

    def log_utilization(self) -> Floats:
        """Logarithm of the utilization that was reached [1]."""
        ideal_h = self.flop / self.machine.peak_flop_per_s / 3600.0
        return np.log(ideal_h / self.device_hours)

    def part(self, chosen: npt.NDArray[np.bool_]) -> "Runs":
        """Return the runs where `chosen` holds."""
        return Runs(
            flop=self.flop[chosen],
            devices=self.devices[chosen],
            device_hours=self.device_hours[chosen],
            machine=_cut(self.machine, chosen),
            traits=_cut(self.traits, chosen),
            family=self.family[chosen],
        )


def fitted_model(prior: Mapping[str, Uncertain], runs: Runs) -> UtilizationModel:
    """Parameters that the runs and the prior together make most likely.

    Parameters
    ----------
    prior : mapping of str to Uncertain
        Parameter -> median and spread expected before seeing any run.
    runs : Runs
        What was published.

    Returns
    -------
    UtilizationModel
    """
    centre = np.array([np.log(float(prior[name].mid)) for name in PARAMETERS])
    spread = np.array([float(prior[name].log_sd) for name in PARAMETERS])
    weight = family_weight(runs.family)
    seen = runs.log_utilization()

    def residuals(logs: Floats) -> Floats:
        model = model_of(logs)
        expected = log_utilization(
            model, runs.traits, runs.machine, flop=runs.flop, devices=runs.devices
        )
        return (expected - seen) * weight / ERROR_SCALE

    return model_of(_minimised(residuals, centre, spread))


def model_of(logs: Sequence[float] | Floats) -> UtilizationModel:
    """Parameters from their logarithms, in the order of `PARAMETERS`."""
    return UtilizationModel(**dict(zip(PARAMETERS, np.exp(logs).tolist(), strict=True)))


def family_weight(family: npt.NDArray[np.str_]) -> Floats:
    """Weight of each run by the size of its family [1]."""
    _, places, counts = np.unique(family, return_inverse=True, return_counts=True)
    return np.asarray(counts[places] ** FAMILY_EXPONENT, dtype=np.float64)


def _minimised(residuals: Residuals, centre: Floats, spread: Floats) -> Floats:
    """Levenberg-Marquardt on the soft-L1 loss of the residuals plus the prior."""
    logs, damping = centre.copy(), 1e-2
    error = residuals(logs)
    loss = _loss(error, (logs - centre) / spread)
    for _ in range(STEPS):
        jacobian = _jacobian(residuals, logs, error)
        soft = 1.0 / np.sqrt(1.0 + error**2)
        gradient = jacobian.T @ (soft * error) + (logs - centre) / spread**2
        curvature = (jacobian.T * soft) @ jacobian + np.diag(1.0 / spread**2)
        step = -np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), gradient)
        moved = logs + step
        moved_error = residuals(moved)
        moved_loss = _loss(moved_error, (moved - centre) / spread)
        if moved_loss < loss:
            logs, error, loss, damping = moved, moved_error, moved_loss, damping / 3
            if np.max(np.abs(step)) < 1e-9:
                break
        else:
            damping *= 5
    return logs


def _loss(error: Floats, pull: Floats) -> float:
    return float(2 * np.sum(np.sqrt(1 + error**2) - 1) + np.sum(pull**2))


def _jacobian(residuals: Residuals, logs: Floats, error: Floats, step: float = 1e-5) -> Floats:
    columns = []
    for place in range(len(logs)):
        moved = logs.copy()
        moved[place] += step
        columns.append((residuals(moved) - error) / step)
    return np.stack(columns, axis=1)


def _cut(item: Cut, chosen: npt.NDArray[np.bool_]) -> Cut:
    """Cut every array of a dataclass."""
    changed = {
        field.name: np.asarray(getattr(item, field.name))[chosen]
        for field in fields(item)
        if np.ndim(getattr(item, field.name))
    }
    return replace(item, **changed)
