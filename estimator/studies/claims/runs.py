"""Claims about runs and machines: GPT-3, AlphaGo, DQN, AlphaStar, the brain."""

import numpy as np

from estimator.answer.scenario_estimate import answer_scenario
from estimator.core.uncertainty import Uncertain, spread_between
from estimator.core.units import (
    H_PER_DAY,
    H_PER_YEAR,
    J_PER_WH,
    S_PER_H,
    W_PER_KW,
    WH_PER_KWH,
    digits,
    human,
    human_quantity,
    in_percent,
)
from estimator.question.scenario import Scenario
from estimator.studies.claims.facts import Facts
from estimator.studies.claims.finding import Figure, Finding, Promise, median

KCAL_J = 4184.0
"""Thermochemical calorie [J/kcal]."""
W_PER_TW = 1e12
BYTES_PER_PARAM = 2.0


def gpt3_v100(facts: Facts) -> Finding:
    """Check the claim of 355 years and $4.6M on one V100."""
    catalog, v100 = facts.catalog, facts.catalog.device("v100")
    peak, memory = v100.peaks["fp16"].value, v100.records["memory_bytes"].value
    flop, price = facts["training_flop"], facts["price_usd_per_h"]
    rate, measured = facts["rate_flop_per_s"], facts["measured_rate_flop_per_s"]
    reached = spread_between(measured, rate * rate / measured, "rate", mid=rate)
    years = flop / reached / (S_PER_H * H_PER_YEAR)
    cost = years * (H_PER_YEAR * price)
    scenario = Scenario(
        flop=flop,
        hardware="v100",
        devices=1.0,
        precision="fp16",
        utilization=rate / peak,
        price=price,
    )
    weights = catalog.preset("gpt-3").records["params"].value * BYTES_PER_PARAM
    fleet_days = flop / (facts["fleet"] * measured) / S_PER_H / H_PER_DAY
    today = answer_scenario(Scenario(preset="gpt-3", hardware="b200", devices=1.0), catalog)
    return Finding(
        value=years,
        words={
            "flop": human(flop, "FLOP"),
            "rate": human(rate, "FLOP/s"),
            "time": median(years * H_PER_YEAR, "hour"),
            "price": human(price, "$"),
            "cost": median(cost, "USD"),
            "share": in_percent(rate / peak),
            "peak": human(peak, "FLOP/s"),
            "measured": human(measured, "FLOP/s"),
            "fleet": digits(facts["fleet"]),
            "days": digits(fleet_days),
            "tokens": f"{facts['tokens'] / 1e9:.0f} billion",
            "weights": human(weights, "B"),
            "memory": human(memory, "B"),
        },
        met=(weights <= memory,),
        figures=(
            Figure("cost on one V100", "USD", cost),
            Figure("time on one B200", "year", today.estimate["wall_hours"] / H_PER_YEAR),
            Figure("time on 10,000 V100 as measured", "day", Uncertain(fleet_days)),
            Figure("energy of that run", "kWh", facts.uncertain("fleet_energy_kwh")),
            Figure("emissions of that run", "tCO2e", facts.uncertain("fleet_co2e_t")),
        ),
        scenario=scenario,
        promise=Promise(quantity="wall_hours", factor=1 / H_PER_YEAR),
    )


def alphago_lee(facts: Facts) -> Finding:
    """Check the claim of AlphaGo's 1 MW against a brain's 20 W."""
    scenario = Scenario(
        device_hours=facts["game_h"], hardware="alphago-lee", devices=1.0, pue=facts["pue"]
    )
    power = answer_scenario(scenario, facts.catalog).estimate["power_w"]
    brain, hours = facts["brain_w"], facts.uncertain("game_h")
    machine_kwh = power * hours / W_PER_KW
    human_kwh = brain * hours / W_PER_KW
    human_kcal = human_kwh * (WH_PER_KWH * J_PER_WH / KCAL_J)
    low, high = power.interval()
    return Finding(
        value=power,
        words={
            "pue": digits(facts["pue"]),
            "power": median(power, "W"),
            "low": human(float(low), "W"),
            "high": human(float(high), "W"),
            "each": human(facts.claimed / 1378, "W"),
            "ratio": digits(float(power.mid) / brain),
            "hours": median(hours, "hour"),
            "machine": median(machine_kwh, "kWh"),
            "brain": median(human_kwh, "kWh"),
            "kcal": digits(float(human_kcal.mid)),
            "coffee": digits(facts["coffee_kcal"]),
        },
        figures=(
            Figure("brains that draw as much", "1", power / brain),
            Figure("energy of a game, machine", "kWh", machine_kwh),
            Figure("energy of a game, brain", "kWh", human_kwh),
            Figure("the same in kcal", "kcal", human_kcal),
            Figure("a cup of black coffee", "kcal", facts.uncertain("coffee_kcal")),
            Figure("a cappuccino", "kcal", facts.uncertain("cappuccino_kcal")),
        ),
        scenario=scenario,
        promise=Promise(quantity="power_w"),
    )


def world_electricity(facts: Facts) -> Finding:
    """Check the claim of 25 TW, or 25 million AlphaGos."""
    twh = facts["generation_twh"]
    power = Uncertain(twh * W_PER_TW / H_PER_YEAR)
    one = Scenario(device_hours=1.0, hardware="alphago-lee", devices=1.0, pue=1.12)
    machines = power / answer_scenario(one, facts.catalog).estimate["power_w"]
    whole = float(np.round(machines.mid))
    return Finding(
        value=power,
        words={
            "twh": f"{twh:,.0f}",
            "hours": f"{H_PER_YEAR:,.0f}",
            "power": median(power, "W"),
            "claimed": digits(float(power.mid) / facts["alphago_w"] / 1e6),
            "found": digits(float(machines.mid) / 1e6),
        },
        figures=(
            Figure("AlphaGos at the claimed 1 MW", "1", power / facts["alphago_w"]),
            Figure("AlphaGos at the recomputed power", "1", machines),
        ),
        scenario=Scenario(
            device_hours=whole * H_PER_YEAR, hardware="alphago-lee", devices=whole, pue=1.12
        ),
        promise=Promise(quantity="power_w"),
    )


def dqn_atari(facts: Facts) -> Finding:
    """Check the claim of 38 days of Atari play."""
    seconds = facts["frames"] / facts["frame_rate_hz"]
    days = seconds / S_PER_H / H_PER_DAY
    scenario = Scenario(preset="dqn-atari", hardware="k40", devices=1.0)
    answer = answer_scenario(scenario, facts.catalog)
    machine_kwh = answer.estimate["energy_kwh"]
    timed = Scenario(device_hours=facts["run_h"], hardware="k40", devices=1.0)
    run_kwh = answer_scenario(timed, facts.catalog).estimate["energy_kwh"]
    human_kwh = 20.0 * facts["human_h"] / W_PER_KW
    times = seconds / S_PER_H / facts["human_h"]
    return Finding(
        value=Uncertain(days),
        words={
            "frames": digits(facts["frames"]),
            "rate": digits(facts["frame_rate_hz"]),
            "days": digits(days),
            "human": human_quantity(facts["human_h"], "hour"),
            "times": digits(times),
            "machine": median(machine_kwh, "kWh"),
            "run": median(run_kwh, "kWh"),
            "run_days": digits(facts["run_h"] / H_PER_DAY),
            "brain": human_quantity(human_kwh, "kWh"),
        },
        figures=(
            Figure("play of the machine over that of a human", "1", Uncertain(times)),
            Figure("energy of the updates on a K40", "kWh", machine_kwh),
            Figure("energy of a whole run, on a K40", "kWh", run_kwh),
            Figure("energy of the brain", "kWh", Uncertain(human_kwh)),
        ),
        scenario=scenario,
    )


def alphastar(facts: Facts) -> Finding:
    """Check the claim of 200 years of play in 14 days."""
    hours = facts["days"] * facts["devices"] * H_PER_DAY
    scenario = Scenario(preset="alphastar", hardware="tpu-v3", devices=facts["devices"])
    one = answer_scenario(scenario, facts.catalog).estimate
    league = facts["final_device_h"] * facts["final_agents"]
    final = answer_scenario(
        Scenario(
            device_hours=league,
            hardware="tpu-v3",
            devices=32.0,
            year=float(facts.catalog.preset("alphastar").year),
        ),
        facts.catalog,
    ).estimate
    speed = facts["play_years"] * H_PER_YEAR / H_PER_DAY / facts["days"]
    return Finding(
        value=Uncertain(hours),
        words={
            "days": digits(facts["days"]),
            "devices": digits(facts["devices"]),
            "hours": digits(hours),
            "years": digits(facts["play_years"]),
            "speed": digits(speed),
            "energy": median(one["energy_kwh"], "kWh"),
            "cost": median(one["cost_usd"], "USD"),
            "final": digits(facts["final_device_h"]),
            "times": digits(facts["final_device_h"] / hours),
        },
        met=(facts["final_device_h"] <= hours,),
        figures=(
            Figure("speed of play over real time", "1", Uncertain(speed)),
            Figure(
                "chip-hours of an agent, if a TPU is a board of four chips",
                "h",
                Uncertain(hours * facts.most("chips_per_tpu")),
            ),
            Figure("energy of an agent", "kWh", one["energy_kwh"]),
            Figure("cost of an agent", "USD", one["cost_usd"]),
            Figure("emissions of an agent", "kgCO2e", one["co2e_kg"]),
            Figure("device time of the final league", "h", Uncertain(league)),
            Figure("energy of the final league", "kWh", final["energy_kwh"]),
            Figure("cost of the final league", "USD", final["cost_usd"]),
            Figure("emissions of the final league", "kgCO2e", final["co2e_kg"]),
        ),
        scenario=scenario,
        promise=Promise(quantity="device_hours"),
    )


def brain_20w(facts: Facts) -> Finding:
    """Check the claim of 20 W for a brain."""
    by_oxygen = facts.uncertain("oxygen_ml_per_min") * facts.uncertain("joule_per_ml") / 60.0
    by_share = facts.uncertain("body_w") * facts["brain_share"]
    low, high = by_oxygen.interval()[0], by_share.interval()[1]
    power = spread_between(float(low), float(high), "metabolism")
    scenario = Scenario(
        device_hours=facts["childhood_years"] * H_PER_YEAR, hardware="human-brain", devices=1.0
    )
    childhood_kwh = facts.claimed * facts["childhood_years"] * H_PER_YEAR / W_PER_KW
    gpt3_kwh = facts.catalog.preset("gpt-3").as_run["energy_kwh"].value
    equivalent = facts.catalog.device("human-brain").peaks["equivalent"]
    low_rate, high_rate = equivalent.low or 0.0, equivalent.high or 0.0
    return Finding(
        value=power,
        words={
            "oxygen": digits(facts["oxygen_ml_per_min"]),
            "heat": digits(facts["joule_per_ml"]),
            "first": median(by_oxygen, "W"),
            "share": in_percent(facts["brain_share"]),
            "body": human(facts["body_w"], "W"),
            "second": median(by_share, "W"),
            "childhood": human_quantity(childhood_kwh, "kWh"),
            "gpt3": human_quantity(gpt3_kwh, "kWh"),
            "times": digits(gpt3_kwh / childhood_kwh),
            "low": f"{low_rate:.0e} FLOP/s",
            "high": f"{high_rate:.0e} FLOP/s",
        },
        figures=(
            Figure("energy of childhood", "kWh", Uncertain(childhood_kwh)),
            Figure("GPT-3 over a childhood", "1", Uncertain(gpt3_kwh / childhood_kwh)),
            Figure(
                "operations per joule",
                "FLOP/J",
                spread_between(low_rate / 20.0, high_rate / 20.0, "equivalence"),
            ),
        ),
        scenario=scenario,
    )
