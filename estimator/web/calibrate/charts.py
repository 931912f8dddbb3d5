"""Charts of the page "Calibrate": specifications built once per look, then fed."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from estimator.web.calibrate.tables import BEFORE, GROUP_NAMES, MEASURED, NOW
from estimator.web.shared import charts, figures, ticks
from estimator.web.shared.charts import Look
from estimator.web.shared.language import N_, _

Spec = dict[str, Any]

HEIGHT_PX, SLIDE_PX, LIVE_PX = 380, 320, 190
ROWS_OVER_USUAL = 1.75
"""Height of a row of the picture over that of other charts: a label and two marks [1]."""

SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down", "triangle-left")
"""Shape of each of `GROUP_NAMES`: colour never stands alone."""

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Ticks of a logarithmic axis of shares [1]."""

DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4])
TOOLTIP = {
    "timing": N_("what"),
    "text": N_("share of the peak"),
    "disturbed": N_("disturbed by"),
    "run": N_("run"),
}
"""Column -> what the tooltip of a timing calls it."""


def draw_cells(table: pd.DataFrame, look: Look, alt: str) -> None:
    """Draw what was expected before and is now, a row for each kind of network."""
    height = _height(table, look)
    figures.draw(_cells, table, look, key="chart_cells", alt=alt, height=height, of=("share",))


def draw_power(table: pd.DataFrame, look: Look, alt: str) -> None:
    """Draw what power was expected before and is now, a row for each kind of network."""
    height = _height(table, look)
    figures.draw(_cells, table, look, key="chart_power", alt=alt, height=height, of=("power",))


def _height(table: pd.DataFrame, look: Look) -> float:
    """Height of a picture of before and now [px]."""
    height = float(table["row"].nunique() * look.row_px * ROWS_OVER_USUAL)
    return min(height, SLIDE_PX) if look.slide else height


def draw_residuals(table: pd.DataFrame, look: Look, alt: str) -> None:
    """Draw measured against predicted by the other timings."""
    every = [_(name) for name in GROUP_NAMES.values()]
    groups = tuple(name for name in every if name in set(table["group"]))
    height = SLIDE_PX if look.slide else HEIGHT_PX
    figures.draw(
        _residuals, table, look, key="chart_residuals", alt=alt, height=height, of=(groups,)
    )


def draw_courses(table: pd.DataFrame, look: Look, alt: str, key: str) -> None:
    """Draw the power of the last minutes, a line for each component."""
    names = tuple(dict.fromkeys(table["component"]))
    figures.draw(_courses, table, look, key=key, alt=alt, height=LIVE_PX, of=(names,))


def _cells(look: Look, of: str) -> Spec:
    """Specification of prior against posterior: two bars and the timings in every row."""
    colours = look.colours
    kinds = tuple(_(name) for name in (BEFORE, NOW, MEASURED))
    read = f"datum.what == {json.dumps(kinds[2])}"
    y = {"field": "row", "type": "nominal", "sort": None, "axis": None, "scale": {"padding": 0.12}}
    slots = {"domain": ["label", BEFORE, NOW], "paddingInner": 0.0, "paddingOuter": 0.0}
    offset = {"field": "slot", "type": "nominal", "scale": slots, "sort": None}
    x = _axis(of)
    colour = {
        "field": "what",
        "type": "nominal",
        "scale": {
            "domain": list(kinds),
            "range": [colours["muted"], colours["series"][0], colours["series"][1]],
        },
        "legend": {"orient": "bottom", "title": None, "columns": _columns(3), "symbolOpacity": 1},
    }
    shape = {
        **colour,
        "scale": {"domain": list(kinds), "range": ["square", "diamond", "circle"]},
    }
    tooltip = [{"field": "text", "type": "nominal", "title": " "}]
    where = {"y": y, "yOffset": offset, "tooltip": tooltip}
    bars = {"x": x | {"field": "low"}, "x2": {"field": "high"}}
    text = charts.row_label(look) | {"baseline": "middle", "dy": 0}
    return charts.layered(
        look,
        HEIGHT_PX,
        {
            "transform": [{"filter": f"!({read})"}],
            "mark": {"type": "rule", "strokeWidth": 7 * look.scale, "opacity": 0.4},
            "encoding": {**where, **bars, "color": colour},
        },
        {
            "transform": [{"filter": f"!({read})"}],
            "mark": {"type": "point", "filled": True, "size": 190 * look.scale**2, "opacity": 1},
            "encoding": {**where, "x": x, "color": colour, "shape": shape},
        },
        {
            "transform": [{"filter": read}],
            "mark": {
                "type": "point",
                "filled": True,
                "size": 55 * look.scale**2,
                "opacity": 0.9,
                "stroke": colours["paper"],
                "strokeWidth": 1,
            },
            "encoding": {**where, "x": x, "color": colour, "shape": shape},
        },
        {
            "transform": [
                {"filter": "datum.label != ''"},
                {"calculate": "'label'", "as": "slot"},
            ],
            "mark": text,
            "encoding": {
                "x": {"value": 2},
                "y": y,
                "yOffset": offset,
                "text": {"field": "label", "type": "nominal"},
            },
        },
    )


def _residuals(look: Look, groups: tuple[str, ...]) -> Spec:
    """Specification of the scatter: diagonal, intervals, a mark for each timing."""
    colours = look.colours
    x = _share("predicted", _("predicted by the other timings (logarithmic)"), LOG, log=True)
    y = _share("reached", _("measured (logarithmic)"), LOG, log=True)
    every = [_(name) for name in GROUP_NAMES.values()]
    places = [every.index(name) for name in groups]
    series = colours["series"]
    colour = _distinguished("group", groups, [series[place % len(series)] for place in places])
    tooltip = [
        {"field": field, "type": "nominal", "title": _(title)} for field, title in TOOLTIP.items()
    ]
    return charts.layered(
        look,
        HEIGHT_PX,
        {
            "mark": {"type": "line", "color": colours["ink"], "strokeWidth": 1.2},
            "encoding": {"x": x, "y": y | {"field": "predicted"}},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 3 * look.scale, "opacity": 0.35},
            "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, "y": y}
            | {"color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 95 * look.scale**2, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "color": colour,
                "shape": _distinguished("group", groups, [SHAPES[place] for place in places]),
                "tooltip": tooltip,
            },
        },
    )


def _courses(look: Look, names: tuple[str, ...]) -> Spec:
    """Specification of the lines of power."""
    series = look.colours["series"]
    colours = [series[place % len(series)] for place in range(len(names))]
    dashes = [DASHES[place // len(series) % len(DASHES)] for place in range(len(names))]
    encoding: Spec = {
        "x": {
            "field": "ago_min",
            "type": "quantitative",
            "title": _("minutes before now"),
            "scale": {"nice": False, "zero": True},
            "axis": {"labelExpr": "format(-datum.value, '~f')", "tickCount": 5, "grid": False},
        },
        "y": {
            "field": "power_w",
            "type": "quantitative",
            "title": _("power [W]"),
            "scale": {"zero": True},
            "axis": {"tickCount": 4, "grid": True},
        },
        "color": _distinguished("component", names, colours),
        "strokeDash": _distinguished("component", names, dashes),
    }
    line = {"mark": {"type": "line", "strokeWidth": 2.5 * look.scale}, "encoding": encoding}
    if len(names) == 1:
        for channel in ("color", "strokeDash"):
            encoding[channel]["legend"] = None
    return charts.layered(look, LIVE_PX, line)


LOG = {"type": "log", "nice": False, "padding": 14}


def _share(field: str, title: str, scale: Spec, *, log: bool = False) -> Spec:
    """Return an axis of shares of the peak, in percent."""
    shown = {"values": list(SHARES)} if log else {"tickCount": 5}
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": ticks.linear("share") | {"grid": True, **shown},
    }


def _axis(of: str) -> Spec:
    """Return the axis of before and now, of a share or of a power."""
    if of == "share":
        return _share("mid", _("share of the peak"), {"domain": [0, 1], "nice": False})
    return {
        "field": "mid",
        "type": "quantitative",
        "title": _("mean power of the device"),
        "scale": {"zero": True},
        "axis": ticks.linear("W", 5) | {"grid": True},
    }


def _distinguished(field: str, names: Sequence[str], marks: Sequence[Any]) -> Spec:
    """Return a scale of colours, shapes or dashes, with one legend for all."""
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(names), "range": list(marks)},
        "legend": {"orient": "bottom", "title": None, "columns": _columns(3), "symbolOpacity": 1},
    }


def _columns(most: int) -> Spec:
    """Columns of a legend: on a phone or in half a page, and elsewhere."""
    return {"expr": f"width < 500 ? 1 : {most}"}
