"""Tables: what charts and files are made of adds up and says what the answer says."""

import pandas as pd
import pytest

from estimator.answer.report import bounds
from estimator.answer.scenario_estimate import Answer, answer_scenario, answer_scenarios
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.web.shared.amounts import span
from estimator.web.shared.tables import (
    COMPARED,
    author,
    between,
    comparison_rows,
    credit,
    inputs_rows,
    other_devices,
    parts_rows,
    results_rows,
    uncertain_quantity,
    uncertainty_rows,
)
from tests.measured_runs import several, store

CATALOG = Catalog.open()
SCENARIO = Scenario(params=7e9, tokens=2e12, hardware="h100-sxm", devices=64.0, site="us")


@pytest.fixture(scope="module")
def answer() -> Answer:
    return answer_scenario(SCENARIO, CATALOG)


def test_results_are_those_of_the_estimate(answer):
    table = pd.DataFrame(results_rows(answer)).set_index("quantity")
    assert table.loc["energy_kwh", "mid"] == float(answer.estimate["energy_kwh"].mid)
    assert (table["low"] <= table["mid"]).all() and (table["mid"] <= table["high"]).all()


def test_parts_add_up_to_the_energy(answer):
    table = pd.DataFrame(parts_rows(answer))
    assert table["energy_kwh"].sum() == pytest.approx(float(answer.estimate["energy_kwh"].mid))
    assert table["share"].sum() == pytest.approx(1.0)


def test_without_known_power_there_are_no_parts():
    unknown = [device for device in CATALOG.devices() if "tdp_w" not in device.records]
    for device in unknown[:2]:
        scenario = Scenario(flop=1e20, hardware=device.id, precision=next(iter(device.peaks)))
        answer = answer_scenario(scenario, CATALOG)
        assert not parts_rows(answer)
        assert uncertain_quantity(answer) == "device_hours"
        assert uncertainty_rows(answer)


def test_sources_of_uncertainty_are_sorted_and_share_the_whole(answer):
    table = pd.DataFrame(uncertainty_rows(answer))
    assert list(table["share"]) == sorted(table["share"], reverse=True)
    assert table["share"].sum() == pytest.approx(1.0, abs=0.01)


def test_one_source_alone_is_narrower_than_all_together(answer):
    table = pd.DataFrame(uncertainty_rows(answer))
    low, high = answer.estimate["energy_kwh"].interval(answer.level)
    assert (table["energy_kwh_low"] >= low).all()
    assert (table["energy_kwh_high"] <= high).all()


def questions(table):
    """Each row of a table as a question of its own."""
    return [table.row(place) for place in range(table.count)]


@pytest.mark.parametrize("hardware", ["h100-sxm", "human-brain", "v100-sxm2-16"])
def test_five_other_devices_never_the_own_one(hardware):
    answer = answer_scenario(
        Scenario(preset="gpt-3", hardware=hardware, devices=8.0, site="fr"), CATALOG
    )
    others = other_devices(answer, CATALOG)
    assert len({*others.word("hardware").rows()} - {hardware}) == 5
    assert set(others.number("devices")) == {8.0}


def test_what_was_said_of_the_device_stays_with_the_device():
    scenario = Scenario(flop=1e22, hardware="h100-sxm", utilization=0.4, price=9.0)
    asked = questions(other_devices(answer_scenario(scenario, CATALOG), CATALOG))
    others = [one for one in answer_scenarios(asked, CATALOG) if isinstance(one, Answer)]
    assert len(others) == len(asked)
    assert all(other.inputs["utilization"].basis != "given" for other in others)
    assert all(
        other.inputs["price_usd_per_h"].basis != "given"
        for other in others
        if "price_usd_per_h" in other.inputs
    )


def test_a_run_known_only_by_its_hours_is_not_moved():
    answer = answer_scenario(Scenario(device_hours=1e3, hardware="h100-sxm"), CATALOG)
    assert other_devices(answer, CATALOG).count == 0


@pytest.mark.parametrize("quantity", COMPARED)
def test_devices_are_sorted_with_one_own(answer, quantity):
    rows = comparison_rows(answer, quantity, CATALOG)
    middles = [row[f"{quantity}_mid"] for row in rows]
    assert middles == sorted(middles)
    assert [row["whose"] for row in rows].count("yours") == 1
    assert not any(", yours" in row["label"] for row in rows), "in print it is nobody's"
    named = comparison_rows(answer, quantity, CATALOG, yours=True)
    assert [row["whose"] for row in named if ", yours" in row["text"]] == ["yours"]
    for row in rows:
        span = between(quantity, row[f"{quantity}_low"], row[f"{quantity}_high"])
        assert row["text"] == f"{row['label']} ({span})", "the tooltip shows the interval"


@pytest.mark.parametrize("quantity", COMPARED)
@pytest.mark.parametrize(
    "scenario",
    [
        SCENARIO,
        Scenario(flop=1e15, hardware="human-brain", precision="equivalent"),
        Scenario(flop=1e20, hardware="edge-tpu", precision="int8", interval=0.5),
        Scenario(params=1e9, tokens=2e10, hardware="h100-sxm", pay="own", attempts=2.0, pue=1.1),
        Scenario(preset="gpt-3", hardware="v100", devices=64.0, utilization=0.3, power_cap=250.0),
        Scenario(device_hours=1e3, hardware="h100-sxm", devices=8.0, precision="bf16"),
        Scenario(params=1e9, tokens=2e10, hardware="a100-sxm-80", device_hours=1e3),
    ],
)
def test_each_device_has_the_value_that_it_has_by_itself(scenario, quantity):
    answer = answer_scenario(scenario, CATALOG)
    asked = questions(other_devices(answer, CATALOG))
    alone = [answer, *(answer_scenarios(asked, CATALOG) if asked else [])]
    by_name = {
        one.device.name: bounds(one.estimate[quantity], one.level)
        for one in alone
        if isinstance(one, Answer) and quantity in one.estimate
    }
    rows = comparison_rows(answer, quantity, CATALOG)
    assert [row["device"] for row in rows] == sorted(by_name, key=lambda one: by_name[one]["mid"])
    for row in rows:
        found = {end: row[f"{quantity}_{end}"] for end in ("low", "mid", "high")}
        assert found == pytest.approx(by_name[row["device"]], rel=1e-12)


def test_every_input_that_was_not_said_names_its_source(answer):
    table = pd.DataFrame(inputs_rows(answer, CATALOG))
    assert set(table["key"]) == set(answer.inputs)
    looked_up = table[table["basis"] != "given"]
    assert (looked_up["title"] != "").all() and (looked_up["publisher"] != "").all()


def test_credit_names_publishers_with_years(answer):
    assert "(20" in credit(answer, CATALOG, ("tdp_w", "power."))


@pytest.mark.parametrize("count", [1, 2])
def test_what_measured_runs_corrected_names_these_as_its_source(tmp_path, monkeypatch, count):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))
    store(*several()[:count])
    calibrated = answer_scenario(SCENARIO, CATALOG)
    table = pd.DataFrame(inputs_rows(calibrated, CATALOG)).set_index("key")
    specified = {1: "measured run r-bench", 2: "2 measured runs"}[count]
    for key in ("utilization", "device_power_w"):
        assert table.loc[key, "basis"] == "calibrated"
        assert table.loc[key, "title"] == specified
    assert table.loc["utilization.prior", "input"] == "utilization before calibration"
    assert "measured runs (2026)" in credit(calibrated, CATALOG, ("utilization",))


def test_an_archive_of_preprints_is_no_author():
    assert author(CATALOG.source("qlora-2023")) == "T. Dettmers et al."
    named = {author(one) for one in CATALOG.sources()}
    assert not [name for name in named if name.startswith("arXiv")]


def test_a_range_of_money_names_its_unit_once():
    assert span(2.1e3, 8.77e3, "USD") == "$2.10k – $8.77k"
    assert span(990.0, 8.77e3, "USD") == "$990 – $8.77k"
