"""Limits: closed forms against draws of their own, and the choice against brute force."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.core.uncertainty import Uncertain
from estimator.studies.search.limits import (
    Limits,
    best_designs,
    probability_of_all,
    probability_within,
)

LOADS = st.floats(0.05, 0.8)


@given(LOADS, LOADS, st.floats(0.2, 5.0))
def test_a_single_limit_agrees_with_draws(power, work, ratio):
    quantity = Uncertain(10.0, {"power": power, "work": work})
    rng = np.random.default_rng(1)
    logs = rng.standard_normal((100_000, 2)) @ [power, work]
    share = (10.0 * np.exp(logs) <= 10.0 * ratio).mean()
    assert float(probability_within(quantity, 10.0 * ratio)) == pytest.approx(share, abs=0.01)


def test_the_95_percent_quantile_holds_with_95_percent():
    limit = 100.0 * math.exp(1.6448536269514722 * 0.3)
    assert float(probability_within(Uncertain(100.0, {"a": 0.3}), limit)) == pytest.approx(0.95)


def test_an_exact_quantity_holds_or_does_not():
    quantity = Uncertain(np.array([1.0, 2.0, 3.0, np.nan]))
    assert probability_within(quantity, 2.0)[:3].tolist() == [1.0, 1.0, 0.0]
    assert np.isnan(probability_within(quantity, 2.0)[3])


@given(LOADS)
def test_limits_of_one_source_hold_together_as_often_as_the_tighter(load):
    quantities = {
        "cost_usd": Uncertain(np.array([10.0]), {"utilization": load}),
        "wall_hours": Uncertain(np.array([5.0]), {"utilization": load}),
    }
    joint = probability_of_all(quantities, {"cost_usd": 12.0, "wall_hours": 9.0}, 0)
    tighter = float(probability_within(quantities["cost_usd"], 12.0)[0])
    assert joint == pytest.approx(tighter, abs=0.02)


def test_independent_limits_multiply():
    quantities = {
        "cost_usd": Uncertain(np.array([10.0]), {"price": 0.3}),
        "wall_hours": Uncertain(np.array([5.0]), {"utilization": 0.3}),
    }
    most = {"cost_usd": 11.0, "wall_hours": 5.2}
    product = math.prod(float(probability_within(quantities[n], most[n])[0]) for n in most)
    assert probability_of_all(quantities, most, 0) == pytest.approx(product, abs=0.02)


@given(st.integers(0, 10_000), st.floats(0.5, 0.95), st.integers(1, 5))
def test_the_best_designs_are_those_of_brute_force(seed, confidence, count):
    rng = np.random.default_rng(seed)
    quantities = {
        name: Uncertain(
            rng.lognormal(0.0, 1.0, 30),
            {"shared": rng.uniform(0.1, 0.5, 30), name: rng.uniform(0.1, 0.5, 30)},
        )
        for name in ("cost_usd", "wall_hours", "co2e_kg")
    }
    limits = Limits(most={"cost_usd": 1.5, "wall_hours": 2.0}, confidence=confidence)
    objective = np.asarray(quantities["co2e_kg"].mid)
    kept = [
        place
        for place in range(30)
        if probability_of_all(quantities, limits.most, place) >= confidence
        and all(
            probability_within(quantities[n], limits.most[n])[place] >= confidence
            for n in limits.most
        )
    ]
    expected = sorted(kept, key=lambda place: objective[place])[:count]
    found = best_designs(objective, quantities, limits, count)
    assert [*found] == expected
    for place, probability in found.items():
        assert probability == probability_of_all(quantities, limits.most, place)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, math.nan])
def test_a_confidence_that_none_can_have_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        Limits(most={"cost_usd": 1.0}, confidence=confidence)


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ValueError, match="cost_usd must be positive"):
        Limits(most={"cost_usd": 0.0}, confidence=0.8)
