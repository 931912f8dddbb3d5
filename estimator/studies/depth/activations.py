"""Stored activations with L, sqrt(L) or one checkpoint, and the cost of recomputation."""

from dataclasses import dataclass

import numpy as np

from estimator.core.uncertainty import Number

FORWARD_SHARE = 1.0 / 3.0
"""Forward pass over the training compute of a step [1]; the backward pass equals two."""


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Activation storage scheme.

    Parameters
    ----------
    name : str
        For people.
    layers_stored : float or array
        Layers whose activations are in memory at once [1].
    forward_passes : float or array
        Forward passes of a step, the first included [1].
    """

    name: str
    layers_stored: Number
    forward_passes: Number

    def compute_factor(self) -> Number:
        """Compute of a step relative to storing all activations [1]."""
        return 1 + (self.forward_passes - 1) * FORWARD_SHARE

    def memory_bytes(self, layer_bytes: Number) -> Number:
        """Return the memory of the activations [B]."""
        return self.layers_stored * layer_bytes


def everything(layers: Number) -> Storage:
    """Store the activations of every layer: O(L)."""
    return Storage(name="everything stored", layers_stored=layers, forward_passes=1.0)


def checkpoints(layers: Number) -> Storage:
    """Store every sqrt(L)-th layer and recompute segments on demand: O(sqrt L).

    T. Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, arXiv:1604.06174.

    >>> kept = checkpoints(100.0)
    >>> float(kept.layers_stored), round(float(kept.compute_factor()), 3)
    (20.0, 1.333)
    """
    root = np.ceil(np.sqrt(layers))
    return Storage(
        name="checkpoints",
        layers_stored=root + np.ceil(layers / root),
        forward_passes=np.where(np.asarray(layers) > 1, 2.0, 1.0)[()],
    )


def reversed_in_time(layers: Number) -> Storage:
    """Store only the last state and run the network backwards: O(1), as for an ODE.

    R. T. Q. Chen et al., "Neural Ordinary Differential Equations", 2018, arXiv:1806.07366: state
    and adjoint are integrated backwards, with one more evaluation per step. For stiff equations the
    backward path drifts from the forward path.
    """
    once = np.ones_like(np.asarray(layers, dtype=np.float64))[()]
    return Storage(name="run backwards", layers_stored=once, forward_passes=2.0)


def retraced_error(layers: int) -> float:
    """Return the relative error of an ODE network's input after Euler steps forward and back [1].

    The state x' = tanh(W x) is integrated over unit time and back; more layers mean smaller steps
    and a smaller error.

    >>> retraced_error(1000) < retraced_error(100) < retraced_error(10)
    True
    """
    random = np.random.default_rng(0)
    matrix = random.normal(0.0, 1.0 / np.sqrt(16), (16, 16))
    start = random.normal(size=16)
    state, step = start, 1.0 / layers
    for _ in range(layers):
        state = state + step * np.tanh(matrix @ state)
    for _ in range(layers):
        state = state - step * np.tanh(matrix @ state)
    return float(np.linalg.norm(state - start) / np.linalg.norm(start))
