"""The formula with the user's own numbers, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass

from estimator.core.power import LOAD_EXPONENT
from estimator.core.units import amount, digits, human, human_count
from estimator.estimation.answer import Answer
from estimator.estimation.summary import said
from estimator.workload.formulas import FLOP_PER_PARAM_AND_TOKEN


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of the model: what is computed, in words, in numbers, and what comes out.

    `part` names the module whose equations the page How it works shows.
    """

    name: str
    words: str
    numbers: str
    result: str
    part: str = "core.estimate"


def steps(answer: Answer) -> list[Step]:
    """All lines that this answer rests on, in the order of the model."""
    return [
        *_work(answer),
        *_time(answer),
        *_energy(answer),
        *_cost(answer),
        *_emissions(answer),
        *_brain(answer),
    ]


def _work(answer: Answer) -> Iterator[Step]:
    inputs = answer.inputs
    if "training_flop" not in answer.estimate:
        return
    words, numbers = "as given, or as published", ""
    sized = "tokens" in inputs and "training_flop" not in inputs
    params = inputs.get("active_params", inputs.get("params"))
    if sized and params is not None:
        active = "active parameters" if "active_params" in inputs else "parameters"
        words = f"{FLOP_PER_PARAM_AND_TOKEN:g} × {active} × tokens"
        numbers = (
            f"{FLOP_PER_PARAM_AND_TOKEN:g} × {human_count(params.value)}"
            f" × {human_count(inputs['tokens'].value)}"
        )
        if answer.scenario.finetune == "lora":
            words, numbers = f"{words} × 4/6 (LoRA)", f"{numbers} × 4/6"
    yield Step(
        name="training compute", words=words, numbers=numbers, result=_said(answer, "training_flop")
    )


def _time(answer: Answer) -> Iterator[Step]:
    peak = human(float(answer.hardware.peak_flop_per_s.mid), "FLOP/s")
    timed = answer.workload.device_hours is not None
    if timed and "utilization" in answer.estimate:
        yield Step(
            name="utilization",
            part="utilization.mechanism",
            words="training compute ÷ (dense peak × device time)",
            numbers=f"{_said(answer, 'training_flop')} ÷ ({peak} × {_device_time(answer)})",
            result=_said(answer, "utilization"),
        )
    yield Step(
        name="device time",
        words="as given" if timed else "training compute ÷ (dense peak × utilization)",
        numbers=""
        if timed
        else f"{_said(answer, 'training_flop')} ÷ ({peak} × {_said(answer, 'utilization')})",
        result=_device_time(answer),
    )
    yield Step(
        name="wall time",
        words="device time ÷ devices",
        numbers=f"{_device_time(answer)} ÷ {answer.run.devices:,.0f}",
        result=_said(answer, "wall_hours"),
    )


def _energy(answer: Answer) -> Iterator[Step]:
    hardware, run = answer.hardware, answer.run
    if "energy_kwh" not in answer.estimate or hardware.idle_w is None or hardware.tdp_w is None:
        return
    known = answer.estimate.quantities
    share = known.get("utilization")
    full = float(hardware.full_utilization.mid)
    used = full if share is None else min(float(share.mid), full)
    network = float(run.network_share.mid) if run.devices > 8 else 0.0
    power_w = float(known["power_w"].mid) / float(answer.site.pue.mid) / float(run.devices)
    yield Step(
        name="power of a device",
        part="core.power",
        words="(idle + load × (limit − idle) × (utilization ÷ that without waiting)^"
        f"{LOAD_EXPONENT:g}) × node factor × (1 + network)",
        numbers=f"({digits(float(hardware.idle_w.mid))} W + {digits(float(hardware.load.mid))} × "
        f"({digits(float(hardware.tdp_w.mid))} W − {digits(float(hardware.idle_w.mid))} W) × "
        f"({digits(used)} ÷ {digits(full)})^{LOAD_EXPONENT:g}) × "
        f"{digits(float(hardware.host_factor.mid))} × {digits(1 + network)}",
        result=human(power_w, "W"),
    )
    yield Step(
        name="energy",
        words="PUE × power × device time" + _words_of_attempts(answer),
        numbers=f"{digits(float(answer.site.pue.mid))} × {human(power_w, 'W')} × "
        f"{_device_time(answer)}{_attempts(answer)}",
        result=_said(answer, "energy_kwh"),
    )


def _cost(answer: Answer) -> Iterator[Step]:
    if "cost_usd" not in answer.estimate:
        return
    if not answer.run.own and answer.run.price_usd_per_h is not None:
        yield Step(
            name="cost",
            words="rent × device time" + _words_of_attempts(answer),
            numbers=f"{amount(float(answer.run.price_usd_per_h.mid), 'USD/h')} × "
            f"{_device_time(answer)}{_attempts(answer)}",
            result=_said(answer, "cost_usd"),
        )
        return
    price, electricity = answer.hardware.price_usd, answer.site.electricity_usd_per_kwh
    if price is not None and electricity is not None:
        life_h = float(answer.hardware.lifetime_h.mid)
        yield Step(
            name="cost",
            words="value lost over its life ÷ hours of its life × device time"
            + _words_of_attempts(answer)
            + " + price of electricity × energy",
            numbers=f"{amount(float(price.mid), 'USD')} ÷ {digits(life_h)} h × "
            f"{_device_time(answer)}{_attempts(answer)} + "
            f"{amount(float(electricity.mid), 'USD/kWh')} × {_said(answer, 'energy_kwh')}",
            result=_said(answer, "cost_usd"),
        )


def _emissions(answer: Answer) -> Iterator[Step]:
    intensity = answer.site.co2e_kg_per_kwh
    if "co2e_kg" not in answer.estimate or intensity is None:
        return
    words = "carbon intensity × energy"
    numbers = f"{amount(float(intensity.mid), 'kgCO2e/kWh')} × {_said(answer, 'energy_kwh')}"
    making = answer.hardware.embodied_co2e_kg
    if making is not None:
        words += " + making it ÷ hours of its life × device time" + _words_of_attempts(answer)
        numbers += (
            f" + {digits(float(making.mid))} kg ÷ {digits(float(answer.hardware.lifetime_h.mid))} h"
            f" × {_device_time(answer)}{_attempts(answer)}"
        )
    yield Step(name="CO2e", words=words, numbers=numbers, result=_said(answer, "co2e_kg"))


def _brain(answer: Answer) -> Iterator[Step]:
    if "brain_years" in answer.estimate:
        yield Step(
            name="one brain",
            words="energy ÷ 20 W",
            numbers=f"{_said(answer, 'energy_kwh')} ÷ 20 W",
            result=_said(answer, "brain_years"),
        )


def _said(answer: Answer, name: str) -> str:
    return said(name, float(answer.estimate[name].mid))


def _device_time(answer: Answer) -> str:
    return f"{digits(float(answer.estimate['device_hours'].mid))} h"


def _words_of_attempts(answer: Answer) -> str:
    return " × all runs over the final one" if _attempts(answer) else ""


def _attempts(answer: Answer) -> str:
    """The factor of failed runs, where there is one."""
    attempts = float(answer.workload.attempts.mid)
    return "" if attempts == 1 else f" × {digits(attempts)}"
