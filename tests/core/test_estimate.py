"""The chain from work to CO2: golden runs from print, and laws."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from estimator.core.estimate import Run, estimate
from estimator.core.hardware import Hardware, stack
from estimator.core.power import capped, node_power
from estimator.core.power_correction import corrected_power, device_power_w
from estimator.core.site import Site
from estimator.core.uncertainty import Uncertain, spread_between
from estimator.core.work import Workload

V100 = Hardware(
    name="V100",
    peak_flop_per_s=Uncertain(125e12),
    tdp_w=Uncertain(300.0),
    idle_w=Uncertain(35.0),
    load=spread_between(0.65, 0.95, "power"),
    host_factor=spread_between(1.25, 1.7, "host"),
    price_usd=Uncertain(14000.0),
    embodied_co2e_kg=spread_between(200.0, 900.0, "embodied"),
    lifetime_h=spread_between(26298.0, 52596.0, "lifetime"),
)
SITE = Site(
    name="test",
    pue=Uncertain(1.1),
    co2e_kg_per_kwh=spread_between(0.3, 0.6, "carbon intensity"),
    wue_l_per_kwh=Uncertain(0.5),
    electricity_usd_per_kwh=Uncertain(0.1),
)
UTILIZATION = spread_between(0.15, 0.45, "utilization")
NETWORK = spread_between(0.03, 0.10, "network")


def answered(flop=1e21, devices=64.0, hardware=V100, **run):
    settings = {"utilization": UTILIZATION, "network_share": NETWORK} | run
    settings.setdefault("price_usd_per_h", Uncertain(2.0))
    return estimate(
        Workload(training_flop=Uncertain(flop)), hardware, SITE, Run(devices=devices, **settings)
    )


def test_gpt_3_on_one_v100_takes_355_years():
    # C. Li, Lambda Labs, "OpenAI's GPT-3 language model: a technical overview", 2020.
    result = answered(3.14e23, 1.0, utilization=Uncertain(0.224), price_usd_per_h=Uncertain(1.5))
    years = result["wall_hours"].mid / 8766
    assert years == pytest.approx(355, abs=2)
    assert result["cost_usd"].mid == pytest.approx(4.67e6, rel=0.01)


def test_gpt_3_as_it_was_run_takes_14_8_days():
    # D. Patterson et al., arXiv:2104.10350, table 4: 14.8 days on 10,000 V100 at 24.6 TFLOP/s.
    result = answered(3.14e23, 10_000.0, utilization=Uncertain(24.6 / 125))
    assert result["wall_hours"].mid / 24 == pytest.approx(14.8, rel=0.03)
    low, high = result["energy_kwh"].interval()
    assert low < 1_287_000 < high


@given(st.floats(1e15, 1e27), st.floats(1, 1e5))
def test_twice_the_work_is_twice_the_energy(flop, devices):
    one, two = answered(flop, devices), answered(2 * flop, devices)
    for name in ("energy_kwh", "device_hours", "cost_usd", "co2e_kg", "water_l", "brain_years"):
        assert two[name].mid == pytest.approx(2 * one[name].mid)
        assert two[name].log_sd == pytest.approx(one[name].log_sd)


@given(st.floats(1e15, 1e27), st.integers(9, 10_000))
def test_more_devices_change_the_wall_time_and_not_the_energy(flop, devices):
    few, many = answered(flop, float(devices)), answered(flop, 2.0 * devices)
    assert many["energy_kwh"].mid == pytest.approx(few["energy_kwh"].mid)
    assert many["wall_hours"].mid == pytest.approx(few["wall_hours"].mid / 2)


@given(st.floats(0.01, 0.9))
def test_a_better_utilization_never_costs_energy(utilization):
    worse = answered(utilization=Uncertain(utilization))
    better = answered(utilization=Uncertain(min(1.0, utilization * 1.1)))
    assert better["energy_kwh"].mid < worse["energy_kwh"].mid
    assert better["power_w"].mid >= worse["power_w"].mid


def test_parts_add_up_to_the_whole():
    result = answered()
    assert sum(result.parts["energy_kwh"].values()) == pytest.approx(result["energy_kwh"].mid)
    assert sum(result.parts["co2e_kg"].values()) == pytest.approx(result["co2e_kg"].mid)


def test_attempts_multiply_what_is_spent_and_not_the_wall_time():
    work = {"training_flop": Uncertain(1e21)}
    run = Run(devices=8.0, utilization=UTILIZATION, price_usd_per_h=Uncertain(2.0))
    once = estimate(Workload(**work), V100, SITE, run)
    thrice = estimate(Workload(**work, attempts=Uncertain(3.0)), V100, SITE, run)
    for name in ("energy_kwh", "cost_usd", "co2e_kg"):
        assert thrice[name].mid == pytest.approx(3 * once[name].mid)
    assert thrice["wall_hours"].mid == once["wall_hours"].mid


def test_a_timed_run_keeps_its_hours_and_tells_its_utilization():
    work = Workload(training_flop=Uncertain(125e12 * 3600 * 10 * 0.3), device_hours=Uncertain(10.0))
    result = estimate(work, V100, SITE, Run(devices=2.0))
    assert result["device_hours"].interval() == (10.0, 10.0)
    assert result["wall_hours"].mid == 5.0
    assert result["utilization"].mid == pytest.approx(0.3)


def test_a_timed_run_above_the_peak_is_refused():
    hours, most_flop = np.array([10.0, 20.0]), 125e12 * 3600 * 10
    work = Workload(training_flop=Uncertain(most_flop), device_hours=Uncertain(hours))
    assert estimate(work, V100, SITE, Run())["utilization"].mid == pytest.approx([1.0, 0.5])
    work = Workload(training_flop=Uncertain(1.01 * most_flop), device_hours=Uncertain(hours))
    with pytest.raises(ValueError, match=r"utilization must be in \(0, 1\], got 1.01"):
        estimate(work, V100, SITE, Run())


def test_owning_costs_wear_and_electricity():
    result = answered(own=True)
    parts = result.parts["cost_usd"]
    wear = 14000 * result["device_hours"].mid / V100.lifetime_h.mid
    assert parts["amortised hardware"] == pytest.approx(wear)
    assert parts["electricity"] == pytest.approx(0.1 * result["energy_kwh"].mid)


def test_what_is_not_known_is_absent_with_its_reason():
    bare = Hardware(
        name="Bare",
        peak_flop_per_s=Uncertain(1e12),
        load=V100.load,
        host_factor=V100.host_factor,
        lifetime_h=V100.lifetime_h,
    )
    site = Site(name="nowhere", pue=Uncertain(1.1))
    run = Run(utilization=Uncertain(0.3))
    result = estimate(Workload(training_flop=Uncertain(1e18)), bare, site, run)
    assert set(result.quantities) == {
        "training_flop",
        "utilization",
        "device_hours",
        "wall_hours",
    }
    with pytest.raises(ValueError, match="energy_kwh is not known: power of Bare unknown"):
        result["energy_kwh"]
    with pytest.raises(ValueError, match="Bare has no rental price on record"):
        result["cost_usd"]


def test_arrays_of_scenarios_equal_a_loop_over_them():
    rng = np.random.default_rng(5)
    flop = np.exp(rng.uniform(40, 60, 30))
    devices = rng.integers(1, 100, 30).astype(float)
    share = rng.uniform(0.1, 0.6, 30)
    whole = answered(flop, devices, utilization=Uncertain(share, {"utilization": 0.4}))
    for place in range(30):
        doubt = Uncertain(share[place], {"utilization": 0.4})
        one = answered(flop[place], devices[place], utilization=doubt)
        for name, quantity in one.quantities.items():
            assert np.broadcast_to(whole[name].mid, 30)[place] == pytest.approx(quantity.mid)
            sd = np.broadcast_to(whole[name].log_sd, 30)[place]
            assert sd == pytest.approx(quantity.log_sd, abs=1e-12)


def test_stacked_devices_set_against_work_give_a_table():
    other = Hardware(
        name="A100",
        peak_flop_per_s=Uncertain(312e12),
        tdp_w=Uncertain(400.0),
        idle_w=Uncertain(50.0),
        load=V100.load,
        host_factor=V100.host_factor,
        lifetime_h=V100.lifetime_h,
    )
    flop = np.array([1e18, 1e20, 1e22])
    table = answered(flop, 8.0, hardware=stack([V100, other]))
    assert table["energy_kwh"].mid.shape == (2, 3)
    alone = answered(flop, 8.0, hardware=other)
    assert table["energy_kwh"].mid[1] == pytest.approx(alone["energy_kwh"].mid)
    assert "embodied_co2e_kg" not in table


def test_the_interval_of_the_energy_is_that_of_a_monte_carlo():
    """An independent route: the same formulas on drawn numbers, without the algebra."""
    rng = np.random.default_rng(8)
    z = {name: rng.standard_normal(300_000) for name in ("utilization", "power", "host", "network")}
    u = UTILIZATION.mid * np.exp(UTILIZATION.log_sd * z["utilization"])
    load = V100.load.mid * np.exp(V100.load.log_sd * z["power"]) * u**0.464
    host = V100.host_factor.mid * np.exp(V100.host_factor.log_sd * z["host"])
    network = 1 + NETWORK.mid * np.exp(NETWORK.log_sd * z["network"])
    watts = (35 + load * 265) * host * network
    kwh = 1.1 * watts * (1e21 / (125e12 * u)) / 3.6e6
    never_full = replace(V100, full_utilization=Uncertain(1.0))
    result = answered(hardware=never_full)["energy_kwh"]
    low, high = result.interval()
    assert [low, result.mid, high] == pytest.approx(np.quantile(kwh, [0.1, 0.5, 0.9]), rel=0.015)


def test_each_source_moves_a_result_as_far_as_its_loading_says():
    """An independent route: the derivative of the median by each input, without the algebra."""
    hardware = replace(
        V100,
        full_utilization=spread_between(0.5, 0.7, "full"),
        price_usd=spread_between(1e4, 2e4, "price"),
    )
    site = replace(
        SITE,
        pue=spread_between(1.1, 1.4, "pue"),
        wue_l_per_kwh=spread_between(0.2, 1.0, "wue"),
        electricity_usd_per_kwh=spread_between(0.05, 0.2, "electricity"),
    )
    work = Workload(
        training_flop=spread_between(1e21, 3e21, "work"),
        attempts=spread_between(1.5, 4.0, "attempts"),
    )
    run = Run(devices=64.0, utilization=UTILIZATION, network_share=NETWORK, own=True)

    def moved(holder, source, step):
        quantities = {
            name: Uncertain(
                value.mid * np.exp(step * value.loadings.get(source, 0.0)), value.loadings
            )
            for name, value in vars(holder).items()
            if isinstance(value, Uncertain)
        }
        return replace(holder, **quantities)

    def result(source="", step=0.0):
        return estimate(*(moved(one, source, step) for one in (work, hardware, site, run)))

    now = result()
    sources = {source for quantity in now.quantities.values() for source in quantity.loadings}
    assert {"utilization", "power", "host", "network", "pue", "work", "attempts"} < sources
    for source in sources:
        up, down = result(source, 1e-5), result(source, -1e-5)
        for name, quantity in now.quantities.items():
            slope = np.log(up[name].mid / down[name].mid) / 2e-5
            assert slope == pytest.approx(quantity.loadings.get(source, 0.0), abs=1e-6), name


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), 1e40])
def test_work_that_cannot_be_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"^training_flop must be"):
        Workload(training_flop=Uncertain(bad))


def test_one_bad_number_in_an_array_is_named():
    with pytest.raises(ValueError, match="training_flop must be positive, got -3"):
        Workload(training_flop=Uncertain(np.array([1e20, -3.0, 1e21])))


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.01, float("nan")])
def test_a_utilization_outside_zero_to_one_is_refused(bad):
    with pytest.raises(ValueError, match=r"utilization must be in \(0, 1\]"):
        Run(utilization=Uncertain(bad))


def test_work_in_flop_needs_a_utilization():
    with pytest.raises(ValueError, match="needs a utilization"):
        answered(utilization=None)


def test_a_workload_needs_some_work():
    with pytest.raises(ValueError, match="needs training_flop or device_hours"):
        Workload()


EXPONENT = spread_between(0.18, 0.6, "power cap", mid=0.33)


def under(cap_w, utilization=UTILIZATION, **said):
    hardware, reached = capped(V100, utilization, cap_w, EXPONENT, **said)
    return hardware, reached, answered(hardware=hardware, utilization=reached)


def test_a_capped_device_draws_the_cap_and_slows_by_the_dynamic_power_left():
    # By hand: load sqrt(0.65 x 0.95) = 0.7858 at 0.3; draw 35 + 0.7858 x 265 = 243.2 W;
    # (150 - 35) / (243.2 - 35) = 0.5523, to the power 0.33: 0.8221.
    hardware, reached, _ = under(150.0, Uncertain(0.3))
    assert reached.mid == pytest.approx(0.3 * 0.8221, rel=1e-3)
    power = node_power(hardware, utilization=reached, devices=1.0, network_share=NETWORK)
    assert power.device_w.mid == pytest.approx(150.0)
    assert power.device_w.log_sd == pytest.approx(0.0, abs=1e-12)
    host_w = (V100.host_factor.mid - 1) * 243.2
    assert power.node_w.mid == pytest.approx(150.0 + host_w, rel=1e-3)


def test_under_a_cap_the_host_moves_the_power_as_far_as_its_loading_says():
    def node(step):
        host = V100.host_factor
        factor = Uncertain(host.mid * np.exp(step * host.loadings["host"]), host.loadings)
        device, reached = capped(replace(V100, host_factor=factor), Uncertain(0.3), 150.0, EXPONENT)
        return node_power(device, utilization=reached, devices=1.0, network_share=NETWORK).node_w

    slope = np.log(node(1e-5).mid / node(-1e-5).mid) / 2e-5
    assert slope > 0.05
    assert node(0.0).loadings["host"] == pytest.approx(slope, abs=1e-6)


@given(st.floats(-0.3, 0.3), st.floats(0.0, 1.0), st.none() | st.floats(0.05, 0.5))
def test_a_measured_power_moves_and_narrows_the_draw_and_nothing_else(shift, left, share):
    before = device_power_w(V100, share)
    moved = corrected_power(V100, share, log_shift=shift, left=left)
    after = device_power_w(moved, share)
    assume(after.mid < 300.0 and before.mid < 300.0)
    assert after.mid == pytest.approx(before.mid * np.exp(shift))
    assert after.log_sd == pytest.approx(left * before.log_sd)
    assert (moved.idle_w.mid, moved.tdp_w.mid) == (35.0, 300.0)
    assert moved.host_factor == V100.host_factor


def test_a_device_that_drew_less_than_at_rest_draws_a_little_more():
    moved = corrected_power(V100, 0.3, log_shift=np.array([-5.0, 0.0]), left=1.0)
    low, same = device_power_w(moved, 0.3).mid
    assert 35.0 < low < 35.01
    assert same == pytest.approx(device_power_w(V100, 0.3).mid)


def test_the_exponent_is_that_of_language_models_on_a_v100_at_60_percent():
    # J. McDonald et al., arXiv:2205.09646: 150 W of 250 W, energy x 0.863, time x 1.068.
    draw_w = 150 * 1.068 / 0.863
    measured = np.log(1 / 1.068) / np.log((150 - 35) / (draw_w - 35))
    low, high = EXPONENT.interval()
    assert low < measured < high


@given(st.floats(36.0, 900.0), st.floats(0.01, 1.0))
def test_a_cap_never_makes_a_run_faster_nor_draw_more(cap_w, share):
    free = answered(utilization=Uncertain(share))
    _, reached, bound = under(cap_w, Uncertain(share))
    assert bound["power_w"].mid <= free["power_w"].mid * (1 + 1e-12)
    assert bound["wall_hours"].mid >= free["wall_hours"].mid * (1 - 1e-12)
    assert bound["wall_hours"].interval(0.95)[0] >= free["wall_hours"].mid * (1 - 1e-9)
    assert reached.mid <= share


@given(st.floats(40.0, 300.0), st.floats(1.0, 2.0))
def test_a_tighter_cap_is_never_faster(cap_w, looser):
    tight, loose = under(cap_w)[2], under(cap_w * looser)[2]
    assert tight["wall_hours"].mid >= loose["wall_hours"].mid * (1 - 1e-12)
    assert tight["power_w"].mid <= loose["power_w"].mid * (1 + 1e-12)


@given(st.floats(300.0, 900.0), st.floats(0.01, 1.0))
def test_a_cap_above_the_draw_changes_nothing(cap_w, share):
    _, _, bound = under(cap_w, Uncertain(share))
    free = answered(utilization=Uncertain(share))
    for name, quantity in free.quantities.items():
        assert bound[name].interval() == quantity.interval(), name


def test_a_timed_run_under_a_cap_keeps_its_utilization():
    hardware, reached, _ = under(150.0, Uncertain(0.3), slows=False)
    power = node_power(hardware, utilization=reached, devices=1.0, network_share=NETWORK)
    assert (reached.mid, reached.log_sd) == (0.3, 0.0)
    assert power.device_w.mid == pytest.approx(150.0)


def test_caps_as_an_array_equal_a_loop_over_them():
    caps = np.array([60.0, 150.0, 240.0, 299.0, 600.0])
    hardware, reached, _ = under(caps)
    for place, cap_w in enumerate(caps):
        alone, one, _ = under(cap_w)
        assert reached.mid[place] == pytest.approx(one.mid)
        assert reached.log_sd[place] == pytest.approx(one.log_sd)
        assert hardware.load.mid[place] == pytest.approx(alone.load.mid)


@pytest.mark.parametrize(
    ("cap_w", "reason"),
    [
        (35.0, "more than the idle power of its device, 35 W, got 35"),
        (np.array([200.0, 20.0]), "more than the idle power of its device, 35 W, got 20"),
        (901.0, "at most 3 power limits of the device, 900 W, got 901"),
        (float("nan"), "power_cap must be a finite number"),
        (-5.0, "power_cap must be positive"),
    ],
)
def test_a_cap_that_no_device_keeps_is_refused(cap_w, reason):
    with pytest.raises(ValueError, match=reason):
        under(cap_w)


def watered(**factors):
    site = replace(SITE, wue_l_per_kwh=None, **factors)
    work = Workload(training_flop=Uncertain(1e21))
    return estimate(work, V100, site, Run(devices=8.0, utilization=UTILIZATION))


def test_water_is_that_of_the_cooling_and_of_the_power_stations():
    # By hand: 0.5 L per kWh of the computers, 3 L per kWh of the site, PUE 1.1.
    result = watered(offsite_l_per_kwh=spread_between(1.5, 6.0, "water of electricity"))
    parts = result.parts["water_l"]
    assert parts == {"offsite": pytest.approx(3.0 * result["energy_kwh"].mid)}
    both = estimate(
        Workload(training_flop=Uncertain(1e21)),
        V100,
        replace(SITE, offsite_l_per_kwh=Uncertain(3.0)),
        Run(devices=8.0, utilization=UTILIZATION),
    )
    it_kwh = both["energy_kwh"].mid / 1.1
    assert both["water_l"].mid == pytest.approx((0.5 + 1.1 * 3.0) * it_kwh)
    assert sum(both.parts["water_l"].values()) == pytest.approx(both["water_l"].mid)


def test_a_part_of_the_water_that_is_not_known_is_reported():
    assert watered(offsite_l_per_kwh=Uncertain(3.0)).absent["onsite_water_l"].field == "wue"
    assert "offsite_water_l" in answered().absent
    assert watered().absent["water_l"].field == "wue"
    assert "water_l" not in watered()
