"""Page Trends: compute, memory, efficiency, budgets and quantum volume over the years."""

from collections.abc import Callable
from functools import partial
from html import escape

import numpy as np
import streamlit as st

from estimator.core.units import digits
from estimator.studies.claims.ledger import claim
from estimator.studies.trends.budget import bought_by_year, compute_per_dollar, cost_by_year
from estimator.studies.trends.growth import GrowthRate
from estimator.studies.trends.memory_wall import holders
from estimator.studies.trends.records import (
    Series,
    device_bandwidth,
    device_efficiency,
    device_memory,
    device_peak,
    estimated_compute,
    model_size,
    quantum_volume,
    training_compute,
)
from estimator.web.offline.page_picture import picture_file
from estimator.web.shared import figures, plots, share, style, widgets
from estimator.web.shared.amounts import amount, localised, sentence
from estimator.web.shared.charts import Picture, Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, draw_table
from estimator.web.shared.kit import PageQuestion, Values
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import LEARN
from estimator.web.shared.profiles import cached_per_server, led_by, open_catalog, preset_names
from estimator.web.shared.url_state import Choice, LinkParameters, Typed

MONTHS = 12.0
TABLE_ROWS = 40
Pictures = dict[str, Callable[[Row], Picture]]
LINE = ", line "
"""Separator between a record's file and line."""

VIEW_NAMES = {
    "compute": N_("Training compute"),
    "memory-wall": N_("The memory wall"),
    "efficiency": N_("Efficiency"),
    "budget": N_("What a budget buys"),
    "cost": N_("Cost of a fixed model"),
    "quantum": N_("Quantum volume"),
}


@cached_per_server
def with_flop() -> tuple[str, ...]:
    """Presets with known compute, GPT-3 first."""
    found = [one.id for one in open_catalog().presets() if "training_flop" in one.records]
    return led_by("gpt-3", (name for name in found if name in preset_names()))


PARAMETERS = LinkParameters(
    "trends",
    Choice("view", tuple(VIEW_NAMES), help=N_("Chart to show.")),
    Typed(
        "budget",
        usual=100e3,
        low=1.0,
        high=1e15,
        required=True,
        label=N_("Budget [USD]"),
        help=N_("Budget of one training run in the chart of affordable compute."),
    ),
    Choice(
        "preset",
        with_flop(),
        label=N_("Training run of fixed size"),
        help=N_("Run whose cost is shown over the years."),
        called=preset_names,
    ),
)


@cached_per_server
def all_series() -> dict[str, Series]:
    """Every series of records, read once per server."""
    catalog = open_catalog()
    return {
        "compute": training_compute(catalog),
        "estimated": estimated_compute(catalog),
        "params": model_size(catalog),
        "peak": device_peak(catalog),
        "memory": device_memory(catalog),
        "bandwidth": device_bandwidth(catalog),
        "efficiency": device_efficiency(catalog),
        "per dollar": compute_per_dollar(catalog),
        "ibm": quantum_volume(catalog, "IBM"),
        "quantum": quantum_volume(catalog),
    }


def _draw(values: Values, found: Pictures, frame: Frame) -> None:
    """Draw the selected view: sentence, records, and their source rows."""
    view = frame.show.replace("_", "-") or values["view"]
    if not frame.slide:
        widgets.switch(PARAMETERS, "view", _("View"), VIEW_NAMES)
    picture = found[view](values)
    style.sentence(escape(picture.headline))
    figures.draw_picture(picture, frame.look, key=f"trends_{view}")
    if picture.basis:
        style.caption(picture.basis)
    if not frame.slide:
        TABLES[view](values)


def compute_picture(values: Row) -> Picture:
    """Training compute of published runs with a fit through the largest."""
    every, best = all_series()["compute"], all_series()["compute"].front()
    names = (_("published runs"), _("larger than all before"), _("estimated by others"))
    others = [one for one in _records(every, names[0], "FLOP") if one["row"] not in best.rows]
    rows = [*others, *_records(best, names[1], "FLOP")]
    rows += _records(all_series()["estimated"], names[2], "FLOP")
    rows = [one | _tag(str(one["label"]), int(one["year"])) for one in rows]
    rows += [one | {"tag": "", "side": ""} for one in _line(best.trend(), best, names[1])]
    text = _(
        "The largest published runs doubled every {mid} months ({low} to {high}, 80% interval); "
        "all {count} runs together every {all} months."
    )
    return _picture(
        rows,
        _("training compute [FLOP]"),
        names,
        headline=text.format(
            **_doubling(best.trend(), MONTHS),
            count=len(every.years),
            all=localised(digits(MONTHS * every.trend().doubling_years()[1])),
        ),
        basis=_(
            "The line is fitted to record-breaking runs only, so it shows how fast the largest "
            "runs grow, not all training. Squares are closed models as estimated by Epoch AI "
            "(2025) and are not part of the fit. Point at a run for its row."
        ),
    )


NAMED = {
    "AlexNet": ("AlexNet", "right"),
    "Seq2Seq LSTM (Sutskever), one model": ("Seq2Seq", "right"),
    "ResNet-101 on JFT-300M": ("ResNet on JFT", "right"),
    "ResNeXt-101 32x48d WSL": ("ResNeXt WSL", "left"),
    "OpenAI Five": ("OpenAI Five", "left"),
    "GPT-3 175B": ("GPT-3", "left"),
    "Gopher 280B": ("Gopher", "right"),
    "GPT-4": ("GPT-4", "left"),
    "Gemini 1.0 Ultra": ("Gemini Ultra", "above"),
    "Llama 3.1 405B": ("Llama 3.1", "right"),
    "DeepSeek-V3 671B-A37B (pre-training)": ("DeepSeek", "right"),
    "Grok-3": ("Grok-3", "right"),
}
"""Label of a named run in the chart -> its short name, and side."""


def _tag(label: str, year: int) -> Row:
    """Return the name and year of a notable run, and its side."""
    short, side = NAMED.get(label, ("", ""))
    return {"tag": short and f"{short}, {year}", "side": side}


def _doubling(trend: GrowthRate, per_year: float = 1.0) -> dict[str, str]:
    """Doubling time with its interval, for a sentence."""
    low, mid, high = (localised(digits(per_year * years)) for years in trend.doubling_years())
    return {"low": low, "mid": style.bold(mid), "high": high}


def memory_wall_picture(values: Row) -> Picture:
    """Hardware and models, relative to 2016."""
    names = {
        "compute": _("training compute"),
        "params": _("parameters"),
        "peak": _("FLOP/s of a device"),
        "memory": _("device memory"),
        "bandwidth": _("bandwidth"),
    }
    rows: list[Row] = []
    for key, name in names.items():
        series = all_series()[key]
        used = series.front() if key in ("compute", "params") else series
        trend = used.trend()
        base = float(np.asarray(trend.at(2016.0)))
        unit = {"compute": "FLOP", "params": "1"}.get(key, series.unit)
        rows += [one | {"value": one["value"] / base} for one in _records(used, name, unit)]
        rows += [one | {"value": one["value"] / base} for one in _line(trend, used, name)]
    title = _("over the fitted value of 2016")
    found = claim("memory-wall", open_catalog())
    return _picture(rows, title, tuple(names.values()), headline=sentence(found.why[0]))


def _holders(values: Row) -> None:
    """Draw the devices that merely store the largest model of their year."""
    st.subheader(_("Devices needed just to store the largest model"), anchor=False)
    draw_table(
        (_("Year"), _("Model"), _("parameters"), _("Device"), _("devices")),
        [
            (
                str(one.year),
                one.model,
                amount(one.params, "1"),
                one.device,
                amount(one.devices, "1"),
            )
            for one in holders(open_catalog())
        ],
    )
    style.caption(_("16-bit weights only; the largest model and memory up to each date."))


def efficiency_picture(values: Row) -> Picture:
    """Peak per watt over the years."""
    series = all_series()["efficiency"]
    names = (_("accelerators"),)
    rows = [*_records(series, names[0], "FLOP/s/W"), *_line(series.trend(), series, names[0])]
    text = _(
        "FLOP/s per watt doubled every {mid} years ({low} to {high}) over {count} accelerators."
    )
    return _picture(
        rows,
        _("peak per watt [FLOP/s/W]"),
        names,
        headline=text.format(**_doubling(series.trend()), count=len(series.years)),
        basis=_("Dense peak in 16 or 32 bits per watt of the device's power limit."),
    )


def budget_picture(values: Row) -> Picture:
    """Compute for a budget over the years."""
    budget = values["budget"]
    series = all_series()["per dollar"]
    names = (_("compute for the budget"),)
    scaled = [one | {"value": one["value"] * budget} for one in _records(series, names[0], "")]
    rows = [one | {"text": amount(one["value"], "FLOP")} for one in scaled]
    trend = series.front().trend()
    rows += [one | {"value": one["value"] * budget} for one in _line(trend, series, names[0])]
    last = bought_by_year(budget, open_catalog())[-1]
    text = _("{budget} bought {flop} in {year}: a language model of {params} parameters at best.")
    return _picture(
        rows,
        _("compute bought [FLOP]"),
        names,
        headline=text.format(
            budget=amount(budget, "USD"),
            flop=style.bold(amount(last.flop, "FLOP")),
            year=last.year,
            params=style.bold(amount(last.params, "1")),
        ),
        basis=_(
            "Launch prices spread over the device's life, at 30% of the peak; hosts, electricity "
            "and interest are not included, so this is an upper bound."
        ),
    )


def _bought(values: Row) -> None:
    """Draw the compute for a budget, year by year."""
    draw_table(
        (_("Year"), _("Device"), _("compute"), _("parameters"), _("tokens")),
        [
            (
                str(one.year),
                one.device,
                amount(one.flop, "FLOP"),
                amount(one.params, "1"),
                amount(one.tokens, "1"),
            )
            for one in bought_by_year(values["budget"], open_catalog())
        ],
    )


def _cost_series(values: Row) -> Series:
    """Cost of a fixed model over the years."""
    flop = open_catalog().preset(values["preset"]).records["training_flop"].value
    return cost_by_year(flop, open_catalog())


def cost_picture(values: Row) -> Picture:
    """Cost of a fixed model over the years, as a chart."""
    series = _cost_series(values)
    names = (_("cost of the training"),)
    cheapest, oldest = int(np.argmin(series.values)), int(np.argmin(series.years))
    return _picture(
        [*_records(series, names[0], "USD"), *_line(series.trend(), series, names[0])],
        _("cost [USD]"),
        names,
        headline=_("{name}: {first} on {old}, {last} on {new}.").format(
            name=open_catalog().preset(values["preset"]).name,
            first=style.bold(amount(float(series.values[oldest]), "USD")),
            old=series.labels[oldest],
            last=style.bold(amount(float(series.values[cheapest]), "USD")),
            new=series.labels[cheapest],
        ),
        basis=_(
            "Launch prices spread over the device's life, at 30% of the peak; hosts, electricity "
            "and interest are not included, so this is a lower bound."
        ),
    )


def quantum_picture(values: Row) -> Picture:
    """Quantum volume over the years, and why it is not converted."""
    names = (_("IBM"), _("best of all makers"))
    ibm, best = all_series()["ibm"], all_series()["quantum"].front()
    rows = [*_records(ibm, names[0], "1"), *_records(best, names[1], "1")]
    rows += [*_line(ibm.trend(), ibm, names[0]), *_line(best.trend(), best, names[1])]
    found = claim("quantum-volume", open_catalog())
    return _picture(
        rows,
        _("quantum volume"),
        names,
        headline=sentence(found.why[0]),
        basis=" ".join(map(sentence, found.refusal)),
    )


def _records(series: Series, name: str, unit: str) -> list[Row]:
    return [
        {
            "year": float(year),
            "value": float(value),
            "name": name,
            "label": label,
            "text": amount(float(value), unit) if unit else "",
            "row": row,
        }
        for label, row, year, value in zip(
            series.labels, series.rows, series.years, series.values, strict=True
        )
    ]


def _line(trend: GrowthRate, series: Series, name: str) -> list[Row]:
    ends = (float(series.years.min()), float(series.years.max()))
    return [
        {
            "year": year,
            "value": float(np.asarray(trend.at(year))),
            "name": name,
            "label": "",
            "text": "",
            "row": "",
        }
        for year in ends
    ]


def _picture(
    rows: list[Row], y: str, names: tuple[str, ...], *, headline: str, basis: str = ""
) -> Picture:
    return Picture(
        build=plots.fitted,
        rows=rows,
        of=((_("year"), y), names),
        alt=_("{y} through the years: {names}").format(y=y, names=", ".join(names)),
        headline=headline,
        basis=basis,
    )


def _rows_table(series: Series, unit: str) -> None:
    """Draw the records of a trend with their source rows."""
    rows = list(zip(series.years, series.labels, series.values, series.rows, strict=True))
    draw_table(
        (_("Year"), _("Record"), _("value"), _("Row")),
        [
            (str(int(year)), label, amount(float(value), unit), _row_cell(row))
            for year, label, value, row in rows[-TABLE_ROWS:]
        ],
    )


def _row_cell(row: str) -> str:
    """Return the file of a record, linked to its page for a device."""
    if row.startswith("hardware/"):
        device = row.removeprefix("hardware/").removesuffix(".toml")
        return anchor(f"estimate?v=1&preset=gpt-3&hardware={device}", row)
    name, line = row.rpartition(LINE)[::2]
    return _("{file}, line {line}").format(file=name, line=line) if name else row


PICTURES: Pictures = {
    "compute": compute_picture,
    "memory-wall": memory_wall_picture,
    "efficiency": efficiency_picture,
    "budget": budget_picture,
    "cost": cost_picture,
    "quantum": quantum_picture,
}
TABLES: dict[str, Callable[[Row], None]] = {
    "compute": lambda values: _rows_table(all_series()["compute"].front(), "FLOP"),
    "memory-wall": _holders,
    "efficiency": lambda values: _rows_table(all_series()["efficiency"].front(), "FLOP/s/W"),
    "budget": _bought,
    "cost": lambda values: _rows_table(_cost_series(values), "USD"),
    "quantum": lambda values: _rows_table(all_series()["quantum"], "1"),
}
SLIDES = {name.replace("-", "_"): title for name, title in VIEW_NAMES.items()}


def _files(values: Values, found: Pictures) -> tuple[share.File, ...]:
    """Return the downloads."""
    name, drawn = f"trends-{values['view']}", partial(found[values["view"]], values)
    return (
        picture_file(name, drawn, _(VIEW_NAMES[values["view"]])),
        *(write(name, lambda: drawn().rows) for write in (share.csv, share.json)),
    )


QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=lambda values: PICTURES,
    view=_draw,
    title=lambda values: _(VIEW_NAMES[values["view"]]),
    heading=lambda values, frame: _(SLIDES[frame.show]),
    slides=SLIDES,
    files=_files,
)
PAGE = QUESTION.page(N_("Trends"), LEARN)
