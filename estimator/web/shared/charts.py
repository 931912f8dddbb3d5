"""Charts from tables: Vega-Lite in one theme, without arithmetic.

Each chart is a function from a look and further arguments to a specification without data and
title, built once and fed with tables of `estimator.web.shared.tables`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from estimator.web.shared import language, ticks
from estimator.web.shared.language import N_, _

Spec = dict[str, Any]

Row = dict[str, Any]
"""Column of a chart's table -> value."""

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
"""Colours that colour-blind people and projectors can distinguish; the fifth is the last."""

SHAPES = (
    "circle",
    "diamond",
    "square",
    "triangle-up",
    "cross",
    "triangle-down",
    "triangle-left",
    "triangle-right",
)
"""Shapes that accompany the colours, as colour is never the only cue."""

FONT = "Source Sans, Source Sans Pro, sans-serif"
TEXT_PX = 16
ROW_PX = 49
"""Height of a row with its label above the mark [px]."""
SMALLEST = 0.78
"""Smallest scale of row labels on narrow pages [1]."""
CHARACTER = 0.57
"""Mean character width over text size [1]; most fonts are narrower."""
LINE = 1.15
"""Line spacing over text size [1]."""

UNIT = (
    "(windowSize()[0] < windowSize()[1] ? clamp(windowSize()[0] / 520, 0.6, 0.8) "
    ": max(0.5, min(windowSize()[0] / 1180, windowSize()[1] / 720)))"
)
"""Vega expression for the size of a slide's frame relative to a small projector [1]."""

HEADROOM = 16
"""Room above a slide's chart for the label of its first row [px]."""

HALL = 1.2
"""Scale at which the smallest letters have 2.5% of a slide's height [1]."""

SIZED = ("fontSize", "labelFontSize", "titleFontSize", "strokeWidth", "dx", "dy", "thickness")
"""Properties of marks, axes and legends that scale with a slide's frame."""

AREAS = ("size", "symbolSize")
"""Properties that scale with the square of the frame."""

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
    """Theme (light or dark) and text size.

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
        """Text size [px]."""
        return TEXT_PX * self.scale

    @property
    def row_px(self) -> float:
        """Height of a row with its label [px]."""
        return ROW_PX * self.scale


Build = Callable[..., Spec]
"""Callable for a Vega-Lite specification without data, from a look and further arguments."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Chart independent of its place: page, slide or file.

    Parameters
    ----------
    build : callable
        From a look and `of` to a Vega-Lite specification without data.
    rows : list of dict
        Rows of the chart's table.
    of : tuple
        Further hashable arguments of `build`.
    alt : str
        Text alternative: the chart's answer in words.
    by_row : bool
        Whether its height grows with the rows.
    headline, basis : str
        Its message in a sentence, with marks of `style.bold`, and the basis of that message.
    """

    build: Build
    rows: list[Row]
    of: tuple[Any, ...] = ()
    alt: str = ""
    by_row: bool = False
    headline: str = ""
    basis: str = ""


@cache
def specification(
    build: Build, look: Look, of: tuple[Any, ...] = (), spoken: str = language.ENGLISH
) -> Spec:
    """Specification of a chart, cached by language."""
    return build(look, *of)


def energy_by_part(look: Look) -> Spec:
    """Stacked bar of the energy by part, on a linear axis."""
    colours = look.colours
    x = {"field": "energy_kwh", "type": "quantitative", "stack": "zero", "title": _("energy")}
    colour = {
        "field": "label",
        "type": "nominal",
        "sort": None,
        "scale": {"range": colours["series"]},
        "legend": {"orient": "bottom", "direction": "vertical", "columns": 1, "title": None},
    }
    encoding = {
        "x": x | {"axis": ticks.linear("kWh", 4)},
        "color": colour,
        "order": {"field": "rank", "type": "quantitative"},
        "tooltip": tooltip("label"),
    }
    thick: Any = {"expr": "0.6 * height"} if look.slide else 48 * look.scale
    bar = layer("bar", encoding, stroke=colours["paper"], strokeWidth=2, height=thick)
    rank = {"window": [{"op": "row_number", "as": "rank"}]}
    return layered(look, 56 * look.scale, bar | {"transform": [rank]})


def quantity_by_source(look: Look, quantity: str) -> Spec:
    """Tornado chart of the effect of each source on the quantity, on a logarithmic axis."""
    colours = look.colours
    low, mid, high = (f"{quantity}_{bound}" for bound in ("low", "mid", "high"))
    base = {"y": rows("source"), "tooltip": tooltip("label")}
    x = _log_axis(low, quantity)
    middle = {"x": {"field": mid, "type": "quantitative"}}
    tick = {"thickness": 2.5, "height": 15 * look.scale, "color": colours["ink"], "opacity": 1}
    return layered(
        look,
        4 * look.row_px,
        layer(
            "rule",
            {**base, "x": x, "x2": {"field": high}},
            strokeWidth=11 * look.scale,
            color=colours["series"][0],
        ),
        layer("tick", base | middle, **tick),
        row_labels(look, base, "label"),
    )


def quantity_by_device(look: Look, quantity: str) -> Spec:
    """Dots with intervals on a logarithmic axis; the user's own is a diamond."""
    low, mid, high = (f"{quantity}_{bound}" for bound in ("low", "mid", "high"))
    base = {"y": rows("device"), "tooltip": tooltip("text")}
    whose = ("other", "yours")
    colour = distinguished("whose", whose, look.colours["series"])
    x = {"field": mid, "type": "quantitative"}
    return layered(
        look,
        6 * look.row_px,
        layer(
            "rule",
            {**base, "x": _log_axis(low, quantity), "x2": {"field": high}, "color": colour},
            strokeWidth=7 * look.scale,
            opacity=0.4,
        ),
        points(
            look,
            240,
            {**base, "x": x, "color": colour} | {"shape": distinguished("whose", whose, SHAPES)},
        ),
        row_labels(look, base, "label"),
    )


def layered(look: Look, height: float, *layers: Spec) -> Spec:
    """Layers of Vega-Lite on a full-width plot, in the theme."""
    unit = {"name": "unit", "expr": UNIT} if look.slide else {"name": "unit", "value": 1}
    spec = {
        "width": "container",
        "height": "container" if look.slide else height,
        "autosize": {"type": "fit" if look.slide else "fit-x", "contains": "padding"},
        "params": [unit],
        "layer": list(layers),
        "config": theme(look),
    }
    return growing(spec) if look.slide else spec


def unit_in_script() -> str:
    """`UNIT` as JavaScript, for the text around a chart."""
    text = UNIT.replace("windowSize()[0]", "innerWidth").replace("windowSize()[1]", "innerHeight")
    text = re.sub(r"clamp\((.+?), (.+?), (.+?)\)", r"max(\2, min(\3, \1))", text)
    return text.replace("max(", "Math.max(").replace("min(", "Math.min(")


def growing(spec: Any) -> Any:
    """Return a specification that scales with the frame of a slide."""
    if isinstance(spec, list):
        return [growing(one) for one in spec]
    if not isinstance(spec, dict):
        return spec
    powers = dict.fromkeys(SIZED, "unit") | dict.fromkeys(AREAS, "unit * unit")
    return {
        key: {"expr": f"{value:g} * {powers[key]}"}
        if key in powers and isinstance(value, int | float)
        else growing(value)
        for key, value in spec.items()
    }


def layer(mark: str, encoding: Spec, *, where: str = "", **style: Any) -> Spec:
    """Layer of one mark type; `where` filters rows."""
    chosen = {"transform": [{"filter": where}]} if where else {}
    return {**chosen, "mark": {"type": mark, **style}, "encoding": encoding}


def points(look: Look, size: float, encoding: Spec, *, where: str = "", **style: Any) -> Spec:
    """Filled points, scaled with the text."""
    shown = {"filled": True, "size": size * look.scale**2, "opacity": 1, **style}
    return layer("point", encoding, where=where, **shown)


def row_labels(
    look: Look,
    encoding: Spec,
    field: str,
    *,
    dy: float = -11.0,
    baseline: str = "bottom",
    of: Sequence[Spec] = (),
) -> Spec:
    """Text at the left edge, above the marks of its row.

    On narrow pages, all labels shrink, then long ones wrap to two lines, then they are cut. A row
    without text has no label for screen readers either.

    Parameters
    ----------
    look : Look
    encoding : Spec
        Where its row is.
    field : str
        Column of the text.
    dy : float
        From the row to the text, at the usual size of the text [px].
    baseline : str
        "bottom" for the lower edge of the text there, "middle" for its middle.
    of : sequence of dict
        Transforms that leave the rows to be labelled; none for all.
    """
    least, most = f"({SMALLEST * look.text_px:g} * unit)", f"{look.text_px:g} * unit"
    text = f"(toString(datum.{field}) || '')"
    broken = f"((width - 4) / ({CHARACTER} * length({text})) < {least})"
    size = f"clamp((width - 4) / ({CHARACTER} * datum.longest), {least}, {most})"
    raised = LINE if baseline == "bottom" else 0.5 * LINE
    shown = layer(
        "text",
        encoding | {"x": {"value": 2}},
        where=f"length({text}) > 0",
        text={"expr": f"{broken} ? {_two_lines(text, least)} : {text}"},
        description={"expr": text},
        align="left",
        baseline=baseline,
        dy={"expr": f"{dy * look.scale:g} * unit - ({broken} ? {raised:g} * {least} : 0)"},
        fontSize={"expr": size},
        lineHeight={"expr": f"{LINE:g} * {least}"},
        font=FONT,
        color=look.colours["ink"],
        limit={"expr": "width - 4"},
    )
    longest: list[Spec] = [
        {"calculate": f"length({text})", "as": "letters"},
        {"joinaggregate": [{"op": "max", "field": "letters", "as": "longest"}]},
    ]
    return {**shown, "transform": [*of, *shown["transform"], *longest]}


def _two_lines(text: str, size: str) -> str:
    """Vega expression that breaks a text at the last space that fits the first line.

    An amount's unit stays with its number.
    """
    text = f"replace({text}, /([0-9]) ([A-Za-zµ%$/]+)([);,]|$)/g, '$1\u00a0$2$3')"
    held = f"substring({text}, 0, 1 + floor((width - 4) / ({CHARACTER:g} * {size})))"
    place = f"max(1, lastindexof({held}, ' '))"
    return f"[substring({text}, 0, {place}), trim(substring({text}, {place}))]"


def rows(field: str, padding: float = 0.2) -> Spec:
    """One row per value in table order, its name above the mark."""
    scale = {"padding": padding}
    return {"field": field, "type": "nominal", "sort": None, "axis": None, "scale": scale}


def axis(channel: str, field: str, title: str, *, log: bool, unit: str = "1") -> Spec:
    """Return a channel on a linear or logarithmic axis, with ticks in a unit."""
    scale: Spec = {"type": "log", "nice": False, "padding": 12} if log else {"zero": False}
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": ticks.logarithmic(channel, unit) if log else ticks.linear(unit),
    }


def distinguished(
    field: str, names: Sequence[str], marks: Sequence[Any], columns: str | int = 0, **symbol: Any
) -> Spec:
    """Return a scale of colours, shapes or dashes, with a shared legend.

    Parameters
    ----------
    field : str
    names : sequence of str
        Values of the field, in their order.
    marks : sequence
        Colour, shape or dashes of each; they begin again where there are more names.
    columns : int or str
        Columns of the legend, or a Vega expression for them; 0 for no legend.
    **symbol
        How the legend shows the marks.
    """
    legend = {
        "orient": "bottom",
        "title": None,
        "columns": {"expr": columns} if isinstance(columns, str) else columns,
        "symbolOpacity": 1,
        **symbol,
    }
    used = [marks[place % len(marks)] for place in range(len(names))]
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(names), "range": used},
        "legend": legend if columns else None,
    }


def tooltip(*fields: str) -> list[Spec]:
    """Tooltip with the texts of a row, without a heading."""
    return [
        {"field": field, "type": "nominal", "title": " " * place}
        for place, field in enumerate(fields, start=1)
    ]


def theme(look: Look) -> Spec:
    """Return the theme as a Vega-Lite configuration."""
    colours = look.colours
    return {
        "background": "transparent",
        "font": FONT,
        "padding": {"left": 4, "right": 4, "bottom": 4, "top": 4 + HEADROOM * look.slide},
        "view": {"stroke": None},
        "axis": {
            "labelColor": colours["muted"],
            "titleColor": colours["muted"],
            "gridColor": colours["grid"],
            "domainColor": colours["muted"],
            "tickColor": colours["grid"],
            "labelFontSize": look.text_px - 1,
            "titleFontSize": look.text_px - 1,
            "titleFontWeight": "normal",
            "titlePadding": 8,
        },
        "legend": {
            "labelColor": colours["ink"],
            "labelFontSize": look.text_px,
            "labelLimit": 0,
            "symbolType": "square",
            "symbolSize": 180 * look.scale,
            "rowPadding": 6,
            "offset": 10,
        },
        **ticks.locale(),
    }


def _log_axis(field: str, quantity: str) -> Spec:
    title, unit = AXES[quantity]
    found = axis("x", field, _(title), log=True, unit=unit)
    found["scale"]["padding"] = 14
    found["axis"]["grid"] = False
    return found
