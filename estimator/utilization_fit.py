"""Which parameters of the utilization do published runs speak for: a maximum a posteriori fit.

Each parameter has a log-normal prior from physical reasoning; the data move it as far as they can.
The loss is the pseudo-Huber ("soft L1") loss, so that no single run pulls far, and runs of one
family share their weight: their errors are not independent. Rows of a table of steady throughput
share the weight of a single run, for one hand made them on one machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from estimator.layout import Layout, Machine
from estimator.uncertainty import Number, Uncertain
from estimator.utilization import (
    PARAMETERS,
    Traits,
    UtilizationModel,
    log_utilization,
)

Floats = npt.NDArray[np.float64]
Residuals = Callable[[Floats], Floats]
Cut = TypeVar("Cut", Layout, Machine, Traits)

ERROR_SCALE = 0.2
"""Error of the logarithm beyond which a run counts as unusual [1]."""

FAMILY_EXPONENT = -0.25
"""Power of the family's size that weighs a run: between one vote a run and one a family [1]."""

TABLE_EXPONENT = -0.5
"""The same for rows of tables: one vote a family [1]."""

STEPS = 60
SMALLEST_STEP = 1e-9
"""Most steps of the fit; it stops where a step would move no parameter by more than this."""

SLOPE_STEP = 1e-5
"""Step of the differences that stand for derivatives [1]."""

DAMPING = 1e-2
"""Share by which the curvature is first raised, to keep a step short [1]."""

ROUNDING = 1e-12
"""Growth of the loss that is rounding, and no step in the wrong direction [1]."""


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


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Where a fit ended: where one to almost the same runs can start.

    Parameters
    ----------
    logs : array of shape (n,)
        Logarithms of the parameters, in the order of `PARAMETERS` [1].
    curvature : array of shape (n, n)
        Second derivatives of half the loss there, roughly [1].
    """

    logs: Floats
    curvature: Floats

    @property
    def model(self) -> UtilizationModel:
        """The parameters themselves."""
        return model_of(self.logs.tolist())


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
    return fit(prior, runs).model


def fit(prior: Mapping[str, Uncertain], runs: Runs, start: Fit | None = None) -> Fit:
    """Fit like `fitted_model`, from the end of a fit to almost the same runs if there is one."""
    centre = np.array([np.log(float(prior[name].mid)) for name in PARAMETERS])
    spread = np.array([float(prior[name].log_sd) for name in PARAMETERS])
    weight = row_weight(runs) / ERROR_SCALE
    seen = runs.log_utilization()

    def residuals(logs: Floats) -> Floats:
        expected = log_utilization(
            model_of(logs), runs.traits, runs.machine, flop=runs.flop, devices=runs.devices
        )
        return np.asarray((expected - seen) * weight, dtype=np.float64)

    return _minimised(_Objective(residuals=residuals, centre=centre, spread=spread), start)


def model_of(logs: Floats | Sequence[float]) -> UtilizationModel:
    """Parameters from their logarithms, in the order of `PARAMETERS`; columns of shape (n, 1)."""
    return UtilizationModel(**dict(zip(PARAMETERS, np.exp(logs), strict=True)))


def row_weight(runs: Runs) -> Floats:
    """Weight of each run or row of a table, by the size of its family among its like [1]."""
    steady = np.broadcast_to(np.asarray(runs.traits.steady) > 0, runs.flop.shape)
    weight = np.empty(len(runs.flop))
    for like, exponent in ((~steady, FAMILY_EXPONENT), (steady, TABLE_EXPONENT)):
        _, places, counts = np.unique(runs.family[like], return_inverse=True, return_counts=True)
        weight[like] = counts[places] ** exponent
    return weight


def joined(runs: Runs, more: Runs) -> Runs:
    """Return the runs of both, the first first."""
    sizes = len(runs.flop), len(more.flop)
    return Runs(
        flop=np.concatenate([runs.flop, more.flop]),
        devices=np.concatenate([runs.devices, more.devices]),
        device_hours=np.concatenate([runs.device_hours, more.device_hours]),
        machine=_joined(runs.machine, more.machine, sizes),
        traits=_joined(runs.traits, more.traits, sizes),
        family=np.concatenate([runs.family, more.family]),
    )


@dataclass(frozen=True, kw_only=True)
class _Objective:
    """The soft-L1 loss of the residuals plus the prior, with its slopes by central differences."""

    residuals: Residuals
    centre: Floats
    spread: Floats

    def loss(self, logs: Floats) -> float:
        error, pull = self.residuals(logs), (logs - self.centre) / self.spread
        return float(2 * np.sum(np.sqrt(1 + error**2) - 1) + np.sum(pull**2))

    def slopes(self, logs: Floats) -> tuple[Floats, Floats]:
        """Half the gradient, and the curvature of the residuals taken as straight lines."""
        moves = SLOPE_STEP * np.eye(len(logs))
        sides = np.concatenate([logs + moves, logs - moves]).T[:, :, np.newaxis]
        ahead, behind = np.split(self.residuals(sides), 2)
        jacobian = (ahead - behind) / (2 * SLOPE_STEP)
        error = self.residuals(logs)
        soft = 1.0 / np.sqrt(1.0 + error**2)
        gradient: Floats = jacobian @ (soft * error) + (logs - self.centre) / self.spread**2
        straight: Floats = (jacobian * soft) @ jacobian.T + np.diag(1.0 / self.spread**2)
        return gradient, straight


def _minimised(objective: _Objective, start: Fit | None) -> Fit:
    """Damped quasi-Newton steps; the curvature learns from the gradients on the way (BFGS)."""
    logs = objective.centre if start is None else start.logs
    damping = DAMPING if start is None else 0.0
    loss = objective.loss(logs)
    gradient, straight = objective.slopes(logs)
    curvature = straight if start is None else start.curvature
    for _ in range(STEPS):
        raised = curvature + damping * np.diag(np.diag(curvature))
        step = np.asarray(np.linalg.solve(raised, -gradient), dtype=np.float64)
        if np.max(np.abs(step)) < SMALLEST_STEP:
            break
        moved_loss = objective.loss(logs + step)
        if moved_loss > loss + ROUNDING:
            damping = max(5 * damping, DAMPING)
            continue
        logs, loss, damping = logs + step, moved_loss, damping / 3
        before, (gradient, _) = gradient, objective.slopes(logs)
        curvature = _learned(curvature, step, gradient - before)
    return Fit(logs=logs, curvature=curvature)


def _learned(curvature: Floats, step: Floats, change: Floats) -> Floats:
    """Curvature that explains how a step changed the gradient, where it bends upwards."""
    if change @ step <= 0:
        return curvature
    along = curvature @ step
    learned: Floats = (
        curvature
        - np.outer(along, along) / (step @ along)
        + np.outer(change, change) / (change @ step)
    )
    return learned


def _cut(item: Cut, chosen: npt.NDArray[np.bool_]) -> Cut:
    """Cut every array of a dataclass."""
    return _each(item, item, lambda value, _: value[chosen] if np.ndim(value) else value)


def _joined(one: Cut, other: Cut, sizes: tuple[int, int]) -> Cut:
    """Join every field of two dataclasses as arrays."""

    def both(value: Number, more: Number) -> Number:
        parts = np.broadcast_to(value, sizes[0]), np.broadcast_to(more, sizes[1])
        return np.concatenate(parts)

    return _each(one, other, both)


def _each(one: Cut, other: Cut, change: Callable[[Any, Any], Number]) -> Cut:
    """Change every number of a dataclass, those of a layout inside it, too."""
    changed: dict[str, Any] = {}
    for field in fields(one):
        pair = getattr(one, field.name), getattr(other, field.name)
        inside = isinstance(pair[0], Layout)
        changed[field.name] = _each(*pair, change) if inside else change(*pair)
    return replace(one, **changed)
