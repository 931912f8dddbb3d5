"""Where and on what were some runs made: arrays of one length."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.str_]
Flags = npt.NDArray[np.bool_]

REFERENCE_STEP_S = 0.5
"""Time of a step at the peak that has size zero: that of usual large runs [s].

GPT-3 on its 10,000 V100: 3.2e6 tokens x 6 x 1.75e11 FLOP / (10,000 x 125e12 FLOP/s) = 2.7 s;
ResNet-50 at 256 images on a V100: 0.05 s.
"""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Where and on what some runs were made, arrays of one length.

    Parameters
    ----------
    device, host : array of str
        What it ran on, and on whose machine.
    precision, kind : array of str
        Number format, and kind of network.
    size : array
        Logarithm of the time of a step at the peak over `REFERENCE_STEP_S`; NaN if unknown [1].
    family : array of str, optional
        Which of the networks of one kind; empty, or left out, where that is unknown.
    program : array of str, optional
        What tells programs of one kind apart; empty, or left out, where that is unknown.
    speed : array, optional
        Logarithm of the peak of the number format over that at which sizes are counted; zero where
        left out [1].
    whole : array, optional
        Logarithm of the time of the whole run at the peak over `REFERENCE_STEP_S`; NaN, or left
        out, where that is unknown [1].
    by_user : array of bool, optional
        Whether it is a program of the user, and not of the benchmark; all are where left out.
    """

    device: Words
    host: Words
    precision: Words
    kind: Words
    size: Floats
    family: Words | None = None
    program: Words | None = None
    speed: Floats | None = None
    whole: Floats | None = None
    by_user: Flags | None = None

    @property
    def own(self) -> Flags:
        """Whether each is a program of the user."""
        return np.ones(len(self.size), dtype=np.bool_) if self.by_user is None else self.by_user

    @property
    def wholes(self) -> Floats:
        """Logarithm of the time of the whole run at the peak; NaN where unknown [1]."""
        return np.full(len(self.size), np.nan) if self.whole is None else self.whole

    @property
    def speeds(self) -> Floats:
        """Logarithm of the peak over that at which sizes are counted [1]."""
        return np.zeros(len(self.size)) if self.speed is None else self.speed

    @property
    def families(self) -> Words:
        """Family of each run; empty where unknown."""
        return np.full(len(self.size), "") if self.family is None else self.family

    @property
    def programs(self) -> Words:
        """Program of each run; empty where unknown."""
        return np.full(len(self.size), "") if self.program is None else self.program

    def part(self, chosen: Flags | npt.NDArray[np.int_]) -> "Conditions":
        """Return those where `chosen` holds."""
        return Conditions(
            device=self.device[chosen],
            host=self.host[chosen],
            precision=self.precision[chosen],
            kind=self.kind[chosen],
            size=self.size[chosen],
            family=self.families[chosen],
            program=self.programs[chosen],
            speed=self.speeds[chosen],
            whole=self.wholes[chosen],
            by_user=self.own[chosen],
        )


def step_size(ideal_s: npt.ArrayLike) -> Floats:
    """Size of a step from its time at the peak [s].

    >>> float(step_size(0.5))
    0.0
    """
    return np.log(np.asarray(ideal_s, dtype=np.float64) / REFERENCE_STEP_S)


def one_after_another(parts: Sequence[Conditions]) -> Conditions:
    """Conditions of several sets of runs as one."""
    whole = [one.part(np.arange(len(one.size))) for one in parts]
    return Conditions(
        **{
            part.name: np.concatenate([getattr(one, part.name) for one in whole])
            for part in fields(Conditions)
        }
    )
