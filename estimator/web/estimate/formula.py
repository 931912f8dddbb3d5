"""Formula with the user's own numbers, step by step."""

from collections.abc import Iterator
from dataclasses import dataclass

from estimator.answer.scenario_estimate import Answer
from estimator.core.power import LOAD_EXPONENT
from estimator.core.units import amount, digits, human, human_count
from estimator.networks.formulas import FLOP_PER_PARAM_AND_TOKEN
from estimator.networks.kinds import ADAPTERS
from estimator.web.shared.amounts import localised, result
from estimator.web.shared.language import _


@dataclass(frozen=True, kw_only=True)
class FormulaStep:
    """Step of the model: quantity, formula in words and numbers, and result.

    `part` names the module whose equations the page How it works shows.
    """

    name: str
    words: str
    numbers: str
    result: str
    part: str = "core.estimate"


def steps(answer: Answer) -> list[FormulaStep]:
    """All steps behind this answer, in model order."""
    return [
        *_work(answer),
        *_time(answer),
        *_energy(answer),
        *_cost(answer),
        *_emissions(answer),
        *_brain(answer),
    ]


def _work(answer: Answer) -> Iterator[FormulaStep]:
    inputs = answer.inputs
    if "training_flop" not in answer.estimate:
        return
    words, numbers = _("as given, or as published"), ""
    sized = "tokens" in inputs and "training_flop" not in inputs
    params = inputs.get("active_params", inputs.get("params"))
    if sized and params is not None:
        active = _("active parameters") if "active_params" in inputs else _("parameters")
        words = f"{FLOP_PER_PARAM_AND_TOKEN:g} × {active} × {_('tokens')}"
        numbers = (
            f"{FLOP_PER_PARAM_AND_TOKEN:g} × {localised(human_count(params.value))}"
            f" × {localised(human_count(inputs['tokens'].value))}"
        )
        if answer.scenario.finetune in ADAPTERS:
            words, numbers = f"{words} × 4/6 (LoRA)", f"{numbers} × 4/6"
    yield FormulaStep(
        name=_("training compute"),
        words=words,
        numbers=numbers,
        result=_result(answer, "training_flop"),
    )


def _time(answer: Answer) -> Iterator[FormulaStep]:
    peak = localised(human(float(answer.hardware.peak_flop_per_s.mid), "FLOP/s"))
    timed = answer.workload.device_hours is not None
    if timed and "utilization" in answer.estimate:
        yield FormulaStep(
            name=_("utilization"),
            part="utilization.mechanism",
            words=_("training compute ÷ (dense peak × device time)"),
            numbers=f"{_result(answer, 'training_flop')} ÷ ({peak} × {_device_time(answer)})",
            result=_result(answer, "utilization"),
        )
    yield FormulaStep(
        name=_("device time"),
        words=_("as given") if timed else _("training compute ÷ (dense peak × utilization)"),
        numbers=""
        if timed
        else f"{_result(answer, 'training_flop')} ÷ ({peak} × {_result(answer, 'utilization')})",
        result=_device_time(answer),
    )
    yield FormulaStep(
        name=_("wall time"),
        words=_("device time ÷ devices"),
        numbers=f"{_device_time(answer)} ÷ {localised(f'{answer.run.devices:,.0f}')}",
        result=_result(answer, "wall_hours"),
    )


def _energy(answer: Answer) -> Iterator[FormulaStep]:
    hardware, run = answer.hardware, answer.run
    if "energy_kwh" not in answer.estimate or hardware.idle_w is None or hardware.tdp_w is None:
        return
    known = answer.estimate.quantities
    share = known.get("utilization")
    full = float(hardware.full_utilization.mid)
    used = full if share is None else min(float(share.mid), full)
    network = float(run.network_share.mid) if run.devices > answer.hardware.node_devices else 0.0
    power_w = float(known["power_w"].mid) / float(answer.site.pue.mid) / float(run.devices)
    yield FormulaStep(
        name=_("power of a device"),
        part="core.power",
        words=_(
            "(idle + load × (limit − idle) × (utilization ÷ that without waiting)^{exponent}) × "
            "node factor × (1 + network)"
        ).format(exponent=localised(f"{LOAD_EXPONENT:g}")),
        numbers=f"({_digits(float(hardware.idle_w.mid))} W + {_digits(float(hardware.load.mid))} × "
        f"({_digits(float(hardware.tdp_w.mid))} W − {_digits(float(hardware.idle_w.mid))} W) × "
        f"({_digits(used)} ÷ {_digits(full)})^{localised(f'{LOAD_EXPONENT:g}')}) × "
        f"{_digits(float(hardware.host_factor.mid))} × {_digits(1 + network)}",
        result=localised(human(power_w, "W")),
    )
    yield FormulaStep(
        name=_("energy"),
        words=_("PUE × power × device time") + _words_of_attempts(answer),
        numbers=f"{_digits(float(answer.site.pue.mid))} × {localised(human(power_w, 'W'))} × "
        f"{_device_time(answer)}{_attempts(answer)}",
        result=_result(answer, "energy_kwh"),
    )


def _cost(answer: Answer) -> Iterator[FormulaStep]:
    if "cost_usd" not in answer.estimate:
        return
    if not answer.run.own and answer.run.price_usd_per_h is not None:
        yield FormulaStep(
            name=_("cost"),
            words=_("rent × device time") + _words_of_attempts(answer),
            numbers=f"{_amount(float(answer.run.price_usd_per_h.mid), 'USD/h')} × "
            f"{_device_time(answer)}{_attempts(answer)}",
            result=_result(answer, "cost_usd"),
        )
        return
    price, electricity = answer.hardware.price_usd, answer.site.electricity_usd_per_kwh
    if price is not None and electricity is not None:
        life_h = float(answer.hardware.lifetime_h.mid)
        yield FormulaStep(
            name=_("cost"),
            words=_("value lost over its life ÷ hours of its life × device time")
            + _words_of_attempts(answer)
            + _(" + price of electricity × energy"),
            numbers=f"{_amount(float(price.mid), 'USD')} ÷ {_digits(life_h)} h × "
            f"{_device_time(answer)}{_attempts(answer)} + "
            f"{_amount(float(electricity.mid), 'USD/kWh')} × {_result(answer, 'energy_kwh')}",
            result=_result(answer, "cost_usd"),
        )


def _emissions(answer: Answer) -> Iterator[FormulaStep]:
    intensity = answer.site.co2e_kg_per_kwh
    if "co2e_kg" not in answer.estimate or intensity is None:
        return
    words = _("carbon intensity × energy")
    numbers = f"{_amount(float(intensity.mid), 'kgCO2e/kWh')} × {_result(answer, 'energy_kwh')}"
    making = answer.hardware.embodied_co2e_kg
    if making is not None:
        words += _(" + making it ÷ hours of its life × device time") + _words_of_attempts(answer)
        numbers += (
            f" + {_digits(float(making.mid))} kg ÷ "
            f"{_digits(float(answer.hardware.lifetime_h.mid))} h × "
            f"{_device_time(answer)}{_attempts(answer)}"
        )
    yield FormulaStep(
        name=_("CO2e"), words=words, numbers=numbers, result=_result(answer, "co2e_kg")
    )


def _brain(answer: Answer) -> Iterator[FormulaStep]:
    if "brain_years" in answer.estimate:
        yield FormulaStep(
            name=_("one brain"),
            words=_("energy ÷ 20 W"),
            numbers=f"{_result(answer, 'energy_kwh')} ÷ 20 W",
            result=_result(answer, "brain_years"),
        )


def _result(answer: Answer, name: str) -> str:
    return result(name, float(answer.estimate[name].mid))


def _device_time(answer: Answer) -> str:
    return f"{_digits(float(answer.estimate['device_hours'].mid))} h"


def _digits(value: float) -> str:
    return localised(digits(value))


def _amount(value: float, unit: str) -> str:
    return localised(amount(value, unit))


def _words_of_attempts(answer: Answer) -> str:
    return _(" × all runs over the final one") if _attempts(answer) else ""


def _attempts(answer: Answer) -> str:
    """Development overhead factor, if any."""
    attempts = float(answer.workload.attempts.mid)
    return "" if attempts == 1 else f" × {_digits(attempts)}"
