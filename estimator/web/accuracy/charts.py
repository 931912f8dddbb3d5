"""Charts of the page "Accuracy": specifications built once per look."""

import math
from collections.abc import Sequence

from estimator.web.accuracy.groups import CLASSES, CONSTANT, OURS
from estimator.web.shared import charts, figures, ticks
from estimator.web.shared.charts import SHAPES, Look, Row, Spec, distinguished
from estimator.web.shared.language import N_, _

HEIGHT_PX = 430
COLUMNS = "width < 500 ? 2 : 5"
TWO = "width < 420 ? 1 : 2"
"""Legend columns: one on a phone, otherwise two."""

DECADES = 4
"""Decades above which one tick per decade is enough."""

HOURS = "datum.value < 1000 ? format(datum.value, '~f') : format(datum.value, '~s')"
"""Vega expression that formats a tick of hours."""

TOOLTIP = {
    "run": N_("run"),
    "device": N_("on"),
    "text": N_("device time"),
    "ratio": N_("predicted over reported"),
    "interval": N_("80% interval"),
    "class": N_("workload type"),
    "source": N_("source"),
}
"""Column -> name in the tooltip."""


def draw_runs(table: list[Row], look: Look, alt: str) -> None:
    """Draw predicted against reported device-hours."""
    figures.draw(
        _runs, table, look, key="chart_runs", alt=alt, height=HEIGHT_PX, of=(_ticks(table),)
    )


def draw_errors(table: list[Row], look: Look, alt: str) -> None:
    """Draw the median errors of groups."""
    height = len(table) // 2 * look.row_px
    figures.draw(_errors, table, look, key="chart_errors", alt=alt, height=height)


def _runs(look: Look, values: tuple[float, ...]) -> Spec:
    """Specification of the scatter: diagonal, factor-2 band, a mark per run."""
    colours = look.colours
    x = _hours("reported_h", _("reported device-hours (logarithmic)"), values)
    y = _hours("predicted_h", _("predicted device-hours"), values)
    classes = tuple(_(name) for name in CLASSES)
    band = {"x": x, "y": y | {"field": "half_h"}, "y2": {"field": "double_h"}}
    points = {
        "x": x,
        "y": y,
        "color": distinguished("class", classes, colours["series"], COLUMNS),
        "shape": distinguished("class", classes, SHAPES, COLUMNS),
        "tooltip": _tooltip(),
    }
    diagonal = {"x": x, "y": y | {"field": "reported_h"}}
    return charts.layered(
        look,
        HEIGHT_PX,
        charts.layer("area", band, color=colours["muted"], opacity=0.16),
        charts.layer("line", diagonal, color=colours["ink"], strokeWidth=1.2),
        charts.points(look, 75, points, opacity=0.8),
    )


def _errors(look: Look) -> Spec:
    """Specification of the errors: ours joined to a constant's, a row per group."""
    colours = look.colours
    y = charts.rows("group")
    axis = ticks.linear("share") | {"grid": False}
    x = {"field": "error", "type": "quantitative", "title": _("median error"), "axis": axis}
    x |= {"scale": {"zero": True}}
    who = (_(OURS), _(CONSTANT))
    points = {
        "x": x,
        "y": y,
        "color": distinguished("who", who, colours["series"], TWO),
        "shape": distinguished("who", who, SHAPES, TWO),
    }
    stem = {"x": x, "x2": {"field": "other"}, "y": y}
    return charts.layered(
        look,
        4 * look.row_px,
        charts.layer("rule", stem, strokeWidth=2, color=colours["muted"], opacity=0.7),
        charts.points(look, 210, points),
        charts.row_labels(look, {"y": y}, "label"),
    )


def _ticks(table: list[Row]) -> tuple[float, ...]:
    """Ticks for a table's hours: powers of ten, with 2 and 5 times if there are few."""
    low = math.floor(math.log10(min(row["half_h"] for row in table)))
    high = math.ceil(math.log10(max(row["double_h"] for row in table)))
    steps = (1.0,) if high - low > DECADES else (1.0, 2.0, 5.0)
    return tuple(step * 10.0**power for power in range(low, high + 1) for step in steps)


def _hours(field: str, title: str, values: Sequence[float]) -> Spec:
    """Return a logarithmic axis of device-hours."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"type": "log", "nice": False, "padding": 8},
        "axis": {
            "labelExpr": HOURS,
            "values": list(values),
            "labelOverlap": "parity",
            "labelSeparation": 8,
            "grid": True,
        },
    }


def _tooltip() -> list[Spec]:
    """Return the tooltip of a run."""
    return [
        {"field": field, "title": title}
        | ({"type": "quantitative", "format": ".2~f"} if field == "ratio" else {"type": "nominal"})
        for field, title in TOOLTIP.items()
    ]
