"""The power: fitted to meters, scored on families that the fit has not seen."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.catalog.table_checks import table_problems
from estimator.core.power import busy_share, node_power, odds_by_network
from estimator.core.uncertainty import EXACTLY_ZERO, Uncertain
from estimator.question.hardware import read_hardware
from estimator.question.scenario import Scenario
from estimator.validation.energy import (
    HOURS_ALONE,
    WORK_KNOWN,
    energy_scores,
    measured_power,
    power_spread,
    work_group,
)
from estimator.validation.power_fit import DEVICES, NODE, PARTS, Meters, PowerModel, expected_power
from estimator.validation.power_fit import fitted_power as fit
from estimator.validation.power_readings import meters, own_readings, power_prior, readings

SCOPES = np.array([DEVICES, PARTS, NODE])


@pytest.fixture(scope="module")
def found(catalog):
    return readings(catalog)


@pytest.fixture(scope="module")
def runs(catalog):
    return measured_power(catalog)


@pytest.fixture(scope="module")
def model(catalog, found):
    gpus = [one for one in found if one.kind != "tpu"]
    return fit(power_prior(catalog), meters([*gpus, *own_readings(catalog)]))


def some(count, **changed):
    rng = np.random.default_rng(11)
    usual = {
        "idle_w": np.full(count, 50.0),
        "limit_w": rng.choice([250.0, 400.0, 700.0], count),
        "busy": np.where(np.arange(count) % 2, np.nan, rng.uniform(0.2, 1.0, count)),
        "params": rng.choice([1e7, 1e8, 1e9], count),
        "peak_flop_per_s": rng.choice([1e13, 1e14, 1e15], count),
        "run_odds": np.ones(count),
        "scope": SCOPES[np.arange(count) % 3],
        "measured_w": np.ones(count),
        "family": np.array([f"family {place}" for place in range(count)]),
    }
    return Meters(**usual | changed)


def test_the_shipped_power_is_that_of_the_fit(catalog, model):
    assert catalog.prior("power.load.gpu-datacenter").value == pytest.approx(model.load, rel=2e-3)
    node = catalog.prior("power.host_factor.gpu-datacenter").value
    assert node == pytest.approx(1 + model.host_share, rel=2e-3)
    waiting = catalog.prior("power.waiting_params").value
    assert waiting == pytest.approx(model.waiting_params, rel=5e-3)
    h100 = read_hardware("h100")
    more_w, less_w = (
        node_power(h100, utilization=share, devices=1.0, network_share=EXACTLY_ZERO).device_w.mid
        for share in (0.2, 0.1)
    )
    elasticity = np.log2((more_w - h100.idle_w.mid) / (less_w - h100.idle_w.mid))
    assert elasticity == pytest.approx(model.load_exponent, abs=5e-4)


def test_the_shipped_interval_is_as_wide_as_the_blind_errors(runs):
    """Times sqrt(1 + 1/5): a family to come is predicted from the mean of five."""
    like = [run for run in runs if work_group(run.reading) == WORK_KNOWN]
    errors = [np.log(float(run.predicted_w.mid) / run.reading.measured_w) for run in like]
    families = np.array([run.reading.family for run in like])
    asked = {"utilization": 0.3, "devices": 8.0, "network_share": EXACTLY_ZERO}
    node = node_power(read_hardware("h100"), **asked).node_w
    wanted = np.sqrt(1 + 1 / 5) * power_spread(np.array(errors), families)
    assert node.log_sd == pytest.approx(wanted, rel=0.1)


def drawn_w(catalog, **asked):
    """Power of the device of a run of which only the hours are known."""
    from estimator.answer.scenario_estimate import answer_scenario

    timed = {"device_hours": 100.0, "hardware": "v100-sxm2-16", "precision": "fp16"}
    answer = answer_scenario(Scenario(**timed | {"calibration": "ignore"} | asked), catalog)
    return node_power(
        answer.hardware, utilization=None, devices=1.0, network_share=EXACTLY_ZERO
    ).device_w


def test_lightly_loaded_and_busy_boards_are_inside_where_only_hours_and_size_are_known(catalog):
    """Dodge et al. 2022, table 3: 1.7 to 237.6 kWh on V100 in 19 to 864 GPU-hours."""
    read_w = {5.7e6: 1700 / 19, 22e6: 2200 / 19, 86e6: 4700 / 21, 307e6: 93.3e3 / 360}
    for params, watts in read_w.items():
        low, high = drawn_w(catalog, params=params, kind="vision").interval()
        assert low < watts < high
    assert drawn_w(catalog, params=5.7e6).mid < 0.5 * drawn_w(catalog, params=632e6).mid


def test_a_card_at_work_on_an_unknown_network_may_be_lightly_loaded_or_busy(catalog):
    low, high = drawn_w(catalog).interval()
    assert low < 90 < 275 < high
    low, high = drawn_w(catalog, kind="other", arch="recommender").interval()
    assert low < 40 < 220 < high
    spread = [drawn_w(catalog, devices=count).log_sd for count in (1.0, 64.0, 4096.0)]
    assert spread == sorted(spread, reverse=True)
    mids = [drawn_w(catalog, devices=count).mid for count in (1.0, 64.0, 4096.0)]
    assert mids == sorted(mids)


@given(st.floats(1e5, 1e13), st.floats(1e12, 1e16), st.floats(1.01, 100.0))
def test_larger_networks_and_slower_devices_wait_less(params, peak, times):
    waiting = Uncertain(9e7, {"busy share": 2.0})
    one = busy_share(odds_by_network(params, peak, waiting))
    for other in (
        busy_share(odds_by_network(params * times, peak, waiting)),
        busy_share(odds_by_network(params, peak / times, waiting)),
    ):
        assert one.mid <= other.mid <= 1.0
        assert one.log_sd >= other.log_sd >= 0.0
    assert one.mid + 1 / (1 + odds_by_network(params, peak, waiting).mid) == pytest.approx(1.0)


def test_measured_power_of_families_not_seen_is_predicted_within_an_eighth(runs):
    specified = energy_scores(runs)
    assert specified["measured"].count >= 35
    assert specified["measured"].families >= 14
    assert specified[HOURS_ALONE].count >= 18
    assert specified[HOURS_ALONE].median_error <= 0.13
    assert specified["set aside"].count >= 8
    assert specified["set aside"].median_error <= 0.18
    assert specified["set aside"].coverage >= 0.72
    assert specified["measured"].median_error <= 0.11
    assert specified["measured"].family_median_error <= 0.14
    assert 0.74 <= specified[WORK_KNOWN].coverage <= 0.9
    assert 0.74 <= specified["measured"].coverage <= 0.95
    assert 0.65 <= specified["language"].coverage <= 0.92
    assert specified["vision"].coverage >= 0.65


def test_a_family_does_not_help_to_predict_itself(catalog, found):
    prior = power_prior(catalog)
    out = [one for one in found if one.kind != "tpu" and not one.family.startswith("mlperf")]
    blind = expected_power(fit(prior, meters([*out, *own_readings(catalog)])), meters(found))
    specified = {run.reading.name: run for run in measured_power(catalog)}
    for one, watts in zip(found, blind.tolist(), strict=True):
        if one.family.startswith("mlperf"):
            assert specified[one.name].predicted_w.mid == pytest.approx(watts, rel=1e-6)


def test_power_worked_out_from_the_limit_is_no_measurement(catalog, found):
    names = {one.name for one in found}
    rows = {row["name"]: row for row in catalog.published_runs()}
    assert "GPT-3 175B" in names
    for name in ("BLOOM-176B", "LLaMA-1 7B", "Llama 2 7B", "Gopher 280B", "LaMDA 137B"):
        assert name in rows
        assert name not in names


def test_every_meter_counts_for_what_it_saw(found):
    scopes = {one.name: (one.scope, one.device) for one in found}
    assert scopes["ViT Base (ImageNet) [Dodge]"] == (DEVICES, "v100-sxm2-16")
    assert scopes["ELMo [Strubell energy]"] == (PARTS, "gtx-1080-ti")
    assert scopes["GPT-3 175B"] == (NODE, "v100-sxm2-32")


def test_gpt_3_was_metered_at_330_w_by_hand(found):
    # Patterson et al. 2021, table 4: 1287 MWh, 10,000 V100, 14.8 days, PUE 1.10.
    by_hand = 1287e6 / (10_000 * 14.8 * 24) / 1.10
    (gpt,) = [one for one in found if one.name == "GPT-3 175B"]
    assert gpt.measured_w == pytest.approx(by_hand, rel=0.005)


def test_counters_of_olmo_agree_with_their_energy_over_their_hours(catalog):
    # Ai2's Olmo 3 team, quoted by muxup.com; Morrison et al. 2025, table 1, sections 3.1 and 4.1.
    read_w = {
        row["name"].split(",")[0]: float(row["power_w"])
        for row in catalog.table("runs/power_facts.csv")
    }
    assert read_w["Olmo 3 7B"] == pytest.approx(146e6 / 234e3, rel=0.01)
    assert read_w["Olmo 3 32B"] == pytest.approx(681e6 / 1.05e6, rel=0.01)
    iowa_mwh = (159 - 459 * 0.332) / (1.12 * 0.352 - 0.332)
    devices_mwh = (459 - iowa_mwh) / 1.20 + iowa_mwh
    assert read_w["OLMo up to 13B"] == pytest.approx(devices_mwh * 1e6 / 680e3, rel=0.01)


def test_the_fit_finds_the_model_that_made_the_readings():
    made = PowerModel(
        load=0.6, load_exponent=0.5, parts_share=0.2, host_share=0.7, waiting_params=3e7
    )
    seen = some(90)
    seen = replace(seen, measured_w=expected_power(made, seen))
    wide = {name: Uncertain(0.4, {name: 3.0}) for name in vars(made)}
    wide["waiting_params"] = Uncertain(1e8, {"waiting_params": 3.0})
    again = fit(wide, seen)
    assert [getattr(again, name) for name in wide] == pytest.approx(
        [getattr(made, name) for name in wide], rel=0.01
    )


def test_without_readings_the_prior_stands(catalog):
    prior = power_prior(catalog)
    model = fit(prior, some(0))
    for name, value in prior.items():
        assert getattr(model, name) == pytest.approx(float(value.mid))


def test_counters_of_devices_say_nothing_of_the_host(catalog):
    prior = power_prior(catalog)
    seen = some(30, scope=np.full(30, DEVICES), measured_w=np.full(30, 150.0))
    assert fit(prior, seen).host_share == pytest.approx(float(prior["host_share"].mid))
    assert fit(prior, seen).parts_share == pytest.approx(float(prior["parts_share"].mid))


def test_the_fitted_model_and_the_core_draw_the_same(model):
    v100 = read_hardware("v100")
    for share in (0.3, 0.6, 1.0, 1.7):
        utilization = share * v100.full_utilization
        power = node_power(v100, utilization=utilization, devices=1.0, network_share=EXACTLY_ZERO)
        seen = some(2, busy=np.full(2, share), scope=np.array([DEVICES, NODE]))
        seen = replace(
            seen,
            idle_w=np.full(2, float(v100.idle_w.mid)),
            limit_w=np.full(2, float(v100.tdp_w.mid)),
        )
        device_w, node_w = expected_power(model, seen)
        assert power.device_w.mid == pytest.approx(device_w, rel=0.01)
        assert power.node_w.mid == pytest.approx(node_w, rel=0.01)


def test_a_network_bound_by_memory_draws_as_much_at_a_lower_utilization():
    a100 = read_hardware("a100")

    def drawn(utilization, full):
        hardware = replace(a100, full_utilization=Uncertain(full))
        power = node_power(
            hardware, utilization=utilization, devices=1.0, network_share=EXACTLY_ZERO
        )
        return float(power.device_w.mid)

    assert drawn(0.1, 0.1) == pytest.approx(drawn(0.4, 0.4))
    assert drawn(0.1, 0.4) < 0.8 * drawn(0.4, 0.4)
    assert drawn(0.6, 0.4) == pytest.approx(drawn(0.4, 0.4))


def test_a_run_that_waits_for_others_draws_less_than_one_that_does_not(catalog):
    from estimator.answer.scenario_estimate import answer_scenario

    def answered(devices):
        scenario = Scenario(params=7e9, tokens=1e10, hardware="h100", devices=devices)
        return answer_scenario(scenario, catalog)

    few, many = answered(8.0), answered(4096.0)
    assert few.hardware.full_utilization.mid == pytest.approx(many.hardware.full_utilization.mid)
    assert many.estimate["utilization"].mid < 0.9 * few.estimate["utilization"].mid
    network = 1 + float(many.run.network_share.mid)
    for_each = [float(one.estimate["power_w"].mid) / one.run.devices for one in (few, many)]
    assert for_each[1] / network < 0.97 * for_each[0]


def test_hours_alone_leave_the_power_wider_open_than_hours_and_work(catalog):
    from estimator.answer.scenario_estimate import answer_scenario

    timed = Scenario(device_hours=100.0, hardware="a100", devices=1)
    known = replace(timed, params=7e9, tokens=3e8)
    alone, both = (answer_scenario(one, catalog).estimate for one in (timed, known))
    assert alone["energy_kwh"].log_sd > 2 * both["energy_kwh"].log_sd


def test_system_power_on_record_is_within_what_meters_read(catalog, found):
    for device in ("tpu-v2", "tpu-v3"):
        read_w = [one.measured_w for one in found if one.device == device and one.scope == NODE]
        record = catalog.device(device).records["system_power_w"]
        assert min(read_w) <= record.value <= max(read_w)
        assert record.value == pytest.approx(np.median(read_w), rel=0.02)


def test_every_shipped_power_fact_is_sound(catalog):
    assert not list(table_problems(catalog, "runs/power_facts.csv"))
    assert len(catalog.table("runs/power_facts.csv")) >= 10
