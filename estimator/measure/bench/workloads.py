"""Pieces of work with known FLOPs, and the engines that run them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from estimator.measure.step_counter import Operations


@dataclass(frozen=True, kw_only=True)
class Job:
    """Piece of work that is repeated and timed.

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

    def matrix(self) -> Sequence[Job]:
        """Matrix products, by precision, from small to large."""
        ...

    def copies(self) -> Sequence[Job]:
        """Vector sums, from cache sizes to main memory."""
        ...

    def training(self) -> Sequence[Job]:
        """Training steps by precision and family, from small to large."""
        ...

    def finish(self) -> None:
        """Wait until the device is done."""
        ...

    def operations(self, step: Callable[[], object]) -> Operations | None:
        """Return the operations of a step besides its products, or None if unknown."""
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
    """Sums of two fp32 vectors of some sizes; `prepare` creates the data of one size."""
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
    """FLOPs of one training step of a perceptron of square layers [FLOP].

    Forward, weight gradients, and input gradients except for the first layer.

    >>> perceptron_flop(width=2, depth=1, batch=3)
    48.0
    """
    product = 2.0 * batch * width**2
    return product * (3 * depth - 1)


def spread_out(jobs: Sequence[Job], most: int) -> list[Job]:
    """Select some jobs spread over the whole range, both ends included."""
    if len(jobs) <= most:
        return list(jobs)
    step = (len(jobs) - 1) / (most - 1)
    return [jobs[round(at * step)] for at in range(most)]
