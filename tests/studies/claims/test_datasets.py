"""Data sets as presets: one pass and a full training are each a click."""

import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario

CATALOG = Catalog.open()


@pytest.mark.parametrize("name", ["imagenet", "open-images", "wmt14-en-fr", "librispeech"])
def test_one_pass_over_a_data_set_is_answered(name):
    found = answer_scenario(Scenario(preset=name, hardware="v100", devices=8.0), CATALOG).estimate
    assert 0 < found["wall_hours"].mid < 48
    assert found["energy_kwh"].mid > 0 and found["cost_usd"].mid > 0


@pytest.mark.parametrize(
    ("one", "whole", "passes"),
    [("librispeech", "librispeech-440-epochs", 440), ("wmt14-en-fr", "transformer-big", 7.7)],
)
def test_a_full_training_is_so_many_passes(one, whole, passes):
    flop = [CATALOG.preset(name).records["training_flop"].value for name in (one, whole)]
    assert flop[1] / flop[0] == pytest.approx(passes, rel=0.02)


@pytest.mark.parametrize("name", ["imagenet", "open-images", "librispeech"])
def test_the_training_compute_is_three_forward_passes(name):
    records = CATALOG.preset(name).records
    forward = records["forward_flop_per_sample"].value * records["samples"].value
    assert records["training_flop"].value == pytest.approx(3 * forward, rel=0.01)
