"""Page Compare: two to four scenarios as columns, their differences and ratios."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import streamlit as st

from estimator.answer.design_facts import offers_of
from estimator.answer.ratio import ratio
from estimator.answer.report import bounds
from estimator.answer.scenario_estimate import Answer
from estimator.answer.training_report import estimate_report
from estimator.core.units import amount as with_unit
from estimator.core.units import digits, human_count
from estimator.question.hardware import Offers
from estimator.question.scenario import INPUTS
from estimator.runs.store_state import State, store_state
from estimator.show.values import as_json
from estimator.system.data_folder import data_directory
from estimator.web.estimate import text as words
from estimator.web.estimate.fit import badge
from estimator.web.estimate.link import answer_link
from estimator.web.estimate.pins import LETTERS as PLACES
from estimator.web.estimate.pins import pinned_query
from estimator.web.shared import share, style
from estimator.web.shared.amounts import localised, result
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import Html, anchor, cell_html, draw_columns
from estimator.web.shared.inline import unbroken
from estimator.web.shared.kit import PageQuestion, Values
from estimator.web.shared.language import N_, _, current, ngettext
from estimator.web.shared.navigation import TRAIN
from estimator.web.shared.profiles import open_catalog, place_names
from estimator.web.shared.tables import OF_DEVICE, between, input_amount, input_name
from estimator.web.shared.url_state import LineOfText, LinkParameters

USUAL = "params=7e9&tokens=2e12&hardware=h100-sxm&devices=64&site=us"
"""First scenario if none is given."""

OTHER_DEVICES = ("b200", "h100-sxm")
"""Devices that a single scenario is compared with."""

QUANTITIES = {
    "wall_hours": (N_("Wall time"), N_("wall time")),
    "device_hours": (N_("Device time"), N_("device time")),
    "energy_kwh": (N_("Energy"), N_("energy")),
    "cost_usd": (N_("Cost"), N_("cost")),
    "co2e_kg": (N_("CO2e"), N_("CO2e")),
}
"""Quantity -> its name as a heading, and inside a sentence."""

JUDGED = ("wall_hours", "energy_kwh", "cost_usd", "co2e_kg")
"""Quantities of the headline."""

ALWAYS = ("site",)
"""Inputs shown even if equal."""

IN_WORK = ("preset", "params", "active_params", "tokens", "flop", "device_hours", "hardware")
"""Inputs named in the rows for work and hardware."""

FILES = ("config", "carbon_profile")
"""Inputs with texts too long for a cell."""

SLIDE_ROWS = 9
"""Inputs that fit on a slide."""


class Places(LinkParameters):
    """Scenario slots of a link."""

    def from_link(self, query: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
        """Links in a query, with notices; pinned scenarios by default."""
        given = any(name in query for name in PLACES)
        return super().from_link(query if given else {**pinned_query(), **query})


LINKS = N_("Scenarios by their links")
PARAMETERS = Places(
    "compare",
    *(
        LineOfText(
            place,
            USUAL if place == "a" else "",
            label=label,
            help=N_("Link of a scenario; the page Estimate can also pin scenarios to compare."),
            section=LINKS,
        )
        for place, label in zip(
            PLACES,
            (N_("Scenario A"), N_("Scenario B"), N_("Scenario C"), N_("Scenario D")),
            strict=True,
        )
    ),
)


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """Scenario of the page.

    Parameters
    ----------
    letter : str
        Its column.
    link : str
        Query of the page Estimate that opens it.
    answer : Answer
    memory : str
        Whether it fits, and what makes it fit where it does not.
    notices : tuple of str
        What of its link could not be used.
    """

    letter: str
    link: str
    answer: Answer
    memory: str
    notices: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Scenario as text."""
        return words.title(self.answer, open_catalog())


@dataclass(frozen=True, kw_only=True)
class ComparedResult:
    """Quantity of one scenario: its bounds, and those of its ratio to the first."""

    scenario: str
    quantity: str
    value: Mapping[str, float]
    times: Mapping[str, float]

    def row(self) -> Row:
        """Return it as a table row."""
        times = {f"times_{end}": ratio for end, ratio in self.times.items()}
        return {"quantity": self.quantity, "scenario": self.scenario, **self.value, **times}


@dataclass(frozen=True, kw_only=True)
class InputRow:
    """Input of all scenarios, as text."""

    label: str
    cells: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Return whether it differs between scenarios."""
        return len(set(self.cells)) > 1


def _answered(values: Values) -> list[Pinned]:
    """Answer the scenarios in the links, adjusted where needed; a single one on two devices.

    Raises
    ------
    ValueError
        If there is a single one that is known only by its device time.
    """
    links = {letter: values[place] for letter, place in zip("ABCD", PLACES, strict=True)}
    asked = {letter: link for letter, link in links.items() if link} or {"A": USUAL}
    if len(asked) == 1:
        ((letter, link),) = asked.items()
        asked["B" if letter == "A" else "A"] = on_another_device(link)
    runs = store_state(data_directory())
    return [_pinned(letter, asked[letter], current(), runs) for letter in sorted(asked)]


def on_another_device(link: str) -> str:
    """Link of a scenario on another device, at the precision and price usual there.

    Raises
    ------
    ValueError
        If the scenario is known only by its device time.
    """
    said = query_of(link)
    if {"preset", "params", "flop", "config", "sample_flop"}.isdisjoint(said):
        raise ValueError(
            _("two scenarios are compared: pin another on the page Estimate, or paste its link")
        )
    other = next(name for name in OTHER_DEVICES if name != said.get("hardware"))
    kept = {name: text for name, text in said.items() if name == "devices" or name not in OF_DEVICE}
    return urlencode(kept | {"hardware": other})


@lru_cache(maxsize=64)
def _pinned(letter: str, link: str, _language: str, _runs: State) -> Pinned:
    """One scenario, cached by link."""
    catalog = open_catalog()
    answer, notices = answer_link(query_of(link), catalog)
    return Pinned(
        letter=letter,
        link=urlencode(query_of(link)),
        answer=answer,
        memory=badge(answer, catalog) or _("unknown"),
        notices=tuple(f"{letter}: {notice}" for notice in notices),
    )


def query_of(link: str) -> dict[str, str]:
    """Parse the query of a link, or of its part after the question mark.

    >>> query_of("http://localhost:8501/estimate?hardware=h100&devices=8")
    {'hardware': 'h100', 'devices': '8'}
    >>> query_of("?hardware=h100")
    {'hardware': 'h100'}
    """
    query = urlsplit(link).query if "?" in link else link
    return dict(parse_qsl(query))


def cells(found: Sequence[Pinned]) -> list[ComparedResult]:
    """Return every known quantity of every scenario, by quantity."""
    first, every = found[0].answer, list[ComparedResult]()
    for name in QUANTITIES:
        for one in found:
            if name not in one.answer.estimate:
                continue
            times: Mapping[str, float] = {}
            if one is not found[0] and name in first.estimate and first.estimate[name].mid:
                times = bounds(ratio(one.answer, first, name), first.level)
            value = bounds(one.answer.estimate[name], one.answer.level)
            every.append(
                ComparedResult(scenario=one.letter, quantity=name, value=value, times=times)
            )
    return every


def facts(found: Sequence[Pinned]) -> list[InputRow]:
    """Memory fit of each, and the offers and dates behind its price."""
    offers = tuple(_offers_cell(offers_of(one.answer, open_catalog())) for one in found)
    return [
        InputRow(label=_("Memory"), cells=tuple(one.memory for one in found)),
        InputRow(label=_("Offers behind the price"), cells=offers),
    ]


def of_one_precision(first: str, last: str) -> tuple[str, str]:
    """Format two dates with the precision of the less precise one.

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


def inputs(found: Sequence[Pinned]) -> list[InputRow]:
    """Work, hardware and site of each, and further inputs that differ."""
    catalog, asked = open_catalog(), [one.answer.scenario.specified_inputs() for one in found]
    rows = [
        InputRow(label=_("Work"), cells=tuple(words.work(one.answer, catalog) for one in found)),
        InputRow(label=_("Hardware"), cells=tuple(one.answer.device.name for one in found)),
    ]
    for name, described in INPUTS.items():
        if name not in (*IN_WORK, *FILES):
            label = _(described.label).partition(" [")[0]
            shown = tuple(_input_cell(name, one.get(name)) for one in asked)
            row = InputRow(label=label, cells=shown)
            if row.differs or name in (*ALWAYS, "devices"):
                rows.append(row)
    return rows


def _input_cell(name: str, value: float | str | None) -> str:
    """Format an input of a scenario."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return place_names().get(value, value) if name == "site" else _(value)
    unit = INPUTS[name].unit
    return localised(with_unit(value, unit) if unit else human_count(value))


def differences(found: Sequence[Pinned]) -> list[InputRow]:
    """Numbers behind the answers that differ between scenarios."""
    asked = [one.answer.scenario.specified_inputs() for one in found]
    keys = dict.fromkeys(key for one in found for key in one.answer.inputs)
    rows = []
    for key in keys:
        if all(key in one for one in asked):
            continue
        items = [one.answer.inputs.get(key) for one in found]
        shown = tuple(
            "–" if item is None else input_amount(key, item.value, item.unit) for item in items
        )
        rows.append(InputRow(label=input_name(key), cells=shown))
    return [row for row in rows if row.differs]


def _draw(values: Values, found: list[Pinned], frame: Frame) -> None:
    """Draw the verdict, the results and the inputs."""
    style.notices(notice for one in found for notice in one.notices)
    every = cells(found)
    if not frame.controls:  # they need its room on a slide
        style.sentence(_verdict(found, every))
    rows: list[str] = []
    if frame.shows("ratios"):
        rows += _results(found, every, JUDGED if frame.slide else QUANTITIES)
    if frame.shows("facts"):
        rows += [_row(one, marked=False) for one in facts(found)]
    if rows:
        _columns(found, rows, linked=not (frame.slide or frame.embedded))
    if not frame.slide:
        style.caption(
            _(
                "Bars show the intervals of a row on one scale, with a mark at the median. In a "
                "ratio errors cancel where both scenarios share their cause; all others count as "
                "independent, so its interval is at its widest."
            )
        )
    if frame.shows("inputs"):
        if not frame.slide:
            st.subheader(_("Inputs"), anchor=False)
        asked = inputs(found)[: SLIDE_ROWS if frame.slide else None]
        _columns(found, map(_row, asked), linked=False)
    if not frame.slide:
        with style.folded(_("All differences"), key="fold_compare") as fold:
            if fold.open:
                _columns(found, map(_row, differences(found)), linked=False)


def _verdict(found: Sequence[Pinned], every: Sequence[ComparedResult]) -> str:
    """Sentence on which scenario needs least, as HTML."""
    least: dict[str, list[str]] = {}
    for name in JUDGED:
        row = [one for one in every if one.quantity == name]
        if len(row) == len(found) and len({one.value["mid"] for one in row}) > 1:
            best = min(row, key=lambda one: one.value["mid"])
            text = _(QUANTITIES[name][1])
            if best.times:
                text += f" ({_times_first(best)})"
            least.setdefault(best.scenario, []).append(text)
    if not least:
        return escape(_("No scenario is lowest in any quantity."))
    parts = []
    for letter, names in least.items():
        listed = _(" and ").join(filter(None, (", ".join(names[:-1]), names[-1])))
        text = escape(_("{scenario} takes the least {quantities}"))
        parts.append(text.format(scenario=f"<b>{letter}</b>", quantities=escape(listed)))
    return _("By the medians, {verdicts}.").format(verdicts="; ".join(parts))


def _columns(found: Sequence[Pinned], rows: Iterable[str], *, linked: bool) -> None:
    """Draw rows under each scenario's letter and devices, with a link to it."""
    heads = []
    for one in found:
        name = words.machines(one.answer)
        opened = anchor(f"estimate?{one.link}", name) if linked else name
        heads.append(f"<b>{one.letter}</b> {cell_html(opened)}")
    draw_columns(_("Compare"), heads, rows)


def _row(row: InputRow, *, marked: bool = True) -> str:
    """Format an input of each scenario, marked if it differs from the first."""
    shown = ""
    for cell in row.cells:
        mark = ' class="tw-differs"' if marked and cell != row.cells[0] else ""
        shown += f"<td{mark}>{cell_html(cell)}</td>"
    return f'<tr><th scope="row">{escape(row.label)}</th>{shown}</tr>'


def _results(
    found: Sequence[Pinned], every: Sequence[ComparedResult], quantities: Iterable[str]
) -> Iterator[str]:
    """Format each quantity with intervals on one scale, and its ratio to the first."""
    for name in quantities:
        row = {one.scenario: one for one in every if one.quantity == name}
        if row:
            shown = "".join(
                f"<td>{_result(row[one.letter], row.values()) if one.letter in row else '–'}</td>"
                for one in found
            )
            yield f'<tr><th scope="row">{escape(_(QUANTITIES[name][0]))}</th>{shown}</tr>'


def _result(cell: ComparedResult, row: Collection[ComparedResult]) -> Html:
    """Format a median with interval bar and ratio to the first scenario."""
    ends = [cell.value[end] for end in ("low", "mid", "high")]
    span = between(cell.quantity, ends[0], ends[2])
    said = f"<b>{escape(result(cell.quantity, ends[1]))}</b><small>{escape(span)}</small>"
    least, most = min(one.value["low"] for one in row), max(one.value["high"] for one in row)
    if 0 < least < most:
        low, mid, high = (100 * math.log(end / least) / math.log(most / least) for end in ends)
        said += (
            f'<span class="tw-bar" aria-hidden="true"><i style="left:{low:.1f}%;'
            f'width:{high - low:.1f}%"></i><u style="left:{mid:.1f}%"></u></span>'
        )
    return Html(said + f"<span>{_times(cell)}</span>")


def _times(cell: ComparedResult) -> str:
    """Format the ratio to the first scenario, bold if its interval excludes 1."""
    if not cell.times:
        return ""
    low, high = (localised(digits(cell.times[end])) for end in ("low", "high"))
    sure = cell.times["high"] < 1 or cell.times["low"] > 1
    text = f"<b>{_times_first(cell)}</b>" if sure else _times_first(cell)
    return text if low == high else f"{text} {unbroken(f'({low} – {high})')}"


def _times_first(cell: ComparedResult) -> str:
    """Format the median of a ratio without line breaks."""
    return f"{localised(digits(cell.times['mid']))}\u00a0×\u00a0A"


def _query(asked: Values) -> dict[str, str]:
    """Query of the link, without empty slots."""
    return {name: text for name, text in PARAMETERS.query(asked).items() if text}


def _files(values: Values, found: list[Pinned]) -> tuple[share.File, ...]:
    """Return the downloads."""
    name = "twenty-watts-compare"
    return (
        share.json(
            name,
            lambda: {one.letter.lower(): as_json(estimate_report(one.answer)) for one in found},
        ),
        share.csv(name, lambda: [one.row() for one in cells(found)]),
    )


SLIDES = {
    "ratios": N_("results and their ratios"),
    "facts": N_("whether each fits in memory, and the offers behind each price"),
    "inputs": N_("differences between the inputs"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answered,
    view=_draw,
    title=lambda values: " / ".join(one.title for one in _answered(values)),
    heading=lambda values, frame: "",
    slides=SLIDES,
    files=_files,
    query=_query,
)
PAGE = replace(QUESTION.page(N_("Compare"), TRAIN, carries={"a": "scenario"}), opens=pinned_query)
