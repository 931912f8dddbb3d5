"""Limits let every known number pass, and refuse one in another unit or of another size."""

import numpy as np
import pytest

from estimator.core.bounds import LIMITS
from estimator.core.limits import within_limits

KNOWN = {
    # the smallest and the largest on record, and what a slip of the unit or the pen makes of them
    "training_flop": (1e3, 5e26, 1e37),  # Epoch AI, Grok 4
    "params": (1, 1e14, 1e19),  # more than the synapses of a brain
    "tokens": (1, 4e13, 1e21),
    "devices": (1, 1e6, 1e10),
    "device_hours": (1e-3, 1e9, 1e16),
    "utilization": (1e-4, 1.0, 40.0),  # percent
    "year": (1958, 2030, 24),  # the perceptron; two digits
    "pue": (1.0, 3.0, 0.9),
    "co2e_kg_per_kwh": (0.0, 1.3, 350.0),  # grams
    "electricity_usd_per_kwh": (0.0, 1.0, 30.0),  # cents
    "wue_l_per_kwh": (0.0, 10.0, 1800.0),  # millilitres
    "price_usd_per_h": (0.0, 400.0, 1e7),
    "attempts": (1.0, 1e4, 0.5),
    "tdp_w": (20.0, 3e7, 0.0),  # a brain; a whole machine
    "peak_flop_per_s": (400.0, 1e19, 1e25),  # ENIAC; a whole machine
    "recomputation": (0.0, 1.0, 33.0),  # percent
    "seq_len": (1, 1e7, 1e10),
    "start": (0, 8783, 8785),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_numbers_pass_and_slips_do_not(name):
    smallest, largest, slip = KNOWN[name]
    within_limits(name, float(smallest))
    within_limits(name, np.array([smallest, largest], dtype=float))
    with pytest.raises(ValueError, match=f"^{name} must be .* got {slip:.10g}".replace("+", r"\+")):
        within_limits(name, np.array([largest, slip], dtype=float))


@pytest.mark.parametrize("name", LIMITS)
def test_both_ends_of_every_limit_pass_and_what_is_beyond_does_not(name):
    least, most, meaning = LIMITS[name]
    assert meaning
    within_limits(name, np.array([least, most]))
    for beyond in (np.nextafter(least, -np.inf), np.nextafter(most, np.inf), np.nan, np.inf):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            within_limits(name, float(beyond))
