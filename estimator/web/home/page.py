"""Home page: common questions, each answered at first sight."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from urllib.parse import urlencode

from estimator.answer.design_facts import memory_of_run
from estimator.answer.scenario_estimate import answer_scenario
from estimator.question.scenario import Scenario, link
from estimator.runs.store_state import State, store_state
from estimator.studies.prompts.answer import equivalents
from estimator.studies.prompts.question import PromptQuestion
from estimator.system.data_folder import data_directory
from estimator.web.estimate.inputs import FINETUNE
from estimator.web.question.page import answered as answered_prompt
from estimator.web.report.page import PARAMETERS as REPORT
from estimator.web.report.page import answered as answered_report
from estimator.web.shared import style
from estimator.web.shared.amounts import amount, device_count, result
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor
from estimator.web.shared.inline import unbroken
from estimator.web.shared.language import N_, _, current
from estimator.web.shared.navigation import Page
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.tables import author, between

FLAGSHIP_CLAIM = "gpt3-v100"
"""Claim of the well-known 355 years."""

MORE = {
    "plan": N_("plan under a budget"),
    "capacity": N_("size a service"),
    "compare": N_("compare hardware"),
    "claims": N_("check a claim"),
    "models": N_("count a model"),
    "calibrate": N_("measure this machine"),
}
"""Page -> its purpose."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """Question with its answer, and a link to it.

    Parameters
    ----------
    question, figure : str
        What is asked, and the number that answers it.
    notes : tuple of str
        What else to know, in a row.
    address : str
        Page with its query.
    """

    question: str
    figure: str
    notes: tuple[str, ...]
    address: str


def draw(frame: Frame) -> None:
    """Draw the questions with their answers, and links to other pages."""
    items = "".join(map(_card, cards(current(), store_state(data_directory()))))
    title = _("What does it take to train or use a neural network?")
    motto = _(
        "Time, money, energy and CO2e, with an interval and a source for every number. A brain "
        "runs on 20 watts."
    )
    with style.block():
        style.write(f'<h1 class="tw tw-front-title">{escape(title)}</h1>')
        style.write(f'<p class="tw tw-front-motto">{escape(motto)}</p>')
        style.write(f'<div class="tw tw-front">{items}</div>')
        if not frame.slide:
            more = " · ".join(anchor(path, _(text)) for path, text in MORE.items())
            style.write(f'<p class="tw tw-links">{escape(_("More:"))} {more}</p>')
    style.marker({})


@lru_cache(maxsize=8)
def cards(_language: str, _runs: State) -> Sequence[Card]:
    """Answer the questions as their pages do."""
    return (_chatbot(), _gpt3(), _finetuning(), _report())


def _chatbot() -> Card:
    """One question to a chatbot."""
    energy = answered_prompt(PromptQuestion(task="question")).energy_wh
    low, high = (float(bound) for bound in energy.interval())
    alike = equivalents(energy, open_catalog())
    return Card(
        question=_("One question to a chatbot"),
        figure=amount(float(energy.mid), "Wh"),
        notes=(
            between("energy_wh", low, high),
            _("a 10 W bulb for {time}").format(time=amount(alike["led_bulb_s"], "s")),
            _("a brain for {time}").format(time=amount(alike["brain_s"], "s")),
        ),
        address="question",
    )


def _gpt3() -> Card:
    """Flagship run, as reported and as predicted."""
    catalog = open_catalog()
    preset = catalog.preset("gpt-3")
    devices = preset.as_run["devices"].value
    scenario = Scenario(preset=preset.id, hardware=preset.hardware, devices=devices)
    answer = answer_scenario(scenario, catalog)
    low, high = (float(bound) for bound in answer.estimate["wall_hours"].interval())
    hours, energy = preset.as_run["wall_hours"], preset.as_run["energy_kwh"]
    source = catalog.source(hours.source)
    reported = _("reported by {author}, {year}").format(author=author(source), year=source.date[:4])
    ran = device_count(devices, answer.device.name)
    return Card(
        question=_("Train {name}").format(name=preset.name),
        figure=", ".join((result("wall_hours", hours.value), result("energy_kwh", energy.value))),
        notes=(
            ran,
            reported,
            _("predicted: {span}").format(span=between("wall_hours", low, high)),
            _("355 years? see why"),
        ),
        address=f"claims?{urlencode({'claim': FLAGSHIP_CLAIM})}",
    )


def _finetuning() -> Card:
    """Fine-tuning on a consumer GPU."""
    catalog = open_catalog()
    answer = answer_scenario(FINETUNE, catalog)
    low, high = (float(bound) for bound in answer.estimate["wall_hours"].interval())
    time = result("wall_hours", float(answer.estimate["wall_hours"].mid))
    memory = memory_of_run(answer, catalog, least=False)
    fits = memory is not None and memory.fits
    held = _("fits, {time}") if fits else _("does not fit, {time}")
    cost = answer.estimate["cost_usd"]
    return Card(
        question=_("Fine-tune {name} on my GPU").format(
            name=catalog.preset(str(FINETUNE.preset)).name
        ),
        figure=held.format(time=time),
        notes=(
            between("wall_hours", low, high),
            _("LoRA on one {device}").format(device=answer.device.name),
            _("{cost} for device and electricity").format(cost=result("cost_usd", float(cost.mid))),
        ),
        address=f"estimate{link(FINETUNE)}",
    )


def _report() -> Card:
    """Report documents for the default run of the page Report."""
    facts = answered_report(REPORT.from_link({})[0]).facts.facts
    here = facts["co2e_kg"]
    notes = (
        between("co2e_kg", float(here.low or 0.0), float(here.high or 0.0)),
        _("location based, and market based where you know your contract"),
        _("as a paragraph, a model card, AI Act Annex XI"),
    )
    return Card(
        question=_("Report a run I have done"),
        figure=_("{mass} of CO2e").format(mass=amount(float(str(here.value)), "kgCO2e")),
        notes=notes,
        address="report",
    )


def _card(card: Card) -> str:
    """Card as HTML, all of it a link."""
    notes = " · ".join(unbroken(escape(note)) for note in card.notes)
    return anchor(card.address, "").replace(
        "</a>",
        f"<span>{escape(card.question)}</span><b>{escape(card.figure)}</b>"
        f"<small>{notes}</small></a>",
    )


SLIDES = {"questions": N_("frequent questions")}
PAGE = Page(path="home", title="Twenty Watts", group="", draw=draw, slides=SLIDES)
