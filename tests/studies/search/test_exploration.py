"""What moves the answer, against scenarios answered one by one."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.studies.search.exploration import Exploration, explored_values

BASE = Scenario(params=7e9, tokens=140e9, hardware="h100-sxm", devices=64.0, site="us")


@cache
def catalog():
    return Catalog.open()


@cache
def explored():
    return Exploration(BASE, [("devices",), ("pue", "site")], [3, 3], ("us", "fr"), catalog())


def answered(quantity, **changed):
    estimate = answer_scenario(replace(BASE, **changed), catalog()).estimate
    return float(estimate[quantity].mid)


def test_a_swing_is_what_its_ends_answer():
    middle, found = explored().swings("co2e_kg")
    assert middle == answered("co2e_kg")
    for one in found:
        low, high = one.values
        assert one.low == pytest.approx(answered("co2e_kg", **{one.name: low}), rel=1e-9)
        assert one.high == pytest.approx(answered("co2e_kg", **{one.name: high}), rel=1e-9)
    ratios = [one.high / one.low for one in found]
    assert ratios == sorted(ratios, reverse=True)


def test_two_inputs_swept_are_the_scenarios_answered_alone():
    table = pd.DataFrame(explored().sweep(1))
    assert len(table) == 3 * len(explored_values(BASE, "site", 3, catalog()))
    row = table.iloc[4]
    alone = answered("energy_kwh", pue=row["pue"], site=row["site"])
    assert row["energy_kwh_mid"] == pytest.approx(alone, rel=1e-9)


def test_no_design_beats_one_of_the_front():
    table = pd.DataFrame(explored().designs())
    costs = table[["wall_hours_mid", "cost_usd_mid", "co2e_kg_mid"]].to_numpy()
    assert table["pareto"].any()
    for one in costs[table["pareto"].to_numpy()]:
        assert not ((costs <= one).all(axis=1) & (costs < one).any(axis=1)).any()
    assert not np.isnan(costs[table["pareto"].to_numpy()]).any()


def test_a_sweep_is_without_what_the_devices_cannot_hold():
    large = replace(BASE, params=70e9, tokens=1.4e12)
    table = Exploration(large, [("devices",)], [3], ("us",), catalog()).sweep(0)
    assert table["devices"].min() > 1.0
    assert table["devices"].max() == explored_values(large, "devices", 3, catalog())[-1]


def test_an_input_without_a_value_is_not_swept_around_it():
    with pytest.raises(ValueError, match="params is unspecified"):
        explored_values(Scenario(flop=1e20), "params", 3, catalog())


@pytest.mark.parametrize("site", ["us", "no"])
@pytest.mark.parametrize("quantity", ["cost_usd", "co2e_kg", "wall_hours"])
def test_the_range_of_each_input_holds_the_answer_itself(site, quantity):
    base = replace(BASE, site=site)
    middle, found = Exploration(base, [("devices",)], [3], ("us",), catalog()).swings(quantity)
    assert {one.name for one in found} > {"price", "site", "utilization", "hardware"}
    for one in found:
        assert one.low <= middle * (1 + 1e-9) and middle <= one.high * (1 + 1e-9), one


@pytest.mark.parametrize("name", ["tokens", "price", "pue", "carbon_intensity", "utilization"])
def test_values_over_which_two_inputs_are_swept_are_round(name):
    values = explored_values(BASE, name, 16, catalog())
    assert 9 <= len(values) <= 16
    assert all(float(f"{value:.1e}") == value for value in values)
