"""Scaling laws: published optima, the optimum by search, inverses, and budgets that are kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.studies.scaling.budget import bought, next_step
from estimator.studies.scaling.coefficients import (
    LAWS,
    error_law,
    kaplan_law,
    repeated_data,
    scaling_law,
)
from estimator.studies.scaling.laws import optimum_with_serving

CATALOG = Catalog.open()
LAW = scaling_law(CATALOG)
CHINCHILLA_FLOP = 6 * 70e9 * 1.4e12
compute = st.floats(min_value=1e18, max_value=1e27)


def test_the_corrected_law_gives_chinchilla_at_its_budget():
    params, tokens = LAW.optimum(CHINCHILLA_FLOP)
    assert params == pytest.approx(70e9, rel=0.15)
    assert tokens == pytest.approx(1.4e12, rel=0.15)


def test_the_coefficients_in_print_do_not():
    params, _ = scaling_law(CATALOG, "hoffmann").optimum(CHINCHILLA_FLOP)
    assert params < 0.6 * 70e9


@pytest.mark.parametrize("name", LAWS)
@given(flop=compute)
def test_no_other_size_does_better(name, flop):
    law = scaling_law(CATALOG, name)
    best = law.loss_at(flop)
    params = law.optimum(flop)[0] * np.logspace(-1, 1, 41)
    assert np.all(law.loss(params, flop / 6 / params) >= best * (1 - 1e-12))


@given(flop=compute)
def test_the_compute_for_a_loss_inverts_the_loss_of_a_compute(flop):
    assert LAW.flop_for(LAW.loss_at(flop)) == pytest.approx(flop, rel=1e-6)


def test_a_loss_below_the_floor_is_refused():
    with pytest.raises(ValueError, match="no compute undercuts"):
        LAW.flop_for(LAW.E)


def test_kaplan_advised_larger_models_on_less_data():
    params, tokens = kaplan_law(CATALOG).optimum(3.14e23)
    ours, data = LAW.optimum(3.14e23)
    assert params > 5 * ours and tokens < data / 5
    assert kaplan_law(CATALOG).loss_at(86400e15) == pytest.approx(3.1e8**0.05)


def test_four_epochs_are_nearly_as_good_as_fresh_data_and_forty_are_not():
    law = repeated_data(CATALOG)
    assert law.worth_in_tokens(4e9, 1e9) == pytest.approx(3.73e9, rel=0.005)
    assert law.worth_in_tokens(40e9, 1e9) < 0.5 * 40e9
    assert law.worth_in_tokens(0.5e9, 1e9) == 0.5e9


def test_scarce_data_make_the_best_model_smaller():
    law = repeated_data(CATALOG)
    scarce, _ = law.optimum(1e22, 1e10)
    plenty, _ = law.optimum(1e22, 1e15)
    assert scarce < plenty
    assert plenty == pytest.approx(law.law.optimum(1e22)[0], rel=0.02)


def test_serving_makes_the_best_model_smaller_and_trained_longer():
    loss = float(LAW.loss_at(1e23))
    alone = optimum_with_serving(LAW, loss, 0.0)
    busy = optimum_with_serving(LAW, loss, 1e14)
    assert alone[0] == pytest.approx(LAW.optimum(1e23)[0], rel=0.01)
    assert busy[0] < alone[0] and busy[1] > alone[1]
    assert LAW.loss(*busy) == pytest.approx(loss)


def test_the_error_law_goes_through_todays_error():
    law = error_law(CATALOG)
    assert law.factor(law.today_error).mid == 1.0
    assert law.factor(0.05).mid == pytest.approx(1e5, rel=0.5)
    assert not law.extrapolates(0.2) and law.extrapolates(0.05)
    with pytest.raises(ValueError, match="error must be in"):
        law.factor(0.0)


@pytest.mark.parametrize(
    ("amount", "unit", "quantity", "factor"),
    [
        (1e6, "usd", "cost_usd", 1.0),
        (1e5, "kwh", "energy_kwh", 1.0),
        (5e4, "kg", "co2e_kg", 1.0),
        (30.0, "days", "wall_hours", 24.0),
        (1e22, "flop", "training_flop", 1.0),
    ],
)
def test_a_budget_is_spent_and_not_exceeded(amount, unit, quantity, factor):
    found = bought(amount, unit, Scenario(hardware="h100", devices=64.0), CATALOG)
    spent = float(np.asarray(found.answer.estimate[quantity].mid))
    assert spent == pytest.approx(amount * factor, rel=0.1 if unit == "flop" else 1e-4)
    assert 6 * found.params * found.tokens == pytest.approx(found.flop)


def test_the_next_percent_costs_more_than_a_percent():
    scenario = Scenario(hardware="h100", devices=64.0)
    before = bought(1e5, "usd", scenario, CATALOG)
    step = next_step(before, scenario, CATALOG)
    assert step.loss == pytest.approx(0.99 * before.loss)
    assert step.factor > 1.1
    assert step.quantities["cost_usd"].mid > 1e5


@pytest.mark.parametrize(("amount", "unit"), [(0.0, "usd"), (1.0, "pounds"), (float("nan"), "kg")])
def test_a_bad_budget_is_refused_in_one_line(amount, unit):
    with pytest.raises(ValueError, match="must be"):
        bought(amount, unit, Scenario(hardware="h100"), CATALOG)
