"""Charts of the page "Calibrate": specifications built once per look."""

import json

import pandas as pd

from estimator.web.calibrate.tables import BEFORE, GROUP_NAMES, MEASURED, NOW
from estimator.web.shared import charts, figures, ticks
from estimator.web.shared.charts import SHAPES, Look, Spec, distinguished, layer
from estimator.web.shared.language import N_, _

HEIGHT_PX, SLIDE_PX, LIVE_PX = 380, 320, 190
ROWS_OVER_USUAL = 1.75
"""Row height over that of other charts, for a label and two marks [1]."""

COLUMNS = "width < 500 ? 1 : 3"
"""Legend columns: one on a phone or in half a page, otherwise three."""

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Ticks of a logarithmic axis of shares [1]."""

DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4])
TOOLTIP = {
    "timing": N_("what"),
    "text": N_("share of the peak"),
    "disturbed": N_("disturbed by"),
    "run": N_("run"),
}
"""Column -> name in a timing's tooltip."""


def draw_cells(table: pd.DataFrame, look: Look, alt: str, *, of: str = "share") -> None:
    """Draw the expectation before and after calibration, a row per network kind.

    `of` selects utilization or power.
    """
    height = float(table["row"].nunique() * look.row_px * ROWS_OVER_USUAL)
    height = min(height, SLIDE_PX) if look.slide else height
    figures.draw(_cells, table, look, key=f"chart_{of}", alt=alt, height=height, of=(of,))


def draw_residuals(table: pd.DataFrame, look: Look, alt: str) -> None:
    """Draw measured timings against their leave-one-out predictions."""
    every = [_(name) for name in GROUP_NAMES.values()]
    groups = tuple(name for name in every if name in set(table["group"]))
    height = SLIDE_PX if look.slide else HEIGHT_PX
    figures.draw(
        _residuals, table, look, key="chart_residuals", alt=alt, height=height, of=(groups,)
    )


def draw_courses(table: pd.DataFrame, look: Look, alt: str, key: str) -> None:
    """Draw the power of the last minutes, a line per component."""
    names = tuple(dict.fromkeys(table["component"]))
    figures.draw(_courses, table, look, key=key, alt=alt, height=LIVE_PX, of=(names,))


def _cells(look: Look, of: str) -> Spec:
    """Specification of prior against posterior: two bars and the timings in every row."""
    colours = look.colours
    kinds = tuple(_(name) for name in (BEFORE, NOW, MEASURED))
    read = f"datum.what == {json.dumps(kinds[2])}"
    y = charts.rows("row", padding=0.12)
    slots = {"domain": ["label", BEFORE, NOW], "paddingInner": 0.0, "paddingOuter": 0.0}
    offset = {"field": "slot", "type": "nominal", "scale": slots, "sort": None}
    x = _axis(of)
    paints = (colours["muted"], *colours["series"][:2])
    colour = distinguished("what", kinds, paints, COLUMNS)
    shape = distinguished("what", kinds, ("square", "diamond", "circle"), COLUMNS)
    where = {"y": y, "yOffset": offset, "tooltip": charts.tooltip("text"), "color": colour}
    bars = {**where, "x": x | {"field": "low"}, "x2": {"field": "high"}}
    dots = {**where, "x": x, "shape": shape}
    edge = {"opacity": 0.9, "stroke": colours["paper"], "strokeWidth": 1}
    at_label = [{"filter": "datum.label != ''"}, {"calculate": "'label'", "as": "slot"}]
    text = charts.row_labels(
        look, {"y": y, "yOffset": offset}, "label", baseline="middle", dy=0.0, of=at_label
    )
    return charts.layered(
        look,
        HEIGHT_PX,
        layer("rule", bars, where=f"!({read})", strokeWidth=7 * look.scale, opacity=0.4),
        charts.points(look, 190, dots, where=f"!({read})"),
        charts.points(look, 55, dots, where=read, **edge),
        text,
    )


def _residuals(look: Look, groups: tuple[str, ...]) -> Spec:
    """Specification of the scatter: diagonal, intervals, a mark per timing."""
    colours = look.colours
    x = _share("predicted", _("predicted by the other timings (logarithmic)"), LOG, log=True)
    y = _share("reached", _("measured (logarithmic)"), LOG, log=True)
    every = [_(name) for name in GROUP_NAMES.values()]
    places = [every.index(name) for name in groups]
    series = colours["series"]
    paints = [series[place % len(series)] for place in places]
    colour = distinguished("group", groups, paints, COLUMNS)
    shape = distinguished("group", groups, [SHAPES[place] for place in places], COLUMNS)
    tooltip = [
        {"field": field, "type": "nominal", "title": _(title)} for field, title in TOOLTIP.items()
    ]
    diagonal = {"x": x, "y": y | {"field": "predicted"}}
    bars = {"x": x | {"field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour}
    dots = {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": tooltip}
    return charts.layered(
        look,
        HEIGHT_PX,
        layer("line", diagonal, color=colours["ink"], strokeWidth=1.2),
        layer("rule", bars, strokeWidth=3 * look.scale, opacity=0.35),
        charts.points(look, 95, dots),
    )


def _courses(look: Look, names: tuple[str, ...]) -> Spec:
    """Specification of the power lines."""
    series = look.colours["series"]
    dashes = [DASHES[place // len(series) % len(DASHES)] for place in range(len(names))]
    columns = COLUMNS if len(names) > 1 else 0
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
        "color": distinguished("component", names, series, columns),
        "strokeDash": distinguished("component", names, dashes, columns),
    }
    line = layer("line", encoding, strokeWidth=2.5 * look.scale)
    return charts.layered(look, LIVE_PX, line)


LOG = {"type": "log", "nice": False, "padding": 14}


def _share(field: str, title: str, scale: Spec, *, log: bool = False) -> Spec:
    """Return an axis of utilization, in percent."""
    shown = {"values": list(SHARES)} if log else {"tickCount": 5}
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": ticks.linear("share") | {"grid": True, **shown},
    }


def _axis(of: str) -> Spec:
    """Return the axis of utilization or power before and after calibration."""
    if of == "share":
        found = _share("mid", _("share of the peak"), {"domain": [0, 1], "nice": False})
        found["axis"]["grid"] = False
        return found
    return {
        "field": "mid",
        "type": "quantitative",
        "title": _("mean power of the device"),
        "scale": {"zero": True},
        "axis": ticks.linear("W", 5) | {"grid": False},
    }
