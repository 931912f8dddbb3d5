"""No run reaches more than the peak: what is left of an expectation that says so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.calibration.correction import below_peak
from estimator.core.uncertainty import Uncertain


@given(reached=st.floats(1e-3, 1e3), sd=st.floats(0.01, 3.0), more=st.floats(1.0, 2.0))
def test_what_is_expected_below_the_peak_rises_with_what_was_reached(reached, sd, more):
    found = below_peak(Uncertain(reached, {"all": sd}))
    low, high = (float(end) for end in found.interval())
    assert 0.0 < low <= float(found.mid) <= high <= 1.0 + 1e-9
    assert float(found.mid) <= min(reached, 0.95) * (1.0 + 1e-9)
    further = below_peak(Uncertain(reached * more, {"all": sd}))
    assert float(further.mid) >= float(found.mid) * (1.0 - 1e-3)
    if np.log(reached) + 3.0 * sd < 0.0:
        assert float(found.mid) == reached and float(found.log_sd) == pytest.approx(sd)


@pytest.mark.parametrize(("reached", "sd"), [(0.6, 0.5), (1.0, 0.3), (2.0, 1.5), (5.0, 2.0)])
def test_the_interval_below_the_peak_is_that_of_draws(reached, sd):
    draws = np.exp(np.log(reached) + sd * np.random.default_rng(1).standard_normal(400_000))
    found = below_peak(Uncertain(reached, {"all": sd}))
    assert found.interval() == pytest.approx(np.quantile(draws[draws < 1.0], [0.1, 0.9]), rel=0.02)


def test_rows_are_kept_below_the_peak_as_each_by_itself():
    mids, sds = np.array([0.2, 0.9, 3.0]), np.array([0.1, 0.4, 1.0])
    found = below_peak(Uncertain(mids, {"all": sds}))
    for row, (mid, sd) in enumerate(zip(mids.tolist(), sds.tolist(), strict=True)):
        alone = below_peak(Uncertain(mid, {"all": sd}))
        assert (found.mid[row], found.log_sd[row]) == (alone.mid, alone.log_sd)
