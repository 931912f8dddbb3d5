"""Log-normal algebra: exact against sampling for products, to first order for sums."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.core.rows import one_of, rows_of
from estimator.core.uncertainty import (
    Z_CENTRAL,
    Uncertain,
    spread_between,
    student_quantile,
    total,
    z_score,
)

mids = st.floats(1e-6, 1e12)
sds = st.floats(0.0, 1.5)


def sampled(quantities, formula, count=400_000):
    """The independent route: draw every doubt, apply the formula, take quantiles."""
    rng = np.random.default_rng(20)
    names = sorted({name for quantity in quantities for name in quantity.loadings})
    doubts = {name: rng.standard_normal(count) for name in names}
    draws = [
        quantity.mid * np.exp(sum(load * doubts[name] for name, load in quantity.loadings.items()))
        for quantity in quantities
    ]
    return np.quantile(formula(*draws), [0.1, 0.5, 0.9])


def test_the_interval_of_a_product_is_that_of_a_monte_carlo():
    time = spread_between(50, 200, "utilization")
    power = spread_between(300, 500, "power") * Uncertain(1.0, {"utilization": -0.05})
    low, high = (time * power).interval()
    expected = sampled([time, power], lambda t, p: t * p)
    assert [low, (time * power).mid, high] == pytest.approx(expected, rel=0.01)


def test_the_interval_of_a_quotient_of_shared_doubts_is_that_of_a_monte_carlo():
    energy = Uncertain(10.0, {"utilization": 0.5, "power": 0.2})
    time = Uncertain(2.0, {"utilization": 0.5})
    low, high = (energy / time).interval()
    assert [low, 5.0, high] == pytest.approx(sampled([energy, time], lambda e, t: e / t), rel=0.01)


def test_the_interval_of_a_sum_is_close_to_that_of_a_monte_carlo():
    operational = Uncertain(500.0, {"carbon intensity": 0.25, "utilization": 0.3})
    embodied = Uncertain(80.0, {"embodied": 0.6, "utilization": 0.35})
    low, high = total([operational, embodied]).interval()
    expected = sampled([operational, embodied], lambda o, e: o + e)
    assert [low, 580.0, high] == pytest.approx(expected, rel=0.03)


@given(mids, mids, sds, sds)
def test_variances_of_independent_factors_add(a, b, sd_a, sd_b):
    product = Uncertain(a, {"a": sd_a}) * Uncertain(b, {"b": sd_b})
    assert product.mid == pytest.approx(a * b)
    assert product.log_variance == pytest.approx(sd_a**2 + sd_b**2)


@given(mids, sds, st.floats(1.0, 1e6), st.floats(0.01, 0.999))
def test_every_interval_contains_the_median_whatever_bounds_it(mid, sd, above, level):
    low, high = Uncertain(mid, {"a": sd}, most=mid * above).interval(level)
    assert low <= mid <= high <= mid * above
    with pytest.raises(ValueError, match="above its bound"):
        Uncertain(np.array([mid, 2 * mid * above]), {"a": sd}, most=mid * above)


@given(mids, sds)
def test_a_quantity_over_itself_is_exactly_one(mid, sd):
    quantity = Uncertain(mid, {"x": sd})
    low, high = (quantity / quantity).interval()
    assert low == high == pytest.approx(1.0)


@given(mids, sds, st.floats(0.05, 0.98))
def test_a_wider_level_contains_a_narrower_one(mid, sd, level):
    quantity = Uncertain(mid, {"x": sd})
    low, high = quantity.interval(level)
    lower, higher = quantity.interval(level + 0.01)
    assert lower <= low <= quantity.mid * (1 + 1e-12)
    assert high <= higher


@given(st.floats(1e-3, 1e3), st.floats(1.01, 1e4), st.floats(0.1, 0.95))
def test_a_range_comes_back_as_the_interval_of_its_level(low, ratio, level):
    found = spread_between(low, low * ratio, "x", level=level).interval(level)
    assert found == pytest.approx((low, low * ratio))


@given(st.lists(st.floats(-1, 1).filter(lambda load: abs(load) > 1e-6), min_size=1, max_size=5))
def test_shares_of_the_spread_add_up_to_one(loads):
    quantity = Uncertain(2.0, {str(place): load for place, load in enumerate(loads)})
    assert sum(quantity.shares().values()) == pytest.approx(1.0)


def test_an_exact_quantity_has_no_shares_and_no_width():
    assert Uncertain(3.0).shares() == {}
    assert Uncertain(3.0).interval() == (3.0, 3.0)


def test_arrays_give_what_a_loop_over_scalars_gives():
    rng = np.random.default_rng(3)
    mid, load, other = rng.uniform(1, 9, 20), rng.uniform(0, 1, 20), rng.uniform(1, 9, 20)

    def formula(a, sd, b):
        quantity = Uncertain(a, {"x": sd, "y": 0.2})
        return total([quantity * b, quantity**0.5, 3.0]) / (quantity + b)

    whole = formula(mid, load, other)
    lows, highs = whole.interval(0.9)
    for place in range(20):
        one = formula(mid[place], load[place], other[place])
        assert one.mid == pytest.approx(whole.mid[place])
        assert one.interval(0.9) == pytest.approx((lows[place], highs[place]))


def test_a_zero_term_and_a_sum_of_zeros_stay_exact():
    assert total([0.0, Uncertain(2.0, {"x": 0.5})]).log_sd == pytest.approx(0.5)
    assert total([Uncertain(0.0, {"x": 0.5}), 0.0]).interval() == (0.0, 0.0)


def test_a_row_of_a_bounded_quantity_keeps_its_bound():
    shares = Uncertain(np.array([0.5, 0.9]), {"x": 0.3}, most=1.0)
    assert [cut(shares, 1).interval()[1] for cut in (rows_of, one_of)] == [1.0, 1.0]


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 80, float("nan")])
def test_a_level_outside_zero_to_one_is_refused(level):
    with pytest.raises(ValueError, match="interval must be between 0 and 1"):
        z_score(level)


def test_the_stated_half_width_of_the_usual_interval_is_that_of_the_normal():
    assert NormalDist().inv_cdf(0.9) == Z_CENTRAL == z_score(0.8)


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    [(0.9, 1, 3.078), (0.975, 2, 4.303), (0.9, 5, 1.476), (0.975, 10, 2.228), (0.995, 30, 2.750)],
)
def test_the_quantiles_of_student_are_those_in_print(probability, freedom, quantile):
    """Student's t distribution, as tabulated in any textbook of statistics."""
    assert student_quantile(probability, freedom) == pytest.approx(quantile, abs=1e-3)
