"""Formula with the numbers of a run, step by step, and the source of each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog
from estimator.core.power import LOAD_EXPONENT
from estimator.core.units import amount, digits, human, human_count
from estimator.networks.formulas import FLOP_PER_PARAM_AND_TOKEN
from estimator.networks.kinds import ADAPTERS
from estimator.web.shared import style
from estimator.web.shared.amounts import localised, result
from estimator.web.shared.language import _
from estimator.web.shared.tables import author, inputs_rows


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


def draw_formula(answer: Answer, *, linked: bool) -> None:
    """Draw each step of the model: in words, in numbers, and its result.

    With `linked`, names link to their equations on the page How it works.
    """
    lines = "".join(_step(step, linked=linked) for step in steps(answer))
    st.html(f'<div class="tw tw-formula">{lines}</div>')


def draw_sources(answer: Answer, catalog: Catalog) -> None:
    """Draw every input with range, basis and source as a searchable table."""
    columns: dict[Any, Any] = {
        "input": _("Number"),
        "said": _("Value"),
        "range": _("Range"),
        "basis": _("Basis"),
        "title": _("Source"),
        "publisher": _("Publisher"),
        "date": _("Date"),
        "url": st.column_config.LinkColumn(_("Link")),
        "licence": _("Licence"),
        "note": _("Note"),
    }
    st.dataframe(
        pd.DataFrame(inputs_rows(answer, catalog)),
        column_order=list(columns),
        column_config=columns,
        hide_index=True,
        key="sources",
    )
    style.caption(_("Point at the table and press Ctrl+F, or the magnifier, to search it."))


def compared_by(catalog: Catalog) -> str:
    """Publishers or authors, and years, behind the everyday equivalents."""
    found = [catalog.source(record.source) for record in catalog.equivalents().values()]
    return "; ".join(
        f"{author(source)}, {source.date[:4]}" for source in found if not source.is_absent
    )


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
        words += _(" + manufacturing ÷ lifetime hours × device time") + _words_of_attempts(answer)
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


def _step(step: FormulaStep, *, linked: bool) -> str:
    name = escape(step.name)
    if linked:
        name = (
            f'<a href="method?part={step.part}" target="_self" style="color:inherit" '
            f'title="{escape(_("Methodology"))}">{name}</a>'
        )
    numbers = f"<p>= {_raised(step.numbers)}</p>" if step.numbers else ""
    return (
        f'<div class="tw-step"><b>{name}</b>'
        f'<div><p class="tw-words">= {_raised(step.words)}</p>{numbers}</div>'
        f'<p class="tw-result">= <b>{escape(step.result)}</b></p></div>'
    )


def _raised(text: str) -> str:
    """Format powers as superscripts."""
    return re.sub(r"\^(\d+(?:[.,]\d+)*)", r"<sup>\1</sup>", escape(text))
