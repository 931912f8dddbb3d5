"""Energy and CO2e beside things that people know."""

import json

import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.answer.training_report import equivalents
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.show.phrases import as_much
from tests.in_process import run


def found_of(**said):
    catalog = Catalog.open()
    answer = answer_scenario(Scenario(**said), catalog)
    return answer.estimate, equivalents(answer, catalog)


def test_amounts_are_those_of_the_agencies():
    """EIA: a US home takes 10,715 kWh a year; EPA: 400 g of CO2 a mile, tailpipe."""
    estimate, found = found_of(device_hours=1e6, hardware="h100")
    assert found["household_years"] == pytest.approx(estimate["energy_kwh"].mid / 10_715)
    assert found["car_km"] == pytest.approx(estimate["co2e_kg"].mid / 0.400 * 1.609344, rel=1e-3)
    assert found["flights"] == pytest.approx(estimate["co2e_kg"].mid / 180_000)


def test_less_than_a_year_is_a_time_and_less_than_a_flight_none():
    large, small = (
        [str(one) for one in as_much(found_of(device_hours=hours, hardware="h100")[1])]
        for hours in (1e6, 1.0)
    )
    assert [len(large), len(small)] == [3, 2]
    assert "US households in a year" in large[0]
    assert small[0].startswith("the electricity of a US household in ")


def test_nothing_is_as_much_as_what_is_unknown():
    assert found_of(flop=1e16, hardware="amd-epyc-2-cores")[1] == {}


def test_the_command_says_them_in_words_and_in_json():
    words = ("estimate", "--device-hours", "1e6", "--hardware", "h100", "--quiet")
    assert "\nAs much as the electricity of " in run(*words).stdout
    found = json.loads(run(*words, "--json").stdout)["equivalents"]
    assert sorted(found) == ["car_km", "flights", "household_years"]
