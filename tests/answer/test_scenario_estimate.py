"""Whole scenarios out of the shipped profiles: golden runs, what is assumed, what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.answer.estimate_table import estimate_table
from estimator.answer.published_run import published_run
from estimator.answer.scenario_estimate import answer_scenario, answer_scenarios
from estimator.answer.training_report import estimate_report
from estimator.catalog import Catalog
from estimator.catalog.records import Record
from estimator.core.power import node_power
from estimator.core.uncertainty import Uncertain
from estimator.question.ownership import value_lost
from estimator.question.provenance import uncertain_record
from estimator.question.scenario import Scenario
from estimator.question.table import Table
from estimator.show import values
from estimator.show.text import results_table


def as_json(answer):
    """JSON of an estimate."""
    return values.as_json(estimate_report(answer))


def ask(catalog, **said):
    return answer_scenario(Scenario(**said), catalog)


def test_gpt_3_on_10_000_v100_takes_the_14_8_days_that_were_measured(catalog):
    """Asked without its utilization: on its devices as published, on others with its software."""
    answer = ask(catalog, preset="gpt-3", hardware="v100", devices=10_000)
    found = as_json(answer)
    wall = found["results"]["wall_hours"]
    assert wall["low"] < 24 * 14.8 < wall["high"]
    assert any("as reported for this run" in warning for warning in found["warnings"])
    moved = as_json(ask(catalog, preset="gpt-3", hardware="a100", devices=10_000))
    assert any("software of 2020" in warning for warning in moved["warnings"])
    today = as_json(ask(catalog, preset="gpt-3", hardware="v100", devices=10_000, year=2025.0))
    assert today["results"]["wall_hours"]["mid"] < wall["mid"]
    assert not any("software of" in warning for warning in today["warnings"])


def test_causal_kernels_are_assumed_said_and_switched(catalog):
    asked = {"params": 8e9, "tokens": 1e11, "seq_len": 131_072, "hardware": "h100", "devices": 64}
    assumed, causal, full = (
        as_json(ask(catalog, **asked, attention_mask=mask)) for mask in (None, "causal", "full")
    )
    flop = [one["results"]["training_flop"]["mid"] for one in (assumed, causal, full)]
    hours = [one["results"]["wall_hours"]["mid"] for one in (assumed, causal, full)]
    assert flop[0] == flop[1] == flop[2], "model FLOPs, as MFU counts them"
    assert hours[0] == hours[1] < 0.7 * hours[2]
    said = [
        any("causal attention kernels" in text for text in one["warnings"])
        for one in (assumed, causal)
    ]
    assert said == [True, False]


def test_wafers_have_a_wide_prior_of_their_own(catalog):
    asked = {"params": 13e9, "tokens": 257e9, "hardware": "cerebras-wse2", "devices": 16}
    found = as_json(ask(catalog, **asked))["results"]["utilization"]
    assert found["low"] < 0.03 and 0.12 < found["high"] < 0.6


def test_gpt_3_on_one_v100_takes_355_years_and_4_67_million_dollars(catalog):
    reported = as_json(
        ask(
            catalog,
            flop=3.14e23,
            hardware="v100",
            devices=1.0,
            utilization=0.224,
            precision="fp16",
            price=1.5,
        )
    )["results"]
    assert reported["wall_hours"]["mid"] / 8766 == pytest.approx(355, abs=2)
    assert reported["cost_usd"]["mid"] == pytest.approx(4.67e6, rel=0.01)
    assert reported["utilization"] == {"low": 0.224, "mid": 0.224, "high": 0.224, "basis": "given"}


def test_gpt_3_as_it_was_run(catalog):
    # D. Patterson et al., arXiv:2104.10350, table 4: 14.8 days, 1,287 MWh, 552 t.
    reported = as_json(
        ask(
            catalog,
            preset="gpt-3",
            hardware="v100",
            devices=10_000.0,
            utilization=24.6 / 125,
            pue=1.10,
            carbon_intensity=0.429,
        )
    )["results"]
    assert reported["wall_hours"]["mid"] / 24 == pytest.approx(14.8, rel=0.03)
    assert reported["energy_kwh"]["low"] < 1_287_000 < reported["energy_kwh"]["high"]
    assert reported["co2e_kg"]["low"] < 552_000 < reported["co2e_kg"]["high"]


def test_every_preset_on_its_own_hardware_is_answered(catalog):
    for preset in catalog.presets():
        hardware = preset.hardware or "p100"
        tokens = None if preset.has_work else 1e11
        answer = ask(catalog, preset=preset.id, hardware=hardware, tokens=tokens)
        assert answer.estimate["wall_hours"].mid > 0, preset.id
        json.dumps(as_json(answer), allow_nan=False)


def test_every_device_answers_or_says_why_not(catalog):
    for device in catalog.devices():
        try:
            answer = ask(catalog, flop=1e18, hardware=device.id, devices=1.0)
        except ValueError as error:
            assert "no format for training" in str(error), device.id
        else:
            missing = {"energy_kwh", "cost_usd", "co2e_kg"} - set(answer.estimate.quantities)
            for name in missing:
                assert answer.estimate.absent[name] in answer.notices, (device.id, name)


def test_every_input_carries_a_unit_a_basis_and_a_known_source(catalog):
    answer = ask(catalog, preset="llama-2-7b", hardware="a100", devices=8.0, site="fr")
    assert len(answer.inputs) > 10
    for name, item in answer.inputs.items():
        assert item.unit, name
        if item.basis == "given":
            assert not item.source
        else:
            assert catalog.source(item.source).title, name


def test_what_is_not_said_is_assumed_loudly(catalog):
    warnings = "\n".join(ask(catalog, flop=1e20, hardware="h100").warnings)
    for said in ("PUE", "carbon", "set kind", "assuming one device"):
        assert said in warnings


def test_what_is_said_leaves_nothing_to_warn_about(catalog):
    answer = ask(
        catalog,
        flop=1e20,
        kind="vision",
        hardware="h100",
        precision="bf16",
        devices=8.0,
        utilization=0.3,
        carbon_intensity=0.1,
        pue=1.1,
        wue=0.2,
        price=2.0,
    )
    assert answer.warnings == ()


@pytest.mark.parametrize(
    ("said", "idle"),
    [
        ({"samples": 1e6}, "samples"),
        ({"tokens": 1e9}, "tokens"),
        ({"sample_flop": 1e9, "samples": 1e6}, "sample_flop"),
    ],
)
def test_what_stated_flops_leave_without_effect_is_said(catalog, said, idle):
    alone = ask(catalog, flop=1e20, hardware="h100")
    beside = ask(catalog, flop=1e20, hardware="h100", **said)
    assert beside.estimate["wall_hours"].mid == alone.estimate["wall_hours"].mid
    assert f"{idle} has no effect here" in beside.warnings


@pytest.mark.parametrize(
    "said", [{"samples": 1e6, "batch": 64.0}, {"tokens": 1e9, "batch_tokens": 4096.0}]
)
def test_tokens_and_samples_say_how_many_steps_stated_flops_take(catalog, said):
    few = ask(catalog, flop=1e17, hardware="amd-epyc-2-cores", **said)
    name = next(iter(said))
    many = ask(catalog, flop=1e17, hardware="amd-epyc-2-cores", **said | {name: 1e3 * said[name]})
    assert many.estimate["wall_hours"].mid > few.estimate["wall_hours"].mid
    assert not [line for line in few.warnings if "no effect" in line]


def test_a_given_quantity_has_no_width_and_no_share_of_the_spread(catalog):
    answer = ask(
        catalog, flop=1e20, hardware="v100", utilization=0.3, pue=1.1, price=1.0, site="fr"
    )
    reported = as_json(answer)
    for name in ("training_flop", "device_hours", "wall_hours", "cost_usd"):
        assert reported["results"][name]["low"] == reported["results"][name]["high"]
    assert "utilization" not in reported["spread"]
    assert sum(reported["spread"].values()) == pytest.approx(1.0)


def test_a_higher_level_widens_the_interval(catalog):
    narrow, wide = (
        as_json(ask(catalog, flop=1e20, hardware="v100", interval=level))["results"]
        for level in (0.5, 0.95)
    )
    assert wide["energy_kwh"]["low"] < narrow["energy_kwh"]["low"]
    assert narrow["energy_kwh"]["high"] < wide["energy_kwh"]["high"]


def test_a_device_out_of_a_users_directory_answers(catalog, tmp_path):
    (tmp_path / "hardware").mkdir()
    (tmp_path / "sources.toml").write_text(
        '[own-bench]\ntitle = "Own bench"\npublisher = "us"\ndate = 2026-01-01\nlicence = "own"\n'
    )
    (tmp_path / "hardware" / "abacus.toml").write_text(
        'name = "Abacus"\nvendor = "us"\nkind = "cpu"\naliases = ["beads"]\n'
        '[peak_flop_per_s.fp32]\nvalue = 2e9\nunit = "FLOP/s"\nbasis = "measured"\n'
        'source = "own-bench"\n'
        '[tdp_w]\nvalue = 20\nunit = "W"\nbasis = "measured"\nsource = "own-bench"\n'
    )
    answer = ask(Catalog.open(tmp_path), flop=1e12, hardware="beads", utilization=0.5)
    assert answer.estimate["wall_hours"].mid * 3600 == pytest.approx(1000)
    assert "cost_usd" in answer.estimate.absent


def test_lora_saves_the_weight_gradients(catalog):
    said = {"params": 7e9, "tokens": 1e9, "hardware": "a100"}
    full = ask(catalog, finetune="full", **said).estimate["training_flop"].mid
    lora = ask(catalog, finetune="lora", **said).estimate["training_flop"].mid
    assert lora == pytest.approx(full * 2 / 3)


def test_qlora_is_the_work_of_lora_over_weights_of_four_bits(catalog):
    said = {"params": 30e9, "tokens": 1e7, "hardware": "rtx-4090", "devices": 1.0}
    lora, qlora = (ask(catalog, finetune=way, **said) for way in ("lora", "qlora"))
    for name, quantity in lora.estimate.quantities.items():
        assert quantity.mid == qlora.estimate[name].mid
    found = [{notice.code for notice in answer.notices} for answer in (lora, qlora)]
    assert "does_not_fit" in found[0] - found[1]  # 60 GB and 15 GB of 25.8 GB
    assert found[1] - found[0] == {"qlora_unpacks"}


def test_a_network_without_attention_has_no_work_for_it(catalog):
    said = {"params": 7e9, "tokens": 1e9, "hardware": "a100", "width": 4096.0, "seq_len": 8192.0}
    plain = 6 * 7e9 * 1e9
    decoder = ask(catalog, **said).estimate["training_flop"].mid
    assert decoder == pytest.approx(plain * (1 + 8192 / (6 * 4096)))
    recurrent = ask(catalog, arch="SSM (Mamba)", **said).estimate["training_flop"].mid
    assert recurrent == pytest.approx(plain)


def test_a_mixture_of_experts_works_with_its_active_parameters(catalog):
    answer = ask(catalog, params=671e9, active_params=37e9, tokens=14.8e12, hardware="h100")
    assert answer.estimate["training_flop"].mid == pytest.approx(6 * 37e9 * 14.8e12)


def test_spot_is_cheaper_than_on_demand_and_owning_needs_no_offer(catalog):
    said = {"flop": 1e20, "hardware": "v100", "devices": 8.0}
    spot = ask(catalog, price_kind="spot", **said).estimate["cost_usd"].mid
    assert spot < ask(catalog, **said).estimate["cost_usd"].mid
    assert ask(catalog, pay="own", **said).estimate["cost_usd"].mid > 0


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({}, "no work given"),
        ({"flop": 1e20}, "no device given"),
        ({"flop": 1e20, "hardware": "h10"}, "unknown hardware 'h10': did you mean h100"),
        ({"flop": 1e20, "hardware": "v100", "precision": "fp8"}, "has no fp8 peak: it has fp16"),
        ({"flop": 0.0, "hardware": "v100"}, "flop must be positive, got 0"),
        ({"flop": -1.0, "hardware": "v100"}, "flop must be positive"),
        ({"flop": 1e40, "hardware": "v100"}, "flop must be at most 1e"),
        ({"flop": 1e20, "hardware": "v100", "devices": 0.0}, "devices must be positive, got 0"),
        ({"flop": 1e20, "hardware": "v100", "devices": 1.5}, "devices must be a whole number"),
        ({"flop": 1e20, "hardware": "v100", "utilization": 1.5}, r"utilization must be in \(0, 1"),
        ({"flop": 1e20, "hardware": "v100", "pue": 0.9}, "pue must be at least 1"),
        ({"flop": 1e20, "hardware": "v100", "interval": 80.0}, "interval must be between 0 and 1"),
        ({"flop": 1e20, "hardware": "v100", "site": "atlantis"}, "unknown place 'atlantis'"),
        (
            {"flop": 1e20, "params": 1e9, "tokens": 1e9, "hardware": "v100"},
            "flop and params are mutually exclusive",
        ),
        ({"params": 1e9, "hardware": "v100"}, "params needs tokens"),
        ({"params": 1e9, "tokens": 0.0, "hardware": "v100"}, "tokens must be positive"),
        ({"params": 1e9, "active_params": 2e9, "tokens": 1e9, "hardware": "v100"}, "at most"),
        ({"preset": "gpt-33", "hardware": "v100"}, "unknown preset 'gpt-33': did you mean"),
        (
            {"preset": "gpt-3", "flop": 1e20, "hardware": "v100"},
            "preset already specifies the work",
        ),
        ({"flop": 1e20, "finetune": "lora", "hardware": "v100"}, "fine-tuning needs its own"),
        ({"flop": 1e18, "hardware": "edge-tpu"}, r"no format for training .*: choose another"),
        ({"flop": 1e18, "hardware": "v100", "pay": "barter"}, "pay must be one of rent, own"),
        ({"flop": 1e18, "hardware": "v100", "carbon_intensity": -0.1}, "carbon_intensity must be"),
        (
            {"flop": 1e18, "hardware": "v100", "step_flop": -1.0},
            "step_flop must be positive, got -1",
        ),
        ({"device_hours": 0.0, "hardware": "v100"}, "device_hours must be positive"),
        ({"flop": 1e18, "hardware": "v100", "device_price": 0.0}, "device_price must be positive"),
        ({"flop": 1e18, "hardware": "v100", "power_cap": 20.0}, "power_cap must be more than the"),
        (
            {"flop": 1e18, "hardware": "v100", "power_cap": 2e3},
            "at most 3 power limits of the device, 900 W",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_line(catalog, said, reason):
    with pytest.raises(ValueError, match=reason) as refusal:
        ask(catalog, **said)
    assert "\n" not in str(refusal.value)


def test_the_brain_is_a_range_and_draws_twenty_watts(catalog):
    answer = ask(catalog, flop=3.14e23, hardware="human brain", pue=1.0)
    low, high = answer.estimate["wall_hours"].interval()
    assert high / low == pytest.approx(1e4, rel=0.01)
    assert answer.estimate["power_w"].mid == pytest.approx(20.0)


@pytest.mark.parametrize("said", [{}, {"site": "us"}, {"carbon_intensity": 0.4, "wue": 1.0}])
def test_a_brain_emits_nothing_at_a_grids_intensity(catalog, said):
    answer = ask(catalog, flop=1e20, hardware="human brain", **said)
    assert not {"co2e_kg", "operational_co2e_kg", "water_l"} & set(answer.estimate.quantities)
    assert "Human brain uses no electricity: no CO2e and no water" in answer.warnings
    assert "co2e_kg_per_kwh" not in answer.inputs
    assert not [line for line in answer.warnings if "world average" in line]


@pytest.mark.parametrize(
    ("config", "group"),
    [
        ({"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12}, "decoder"),
        ({"model_type": "resnet", "depths": [3, 4, 6, 3], "num_labels": 1000}, "convolution"),
    ],
)
def test_a_config_says_what_kind_of_network_it_is(catalog, tmp_path, config, group):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    answer = ask(catalog, config=str(path), samples=1e6, hardware="v100", devices=8.0)
    assert f"for a {group}" in answer.inputs["utilization"].note
    assert "set kind" not in " ".join(answer.warnings)


def test_the_experts_of_a_config_count_as_the_active_parameters_that_one_says(catalog, tmp_path):
    config = {"model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32}
    config |= {"num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    where = {"tokens": 1e12, "hardware": "h100", "devices": 512.0}
    counted = ask(catalog, config=str(path), **where)
    reported = ask(catalog, params=46.7e9, active_params=12.88e9, width=4096.0, **where)
    dense = ask(catalog, params=12.88e9, width=4096.0, arch="MoE decoder", **where)
    expected = reported.estimate["device_hours"].mid / reported.estimate["training_flop"].mid
    found = counted.estimate["device_hours"].mid / counted.estimate["training_flop"].mid
    assert found == pytest.approx(expected, rel=0.002)
    spent = dense.estimate["device_hours"].mid / dense.estimate["training_flop"].mid
    assert spent < found


def test_a_power_cap_saves_power_costs_time_and_says_so(catalog):
    said = {"flop": 1e21, "hardware": "a100", "devices": 8.0, "utilization": 0.45, "site": "fr"}
    free, bound = ask(catalog, **said), ask(catalog, power_cap=180.0, **said)
    assert bound.estimate["power_w"].mid < 0.85 * free.estimate["power_w"].mid
    slower = bound.estimate["wall_hours"].mid / free.estimate["wall_hours"].mid
    assert 1.05 < slower < 1.3
    assert any("power limit of 180 W makes the run" in line for line in bound.warnings)
    reported = as_json(bound)["results"]["utilization"]
    assert reported["basis"] == "derived"
    assert reported["high"] < 0.45
    timed = ask(catalog, device_hours=100.0, hardware="a100", power_cap=180.0)
    assert timed.estimate["device_hours"].mid == 100.0
    assert (
        timed.estimate["power_w"].mid
        < ask(catalog, device_hours=100.0, hardware="a100").estimate["power_w"].mid
    )


def test_a_power_limit_in_the_name_of_a_device_is_one_given(catalog):
    said = {"flop": 1e21, "devices": 8.0}
    model, limited = "NVIDIA H100 96GB HBM2e", "NVIDIA H100 96GB HBM2e 500W"
    named = ask(catalog, hardware=limited, **said)
    apart = ask(catalog, hardware=model, power_cap=500.0, **said)
    assert as_json(named)["results"] == as_json(apart)["results"]
    assert as_json(named)["inputs"]["power_cap"] == 500
    lower = ask(catalog, hardware=limited, power_cap=400.0, **said)
    assert as_json(lower)["inputs"]["power_cap"] == 400


def test_a_power_cap_above_the_draw_is_told_to_do_nothing(catalog):
    said = {"flop": 1e21, "hardware": "a100", "devices": 8.0, "utilization": 0.45}
    free, bound = ask(catalog, **said), ask(catalog, power_cap=400.0, **said)
    assert as_json(bound)["results"] == as_json(free)["results"]
    assert any("no effect" in line for line in bound.warnings)


def test_the_water_of_the_electricity_is_known_everywhere(catalog):
    said = {"flop": 1e20, "hardware": "h100", "devices": 8.0, "pue": 1.2}
    for site, litres in (
        ("fr", 3.6737),
        ("us", 3.1321),
        ("gcp-us-central1", 3.1321),
        (None, 3.908),
    ):
        answer = ask(catalog, site=site, **said)
        reported = as_json(answer)["results"]
        water = reported["water_l"]
        assert water["offsite_mid"] == pytest.approx(litres * reported["energy_kwh"]["mid"]), site
        parts = water["offsite_mid"] + water.get("onsite_mid", 0.0)
        assert parts == pytest.approx(water["mid"])
        missing = [one for one in answer.notices if one.code == "onsite_water_unknown"]
        assert len(missing) == ("onsite_mid" not in water)


def test_water_on_site_as_said(catalog):
    said = {"flop": 1e20, "hardware": "h100", "site": "fr", "pue": 1.2}
    reported = as_json(ask(catalog, wue=0.3, **said))["results"]
    on_site = 0.3 * reported["energy_kwh"]["mid"] / 1.2
    assert reported["water_l"]["onsite_mid"] == pytest.approx(on_site)


def test_owning_uses_up_the_value_lost_over_the_life_and_electricity(catalog):
    # By hand: 27,000 USD x 1.4 for the server x 1.235 for the network, of which 1 - 0.72^4 is
    # lost in 4 years, 85% of them at work.
    said = {"device_hours": 1000.0, "hardware": "h100", "electricity_price": 0.1, "pay": "own"}
    answer = ask(catalog, devices=64.0, device_price=27e3, **said)
    wear = 27e3 * 1.4 * 1.235 * (1 - 0.72**4) / (4 * 0.85 * 8766) * 1000
    parts = answer.estimate.parts["cost_usd"]
    assert parts["amortised hardware"] == pytest.approx(wear, rel=1e-3)
    assert parts["electricity"] == pytest.approx(0.1 * answer.estimate["energy_kwh"].mid)
    assert any("staff" in line and "not included" in line for line in answer.warnings)
    node = ask(catalog, devices=8.0, device_price=27e3, **said).estimate.parts["cost_usd"]
    assert node["amortised hardware"] == pytest.approx(wear / 1.235, rel=1e-3)


def test_a_purchase_price_makes_any_device_ownable(catalog):
    without = next(
        device
        for device in catalog.devices()
        if device.kind == "gpu-datacenter" and "launch_price_usd" not in device.records
    )
    said = {"device_hours": 10.0, "hardware": without.id, "pay": "own"}
    bare = ask(catalog, **said)
    assert bare.estimate.absent["cost_usd"].field == "device_price"
    cheap, dear = (
        ask(catalog, device_price=price, **said).estimate.parts["cost_usd"] for price in (1e4, 2e4)
    )
    assert dear["amortised hardware"] == pytest.approx(2 * cheap["amortised hardware"])


def test_a_purchase_price_for_a_rented_device_is_told_to_be_unused(catalog):
    said = {"device_hours": 10.0, "hardware": "h100"}
    rented, named = ask(catalog, **said), ask(catalog, device_price=1e4, **said)
    assert named.estimate["cost_usd"].mid == rented.estimate["cost_usd"].mid
    assert any(one.code == "device_price_unused" for one in named.notices)


@given(st.floats(0.05, 0.9), st.floats(0.5, 20.0), st.floats(1.01, 3.0))
def test_a_longer_life_uses_up_more_in_all_and_less_each_year(per_year, years, longer):
    decline = Uncertain(per_year, {"decline": 0.2})
    short = value_lost(Uncertain(years, {"life": 0.3}), decline)
    long = value_lost(Uncertain(years * longer, {"life": 0.3}), decline)
    assert short.mid <= long.mid <= 1.0
    assert long.mid / (years * longer) <= short.mid / years
    step = value_lost(Uncertain(years * 1.0001), decline).mid / short.mid
    assert short.loadings["life"] == pytest.approx(0.3 * (step - 1) / 1e-4, rel=0.01, abs=1e-5)
    step = value_lost(Uncertain(years), Uncertain(per_year * 1.0001)).mid / short.mid
    assert short.loadings["decline"] == pytest.approx(0.2 * (step - 1) / 1e-4, rel=0.01, abs=1e-5)


def test_a_brain_has_no_format_to_assume(catalog):
    names = ("human-brain", "v100", "dgx-h100")
    brain, *boards = (ask(catalog, flop=1e20, hardware=name) for name in names)
    assert "precision_assumed" not in {notice.code for notice in brain.notices}
    for board in boards:
        assert "precision_assumed" in {notice.code for notice in board.notices}


@pytest.mark.parametrize(("flop", "share"), [(1e17, 0.22), (4.5e17, 1.0), (4.51e17, None)])
def test_work_that_a_device_cannot_do_in_its_hours_is_refused(catalog, flop, share):
    """An H100 was answered 148% of its peak, in an interval from 148 to 100%."""
    said = {"flop": flop, "device_hours": 1.0, "hardware": "v100", "precision": "fp16"}
    if share is None:
        with pytest.raises(ValueError, match="times the peak of NVIDIA Tesla V100"):
            ask(catalog, **said)
    else:
        assert ask(catalog, **said).estimate["utilization"].mid == pytest.approx(share, abs=0.01)


@given(
    log_flop=st.floats(10.0, 34.0),
    log_hours=st.floats(-6.0, 12.0),
    device=st.sampled_from(["v100", "h100", "tpu-v4", "rtx-4090", "brain"]),
    level=st.sampled_from([0.5, 0.8, 0.99]),
)
def test_every_interval_of_a_timed_run_contains_its_median(
    catalog, log_flop, log_hours, device, level
):
    table = Table.of_columns(
        Scenario,
        hardware=[device] * 2,
        flop=10.0**log_flop,
        device_hours=10.0**log_hours,
        devices=[1.0, 9.0],
    )
    result = estimate_table(table, catalog)
    assert not result.groups or not result.errors
    for group in result.groups:
        for quantity in group.estimate.quantities.values():
            low, high = quantity.interval(level)
            assert np.all((low <= quantity.mid) & (quantity.mid <= high))


def test_a_bound_of_zero_is_none(catalog):
    """A grid of hydropower alone, on record as 0 to 0.027 kg/kWh, ended in a division by zero."""
    reported = ask(catalog, flop=1e20, hardware="h100", site="CF", year=2014.0).estimate["co2e_kg"]
    low, high = reported.interval(0.8)
    assert 0 < low < reported.mid < high < 10 * reported.mid
    record = Record(value=0.024, unit="kg/kWh", basis="assumed", source="x", low=0.0, high=0.027)
    assert uncertain_record(record, "grid").interval(0.8)[1] == pytest.approx(0.027)
    assert uncertain_record(replace(record, value=0.0), "grid").loadings == {}


@pytest.mark.parametrize("field", ["params", "tokens", "batch_tokens", "width", "layers"])
def test_a_number_beyond_all_limits_is_refused_before_anything_is_computed(catalog, field):
    said = {"params": 7e9, "tokens": 1e12, "hardware": "h100", field: 1e308}
    with pytest.raises(ValueError, match=r"must be at most .*got 1e\+308"):
        ask(catalog, **said)
    column = {name: [value, value] for name, value in said.items()}
    column[field] = [1e308, 1e6]
    found = estimate_table(Table.of_columns(Scenario, **column), catalog)
    assert list(found.errors) == [0]


@pytest.mark.parametrize(
    ("preset", "unit", "published"),
    [("resnet-50", "samples", 1.15e8), ("gpt-3", "tokens", 3e11), ("wmt14-en-fr", "tokens", None)],
)
def test_a_preset_is_counted_in_what_it_saw(catalog, preset, unit, published):
    """Its other unit was left out without a word, or counted as tokens of a network of images."""
    other = {"samples": "tokens", "tokens": "samples"}[unit]
    with pytest.raises(ValueError, match=f"is counted in {unit}: give {unit}, not {other}"):
        ask(catalog, preset=preset, hardware="a100", **{other: 1e6})
    if published is not None:
        whole = ask(catalog, preset=preset, hardware="a100").estimate["training_flop"].mid
        tenth = ask(catalog, preset=preset, hardware="a100", **{unit: published / 10})
        assert tenth.estimate["training_flop"].mid == pytest.approx(whole / 10, rel=0.01)


@pytest.mark.parametrize(
    ("name", "devices", "counted", "said"),
    [
        ("tpu-v3-8", None, 4.0, "the 4 chips of this slice"),
        ("v5litepod-16", None, 16.0, "the 16 chips of this slice"),
        ("v4-128", 3.0, 3.0, "this slice has 64"),
        ("v4-128", 128.0, 128.0, ""),
        ("TPU v4", None, 1.0, "assuming one device"),
    ],
)
def test_a_slice_of_tpus_is_as_many_devices_as_it_has_chips(catalog, name, devices, counted, said):
    answer = ask(catalog, flop=1e20, hardware=name, devices=devices)
    assert float(answer.run.devices) == counted
    lines = " ".join(line for line in answer.warnings if "chip" in line or "one device" in line)
    assert said in lines
    assert bool(said) == bool(lines.replace("Google TPU v3 (chip = 2 cores)", ""))


def test_people_see_what_making_the_devices_emits(catalog):
    answer = ask(catalog, flop=1e20, hardware="h100", site="fr")
    labels = [label for label, _, _ in results_table(estimate_report(answer)).rows]
    assert labels.index("embodied part of it") == labels.index("CO2e") + 1


def test_no_scenarios_have_no_answers():
    empty = Table.of_columns(Scenario, params=[], tokens=[], hardware=[])
    assert answer_scenarios([], Catalog.open()) == []
    assert estimate_table(empty, Catalog.open()).count == 0


def test_steps_that_wait_for_their_launches_are_named_by_how_much_longer_they_take(catalog):
    def slower(step_flop, **said):
        found = ask(catalog, flop=1e18, hardware="h100-sxm", step_flop=step_flop, **said)
        return [one.values["times"] for one in found.notices if one.code == "launch_bound"]

    assert slower(1e15) == slower(None) == []
    (small,), (smaller,) = slower(1e12), slower(1e11)
    assert 1.4 < small < smaller
    assert slower(1e11, utilization=0.3) == [], "a utilization that is given is not questioned"


def test_named_launches_are_those_of_accelerators(catalog):
    found = ask(catalog, flop=1e15, hardware="brain", step_flop=1e6, utilization=0.3)
    assert "launch_bound" not in {one.code for one in found.notices}


def test_the_devices_of_a_rack_need_no_network_beyond_it():
    catalog = Catalog.open()

    def network_w(hardware, devices):
        asked = Scenario(flop=1e24, hardware=hardware, devices=devices, utilization=0.4)
        answer = answer_scenario(asked, catalog)
        power = node_power(
            answer.hardware,
            utilization=0.4,
            devices=devices,
            network_share=answer.run.network_share,
        )
        return power.parts_w()["network"]

    assert network_w("gb200", 72.0) == network_w("h100", 8.0) == 0.0
    assert network_w("gb200", 73.0) > 0.0 and network_w("h100", 9.0) > 0.0
    mixed = Table.of_columns(
        Scenario, hardware=["gb200", "h100"] * 2, devices=[72.0, 72.0, 73.0, 8.0], flop=1e24
    )
    together = estimate_table(mixed, catalog)["energy_kwh"].mid
    for row in range(mixed.count):
        alone = answer_scenario(mixed.row(row), catalog).estimate["energy_kwh"].mid
        assert together[row] == pytest.approx(float(alone), rel=1e-12)


def test_boards_only_is_what_nvml_reads_without_host_network_and_pue(catalog):
    """Dodge et al. 2022: a ViT of 5.7 million parameters, 1.7 kWh in 19 hours on one V100."""
    said = {"params": 5.7e6, "kind": "vision", "device_hours": 19.0, "hardware": "v100-sxm2-16"}
    boards = ask(catalog, **said, boards_only=True)
    low, high = boards.estimate["energy_kwh"].interval()
    assert low < 1.7 < high
    assert boards.estimate["energy_kwh"].mid == pytest.approx(1.7, rel=0.2)
    wall = ask(catalog, **said, pue=1.2).estimate["energy_kwh"].mid
    host = float(boards.hardware.host_factor.mid)
    assert host == 1.0
    node = float(catalog.prior("power.host_factor.gpu-datacenter").value)
    assert wall / boards.estimate["energy_kwh"].mid == pytest.approx(1.2 * node)
    codes = [notice.code for notice in boards.notices]
    assert "boards_only" in codes
    assert "pue_assumed" not in codes


def test_boards_only_counts_no_network_and_excludes_a_pue(catalog):
    said = {"flop": 1e22, "hardware": "h100", "devices": 512.0}
    boards = ask(catalog, **said, boards_only=True)
    whole = ask(catalog, **said, pue=1.0)
    ratio = whole.estimate["energy_kwh"].mid / boards.estimate["energy_kwh"].mid
    network = 1.0 + float(whole.run.network_share.mid)
    assert ratio == pytest.approx(float(whole.hardware.host_factor.mid) * network)
    with pytest.raises(ValueError, match="boards"):
        ask(catalog, **said, boards_only=True, pue=1.2)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [("v100-sxm2-16", "v100-sxm2-32", ["cost_usd"]), ("a100-sxm-40", "a100-sxm-80", [])],
)
def test_the_memory_of_a_silicon_hardly_moves_the_answer(first, second, same):
    """The same run on a larger memory: power and reported site stay.

    So does the price where one of both is offered no more; A100s of both memories are on offer.
    """
    asked = Scenario(preset="gpt-3", devices=10_000.0)
    small, large = (
        answer_scenario(replace(asked, hardware=name), Catalog.open()).estimate
        for name in (first, second)
    )
    for name in ("wall_hours", "energy_kwh", "co2e_kg", *same):
        assert float(small[name].mid) == pytest.approx(float(large[name].mid), rel=0.05), name


def test_the_run_of_a_preset_stands_next_to_the_prediction():
    catalog = Catalog.open()
    asked = Scenario(preset="gpt-3", hardware="v100", devices=1.0)
    found = published_run(answer_scenario(asked, catalog), catalog)
    assert found["wall_hours"] == pytest.approx(14.8 * 24, rel=1e-3)
    assert found["energy_kwh"] == 1_287_000
    assert found["claim"] in catalog.claims()
    other = replace(asked, tokens=1e9)
    assert published_run(answer_scenario(other, catalog), catalog) == {}
