"""Answer in words: sentence, notes, alt texts."""

import re
from collections.abc import Iterator, Sequence
from html import escape, unescape

from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog
from estimator.core.brain import BRAIN_POWER_W
from estimator.core.units import amount, human_count
from estimator.memory.training_state import DOES_NOT_FIT
from estimator.question.hardware import TRAINING_PRECISIONS
from estimator.question.scenario import Scenario
from estimator.show.notices import by_weight
from estimator.web.shared.amounts import device_count, localised, result
from estimator.web.shared.charts import Row
from estimator.web.shared.language import _
from estimator.web.shared.notices import sentence_of, shown_all


def sentence(answer: Answer, catalog: Catalog) -> str:
    """Answer in one sentence, as HTML."""
    said = {
        "work": _subject(answer, catalog),
        "machines": escape(machines(answer)),
        "time": escape(_result_text(answer, "wall_hours")),
    }
    if "brain_years" not in answer.estimate:
        text = _("{work} on <b>{machines}</b> takes <b>{time}</b>; the energy is unknown.")
        return text.format(**said)
    text = _(
        "{work} on <b>{machines}</b> takes <b>{time}</b> and as much energy as a {power}&nbsp;W "
        "brain uses in <b>{years}</b>."
    )
    return text.format(
        **said,
        power=f"{BRAIN_POWER_W:g}",
        years=escape(_result_text(answer, "brain_years")),
    )


def title(answer: Answer, catalog: Catalog) -> str:
    """Title of a run for a slide or frame, without its figures.

    The sentence without its answer, as plain text.
    """
    return _("{work} on {machines}").format(work=work(answer, catalog), machines=machines(answer))


def work(answer: Answer, catalog: Catalog) -> str:
    """Trained model, as plain text."""
    return unescape(re.sub(r"<[^>]+>", "", _subject(answer, catalog)))


def machines(answer: Answer) -> str:
    """Return count and name of the devices."""
    return device_count(float(answer.run.devices), answer.device.name)


def _subject(answer: Answer, catalog: Catalog) -> str:
    scenario, inputs = answer.scenario, answer.inputs
    text = _("Training <b>{name}</b>{seen}")
    if scenario.finetune is not None:
        text = _("Fine-tuning <b>{name}</b>{seen}")
    tokens, seen = inputs.get("tokens"), ""
    if tokens is not None:
        seen = _(" with {tokens} tokens").format(tokens=localised(human_count(tokens.value)))
    if scenario.preset is not None:
        name = escape(catalog.preset(scenario.preset).name)
        return text.format(name=name, seen=seen if scenario.tokens is not None else "")
    size = inputs.get("params") if scenario.config else None
    params = scenario.params if size is None else size.value
    if params is not None:
        count = localised(human_count(params))
        name = _("{count} parameters").format(count=count)
        if scenario.active_params is not None:
            active = localised(human_count(scenario.active_params))
            seen = _(" ({active} active){seen}").format(active=active, seen=seen)
        return text.format(name=name, seen=seen)
    if scenario.device_hours is None and "training_flop" in answer.estimate:
        work = _result_text(answer, "training_flop")
        return _("A training run of <b>{work}</b>").format(work=work)
    return _("A run of <b>{time}</b>").format(time=_result_text(answer, "device_hours"))


def notes(answer: Answer, quantity: str) -> Iterator[str]:
    """Yield the notes on a headline figure."""
    known = answer.estimate
    if quantity not in known:
        yield from absent(answer, quantity)
    elif quantity == "wall_hours":
        yield _result_text(answer, "device_hours")
        if "utilization" in known:
            share = _result_text(answer, "utilization")
            yield _("at {utilization} of the peak").format(utilization=share)
    elif quantity == "energy_kwh":
        yield _("one brain for {time}").format(time=_result_text(answer, "brain_years"))
        brains = human_count(_mid(answer, "power_in_brains"))
        text = _("drawing {power}, like {brains} brains")
        if brains == "1":
            text = _("drawing {power}, like one brain")
        yield text.format(power=_result_text(answer, "power_w"), brains=localised(brains))
    elif quantity == "cost_usd":
        price = answer.run.price_usd_per_h
        rented = not answer.run.own and price is not None
        rent = _("rent at {price} per device").format(price=_price(answer))
        yield rent if rented else _("bought, with electricity")
    elif "embodied_co2e_kg" in known:
        used, made = (
            result("co2e_kg", _mid(answer, f"{part}_co2e_kg"))
            for part in ("operational", "embodied")
        )
        yield _("{mass} from electricity").format(mass=used)
        yield _("{mass} from making the hardware").format(mass=made)
    else:
        yield _("from electricity only")


def absent(answer: Answer, quantity: str) -> Iterator[str]:
    """Yield the reason for a missing quantity."""
    if quantity in answer.estimate.absent:
        yield sentence_of(answer.estimate.absent[quantity])


def assumed(answer: Answer, catalog: Catalog, usual: Scenario) -> Iterator[str]:
    """Yield facts about a known run, assumptions and omissions.

    A notice on an ineffective choice is left out if the page made the choice.
    """
    if answer.scenario.preset is not None:
        preset = catalog.preset(answer.scenario.preset)
        if preset.note:
            yield f"{preset.name}: {_(preset.note)}".rstrip(".")
    if not any(name in TRAINING_PRECISIONS for name in answer.device.peaks):
        text = _("{device} supports no training format: its {precision} is used")
        yield text.format(device=answer.device.name, precision=answer.precision)
    chosen = answer.scenario.specified_inputs()
    yield from shown_all(
        one
        for one in by_weight(answer.notices, answer.estimate.quantities)
        if one.code != DOES_NOT_FIT  # the badge says what would fit
        and (one.code != "no_effect" or chosen.get(one.field) != getattr(usual, one.field))
    )


def alt_of_parts(rows: Sequence[Row], answer: Answer) -> str:
    """Alt text of the parts chart."""
    whole = _result_text(answer, "energy_kwh")
    return _("Of {whole}: {parts}").format(
        whole=whole, parts="; ".join(row["label"] for row in rows)
    )


def alt_of_uncertainty(rows: Sequence[Row]) -> str:
    """Alt text of the tornado chart."""
    text = _("Each source of uncertainty on its own, largest first: {parts}")
    return text.format(parts="; ".join(row["label"] for row in rows))


def alt_of_devices(rows: Sequence[Row]) -> str:
    """Alt text of the device comparison, with intervals."""
    return _("From least to most: {parts}").format(parts="; ".join(row["text"] for row in rows))


def _price(answer: Answer) -> str:
    price = answer.run.price_usd_per_h
    return "" if price is None else localised(amount(float(price.mid), "USD/h"))


def _result_text(answer: Answer, name: str) -> str:
    """Format a result for the page."""
    return result(name, _mid(answer, name))


def _mid(answer: Answer, name: str) -> float:
    return float(answer.estimate[name].mid)
