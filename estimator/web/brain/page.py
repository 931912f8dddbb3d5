"""Page Brain: 20 W next to a machine, in power, energy, samples and operations per joule."""

from html import escape

import numpy as np
import streamlit as st

from estimator.answer.scenario_estimate import answer_scenario
from estimator.core.brain import BRAIN_POWER_W, energy_of_years_kwh, landauer_j
from estimator.core.uncertainty import Uncertain
from estimator.core.units import H_PER_YEAR, J_PER_KWH
from estimator.question.scenario import Scenario
from estimator.studies.claims.finding import Claim
from estimator.studies.claims.ledger import claim
from estimator.studies.prompts.answer import answer_prompt
from estimator.studies.prompts.question import PromptQuestion
from estimator.web.offline.page_picture import picture_file
from estimator.web.shared import figures, plots, share, style
from estimator.web.shared.amounts import amount, span
from estimator.web.shared.charts import Picture, Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import draw_table
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import LEARN
from estimator.web.shared.profiles import (
    cached_per_server,
    devices_with,
    hardware_names,
    led_by,
    open_catalog,
    preset_names,
)
from estimator.web.shared.url_state import Choice, LinkParameters, Number

BRAIN, MACHINE, LIMIT = N_("brain"), N_("machine"), N_("limit of physics")
KINDS = (BRAIN, MACHINE, LIMIT)
EVERYDAY = N_("everyday life")

KWH_PER_KCAL = 4184.0 / 3.6e6
HOMES = 40_000.0
"""Households of a city of 100,000: 2.5 people each, US Census Bureau [1]."""
DAYS_PER_YEAR = 365.25


@cached_per_server
def known_presets() -> tuple[str, ...]:
    """Presets that can be answered on any hardware, GPT-3 first."""
    return led_by("gpt-3", preset_names())


@cached_per_server
def known_hardware() -> tuple[str, ...]:
    """Devices with known power and peak, the V100 first."""
    catalog = open_catalog()
    found = [name for name in devices_with("tdp_w") if catalog.device(name).kind != "brain"]
    return led_by(catalog.device("v100").id, found)


PARAMETERS = LinkParameters(
    "brain",
    Choice(
        "preset",
        known_presets(),
        label=N_("Training run"),
        help=N_("Training run to compare with a brain."),
        called=preset_names,
    ),
    Choice(
        "hardware",
        known_hardware(),
        label=N_("Device"),
        help=N_("Device on which the training run is estimated."),
        called=hardware_names,
    ),
    Number(
        "years",
        20.0,
        low=1.0,
        high=100.0,
        whole=True,
        slides=True,
        label=N_("Years of childhood"),
        help=N_("Years of learning of a brain at 20 W."),
    ),
)


def _draw(values: Values, found: dict[str, Picture], frame: Frame) -> None:
    """Draw the contrast in a sentence, then a chart for each measure."""
    style.sentence(escape(found["energy"].headline))
    for show, picture in found.items():
        if frame.shows(show):
            _section(show, _(SECTIONS[show][0]), picture, frame)


def pictures(preset: str, hardware: str, years: float) -> dict[str, Picture]:
    """Return the charts that compare a brain and a machine, by slide name."""
    name = _(open_catalog().preset(preset).name)
    energy = training_energy(preset, hardware)
    rows = {
        "power": power_rows(hardware),
        "samples": sample_rows(),
        "operations": operation_rows(hardware),
    }
    ladder = plots.ladder_picture(
        energy_rows(name, energy, years),
        (BRAIN, MACHINE, EVERYDAY),
        "kWh",
        _sentence(name, energy, years),
    )
    return {"energy": ladder} | {
        show: plots.ranges_picture(found, _(SECTIONS[show][1]), KINDS, SECTIONS[show][2])
        for show, found in rows.items()
    }


def training_energy(preset: str, hardware: str) -> Uncertain | None:
    """Training energy on a device, or None if unavailable [kWh]."""
    scenario = Scenario(preset=preset, hardware=hardware, devices=1.0)
    try:
        return answer_scenario(scenario, open_catalog()).estimate["energy_kwh"]
    except ValueError:
        return None


def _sentence(title: str, energy: Uncertain | None, years: float) -> str:
    childhood = energy_of_years_kwh(years)
    if energy is None:
        text = _("{years} years of a brain at 20 W take {childhood}.")
        brain = style.bold(amount(childhood, "kWh"))
        return text.format(years=f"{years:g}", childhood=brain)
    text = _(
        "Training {title} takes {times} times the energy ({interval}) of {years} years of a brain: "
        "{energy} against {childhood}."
    )
    times = energy / childhood
    low, high = (float(bound) for bound in times.interval())
    return text.format(
        years=f"{years:g}",
        childhood=amount(childhood, "kWh"),
        title=title,
        energy=amount(_mid(energy), "kWh"),
        times=style.bold(amount(float(times.mid), "1")),
        interval=span(low, high, "1"),
    )


def power_rows(hardware: str) -> list[Row]:
    """Power of a brain, of one device with its host, and of AlphaGo [W]."""
    catalog = open_catalog()
    device = catalog.device(hardware)
    one = answer_scenario(Scenario(device_hours=1.0, hardware=hardware), catalog).estimate
    return [
        row(_("a brain"), Uncertain(BRAIN_POWER_W), "W", BRAIN),
        row(device.name, one["power_w"], "W", MACHINE),
        row(_("AlphaGo against Lee Sedol"), _claimed("alphago-lee"), "W", MACHINE),
    ]


def energy_rows(title: str, energy: Uncertain | None, years: float) -> list[Row]:
    """Energy from a thought to a city, with the selected training marked [kWh]."""
    catalog = open_catalog()
    game = {figure.name: figure.value for figure in checked("alphago-lee").finding.figures}
    alike = {name: record.value for name, record in catalog.equivalents().items()}
    home_kwh = alike["household.kwh_per_year"]
    gpt3 = catalog.preset("gpt-3").as_run["energy_kwh"].value
    childhood = _("{years} years of a brain").format(years=f"{years:g}")
    known = (
        (_("a thought: one second of a brain"), BRAIN_POWER_W / J_PER_KWH, BRAIN),
        (_("one question to a chatbot"), float(question_kwh().mid), MACHINE),
        (_("a cup of black coffee"), _mid(game["a cup of black coffee"]) * KWH_PER_KCAL, BRAIN),
        (_("a 10 W bulb for an hour"), alike["led_bulb.power_w"] / 1e3, EVERYDAY),
        (_("charging a phone"), alike["phone.charge_wh"] / 1e3, EVERYDAY),
        (_("one game of Go, Lee Sedol's brain"), _mid(game["energy of a game, brain"]), BRAIN),
        (_("a US household for a day"), home_kwh / DAYS_PER_YEAR, EVERYDAY),
        (_("a game of Go, AlphaGo"), _mid(game["energy of a game, machine"]), MACHINE),
        (childhood, energy_of_years_kwh(years), BRAIN),
        (_("training GPT-3, as published"), gpt3, MACHINE),
        (_("a city of 100,000 for a year"), HOMES * home_kwh, EVERYDAY),
    )
    rows = [plots.rung(name, kwh, amount(kwh, "kWh"), kind) for name, kwh, kind in known]
    if energy is not None:
        mid = _mid(energy)
        name = _("you are here: training {title}").format(title=title)
        rows.append(plots.rung(name, mid, amount(mid, "kWh"), MACHINE, here=True))
    return rows


def _mid(value: Uncertain) -> float:
    return float(np.asarray(value.mid))


@cached_per_server
def question_kwh() -> Uncertain:
    """Energy of a short question to a closed model, computed once per server [kWh]."""
    return (
        answer_prompt(PromptQuestion(model="gpt", task="question"), open_catalog()).energy_wh / 1e3
    )


def sample_rows() -> list[Row]:
    """Playing time until a level is reached [h]."""
    catalog = open_catalog()
    facts = catalog.claims()["dqn-atari"].facts
    play = catalog.claims()["alphastar"].facts["play_years"].value * H_PER_YEAR
    frames = facts["frames"].value / facts["frame_rate_hz"].value / 3600
    return [
        row(_("an Atari game, a human"), Uncertain(facts["human_h"].value), "hour", BRAIN),
        row(_("an Atari game, DQN"), Uncertain(frames), "hour", MACHINE),
        row(_("StarCraft II, an agent of AlphaStar"), Uncertain(play), "hour", MACHINE),
    ]


def operation_rows(hardware: str) -> list[Row]:
    """Operations per joule: the brain's range, a device's at its peak, bits erased."""
    catalog = open_catalog()
    brain = {figure.name: figure.value for figure in checked("brain-20w").finding.figures}
    device = catalog.device(hardware)
    peak = max(record.value for name, record in device.peaks.items() if name != "equivalent")
    rate = peak / device.records["tdp_w"].value
    return [
        row(_("a brain's equivalent"), brain["operations per joule"], "FLOP/J", BRAIN),
        row(device.name, Uncertain(rate), "FLOP/J", MACHINE),
        row(_("Landauer limit at 37 °C"), Uncertain(1 / landauer_j()), "bit/J", LIMIT),
    ]


def row(label: str, value: Uncertain, unit: str, kind: str) -> Row:
    """Chart row with bounds and text; a mere range has no point."""
    low, high = (float(np.asarray(bound)) for bound in value.interval())
    mid = float(np.asarray(value.mid))
    range_alone = unit == "FLOP/J" and high > low
    shown = span(low, high, unit) if range_alone else amount(mid, unit)
    bounds = (low, None if range_alone else mid, high)
    return plots.interval(label, bounds, f"{label}: {shown}", kind)


def _claimed(name: str) -> Uncertain:
    return checked(name).finding.value


@cached_per_server
def checked(name: str) -> Claim:
    """Recomputed claim, cached per server."""
    return claim(name, open_catalog())


def _section(show: str, heading: str, picture: Picture, frame: Frame) -> None:
    st.subheader(heading, anchor=False)
    figures.draw_picture(picture, frame.look, key=f"brain_{show}")
    if show == "operations":
        style.caption(
            _(
                "Carlsmith (2020) puts the rate of arithmetic that would do the work of a brain "
                "between 10^13 and 10^17 FLOP/s: the range is the finding. A FLOP takes many bits; "
                "the limit of physics is for a single one."
            )
        )
    elif show == "samples":
        style.caption(
            _(
                "Time played at real speed, not computing time. A human brings a lifetime of "
                "experience."
            )
        )
    if not frame.slide and show == "power":
        draw_table(
            (_("What"), _("median"), _("80% interval")),
            [
                (one["label"], amount(one["mid"], "W"), span(one["low"], one["high"], "W"))
                for one in picture.rows
            ],
        )


SECTIONS = {
    "energy": (N_("Energy"), "", "kWh"),
    "power": (N_("Power"), N_("power (logarithmic)"), "W"),
    "samples": (N_("Playing time to reach the level"), N_("playing time (logarithmic)"), "hour"),
    "operations": (N_("Operations per joule"), N_("operations per joule (logarithmic)"), "1"),
}
SLIDES = {
    "energy": N_("energy from a thought to a city"),
    "power": N_("power comparison"),
    "samples": N_("samples to learn"),
    "operations": N_("operations per joule and the limit of physics"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=lambda values: pictures(values["preset"], values["hardware"], float(values["years"])),
    view=_draw,
    title=title(N_("The brain and the machine")),
    slides=SLIDES,
    files=lambda values, found: (
        picture_file("brain", lambda: found["energy"], _("The brain and the machine")),
        share.json("brain", lambda: {show: picture.rows for show, picture in found.items()}),
    ),
)
PAGE = QUESTION.page(N_("Brain and machine"), LEARN)
