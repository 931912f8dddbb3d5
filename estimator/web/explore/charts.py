"""Charts of the page Sensitivity: a band, and a Pareto front."""

from estimator.web.shared import charts, ticks
from estimator.web.shared.charts import Look, Spec, axis

HEIGHT_PX = 380.0
"""Height of a chart on the page [px]."""


def band(look: Look, titles: tuple[str, str], log: bool, unit: str) -> Spec:
    """Median with interval over an input: columns x, low, mid, high, text."""
    colour = look.colours["series"][0]
    x = axis("x", "x", titles[0], log=log)
    y = axis("y", "mid", titles[1], log=True, unit=unit)
    interval = {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}}
    middle = {"x": x, "y": y}
    return charts.layered(
        look,
        HEIGHT_PX,
        charts.layer("area", interval, color=colour, opacity=0.22),
        charts.layer("line", middle, color=colour, strokeWidth=2.5 * look.scale),
        charts.points(look, 60, middle | {"tooltip": charts.tooltip("text")}, color=colour),
    )


def front(look: Look, titles: tuple[str, str, str]) -> Spec:
    """Designs, with the front enlarged: columns hours, usd, kg, pareto, text.

    Rows are drawn in order, so those on the front come last.
    """
    x = axis("x", "hours", titles[0], log=True, unit="hour")
    y = axis("y", "usd", titles[1], log=True, unit="USD")
    colour = {
        "field": "kg",
        "type": "quantitative",
        "title": titles[2],
        "scale": {"type": "log", "scheme": "viridis"},
        "legend": _legend("kgCO2e"),
    }
    small, large = 22 * look.scale**2, 130 * look.scale**2
    encoding = {
        "x": x,
        "y": y,
        "color": colour,
        "tooltip": charts.tooltip("text", "figures"),
        "size": _on_front(large, small),
        "opacity": _on_front(1, 0.5),
        "strokeWidth": _on_front(1.5, 0),
    }
    dots = charts.layer("point", encoding, filled=True, stroke=look.colours["ink"])
    taken = (("hours", "hour"), ("usd", "USD"), ("kg", "kgCO2e"))
    figures = " + '; ' + ".join(ticks.number_expression(*one) for one in taken)
    dots["transform"] = [{"calculate": figures, "as": "figures"}]
    return charts.layered(look, HEIGHT_PX, dots)


def _on_front(there: float, elsewhere: float) -> Spec:
    """Value for designs on the front, and another for the rest."""
    return {"condition": {"test": "datum.pareto", "value": there}, "value": elsewhere}


def _legend(unit: str) -> Spec:
    label = f"{ticks.labelled('color')} ? ({ticks.label(unit)}) : ''"
    return {"labelExpr": label, "gradientLength": 200, "tickCount": 4, "orient": "right"}
