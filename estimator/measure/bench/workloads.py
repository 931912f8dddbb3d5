"""Pieces of work with known FLOPs, and the engines that run them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from estimator.measure.step_counter import Operations

ADAM_BYTES_PER_PARAM = 28.0
"""Read and written by a step of Adam in fp32: weight, gradient, two moments; three go back [B]."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One piece of work that is repeated and timed.

    Parameters
    ----------
    prepare : callable
        Makes the data, and returns what does the work once.
    held_bytes : float
        Memory that it takes, roughly [B].
    """

    what: Literal["training", "matrix", "copy"]
    label: str
    precision: str
    prepare: Callable[[], Callable[[], object]]
    flop: float | None = None
    moved_bytes: float | None = None
    held_bytes: float = 0.0
    kind: str | None = None
    arch: str | None = None
    style: str | None = None
    params: float | None = None
    hidden: float | None = None
    seq_len: float | None = None
    tokens: float | None = None
    samples: float | None = None


class BenchEngine(Protocol):
    """Engine that runs jobs on one device."""

    @property
    def component(self) -> str:
        """Key of the device, as in `MeasuredDevice`."""
        ...

    @property
    def name(self) -> str:
        """Library and its version, for people."""
        ...

    def matrix(self) -> Sequence[Job]:
        """Matrix products, by precision, from small to large."""
        ...

    def copies(self) -> Sequence[Job]:
        """Sums of two vectors, from what fits in the caches to what does not."""
        ...

    def training(self) -> Sequence[Job]:
        """Steps of training, by precision and family, from small to large."""
        ...

    def finish(self) -> None:
        """Wait until the device is done."""
        ...

    def operations(self, step: Callable[[], object]) -> Operations | None:
        """Return the operations of a step besides its products; None if unknown."""
        ...


def matrix_flop(size: int) -> float:
    """FLOPs of a product of two square matrices [FLOP].

    >>> matrix_flop(1024)
    2147483648.0
    """
    return 2.0 * size**3


def vector_sums(
    sizes: Sequence[int], library: str, prepare: Callable[[int], Callable[[], object]]
) -> list[Job]:
    """Sums of two fp32 vectors of some sizes; `prepare` makes the data of one size."""
    return [
        Job(
            what="copy",
            label=f"sum of two vectors of {size:,} numbers, {library}",
            precision="fp32",
            prepare=partial(prepare, size),
            moved_bytes=3.0 * size * 4,
            held_bytes=3.0 * size * 4,
        )
        for size in sizes
    ]


def perceptron_flop(width: int, depth: int, batch: int) -> float:
    """FLOPs of one step of training a perceptron of square layers [FLOP].

    Forward, gradient of the weights and gradient of the values, but for the first layer, whose
    values need none.

    >>> perceptron_flop(width=2, depth=1, batch=3)
    48.0
    """
    product = 2.0 * batch * width**2
    return product * (3 * depth - 1)


def spread_out(jobs: Sequence[Job], most: int) -> list[Job]:
    """Pick so many jobs over the whole range, the first and the last among them."""
    if len(jobs) <= most:
        return list(jobs)
    step = (len(jobs) - 1) / (most - 1)
    return [jobs[round(at * step)] for at in range(most)]
