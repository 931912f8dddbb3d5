"""Brain baseline: the time that 20 W could run on an amount of energy."""

import math

from estimator.core.uncertainty import Uncertain
from estimator.core.units import H_PER_YEAR, W_PER_KW

BRAIN_POWER_W = 20.0
"""Power of a resting human brain [W]: 20% of a body of about 100 W.

D. D. Clarke and L. Sokoloff, "Circulation and energy metabolism of the brain", in Basic
Neurochemistry, 6th ed., 1999, ch. 31.
"""


def brain_years(energy_kwh: Uncertain) -> Uncertain:
    """Return the time that the energy would power one brain [year].

    >>> round(brain_years(Uncertain(175.32)).mid, 6)
    1.0
    """
    return energy_kwh * (W_PER_KW / (BRAIN_POWER_W * H_PER_YEAR))


def power_in_brains(power_w: Uncertain) -> Uncertain:
    """Return the number of brains with this power [1].

    >>> power_in_brains(Uncertain(1e6)).mid
    50000.0
    """
    return power_w / BRAIN_POWER_W


BOLTZMANN_J_PER_K = 1.380649e-23
"""Boltzmann constant, exact by definition (SI brochure, 9th ed., 2019) [J/K]."""

BODY_TEMPERATURE_K = 310.0
"""Temperature of the human body, 37 degrees Celsius [K]."""


def landauer_j(temperature_k: float = BODY_TEMPERATURE_K) -> float:
    """Return the Landauer limit, the least heat from erasing one bit: k T ln 2 [J].

    R. Landauer, "Irreversibility and heat generation in the computing process", IBM J. Res. Dev. 5,
    1961.

    >>> f"{landauer_j():.2e}"
    '2.97e-21'
    """
    return BOLTZMANN_J_PER_K * temperature_k * math.log(2)


def energy_of_years_kwh(years: float) -> float:
    """Return the energy of a brain over some years [kWh].

    >>> round(energy_of_years_kwh(20))
    3506
    """
    return BRAIN_POWER_W * years * H_PER_YEAR / W_PER_KW
