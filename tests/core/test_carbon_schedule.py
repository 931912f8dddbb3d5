"""The grid by the hour: golden days by hand, laws of shifting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from estimator.core.carbon_schedule import mean_intensity, schedule

DAY = np.array([0.4] * 8 + [0.1] * 8 + [0.4] * 8)
"""Dirty nights and mornings, eight clean hours from hour 8."""

PROFILES = arrays(np.float64, st.integers(24, 60), elements=st.floats(0.0, 2.0))


def test_a_run_has_the_mean_of_the_hours_that_it_covers():
    # By hand: four hours from hour 6 are two dirty and two clean ones.
    assert mean_intensity(DAY, 6.0, 4.0) == pytest.approx((2 * 0.4 + 2 * 0.1) / 4)
    assert mean_intensity(DAY, 15.5, 1.0) == pytest.approx(0.25)
    assert mean_intensity(DAY, 3.0, 24.0 * 7) == pytest.approx(DAY.mean())


def test_the_best_start_is_the_nearest_clean_one():
    plan = schedule(DAY, 0.0, 4.0)
    assert (plan.start_h, plan.best_start_h) == (0.0, 8.0)
    assert plan.saving_share == pytest.approx(0.75)
    assert schedule(DAY, 9.0, 4.0).best_start_h == 9.0
    assert schedule(DAY, 20.0, 4.0).best_start_h == 8.0


@given(PROFILES, st.floats(0.01, 200.0), st.floats(0.0, 23.9))
def test_cumulative_sums_equal_adding_up_minutes(hourly, duration_h, start_h):
    steps = np.linspace(start_h, start_h + duration_h, 4_001)
    middle = (steps[1:] + steps[:-1]) / 2
    slow = hourly[np.floor(middle).astype(int) % len(hourly)].mean()
    width = duration_h / 4_000
    bound = (duration_h + 2) * width * 2.0 / duration_h + 1e-9
    assert mean_intensity(hourly, start_h, duration_h) == pytest.approx(slow, abs=bound)


@given(PROFILES, st.floats(0.01, 500.0), st.integers(0, 23))
def test_no_start_is_better_than_the_best(hourly, duration_h, start):
    plan = schedule(hourly, float(start), duration_h)
    everywhere = mean_intensity(hourly, np.arange(len(hourly), dtype=float), duration_h)
    assert plan.best_co2e_kg_per_kwh == pytest.approx(
        everywhere.min(), rel=1e-6, abs=1e-8 * everywhere.max() + 1e-12
    )
    assert plan.co2e_kg_per_kwh == pytest.approx(everywhere[start], abs=1e-12)
    assert 0 <= plan.saving_share <= 1


@given(PROFILES, st.floats(0.01, 100.0), st.integers(0, 23))
def test_turning_the_profile_turns_the_best_start(hourly, duration_h, turn):
    plan = schedule(hourly, 0.0, duration_h)
    turned = schedule(np.roll(hourly, turn), float(turn), duration_h)
    same = 1e-8 * hourly.max() + 1e-12
    assert turned.best_co2e_kg_per_kwh == pytest.approx(plan.best_co2e_kg_per_kwh, abs=same)


@given(st.floats(0.0, 2.0), st.floats(0.01, 1e6))
def test_a_flat_grid_leaves_nothing_to_save(level, duration_h):
    plan = schedule(np.full(24, level), 5.0, duration_h)
    assert plan.saving_share == pytest.approx(0.0, abs=1e-6)
    assert plan.best_start_h == 5.0, "a difference of rounding is no reason to wait"
