"""The answer in words: the sentence above the figures, the notes under them, the alt texts."""

import re
from collections.abc import Iterator
from html import escape, unescape

import pandas as pd

from estimator.catalog import Catalog
from estimator.core.brain import BRAIN_POWER_W
from estimator.core.messages import render, rendered
from estimator.core.units import amount, human_count
from estimator.estimation.answer import Answer
from estimator.estimation.summary import fleet, said
from estimator.scenario.hardware import TRAINING_PRECISIONS
from estimator.scenario.scenario import label_of


def sentence(answer: Answer, catalog: Catalog) -> str:
    """Tell the answer in one sentence, as HTML."""
    known = answer.estimate
    took = f"takes <b>{_unbroken(answer, 'wall_hours')}</b>"
    start = f"{_subject(answer, catalog)} on <b>{escape(machines(answer))}</b> {took}"
    if "brain_years" not in known:
        return f"{start}; the energy is unknown."
    years = _unbroken(answer, "brain_years")
    return f"{start} and as much energy as a {BRAIN_POWER_W:g}&nbsp;W brain uses in <b>{years}</b>."


def title(answer: Answer, catalog: Catalog) -> str:
    """Say which run it is, without its figures: the title of a slide or a frame.

    The sentence without its answer, as plain text.
    """
    subject = re.sub(r"<[^>]+>", "", _subject(answer, catalog))
    return f"{unescape(subject)} on {machines(answer)}"


def machines(answer: Answer) -> str:
    """How many of which, with a proper sign."""
    return fleet(answer).replace(" x ", " × ", 1)


def _subject(answer: Answer, catalog: Catalog) -> str:
    scenario, inputs = answer.scenario, answer.inputs
    verb = "Training" if scenario.finetune is None else "Fine-tuning"
    tokens = inputs.get("tokens")
    seen = "" if tokens is None else f" with {human_count(tokens.value)} tokens"
    if scenario.preset is not None:
        name = escape(catalog.preset(scenario.preset).name)
        return f"{verb} <b>{name}</b>{seen if scenario.tokens is not None else ''}"
    if scenario.params is not None:
        model = f"<b>{human_count(scenario.params)} parameters</b>"
        if scenario.active_params is not None:
            model += f" ({human_count(scenario.active_params)} active)"
        return f"{verb} {model}{seen}"
    if scenario.flop is not None:
        return f"A training run of <b>{said('training_flop', scenario.flop)}</b>"
    return f"A run of <b>{said('device_hours', _mid(answer, 'device_hours'))}</b>"


def notes(answer: Answer, quantity: str) -> Iterator[str]:
    """What to know about a headline figure."""
    known = answer.estimate
    if quantity not in known:
        yield from absent(answer, quantity)
    elif quantity == "wall_hours":
        yield said("device_hours", _mid(answer, "device_hours"))
        if "utilization" in known:
            yield f"at {said('utilization', _mid(answer, 'utilization'))} of the peak"
    elif quantity == "energy_kwh":
        yield f"one brain for {said('brain_years', _mid(answer, 'brain_years'))}"
        brains = human_count(_mid(answer, "power_in_brains"))
        like = "one brain" if brains == "1" else f"{brains} brains"
        yield f"drawing {said('power_w', _mid(answer, 'power_w'))}, like {like}"
    elif quantity == "cost_usd":
        price = answer.run.price_usd_per_h
        rented = not answer.run.own and price is not None
        yield f"rent at {_price(answer)} per device" if rented else "bought, with electricity"
    elif "embodied_co2e_kg" in known:
        yield f"{said('co2e_kg', _mid(answer, 'operational_co2e_kg'))} from electricity"
        yield f"{said('co2e_kg', _mid(answer, 'embodied_co2e_kg'))} from making the hardware"
    else:
        yield "from electricity alone"


def absent(answer: Answer, quantity: str) -> Iterator[str]:
    """Why a quantity cannot be had, if it cannot."""
    if quantity in answer.estimate.absent:
        yield render(answer.estimate.absent[quantity], label_of)


def assumed(answer: Answer, catalog: Catalog) -> Iterator[str]:
    """What is to be known of a known run, and what was assumed or left out."""
    if answer.scenario.preset is not None:
        preset = catalog.preset(answer.scenario.preset)
        if preset.note:
            yield f"{preset.name}: {preset.note[:1].lower()}{preset.note[1:]}".rstrip(".")
    if not any(name in TRAINING_PRECISIONS for name in answer.device.peaks):
        yield f"{answer.device.name} trains in none of its formats: its {answer.precision} is taken"
    yield from rendered(answer.notices, label_of)


def alt_of_parts(table: pd.DataFrame, answer: Answer) -> str:
    """Say the chart of parts in words."""
    whole = said("energy_kwh", _mid(answer, "energy_kwh"))
    return f"Of {whole}: " + "; ".join(table["label"])


def alt_of_uncertainty(table: pd.DataFrame) -> str:
    """Say the tornado in words."""
    return "Each source of uncertainty on its own, largest first: " + "; ".join(table["label"])


def alt_of_devices(table: pd.DataFrame) -> str:
    """Say the comparison in words, with the intervals."""
    return "From least to most: " + "; ".join(table["text"])


def _price(answer: Answer) -> str:
    price = answer.run.price_usd_per_h
    return "" if price is None else amount(float(price.mid), "USD/h")


def _unbroken(answer: Answer, name: str) -> str:
    """A result that no line break tears from its unit."""
    return escape(said(name, _mid(answer, name))).replace(" ", "&nbsp;")


def _mid(answer: Answer, name: str) -> float:
    return float(answer.estimate[name].mid)
