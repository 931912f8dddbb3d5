"""Page Explore: sensitivities, sweeps of one and two inputs, and time, cost and CO2e."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from estimator.core.messages import reason
from estimator.core.units import amount as with_unit
from estimator.question.hardware import TRAINING_PRECISIONS
from estimator.question.scenario import INPUTS, Scenario
from estimator.runs.store_state import State, store_state
from estimator.studies.search.exploration import (
    PLACES,
    SWEPT,
    WORDS,
    Exploration,
    Swing,
)
from estimator.system.data_folder import data_directory
from estimator.web.explore import charts
from estimator.web.shared import figures, plots, scenario, share, style
from estimator.web.shared.amounts import amount, localised, span
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import draw_table
from estimator.web.shared.kit import PageQuestion
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import TRAIN
from estimator.web.shared.notices import label_of_control, quoted, sentence_of
from estimator.web.shared.profiles import (
    cached_per_server,
    hardware_names,
    led_by,
    open_catalog,
    place_names,
)
from estimator.web.shared.url_state import Choice, LinkParameters

ANY = "any"
QUANTITIES = {
    "cost_usd": (N_("cost"), "USD"),
    "wall_hours": (N_("time"), "hour"),
    "energy_kwh": (N_("energy"), "kWh"),
    "co2e_kg": (N_("CO2e"), "kgCO2e"),
}
"""Quantity -> name, unit."""

STEPS = 40
"""Values of a number in a sweep [1]."""

LEAST_MOVED = 1.005
"""Least factor of an effect that is drawn [1]."""

ON_SLIDE = 5
"""Rows of a chart on a slide."""

LOGARITHMIC = ("devices", "params", "tokens")


@cached_per_server
def known_devices() -> tuple[str, ...]:
    """Devices that train, the H100 first."""
    catalog = open_catalog()
    trains = (
        name
        for name in hardware_names()
        if not set(TRAINING_PRECISIONS).isdisjoint(catalog.device(name).peaks)
    )
    return led_by("h100-sxm", trains)


def _inputs_called() -> dict[str, str]:
    return {name: _label(name) for name in SWEPT}


PARAMETERS = LinkParameters(
    "explore",
    scenario.params(7e9),
    scenario.tokens(140e9),
    scenario.hardware(known_devices()),
    scenario.devices(64.0, 100000.0),
    scenario.site(tuple(place_names()), usual="us"),
    Choice(
        "quantity",
        tuple(QUANTITIES),
        label=N_("Quantity"),
        help=N_("Result that the charts show."),
        called=lambda: {name: title for name, (title, _unit) in QUANTITIES.items()},
    ),
    Choice(
        "x",
        SWEPT,
        label=N_("Sweep"),
        help=N_("Input to vary while all others stay fixed."),
        called=_inputs_called,
    ),
    Choice(
        "places",
        ("here", ANY),
        label=N_("Designs at"),
        help=N_("Sites compared in the chart of time and cost."),
        called=lambda: {"here": N_("this site"), ANY: N_("seven countries")},
    ),
)


label_of = partial(label_of_control, {one.name: one.label for one in PARAMETERS.known})

Swings = tuple[float, tuple[Swing, ...]]
"""Median of a quantity, and the effect of each input by itself."""


def base_of(values: Row) -> Scenario:
    """Scenario from the controls."""
    return Scenario(
        params=values["params"],
        tokens=values["tokens"],
        hardware=values["hardware"],
        devices=float(values["devices"]),
        site=values["site"],
    )


@lru_cache(maxsize=16)
def explored(base: Scenario, swept: str, places: tuple[str, ...], _runs: State) -> Exploration:
    """Data of all charts, cached until a measured run changes."""
    return Exploration(base, [(swept,)], (STEPS,), places, open_catalog())


def _answered(values: Row) -> tuple[Exploration, Swings]:
    """Answer the page, and the sensitivities of its quantity."""
    runs = store_state(data_directory())
    found = explored(base_of(values), values["x"], _places(values), runs)
    try:
        return found, found.swings(values["quantity"])
    except ValueError as error:
        text = _("{why}, or choose another {control}")
        why, control = sentence_of(reason(error), label_of), quoted(_("Quantity"))
        raise ValueError(text.format(why=why, control=control)) from None


def _places(values: Row) -> tuple[str, ...]:
    """Sites of the designs."""
    return PLACES if values["places"] == ANY else (values["site"],)


def _answer(
    answered: Exploration, swings: Swings, base: Scenario, values: Row, frame: Frame
) -> None:
    """Draw the selected charts."""
    if frame.shows("tornado"):
        middle, found = swings
        ends = answered.interval(values["quantity"])
        style.sentence(escape(_sentence(_title(base), values, (middle, ends), found, frame)))
        _tornado(values, middle, found, frame)
    for show, picture in PICTURES.items():
        if frame.shows(show):
            st.subheader(_(HEADINGS[show]), anchor=False)
            picture(answered, values, frame)


def _title(base: Scenario) -> str:
    return _("{params} parameters on {tokens} tokens, {devices} × {device}").format(
        params=amount(base.params or 0.0, "1"),
        tokens=amount(base.tokens or 0.0, "1"),
        devices=_value_text("devices", base.devices or 1.0),
        device=hardware_names()[str(base.hardware)],
    )


def _sentence(
    title: str,
    values: Row,
    answer: tuple[float, tuple[float, float]],
    found: tuple[Swing, ...],
    frame: Frame,
) -> str:
    name, unit = QUANTITIES[values["quantity"]]
    text = _(
        "The {quantity} is {middle} ({interval}). What moves it most: {input}, from {low} to "
        "{high}."
    )
    if not frame.slide:
        text = _(
            "{title}: the {quantity} is {middle} ({interval}). What moves it most: {input}, from "
            "{low} to {high}."
        )
    first, (middle, ends) = found[0], answer
    return text.format(
        title=title,
        quantity=_(name),
        middle=style.bold(amount(middle, unit)),
        interval=span(*ends, unit),
        input=style.bold(_label(first.name)),
        low=f"{amount(first.low, unit)} ({_value_text(first.name, first.values[0])})",
        high=f"{amount(first.high, unit)} ({_value_text(first.name, first.values[1])})",
    )


def _value_text(name: str, value: float | str) -> str:
    """Format a value of an input."""
    if isinstance(value, str):
        return hardware_names().get(value) or place_names().get(value) or _(value)
    if name == "utilization":
        return amount(value, "share")
    if name == "devices":
        return localised(f"{value:,.0f}")
    if name == "price":
        return localised(with_unit(value, "USD/h"))
    return amount(value, "1")


def _label(name: str) -> str:
    """Name of an input."""
    return _(INPUTS[name].label).partition(" [")[0]


def _tornado(values: Row, middle: float, found: tuple[Swing, ...], frame: Frame) -> None:
    """Draw the effect of each input on the quantity."""
    name, unit = QUANTITIES[values["quantity"]]
    kind = _("varied separately")
    wide = [one for one in found if one.high > LEAST_MOVED * one.low]
    rows = []
    for one in wide[:ON_SLIDE] if frame.slide else wide:
        text = f"{_label(one.name)}: {span(one.low, one.high, unit)}"
        rows.append(plots.interval(one.name, (one.low, middle, one.high), text, kind))
    if not rows:
        return
    picture = plots.ranges_picture(rows, _(name), (kind,), unit)
    figures.draw_picture(picture, frame.look, key="explore_tornado")
    if not frame.slide:
        moves = [
            (one.name, *(_value_text(one.name, value) for value in one.values)) for one in wide
        ]
        cells = [(_label(name), least, most) for name, least, most in moves]
        draw_table((_("Varied separately"), _("least at"), _("most at")), cells)
    still = [_label(one.name) for one in found if one not in wide]
    if still and not frame.slide:
        style.caption(_("These move it by less than 0.5%: {names}.").format(names=", ".join(still)))


def _sweep(answered: Exploration, values: Row, frame: Frame) -> None:
    """Draw the quantity over one input, with its interval."""
    quantity, swept_input = values["quantity"], values["x"]
    name, unit = QUANTITIES[quantity]
    swept = answered.sweep(0)
    ends = {end: swept[f"{quantity}_{end}"] for end in ("low", "mid", "high")}
    table = pd.DataFrame({"x": swept[swept_input], **ends}).dropna(subset=["mid"])
    if table.empty:
        style.assumptions([_("No value of this input fits in the memory of the devices.")])
        return
    if swept_input in WORDS:
        _rows_of_words(table.sort_values("mid"), values, frame)
        return
    figures.draw(
        charts.band,
        table.assign(text=[_point(swept_input, unit, *row) for row in table.to_numpy()]),
        frame.look,
        of=((_(INPUTS[swept_input].label), _(name)), swept_input in LOGARITHMIC, unit),
        key="explore_sweep",
        alt=_("{quantity} over {input}: from {first} to {last}").format(
            quantity=_(name),
            input=_label(swept_input),
            first=amount(float(table["mid"].iloc[0]), unit),
            last=amount(float(table["mid"].iloc[-1]), unit),
        ),
    )


def _point(name: str, unit: str, *row: float) -> str:
    """Format one point of a sweep."""
    at, low, mid, high = row
    return f"{_label(name)} {_value_text(name, at)}: {amount(mid, unit)} ({span(low, high, unit)})"


def _rows_of_words(table: pd.DataFrame, values: Row, frame: Frame) -> None:
    """Draw one row per word, in ascending order."""
    quantity, swept_input = values["quantity"], values["x"]
    name, unit = QUANTITIES[quantity]
    kind = _label(swept_input)
    rows = []
    for word, low, mid, high in table.head(ON_SLIDE if frame.slide else 12).to_numpy():
        text = f"{_value_text(swept_input, word)}: {amount(mid, unit)}"
        rows.append(plots.interval(word, (low, mid, high), text, kind))
    picture = plots.ranges_picture(rows, _(name), (kind,), unit)
    figures.draw_picture(picture, frame.look, key="explore_words")


def _front(answered: Exploration, values: Row, frame: Frame) -> None:
    """Draw time against cost, coloured by CO2e, with the Pareto front."""
    table = answered.designs()
    hours, usd, on_front = (table[name] for name in ("wall_hours_mid", "cost_usd_mid", "pareto"))
    known = np.flatnonzero(~np.isnan(hours) & ~np.isnan(usd))
    if not known.size:
        style.assumptions([_("No design with a known price fits in the memory of its devices.")])
        return
    rows = known[np.argsort(on_front[known], kind="stable")]
    shown = pd.DataFrame(
        {
            "hours": hours[rows],
            "usd": usd[rows],
            "kg": table["co2e_kg_mid"][rows],
            "pareto": on_front[rows],
            "text": _names({name: table[name][rows].tolist() for name in DESIGN}),
        }
    )
    best = shown[shown["pareto"]].sort_values("hours")
    figures.draw(
        charts.front,
        shown,
        frame.look,
        of=((_("time"), _("cost"), _("CO2e")),),
        key="explore_front",
        alt=_("Pareto-optimal designs: {names}").format(names="; ".join(best["text"].head(12))),
    )
    style.caption(
        _(
            "{front} of {designs} designs are Pareto-optimal in time, cost and CO2e (large "
            "points); medians; designs that do not fit in memory are left out."
        ).format(front=amount(len(best), "1"), designs=amount(len(shown), "1"))
    )


DESIGN = ("devices", "hardware", "site")
"""Inputs that name a design."""


def _names(designs: Mapping[str, Sequence[float | str]]) -> list[str]:
    """Names of designs, such as "64 × NVIDIA H100, France"."""
    written = {name: {one: _value_text(name, one) for one in set(designs[name])} for name in DESIGN}
    counts, hardware, sites = ([written[name][one] for one in designs[name]] for name in DESIGN)
    return [
        f"{count} × {device}, {site}"
        for count, device, site in zip(counts, hardware, sites, strict=True)
    ]


PICTURES = {"sweep": _sweep, "front": _front}
HEADINGS = {
    "sweep": N_("One input swept"),
    "front": N_("Time against cost against CO2e"),
}
SLIDES = {
    "tornado": N_("what moves the answer"),
    "sweep": N_("one input swept"),
    "front": N_("time against cost against CO2e, with the Pareto front"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answered,
    view=lambda values, found, frame: _answer(*found, base_of(values), values, frame),
    title=lambda values: _title(base_of(values)),
    slides=SLIDES,
    files=lambda values, found: (share.csv("explore", lambda: found[0].sweep(-1)),),
)
PAGE = QUESTION.page(N_("Sensitivity"), TRAIN)
