"""Device power in inference, from the use of memory and compute units.

    x = awake + reading x (bytes moved / bandwidth) + computing x (FLOPs / peak)
    P = idle + (limit - idle) x / (1 + x^6)^(1/6)

Bytes and FLOPs are means over time, so a board that waits draws what being awake takes. Where the
host launches kernels one by one, slower than they run, the board is idle in between: that share of
the time, it draws little more than at rest.
"""

from dataclasses import dataclass, replace

import numpy as np

from estimator.inference.step import Number


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Use of the range from idle power to the power limit [1].

    Parameters
    ----------
    awake : float or array
        Share of the range drawn as soon as kernels run at full clocks.
    reading, computing : float or array
        Additional share with memory, and with arithmetic, at its peak.
    between : float or array, optional
        Share drawn between kernels, None if the device never waits for launches.
    """

    awake: Number
    reading: Number
    computing: Number
    between: Number | None = None

    def over_time(self, waiting: Number) -> "Draw":
        """Return the parameters for a device that waits for launches part of the time [1]."""
        if self.between is None:
            return self
        share = np.clip(waiting, 0.0, 1.0)
        return replace(self, awake=self.awake + share * (self.between - self.awake))


def board_power_w(
    tdp_w: Number, idle_w: Number, draw: Draw, *, memory_rate: Number, arithmetic_rate: Number
) -> Number:
    """Return the power of one device, limited to its power limit [W].

    Parameters
    ----------
    tdp_w, idle_w : float or array
        Power limit and idle power [W].
    draw : Draw
    memory_rate, arithmetic_rate : float or array
        Mean bandwidth over its peak, and mean FLOP/s over the peak [1].
    """
    wanted = draw.awake + draw.reading * memory_rate + draw.computing * arithmetic_rate
    return idle_w + (tdp_w - idle_w) * soft_limit(wanted)


def soft_limit(share: Number) -> Number:
    """Share of the power range used by a throttled device, below one [1].

    >>> round(float(soft_limit(0.2)), 3), round(float(soft_limit(2.0)), 3)
    (0.2, 0.997)
    """
    sixth = np.square(share) * share
    sixth = sixth * sixth
    return share / np.cbrt(np.sqrt(1.0 + sixth))
