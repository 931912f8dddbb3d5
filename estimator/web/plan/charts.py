"""The picture of the page Plan: how much of each limit each plan takes."""

from typing import Any

from estimator.web.shared import charts
from estimator.web.shared.charts import Look
from estimator.web.shared.plots import axis

Spec = dict[str, Any]
SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down")


def shares_of_limits(look: Look, title: str, names: tuple[str, ...]) -> Spec:
    """Points with intervals by plan and limit: columns plan, kind, low, mid, high, text."""
    colours = look.colours
    y = {"field": "plan", "type": "nominal", "sort": None, "axis": None, "scale": {"padding": 0.1}}
    apart = {"field": "kind", "type": "nominal", "sort": list(names)}
    offset = apart | {"scale": {"domain": ["", *names]}}
    x = axis("x", "mid", title, log=True, unit="share")
    colour = apart | {
        "scale": {"domain": list(names), "range": colours["series"][: len(names)]},
        "legend": {"orient": "bottom", "title": None, "columns": len(names)},
    }
    shape = apart | {
        "scale": {"domain": list(names), "range": list(SHAPES[: len(names)])},
        "legend": {"orient": "bottom", "title": None, "columns": len(names)},
    }
    text = charts.row_label(look) | {"baseline": "middle", "dy": 0}
    return charts.layered(
        look,
        4 * look.row_px,
        {
            "mark": {
                "type": "rule",
                "aria": False,
                "strokeDash": [6, 4],
                "strokeWidth": 2,
                "color": colours["ink"],
            },
            "encoding": {"x": {"datum": 1.0, "type": "quantitative"}},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 3 * look.scale, "opacity": 0.75},
            "encoding": {
                "x": x | {"field": "low"},
                "x2": {"field": "high"},
                "y": y,
                "yOffset": offset,
                "color": colour,
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 110 * look.scale**2, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "yOffset": offset,
                "color": colour,
                "shape": shape,
                "tooltip": [{"field": "text", "type": "nominal", "title": " "}],
            },
        },
        {
            "transform": [{"aggregate": [], "groupby": ["plan"]}],
            "mark": text,
            "encoding": {
                "x": {"value": 2},
                "y": y,
                "yOffset": {"datum": ""},
                "text": {"field": "plan", "type": "nominal"},
            },
        },
    )
