"""The pictures of the page Models: shares by term, and how full each device is."""

from typing import Any

from estimator.web.shared import charts, plots, ticks
from estimator.web.shared.charts import Look

Spec = dict[str, Any]


def shares_by_term(look: Look, title: str, names: tuple[str, ...]) -> Spec:
    """Two bars per term, on one linear axis: columns term, kind, share, text."""
    colours = look.colours
    kind = {"field": "kind", "type": "nominal", "sort": list(names)}
    colour = kind | {
        "scale": {"domain": list(names), "range": colours["series"][: len(names)]},
        "legend": {"orient": "bottom", "title": None, "columns": len(names)},
    }
    return charts.layered(
        look,
        8 * look.row_px,
        {
            "mark": {"type": "bar"},
            "encoding": {
                "x": {
                    "field": "share",
                    "type": "quantitative",
                    "title": title,
                    "stack": None,
                    "axis": ticks.linear("share", 5),
                },
                "y": {
                    "field": "term",
                    "type": "nominal",
                    "sort": None,
                    "title": None,
                    "axis": {"labelLimit": 330 * look.scale, "ticks": False, "domain": False},
                    "scale": {"paddingInner": 0.25},
                },
                "yOffset": kind,
                "color": colour,
                "tooltip": [{"field": "text", "type": "nominal", "title": " "}],
            },
        },
    )


def shares_of_memory(look: Look, title: str, names: tuple[str, ...]) -> Spec:
    """Rows of devices with the share of their memory, and a line where it is full."""
    spec = plots.ranges(look, title, True, names, "share")
    full = {
        "mark": {
            "type": "rule",
            "aria": False,
            "strokeDash": [6, 4],
            "strokeWidth": 2,
            "color": look.colours["ink"],
        },
        "encoding": {"x": {"datum": 1.0, "type": "quantitative"}},
    }
    return {**spec, "layer": [full, *spec["layer"]]}
