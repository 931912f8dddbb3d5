"""How does a table become a chart: one theme, typed columns, no arithmetic.

Each function takes a table of `estimator.web.shared.tables` and a look, and returns an Altair
chart without a title (the page and the slide set their own). `frozen` turns a chart into a
specification without data, which the request path keeps and feeds with new tables.
"""

from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

from estimator.web.shared import ticks
from estimator.web.shared.language import N_, _

LIGHT = {
    "ink": "#111111",
    "muted": "#55595E",
    "grid": "#DFE3E7",
    "paper": "#FFFFFF",
    "series": ["#0072B2", "#D55E00", "#009E73", "#AA3377", "#222222"],
}
DARK = {
    "ink": "#F5F5F5",
    "muted": "#B9B6AE",
    "grid": "#3A3934",
    "paper": "#171614",
    "series": ["#56B4E9", "#E69F00", "#2FBF8F", "#E58BBD", "#FFFFFF"],
}
"""Colours distinguished by colour-blind eyes and on a projector; the fifth is the last."""

FONT = "Source Sans, Source Sans Pro, sans-serif"
TEXT_PX = 16
ROW_PX = 49
"""Height of a row with its label above the mark [px]."""

WITHIN = alt.ExprRef("width - 4")
"""Longest text of a row, so that a plot is never narrowed by its texts."""

FIT = alt.AutoSizeParams(type="fit-x", contains="padding")
"""As wide as the page allows; the height is that of the plot, axis and legend come below."""

AXES: dict[str, tuple[str, str]] = {
    "wall_hours": (N_("wall time (logarithmic)"), "hour"),
    "device_hours": (N_("device time [h] (logarithmic)"), "h"),
    "energy_kwh": (N_("energy (logarithmic)"), "kWh"),
    "cost_usd": (N_("cost in US dollars (logarithmic)"), "USD"),
    "co2e_kg": (N_("CO2e (logarithmic)"), "kgCO2e"),
}
"""Quantity -> title of its axis, and its unit."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Light or dark, and how large the text is.

    Parameters
    ----------
    dark : bool
        On a dark page.
    scale : float
        Size of the text over that of the page [1].
    slide : bool
        Alone on a slide.
    """

    dark: bool = False
    scale: float = 1.0
    slide: bool = False

    @property
    def colours(self) -> dict[str, Any]:
        """Colours by role."""
        return DARK if self.dark else LIGHT

    @property
    def text_px(self) -> float:
        """Size of the text [px]."""
        return TEXT_PX * self.scale

    @property
    def row_px(self) -> float:
        """Height of a row with its label [px]."""
        return ROW_PX * self.scale


def energy_by_part(table: pd.DataFrame, look: Look) -> alt.Chart:
    """One stacked bar on a linear axis: which part takes how much of the energy."""
    colours = look.colours
    chart: alt.Chart = dressed(
        alt.Chart(table)
        .mark_bar(stroke=colours["paper"], strokeWidth=2, height=48 * look.scale)
        .encode(
            x=alt.X(
                field="energy_kwh",
                type="quantitative",
                stack="zero",
                title=_("energy"),
                axis=alt.Axis(**ticks.linear("kWh", 4)),
            ),
            color=alt.Color(
                field="label",
                type="nominal",
                sort=None,
                scale=alt.Scale(range=colours["series"]),
                legend=alt.Legend(orient="bottom", direction="vertical", columns=1, title=None),
            ),
            order=alt.Order(field="rank", type="quantitative"),
            tooltip=[alt.Tooltip(field="label", type="nominal", title=" ")],
        )
        .transform_window(rank="row_number()")
        .properties(width="container", height=56 * look.scale, autosize=FIT),
        look,
    )
    return chart


def quantity_by_source(table: pd.DataFrame, look: Look, quantity: str) -> alt.LayerChart:
    """Tornado: how far each source alone moves the quantity, on a logarithmic axis."""
    colours = look.colours
    low, mid, high = (f"{quantity}_{bound}" for bound in ("low", "mid", "high"))
    base = alt.Chart(table).encode(y=_rows("source"), tooltip=_tooltip())
    x = _log_axis(low, quantity, grid=False)
    chart: alt.LayerChart = dressed(
        alt.layer(
            base.mark_rule(strokeWidth=11 * look.scale, color=colours["series"][0]).encode(
                x=x, x2=alt.X2(field=high)
            ),
            base.mark_tick(
                thickness=2.5, height=15 * look.scale, color=colours["ink"], opacity=1
            ).encode(x=alt.X(field=mid, type="quantitative")),
            _labels(base, look),
        ).properties(width="container", height=4 * look.row_px, autosize=FIT),
        look,
    )
    return chart


def quantity_by_device(table: pd.DataFrame, look: Look, quantity: str) -> alt.LayerChart:
    """Dots on stems with interval marks, on a logarithmic axis; one's own is a diamond."""
    colours = look.colours
    low, mid, high = (f"{quantity}_{bound}" for bound in ("low", "mid", "high"))
    base = alt.Chart(table).encode(y=_rows("device"), tooltip=_tooltip("text"))
    whose = ["other", "yours"]
    colour = alt.Color(
        field="whose",
        type="nominal",
        scale=alt.Scale(domain=whose, range=colours["series"][:2]),
        legend=None,
    )
    shape = alt.Shape(
        field="whose",
        type="nominal",
        scale=alt.Scale(domain=whose, range=["circle", "diamond"]),
        legend=None,
    )
    chart: alt.LayerChart = dressed(
        alt.layer(
            base.mark_rule(strokeWidth=1.5, color=colours["muted"], opacity=0.7).encode(
                x=_log_axis("base", quantity, grid=True), x2=alt.X2(field=mid)
            ),
            base.mark_rule(strokeWidth=7 * look.scale, opacity=0.4).encode(
                x=alt.X(field=low, type="quantitative"), x2=alt.X2(field=high), color=colour
            ),
            base.mark_point(size=240 * look.scale**2, filled=True, opacity=1).encode(
                x=alt.X(field=mid, type="quantitative"), color=colour, shape=shape
            ),
            _labels(base, look),
        ).properties(width="container", height=6 * look.row_px, autosize=FIT),
        look,
    )
    return chart


def row_label(look: Look) -> dict[str, Any]:
    """Text at the left edge, above the marks of its row; cut where a phone is too narrow."""
    return {
        "type": "text",
        "align": "left",
        "baseline": "bottom",
        "dy": -11 * look.scale,
        "fontSize": look.text_px,
        "font": FONT,
        "color": look.colours["ink"],
        "limit": WITHIN.to_dict(),
    }


def layered(look: Look, height: float, *layers: dict[str, Any]) -> dict[str, Any]:
    """Put layers of Vega-Lite on a plot as wide as the page allows, in the theme."""
    return {
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "layer": list(layers),
        "config": theme(look),
    }


def frozen(chart: alt.Chart | alt.LayerChart) -> dict[str, Any]:
    """Specification of a chart without its data, to be fed with tables of the same columns."""
    spec: dict[str, Any] = chart.to_dict()
    for key in ("data", "datasets", "$schema"):
        spec.pop(key, None)
    for layer in spec.get("layer", ()):
        layer.pop("data", None)
    return spec


def theme(look: Look) -> dict[str, Any]:
    """Return the one theme as the configuration of a specification."""
    empty = alt.Chart(pd.DataFrame()).mark_point()
    config: dict[str, Any] = frozen(dressed(empty, look))["config"]
    return config | ticks.locale()


def _rows(column: str) -> alt.Y:
    """One row per value in the order of the table, its name written above the mark."""
    return alt.Y(field=column, type="nominal", sort=None, axis=None, scale=alt.Scale(padding=0.2))


def _log_axis(column: str, quantity: str, *, grid: bool) -> alt.X:
    title, unit = AXES[quantity]
    return alt.X(
        field=column,
        type="quantitative",
        title=_(title),
        scale=alt.Scale(type="log", nice=False, padding=14),
        axis=alt.Axis(grid=grid, **ticks.logarithmic("x", unit)),
    )


def _labels(base: alt.Chart, look: Look) -> alt.Chart:
    """Text at the left edge, above each mark."""
    text: alt.Chart = base.mark_text(
        align="left",
        baseline="bottom",
        dy=-11 * look.scale,
        fontSize=look.text_px,
        font=FONT,
        color=look.colours["ink"],
        limit=WITHIN,
    ).encode(x=alt.value(2), text=alt.Text(field="label", type="nominal"))
    return text


def _tooltip(field: str = "label") -> list[alt.Tooltip]:
    return [alt.Tooltip(field=field, type="nominal", title=" ")]


def dressed(chart: Any, look: Look) -> Any:
    """Put on the one theme."""
    colours = look.colours
    return (
        chart.configure(background="transparent", font=FONT, padding=4)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=colours["muted"],
            titleColor=colours["muted"],
            gridColor=colours["grid"],
            domainColor=colours["muted"],
            tickColor=colours["grid"],
            labelFontSize=look.text_px - 1,
            titleFontSize=look.text_px - 1,
            titleFontWeight="normal",
            titlePadding=8,
        )
        .configure_legend(
            labelColor=colours["ink"],
            labelFontSize=look.text_px,
            labelLimit=0,
            symbolType="square",
            symbolSize=180 * look.scale,
            rowPadding=6,
            offset=10,
        )
    )
