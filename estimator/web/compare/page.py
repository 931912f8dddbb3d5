"""Compare: two to four scenarios side by side, what differs between them, and by how much."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pandas as pd
import streamlit as st

from estimator.answer.design_facts import memory_of_run, offers_of, share_of_memory
from estimator.answer.ratio import ratio
from estimator.answer.report import bounds
from estimator.answer.scenario_estimate import Answer
from estimator.answer.training_report import estimate_report
from estimator.core.units import amount as with_unit
from estimator.core.units import digits
from estimator.memory.fit import MemoryAnswer
from estimator.question.hardware import Offers
from estimator.question.scenario import INPUTS
from estimator.runs.store_state import State, store_state
from estimator.show.values import as_json
from estimator.system.data_folder import data_directory
from estimator.web.estimate import text as words
from estimator.web.estimate.link import answer_link
from estimator.web.estimate.pins import pinned as pinned_links
from estimator.web.shared import charts, figures, share, style, widgets
from estimator.web.shared.amounts import localised, result
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, cell_html, draw_table
from estimator.web.shared.language import N_, _, current, ngettext
from estimator.web.shared.profiles import open_catalog, place_names
from estimator.web.shared.site import TRAIN, Page, controls
from estimator.web.shared.tables import (
    COMPARED,
    Compared,
    between,
    comparison_rows,
    input_amount,
    input_name,
)
from estimator.web.shared.url_state import Choice, LineOfText, LinkParameters, UrlState

LETTERS = ("a", "b", "c", "d")
"""Places for a scenario on the page."""

NAMES = dict(zip(LETTERS, ("a", "b", "c", "fourth"), strict=True))
"""Place -> its name in the link, where `d` is the version of the data."""

USUAL = {
    "a": "params=7e9&tokens=2e12&hardware=h100-sxm&devices=64&site=us",
    "b": "params=7e9&tokens=2e12&hardware=b200&devices=64&site=us",
}
QUANTITIES = {
    "wall_hours": N_("Wall time"),
    "device_hours": N_("Device time"),
    "energy_kwh": N_("Energy"),
    "cost_usd": N_("Cost"),
    "co2e_kg": N_("CO2e"),
}
IN_A_SENTENCE = {
    "wall_hours": N_("wall time"),
    "device_hours": N_("device time"),
    "energy_kwh": N_("energy"),
    "cost_usd": N_("cost"),
    "co2e_kg": N_("CO2e"),
}
"""Quantity -> its name inside a sentence."""

IN_TITLES = (
    *("preset", "params", "active_params", "tokens", "flop", "device_hours"),
    *("hardware", "devices"),
)
"""Inputs that the title of any scenario names."""

FILES = ("config", "carbon_profile")
"""Inputs whose text is too long for a title."""


class Places(LinkParameters):
    """The places of a link; one made before `fourth` named its fourth scenario `d`."""

    def read(self, query: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
        """Links that a link says, and what is wrong with it."""
        fourth = query.get("d", "")
        said = {"fourth": fourth, **query} if "=" in fourth else query
        if not any(name in said for name in NAMES.values()):
            said = dict(zip(NAMES.values(), pinned_links(), strict=False)) | {**said}
        return super().read(said)


PARAMETERS = Places(
    "compare",
    Choice("view", COMPARED, "energy_kwh", help=N_("Quantity that the chart compares.")),
    *(LineOfText(name, USUAL.get(letter, "")) for letter, name in NAMES.items()),
)
STATE = UrlState("compare", PARAMETERS)


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """One scenario of the page.

    Parameters
    ----------
    letter : str
        Its place.
    title : str
        What it is, in words.
    answer : Answer
    memory : MemoryAnswer, optional
        Memory that the run needs; None where the model or the device is unknown.
    """

    letter: str
    title: str
    answer: Answer
    memory: MemoryAnswer | None

    @property
    def name(self) -> str:
        """Letter and title."""
        return f"{self.letter.upper()}: {self.title}"


def draw(frame: Frame) -> None:
    """Draw the scenarios, their ratios and what differs between them."""
    asked = STATE.arrive()
    found, refused = pinned(asked)
    style.notices([*STATE.notices, *refused])
    if len(found) < 2:
        text = _("Two scenarios are compared: pin another on the page Estimate, or paste its link.")
        style.sentence(escape(text))
    else:
        _compared(found, asked, frame)
    with controls(frame):
        _controls(found, asked, frame)
    query = _query(asked)
    if not frame.slide and len(found) > 1:
        _share(found, query)
    share.leave(STATE, query, frame)


def pinned(asked: Mapping[str, Any]) -> tuple[list[Pinned], list[str]]:
    """Scenarios that the links say, as near as they can be answered, and what was wrong."""
    found: list[Pinned] = []
    refused: list[str] = []
    runs = store_state(data_directory())
    for letter in LETTERS:
        if given := asked[NAMES[letter]]:
            one, notices = _pinned(letter, given, current(), runs)
            found.append(one)
            refused += [f"{letter.upper()}: {notice}" for notice in notices]
    return distinguished(found), refused


@lru_cache(maxsize=64)
def _pinned(letter: str, link: str, _language: str, _runs: State) -> tuple[Pinned, tuple[str, ...]]:
    """One scenario and what was wrong with its link; that of an unchanged link is answered once."""
    catalog = open_catalog()
    answer, notices = answer_link(query_of(link), catalog)
    one = Pinned(
        letter=letter,
        title=words.title(answer, catalog),
        answer=answer,
        memory=memory_of_run(answer, catalog, least=False),
    )
    return one, tuple(notices)


def distinguished(found: Sequence[Pinned]) -> list[Pinned]:
    """Give scenarios titles that name every input in which what is asked of them differs."""
    said = [one.answer.scenario.given() for one in found]
    differ = [
        name
        for name in INPUTS
        if name not in IN_TITLES and len({one.get(name) for one in said}) > 1
    ]
    return [
        replace(one, title=", ".join((one.title, *_chosen(values, differ))))
        for one, values in zip(found, said, strict=True)
    ]


def _chosen(said: Mapping[str, float | str], names: Sequence[str]) -> Iterator[str]:
    """Some inputs of a scenario, as far as they are specified."""
    for name in names:
        value = said.get(name)
        if value is None or name in FILES:
            continue
        if name == "site":
            yield place_names().get(str(value), str(value))
            continue
        shown = str(value) if isinstance(value, str) else with_unit(value, INPUTS[name].unit or "1")
        yield f"{_(INPUTS[name].label).partition(' [')[0]} {localised(shown)}"


def set_apart(found: Sequence[Pinned]) -> tuple[str, list[str]]:
    """Return the common inputs of all scenarios in words, and the differences of each."""
    catalog = open_catalog()
    works = {words.work(one.answer, catalog) for one in found}
    if len(works) != 1:
        return "", [one.title for one in found]
    wholes = [words.title(one.answer, catalog) for one in found]
    rest = [one.title.removeprefix(whole) for one, whole in zip(found, wholes, strict=True)]
    if len(set(wholes)) == 1 and all(rest):
        return wholes[0], [one.removeprefix(", ") for one in rest]
    machines = [words.machines(one.answer) for one in found]
    return works.pop(), [one + more for one, more in zip(machines, rest, strict=True)]


def _query(asked: Mapping[str, Any]) -> dict[str, str]:
    """Query of the link; a place that is empty by itself is left out."""
    query = PARAMETERS.query(asked)
    return {name: text for name, text in query.items() if text or PARAMETERS.declared(name).usual}


def query_of(link: str) -> dict[str, str]:
    """Read the query of a whole link, or of its part after the question mark.

    >>> query_of("http://localhost:8501/estimate?hardware=h100&devices=8")
    {'hardware': 'h100', 'devices': '8'}
    >>> query_of("?hardware=h100")
    {'hardware': 'h100'}
    """
    query = urlsplit(link).query if "?" in link else link
    return dict(parse_qsl(query))


def ratios(found: Sequence[Pinned]) -> list[list[str]]:
    """Quantity, its value in each scenario, and the ratio to the first: rows of a table."""
    rows = []
    for name, label in QUANTITIES.items():
        values = [one.answer.estimate.quantities.get(name) for one in found]
        if all(value is None for value in values):
            continue
        cells = []
        for place, value in enumerate(values):
            if value is None:
                cells.append(_("unknown"))
                continue
            span = bounds(value, found[place].answer.level)
            text = f"{result(name, span['mid'])} ({between(name, span['low'], span['high'])})"
            times = _times(found[place], found[0], name) if place else None
            if times:
                text += ", ×{} ({})".format(*times)
            cells.append(text)
        rows.append([_(label), *cells])
    return rows


def _times(one: Pinned, first: Pinned, quantity: str) -> tuple[str, str] | None:
    """Return the ratio of a scenario's quantity to the first one's, and its interval, in words."""
    if quantity not in first.answer.estimate or not first.answer.estimate[quantity].mid:
        return None
    times = bounds(ratio(one.answer, first.answer, quantity), first.answer.level)
    low, mid, high = (localised(digits(times[name])) for name in ("low", "mid", "high"))
    return mid, _("exact") if low == high else f"{low} – {high}"


def facts(found: Sequence[Pinned]) -> list[list[str]]:
    """Does each fit in memory, and on how many offers of which dates its price rests: rows."""
    catalog = open_catalog()
    offers = [offers_of(one.answer, catalog) for one in found]
    return [
        [_("Memory"), *(_memory_cell(one.memory) for one in found)],
        [_("Offers behind the price"), *(_offers_cell(one) for one in offers)],
    ]


def _memory_cell(memory: MemoryAnswer | None) -> str:
    if memory is None:
        return _("unknown")
    share = localised(digits(100 * share_of_memory(memory)))
    if not memory.without_activations:
        return _full(memory, share)
    return _("{verdict}, without activations, which are not modelled").format(
        verdict=_full(memory, share)
    )


def _full(memory: MemoryAnswer, share: str) -> str:
    if memory.fits:
        return _("fits, {share}% full").format(share=share)
    if memory.least_devices is not None:
        return _("too small: it fits on {count} devices").format(
            count=localised(f"{memory.least_devices:,.0f}")
        )
    if memory.remedy is not None and "recomputation" in memory.remedy.changes:
        return _("too small: it fits on {count} devices with activation recomputation").format(
            count=localised(f"{memory.remedy.devices:,.0f}")
        )
    return _("too small")


def of_one_precision(first: str, last: str) -> tuple[str, str]:
    """Write two dates as exactly as the less exact one is known.

    >>> of_one_precision("2026", "2026-09-17"), of_one_precision("2025-03-07", "2026-09-17")
    (('2026', '2026'), ('2025-03-07', '2026-09-17'))
    """
    length = min(len(first), len(last))
    return first[:length], last[:length]


def _offers_cell(offers: Offers | None) -> str:
    if offers is None:
        return _("none")
    text = ngettext("{n} offer of {dates}", "{n} offers, {dates}", offers.count)
    dates = dict.fromkeys(of_one_precision(offers.date_from, offers.date_to))
    shown = text.format(n=offers.count, dates=_(" to ").join(dates))
    return f"{shown}, {offers.provider}" if offers.provider else shown


def differences(found: Sequence[Pinned]) -> list[list[str]]:
    """Inputs that are not the same in all scenarios: rows of a table."""
    keys = dict.fromkeys(key for one in found for key in one.answer.inputs)
    rows = []
    for key in keys:
        items = [one.answer.inputs.get(key) for one in found]
        values = [None if item is None else item.value for item in items]
        if len(set(values)) > 1:
            shown = [
                "–" if item is None else input_amount(key, item.value, item.unit) for item in items
            ]
            rows.append([input_name(key), *shown])
    return rows


def _values(found: list[Pinned], titles: Sequence[str], quantity: str) -> Iterator[Compared]:
    """One quantity of the scenarios that have it; the first is the one to compare with."""
    for place, (one, title) in enumerate(zip(found, titles, strict=True)):
        if quantity in one.answer.estimate:
            value = bounds(one.answer.estimate[quantity], one.answer.level)
            own, name = place == 0, one.letter.upper()
            yield Compared(name=name, bounds=value, own=own, title=title)


def _compared(found: list[Pinned], asked: Mapping[str, Any], frame: Frame) -> None:
    """Draw the sentence, the dot plot, and the tables."""
    style.sentence(_sentence(found, asked["view"]))
    if frame.shows("plot"):
        if not frame.slide or "view" in frame.controls:
            widgets.switch(PARAMETERS, "view", _("Compare by"), QUANTITIES)
        common, titles = set_apart(found)
        compared = comparison_rows(_values(found, titles, asked["view"]), asked["view"])
        figures.draw(
            charts.quantity_by_device,
            compared,
            frame.look,
            key="compare_plot",
            alt=words.alt_of_devices(compared),
            height=figures.rows_px(len(compared), frame.look),
            of=(asked["view"],),
        )
        said = (f"{common}." if common else "", _("Bars show the interval; the diamond is A."))
        style.caption(" ".join(filter(None, said)))
    head = ["", *(one.letter.upper() for one in found)]
    if frame.shows("ratios"):
        draw_table([_("Result"), *head[1:]], ratios(found), even=True)
        style.caption(
            _(
                "In a ratio errors cancel where both scenarios share their cause; all others count "
                "as independent, so its interval is at its widest."
            )
        )
    if frame.shows("facts"):
        draw_table([_("Memory and price"), *head[1:]], facts(found), even=True)
    if frame.shows("inputs"):
        if not frame.slide:
            st.subheader(_("Differences between the inputs"), anchor=False)
        rows = differences(found)
        draw_table([_("Input"), *head[1:]], rows[:SLIDE_ROWS] if frame.slide else rows, even=True)


SLIDE_ROWS = 9
"""So many inputs fit a slide."""


def _sentence(found: list[Pinned], view: str) -> str:
    """Say how the first two compare, as HTML."""
    first, second = found[:2]
    times = view in second.answer.estimate and _times(second, first, view)
    if not times:
        return escape(_("One of them has no such figure."))
    said = (result(view, float(one.answer.estimate[view].mid)) for one in (second, first))
    return _(
        "B takes <b>{ratio} times</b> ({interval}) the {quantity} of A: "
        "{second} instead of {first}."
    ).format_map(
        {
            "ratio": times[0],
            "interval": times[1],
            "quantity": escape(_(IN_A_SENTENCE[view])),
            **dict(zip(("second", "first"), map(escape, said), strict=True)),
        }
    )


def _controls(found: Sequence[Pinned], asked: Mapping[str, Any], frame: Frame) -> None:
    """Draw the scenarios by their names, each opening itself, and a place for the link of each."""
    lines = []
    for one, title in zip(found, set_apart(found)[1], strict=True):
        address = f"estimate?{urlencode(query_of(asked[NAMES[one.letter]]))}"
        name = title if frame.slide or frame.embedded else anchor(address, title)
        lines.append(f"<b>{one.letter.upper()}</b> {cell_html(name)}")
    st.html(f'<p class="tw tw-links">{"<br>".join(lines)}</p>')
    with st.expander(_("Scenarios by their links"), expanded=len(found) < 2):
        for letter in LETTERS:
            st.text_input(
                _("Scenario {letter}").format(letter=letter.upper()),
                placeholder=_("a link of the page Estimate"),
                help=_("Address of a scenario, copied from the browser or under Share and export."),
                **STATE.beginning(STATE.key(NAMES[letter])),
            )
    if pinned_links():
        tooltip = _("Puts the scenarios that you pinned in the place of these.")
        text = _("Take the pinned scenarios")
        widgets.button(text, "compare_take", _take_pins, asked, tooltip=tooltip)
    style.caption(_("On the page Estimate, Pin to compare keeps a scenario for here."))


def _take_pins(asked: Mapping[str, Any]) -> None:
    """Put the scenarios pinned last into the places; beside a single one the others stay."""
    links = pinned_links()
    empty = dict.fromkeys(NAMES.values(), "") if len(links) > 1 else {}
    STATE.choose({**asked, **empty, **dict(zip(NAMES.values(), links, strict=False))})


def _share(found: list[Pinned], query: Mapping[str, str]) -> None:
    """Draw the link and the downloads."""
    files = (
        share.json(
            "twenty-watts-compare",
            lambda: {one.letter: as_json(estimate_report(one.answer)) for one in found},
        ),
        share.csv("twenty-watts-compare", lambda: _table(found)),
    )
    share.draw(SLIDES, query, title=" / ".join(one.title for one in found), files=files)


def _table(found: list[Pinned]) -> pd.DataFrame:
    names = ["quantity", *(one.name for one in found)]
    return pd.DataFrame([*ratios(found), *facts(found)], columns=names)


SLIDES = {
    "plot": N_("the scenarios as dots with their intervals"),
    "ratios": N_("results and their ratios"),
    "facts": N_("whether each fits in memory, and the offers behind each price"),
    "inputs": N_("what differs between the inputs"),
}
PAGE = Page(
    path="compare",
    title=N_("Compare"),
    group=TRAIN,
    draw=draw,
    slides=SLIDES,
    controls=("view",),
    inputs=PARAMETERS,
)
