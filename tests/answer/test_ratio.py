"""The ratio of two scenarios, and which errors cancel in it."""

import numpy as np
import pytest

from estimator.answer.ratio import ratio
from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario

CATALOG = Catalog.open()


def answered(**said):
    usual = {"params": 7e9, "tokens": 2e12, "hardware": "h100-sxm", "devices": 64, "site": "us"}
    return answer_scenario(Scenario(**usual | said), CATALOG)


@pytest.mark.parametrize("quantity", ["wall_hours", "energy_kwh", "cost_usd", "co2e_kg"])
def test_a_scenario_is_exactly_itself(quantity):
    same = ratio(answered(), answered(), quantity)
    assert same.mid == 1 and float(same.log_sd) == 0


def test_another_place_changes_the_co2e_by_the_uncertainty_of_the_places_alone():
    us, fr = answered(), answered(site="fr")
    assert float(ratio(fr, us, "wall_hours").log_sd) == 0
    found = ratio(fr, us, "co2e_kg")
    shares = {source: share for source, share in found.shares().items() if share > 1e-12}
    assert "carbon intensity" in shares
    assert not {"work", "utilization", "utilization, compared with"} & set(shares)


def test_another_device_counts_with_all_errors_but_that_of_the_work():
    """Against draws of every source, the shared one the same for both."""
    h100, b200 = answered(), answered(hardware="b200")
    found = ratio(b200, h100, "energy_kwh")
    draws = np.random.default_rng(0)
    shared = {source: draws.standard_normal(200_000) for source in ("work", "PUE")}
    logs = []
    for one in (b200, h100):
        loadings = one.estimate["energy_kwh"].loadings
        logs.append(
            sum(
                float(load) * shared.get(source, draws.standard_normal(200_000))
                for source, load in loadings.items()
            )
        )
    assert float(found.log_sd) == pytest.approx(float(np.std(logs[0] - logs[1])), rel=0.01)
    assert float(found.mid) == pytest.approx(
        float(b200.estimate["energy_kwh"].mid / h100.estimate["energy_kwh"].mid)
    )
