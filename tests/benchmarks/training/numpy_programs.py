"""Training programs in numpy alone, as a course writes them.

A perceptron, a network of convolutions by unfolded patches, a recurrent network through time.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Step = Callable[[], float]


def softmax_error(logits: Array, wanted: Array) -> tuple[float, Array]:
    """Cross entropy and its gradient."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    share = shifted / shifted.sum(axis=1, keepdims=True)
    rows = np.arange(len(wanted))
    error = float(-np.log(share[rows, wanted] + 1e-9).mean())
    share[rows, wanted] -= 1
    return error, (share / len(wanted)).astype(logits.dtype)


def perceptron(sizes: tuple[int, ...], batch: int) -> tuple[Step, float]:
    """Step of plain gradient descent with biases, and its FLOPs."""
    random = np.random.default_rng(0)
    weights = [
        (random.standard_normal(pair) * np.sqrt(2 / pair[0])).astype(np.float32)
        for pair in pairwise(sizes)
    ]
    biases = [np.zeros(one, dtype=np.float32) for one in sizes[1:]]
    given = random.standard_normal((batch, sizes[0])).astype(np.float32)
    wanted = random.integers(sizes[-1], size=batch)

    def step() -> float:
        values = [given]
        for at, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            out = values[-1] @ weight + bias
            values.append(out if at == len(weights) - 1 else np.tanh(out))
        error, slope = softmax_error(values[-1], wanted)
        for at in reversed(range(len(weights))):
            gradient = values[at].T @ slope
            total = slope.sum(axis=0)
            if at:
                slope = (slope @ weights[at].T) * (1 - values[at] ** 2)
            weights[at] -= 0.01 * gradient
            biases[at] -= 0.01 * total
        return error

    products = [2.0 * batch * before * after for before, after in pairwise(sizes)]
    return step, 3.0 * sum(products) - products[0]


def patches(images: Array, size: int) -> Array:
    """Unfold pictures (batch, edge, edge, channels) into rows of patches."""
    seen = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    batch, rows, columns = seen.shape[:3]
    return np.ascontiguousarray(seen).reshape(batch * rows * columns, -1)


def convolutions(edge: int, channels: int, batch: int) -> tuple[Step, float]:
    """Step of a network of one convolution of 5 x 5 and two linear layers, and its FLOPs."""
    random = np.random.default_rng(1)
    out = edge - 4
    kernel = (random.standard_normal((75, channels)) * 0.1).astype(np.float32)
    flat = out * out * channels
    first = (random.standard_normal((flat, 128)) / np.sqrt(flat)).astype(np.float32)
    last = (random.standard_normal((128, 10)) * 0.1).astype(np.float32)
    images = random.standard_normal((batch, edge, edge, 3)).astype(np.float32)
    wanted = random.integers(10, size=batch)

    def step() -> float:
        nonlocal kernel, first, last
        rows = patches(images, 5)
        maps = np.maximum(rows @ kernel, 0)
        inner = np.maximum(maps.reshape(batch, flat) @ first, 0)
        error, slope = softmax_error(inner @ last, wanted)
        back = (slope @ last.T) * (inner > 0)
        last = last - np.float32(0.01) * (inner.T @ slope)
        maps_slope = (back @ first.T).reshape(maps.shape) * (maps > 0)
        first = first - np.float32(0.01) * (maps.reshape(batch, flat).T @ back)
        kernel = kernel - np.float32(0.01) * (rows.T @ maps_slope)
        return error

    convolution = 2.0 * batch * out * out * 75 * channels
    linear = 2.0 * batch * (flat * 128 + 1280)
    return step, 2.0 * convolution + 3.0 * linear


def recurrent(width: int, length: int, batch: int) -> tuple[Step, float]:
    """Step of a plain recurrent network through time, and its FLOPs."""
    random = np.random.default_rng(2)
    entering, kept = (
        (random.standard_normal((width, width)) / np.sqrt(width)).astype(np.float32)
        for _ in range(2)
    )
    last = (random.standard_normal((width, 10)) * 0.1).astype(np.float32)
    given = random.standard_normal((length, batch, width)).astype(np.float32)
    wanted = random.integers(10, size=batch)

    def step() -> float:
        nonlocal entering, kept, last
        states = [np.zeros((batch, width), dtype=np.float32)]
        for seen in given:
            states.append(np.tanh(seen @ entering + states[-1] @ kept))
        error, slope = softmax_error(states[-1] @ last, wanted)
        back = slope @ last.T
        last = last - np.float32(0.01) * (states[-1].T @ slope)
        into, over = np.zeros_like(entering), np.zeros_like(kept)
        for at in reversed(range(length)):
            back = back * (1 - states[at + 1] ** 2)
            into += given[at].T @ back
            over += states[at].T @ back
            back = back @ kept.T
        entering = entering - np.float32(0.01) * into
        kept = kept - np.float32(0.01) * over
        return error

    return step, 2.0 * batch * width**2 * length * 5.0
