"""Growth of parameters and paths with depth: L n^2 against n^L."""

from dataclasses import dataclass

import numpy as np

from estimator.core.uncertainty import Number


@dataclass(frozen=True, kw_only=True)
class PlainNetwork:
    """Fully connected network of L layers with n neurons.

    Parameters
    ----------
    layers, width : float or array
        L and n [1].
    """

    layers: Number
    width: Number

    def params(self) -> Number:
        """Return the number of weights between L layers, without biases [parameter]."""
        return (self.layers - 1) * self.width * self.width

    def log10_paths(self) -> Number:
        """Return the base-10 logarithm of the paths through one neuron per layer, n^L [1]."""
        return self.layers * np.log10(self.width)

    def forward_flop(self) -> Number:
        """Return the FLOPs of one pass on one example, with two per multiply-add [FLOP]."""
        return 2 * self.params()


def counted_paths(layers: int, width: int) -> int:
    """Count the paths exactly, as a product of matrices of ones.

    >>> counted_paths(3, 2), counted_paths(10, 100) == 100**10
    (8, True)
    """
    arriving = [1] * width
    for _ in range(layers - 1):
        arriving = [sum(arriving)] * width
    return sum(arriving)
