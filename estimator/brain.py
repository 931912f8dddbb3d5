"""What would a brain have done with this energy: the baseline of twenty watts."""

from estimator.uncertainty import Uncertain
from estimator.units import H_PER_YEAR, W_PER_KW

BRAIN_POWER_W = 20.0
"""Power of a resting human brain [W]: 20 % of a body of about 100 W.

D. D. Clarke and L. Sokoloff, "Circulation and energy metabolism of the brain", in Basic
Neurochemistry, 6th ed., 1999, ch. 31.
"""


def brain_years(energy_kwh: Uncertain) -> Uncertain:
    """Years for which the energy would run one brain [year].

    >>> round(brain_years(Uncertain(175.32)).mid, 6)
    1.0
    """
    return energy_kwh * (W_PER_KW / (BRAIN_POWER_W * H_PER_YEAR))


def power_in_brains(power_w: Uncertain) -> Uncertain:
    """How many brains draw this power [1].

    >>> power_in_brains(Uncertain(1e6)).mid
    50000.0
    """
    return power_w / BRAIN_POWER_W
