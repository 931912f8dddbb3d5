"""Three kinds of picture on the pages about limits: ranges in rows, curves, and points with a fit.

Each is a specification built once per look and fed with a table: no arithmetic here.
"""

from typing import Any

from estimator.web.shared import charts, ticks
from estimator.web.shared.charts import Look

Spec = dict[str, Any]

SHAPES = ("circle", "diamond", "square", "triangle-up", "cross")
CURVES_PX, SLIDE_PX = 380, 280


def ranges(look: Look, title: str, log: bool, names: tuple[str, ...], unit: str = "1") -> Spec:
    """Rows with a point and its interval: columns label, text, low, mid, high, kind."""
    colours = look.colours
    y = {"field": "label", "type": "nominal", "sort": None, "axis": None, "scale": {"padding": 0.2}}
    x = axis("x", "mid", title, log=log, unit=unit)
    if not log:
        x["scale"] = {"zero": True, "nice": False, "padding": 8}
    return charts.layered(
        look,
        4 * look.row_px,
        {
            "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.75},
            "encoding": {
                "x": x | {"field": "low"},
                "x2": {"field": "high"},
                "y": y,
                "color": _apart("kind", names, colours["series"], legend=False),
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 190 * look.scale**2, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "color": _apart("kind", names, colours["series"], legend=False),
                "shape": _apart("kind", names, SHAPES, legend=False),
                "tooltip": [{"field": "text", "type": "nominal", "title": " "}],
            },
        },
        {
            "mark": charts.row_label(look),
            "encoding": {"x": {"value": 2}, "y": y, "text": {"field": "text", "type": "nominal"}},
        },
    )


def curves(
    look: Look,
    titles: tuple[str, str],
    logs: tuple[bool, bool],
    names: tuple[str, ...],
    units: tuple[str, str] = ("1", "1"),
) -> Spec:
    """Lines by name, a shaded range, and marks: columns x, y, name, from, to, mark, text.

    Range and marks may be empty, and are left to the `alt` of the chart.
    """
    colours = look.colours
    x = axis("x", "x", titles[0], log=logs[0], unit=units[0])
    y = axis("y", "y", titles[1], log=logs[1], unit=units[1])
    stroke: Spec = {
        "symbolType": "stroke",
        "symbolSize": 500 * look.scale**2,
        "symbolStrokeWidth": 2.5,
    }
    dashes = [[1, 0], [8, 4], [2, 3], [12, 3, 2, 3], [4, 2]]
    return charts.layered(
        look,
        _height(look),
        {
            "transform": [{"filter": "datum.name == 'range'"}],
            "mark": {"type": "rect", "color": colours["muted"], "opacity": 0.13, "aria": False},
            "encoding": {"x": x, "x2": {"field": "to"}},
        },
        {
            "transform": [{"filter": "datum.name != 'range' && !datum.mark"}],
            "mark": {"type": "line", "strokeWidth": 2.5 * look.scale},
            "encoding": {
                "x": x,
                "y": y,
                "color": _apart("name", names, colours["series"], **stroke),
                "strokeDash": _apart("name", names, dashes, **stroke),
            },
        },
        {
            "transform": [{"filter": "datum.mark"}],
            "mark": {
                "type": "point",
                "filled": True,
                "opacity": 1,
                "color": colours["ink"],
                "size": 150 * look.scale**2,
                "aria": False,
            },
            "encoding": {
                "x": x,
                "y": y,
                "tooltip": [{"field": "text", "type": "nominal", "title": " "}],
            },
        },
    )


def fitted(look: Look, titles: tuple[str, str], names: tuple[str, ...]) -> Spec:
    """Points of records and the exponential through them: columns year, value, name, label, row."""
    colours = look.colours
    x = {
        "field": "year",
        "type": "quantitative",
        "title": titles[0],
        "scale": {"zero": False, "nice": False, "padding": 12},
        "axis": {"format": "d", "tickMinStep": 1, "grid": False, "labelOverlap": "parity"},
    }
    y = axis("y", "value", titles[1], log=True)
    colour = _apart("name", names, colours["series"])
    return charts.layered(
        look,
        _height(look),
        {
            "transform": [{"filter": "datum.label == ''"}],
            "mark": {"type": "line", "strokeWidth": 2.5 * look.scale},
            "encoding": {"x": x, "y": y, "color": colour},
        },
        {
            "transform": [{"filter": "datum.label != ''"}],
            "mark": {"type": "point", "filled": True, "size": 60 * look.scale**2, "opacity": 0.7},
            "encoding": {
                "x": x,
                "y": y,
                "color": colour,
                "shape": _apart("name", names, SHAPES),
                "tooltip": [
                    {"field": "label", "type": "nominal", "title": " "},
                    {"field": "text", "type": "nominal", "title": "  "},
                    {"field": "row", "type": "nominal", "title": "   "},
                ],
            },
        },
    )


def _height(look: Look) -> float:
    return SLIDE_PX if look.slide else CURVES_PX


def axis(channel: str, field: str, title: str, *, log: bool, unit: str = "1") -> Spec:
    """Return a channel on a linear or a logarithmic axis, with ticks in a unit."""
    scale: Spec = {"type": "log", "nice": False, "padding": 12} if log else {"zero": False}
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": ticks.logarithmic(channel, unit) if log else ticks.linear(unit),
    }


def _apart(
    field: str, names: tuple[str, ...], marks: Any, *, legend: bool = True, **symbol: Any
) -> Spec:
    """Return a scale of colours, shapes or dashes, with one legend for all of them."""
    found: Spec = {
        "field": field,
        "type": "nominal",
        "scale": {
            "domain": list(names),
            "range": [marks[i % len(marks)] for i in range(len(names))],
        },
    }
    columns = {"expr": "width < 700 ? 1 : 2"}
    found["legend"] = (
        {
            "orient": "bottom",
            "title": None,
            "columns": columns,
            "symbolOpacity": 1,
            "labelLimit": 0,
            **symbol,
        }
        if legend
        else None
    )
    return found
