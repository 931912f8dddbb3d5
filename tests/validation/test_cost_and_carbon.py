"""Cost and CO2 given the hours: what tests something is scored, what is circular is counted."""

import numpy as np
import pytest

from estimator.core.uncertainty import Uncertain
from estimator.validation.cost_and_carbon import (
    LISTED,
    Judged,
    Judgement,
    judged_costs,
    judged_emissions,
)


@pytest.fixture(scope="module")
def costs(catalog):
    return judged_costs(catalog)


@pytest.fixture(scope="module")
def emissions(catalog):
    return judged_emissions(catalog)


def test_costs_at_listed_prices_are_met_within_a_fifth(costs):
    specified = costs.score
    assert specified.count >= 10
    assert specified.median_error <= 0.20
    assert specified.within_2 == 1.0
    assert specified.coverage >= 0.6


def test_emissions_behind_a_meter_are_met_within_a_sixth(emissions):
    specified = emissions.score
    assert specified.count >= 8
    assert specified.median_error <= 1 / 6
    assert specified.within_2 == 1.0
    assert specified.coverage >= 0.6


def test_every_row_with_an_amount_is_scored_or_counted(catalog, costs, emissions):
    rows = catalog.published_runs()
    for judged, column in ((costs, "cost_usd"), (emissions, "co2e_t")):
        reported = sum(1 for row in rows if row[column])
        assert len(judged.runs) + sum(judged.left_out.values()) == reported
        assert any(reason.startswith("circular") for reason in judged.left_out)


def test_hours_times_an_assumed_price_or_limit_are_no_test(costs, emissions):
    names = {run.name for run in (*costs.runs, *emissions.runs)}
    assert {"GPT-3 175B", "ResNet-164 CIFAR-10 1xK80 (DAWNBench)"} <= names
    for name in names:
        assert not name.startswith(("DeepSeek", "MosaicML", "Llama", "LLaMA", "BLOOM", "Gopher"))


def test_names_of_runs_with_a_meter_are_told_apart(emissions):
    names = [run.name for run in emissions.runs]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("basis", "counts"),
    [
        ("$24.48/h listed for the instance(s)", True),
        ("$0.90/h p2.xlarge", True),
        ("$2 per A100-hour", False),
        ("midpoint of $41-140 P100 preemptible/on-demand", False),
        ("", False),
    ],
)
def test_only_an_hourly_offer_is_a_listed_price(basis, counts):
    assert bool(LISTED.match(basis)) is counts


def test_a_score_is_that_of_the_ratios():
    runs = [
        Judged(
            name=str(place),
            family="f",
            device="d",
            reported=100.0,
            predicted=Uncertain(100.0 * ratio, {"price": 0.1}),
        )
        for place, ratio in enumerate((0.9, 1.0, 1.5))
    ]
    specified = Judgement(runs=runs, left_out={}).score
    assert specified.bias == pytest.approx(1.0)
    assert specified.median_error == pytest.approx(0.1, abs=0.02)
    assert specified.coverage == pytest.approx(2 / 3)
    assert np.isclose(specified.within_125, 2 / 3)


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="no runs to score"):
        _ = Judgement(runs=[], left_out={}).score
