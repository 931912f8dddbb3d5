"""What does a board draw while it serves: by how busy its memory and its arithmetic are.

    x = awake + reading x (bytes moved / bandwidth) + computing x (FLOPs / peak)
    P = idle + (limit - idle) x / (1 + x^6)^(1/6)

Bytes and FLOPs are means over time, so a board that waits draws what being awake takes.
"""

from dataclasses import dataclass

import numpy as np

from estimator.serving.step import Number


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How the way from idle to the power limit is spent [1].

    Parameters
    ----------
    awake : float or array
        Share of it that a device takes as soon as it runs kernels at full clocks.
    reading, computing : float or array
        Further share with the memory, and with the arithmetic, at its peak.
    """

    awake: Number
    reading: Number
    computing: Number


def board_power_w(
    tdp_w: Number, idle_w: Number, draw: Draw, *, memory_rate: Number, arithmetic_rate: Number
) -> Number:
    """Power of one board, at most its limit [W].

    Parameters
    ----------
    tdp_w, idle_w : float or array
        Power limit and idle power [W].
    draw : Draw
    memory_rate, arithmetic_rate : float or array
        Bytes moved over the bandwidth, FLOPs over the peak, both as time means [1].
    """
    wanted = draw.awake + draw.reading * memory_rate + draw.computing * arithmetic_rate
    return idle_w + (tdp_w - idle_w) * soft_limit(wanted)


def soft_limit(share: Number) -> Number:
    """Share of the range that is left to a device that its limit slows down, below one [1].

    >>> round(float(soft_limit(0.2)), 3), round(float(soft_limit(2.0)), 3)
    (0.2, 0.997)
    """
    sixth = np.square(share) * share
    sixth = sixth * sixth
    return share / np.cbrt(np.sqrt(1.0 + sixth))
