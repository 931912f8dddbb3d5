"""Charts of the pages about limits: ranges, a ladder, curves, and points with a fit.

Specifications are built once per look and fed with rows, without arithmetic.
"""

import math
from collections.abc import Iterable

from estimator.web.shared import charts
from estimator.web.shared.charts import SHAPES, Look, Picture, Row, Spec
from estimator.web.shared.language import _

CURVES_PX, LADDER_PX = 380, 520
COLUMNS = "width < 700 ? 1 : 2"
"""Vega expression for the legend columns."""


def interval(label: str, bounds: tuple[float, float | None, float], text: str, kind: str) -> Row:
    """Row of `ranges`: low, mid and high; without a mid, only a range."""
    low, mid, high = bounds
    return {"label": label, "text": text, "low": low, "mid": mid, "high": high, "kind": kind}


def ranges_picture(
    rows: list[Row],
    title: str,
    kinds: tuple[str, ...],
    unit: str = "1",
    *,
    log: bool = True,
    aim: float | None = None,
) -> Picture:
    """Chart of ranges, with their texts as alt text."""
    alt = "; ".join(row["text"] for row in rows)
    of = (title, log, kinds, unit, *([] if aim is None else [aim]))
    return Picture(build=ranges, rows=rows, of=of, alt=alt, by_row=True)


def line(x: Iterable[float], y: Iterable[float], name: str) -> list[Row]:
    """Rows of one line of `curves`."""
    return [
        {"x": float(one), "y": float(two), "name": name, "mark": False, "text": "", "to": None}
        for one, two in zip(x, y, strict=True)
    ]


def mark(x: float, y: float, text: str) -> Row:
    """Dot of `curves`."""
    return {"x": x, "y": y, "name": "", "mark": True, "text": text, "to": None}


def shaded(low: float, high: float) -> Row:
    """Return the shaded range of `curves`."""
    return {"x": low, "y": None, "name": "range", "mark": False, "text": "", "to": high}


def curves_picture(
    rows: list[Row],
    titles: tuple[str, str],
    logs: tuple[bool, bool],
    names: tuple[str, ...],
    alt: str = "",
    unit: str = "1",
) -> Picture:
    """Chart of lines with names; by default, names and dots are the alt text.

    The unit is that of the vertical axis; values in "power of ten" are exponents.
    """
    dots = "; ".join(row["text"] for row in rows if row["mark"])
    described = _("{y} against {x}: {names}").format(
        y=titles[1], x=titles[0], names=", ".join((*names, dots) if dots else names)
    )
    return Picture(build=curves, rows=rows, of=(titles, logs, names, unit), alt=alt or described)


def ranges(
    look: Look,
    title: str,
    log: bool,
    names: tuple[str, ...],
    unit: str = "1",
    aim: float | None = None,
) -> Spec:
    """Rows with a point and its interval: columns label, text, low, mid, high, kind."""
    y = charts.rows("label")
    x = charts.axis("x", "mid", title, log=log, unit=unit)
    x["axis"]["grid"] = False
    if not log:
        x["scale"] = {"zero": True, "nice": False, "padding": 8}
    colour = charts.distinguished("kind", names, look.colours["series"])
    shape = charts.distinguished("kind", names, SHAPES)
    span = {"x": x | {"field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour}
    middle = {"x": x, "y": y, "color": colour, "shape": shape, "tooltip": charts.tooltip("text")}
    right = {"x": {"datum": aim, "type": "quantitative"}, "y": y}
    tick: Spec = {"orient": "vertical", "size": 22 * look.scale, "thickness": 1.5 * look.scale}
    tick |= {"color": look.colours["muted"], "aria": False}
    return charts.layered(
        look,
        4 * look.row_px,
        *([] if aim is None else [charts.layer("tick", right, **tick)]),
        charts.layer("rule", span, strokeWidth=3, opacity=0.75),
        charts.points(look, 190, middle),
        charts.row_labels(look, {"y": y}, "text"),
    )


def rung(label: str, value: float, text: str, kind: str, *, here: bool = False) -> Row:
    """Row of `ladder`; `here` marks the reader's own."""
    return {"label": label, "text": text, "value": value, "kind": kind, "here": here}


RUNG = 0.058
"""Least distance of two ladder labels over its height [1]."""


NARROW = 0.046
"""Largest letter size over the width of a ladder [1]."""


def ladder_picture(rows: list[Row], kinds: tuple[str, ...], unit: str, headline: str) -> Picture:
    """Return a ladder of rows on powers of ten, with separated labels."""
    ordered = sorted(rows, key=lambda row: float(row["value"]))
    logs = [math.log10(row["value"]) for row in ordered]
    gap = RUNG * (logs[-1] - logs[0])
    places: list[float] = []
    for log in logs:
        places.append(max(log, places[-1] + gap) if places else log)
    most = logs[-1]
    for at in range(len(places) - 1, -1, -1):
        places[at] = most = min(places[at], most)
        most -= gap
    placed = [row | {"place": 10**place} for row, place in zip(ordered, places, strict=True)]
    alt = "; ".join(f"{row['label']}: {row['text']}" for row in ordered)
    return Picture(build=ladder, rows=placed, of=(kinds, unit), alt=alt, headline=headline)


def ladder(look: Look, kinds: tuple[str, ...], unit: str) -> Spec:
    """Ladder on powers of ten: columns label, text, value, place, kind, here."""
    y = charts.axis("y", "value", "", log=True, unit=unit)
    y["axis"] |= {"grid": False, "title": None, "labelPadding": 14 * look.scale}
    across = {"type": "quantitative", "axis": None, "scale": {"domain": [0, 1], "nice": False}}
    colour = charts.distinguished("kind", kinds, look.colours["series"])

    def at(x: float, field: str) -> Spec:
        return {"x": across | {"datum": x}, "y": y | {"field": field}, "color": colour}

    lead = at(0.012, "value") | {"x2": {"datum": 0.07}, "y2": {"field": "place"}}
    size = {"expr": f"min({look.text_px:g} * unit, {NARROW:g} * width)"}
    written: Spec = {"font": charts.FONT, "fontSize": size, "baseline": "middle"}
    ink = {"value": look.colours["ink"]}
    named = at(0.08, "place") | {"color": ink, "text": {"field": "label"}}
    short: Spec = {"align": "left"} | {"limit": {"expr": f"0.92 * width - 4.5 * {size['expr']}"}}
    value = at(1.0, "place") | {"text": {"field": "text"}}
    return charts.layered(
        look,
        LADDER_PX * look.scale,
        charts.layer("rule", lead, strokeWidth=1.5),
        charts.points(look, 170, at(0.0, "value")),
        charts.layer("text", named, where="!datum.here", **written | short),
        charts.layer("text", named, where="datum.here", fontWeight="bold", **written | short),
        charts.layer("text", value, align="right", fontWeight="bold", **written),
    )


def curves(
    look: Look,
    titles: tuple[str, str],
    logs: tuple[bool, bool],
    names: tuple[str, ...],
    unit: str = "1",
) -> Spec:
    """Lines by name, a shaded range, and marks: columns x, y, name, to, mark, text.

    Range and marks may be empty, and are left to the chart's `alt`.
    """
    colours = look.colours
    x = charts.axis("x", "x", titles[0], log=logs[0])
    y = charts.axis("y", "y", titles[1], log=logs[1], unit=unit)
    stroke: Spec = {
        "symbolType": "stroke",
        "symbolSize": 500 * look.scale**2,
        "symbolStrokeWidth": 2.5,
    }
    dashes = [[1, 0], [8, 4], [2, 3], [12, 3, 2, 3], [4, 2]]
    lines = {
        "x": x,
        "y": y,
        "color": charts.distinguished("name", names, colours["series"], COLUMNS, **stroke),
        "strokeDash": charts.distinguished("name", names, dashes, COLUMNS, **stroke),
    }
    return charts.layered(
        look,
        CURVES_PX,
        charts.layer(
            "rect",
            {"x": x, "x2": {"field": "to"}},
            where="datum.name == 'range'",
            color=colours["muted"],
            opacity=0.13,
            aria=False,
        ),
        charts.layer(
            "line",
            lines,
            where="datum.name != 'range' && !datum.mark",
            strokeWidth=2.5 * look.scale,
        ),
        charts.points(
            look,
            150,
            {"x": x, "y": y, "tooltip": charts.tooltip("text")},
            where="datum.mark",
            color=colours["ink"],
            aria=False,
        ),
    )


def fitted(look: Look, titles: tuple[str, str], names: tuple[str, ...]) -> Spec:
    """Records and a fitted exponential: columns year, value, name, label, row.

    A `tag` is a name next to its point, on its `side`, above other marks. A year's tick is at its
    middle.
    """
    x = {
        "field": "year",
        "type": "quantitative",
        "title": titles[0],
        "scale": {"zero": False, "nice": False, "padding": 32 * look.scale},
        "axis": {
            "values": {"expr": YEARS},
            "labelExpr": "format(datum.value - 0.5, 'd')",
            "grid": False,
            "ticks": False,
            "labelOverlap": "parity",
        },
    }
    colour = charts.distinguished("name", names, look.colours["series"], WIDE)
    y = charts.axis("y", "value", titles[1], log=True)
    y["axis"]["grid"] = False
    fit = {"x": x, "y": y, "color": colour}
    shape = charts.distinguished("name", names, SHAPES, WIDE)
    records = {**fit, "shape": shape, "tooltip": charts.tooltip("label", "text", "row")}
    return charts.layered(
        look,
        CURVES_PX,
        charts.layer("line", fit, where="datum.label == ''", strokeWidth=2.5 * look.scale),
        charts.points(look, 60, records, where="datum.label && !datum.tag", opacity=0.65),
        charts.points(look, 110, records, where="datum.label && datum.tag"),
        *(layer for side in SIDES for layer in _tags(look, fit, side)),
    )


YEARS = "sequence(ceil(domain('x')[0]) - 0.5, domain('x')[1] + 0.5)"
"""Vega expression for the middles of a chart's years."""

WIDE = "width < 700 ? 1 : 3"
"""Vega expression for the legend columns with few names."""

SIDES: dict[str, Spec] = {
    "left": {"align": "right", "dx": -11.0, "dy": -5.0},
    "above": {"align": "right", "dx": -2.0, "dy": -19.0},
    "right": {"align": "left", "dx": 11.0, "dy": 7.0},
}
"""Side of a point -> placement of its name."""


def _tags(look: Look, fit: Spec, side: str) -> list[Spec]:
    """Names of points on one side, outlined in the paper's colour."""
    ink, paper = look.colours["ink"], look.colours["paper"]
    tag = fit | {"color": {"value": ink}, "text": {"field": "tag"}}
    placed = {key: one * look.scale if key != "align" else one for key, one in SIDES[side].items()}
    written: Spec = {"fontSize": 0.95 * look.text_px, "font": charts.FONT, "aria": False}
    written |= {"opacity": {"expr": "width < 640 ? 0 : 1"}, "baseline": "middle", **placed}
    where = f"datum.side == '{side}'"
    return [
        charts.layer("text", tag, where=where, stroke=paper, strokeWidth=4 * look.scale, **written),
        charts.layer("text", tag, where=where, **written),
    ]
