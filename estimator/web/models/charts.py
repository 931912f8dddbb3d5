"""The pictures of the page Models: shares by term, and how full each device is."""

from estimator.web.shared import charts, plots, ticks
from estimator.web.shared.charts import Look, Spec


def shares_by_term(look: Look, title: str, names: tuple[str, ...]) -> Spec:
    """Two bars per term, on one linear axis: columns term, kind, share, text."""
    x = {
        "field": "share",
        "type": "quantitative",
        "title": title,
        "stack": None,
        "axis": ticks.linear("share", 5),
    }
    y = {
        "field": "term",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 330 * look.scale, "ticks": False, "domain": False},
        "scale": {"paddingInner": 0.25},
    }
    colour = charts.distinguished("kind", names, look.colours["series"], len(names))
    encoding = {
        "x": x,
        "y": y,
        "yOffset": {"field": "kind", "type": "nominal", "sort": list(names)},
        "color": colour,
        "tooltip": charts.tooltip("text"),
    }
    return charts.layered(look, 8 * look.row_px, charts.layer("bar", encoding))


def shares_of_memory(look: Look, title: str, log: bool, names: tuple[str, ...], unit: str) -> Spec:
    """Rows of devices with the share of their memory, and a line where it is full."""
    spec = plots.ranges(look, title, log, names, unit)
    return {**spec, "layer": [charts.full_line(look), *spec["layer"]]}
