"""Gradient through depth: its bound from products of norms, and its actual size.

    ||dL/dx_0|| <= ||dL/dx_L|| prod_l c_l c_sigma                plain
    ||dL/dx_0|| <= ||dL/dx_L|| prod_l (1 + c_l c_sigma)          with residual connections

c_l is the largest singular value of the weights of layer l, c_sigma the steepest slope of the
activation function.
"""

import numpy as np

from estimator.core.rows import Floats
from estimator.core.uncertainty import Number

SLOPES = {"logistic": 0.25, "tanh": 1.0, "relu": 1.0}
"""Activation function -> its steepest slope [1]."""


def log10_bound(layers: Number, norm: float, slope: float, *, residual: bool = False) -> Number:
    """Return the base-10 logarithm of the gradient bound after some equal layers [1].

    >>> round(float(log10_bound(10, norm=2.0, slope=0.25)), 2)
    -3.01
    """
    gain = norm * slope
    bound: Number = layers * np.log10(1 + gain if residual else gain)
    return bound


def simulated_gradient(
    layers: int, width: int, *, residual: bool = False, gain: float = 1.0, seed: int = 0
) -> tuple[float, float]:
    """Propagate a gradient back through a random logistic network, and compare with its bound.

    Weights are normal with variance gain^2 / n; the initial gradient has norm 1.

    Parameters
    ----------
    layers, width : int
        L and n [1].
    residual : bool
        Whether each layer adds to its input.
    gain : float
        Scale of the weights [1].
    seed : int
        Of the random numbers.

    Returns
    -------
    tuple of float
        Norm of the gradient at the input, and the bound [1].
    """
    random = np.random.default_rng(seed)
    weights = random.normal(0.0, gain / np.sqrt(width), (layers, width, width))
    slopes = _slopes(weights, random.normal(size=width), residual=residual)
    gradient = random.normal(size=width)
    gradient /= np.linalg.norm(gradient)
    bound = 1.0
    for matrix, slope in zip(weights[::-1], slopes[::-1], strict=True):
        through = matrix.T @ (slope * gradient)
        gradient = gradient + through if residual else through
        step = float(np.linalg.norm(matrix, 2)) * SLOPES["logistic"]
        bound *= 1 + step if residual else step
    return float(np.linalg.norm(gradient)), bound


def _slopes(weights: Floats, state: Floats, *, residual: bool) -> Floats:
    """Return the slope of the logistic function at each neuron of each layer."""
    found = []
    for matrix in weights:
        out = 1 / (1 + np.exp(-matrix @ state))
        found.append(out * (1 - out))
        state = state + out if residual else out
    return np.array(found)
