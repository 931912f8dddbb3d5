"""Benchmark work on numpy's BLAS: products, vector sums, training steps."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.measure.bench.workloads import (
    Job,
    matrix_flop,
    perceptron_flop,
    vector_sums,
)

DTYPES: dict[str, type[np.floating[Any]]] = {"fp32": np.float32, "fp64": np.float64}
"""Number formats of BLAS."""

MATRIX_SIZES = (256, 512, 1024, 2048, 4096)
VECTOR_SIZES = (100_000, 1_000_000, 20_000_000)

PERCEPTRONS = (
    # width, batch of the perceptrons of four layers
    *((128, 64), (256, 64), (256, 256), (512, 128), (512, 512), (1024, 256)),
    *((1024, 1024), (2048, 512), (2048, 2048), (4096, 1024), (4096, 4096)),
)
DEPTH = 4

RATE, FIRST, SECOND, TINY = 1e-3, 0.9, 0.999, 1e-8
"""Adam: learning rate, decay of both moments, and epsilon [1]."""

Array = npt.NDArray[Any]


class NumpyEngine:
    """Engine that runs jobs on the CPU through numpy."""

    component = "cpu"

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def matrix(self) -> list[Job]:
        """Matrix products, by precision, from small to large."""
        return [
            Job(
                what="matrix",
                label=f"product of {size} x {size}, numpy",
                precision=precision,
                prepare=partial(self._product, size, dtype),
                flop=matrix_flop(size),
                held_bytes=3.0 * size**2 * np.dtype(dtype).itemsize,
            )
            for precision, dtype in DTYPES.items()
            for size in MATRIX_SIZES
        ]

    def copies(self) -> list[Job]:
        """Vector sums, from cache sizes to main memory."""
        return vector_sums(VECTOR_SIZES, "numpy", self._sum)

    def training(self) -> list[Job]:
        """Training steps of perceptrons, from small to large."""
        return [self.perceptron(width, DEPTH, batch) for width, batch in PERCEPTRONS]

    def finish(self) -> None:
        """Do nothing, as numpy is synchronous."""

    def operations(self, _step: Callable[[], object]) -> None:
        """Return None, as numpy's operations are not counted."""

    def _product(self, size: int, dtype: type[np.floating[Any]]) -> Callable[[], object]:
        left, right = (self._random.random((size, size)).astype(dtype) for _ in range(2))
        out = np.empty_like(left)
        return lambda: np.matmul(left, right, out=out)

    def _sum(self, size: int) -> Callable[[], object]:
        left, right = (self._random.random(size, dtype=np.float32) for _ in range(2))
        out = np.empty_like(left)
        return lambda: np.add(left, right, out=out)

    def perceptron(self, width: int, depth: int, batch: int) -> Job:
        """Training step of a perceptron of square layers."""
        params = float(depth * width**2)
        return Job(
            what="training",
            label=f"perceptron of {depth} layers, width {width}, batch {batch}, numpy",
            precision="fp32",
            prepare=partial(perceptron, width=width, depth=depth, batch=batch, random=self._random),
            flop=perceptron_flop(width, depth, batch),
            held_bytes=4.0 * (4 * params + 3 * depth * batch * width),
            kind="other",
            arch="perceptron",
            style="perceptron in numpy",
            params=params,
            hidden=float(width),
            samples=float(batch),
        )


def perceptron(
    *, width: int, depth: int, batch: int, random: np.random.Generator
) -> Callable[[], float]:
    """Build a training step of a square perceptron on fixed data; it returns the loss.

    Mean squared error, ReLUs between layers, Adam; all in single precision.
    """
    scale = np.float32(np.sqrt(2.0 / width))
    weights = [
        scale * random.standard_normal((width, width), dtype=np.float32) for _ in range(depth)
    ]
    moments = [(np.zeros_like(weight), np.zeros_like(weight)) for weight in weights]
    given = random.standard_normal((batch, width), dtype=np.float32)
    wanted = random.standard_normal((batch, width), dtype=np.float32)
    count = 0

    def step() -> float:
        nonlocal count
        count += 1
        values = [given]
        for at, weight in enumerate(weights):
            out = values[-1] @ weight
            values.append(out if at == depth - 1 else np.maximum(out, 0, out=out))
        error = values[-1] - wanted
        slope = error * np.float32(2.0 / error.size)
        for at in reversed(range(depth)):
            gradient = values[at].T @ slope
            if at:
                slope = (slope @ weights[at].T) * (values[at] > 0)
            _adam(weights[at], *moments[at], gradient, count)
        return float(np.mean(error**2))

    return step


def _adam(weight: Array, mean: Array, square: Array, gradient: Array, count: int) -> None:
    """Update weights and moments in place; Kingma and Ba 2015, arXiv:1412.6980, algorithm 1."""
    mean *= np.float32(FIRST)
    mean += np.float32(1 - FIRST) * gradient
    square *= np.float32(SECOND)
    square += np.float32(1 - SECOND) * gradient**2
    rate = np.float32(RATE * np.sqrt(1 - SECOND**count) / (1 - FIRST**count))
    weight -= rate * mean / (np.sqrt(square) + np.float32(TINY))
