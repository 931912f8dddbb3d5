"""Page Hardware: every device with its source, and efficiency over time."""

from html import escape
from typing import Any, Literal

import pandas as pd
import streamlit as st

from estimator.catalog import Device
from estimator.catalog.records import Record
from estimator.core.units import GIB, human, significant
from estimator.question.hardware import TRAINING_PRECISIONS
from estimator.web.shared import charts, figures, share, style, ticks, widgets
from estimator.web.shared.amounts import localised
from estimator.web.shared.charts import Look
from estimator.web.shared.frame import Frame
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import MODELS
from estimator.web.shared.profiles import (
    KIND_ORDER,
    cached_per_server,
    data_version,
    open_catalog,
    usual_precision,
)
from estimator.web.shared.url_state import Choice, LinkParameters

EVERY = "all"

KINDS = {
    EVERY: N_("all"),
    "gpu-datacenter": N_("GPU, data center"),
    "superchip": N_("superchip"),
    "tpu": N_("TPU"),
    "asic": N_("ASIC"),
    "wafer": N_("wafer"),
    "gpu-workstation": N_("GPU, workstation"),
    "gpu-consumer": N_("GPU, consumer"),
    "soc": N_("SoC"),
    "cpu": N_("CPU"),
    "npu-phone": N_("NPU, phone"),
    "edge": N_("edge device"),
    "server": N_("server"),
    "supercomputer": N_("supercomputer"),
    "brain": N_("brain"),
}
"""Device type -> its name on the page."""

PARAMETERS = LinkParameters(
    "hardware",
    Choice(
        "kind",
        (EVERY, *KIND_ORDER),
        label=N_("Kind"),
        help=N_("Devices in the chart and the table."),
        called=lambda: KINDS,
    ),
)

RECORDS = {
    "memory_bytes": ("memory_gb", GIB),
    "memory_bytes_per_s": ("memory_gb_per_s", 1e9),
    "tdp_w": ("power_limit_w", 1.0),
    "launch_price_usd": ("launch_price_usd", 1.0),
}
"""Record -> table column, and unit conversion."""

NUMBERS = {
    "peak_tflop_per_s": N_("peak [TFLOP/s]"),
    "memory_gb": N_("memory [GB]"),
    "memory_gb_per_s": N_("bandwidth [GB/s]"),
    "power_limit_w": N_("power limit [W]"),
    "launch_price_usd": N_("launch price [USD]"),
}
"""Numeric column -> its heading."""

COLUMNS = {
    "name": N_("name"),
    "kind": N_("kind"),
    "vendor": N_("vendor"),
    "released": N_("released"),
    "precision": N_("precision"),
    "basis": N_("basis"),
    "source": N_("source"),
    "publisher": N_("publisher"),
    "date": N_("date"),
    "title": N_("title"),
    "licence": N_("licence"),
}
"""Text column -> its heading."""

LANDMARKS = {
    "k40": "K40",
    "p100-sxm2": "P100",
    "v100-sxm2-16": "V100",
    "tpu-v4": "TPU v4",
    "b200": "B200",
}
"""Device -> its name on the chart."""


def _table(values: Values) -> pd.DataFrame:
    """Devices of the selected type."""
    whole = devices()
    return whole if values["kind"] == EVERY else whole[whole["kind"] == values["kind"]]


def _draw(values: Values, table: pd.DataFrame, frame: Frame) -> None:
    """Draw the chart, the table and the sources."""
    style.sentence(
        _("<b>{count} devices</b>, each number with its source; data {version}.").format(
            count=len(table), version=escape(data_version())
        )
    )
    if frame.shows("efficiency"):
        _efficiency(table, frame)
    if frame.shows("devices"):
        _devices(table, frame)
    if not frame.slide:
        with style.folded(_("Every source"), key="fold_hardware_sources") as fold:
            if fold.open:
                _draw_table(sources(), "source_table")


@cached_per_server
def devices() -> pd.DataFrame:
    """Every device with its peak, power and memory, the newest first."""
    rows = [_row(device) for device in open_catalog().devices()]
    return pd.DataFrame(rows).sort_values("released", ascending=False, ignore_index=True)


@cached_per_server
def sources() -> pd.DataFrame:
    """All sources of numbers."""
    catalog = open_catalog()
    records = [
        record
        for device in catalog.devices()
        for record in (*device.peaks.values(), *device.records.values())
    ]
    names = ("title", "publisher", "date", "licence", "url")
    found = [catalog.source(one) for one in sorted({one.source for one in records if one.source})]
    return pd.DataFrame([{name: getattr(one, name) or "" for name in names} for one in found])


def _row(device: Device) -> dict[str, Any]:
    """Table row of a device, with the source of its peak."""
    precision = usual_precision(device) if device.peaks else ""
    peak, power = device.peaks.get(precision), device.records.get("tdp_w")
    source = None if peak is None else open_catalog().source(peak.source)
    return {
        "name": device.name,
        "kind": device.kind,
        "vendor": device.vendor,
        "released": device.released or "",
        "precision": precision,
        "peak_tflop_per_s": _in_unit(peak, 1e12),
        **{
            column: _in_unit(device.records.get(name), unit)
            for name, (column, unit) in RECORDS.items()
        },
        "flop_per_j": peak.value / power.value if peak and power else None,
        "basis": "" if peak is None else peak.basis,
        "source": "" if source is None else source.title,
        "publisher": "" if source is None else source.publisher,
        "date": "" if source is None else source.date,
        "url": "" if source is None else source.url or "",
        "id": device.id,
    }


def _in_unit(record: Record | None, unit: float) -> float | None:
    """Number in its column's unit with three digits, or None."""
    return None if record is None else significant(record.value / unit)


def _efficiency(table: pd.DataFrame, frame: Frame) -> None:
    """Draw peak over power limit against the date of release."""
    trains = table["precision"].isin(TRAINING_PRECISIONS)
    shown = table[trains & (table["released"] != "") & table["flop_per_j"].notna()]
    named = shown["id"].map(LANDMARKS).fillna("")
    shown = shown[["name", "released", "flop_per_j", "kind", "precision"]].assign(label=named)
    if shown.empty:
        style.caption(_("No device of this kind has a date and a power limit on record."))
        return
    best = shown.loc[shown["flop_per_j"].idxmax()]
    figures.draw(
        efficiency,
        shown,
        frame.look,
        key="hardware_efficiency",
        alt=_("Peak over power limit of {count} devices; the best is {name}, {value}").format(
            count=len(shown),
            name=best["name"],
            value=localised(human(best["flop_per_j"], "FLOP/J")),
        ),
        height=380.0,
    )
    style.caption(
        _(
            "Dense peak in the usual format for training over the power limit, as the data sheets "
            "say; what a run reaches is less."
        )
    )


def efficiency(look: Look) -> dict[str, Any]:
    """Specification: efficiency on a logarithmic axis against the date."""
    efficient = {"field": "flop_per_j", "type": "quantitative"}
    x = {"field": "released", "type": "temporal", "title": _("released"), "scale": {"padding": 8}}
    y = {"scale": {"type": "log", "nice": False, "padding": 14}, "title": _("peak per watt")}
    encoding = {
        "x": x,
        "y": efficient | y | {"axis": ticks.logarithmic("y", "FLOP/s/W")},
        "tooltip": [
            {"field": "name", "type": "nominal", "title": _("device")},
            {"field": "precision", "type": "nominal", "title": _("precision")},
            efficient | {"format": ".3s", "title": _("FLOP/s per watt")},
        ],
    }
    dots = charts.points(look, 80, encoding, opacity=0.8, color=look.colours["series"][0])
    text = {"text": {"field": "label", "type": "nominal"}, "x": encoding["x"], "y": encoding["y"]}
    ink, size = look.colours["ink"], 13 * look.scale
    names = charts.layer("text", text, align="right", dx=-6, dy=-9, color=ink, fontSize=size)
    return charts.layered(look, 380.0, dots, names)


def _devices(table: pd.DataFrame, frame: Frame) -> None:
    """Draw the searchable, sortable table."""
    worded = {
        "name": table["name"].map(_),
        "kind": table["kind"].map(lambda kind: _(KINDS[kind])),
        "basis": table["basis"].map(lambda basis: basis and _(basis)),
    }
    shown = table.assign(**worded).drop(columns=["flop_per_j"])
    _draw_table(shown, "hardware_table", height=360 if frame.slide else "auto")
    style.caption(_("A click on a column sorts it; the magnifier at its top right searches it."))


def _draw_table(table: pd.DataFrame, key: str, height: int | Literal["auto"] = "auto") -> None:
    """Draw a table with our headings, and links in its column `url`."""
    columns: dict[Any, Any] = {
        **{name: widgets.heading(_(text)) for name, text in COLUMNS.items()},
        **{name: widgets.number_column(_(text)) for name, text in NUMBERS.items()},
        "url": st.column_config.LinkColumn(widgets.heading(_("link"))),
    }
    st.dataframe(
        table, column_config=columns, hide_index=True, key=key, placeholder="", height=height
    )


SLIDES = {
    "efficiency": N_("efficiency of devices through the years"),
    "devices": N_("every device with its source"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_table,
    view=_draw,
    title=title(N_("Hardware")),
    heading=lambda values, frame: "",
    slides=SLIDES,
    files=lambda values, table: (share.csv("twenty-watts-devices", lambda: table),),
)
PAGE = QUESTION.page(N_("Hardware"), MODELS)
