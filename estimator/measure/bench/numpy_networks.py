"""Networks in numpy: convolutions as unfolded products, an LSTM through time.

Each function returns a training step on fixed data, which returns its loss; all in single precision
with plain gradient descent.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Step = Callable[[], float]

RATE = np.float32(1e-2)
"""Learning rate [1]."""

EDGE = 3
"""Edge of a convolution kernel [pixel]."""


def convolution_flop(*, channels: int, edge: int, batch: int) -> float:
    """FLOPs of one training step of the two convolutions [FLOP].

    The first has no input gradient.

    >>> convolution_flop(channels=1, edge=5, batch=1)
    1026.0
    """
    first, second = (edge - 2) ** 2, (edge - 4) ** 2
    weights = 2 * first * 3 * EDGE**2 * channels + 3 * second * (EDGE * channels) ** 2
    return 2.0 * batch * weights


def convolutions(*, channels: int, edge: int, batch: int, random: np.random.Generator) -> Step:
    """Two convolutions as products of unfolded images, ReLUs, mean output."""
    given = random.standard_normal((batch, edge, edge, 3), dtype=np.float32)
    wanted = random.standard_normal((batch, channels), dtype=np.float32)
    first = random.standard_normal((3 * EDGE**2, channels), dtype=np.float32)
    second = random.standard_normal((EDGE**2 * channels, channels), dtype=np.float32)
    first *= np.float32(np.sqrt(2.0 / len(first)))
    second *= np.float32(np.sqrt(2.0 / len(second)))
    of_maps, of_out = (batch, edge - 2, edge - 2, channels), (batch, edge - 4, edge - 4, channels)

    def step() -> float:
        pictures = _unfolded(given)
        maps = np.maximum(pictures @ first, 0)
        patches = _unfolded(maps.reshape(of_maps))
        out = np.maximum(patches @ second, 0)
        error = out.reshape(of_out).mean(axis=(1, 2)) - wanted
        each = (error * np.float32(2.0 / (error.size * of_out[1] ** 2)))[:, None, None]
        slope = np.broadcast_to(each, of_out).reshape(out.shape) * (out > 0)
        of_patches = slope @ second.T
        back = _folded(of_patches, of_maps).reshape(maps.shape) * (maps > 0)
        np.subtract(second, RATE * (patches.T @ slope), out=second)
        np.subtract(first, RATE * (pictures.T @ back), out=first)
        return float(np.mean(error**2))

    return step


def _unfolded(images: Array) -> Array:
    """Rows of the patches around each inner pixel, shape (pixels, patch)."""
    rows, columns = images.shape[1] - EDGE + 1, images.shape[2] - EDGE + 1
    parts = [
        images[:, down : down + rows, right : right + columns]
        for down in range(EDGE)
        for right in range(EDGE)
    ]
    return np.concatenate(parts, axis=-1).reshape(images.shape[0] * rows * columns, -1)


def _folded(patches: Array, shape: tuple[int, ...]) -> Array:
    """Sum of overlapping patches, the gradient of `_unfolded`."""
    batch, height, width, channels = shape
    rows, columns = height - EDGE + 1, width - EDGE + 1
    parts = patches.reshape(batch, rows, columns, EDGE**2, channels)
    images = np.zeros(shape, dtype=patches.dtype)
    for at in range(EDGE**2):
        down, right = divmod(at, EDGE)
        images[:, down : down + rows, right : right + columns] += parts[:, :, :, at]
    return images


def lstm_flop(*, width: int, length: int, batch: int) -> float:
    """FLOPs of one training step: four gates from input and state, no input gradient.

    >>> lstm_flop(width=1, length=1, batch=1)
    40.0
    """
    return 40.0 * batch * length * width**2


def lstm(*, width: int, length: int, batch: int, random: np.random.Generator) -> Step:
    """One LSTM layer with backpropagation through time; the last state is the output."""
    weight = random.standard_normal((2 * width, 4 * width), dtype=np.float32)
    weight *= np.float32(np.sqrt(0.5 / width))
    given = random.standard_normal((length, batch, width), dtype=np.float32)
    wanted = random.standard_normal((batch, width), dtype=np.float32)

    def step() -> float:
        state: Array = np.zeros((batch, width), dtype=np.float32)
        cell, kept = state, []
        for seen in given:
            joined = np.concatenate((seen, state), axis=1)
            before, cell_before = joined @ weight, cell
            gates = 1 / (1 + np.exp(-before[:, : 3 * width]))
            new = np.tanh(before[:, 3 * width :])
            forget, enter, leave = np.split(gates, 3, axis=1)
            cell = forget * cell_before + enter * new
            state = leave * np.tanh(cell)
            kept.append((joined, gates, new, cell_before, cell))
        error = state - wanted
        slope = error * np.float32(2.0 / error.size)
        total = np.zeros_like(weight)
        of_cell: Array = np.zeros_like(slope)
        for joined, gates, new, cell_before, cell_after in reversed(kept):
            of_before, of_cell = _through_cell(gates, new, cell_before, cell_after, slope, of_cell)
            total += joined.T @ of_before
            slope = of_before @ weight[width:].T
        np.subtract(weight, RATE * total, out=weight)
        return float(np.mean(error**2))

    return step


def _through_cell(
    gates: Array, new: Array, cell_before: Array, cell: Array, slope: Array, of_cell: Array
) -> tuple[Array, Array]:
    """Gradients of the pre-gate values, and of the previous cell."""
    forget, enter, leave = np.split(gates, 3, axis=1)
    bent = np.tanh(cell)
    of_cell = of_cell + slope * leave * (1 - bent**2)
    of_gates = np.concatenate((of_cell * cell_before, of_cell * new, slope * bent), axis=1)
    of_new = of_cell * enter * (1 - new**2)
    return np.concatenate((of_gates * gates * (1 - gates), of_new), axis=1), of_cell * forget
