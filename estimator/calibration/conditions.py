"""Conditions of runs, as arrays of one length."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.str_]
Flags = npt.NDArray[np.bool_]

REFERENCE_STEP_S = 0.5
"""Step time at the peak that defines size zero [s], typical of large runs.

GPT-3 on its 10,000 V100s: 3.2e6 tokens x 6 x 1.75e11 FLOP / (10,000 x 125e12 FLOP/s) = 2.7 s;
ResNet-50 with 256 images on a V100: 0.05 s.
"""

OPTIONAL = (
    *("family", "program", "whole", "own", "launch", "ahead"),
    *("operations", "traffic", "peak", "bandwidth"),
)
"""Optional fields of `Conditions`."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Conditions of runs, as arrays of one length.

    Parameters
    ----------
    device, host : array of str
        Device, and host machine.
    precision, kind : array of str
        Number format, and kind of network.
    size : array
        Log step time at the peak over `REFERENCE_STEP_S`; NaN if unknown [1].
    family : array of str
        Family within the kind of network; empty or omitted if unknown.
    program : array of str
        Program within the kind of network; empty or omitted if unknown.
    whole : array
        Log run time at the peak over `REFERENCE_STEP_S`; NaN or omitted if unknown [1].
    own : array of bool
        Whether it is the user's program rather than a benchmark; omitted if all are.
    launch : array
        Size of steps that take as long as their launches; minus infinity or omitted if launches are
        hidden [1].
    ahead : array
        Log ratio of the utilization expected with hidden launches to the run's; omitted for zero
        [1].
    operations, traffic : array
        Operations [1/FLOP] and memory traffic [B/FLOP] of a step, per FLOP; NaN or omitted if
        unknown.
    peak, bandwidth : array
        Peak of the number format [FLOP/s] and memory bandwidth [B/s] of the device; NaN or omitted
        if unknown.
    """

    device: Words
    host: Words
    precision: Words
    kind: Words
    size: Floats
    family: Words = field(default_factory=lambda: np.array([""]))
    program: Words = field(default_factory=lambda: np.array([""]))
    whole: Floats = field(default_factory=lambda: np.full(1, np.nan))
    own: Flags = field(default_factory=lambda: np.ones(1, dtype=np.bool_))
    launch: Floats = field(default_factory=lambda: np.full(1, -np.inf))
    ahead: Floats = field(default_factory=lambda: np.zeros(1))
    operations: Floats = field(default_factory=lambda: np.full(1, np.nan))
    traffic: Floats = field(default_factory=lambda: np.full(1, np.nan))
    peak: Floats = field(default_factory=lambda: np.full(1, np.nan))
    bandwidth: Floats = field(default_factory=lambda: np.full(1, np.nan))

    def __post_init__(self) -> None:
        """Broadcast omitted fields to the length of the others."""
        for name in OPTIONAL:
            if len(getattr(self, name)) != len(self.size):
                alike = np.broadcast_to(getattr(self, name), self.size.shape)
                object.__setattr__(self, name, alike)

    def part(self, chosen: Flags | npt.NDArray[np.int_]) -> "Conditions":
        """Return the runs selected by a mask."""
        return Conditions(**{name: values[chosen] for name, values in vars(self).items()})


def step_size(ideal_s: npt.ArrayLike) -> Floats:
    """Log size of a step from its time at the peak [s].

    >>> float(step_size(0.5))
    0.0
    """
    return np.log(np.asarray(ideal_s, dtype=np.float64) / REFERENCE_STEP_S)


def one_after_another(parts: Sequence[Conditions]) -> Conditions:
    """Concatenate the conditions of several sets of runs."""
    names = vars(parts[0])
    return Conditions(
        **{name: np.concatenate([getattr(one, name) for one in parts]) for name in names}
    )
